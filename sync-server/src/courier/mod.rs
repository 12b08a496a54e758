//! Carries what other programs are to be told.
//!
//! Receives rounds of the hub; hands signed requests to their addresses, and how each ended back to the hub. One
//! task for the server's life; what it had not finished when the server stopped is tried again by the next. A
//! target that fails holds up no other. Forbids deciding what is told and when it is tried again, and addresses or
//! answers in the log.

mod body;
mod post;
mod target;

use std::time::{Duration, Instant};
use tracing::{info, warn};
use xunyuan_core::definition::Catalog;

use crate::app::App;
use crate::config::HookConfig;
use crate::hub::{Attempted, Delivery, DeliveryState, Hook, HookEvent, Patience, Round};

pub(crate) use post::shown_secret;
pub(crate) use target::{checked, masked};

/// How often it is looked at what waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Targets that are told at the same time.
const TARGETS_MAX: usize = 8;
/// How long one target is told before the others have another turn.
const ROUND: Duration = Duration::from_secs(10);

/// Carries until the server stops.
pub(crate) async fn carry(app: App) {
    loop {
        let rounds = match app.call(|hub, now_ms| hub.rounds(now_ms)).await {
            Ok(Ok(rounds)) => rounds,
            Ok(Err(error)) => {
                warn!(%error, "what programs are to be told was not read");
                Vec::new()
            }
            // Too busy, or stopping: the next turn will do.
            Err(_) => Vec::new(),
        };
        let is_idle = rounds.is_empty();
        let mut rounds = rounds.into_iter().peekable();
        while rounds.peek().is_some() {
            let some: Vec<_> = rounds.by_ref().take(TARGETS_MAX).collect();
            let told = some.into_iter().map(|round| {
                let app = app.clone();
                tokio::task::spawn_blocking(move || tell(&app, &round))
            });
            for one in told.collect::<Vec<_>>() {
                if let Err(error) = one.await {
                    warn!(%error, "a program was not told");
                }
            }
        }
        let pause = if is_idle { LOOK_EVERY } else { Duration::ZERO };
        tokio::select! {
            () = app.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tells one target what waits for it, up to the first failure.
fn tell(app: &App, round: &Round) {
    let began = Instant::now();
    for delivery in &round.deliveries {
        if began.elapsed() > ROUND || app.is_stopping() {
            return;
        }
        let catalog = app.hub.catalog();
        let attempted =
            attempt(&app.hooks, &app.console.url, &catalog, &round.hook, delivery, app.clock.now_ms());
        let is_taken = attempted.is_taken;
        info!(hook = round.hook.id, delivery = delivery.id, outcome = attempted.outcome, "told");
        let patience = Patience {
            attempts_max: app.hooks.attempts_max,
            pause_ms: i64::try_from(app.hooks.pause_ms).unwrap_or(i64::MAX),
        };
        if let Err(error) = app.hub.attempted(delivery.id, attempted, patience, jitter(), app.clock.now_ms())
        {
            warn!(%error, "it was not noted how a delivery ended; it is tried again");
            return;
        }
        if !is_taken {
            return;
        }
    }
}

/// One attempt at one message.
fn attempt(
    config: &HookConfig,
    url: &str,
    catalog: &Catalog,
    hook: &Hook,
    delivery: &Delivery,
    now_ms: i64,
) -> Attempted {
    // The setting may have become stricter since the target was added.
    if checked(&hook.url, config.targets).is_err() {
        return Attempted { is_taken: false, outcome: "not allowed".to_owned() };
    }
    post::send(hook, &delivery.message, &body::of(hook.form, url, catalog, delivery), now_ms)
}

/// Sends a message that says nothing, to see whether a target takes it.
pub(crate) fn ping(config: &HookConfig, url: &str, catalog: &Catalog, hook: &Hook, now_ms: i64) -> Attempted {
    let delivery = Delivery {
        id: 0,
        hook: hook.id.clone(),
        message: format!("msg_test_{now_ms}"),
        event: HookEvent::Test,
        at_ms: now_ms,
        data: "{}".to_owned(),
        state: DeliveryState::Waiting,
        attempts: 0,
        next_ms: None,
        tried_ms: None,
        outcome: String::new(),
    };
    attempt(config, url, catalog, hook, &delivery, now_ms)
}

fn jitter() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness every message gets the same pause: worse spread, still correct.
    let _ = getrandom::fill(&mut bytes);
    u16::from_be_bytes(bytes)
}
