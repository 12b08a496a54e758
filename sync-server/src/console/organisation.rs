//! The organisation: projects, people, checkpoints, schedules; and who may sign in here.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use xunyuan_core::definition::{Organisation, Title, User};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;

use super::answer::Page;
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::nav::Area;
use super::tone::Tone;
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::{ManagePeople, Policy as _};
use crate::hub::Session;
use crate::problem::Problem;

/// How long a link for a password is good, hours.
const HOURS: i64 = 48;
/// What there is to look at.
const TABS: [(&str, &str, &str); 4] = [
    ("people", "人员", "People"),
    ("projects", "项目", "Projects"),
    ("checkpoints", "点位", "Checkpoints"),
    ("schedules", "排班", "Schedules"),
];

#[derive(Template)]
#[template(path = "organisation.html")]
struct OrganisationPage<'v> {
    v: &'v Visit,
    area: Area,
    tab: &'static str,
    tabs: Vec<(&'static str, &'static str, bool)>,
    version: u32,
    grid: Grid,
}

/// `GET /organisation?tab=people`
pub(crate) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let names = TABS.map(|(id, ..)| id);
    let wanted = visit.asked.one_of("tab", &names)?;
    let (tab, zh, en) = TABS.into_iter().find(|(id, ..)| Some(*id) == wanted).unwrap_or(TABS[0]);
    let organisation = visit.catalog().organisation().cloned().ok_or_else(no_organisation)?;
    let accounts = app.call(|hub, _| hub.accounts()).await?.map_err(|error| Problem::of(&error))?;
    let (heads, rows) = match tab {
        "projects" => projects(&visit, &organisation),
        "checkpoints" => checkpoints(&visit, &organisation),
        "schedules" => schedules(&visit, &organisation),
        _ => people(&visit, &organisation, &accounts),
    };
    let text = visit.asked.text("q").map(str::to_lowercase);
    let fits = |row: &GridRow| {
        let said =
            |text: &String| row.cells.iter().any(|cell| cell.said(&visit).to_lowercase().contains(text));
        text.as_ref().is_none_or(said)
    };
    let (rows, count) = Grid::cut(&visit.asked, rows.into_iter().filter(fits).collect::<Vec<_>>())?;
    let mut grid = Grid::plain(&visit, Title { zh: zh.to_owned(), en: en.to_owned() }, heads, rows)?;
    grid.count = count;
    grid.filters = vec![FilterPart::Search { value: visit.asked.shown("q").to_owned() }];
    let tabs = TABS.map(|(id, zh, en)| (id, if visit.lang.english { en } else { zh }, id == tab)).to_vec();
    let version = organisation.version;
    grid.answer(&visit, |grid| {
        Page(OrganisationPage { v: &visit, area: Area::Organisation, tab, tabs, version, grid })
            .into_response()
    })
}

type Listed = (Vec<Head>, Vec<GridRow>);

fn people(visit: &Visit, organisation: &Organisation, accounts: &[(UserId, bool)]) -> Listed {
    let heads = vec![
        Head::text("name", "姓名", "Name"),
        Head::text("id", "编号", "Id"),
        Head::text("roles", "岗位", "Roles"),
        Head::text("project", "项目", "Project"),
        Head::text("dept", "部门", "Department"),
        Head::text("account", "控制台登录", "Console"),
    ];
    let row = |user: &User| {
        let roles: Vec<&str> = user
            .roles()
            .map(|id| visit.catalog().role(id).map_or(id, |role| visit.title(&role.title)))
            .collect();
        let dept = user.dept.as_deref().and_then(|id| visit.catalog().department(id));
        let account = accounts.iter().find(|(known, _)| known.as_str() == user.id);
        let account = match account {
            _ if user.retired => GridCell::badge(visit.t("已离职", "left"), Tone::Quiet),
            Some((_, true)) => GridCell::badge(visit.t("口令 + 动态码", "password and codes"), Tone::Good),
            Some((_, false)) => GridCell::badge(visit.t("口令", "password"), Tone::Busy),
            None => GridCell::text(""),
        };
        let place = user.project.as_deref().map_or_else(|| visit.branch().to_owned(), |id| visit.unit(id));
        let cells = vec![
            GridCell::text(user.name.clone()),
            GridCell::text(user.id.clone()),
            GridCell::text(roles.join(visit.t("、", ", "))),
            GridCell::text(place),
            GridCell::text(dept.map_or("", |dept| visit.title(&dept.title))),
            account,
        ];
        GridRow { key: user.id.replace('.', "-"), href: Some(format!("/people/{}", user.id)), cells }
    };
    let seen = organisation.users.iter().filter(|user| visit.sight.knows(&UserId::new(user.id.clone())));
    (heads, seen.map(row).collect())
}

fn projects(visit: &Visit, organisation: &Organisation) -> Listed {
    let heads = vec![
        Head::text("name", "项目", "Project"),
        Head::text("id", "编号", "Id"),
        Head::text("code", "代码", "Code"),
        Head::text("district", "片区", "District"),
        Head::count("households", "户数", "Households"),
        Head::count("buildings", "楼栋", "Buildings"),
        Head::count("checkpoints", "点位", "Checkpoints"),
        Head::count("people", "人员", "People"),
    ];
    let rows = organisation.projects.iter().map(|project| {
        let count = |count: usize| GridCell::count(i64::try_from(count).unwrap_or(i64::MAX));
        let district =
            organisation.districts.iter().find(|district| Some(&district.id) == project.district.as_ref());
        let points =
            organisation.checkpoints.iter().filter(|point| point.project == project.id && !point.retired);
        let people = organisation
            .users
            .iter()
            .filter(|user| user.project.as_ref() == Some(&project.id) && !user.retired);
        let cells = vec![
            GridCell::text(visit.title(&project.title)),
            GridCell::text(project.id.clone()),
            GridCell::text(project.number_code()),
            GridCell::text(district.map_or("", |district| visit.title(&district.title))),
            GridCell::count(i64::from(project.households)),
            GridCell::count(i64::from(project.buildings)),
            count(points.count()),
            count(people.count()),
        ];
        GridRow { key: project.id.replace('.', "-"), href: None, cells }
    });
    (heads, rows.collect())
}

fn checkpoints(visit: &Visit, organisation: &Organisation) -> Listed {
    let heads = vec![
        Head::text("name", "点位", "Checkpoint"),
        Head::text("project", "项目", "Project"),
        Head::text("code", "标签码", "Tag"),
        Head::text("id", "编号", "Id"),
    ];
    let units = visit.sight.units();
    let seen = organisation.checkpoints.iter().filter(|point| units.contains(&point.project.as_str()));
    let rows = seen.map(|point| {
        let name = visit.title(&point.title);
        let cells = vec![
            if point.retired { GridCell::badge(name, Tone::Quiet) } else { GridCell::text(name) },
            GridCell::text(visit.unit(&point.project)),
            GridCell::text(point.tag.code.clone()),
            GridCell::text(point.id.clone()),
        ];
        GridRow { key: point.id.replace('.', "-"), href: None, cells }
    });
    (heads, rows.collect())
}

fn schedules(visit: &Visit, organisation: &Organisation) -> Listed {
    let heads = vec![
        Head::text("list", "检查表", "Checklist"),
        Head::text("role", "岗位", "Role"),
        Head::text("times", "时间", "Times"),
        Head::text("project", "项目", "Project"),
        Head::count("late", "迟到(分)", "Late after (min)"),
        Head::count("missed", "漏检(分)", "Missed after (min)"),
        Head::text("id", "编号", "Id"),
    ];
    let rows = organisation.schedules.iter().filter(|schedule| !schedule.retired).map(|schedule| {
        let list = visit
            .catalog()
            .latest_checklist(&schedule.template)
            .map(|list| visit.title(&list.title).to_owned());
        let role =
            visit.catalog().role(&schedule.assign.role).map(|role| visit.title(&role.title).to_owned());
        let place = match schedule.project_scope.as_str() {
            "all" => visit.t("全部", "all").to_owned(),
            id => visit.unit(id),
        };
        let cells = vec![
            GridCell::text(list.unwrap_or_else(|| schedule.template.clone())),
            GridCell::text(role.unwrap_or_else(|| schedule.assign.role.clone())),
            GridCell::text(schedule.recur.times.join(visit.t("、", ", "))),
            GridCell::text(place),
            GridCell::count(i64::from(schedule.window_min.late_after)),
            GridCell::count(i64::from(schedule.window_min.missed_after)),
            GridCell::text(schedule.id.clone()),
        ];
        GridRow { key: schedule.id.replace('.', "-"), href: None, cells }
    });
    (heads, rows.collect())
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage<'v> {
    v: &'v Visit,
    area: Area,
    id: String,
    name: String,
    facts: Vec<(String, String)>,
    may_manage: bool,
    is_retired: bool,
    sessions: Vec<Session>,
    has_factor: bool,
    link: Option<(String, i64)>,
    done: bool,
}

/// `GET /people/{id}`
pub(crate) async fn person(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    person_page(&app, &visit, &UserId::new(id), None).await
}

async fn person_page(
    app: &App,
    visit: &Visit,
    id: &UserId,
    link: Option<(String, i64)>,
) -> Result<Response, Problem> {
    let user = known(visit, id)?;
    let may_manage = ManagePeople::allows(visit.catalog(), visit.user());
    let asked = id.clone();
    let read = app.call(move |hub, _| Ok::<_, Error>((hub.sessions(&asked)?, hub.account(&asked)?)));
    let (sessions, account) = read.await?.map_err(|error| Problem::of(&error))?;
    let organisation = visit.catalog().organisation().cloned().ok_or_else(no_organisation)?;
    let (heads, rows) = people(visit, &Organisation { users: vec![user.clone()], ..organisation }, &[]);
    let cells = rows.into_iter().next().map(|row| row.cells).unwrap_or_default();
    let facts = heads.iter().zip(&cells).skip(1).take(4);
    let facts = facts.map(|(head, cell)| (visit.title(&head.title).to_owned(), cell.said(visit)));
    let page = PersonPage {
        v: visit,
        area: Area::Organisation,
        id: id.to_string(),
        name: user.name.clone(),
        facts: facts.collect(),
        may_manage,
        is_retired: user.retired,
        sessions: if may_manage { sessions } else { Vec::new() },
        has_factor: account.is_some_and(|account| account.second_factor.is_some()),
        link,
        done: visit.asked.flag("done"),
    };
    Ok(Page(page).into_response())
}

/// A person whom the person who looks knows.
fn known(visit: &Visit, id: &UserId) -> Result<User, Problem> {
    let user = visit.catalog().user(id).filter(|_| visit.sight.knows(id)).cloned();
    user.ok_or_else(|| {
        Problem::of(&Error::new(
            ErrorKind::NotFound,
            "组织中没有此人,或不在您的权限范围内",
            "there is no such person, or none that you may see",
        ))
    })
}

/// `POST /people/{id}/link`: shows a link for a password once.
pub(crate) async fn link(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent<ManagePeople>,
) -> Result<Response, Problem> {
    let (visit, id) = (sent.visit, UserId::new(id));
    known(&visit, &id)?;
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    let (whose, reset) = (id.clone(), sent.fields.text("reset") == "1");
    let made = app.call(move |hub, now_ms| {
        let made = hub.password_link(&whose, HOURS * 3_600_000, now_ms, entropy)?;
        if reset {
            hub.put_second_factor(&whose, None)?;
        }
        Ok::<_, Error>(made)
    });
    let made = made.await?.map_err(|error| Problem::of(&error))?;
    let address = format!("{}/sign-in/link/{}", app.console.url, made.secret);
    person_page(&app, &visit, &id, Some((address, made.expires_at_ms))).await
}

/// `POST /people/{id}/sign-out`: signs a person out everywhere.
pub(crate) async fn sign_out(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent<ManagePeople>,
) -> Result<Response, Problem> {
    let id = UserId::new(id);
    known(&sent.visit, &id)?;
    let whose = id.clone();
    let ended = app.call(move |hub, _| hub.end_sessions(&whose)).await?;
    ended.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to(&format!("/people/{id}?done=1")).into_response())
}

fn no_organisation() -> Problem {
    Problem::of(&Error::new(ErrorKind::NotFound, "还没有载入组织", "no organisation is loaded yet"))
}
