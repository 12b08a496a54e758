//! `POST /v1/readmit`: a device that a restored branch has forgotten is taken in again.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::message::{ReadmitReply, ReadmitRequest};

use crate::app::App;
use crate::auth::token_of;
use crate::hub::EnrollFailure;
use crate::problem::Problem;

/// Takes a device in by its certificate; the token in `Authorization` must be the one that it names.
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Json<ReadmitRequest>, JsonRejection>,
) -> Result<Json<ReadmitReply>, Problem> {
    let token = token_of(&headers)?;
    let Json(request) = body.map_err(|_| {
        Problem::malformed(&Error::new(
            ErrorKind::Invalid,
            "请求的格式不正确",
            "the request is not in the expected form",
        ))
    })?;
    match app.call(move |hub, _| hub.readmit(&token, &request.certificate)).await? {
        Ok(reply) => Ok(Json(reply)),
        Err(EnrollFailure::Refused(refusal)) => Err(Problem::refused(refusal)),
        Err(EnrollFailure::Internal(error)) => Err(Problem::of(&error)),
    }
}
