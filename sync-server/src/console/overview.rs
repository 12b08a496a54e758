//! The first page: tiles that count what the definitions say, each leading to the list behind it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use xunyuan_core::definition::{Catalog, Show, Tile, TilePage};
use xunyuan_core::duty::Status;
use xunyuan_core::error::Error;
use xunyuan_core::projection::Filter;

use super::answer::Page;
use super::nav::Area;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::hub::{DutyWish, Sight};
use crate::problem::Problem;

/// Counts beyond this say only that there are more.
const COUNT_MAX: u32 = 10_000;
/// Slots of a day that a tile takes in.
const SLOTS_MAX: u32 = 500;
const DAY_MS: i64 = 86_400_000;

/// A tile as it is shown.
#[derive(Clone, Debug)]
pub(super) struct TileView {
    pub(super) title: String,
    pub(super) href: Option<String>,
    pub(super) body: TileBody,
}

/// What stands on it.
#[derive(Clone, Debug)]
pub(super) enum TileBody {
    /// Some figures side by side.
    Figures(Vec<Figure>),
    /// A small table: headings, and rows with a name each.
    Table { heads: Vec<String>, rows: Vec<(String, Vec<Figure>)> },
    /// One figure and what it was before.
    Change { now: u32, before: u32, percent: Option<i64>, label: String },
}

/// A number, how serious it is, and where it leads.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) label: String,
    pub(super) count: u32,
    pub(super) tone: Tone,
    pub(super) href: Option<String>,
}

impl Figure {
    fn new(label: &str, count: u32, tone: Tone) -> Self {
        // Nothing is nothing to worry about.
        Self { label: label.to_owned(), count, tone: if count == 0 { Tone::Plain } else { tone }, href: None }
    }

    fn to(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'v> {
    v: &'v Visit,
    area: Area,
    tiles: Vec<TileView>,
}

/// `GET /`
pub(crate) async fn first(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let asking = visit.clone();
    let tiles = visit.read(&app, move |sight| of_page(&asking, sight, TilePage::Overview)).await?;
    Ok(Page(OverviewPage { v: &visit, area: Area::Overview, tiles }).into_response())
}

/// The tiles of a page that the person sees anything of.
fn of_page(visit: &Visit, sight: &Sight, page: TilePage) -> Result<Vec<TileView>, Error> {
    let tiles = visit.catalog().tiles().iter().filter(|tile| tile.page == page);
    let seen = tiles.filter(|tile| tile.show.of().is_none_or(|of| sight.sees(of)));
    let made = seen.map(|tile| of_tile(visit, sight, tile));
    made.filter_map(Result::transpose).collect()
}

/// A tile with its counts; `None` for what is a chart, or where the person sees nothing of it.
fn of_tile(visit: &Visit, sight: &Sight, tile: &Tile) -> Result<Option<TileView>, Error> {
    let view = |href: Option<String>, body: TileBody| {
        Some(TileView { title: visit.title(&tile.title).to_owned(), href, body })
    };
    Ok(match &tile.show {
        Show::Slots { rule } => {
            let body = slots(visit, sight, rule)?;
            body.and_then(|body| view(Some(format!("/duties?rule={rule}")), body))
        }
        Show::Duties { rules } => view(Some("/duties".to_owned()), duties(visit, sight, rules)?),
        Show::Ages { of, days } => view(Some(list_of(visit.catalog(), of)), ages(visit, sight, of, days)?),
        Show::Change { of } => view(Some(list_of(visit.catalog(), of)), change(visit, sight, of)?),
        Show::Standing { of } => view(Some(list_of(visit.catalog(), of)), standing(visit, sight, of)?),
        Show::Fleet {} => view(Some("/devices".to_owned()), fleet(visit, sight)?),
        Show::Trend { .. } | Show::Matrix { .. } | Show::Coverage { .. } => None,
    })
}

/// The list of a ledger's or checklist's records.
pub(super) fn list_of(catalog: &Catalog, of: &str) -> String {
    if catalog.latest_ledger(of).is_some() {
        format!("/ledgers/{of}")
    } else {
        format!("/inspections?kind={of}")
    }
}

/// Today's slots by project.
fn slots(visit: &Visit, sight: &Sight, rule: &str) -> Result<Option<TileBody>, Error> {
    if !sight.rules().iter().any(|known| known.id == *rule) {
        return Ok(None);
    }
    let today = visit.zone.day(visit.now_ms);
    let (start_ms, end_ms) = (visit.zone.start_ms(today), visit.zone.end_ms(today));
    let wish = DutyWish {
        rules: vec![rule.to_owned()],
        opens_since_ms: Some(start_ms - DAY_MS / 12),
        opens_until_ms: Some(end_ms),
        due_since_ms: Some(start_ms),
        ..DutyWish::default()
    };
    let found = sight.duties(&wish, 0, SLOTS_MAX, visit.now_ms)?;
    // Done, under way, to come, missed, not known.
    let mut rows: Vec<(String, [u32; 5])> = Vec::new();
    for view in &found.rows {
        let is_begun = match view.duty.subject.document() {
            Some(document) => sight.holds_record(document)?,
            None => false,
        };
        let place = match view.status {
            Status::Met | Status::MetSyncedLate => 0,
            Status::Open | Status::AtRisk if is_begun => 1,
            Status::Open | Status::AtRisk => 2,
            Status::Breached => 3,
            Status::Unknown => 4,
        };
        match rows.iter_mut().find(|(unit, _)| *unit == view.duty.unit) {
            Some((_, counts)) => counts[place] += 1,
            None => {
                let mut counts = [0; 5];
                counts[place] = 1;
                rows.push((view.duty.unit.clone(), counts));
            }
        }
    }
    let heads = [
        (visit.t("完成", "done"), Tone::Good, "met"),
        (visit.t("进行中", "under way"), Tone::Busy, "open"),
        (visit.t("待开始", "to come"), Tone::Plain, "open"),
        (visit.t("漏检", "missed"), Tone::Bad, "breached"),
        (visit.t("未知(未同步)", "unknown: not synced"), Tone::Warn, "unknown"),
    ];
    let figures = |unit: &str, counts: [u32; 5]| {
        let cells = heads.iter().zip(counts).map(|((label, tone, status), count)| {
            Figure::new(label, count, *tone).to(format!("/duties?rule={rule}&project={unit}&status={status}"))
        });
        (visit.unit(unit), cells.collect())
    };
    Ok(Some(TileBody::Table {
        rows: rows.iter().map(|(unit, counts)| figures(unit, *counts)).collect(),
        heads: heads.iter().map(|(label, ..)| (*label).to_owned()).collect(),
    }))
}

fn duties(visit: &Visit, sight: &Sight, rules: &[String]) -> Result<TileBody, Error> {
    let statuses = vec![Status::Open, Status::AtRisk, Status::Breached, Status::Unknown];
    let wish = DutyWish { rules: rules.to_vec(), statuses: statuses.clone(), ..DutyWish::default() };
    let standing = sight.duty_standing(&wish)?;
    let figures = statuses.into_iter().map(|status| {
        let count = standing.iter().filter(|(_, known, _)| *known == status).map(|(.., count)| count).sum();
        let (label, tone) = status_said(visit, status);
        Figure::new(label, count, tone).to(format!("/duties?status={}", status.id()))
    });
    Ok(TileBody::Figures(figures.collect()))
}

/// How a duty stands, in words.
pub(super) fn status_said(visit: &Visit, status: Status) -> (&'static str, Tone) {
    let english = visit.lang.english;
    let pick = |zh, en| if english { en } else { zh };
    match status {
        Status::Open => (pick("待办", "open"), Tone::Plain),
        Status::AtRisk => (pick("临期", "at risk"), Tone::Warn),
        Status::Breached => (pick("逾期", "breached"), Tone::Bad),
        Status::Unknown => (pick("未知(未同步)", "unknown: not synced"), Tone::Warn),
        Status::Met => (pick("按时完成", "met"), Tone::Good),
        Status::MetSyncedLate => (pick("按时完成,迟到同步", "met, synced late"), Tone::Good),
    }
}

/// Open entries by how grave and how old they are.
fn ages(visit: &Visit, sight: &Sight, of: &str, days: &[u32]) -> Result<TileBody, Error> {
    let (heads, rows) = age_table(visit, sight, of, days)?;
    let list = list_of(visit.catalog(), of);
    let rows = rows.into_iter().map(|row| {
        let cells = row.counts.iter().map(|count| Figure::new("", *count, row.tone)).collect();
        let cells: Vec<Figure> = match &row.filter {
            Some((field, option)) => cells_to(cells, &format!("{list}?open=1&f.{field}={option}")),
            None => cells_to(cells, &format!("{list}?open=1")),
        };
        (row.label, cells)
    });
    Ok(TileBody::Table { heads, rows: rows.collect() })
}

fn cells_to(cells: Vec<Figure>, href: &str) -> Vec<Figure> {
    cells.into_iter().map(|cell| cell.to(href)).collect()
}

/// Open entries of one grade by age.
#[derive(Clone, Debug)]
pub(super) struct AgeRow {
    pub(super) label: String,
    pub(super) tone: Tone,
    pub(super) counts: Vec<u32>,
    pub(super) filter: Option<(String, String)>,
}

/// Headings of the ages, and open entries by grade, the gravest first.
pub(super) fn age_table(
    visit: &Visit,
    sight: &Sight,
    of: &str,
    days: &[u32],
) -> Result<(Vec<String>, Vec<AgeRow>), Error> {
    let bounds: Vec<i64> = days.iter().map(|days| visit.now_ms - i64::from(*days) * DAY_MS).collect();
    let counted = sight.ages(of, &bounds)?;
    let ledger = visit.catalog().latest_ledger(of);
    let grade = ledger.and_then(|ledger| ledger.grade());
    let options =
        grade.map(|field| field.options.iter().rev().map(|option| Some(option.id.clone())).collect());
    let options: Vec<Option<String>> = options.unwrap_or_default();
    let row = |option: Option<String>| {
        let counts = (0..=days.len()).map(|age| {
            let fits = counted.iter().filter(|(known, at, _)| *known == option && *at == age);
            fits.map(|(.., count)| count).sum()
        });
        let title = grade
            .zip(option.as_deref())
            .and_then(|(field, id)| field.option(id))
            .and_then(|o| o.title.as_ref());
        AgeRow {
            label: title.map_or_else(
                || visit.t("未分级", "no grade").to_owned(),
                |title| visit.title(title).to_owned(),
            ),
            tone: grade.zip(option.as_deref()).map_or(Tone::Plain, |(field, id)| Tone::of_grade(field, id)),
            counts: counts.collect(),
            filter: grade.map(|field| field.id.clone()).zip(option),
        }
    };
    let rows = options.into_iter().chain([None]).map(row);
    let rows = rows.filter(|row| row.filter.is_some() || row.counts.iter().any(|count| *count > 0)).collect();
    let unit = visit.t("天", "d");
    let mut heads = vec![format!("≤ {} {unit}", days.first().copied().unwrap_or(0))];
    heads.extend(days.windows(2).map(|two| format!("≤ {} {unit}", two.get(1).copied().unwrap_or(0))));
    heads.push(format!("> {} {unit}", days.last().copied().unwrap_or(0)));
    Ok((heads, rows))
}

/// This month against the same days of the last.
fn change(visit: &Visit, sight: &Sight, of: &str) -> Result<TileBody, Error> {
    let today = visit.zone.day(visit.now_ms);
    let first = today.first_of_month();
    let before = first.yesterday().map_or(first, |day| day.first_of_month());
    let between = |since_ms: i64, until_ms: i64| Filter {
        definition: Some(of.to_owned()),
        since_ms: Some(since_ms),
        until_ms: Some(until_ms),
        ..Filter::default()
    };
    let start_ms = visit.zone.start_ms(first);
    let now = sight.count(&between(start_ms, i64::MAX), COUNT_MAX)?;
    let before = sight.count(&between(visit.zone.start_ms(before), start_ms), COUNT_MAX)?;
    let percent = (before > 0).then(|| (i64::from(now) - i64::from(before)) * 100 / i64::from(before));
    let label = visit.t("上月全月", "the whole last month").to_owned();
    Ok(TileBody::Change { now, before, percent, label })
}

fn standing(visit: &Visit, sight: &Sight, of: &str) -> Result<TileBody, Error> {
    let list = list_of(visit.catalog(), of);
    let glue = if list.contains('?') { '&' } else { '?' };
    let base = Filter { definition: Some(of.to_owned()), open_only: true, ..Filter::default() };
    let late = Filter { overdue_at_ms: Some(visit.now_ms), ..base.clone() };
    let disputed = Filter { undecided_only: true, open_only: false, ..base.clone() };
    let figures = [
        (visit.t("未结", "open"), &base, Tone::Plain, "open=1"),
        (visit.t("逾期", "overdue"), &late, Tone::Bad, "overdue=1"),
        (visit.t("待裁决", "undecided"), &disputed, Tone::Bad, "undecided=1"),
    ];
    let figures = figures.into_iter().map(|(label, filter, tone, query)| {
        Ok(Figure::new(label, sight.count(filter, COUNT_MAX)?, tone).to(format!("{list}{glue}{query}")))
    });
    Ok(TileBody::Figures(figures.collect::<Result<_, Error>>()?))
}

fn fleet(visit: &Visit, sight: &Sight) -> Result<TileBody, Error> {
    let devices = sight.devices()?;
    let states: Vec<Vec<&'static str>> =
        devices.iter().map(|device| super::devices::states(visit, device)).collect();
    let count = |state: &str| {
        let count = states.iter().filter(|states| states.contains(&state)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let kinds = [
        ("ok", Tone::Good),
        ("pending", Tone::Warn),
        ("stale", Tone::Bad),
        ("never", Tone::Warn),
        ("clock", Tone::Bad),
    ];
    let figures = kinds.map(|(state, tone)| {
        let label = super::devices::state_title(visit, state);
        Figure::new(label, count(state), tone).to(format!("/devices?state={state}"))
    });
    Ok(TileBody::Figures(figures.to_vec()))
}
