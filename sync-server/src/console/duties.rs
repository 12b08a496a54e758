//! Duties and the calendar of what is due.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeMap;
use xunyuan_core::definition::Title;
use xunyuan_core::duty::{Owner, Status};
use xunyuan_core::error::Error;

use super::answer::Page;
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::ledgers::nothing;
use super::listing::{self, address};
use super::nav::Area;
use super::overview::status_said;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::asked::{Asked, refused};
use crate::hub::{DutyView, DutyWish, Sight};
use crate::problem::Problem;

/// Duties that a calendar takes in.
const MONTH_MAX: u32 = 5_000;
/// Lines of a day in the calendar.
const DAY_LINES: usize = 4;

#[derive(Template)]
#[template(path = "duties.html")]
struct DutiesPage<'v> {
    v: &'v Visit,
    area: Area,
    grid: Grid,
    calendar: String,
}

/// `GET /duties`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let wish = visit.look().duties()?;
    let (offset, limit) = Grid::window(&visit.asked)?;
    let now_ms = visit.now_ms;
    let read = move |sight: &Sight| {
        let found = sight.duties(&wish, offset, limit, now_ms)?;
        let known = found.rows.iter().map(|view| known(sight, view)).collect::<Result<Vec<_>, _>>()?;
        Ok((found, known))
    };
    let (found, known) = visit.read(&app, read).await?;
    let rows = found.rows.iter().zip(known).map(|(view, is_known)| row(&visit, view, is_known)).collect();
    let title = Title { zh: "责任与期限".to_owned(), en: "Duties".to_owned() };
    let mut grid = Grid::plain(&visit, title, heads(), rows)?;
    (grid.count, grid.is_more, grid.filters, grid.nothing) =
        (found.count, found.is_more, filters(&visit), nothing(&visit));
    let calendar = Asked { path: "/duties/calendar".to_owned(), ..visit.asked.clone() }.with("page", None);
    grid.answer(&visit, |grid| {
        Page(DutiesPage { v: &visit, area: Area::Duties, grid, calendar }).into_response()
    })
}

/// True where the record that a duty is about may be opened.
fn known(sight: &Sight, view: &DutyView) -> Result<bool, Error> {
    view.duty.subject.document().map_or(Ok(false), |document| sight.holds_record(document))
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let asked = &visit.asked;
    let statuses =
        Status::ALL.map(|status| (status.id().to_owned(), status_said(visit, status).0.to_owned()));
    let rules =
        visit.sight.rules().into_iter().map(|rule| (rule.id.clone(), visit.title(&rule.title).to_owned()));
    let mut parts = vec![
        listing::select("status", visit.t("状态", "Status"), statuses.to_vec(), asked),
        listing::select("rule", visit.t("规则", "Rule"), rules.collect(), asked),
    ];
    parts.extend(listing::unit_part(visit));
    parts.push(listing::day("since", visit.t("期限自", "Due from"), asked));
    parts.push(listing::day("until", visit.t("至", "To"), asked));
    parts.push(listing::tick("mine", visit.t("由我负责", "Mine"), asked));
    parts.push(listing::tick("all", visit.t("含已完成", "With settled ones"), asked));
    parts
}

fn heads() -> Vec<Head> {
    vec![
        Head::text("rule", "责任", "Duty"),
        Head::text("record", "记录", "Record"),
        Head::text("project", "项目", "Project"),
        Head::text("status", "状态", "Status"),
        Head::time("due", "期限", "Due"),
        Head::text("owners", "责任人", "Owed by"),
        Head::text("period", "周期", "Period"),
        Head::time("done", "完成时间", "Done"),
        Head::time("received", "分公司收到", "Received"),
        Head::count("steps", "已升级", "Escalated"),
    ]
}

fn row(visit: &Visit, view: &DutyView, is_known: bool) -> GridRow {
    let duty = &view.duty;
    let (status, tone) = status_said(visit, view.status);
    let subject = duty.subject.document().filter(|_| is_known);
    let record = view
        .number
        .clone()
        .unwrap_or_else(|| if is_known { visit.t("打开", "open").to_owned() } else { String::new() });
    let record = match &view.part {
        Some(part) => format!("{record} · {}", visit.title(part)),
        None => record,
    };
    let owners: Vec<String> = duty.owners.iter().map(|owner| owner_said(visit, owner)).collect();
    let due = GridCell::time(visit, duty.due_ms);
    let done = GridCell::time(visit, view.done_ms);
    let cells = vec![
        GridCell::text(visit.title(&view.title)),
        GridCell::text(record),
        GridCell::text(visit.unit(&duty.unit)),
        GridCell::badge(status, tone),
        if view.status == Status::Breached { due.toned(Tone::Bad) } else { due },
        GridCell::text(owners.join(visit.t("、", ", "))),
        GridCell::text(duty.period.clone()),
        if view.is_suspicious { done.toned(Tone::Bad) } else { done },
        GridCell::time(visit, view.received_ms),
        GridCell::count(i64::from(view.steps)),
    ];
    let href = subject.map(address).or_else(|| {
        let is_device = matches!(duty.subject, xunyuan_core::duty::Subject::Device(_));
        is_device.then(|| "/devices?state=stale".to_owned())
    });
    GridRow { key: short_key(&duty.key), href, cells }
}

/// A duty's name as the id of a row.
fn short_key(key: &str) -> String {
    data_encoding::HEXLOWER.encode(&xunyuan_core::id::short_hash("xunyuan/row/1", &[key.as_bytes()])[..8])
}

fn owner_said(visit: &Visit, owner: &Owner) -> String {
    match owner {
        Owner::User(user) => visit.person(user),
        Owner::Role(role) => visit
            .catalog()
            .role(role)
            .map_or_else(|| role.clone(), |role| visit.title(&role.title).to_owned()),
    }
}

/// A day of the calendar.
#[derive(Clone, Debug)]
struct DayView {
    day: i8,
    is_here: bool,
    is_today: bool,
    is_off: bool,
    lines: Vec<(String, Tone, u32)>,
    more: usize,
    href: String,
}

#[derive(Template)]
#[template(path = "calendar.html")]
struct CalendarPage<'v> {
    v: &'v Visit,
    area: Area,
    month: String,
    previous: String,
    next: String,
    list: String,
    weekdays: [&'static str; 7],
    weeks: Vec<Vec<DayView>>,
}

/// `GET /duties/calendar?month=2026-11`
pub(crate) async fn calendar(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let today = visit.zone.day(visit.now_ms);
    let first = match visit.asked.text("month") {
        Some(text) => format!("{text}-01").parse::<Date>().map_err(|_| refused("month", "month"))?,
        None => today.first_of_month(),
    };
    let offset = first.weekday().to_monday_zero_offset();
    let start = first.checked_sub(i64::from(offset).days()).map_err(|_| refused("month", "month"))?;
    let end = start.checked_add(41.days()).map_err(|_| refused("month", "month"))?;
    let wish = DutyWish {
        due_since_ms: Some(visit.zone.start_ms(start)),
        due_until_ms: Some(visit.zone.end_ms(end)),
        ..visit.look().duties()?
    };
    let now_ms = visit.now_ms;
    let found = visit.read(&app, move |sight| sight.duties(&wish, 0, MONTH_MAX, now_ms)).await?;
    let mut days: BTreeMap<Date, Vec<(String, Tone, u32)>> = BTreeMap::new();
    for view in &found.rows {
        let Some(due_ms) = view.duty.due_ms else { continue };
        let lines = days.entry(visit.zone.day(due_ms)).or_default();
        let (title, tone) = (visit.title(&view.title), status_said(&visit, view.status).1);
        match lines.iter_mut().find(|(known, known_tone, _)| known == title && *known_tone == tone) {
            Some((.., count)) => *count += 1,
            None => lines.push((title.to_owned(), tone, 1)),
        }
    }
    let all: Vec<Date> = start.series(1.day()).take(42).collect();
    let weeks = all
        .chunks(7)
        .map(|week| week.iter().map(|day| day_of(&visit, *day, first, today, &mut days)).collect());
    let weeks = weeks.filter(|week: &Vec<DayView>| week.iter().any(|day| day.is_here)).collect();
    let month = |day: Date| visit.asked.with("month", Some(&day.strftime("%Y-%m").to_string()));
    let page = CalendarPage {
        v: &visit,
        area: Area::Duties,
        month: first.strftime("%Y-%m").to_string(),
        previous: month(first.yesterday().unwrap_or(first)),
        next: month(first.last_of_month().tomorrow().unwrap_or(first)),
        list: Asked { path: "/duties".to_owned(), ..visit.asked.clone() }.with("month", None),
        weekdays: if visit.lang.english {
            ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        } else {
            ["一", "二", "三", "四", "五", "六", "日"]
        },
        weeks,
    };
    Ok(Page(page).into_response())
}

fn day_of(
    visit: &Visit,
    day: Date,
    first: Date,
    today: Date,
    days: &mut BTreeMap<Date, Vec<(String, Tone, u32)>>,
) -> DayView {
    let mut lines = days.remove(&day).unwrap_or_default();
    let more = lines.len().saturating_sub(DAY_LINES);
    lines.truncate(DAY_LINES);
    let asked = Asked { path: "/duties".to_owned(), ..visit.asked.clone() };
    let day_text = day.to_string();
    let since = asked.with("month", None);
    let glue = if since.contains('?') { '&' } else { '?' };
    DayView {
        day: day.day(),
        is_here: day.month() == first.month(),
        is_today: day == today,
        is_off: matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday),
        lines,
        more,
        href: format!("{since}{glue}since={day_text}&until={day_text}"),
    }
}
