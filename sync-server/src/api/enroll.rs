//! `POST /v1/enroll`: a one-time invitation becomes a device.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::message::{EnrollReply, EnrollRequest};

use crate::app::App;
use crate::hub::EnrollFailure;
use crate::problem::Problem;

/// Enrols a device; a used or expired invitation is refused with the reason.
pub(crate) async fn create(
    State(app): State<App>,
    body: Result<Json<EnrollRequest>, JsonRejection>,
) -> Result<Json<EnrollReply>, Problem> {
    let Json(request) = body.map_err(|rejection| unreadable(&rejection))?;
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Problem::internal)?;
    match app.call(move |hub, now_ms| hub.enroll(&request, now_ms, entropy)).await? {
        Ok(reply) => Ok(Json(reply)),
        Err(EnrollFailure::Refused(refusal)) => Err(Problem::refused(refusal)),
        Err(EnrollFailure::Internal(error)) => Err(Problem::of(&error)),
    }
}

/// What is wrong with the body, without repeating any of it.
fn unreadable(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(ENROLL_BYTES_MAX),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            "请求应为 application/json",
            "the body must be application/json",
        ),
        _ => Problem::malformed(&Error::new(
            ErrorKind::Invalid,
            "登记请求的格式不正确",
            "the enrolment request is not in the expected form",
        )),
    }
}

/// Largest enrolment body, bytes.
pub(crate) const ENROLL_BYTES_MAX: usize = 16 * 1024;
