//! Where other programs are told of events: targets, what was sent to them, what was given up.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use xunyuan_core::error::{Error, ErrorKind, Sentence};

use super::answer::{Page, with_status};
use super::nav::Area;
use super::tone::Tone;
use super::visit::{Allowed, Sent, Visit};
use crate::app::App;
use crate::asked::ROWS;
use crate::auth::ManageHooks;
use crate::courier;
use crate::hub::{Delivery, DeliveryFilter, DeliveryState, Hook, HookEvent, HookForm, HookWish};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "hooks.html")]
struct HooksPage<'v> {
    v: &'v Visit,
    area: Area,
    hooks: Vec<Target>,
    events: Vec<(&'static str, &'v str)>,
    forms: Vec<(&'static str, &'v str)>,
    units: Vec<(String, String)>,
    ledgers: Vec<(String, String)>,
    /// The id of the target that was added just now, and the key of its signatures.
    made: Option<(String, String)>,
    failed: Option<Sentence>,
}

/// A target in the list.
#[derive(Debug)]
struct Target {
    hook: Hook,
    url: String,
    events: String,
    waiting: u32,
    dead: u32,
}

/// `GET /webhooks`
pub(crate) async fn list(State(app): State<App>, allowed: Allowed<ManageHooks>) -> Result<Response, Problem> {
    page(&app, &allowed.visit, None, None).await
}

async fn page(
    app: &App,
    visit: &Visit,
    made: Option<(String, String)>,
    failed: Option<Sentence>,
) -> Result<Response, Problem> {
    let read = app.call(|hub, _| {
        let count = |hook: &Hook, state| {
            let filter = DeliveryFilter { hook: Some(hook.id.clone()), state: Some(state) };
            Ok::<_, Error>(hub.deliveries(&filter, 0, 0)?.count)
        };
        let hooks = hub.hooks()?.into_iter().map(|hook| {
            let (waiting, dead) = (count(&hook, DeliveryState::Waiting)?, count(&hook, DeliveryState::Dead)?);
            Ok((hook, waiting, dead))
        });
        hooks.collect::<Result<Vec<_>, Error>>()
    });
    let hooks = read.await?.map_err(|error| Problem::of(&error))?;
    let status = if failed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let catalog = visit.catalog();
    let page = HooksPage {
        v: visit,
        area: Area::Webhooks,
        hooks: hooks.into_iter().map(|(hook, waiting, dead)| target(visit, hook, waiting, dead)).collect(),
        events: HookEvent::ALL.map(|event| (event.id(), event_title(visit, event))).to_vec(),
        forms: HookForm::ALL.map(|form| (form.id(), form_title(visit, form))).to_vec(),
        units: visit.sight.units().iter().map(|unit| ((*unit).to_owned(), visit.unit(unit))).collect(),
        ledgers: catalog
            .ledgers()
            .map(|ledger| (ledger.id.clone(), visit.title(&ledger.title).to_owned()))
            .collect(),
        made,
        failed,
    };
    Ok(with_status(status, Page(page)))
}

fn event_title(visit: &Visit, event: HookEvent) -> &str {
    match event {
        HookEvent::Escalation => visit.t("逾期升级", "a duty was escalated"),
        HookEvent::Finding => visit.t("新问题", "a new finding"),
        HookEvent::Grave => {
            visit.t("重大事项(达到台帐的最高级别)", "a record came to its ledger's highest grade")
        }
        HookEvent::Refusal => visit.t("内容被拒", "a change was refused"),
        HookEvent::Test => visit.t("测试", "a test"),
    }
}

fn form_title(visit: &Visit, form: HookForm) -> &str {
    match form {
        HookForm::Standard => visit.t("JSON(Standard Webhooks)", "JSON (Standard Webhooks)"),
        HookForm::Text => visit.t("文本(企业微信、钉钉机器人)", "text (robots of 企业微信 and 钉钉)"),
    }
}

fn target(visit: &Visit, hook: Hook, waiting: u32, dead: u32) -> Target {
    let events: Vec<&str> = hook.events.iter().map(|event| event_title(visit, *event)).collect();
    Target { url: courier::masked(&hook.url), events: events.join(visit.t("、", ", ")), waiting, dead, hook }
}

/// `POST /webhooks`: shows the key of its signatures once.
pub(crate) async fn add(State(app): State<App>, sent: Sent<ManageHooks>) -> Result<Response, Problem> {
    let (visit, fields) = (sent.visit, sent.fields);
    let url = match courier::checked(fields.text("url"), app.hooks.targets) {
        Ok(url) => url.to_owned(),
        Err(error) => return page(&app, &visit, None, Some(error.sentence().clone())).await,
    };
    let wish = HookWish {
        name: fields.text("name").to_owned(),
        url,
        events: fields.all("event").filter_map(HookEvent::of_id).collect(),
        units: fields.all("unit").map(str::to_owned).collect(),
        ledgers: fields.all("ledger").filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        form: HookForm::of_id(fields.text("form")).unwrap_or(HookForm::Standard),
    };
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    match app.call(move |hub, now_ms| hub.add_hook(wish, now_ms, entropy)).await? {
        Ok(hook) => {
            let made = (hook.id.clone(), courier::shown_secret(&hook));
            page(&app, &visit, Some(made), None).await
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            page(&app, &visit, None, Some(error.sentence().clone())).await
        }
        Err(error) => Err(Problem::of(&error)),
    }
}

#[derive(Template)]
#[template(path = "hook.html")]
struct HookPage<'v> {
    v: &'v Visit,
    area: Area,
    hook: Hook,
    url: String,
    rows: Vec<Sending>,
    states: Vec<(String, &'v str, bool)>,
    count: u32,
    dead: u32,
    older: Option<String>,
    tested: Option<String>,
}

/// A delivery in the list.
#[derive(Debug)]
struct Sending {
    delivery: Delivery,
    event: String,
    state: String,
    tone: Tone,
    is_waiting: bool,
}

/// `GET /webhooks/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    allowed: Allowed<ManageHooks>,
) -> Result<Response, Problem> {
    one(&app, &allowed.visit, id, None).await
}

async fn one(app: &App, visit: &Visit, id: String, tested: Option<String>) -> Result<Response, Problem> {
    let asked = &visit.asked;
    let wanted = asked.one_of("state", &DeliveryState::ALL.map(DeliveryState::id))?;
    let state = wanted.and_then(DeliveryState::of_id);
    let page = asked.page()?;
    let read = app.call(move |hub, _| {
        let hook = hub.hook(&id)?;
        let filter = DeliveryFilter { hook: Some(id.clone()), state };
        let found = hub.deliveries(&filter, (page - 1).saturating_mul(ROWS), ROWS)?;
        let dead = DeliveryFilter { hook: Some(id), state: Some(DeliveryState::Dead) };
        Ok::<_, Error>((hook, found, hub.deliveries(&dead, 0, 0)?.count))
    });
    let (hook, found, dead) = read.await?.map_err(|error| Problem::of(&error))?;
    let shown = page.saturating_mul(ROWS);
    let states =
        [None, Some(DeliveryState::Waiting), Some(DeliveryState::Delivered), Some(DeliveryState::Dead)];
    let states = states.map(|one| {
        let href = asked.with("state", one.map(DeliveryState::id));
        (href, one.map_or_else(|| visit.t("全部", "all"), |one| state_title(visit, one).0), one == state)
    });
    let page = HookPage {
        v: visit,
        area: Area::Webhooks,
        url: courier::masked(&hook.url),
        hook,
        rows: found.rows.into_iter().map(|delivery| sending(visit, delivery)).collect(),
        states: states.to_vec(),
        count: found.count,
        dead,
        older: (found.count > shown).then(|| asked.with("page", Some(&(page + 1).to_string()))),
        tested,
    };
    Ok(Page(page).into_response())
}

fn state_title(visit: &Visit, state: DeliveryState) -> (&str, Tone) {
    match state {
        DeliveryState::Waiting => (visit.t("等待", "waiting"), Tone::Busy),
        DeliveryState::Delivered => (visit.t("已送达", "delivered"), Tone::Good),
        DeliveryState::Dead => (visit.t("已放弃", "given up"), Tone::Bad),
    }
}

fn sending(visit: &Visit, delivery: Delivery) -> Sending {
    let (state, tone) = state_title(visit, delivery.state);
    Sending {
        event: event_title(visit, delivery.event).to_owned(),
        state: state.to_owned(),
        tone,
        is_waiting: delivery.state == DeliveryState::Waiting,
        delivery,
    }
}

/// `POST /webhooks/{id}/test`: sends a test message now and says how it ended.
pub(crate) async fn test(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent<ManageHooks>,
) -> Result<Response, Problem> {
    let wanted = id.clone();
    let hook = app.call(move |hub, _| hub.hook(&wanted)).await?.map_err(|error| Problem::of(&error))?;
    let sender = app.clone();
    let attempted = app.beside(move || {
        let catalog = sender.hub.catalog();
        courier::ping(&sender.hooks, &sender.console.url, &catalog, &hook, sender.clock.now_ms())
    });
    one(&app, &sent.visit, id, Some(attempted.await?.outcome)).await
}

/// `POST /webhooks/{id}/again`: hands one delivery over again, or all that were given up.
pub(crate) async fn again(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent<ManageHooks>,
) -> Result<Response, Problem> {
    let delivery: Option<i64> = sent.fields.text("delivery").parse().ok();
    let hook = id.clone();
    let done = app.call(move |hub, now_ms| hub.send_again(delivery, Some(&hook), now_ms)).await?;
    done.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to(&format!("/webhooks/{id}")).into_response())
}

/// `POST /webhooks/{id}/remove`
pub(crate) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    _sent: Sent<ManageHooks>,
) -> Result<Response, Problem> {
    app.call(move |hub, _| hub.remove_hook(&id)).await?.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to("/webhooks").into_response())
}
