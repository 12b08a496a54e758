//! Definitions: every version, what changed between two, and new ones from files.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use similar::{ChangeTag, TextDiff};
use xunyuan_core::definition::{Definition, DefinitionKind, Problem as Wrong, SourceFile, Title};
use xunyuan_core::error::{Error, ErrorKind};

use super::answer::{Page, with_status};
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::listing;
use super::nav::Area;
use super::visit::{SentFiles, Visit};
use crate::app::App;
use crate::asked::refused;
use crate::auth::{Policy as _, PublishDefinitions};
use crate::problem::Problem;

/// Lines around a change that are shown with it.
const AROUND: usize = 3;

#[derive(Template)]
#[template(path = "definitions.html")]
struct DefinitionsPage<'v> {
    v: &'v Visit,
    area: Area,
    grid: Grid,
    may_publish: bool,
    wrong: Vec<WrongView>,
    published: Option<usize>,
    checked: Option<usize>,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug)]
struct WrongView {
    file: String,
    pointer: String,
    said: String,
    allowed: String,
}

/// `GET /definitions`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let published = visit.asked.parsed::<usize>("published")?;
    let checked = visit.asked.parsed::<usize>("checked")?;
    page(&app, &visit, Vec::new(), published, checked).await
}

async fn page(
    app: &App,
    visit: &Visit,
    wrong: Vec<WrongView>,
    published: Option<usize>,
    checked: Option<usize>,
) -> Result<Response, Problem> {
    let all = app.call(|hub, _| hub.definitions()).await?.map_err(|error| Problem::of(&error))?;
    let wanted = visit.asked.text("kind");
    let text = visit.asked.text("q").map(str::to_lowercase);
    let mut latest: Vec<(&Definition, usize)> = Vec::new();
    for (definition, _) in &all {
        match latest.iter_mut().find(|(known, _)| known.reference.id == definition.reference.id) {
            Some((known, versions)) => {
                *versions += 1;
                if definition.reference.version > known.reference.version {
                    *known = definition;
                }
            }
            None => latest.push((definition, 1)),
        }
    }
    latest.retain(|(definition, _)| {
        let title = title_of(visit, definition).to_lowercase();
        let named = |text: &String| title.contains(text) || definition.reference.id.contains(text.as_str());
        wanted.is_none_or(|kind| definition.kind.schema() == kind) && text.as_ref().is_none_or(named)
    });
    latest.sort_by_key(|(definition, _)| (kind_order(definition.kind), definition.reference.id.clone()));
    let (latest, count) = Grid::cut(&visit.asked, latest)?;
    let rows = latest.iter().map(|(definition, versions)| row(visit, definition, *versions)).collect();
    let mut grid =
        Grid::plain(visit, Title { zh: "定义".to_owned(), en: "Definitions".to_owned() }, heads(), rows)?;
    (grid.count, grid.filters) = (count, filters(visit));
    let may_publish = PublishDefinitions::allows(visit.catalog(), visit.user());
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    grid.answer(visit, |grid| {
        let page = DefinitionsPage {
            v: visit,
            area: Area::Definitions,
            grid,
            may_publish,
            wrong,
            published,
            checked,
        };
        with_status(status, Page(page))
    })
}

fn kind_order(kind: DefinitionKind) -> usize {
    DefinitionKind::ALL.iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let kinds =
        DefinitionKind::ALL.map(|kind| (kind.schema().to_owned(), kind_title(visit, kind).to_owned()));
    vec![
        FilterPart::Search { value: visit.asked.shown("q").to_owned() },
        listing::select("kind", visit.t("种类", "Kind"), kinds.to_vec(), &visit.asked),
    ]
}

fn kind_title(visit: &Visit, kind: DefinitionKind) -> &'static str {
    let (zh, en) = match kind {
        DefinitionKind::Checklist => ("检查表", "Checklist"),
        DefinitionKind::Ledger => ("台帐", "Ledger"),
        DefinitionKind::Rules => ("规则", "Rules"),
        DefinitionKind::ResponseSets => ("答案选项", "Response sets"),
        DefinitionKind::Categories => ("分类", "Categories"),
        DefinitionKind::Clauses => ("标准条款", "Clauses"),
        DefinitionKind::Roles => ("岗位与部门", "Roles"),
        DefinitionKind::Reports => ("报表", "Reports"),
        DefinitionKind::Nonconformity => ("不符合模型", "Nonconformity"),
        DefinitionKind::Staffing => ("人员配备", "Staffing"),
        DefinitionKind::Training => ("培训", "Training"),
        DefinitionKind::Form => ("表单", "Form"),
        DefinitionKind::Holidays => ("节假日", "Holidays"),
        DefinitionKind::Tiles => ("控制台图块", "Tiles"),
        DefinitionKind::Organisation => ("组织", "Organisation"),
    };
    if visit.lang.english { en } else { zh }
}

/// What a definition calls itself; its id where it has no title.
fn title_of(visit: &Visit, definition: &Definition) -> String {
    let catalog = visit.catalog();
    let ledger = catalog.ledger(&definition.reference).map(|ledger| &ledger.title);
    let list = catalog.checklist(&definition.reference).map(|list| &list.title);
    let title = ledger.or(list).map(|title| visit.title(title).to_owned());
    title.unwrap_or_else(|| kind_title(visit, definition.kind).to_owned())
}

fn heads() -> Vec<Head> {
    vec![
        Head::text("id", "编号", "Id"),
        Head::text("title", "名称", "Title"),
        Head::text("kind", "种类", "Kind"),
        Head::count("version", "最新版", "Latest"),
        Head::count("versions", "版本数", "Versions"),
        Head::text("hash", "内容哈希", "Content hash"),
    ]
}

fn row(visit: &Visit, definition: &Definition, versions: usize) -> GridRow {
    let reference = &definition.reference;
    let cells = vec![
        GridCell::text(reference.id.clone()),
        GridCell::text(title_of(visit, definition)),
        GridCell::text(kind_title(visit, definition.kind)),
        GridCell::count(i64::from(reference.version)),
        GridCell::count(i64::try_from(versions).unwrap_or(i64::MAX)),
        GridCell::text(reference.hash.to_string().chars().take(16).collect::<String>()),
    ];
    GridRow {
        key: reference.id.replace('.', "-"),
        href: Some(format!("/definitions/{}", reference.id)),
        cells,
    }
}

/// A line of a comparison.
#[derive(Clone, Debug)]
struct DiffLine {
    sign: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "definition.html")]
struct DefinitionPage<'v> {
    v: &'v Visit,
    area: Area,
    id: String,
    title: String,
    kind: &'static str,
    /// Number and hash, and whether it is the one compared from or with.
    versions: Vec<(u32, String, bool, bool)>,
    to: u32,
    diff: Option<Vec<Vec<DiffLine>>>,
    json: String,
}

/// `GET /definitions/{id}?from=1&to=2`
pub(crate) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let all = app.call(|hub, _| hub.definitions()).await?.map_err(|error| Problem::of(&error))?;
    let mut versions: Vec<Definition> =
        all.into_iter().map(|(definition, _)| definition).filter(|known| known.reference.id == id).collect();
    versions.sort_by_key(|definition| std::cmp::Reverse(definition.reference.version));
    let latest = versions.first().ok_or_else(no_definition)?.clone();
    let named = |version: u32| versions.iter().find(|known| known.reference.version == version);
    let to = match visit.asked.parsed::<u32>("to")? {
        Some(version) => named(version).ok_or_else(|| refused("to", "to"))?,
        None => &latest,
    };
    let from = match visit.asked.parsed::<u32>("from")? {
        Some(version) => Some(named(version).ok_or_else(|| refused("from", "from"))?),
        None => None,
    };
    let json = pretty(to)?;
    let diff = from.map(|from| Ok::<_, Problem>(compared(&pretty(from)?, &json))).transpose()?;
    let page = DefinitionPage {
        v: &visit,
        area: Area::Definitions,
        title: title_of(&visit, &latest),
        kind: kind_title(&visit, latest.kind),
        versions: versions.iter().map(|known| choice(known, from, to)).collect(),
        to: to.reference.version,
        id,
        diff,
        json,
    };
    Ok(Page(page).into_response())
}

fn choice(known: &Definition, from: Option<&Definition>, to: &Definition) -> (u32, String, bool, bool) {
    let version = known.reference.version;
    let is_from = from.is_some_and(|from| from.reference.version == version);
    (version, known.reference.hash.to_string(), is_from, to.reference.version == version)
}

fn pretty(definition: &Definition) -> Result<String, Problem> {
    let value: serde_json::Value = serde_json::from_slice(&definition.json).map_err(Problem::internal)?;
    serde_json::to_string_pretty(&value).map_err(Problem::internal)
}

/// What differs, in groups with some lines around.
fn compared(from: &str, to: &str) -> Vec<Vec<DiffLine>> {
    let diff = TextDiff::from_lines(from, to);
    let groups = diff.grouped_ops(AROUND);
    let line = |change: similar::Change<&str>| DiffLine {
        sign: match change.tag() {
            ChangeTag::Equal => " ",
            ChangeTag::Delete => "-",
            ChangeTag::Insert => "+",
        },
        text: change.value().trim_end_matches('\n').to_owned(),
    };
    groups.iter().map(|group| group.iter().flat_map(|op| diff.iter_changes(op)).map(line).collect()).collect()
}

fn no_definition() -> Problem {
    Problem::of(&Error::new(ErrorKind::NotFound, "没有这个定义", "there is no such definition"))
}

/// `POST /definitions`: checks files, and publishes them where that is wanted.
pub(crate) async fn upload(
    State(app): State<App>,
    sent: SentFiles<PublishDefinitions>,
) -> Result<Response, Problem> {
    let SentFiles { visit, fields, files, .. } = sent;
    let sources: Vec<SourceFile> =
        files.into_iter().map(|file| SourceFile { name: file.name, bytes: file.bytes.to_vec() }).collect();
    if sources.is_empty() {
        return Err(Problem::of(&Error::new(ErrorKind::Invalid, "请选择文件", "choose a file")));
    }
    let only_check = fields.text("check") == "1";
    let done = app.call(move |hub, now_ms| {
        let definitions = match hub.fitting(&sources)? {
            Ok(definitions) => definitions,
            Err(wrong) => return Ok(Err(wrong)),
        };
        if only_check {
            return Ok(Ok(definitions.len()));
        }
        hub.publish(&definitions, now_ms)
            .map(|published| Ok(published.iter().filter(|one| one.is_new).count()))
    });
    match done.await?.map_err(|error: Error| Problem::of(&error))? {
        Ok(count) if only_check => Ok(Redirect::to(&format!("/definitions?checked={count}")).into_response()),
        Ok(count) => Ok(Redirect::to(&format!("/definitions?published={count}")).into_response()),
        Err(wrong) => {
            let wrong = wrong.iter().map(|one| told(&visit, one)).collect();
            page(&app, &visit, wrong, None, None).await
        }
    }
}

fn told(visit: &Visit, wrong: &Wrong) -> WrongView {
    WrongView {
        file: wrong.file.clone(),
        pointer: if wrong.pointer.is_empty() { "/".to_owned() } else { wrong.pointer.clone() },
        said: visit.lang.sentence(&wrong.sentence).to_owned(),
        allowed: wrong.allowed.join(", "),
    }
}
