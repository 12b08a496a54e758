//! `GET /live`: a stream of hints that something arrived in the person's scopes; the page then reads itself
//! again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::Event;
use std::collections::BTreeSet;
use std::time::Duration;
use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;

use super::visit::Visit;
use crate::app::App;
use crate::hints::{self, Listener};
use crate::hub::{Poke, Session};
use crate::problem::Problem;

/// What arrives within so short a time is one hint.
const GATHER: Duration = Duration::from_millis(150);

/// Opens the stream.
pub(crate) async fn listen(State(app): State<App>, visit: Visit) -> Result<hints::Stream, Problem> {
    hints::open(app, Watcher(visit.session)).await
}

/// A page that somebody looks at.
struct Watcher(Session);

impl Listener for Watcher {
    async fn hears(&self, app: &App) -> Result<BTreeSet<ScopeId>, Problem> {
        let session = self.0.clone();
        let asked = app.call(move |hub, _| {
            let sessions = hub.sessions(&session.user)?;
            let is_live = sessions.iter().any(|one| one.token_hash == session.token_hash);
            Ok::<_, Error>(is_live.then(|| hub.sight(&session.user).scopes().iter().cloned().collect()))
        });
        asked
            .await?
            .map_err(|error| Problem::of(&error))?
            .ok_or_else(|| Problem::of_status(StatusCode::UNAUTHORIZED))
    }

    fn told(&self, _: Option<&Poke>) -> Option<Event> {
        // Browsers pass over an event without data.
        Some(Event::default().event("moved").data("moved"))
    }

    fn gather(&self) -> Duration {
        GATHER
    }
}
