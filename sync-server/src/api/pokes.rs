//! `GET /v1/pokes`: a stream of hints that a scope moved; the device then runs an ordinary exchange.

use axum::extract::State;
use axum::response::sse::Event;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use xunyuan_core::id::ScopeId;

use crate::app::App;
use crate::auth::{Caller, revoked};
use crate::hints::{self, Listener};
use crate::hub::{Device, Poke};
use crate::problem::Problem;

/// Opens the stream for the scopes that the caller is granted.
pub(crate) async fn listen(State(app): State<App>, Caller(device): Caller) -> Result<hints::Stream, Problem> {
    hints::open(app, Waiting(device)).await
}

/// A device that waits for news.
struct Waiting(Device);

impl Listener for Waiting {
    async fn hears(&self, app: &App) -> Result<BTreeSet<ScopeId>, Problem> {
        let device = self.0.clone();
        let scopes = app.call(move |hub, _| hub.hears(&device)).await?;
        let scopes = scopes.map_err(|error| Problem::of(&error))?.ok_or_else(revoked)?;
        Ok(scopes.into_iter().collect())
    }

    fn told(&self, poke: Option<&Poke>) -> Option<Event> {
        let Poke { scope, seq } = poke?;
        Some(Event::default().event("poke").data(json!({"scope": scope, "seq": seq}).to_string()))
    }

    fn gather(&self) -> Duration {
        Duration::ZERO
    }
}
