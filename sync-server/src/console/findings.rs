//! Findings: a board by state, and the way to the list; the charts of what they are about come after it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use xunyuan_core::definition::Ledger;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::projection::{Filter, Order};

use super::answer::Page;
use super::grid::FilterPart;
use super::listing::{self, address, number_of};
use super::nav::Area;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::hub::{Listed, Sight};
use crate::problem::Problem;

/// Cards in a column of the board.
const CARDS: u32 = 20;

/// A state with what is in it.
#[derive(Clone, Debug)]
struct Lane {
    title: String,
    href: String,
    count: u32,
    is_more: bool,
    cards: Vec<Card>,
}

/// A finding on the board.
#[derive(Clone, Debug)]
struct Card {
    key: String,
    href: String,
    number: String,
    summary: String,
    grade: Option<(String, Tone)>,
    place: String,
    due: Option<i64>,
    is_late: bool,
    is_disputed: bool,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage<'v> {
    v: &'v Visit,
    area: Area,
    list: String,
    charts: String,
    filters: Vec<FilterPart>,
    lanes: Vec<Lane>,
}

/// `GET /findings`
pub(crate) async fn board(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let ledger = visit.catalog().finding_ledger().filter(|ledger| visit.sight.sees(&ledger.id)).cloned();
    let ledger = ledger.ok_or_else(|| {
        Problem::of(&Error::new(
            ErrorKind::NotFound,
            "没有问题台帐,或不在您的权限范围内",
            "there is no ledger of findings, or it is not among those that you may see",
        ))
    })?;
    let base = Filter {
        definition: Some(ledger.id.clone()),
        project: visit.look().unit()?,
        owner_dept: visit.asked.text("dept").map(str::to_owned),
        text: visit.asked.text("q").map(str::to_owned),
        order: Order::Due,
        limit: Some(CARDS),
        ..Filter::default()
    };
    let (asking, of) = (visit.clone(), Arc::clone(&ledger));
    let read = move |sight: &Sight| {
        let lanes = of.states.iter().filter(|state| !state.terminal).map(|state| {
            let filter = Filter { state: Some(state.id.clone()), ..base.clone() };
            let found = sight.list(&filter)?;
            Ok(Lane {
                title: asking.title(&state.title).to_owned(),
                href: format!("/ledgers/{}?state={}", of.id, state.id),
                count: found.count,
                is_more: found.is_more,
                cards: found.rows.iter().map(|listed| card(&asking, &of, listed)).collect(),
            })
        });
        lanes.collect::<Result<Vec<_>, Error>>()
    };
    let lanes = visit.read(&app, read).await?;
    let page = FindingsPage {
        v: &visit,
        area: Area::Findings,
        list: format!("/ledgers/{}", ledger.id),
        charts: format!("/charts?of={}", ledger.id),
        filters: filters(&visit),
        lanes,
    };
    Ok(Page(page).into_response())
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let mut parts = vec![FilterPart::Search { value: visit.asked.shown("q").to_owned() }];
    parts.extend(listing::unit_part(visit));
    let depts = visit.catalog().departments().iter();
    let depts = depts.map(|dept| (dept.id.clone(), visit.title(&dept.title).to_owned())).collect();
    parts.push(listing::select("dept", visit.t("责任部门", "Department"), depts, &visit.asked));
    parts
}

fn card(visit: &Visit, ledger: &Ledger, listed: &Listed) -> Card {
    let row = &listed.row;
    let grade = ledger.grade().zip(row.grade.as_deref()).map(|(field, option)| {
        let title = field.option(option).and_then(|known| known.title.as_ref());
        let said = title.map_or(option, |title| visit.title(title)).to_owned();
        (said, Tone::of_grade(field, option))
    });
    let dept = row.owner_dept.as_deref().and_then(|id| visit.catalog().department(id));
    let dept = dept.map(|dept| visit.title(&dept.title).to_owned());
    Card {
        key: row.document.to_string(),
        href: address(row.document),
        number: number_of(row),
        summary: row.summary.clone(),
        grade,
        place: [Some(visit.unit(&row.project)), dept].into_iter().flatten().collect::<Vec<_>>().join(" · "),
        due: row.due_ms,
        is_late: row.due_ms.is_some_and(|due_ms| due_ms < visit.now_ms),
        is_disputed: row.clashes + row.contested > 0,
    }
}
