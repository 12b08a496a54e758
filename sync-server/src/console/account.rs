//! A person's own sign-in: password, second factor, and where the person is signed in.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use xunyuan_core::error::Sentence;

use super::answer::{Page, with_status};
use super::nav::Area;
use super::sign_in::{Fresh, told};
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::{self, SecondFactor};
use crate::hub::Session;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'v> {
    v: &'v Visit,
    area: Area,
    id: String,
    roles: Vec<String>,
    sessions: Vec<Session>,
    has_factor: bool,
    fresh: Option<Fresh>,
    failed: Option<Sentence>,
    done: Option<&'static str>,
}

/// `GET /account`
pub(crate) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    page(&app, &visit, None, None).await
}

async fn page(
    app: &App,
    visit: &Visit,
    fresh: Option<SecondFactor>,
    failed: Option<Sentence>,
) -> Result<Response, Problem> {
    let user = visit.user().clone();
    let asked = app
        .call(move |hub, _| Ok::<_, xunyuan_core::error::Error>((hub.sessions(&user)?, hub.account(&user)?)));
    let (sessions, account) = asked.await?.map_err(|error| Problem::of(&error))?;
    let roles = visit.catalog().user_roles(visit.user());
    let fresh = fresh.map(|factor| Fresh::of(visit.branch(), visit.user(), &factor)).transpose();
    let status = if failed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AccountPage {
        v: visit,
        area: Area::Account,
        id: visit.user().to_string(),
        roles: roles.iter().map(|role| visit.title(&role.title).to_owned()).collect(),
        sessions,
        has_factor: account.is_some_and(|account| account.second_factor.is_some()),
        fresh: fresh.map_err(|error| Problem::of(&error))?,
        failed,
        done: done(visit),
    };
    Ok(with_status(status, Page(page)))
}

/// What was just done, by what the address says.
fn done(visit: &Visit) -> Option<&'static str> {
    let english = visit.lang.english;
    match (visit.asked.text("done"), english) {
        (Some("password"), false) => Some("口令已更改,其他浏览器已退出登录。"),
        (Some("password"), true) => Some("The password is changed; other browsers are signed out."),
        (Some("factor"), false) => Some("第二重验证已更新。"),
        (Some("factor"), true) => Some("The second factor is up to date."),
        _ => None,
    }
}

/// True where the password that was given is right; counted as an attempt.
pub(super) async fn is_proven(app: &App, visit: &Visit, password: &str) -> Result<bool, Problem> {
    auth::is_right(app, visit.user(), password.to_owned()).await
}

pub(super) fn wrong_password() -> Sentence {
    Sentence::new(
        "当前口令不对,或因多次输错被暂时锁定",
        "the present password is wrong, or the account is locked for a while after several wrong attempts",
    )
}

/// `POST /account/password`
pub(crate) async fn password(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let Sent { visit, fields, .. } = sent;
    if !is_proven(&app, &visit, fields.raw("present")).await? {
        return page(&app, &visit, None, Some(wrong_password())).await;
    }
    let (password, again) = (fields.raw("password"), fields.raw("again"));
    let names = [visit.user().to_string(), visit.own_name()];
    if let Some(weakness) = auth::weakness(password, again, &[&names[0], &names[1]]) {
        return page(&app, &visit, None, Some(told(weakness))).await;
    }
    let stored = auth::stored(&app, password.to_owned()).await?;
    let session = visit.session.clone();
    let changed = app.call(move |hub, _| hub.change_password(&session, stored)).await?;
    changed.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to("/account?done=password").into_response())
}

/// `POST /account/factor`: begins, finishes or ends a second factor.
pub(crate) async fn factor(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let Sent { visit, fields, .. } = sent;
    match fields.text("step") {
        "begin" => {
            if !is_proven(&app, &visit, fields.raw("present")).await? {
                return page(&app, &visit, None, Some(wrong_password())).await;
            }
            page(&app, &visit, Some(Fresh::factor()?), None).await
        }
        "finish" => finish(&app, &visit, Fresh::returned(&fields), fields.text("code")).await,
        _ => {
            if !is_proven(&app, &visit, fields.raw("present")).await? {
                return page(&app, &visit, None, Some(wrong_password())).await;
            }
            if auth::needs_factor(&app, visit.user()) {
                let said = Sentence::new(
                    "您的岗位必须使用第二重验证;更换手机请重新设置",
                    "your role must have a second factor; set it up again for another phone",
                );
                return page(&app, &visit, None, Some(said)).await;
            }
            put(&app, &visit, None).await
        }
    }
}

async fn finish(
    app: &App,
    visit: &Visit,
    fresh: Option<SecondFactor>,
    code: &str,
) -> Result<Response, Problem> {
    let good = fresh.as_ref().and_then(|factor| factor.step_of(code, app.clock.now_ms())).is_some();
    match fresh {
        Some(factor) if good => put(app, visit, Some(factor.bytes())).await,
        other => {
            let said = Sentence::new(
                "动态码不对;请等下一组数字再试",
                "the code is wrong; wait for the next one and try again",
            );
            page(app, visit, other, Some(said)).await
        }
    }
}

async fn put(app: &App, visit: &Visit, secret: Option<Vec<u8>>) -> Result<Response, Problem> {
    let user = visit.user().clone();
    let put = app.call(move |hub, _| hub.put_second_factor(&user, secret)).await?;
    put.map_err(|error| Problem::of(&error))?;
    Ok(Redirect::to("/account?done=factor").into_response())
}
