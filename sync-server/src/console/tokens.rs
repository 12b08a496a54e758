//! Access tokens: what a person's programs read with, made, shown once and revoked.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use xunyuan_core::error::{ErrorKind, Sentence};

use super::account::{is_proven, wrong_password};
use super::answer::{Page, with_status};
use super::nav::Area;
use super::tone::Tone;
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::hub::{Right, Token, TokenWish};
use crate::problem::Problem;

/// Lives that the form offers, days.
const DAYS: [u32; 4] = [30, 90, 180, 365];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage<'v> {
    v: &'v Visit,
    area: Area,
    tokens: Vec<Listed>,
    rights: Vec<(&'static str, &'v str)>,
    units: Vec<(String, String)>,
    days: [u32; 4],
    /// The secret of the token that was made just now.
    made: Option<String>,
    failed: Option<Sentence>,
}

/// A token in the list.
#[derive(Debug)]
struct Listed {
    token: Token,
    rights: String,
    units: String,
    state: &'static str,
    tone: Tone,
    is_live: bool,
}

/// `GET /account/tokens`
pub(crate) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    page(&app, &visit, None, None).await
}

async fn page(
    app: &App,
    visit: &Visit,
    made: Option<String>,
    failed: Option<Sentence>,
) -> Result<Response, Problem> {
    let user = visit.user().clone();
    let tokens =
        app.call(move |hub, _| hub.tokens(Some(&user))).await?.map_err(|error| Problem::of(&error))?;
    let status = if failed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = TokensPage {
        v: visit,
        area: Area::Account,
        tokens: tokens.into_iter().map(|token| listed(visit, token)).collect(),
        rights: Right::ALL.map(|right| (right.id(), right_title(visit, right))).to_vec(),
        units: visit.sight.units().iter().map(|unit| ((*unit).to_owned(), visit.unit(unit))).collect(),
        days: DAYS,
        made,
        failed,
    };
    Ok(with_status(status, Page(page)))
}

fn right_title(visit: &Visit, right: Right) -> &str {
    match right {
        Right::Records => visit.t("记录", "records"),
        Right::Duties => visit.t("责任", "duties"),
        Right::Reports => visit.t("报表", "reports"),
    }
}

fn listed(visit: &Visit, token: Token) -> Listed {
    let comma = visit.t("、", ", ");
    let units: Vec<String> = token.units.iter().map(|unit| visit.unit(unit)).collect();
    let rights: Vec<&str> = token.rights.iter().map(|right| right_title(visit, *right)).collect();
    let english = visit.lang.english;
    let (state, tone, is_live) = match (token.revoked_at_ms, token.expires_at_ms <= visit.now_ms) {
        (Some(_), _) => (if english { "revoked" } else { "已撤销" }, Tone::Quiet, false),
        (None, true) => (if english { "expired" } else { "已过期" }, Tone::Quiet, false),
        (None, false) => (if english { "good" } else { "有效" }, Tone::Good, true),
    };
    Listed { rights: rights.join(comma), units: units.join(comma), state, tone, is_live, token }
}

/// `POST /account/tokens`: shows the token once.
pub(crate) async fn create(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let Sent { visit, fields, .. } = sent;
    // A token outlives the session and asks for no second factor: only who knows the password makes one.
    if !is_proven(&app, &visit, fields.raw("present")).await? {
        return page(&app, &visit, None, Some(wrong_password())).await;
    }
    let wish = TokenWish {
        user: visit.user().clone(),
        name: fields.text("name").to_owned(),
        rights: fields.all("right").filter_map(Right::of_id).collect(),
        units: fields.all("unit").map(str::to_owned).collect(),
        days: fields.text("days").parse().unwrap_or(0),
    };
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    match app.call(move |hub, now_ms| hub.make_token(wish, now_ms, entropy)).await? {
        Ok(made) => page(&app, &visit, Some(made.secret), None).await,
        Err(error) if error.kind() == ErrorKind::Invalid => {
            page(&app, &visit, None, Some(error.sentence().clone())).await
        }
        Err(error) => Err(Problem::of(&error)),
    }
}

/// `POST /account/tokens/{id}/revoke`
pub(crate) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let user = sent.visit.user().clone();
    let done = app.call(move |hub, now_ms| hub.revoke_token(&id, Some(&user), now_ms)).await?;
    done.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to("/account/tokens").into_response())
}
