//! Charts: trends, ageing, one field against another, and where patrols have been.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use jiff::ToSpan as _;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use xunyuan_core::definition::{Field, Ledger, Show, Tile, TilePage};
use xunyuan_core::error::Error;
use xunyuan_core::report::Names;

use super::answer::Page;
use super::chart::{Chart, ChartCell, ChartRow, Series, columns, shade, stacks};
use super::listing::field_title;
use super::nav::Area;
use super::overview::{age_table, list_of};
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::hub::Sight;
use crate::problem::Problem;

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Rows and columns of a table of pairs; the fullest stay.
const PAIRS_MAX: usize = 30;

#[derive(Template)]
#[template(path = "charts.html")]
struct ChartsPage<'v> {
    v: &'v Visit,
    area: Area,
    charts: Vec<Chart>,
}

/// `GET /charts`: all, or those of one ledger or checklist (`of`).
pub(crate) async fn all(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let asking = visit.clone();
    let charts = visit.read(&app, move |sight| made(&asking, sight)).await?;
    Ok(Page(ChartsPage { v: &visit, area: Area::Overview, charts }).into_response())
}

/// The charts that the definitions name, of those that are asked for.
fn made(visit: &Visit, sight: &Sight) -> Result<Vec<Chart>, Error> {
    let of = visit.asked.text("of");
    let is_wanted = |tile: &&Tile| tile.page == TilePage::Charts && (of.is_none() || tile.show.of() == of);
    let tiles = visit.catalog().tiles().iter().filter(is_wanted);
    let seen = tiles.filter(|tile| tile.show.of().is_some_and(|of| sight.sees(of)));
    let made = seen.map(|tile| one(visit, sight, tile));
    made.filter_map(Result::transpose).collect()
}

fn one(visit: &Visit, sight: &Sight, tile: &Tile) -> Result<Option<Chart>, Error> {
    let title = visit.title(&tile.title);
    let mut chart = match &tile.show {
        Show::Trend { of, weeks } => trend(visit, sight, title, of, *weeks)?,
        Show::Ages { of, days } => ages(visit, sight, title, of, days)?,
        Show::Matrix { of, rows, columns, open } => {
            let Some(ledger) = visit.catalog().latest_ledger(of) else { return Ok(None) };
            let (Some(rows), Some(columns)) = (ledger.field(rows), ledger.field(columns)) else {
                return Ok(None);
            };
            matrix(visit, sight, ledger, (rows, columns), *open)?
        }
        Show::Coverage { of, days } => coverage(visit, sight, of, *days)?,
        Show::Slots { .. }
        | Show::Duties { .. }
        | Show::Change { .. }
        | Show::Standing { .. }
        | Show::Fleet {} => {
            return Ok(None);
        }
    };
    title.clone_into(&mut chart.title);
    chart.href = tile.show.of().map(|of| list_of(visit.catalog(), of));
    Ok(Some(chart))
}

/// Records begun and ended, week by week up to this one.
fn trend(visit: &Visit, sight: &Sight, title: &str, of: &str, weeks: u32) -> Result<Chart, Error> {
    let today = visit.zone.day(visit.now_ms);
    let monday =
        today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).unwrap_or(today);
    let first = monday.checked_sub((i64::from(weeks) * 7 - 7).days()).unwrap_or(monday);
    let count = usize::try_from(weeks).unwrap_or(0);
    let flows = sight.flows(of, visit.zone.start_ms(first), WEEK_MS, count)?;
    let places: Vec<String> = (0..weeks)
        .map(|week| {
            first.checked_add((i64::from(week) * 7).days()).unwrap_or(first).strftime("%m-%d").to_string()
        })
        .collect();
    let series = [
        Series {
            label: visit.t("新增", "begun").to_owned(),
            class: "s1",
            counts: flows.iter().map(|flow| flow.begun).collect(),
        },
        Series {
            label: visit.t("办结", "ended").to_owned(),
            class: "s2",
            counts: flows.iter().map(|flow| flow.ended).collect(),
        },
    ];
    Ok(Chart {
        svg: Some(columns(title, &places, &series)),
        rows: series.iter().map(|one| of_counts(&one.label, &one.counts)).collect(),
        heads: places,
        ..empty(visit.t("周(周一)", "week of"))
    })
}

/// Open entries by age, one colour for each grade.
fn ages(visit: &Visit, sight: &Sight, title: &str, of: &str, days: &[u32]) -> Result<Chart, Error> {
    let (heads, rows) = age_table(visit, sight, of, days)?;
    let class = |tone: Tone| match tone {
        Tone::Bad => "s-bad",
        Tone::Warn => "s-warn",
        Tone::Plain | Tone::Good | Tone::Busy | Tone::Quiet => "s1",
    };
    let series: Vec<Series> = rows
        .iter()
        .map(|row| Series { label: row.label.clone(), class: class(row.tone), counts: row.counts.clone() })
        .collect();
    Ok(Chart {
        svg: Some(stacks(title, &heads, &series)),
        rows: rows.iter().map(|row| of_counts(&row.label, &row.counts)).collect(),
        heads,
        ..empty(visit.t("级别", "grade"))
    })
}

fn of_counts(label: &str, counts: &[u32]) -> ChartRow {
    ChartRow { label: label.to_owned(), cells: counts.iter().map(|count| ChartCell::plain(*count)).collect() }
}

fn empty(corner: &str) -> Chart {
    Chart {
        title: String::new(),
        href: None,
        svg: None,
        heads: Vec::new(),
        rows: Vec::new(),
        corner: corner.to_owned(),
    }
}

/// How often values of two fields come together; each number leads to the entries.
fn matrix(
    visit: &Visit,
    sight: &Sight,
    ledger: &Ledger,
    (rows, columns): (&Field, &Field),
    open: bool,
) -> Result<Chart, Error> {
    let pairs = sight.pairs(&ledger.id, (&rows.id, &columns.id), open)?;
    let (mut by_row, mut by_column): (BTreeMap<&str, u32>, BTreeMap<&str, u32>) =
        (BTreeMap::new(), BTreeMap::new());
    for ((row, column), count) in &pairs {
        *by_row.entry(row).or_insert(0) += count;
        *by_column.entry(column).or_insert(0) += count;
    }
    let (row_ids, column_ids) = (fullest(by_row), fullest(by_column));
    let most = pairs.values().copied().max().unwrap_or(0);
    let names = visit.names();
    let glue = if open { "&open=1" } else { "" };
    let cell = |row: &str, column: &str| {
        let count = pairs.get(&(row.to_owned(), column.to_owned())).copied().unwrap_or(0);
        let is_whole = !row.is_empty() && !column.is_empty() && count > 0;
        let href = is_whole
            .then(|| format!("/ledgers/{}?f.{}={row}&f.{}={column}{glue}", ledger.id, rows.id, columns.id));
        ChartCell {
            text: if count == 0 { String::new() } else { count.to_string() },
            shade: shade(count, most).min(5),
            href,
        }
    };
    Ok(Chart {
        rows: row_ids
            .iter()
            .map(|row| ChartRow {
                label: said(visit, &names, rows, row),
                cells: column_ids.iter().map(|column| cell(row, column)).collect(),
            })
            .collect(),
        heads: column_ids.iter().map(|column| said(visit, &names, columns, column)).collect(),
        ..empty(&format!("{} × {}", field_title(visit, rows), field_title(visit, columns)))
    })
}

/// The values that come most often, in their order.
fn fullest(counts: BTreeMap<&str, u32>) -> Vec<&str> {
    let mut all: Vec<(&str, u32)> = counts.into_iter().collect();
    all.sort_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
    all.truncate(PAIRS_MAX);
    let mut ids: Vec<&str> = all.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

fn said(visit: &Visit, names: &Names<'_>, field: &Field, value: &str) -> String {
    if value.is_empty() {
        return visit.t("(未填)", "(none)").to_owned();
    }
    let said = names.element_said(&visit.zone, field, value);
    if said == value { names.said(&visit.zone, field, &serde_json::Value::from(value)) } else { said }
}

/// At which checkpoints somebody was, day by day.
fn coverage(visit: &Visit, sight: &Sight, of: &str, days: u32) -> Result<Chart, Error> {
    let today = visit.zone.day(visit.now_ms);
    let first = today.checked_sub((i64::from(days) - 1).days()).unwrap_or(today);
    let scans = sight.scans(of, visit.zone.start_ms(first))?;
    let mut counts: BTreeMap<(&str, Date), u32> = BTreeMap::new();
    for (checkpoint, at_ms) in &scans {
        if let Some(at_ms) = at_ms {
            *counts.entry((checkpoint, visit.zone.day(*at_ms))).or_insert(0) += 1;
        }
    }
    let asked: BTreeSet<&str> = scans.iter().map(|(checkpoint, _)| checkpoint.as_str()).collect();
    let units = visit.sight.units();
    let organisation = visit.catalog().organisation();
    let known = organisation.into_iter().flat_map(|org| &org.checkpoints).filter(|point| {
        !point.retired && units.contains(&point.project.as_str()) && asked.contains(point.id.as_str())
    });
    let all: Vec<Date> = first.series(1.day()).take(usize::try_from(days).unwrap_or(0)).collect();
    let most = counts.values().copied().max().unwrap_or(0);
    let row = |point: &xunyuan_core::definition::Checkpoint| {
        let cells = all.iter().map(|day| {
            let count = counts.get(&(point.id.as_str(), *day)).copied().unwrap_or(0);
            ChartCell {
                text: if count == 0 { "–".to_owned() } else { count.to_string() },
                shade: shade(count, most).min(5),
                href: None,
            }
        });
        ChartRow {
            label: format!("{} · {}", visit.unit(&point.project), visit.title(&point.title)),
            cells: cells.collect(),
        }
    };
    Ok(Chart {
        rows: known.map(row).collect(),
        heads: all.iter().map(|day| day.strftime("%m-%d").to_string()).collect(),
        ..empty(visit.t("点位", "checkpoint"))
    })
}
