//! What waits for a decision: records with clashes, each with both values and the choice between them.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use xunyuan_core::definition::Title;
use xunyuan_core::projection::{Filter, Row};
use xunyuan_core::rules::check;

use super::answer::Page;
use super::clash::{self, Dispute};
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head, is_file};
use super::listing::{self, address, number_of};
use super::nav::Area;
use super::visit::Visit;
use crate::app::App;
use crate::asked::Asked;
use crate::hub::Seen;
use crate::problem::Problem;

/// Records on a page: each shows all that is in dispute on it.
const RECORDS: u32 = 20;

/// A record with what is in dispute on it.
#[derive(Clone, Debug)]
struct Waiting {
    key: String,
    number: String,
    kind: String,
    unit: String,
    summary: String,
    href: String,
    seen: String,
    disputes: Vec<Dispute>,
}

#[derive(Template)]
#[template(path = "conflicts.html")]
struct ConflictsPage<'v> {
    v: &'v Visit,
    area: Area,
    filters: Vec<FilterPart>,
    asked: Asked,
    waiting: Vec<Waiting>,
    count: u32,
    page: u32,
}

impl ConflictsPage<'_> {
    fn previous(&self) -> Option<String> {
        (self.page > 1).then(|| self.asked.with("page", Some(&(self.page - 1).to_string())))
    }

    fn next(&self) -> Option<String> {
        let last = self.count.div_ceil(RECORDS);
        (self.page < last).then(|| self.asked.with("page", Some(&(self.page + 1).to_string())))
    }
}

/// `GET /conflicts`
pub(crate) async fn inbox(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let page = visit.asked.page()?;
    let file = is_file(&visit.asked)?;
    let (offset, limit) = if file { (0, 1_000) } else { ((page - 1).saturating_mul(RECORDS), RECORDS) };
    let filter = Filter {
        undecided_only: true,
        project: visit.look().unit()?,
        definition: visit.asked.text("of").map(str::to_owned),
        text: visit.asked.text("q").map(str::to_owned),
        limit: Some(limit),
        offset,
        ..Filter::default()
    };
    let read = move |sight: &crate::hub::Sight| {
        let found = sight.list(&filter)?;
        let rows = found.rows.into_iter().map(|listed| sight.record(listed.row.document));
        Ok((rows.collect::<Result<Vec<_>, _>>()?, found.count))
    };
    let (records, count) = visit.read(&app, read).await?;
    let names = visit.names();
    let waiting: Vec<Waiting> = records
        .iter()
        .map(|seen| {
            let roles = check::roles_on(visit.catalog(), &seen.row.scope, visit.user());
            let may_decide = check::writes(visit.catalog(), &roles);
            of_record(&visit, seen, clash::disputes(&visit, &names, seen, None, may_decide))
        })
        .filter(|waiting| !waiting.disputes.is_empty())
        .collect();
    if file {
        return as_file(&visit, waiting);
    }
    let filters = filters(&visit);
    let asked = visit.asked.clone();
    Ok(Page(ConflictsPage { v: &visit, area: Area::Conflicts, filters, asked, waiting, count, page })
        .into_response())
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let catalog = visit.catalog();
    let lists = catalog.checklists().map(|list| (&list.id, &list.stream, &list.title));
    let ledgers = catalog.ledgers().map(|ledger| (&ledger.id, &ledger.stream, &ledger.title));
    let kinds = lists.chain(ledgers).filter(|(_, stream, _)| visit.sight.sees_stream(stream));
    let kinds = kinds.map(|(id, _, title)| (id.clone(), visit.title(title).to_owned())).collect();
    let mut parts = vec![
        FilterPart::Search { value: visit.asked.shown("q").to_owned() },
        listing::select("of", visit.t("类别", "Kind"), kinds, &visit.asked),
    ];
    parts.extend(listing::unit_part(visit));
    parts
}

fn of_record(visit: &Visit, seen: &Seen, disputes: Vec<Dispute>) -> Waiting {
    let Row { document, definition, project, summary, .. } = &seen.row;
    Waiting {
        key: document.to_string(),
        number: number_of(&seen.row),
        kind: visit.kind(definition),
        unit: visit.unit(project),
        summary: summary.clone(),
        href: address(*document),
        seen: seen.heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        disputes,
    }
}

/// One line for each side of each dispute.
fn as_file(visit: &Visit, waiting: Vec<Waiting>) -> Result<Response, Problem> {
    let heads = vec![
        Head::text("number", "编号", "Number"),
        Head::text("kind", "类别", "Kind"),
        Head::text("project", "项目", "Project"),
        Head::text("what", "有分歧的内容", "In dispute"),
        Head::text("value", "值", "Value"),
        Head::text("by", "填写人", "By"),
        Head::time("at", "填写时间", "At"),
    ];
    let mut rows = Vec::new();
    for record in waiting {
        for dispute in &record.disputes {
            for (place, side) in dispute.sides.iter().enumerate() {
                let cells = vec![
                    GridCell::text(record.number.clone()),
                    GridCell::text(record.kind.clone()),
                    GridCell::text(record.unit.clone()),
                    GridCell::text(dispute.title.clone()),
                    GridCell::text(side.text.clone()),
                    GridCell::text(side.by.clone()),
                    GridCell::time(visit, Some(side.at_ms)),
                ];
                rows.push(GridRow { key: format!("{}-{place}", record.key), href: None, cells });
            }
        }
    }
    let title = Title { zh: "待裁决".to_owned(), en: "Conflicts".to_owned() };
    Grid::plain(visit, title, heads, rows)?.answer(visit, |_| ().into_response())
}
