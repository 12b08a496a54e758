//! Inspections: every sheet that the person sees, as a list.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use xunyuan_core::definition::ColumnKind;
use xunyuan_core::projection::{Order, Row, RowKind};
use xunyuan_core::report::Cell;
use xunyuan_core::rules::sheet::InspectionState;

use super::answer::Page;
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::ledgers::nothing;
use super::listing::{self, address};
use super::nav::Area;
use super::sheet::verdict;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::asked::refused;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "inspections.html")]
struct InspectionsPage<'v> {
    v: &'v Visit,
    area: Area,
    grid: Grid,
}

/// `GET /inspections`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let kind = visit.asked.text("kind");
    if kind.is_some_and(|id| visit.catalog().latest_checklist(id).is_none()) {
        return Err(refused("kind", "kind"));
    }
    let filter = listing::filter(&visit, RowKind::Inspection, kind)?;
    let found = visit.read(&app, move |sight| sight.list(&filter)).await?;
    let grid = Grid {
        title: xunyuan_core::definition::Title { zh: "检查".to_owned(), en: "Inspections".to_owned() },
        heads: heads(),
        rows: found.rows.iter().map(|listed| row(&visit, &listed.row)).collect(),
        count: found.count,
        is_more: found.is_more,
        page: visit.asked.page()?,
        filters: filters(&visit),
        asked: visit.asked.clone(),
        nothing: nothing(&visit),
    };
    grid.answer(&visit, |grid| {
        Page(InspectionsPage { v: &visit, area: Area::Inspections, grid }).into_response()
    })
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let asked = &visit.asked;
    let lists = visit.catalog().checklists().filter(|list| visit.sight.sees_stream(&list.stream));
    let lists = lists.map(|list| (list.id.clone(), visit.title(&list.title).to_owned())).collect();
    let states = [InspectionState::Open, InspectionState::Completed, InspectionState::Reviewed];
    let states = states.map(|state| (state.id().to_owned(), visit.title(&state.title()).to_owned()));
    let results =
        [("pass", true), ("fail", false)].map(|(id, passed)| (id.to_owned(), verdict(visit, passed).0));
    let mut parts = vec![
        FilterPart::Search { value: asked.shown("q").to_owned() },
        listing::select("kind", visit.t("检查表", "Checklist"), lists, asked),
        listing::select("state", visit.t("状态", "State"), states.to_vec(), asked),
        listing::select("result", visit.t("结果", "Result"), results.to_vec(), asked),
    ];
    parts.extend(listing::unit_part(visit));
    parts.push(listing::day("since", visit.t("开始自", "From"), asked));
    parts.push(listing::day("until", visit.t("至", "To"), asked));
    parts.push(listing::tick("undecided", visit.t("待裁决", "Undecided"), asked));
    parts.push(listing::tick("mine", visit.t("与我有关", "Mine"), asked));
    parts
}

fn heads() -> Vec<Head> {
    vec![
        Head::text("kind", "检查表", "Checklist"),
        Head::text("project", "项目", "Project").by(Order::Project),
        Head::text("state", "状态", "State").by(Order::State),
        Head::text("answered", "已答", "Answered"),
        Head::new("score", "得分", "Score", ColumnKind::Decimal).by(Order::Score),
        Head::text("result", "结果", "Result"),
        Head::text("by", "检查人", "By"),
        Head::time("listed", "开始", "Begun").by(Order::Listed),
        Head::time("updated", "最近更新", "Updated").by(Order::Updated),
    ]
}

fn row(visit: &Visit, row: &Row) -> GridRow {
    let is_open = row.state == InspectionState::Open.id();
    let state = visit.state(&row.definition, &row.state);
    let state = if row.clashes > 0 {
        GridCell::badge(format!("{state} · {}", visit.t("待裁决", "undecided")), Tone::Bad)
    } else {
        GridCell::badge(state, if is_open { Tone::Busy } else { Tone::Good })
    };
    let people: Vec<String> = row.people.iter().map(|user| visit.person(user)).collect();
    let result = match row.result.as_deref() {
        Some(result) => {
            let (text, tone) = verdict(visit, result == "pass");
            GridCell::badge(text, tone)
        }
        None => GridCell::of(Cell::Empty),
    };
    let cells = vec![
        GridCell::text(visit.kind(&row.definition)),
        GridCell::text(visit.unit(&row.project)),
        state,
        GridCell::text(row.summary.clone()),
        GridCell::of(row.score.map_or(Cell::Empty, Cell::Decimal)),
        result,
        GridCell::text(people.join(visit.t("、", ", "))),
        GridCell::time(visit, Some(row.listed_at_ms)),
        GridCell::time(visit, Some(row.updated_at_ms)),
    ];
    GridRow { key: row.document.to_string(), href: Some(address(row.document)), cells }
}
