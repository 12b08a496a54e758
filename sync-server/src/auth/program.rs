//! The bearer token of a program becomes what its person may see, or the request ends here.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use serde_json::json;
use std::marker::PhantomData;

use super::device::bearer;
use crate::app::App;
use crate::hub::{Right, Sight, TokenFailure};
use crate::problem::Problem;

/// What a route asks of a token.
pub trait Needed: Send + Sync + 'static {
    /// The right.
    const RIGHT: Right;
}

/// Rights as types, so that a handler's signature says what it asks.
macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $right:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Needed for $name {
            const RIGHT: Right = Right::$right;
        }
    )*};
}

rights! {
    /// May read records.
    ReadRecords = Records;
    /// May read duties.
    ReadDuties = Duties;
    /// May read reports.
    ReadReports = Reports;
}

/// A program that sent a token with the right `N`.
#[derive(Clone, Debug)]
pub struct Program<N: Needed> {
    /// What it may see: what the token's person sees, within the token's units.
    pub sight: Sight,
    needed: PhantomData<N>,
}

impl<N: Needed> FromRequestParts<App> for Program<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let secret =
            bearer(&parts.headers).map(str::to_owned).ok_or_else(|| refused(&TokenFailure::Unknown))?;
        let found = app.call(move |hub, now_ms| hub.token(&secret, now_ms)).await?;
        let token = found.map_err(|failure| refused(&failure))?;
        if !token.rights.contains(&N::RIGHT) {
            return Err(lacking(N::RIGHT));
        }
        Ok(Self { sight: app.hub.sight(&token.user).within(&token.units), needed: PhantomData })
    }
}

fn refused(failure: &TokenFailure) -> Problem {
    let (code, zh, en) = match failure {
        TokenFailure::Unknown => (
            "unknown_token",
            "访问令牌无效;请在控制台“我的登录”中生成",
            "the access token is not known here; make one in the console, under your name",
        ),
        TokenFailure::Expired => (
            "token_expired",
            "访问令牌已过期;请在控制台“我的登录”中重新生成",
            "the access token has expired; make another in the console, under your name",
        ),
        TokenFailure::Revoked => (
            "token_revoked",
            "访问令牌已被撤销,或其所有人已离开组织",
            "the access token was revoked, or its person has left the organisation",
        ),
        TokenFailure::Internal(error) => return Problem::of(error),
    };
    Problem::new(StatusCode::UNAUTHORIZED, code, zh, en)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"xunyuan\""))
}

fn lacking(right: Right) -> Problem {
    let id = right.id();
    Problem::new(
        StatusCode::FORBIDDEN,
        "right_missing",
        format!("访问令牌没有这项权限:{id};请另生成一个"),
        format!("the access token lacks the right {id}; make one that has it"),
    )
    .with("right", json!(id))
}
