//! Devices: when they were last heard of, what they hold back; inviting new ones, shutting lost ones out.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use std::str::FromStr as _;
use xunyuan_core::definition::Title;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DeviceId, UserId};

use super::answer::Page;
use super::grid::{FilterPart, Grid, GridCell, GridRow, Head};
use super::listing;
use super::nav::Area;
use super::qr;
use super::tone::Tone;
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::{ManageDevices, Policy as _};
use crate::hub::DeviceStatus;
use crate::problem::Problem;

/// How long an invitation is good, hours.
const HOURS: i64 = 48;
/// A device that was not heard of for so long is pointed out where the definitions name no days.
const STALE_DAYS: u32 = 3;
const DAY_MS: i64 = 86_400_000;

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage<'v> {
    v: &'v Visit,
    area: Area,
    grid: Grid,
    may_manage: bool,
    people: Vec<(String, String)>,
}

/// `GET /devices`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let mut devices = visit.read(&app, |sight| sight.devices()).await?;
    narrow(&visit, &mut devices)?;
    devices.sort_by_key(|device| (device.revoked_at_ms.is_some(), device.last_seen_ms, device.code.clone()));
    let may_manage = ManageDevices::allows(visit.catalog(), visit.user());
    let (devices, count) = Grid::cut(&visit.asked, devices)?;
    let rows = devices.iter().map(|device| row(&visit, device)).collect();
    let title = Title { zh: "设备".to_owned(), en: "Devices".to_owned() };
    let mut grid = Grid::plain(&visit, title, heads(), rows)?;
    grid.count = count;
    grid.filters = filters(&visit);
    let people = if may_manage { people(&visit) } else { Vec::new() };
    grid.answer(&visit, |grid| {
        Page(DevicesPage { v: &visit, area: Area::Devices, grid, may_manage, people }).into_response()
    })
}

fn filters(visit: &Visit) -> Vec<FilterPart> {
    let states = ["ok", "stale", "pending", "clock", "never", "revoked"];
    let states = states.map(|id| (id.to_owned(), state_title(visit, id).to_owned()));
    let mut parts = vec![FilterPart::Search { value: visit.asked.shown("q").to_owned() }];
    parts.push(listing::select("state", visit.t("状态", "State"), states.to_vec(), &visit.asked));
    parts
}

fn narrow(visit: &Visit, devices: &mut Vec<DeviceStatus>) -> Result<(), Problem> {
    let wanted = visit.asked.one_of("state", &["ok", "stale", "pending", "clock", "never", "revoked"])?;
    let text = visit.asked.text("q").map(str::to_lowercase);
    devices.retain(|device| {
        let states = states(visit, device);
        let is_named = text.as_ref().is_none_or(|text| {
            [
                device.code.to_lowercase(),
                device.user.to_string(),
                visit.person(&device.user),
                device.app.clone(),
            ]
            .iter()
            .any(|said| said.to_lowercase().contains(text))
        });
        is_named && wanted.is_none_or(|wanted| states.contains(&wanted))
    });
    Ok(())
}

/// How a device stands, the gravest first.
pub(super) fn states(visit: &Visit, device: &DeviceStatus) -> Vec<&'static str> {
    if device.revoked_at_ms.is_some() {
        return vec!["revoked"];
    }
    let stale_days =
        visit.catalog().device_policy().map_or(STALE_DAYS, |policy| policy.stale_device_warn_days);
    let is_stale = |ms: i64| visit.now_ms - ms > i64::from(stale_days) * DAY_MS;
    let mut states = Vec::new();
    match device.last_seen_ms {
        None => states.push("never"),
        Some(ms) if is_stale(ms) => states.push("stale"),
        Some(_) => {}
    }
    if device.skew_suspicious {
        states.push("clock");
    }
    if device.health.pending_changes > 0 || device.health.pending_photos > 0 {
        states.push("pending");
    }
    if states.is_empty() {
        states.push("ok");
    }
    states
}

pub(super) fn state_title<'t>(visit: &Visit, state: &'t str) -> &'t str {
    match state {
        "ok" => visit.t("正常", "in order"),
        "stale" => visit.t("多日未同步", "not synced for days"),
        "pending" => visit.t("有未上传内容", "holds work back"),
        "clock" => visit.t("时钟可疑", "clock suspicious"),
        "never" => visit.t("从未同步", "never synced"),
        "revoked" => visit.t("已停用", "revoked"),
        other => other,
    }
}

fn heads() -> Vec<Head> {
    vec![
        Head::text("code", "设备", "Device"),
        Head::text("user", "使用人", "Person"),
        Head::text("project", "项目", "Project"),
        Head::text("state", "状态", "State"),
        Head::time("seen", "最近同步", "Last synced"),
        Head::count("changes", "待传内容", "Changes waiting"),
        Head::count("photos", "待传照片", "Photos waiting"),
        Head::count("conflicts", "冲突", "Conflicts"),
        Head::text("skew", "时钟偏差", "Clock off by"),
        Head::text("app", "应用", "App"),
        Head::count("schema", "库版本", "Store version"),
        Head::time("enrolled", "登记", "Enrolled"),
    ]
}

fn row(visit: &Visit, device: &DeviceStatus) -> GridRow {
    let states = states(visit, device);
    let tone = match states.first() {
        Some(&"ok") => Tone::Good,
        Some(&("stale" | "clock")) => Tone::Bad,
        Some(&("never" | "pending")) => Tone::Warn,
        _ => Tone::Quiet,
    };
    let titles: Vec<&str> = states.iter().map(|state| state_title(visit, state)).collect();
    let project = visit.catalog().user(&device.user).and_then(|user| user.project.as_deref());
    let waiting = |count: u32| {
        let cell = GridCell::count(i64::from(count));
        if count > 0 { cell.toned(Tone::Warn) } else { cell }
    };
    let cells = vec![
        GridCell::text(device.code.clone()),
        GridCell::text(visit.person(&device.user)),
        GridCell::text(project.map_or_else(|| visit.branch().to_owned(), |project| visit.unit(project))),
        GridCell::badge(titles.join(visit.t("、", ", ")), tone),
        GridCell::time(visit, device.last_seen_ms),
        waiting(device.health.pending_changes),
        waiting(device.health.pending_photos),
        waiting(device.health.conflicts),
        GridCell::text(skew(visit, device)),
        GridCell::text(device.app.clone()),
        GridCell::count(i64::from(device.schema)),
        GridCell::time(visit, Some(device.enrolled_at_ms)),
    ];
    GridRow { key: device.id.to_string(), href: Some(format!("/devices/{}", device.id)), cells }
}

fn skew(visit: &Visit, device: &DeviceStatus) -> String {
    if device.last_seen_ms.is_none() {
        return String::new();
    }
    let seconds = device.skew_ms.abs() / 1_000;
    let sign = if device.skew_ms < 0 { "-" } else { "+" };
    match seconds {
        0..=119 => format!("{sign}{seconds} {}", visit.t("秒", "s")),
        120..=7_199 => format!("{sign}{} {}", seconds / 60, visit.t("分", "min")),
        _ => format!("{sign}{} {}", seconds / 3_600, visit.t("小时", "h")),
    }
}

/// People who may be invited.
fn people(visit: &Visit) -> Vec<(String, String)> {
    let users = visit.catalog().organisation().into_iter().flat_map(|organisation| &organisation.users);
    let users = users.filter(|user| !user.retired);
    users
        .map(|user| {
            let place =
                user.project.as_deref().map_or_else(|| visit.branch().to_owned(), |id| visit.unit(id));
            (user.id.clone(), format!("{} · {place}", user.name))
        })
        .collect()
}

#[derive(Template)]
#[template(path = "invited.html")]
struct InvitedPage<'v> {
    v: &'v Visit,
    area: Area,
    name: String,
    link: String,
    picture: String,
    ends_ms: i64,
}

/// `POST /devices/invite`: shows a link once.
pub(crate) async fn invite(State(app): State<App>, sent: Sent<ManageDevices>) -> Result<Response, Problem> {
    let visit = sent.visit;
    let user = UserId::new(sent.fields.text("user"));
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    let invited = user.clone();
    let made = app.call(move |hub, now_ms| hub.invite(&invited, HOURS * 3_600_000, now_ms, entropy)).await?;
    let made = made.map_err(|error| Problem::of(&error))?;
    let link = made.link(&app.console.url, app.pin());
    let picture = qr::picture(&link).map_err(|error| Problem::of(&error))?;
    let page = InvitedPage {
        v: &visit,
        area: Area::Devices,
        name: visit.person(&user),
        link,
        picture,
        ends_ms: made.expires_at_ms,
    };
    Ok(Page(page).into_response())
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'v> {
    v: &'v Visit,
    area: Area,
    id: String,
    code: String,
    name: String,
    is_revoked: bool,
    facts: Vec<(String, String)>,
    may_manage: bool,
}

/// `GET /devices/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let id = device_of(&id)?;
    let device = visit.read(&app, move |sight| sight.device(id)).await?;
    let cells = row(&visit, &device).cells;
    let facts = heads().into_iter().zip(cells).map(|(head, cell)| {
        let text = match cell.ms() {
            Some(ms) => format!("{} · {}", visit.full(&ms), visit.ago(&ms)),
            None => cell.cell.text(visit.lang.english),
        };
        (visit.title(&head.title).to_owned(), text)
    });
    let page = DevicePage {
        v: &visit,
        area: Area::Devices,
        id: id.to_string(),
        code: device.code.clone(),
        name: visit.person(&device.user),
        is_revoked: device.revoked_at_ms.is_some(),
        facts: facts.collect(),
        may_manage: ManageDevices::allows(visit.catalog(), visit.user()),
    };
    Ok(Page(page).into_response())
}

/// `POST /devices/{id}/revoke`
pub(crate) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent<ManageDevices>,
) -> Result<Response, Problem> {
    let id = device_of(&id)?;
    // Only a device that the person may see at all.
    sent.visit.read(&app, move |sight| sight.device(id)).await?;
    let done = app.call(move |hub, now_ms| hub.revoke(id, now_ms)).await?;
    done.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to(&format!("/devices/{id}")).into_response())
}

fn device_of(id: &str) -> Result<DeviceId, Problem> {
    DeviceId::from_str(id)
        .map_err(|_| Problem::of(&Error::new(ErrorKind::NotFound, "没有这台设备", "there is no such device")))
}
