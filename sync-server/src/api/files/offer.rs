//! `POST /v1/files/offers` and `POST /v1/files/proofs`: what a device asks before it sends bytes.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::offer::{OfferReply, OfferRequest, ProofRequest, hashes};

use super::{failed, problem};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// Largest question, bytes.
pub(crate) const OFFER_BYTES_MAX: usize = 64 * 1024;

/// Says which files the branch has.
pub(crate) async fn create(
    State(app): State<App>,
    Caller(device): Caller,
    body: Result<Json<OfferRequest>, JsonRejection>,
) -> Result<Json<OfferReply>, Problem> {
    let Json(request) = body.map_err(|_| malformed())?;
    let hashes = hashes(&request).ok_or_else(malformed)?;
    let reply = app.call(move |hub, _| hub.offer_files(&device, &hashes)).await?;
    Ok(Json(reply.map_err(|error| failed(&error))?))
}

/// Takes the proof that a device holds a file which is here.
pub(crate) async fn prove(
    State(app): State<App>,
    Caller(device): Caller,
    body: Result<Json<ProofRequest>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(ProofRequest { file, proof }) = body.map_err(|_| malformed())?;
    let hash = file.parse().map_err(|_| malformed())?;
    let proof = data_encoding::HEXLOWER_PERMISSIVE
        .decode(proof.as_bytes())
        .ok()
        .and_then(|proof| <[u8; 32]>::try_from(proof).ok())
        .ok_or_else(malformed)?;
    app.call(move |hub, now_ms| hub.prove_file(&device, hash, proof, now_ms)).await?.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

fn malformed() -> Problem {
    Problem::malformed(&Error::new(
        ErrorKind::Invalid,
        "请求的格式不正确",
        "the request is not in the expected form",
    ))
}
