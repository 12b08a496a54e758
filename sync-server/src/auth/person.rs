//! The cookie of a browser becomes a person, or the request ends at the sign-in page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use std::marker::PhantomData;
use xunyuan_core::definition::Catalog;
use xunyuan_core::id::{UserId, hash_parts};

use crate::app::App;
use crate::hub::Session;
use crate::problem::Problem;

/// Name of the cookie where it may travel in the open, on loopback.
const COOKIE: &str = "xunyuan";
/// Name of the cookie elsewhere: browsers send it back over HTTPS alone, to this host alone.
const COOKIE_SECURE: &str = "__Host-xunyuan";

/// What a page asks of the person beside being signed in.
pub trait Policy: Send + Sync + 'static {
    /// True when the person may.
    fn allows(catalog: &Catalog, user: &UserId) -> bool;
}

/// Nothing else.
impl Policy for () {
    fn allows(_: &Catalog, _: &UserId) -> bool {
        true
    }
}

/// Policies that are an ability among those that a role's definition lists.
macro_rules! abilities {
    ($($(#[$doc:meta])* $name:ident = $ability:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Policy for $name {
            fn allows(catalog: &Catalog, user: &UserId) -> bool {
                catalog.may(user, $ability)
            }
        }
    )*};
}

abilities! {
    /// May invite and revoke devices.
    ManageDevices = "manage:devices";
    /// May give people links to set a password, and sign them out.
    ManagePeople = "manage:people";
    /// May publish definitions and the organisation.
    PublishDefinitions = "publish:definitions";
    /// May say which programs are told what happens here: as far-reaching as a publication.
    ManageHooks = "publish:definitions";
    /// May have every chain and signature checked.
    ReadAudit = "read:audit";
}

/// A person who is signed in, and who may do what `P` says.
#[derive(Clone, Debug)]
pub struct Person<P: Policy = ()> {
    /// The session.
    pub session: Session,
    /// What every form of this session carries.
    pub csrf: String,
    policy: PhantomData<P>,
}

impl<P: Policy> Person<P> {
    /// Who.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.session.user
    }
}

impl<P: Policy> FromRequestParts<App> for Person<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let found = found(parts, app).await.map_err(|problem| problem.into_response())?;
        let Some((session, csrf)) = found.filter(|(session, _)| !session.is_half) else {
            return Err(away(parts));
        };
        if !P::allows(&app.hub.catalog(), &session.user) {
            return Err(not_allowed().into_response());
        }
        Ok(Self { session, csrf, policy: PhantomData })
    }
}

/// A person whose password was right and who has yet to give the second factor.
#[derive(Clone, Debug)]
pub(crate) struct Half {
    pub(crate) session: Session,
    pub(crate) csrf: String,
}

impl FromRequestParts<App> for Half {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match found(parts, app).await.map_err(|problem| problem.into_response())? {
            Some((session, csrf)) if session.is_half => Ok(Self { session, csrf }),
            _ => Err(away(parts)),
        }
    }
}

/// The session of the request's cookie, with the token of its forms.
async fn found(parts: &Parts, app: &App) -> Result<Option<(Session, String)>, Problem> {
    let Some(token) = cookie_of(&parts.headers, cookie_name(app)) else { return Ok(None) };
    let csrf = csrf_of(&token);
    let session = app.call(move |hub, now_ms| hub.session(&token, now_ms)).await?;
    Ok(session.map_err(|error| Problem::of(&error))?.map(|session| (session, csrf)))
}

/// Where the session cookie may be seen decides its name.
pub(super) fn cookie_name(app: &App) -> &'static str {
    if app.console.secure { COOKIE_SECURE } else { COOKIE }
}

/// The value of a cookie.
pub(crate) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// What forms of a session carry: nobody who does not know the cookie can make it.
pub(super) fn csrf_of(token: &str) -> String {
    data_encoding::HEXLOWER.encode(&hash_parts("xunyuan/csrf/1", &[token.as_bytes()]))
}

/// To the sign-in page, and back afterwards where a page was only looked at.
fn away(parts: &Parts) -> Response {
    let path = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let is_look = parts.method == Method::GET && path != "/";
    let to = if is_look { format!("/sign-in?to={}", coded(path)) } else { "/sign-in".to_owned() };
    let mut response = Redirect::to(&to).into_response();
    // A page that asks in the background must not show the sign-in page inside itself.
    if parts.headers.contains_key("hx-request") {
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Ok(value) = to.parse() {
            response.headers_mut().insert("hx-redirect", value);
        }
    }
    response
}

/// A path as the value of a query.
fn coded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn not_allowed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not_allowed",
        "您的岗位没有这项权限;如需要,请联系分公司",
        "your role may not do this; ask the branch if you need to",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; xunyuan=abc"));
        headers.append(header::COOKIE, HeaderValue::from_static("lang=en"));
        assert_eq!(cookie_of(&headers, COOKIE).as_deref(), Some("abc"));
        assert_eq!(cookie_of(&headers, "lang").as_deref(), Some("en"));
        assert_eq!(cookie_of(&headers, COOKIE_SECURE), None);
    }

    #[test]
    fn a_path_survives_being_a_query() {
        assert_eq!(coded("/records/1?a=b&c=漏"), "/records/1%3Fa%3Db%26c%3D%E6%BC%8F");
    }
}
