//! Ledgers: all of them with how they stand, and one as a list.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use xunyuan_core::definition::{Ledger, Tier};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::projection::{Filter, RowKind};

use super::answer::Page;
use super::begin;
use super::grid::{FilterPart, Grid};
use super::listing::{self, Columns};
use super::nav::Area;
use super::visit::Visit;
use crate::app::App;
use crate::problem::Problem;

/// Counts beyond this say only that there are more.
const COUNT_MAX: u32 = 1_000;

/// A ledger among the others.
#[derive(Clone, Debug)]
struct Shelf {
    href: String,
    title: String,
    open: u32,
    overdue: u32,
    undecided: u32,
    is_core: bool,
}

#[derive(Template)]
#[template(path = "ledgers.html")]
struct ShelvesPage<'v> {
    v: &'v Visit,
    area: Area,
    shelves: Vec<Shelf>,
}

/// `GET /ledgers`
pub(crate) async fn all(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let ledgers: Vec<Arc<Ledger>> =
        visit.catalog().ledgers().filter(|ledger| visit.sight.sees_stream(&ledger.stream)).cloned().collect();
    let (now_ms, lang) = (visit.now_ms, visit.lang);
    let shelves = visit.read(&app, move |sight| {
        let shelf = |ledger: &Arc<Ledger>| {
            let of = Filter { definition: Some(ledger.id.clone()), open_only: true, ..Filter::default() };
            let count = |filter: &Filter| sight.count(filter, COUNT_MAX);
            Ok(Shelf {
                href: format!("/ledgers/{}", ledger.id),
                title: lang.title(&ledger.title).to_owned(),
                open: count(&of)?,
                overdue: count(&Filter { overdue_at_ms: Some(now_ms), ..of.clone() })?,
                undecided: count(&Filter { undecided_only: true, open_only: false, ..of.clone() })?,
                is_core: ledger.tier == Tier::Core,
            })
        };
        ledgers.iter().map(shelf).collect::<Result<Vec<_>, Error>>()
    });
    let shelves = shelves.await?;
    Ok(Page(ShelvesPage { v: &visit, area: Area::Ledgers, shelves }).into_response())
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage<'v> {
    v: &'v Visit,
    area: Area,
    title: &'v str,
    grid: Grid,
    marks: Vec<(String, String)>,
    may_begin: bool,
}

/// `GET /ledgers/{id}`
pub(crate) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let ledger = seen(&visit, &id)?;
    let filter = listing::filter(&visit, RowKind::Entry, Some(&ledger.id))?;
    let found = visit.read(&app, move |sight| sight.list(&filter)).await?;
    let (columns, names) = (Columns::of(&ledger), visit.names());
    let grid = Grid {
        title: ledger.title.clone(),
        heads: columns.heads(),
        rows: found.rows.iter().map(|listed| columns.row(&visit, &names, listed)).collect(),
        count: found.count,
        is_more: found.is_more,
        page: visit.asked.page()?,
        filters: listing::ledger_filters(&visit, &ledger),
        asked: visit.asked.clone(),
        nothing: nothing(&visit),
    };
    let marks = listing::field_marks(&visit, &ledger);
    let title = visit.title(&ledger.title);
    let may_begin = !begin::units(&visit, &ledger).is_empty();
    grid.answer(&visit, |grid| {
        Page(LedgerPage { v: &visit, area: Area::Ledgers, title, grid, marks, may_begin }).into_response()
    })
}

/// What an empty list means.
pub(super) fn nothing(visit: &Visit) -> String {
    if visit.asked.is_filtered() {
        visit.t("没有符合条件的记录。", "No record fits what was asked for.").to_owned()
    } else {
        visit.t("还没有记录。", "There are no records yet.").to_owned()
    }
}

/// A ledger whose records the person sees somewhere.
pub(super) fn seen(visit: &Visit, id: &str) -> Result<Arc<Ledger>, Problem> {
    let ledger = visit.catalog().latest_ledger(id).filter(|ledger| visit.sight.sees_stream(&ledger.stream));
    ledger.cloned().ok_or_else(|| {
        Problem::of(&Error::new(
            ErrorKind::NotFound,
            "没有这本台帐,或不在您的权限范围内",
            "there is no such ledger, or it is not among those that you may see",
        ))
    })
}
