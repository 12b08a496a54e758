//! The bearer token of a request becomes a device, or the request ends here.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::App;
use crate::hub::{AuthFailure, Device};
use crate::problem::Problem;

/// The enrolled device that sent the request.
#[derive(Clone, Debug)]
pub struct Caller(pub Device);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match authenticate(parts, app).await? {
            Ok(device) => Ok(Self(device)),
            Err(_) => Err(revoked()),
        }
    }
}

/// The device that sent the request, be it revoked: only the exchange takes it, since there the hub
/// refuses its work for the record and orders it to erase what it holds.
#[derive(Clone, Debug)]
pub struct Contact(pub Device);

impl FromRequestParts<App> for Contact {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (Ok(device) | Err(device)) = authenticate(parts, app).await?;
        Ok(Self(device))
    }
}

/// The device of the request's token: `Err` holds a revoked one.
async fn authenticate(parts: &Parts, app: &App) -> Result<Result<Device, Device>, Problem> {
    let token = token_of(&parts.headers)?;
    match app.call(move |hub, _| hub.authenticate(&token)).await? {
        Ok(device) => Ok(Ok(device)),
        Err(AuthFailure::Revoked(device)) => Ok(Err(*device)),
        Err(AuthFailure::Unknown) => Err(unknown()),
        Err(AuthFailure::Internal(error)) => Err(Problem::of(&error)),
    }
}

/// The token that a request carries, whoever it belongs to.
pub(crate) fn token_of(headers: &HeaderMap) -> Result<String, Problem> {
    bearer(headers).map(str::to_owned).ok_or_else(unknown)
}

/// The token of `Authorization: Bearer <token>`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unknown_token",
        "设备令牌无效,请重新登记设备",
        "the device token is not known here; enrol the device again",
    )
    .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"xunyuan\""))
}

/// The answer to a device that was revoked.
pub(crate) fn revoked() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "device_revoked",
        "此设备已被分公司停用",
        "the branch has revoked this device",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_counts() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(token("bearer abc"), Some("abc".to_owned()));
        for wrong in ["abc", "Basic abc", "Bearer", "Bearer  "] {
            assert_eq!(token(wrong), None, "{wrong}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
