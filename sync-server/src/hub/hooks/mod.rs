//! Events that other programs are told of: targets, what waits for them, how it went.
//!
//! Receives events inside the transaction that makes them, attempts that others made, and the time; hands on what
//! is to be sent now. What is told lies in a table beside what it tells of, so neither is there without the other;
//! it leaves the table only when a receiver took it or nobody asked for it again for weeks. Every message is sent
//! at least once and has one name for ever. Forbids the network, and personal data in what is told.

mod tell;

use data_encoding::HEXLOWER;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{hash_parts, short_hash};

use super::{Hub, Page};
use crate::hub::store::hook::{self, Delivery, DeliveryFilter, DeliveryState, Hook, HookEvent, HookForm};

pub(super) use tell::{escalated, graded_before, recorded, refused};

/// Targets of a branch.
const HOOKS_MAX: usize = 50;
/// Longest name, characters.
const NAME_CHARS_MAX: usize = 60;
/// Messages that one round takes of a target.
const ROUND_MAX: u32 = 20;
/// Longest time between two attempts at one message.
const PAUSE_MAX_MS: i64 = 6 * 3_600_000;
/// Longest time for which a target that failed is left alone by other messages.
const REST_MAX_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// For how long what was delivered stays listed.
const DELIVERED_MS: i64 = 7 * DAY_MS;
/// For how long what was given up stays, to be sent again.
const DEAD_MS: i64 = 30 * DAY_MS;

/// What a new target is to be; the address was looked at by whoever sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookWish {
    /// What it is for.
    pub name: String,
    /// The address.
    pub url: String,
    /// What it is told of.
    pub events: Vec<HookEvent>,
    /// Of these units; empty for all.
    pub units: Vec<String>,
    /// Of records of these ledgers; empty for all.
    pub ledgers: Vec<String>,
    /// What a body looks like.
    pub form: HookForm,
}

/// How often a message is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts until a message is given up.
    pub attempts_max: u32,
    /// The pause after the first attempt; each further one doubles it.
    pub pause_ms: i64,
}

/// How an attempt ended, in a few words that say nothing of anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// True when the receiver took it.
    pub is_taken: bool,
    /// `HTTP 200`, `timeout` …
    pub outcome: String,
}

/// What is to be sent to one target now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The target.
    pub hook: Hook,
    /// What it is told, in order.
    pub deliveries: Vec<Delivery>,
}

impl Hub {
    /// Adds a target and draws the key of its signatures.
    ///
    /// # Errors
    /// `Invalid` saying what is wrong with the wish; `Storage` and its like.
    pub fn add_hook(&self, wish: HookWish, now_ms: i64, entropy: [u8; 32]) -> Result<Hook, Error> {
        self.check_hook(&wish)?;
        let HookWish { name, url, mut events, units, ledgers, form } = wish;
        events.sort_by_key(|event| event.id());
        events.dedup();
        let hook = Hook {
            id: HEXLOWER.encode(&short_hash("xunyuan/hook-id/1", &[&entropy])[..4]),
            name: name.trim().to_owned(),
            url,
            secret: hash_parts("xunyuan/hook-key/1", &[&entropy]).to_vec(),
            events,
            units,
            ledgers,
            form,
            created_at_ms: now_ms,
            rests_until_ms: 0,
            skipped: 0,
        };
        let made = hook.clone();
        self.write(move |writer| {
            if hook::all(&writer.conn)?.len() >= HOOKS_MAX {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("最多 {HOOKS_MAX} 个推送目标;请先删除不用的"),
                    format!("there are at most {HOOKS_MAX} targets; remove one that is not used"),
                ));
            }
            hook::insert(&writer.conn, &hook)
        })?;
        Ok(made)
    }

    fn check_hook(&self, wish: &HookWish) -> Result<(), Error> {
        let invalid = |zh: String, en: String| Err(Error::new(ErrorKind::Invalid, zh, en));
        let name = wish.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return invalid(
                format!("请用不超过 {NAME_CHARS_MAX} 个字写明推送目标的用途"),
                format!("say what the target is for, in at most {NAME_CHARS_MAX} characters"),
            );
        }
        if wish.events.is_empty() {
            let all = HookEvent::ALL.map(HookEvent::id).join(", ");
            return invalid(
                format!("请至少选一种事件:{all}"),
                format!("choose at least one kind of event: {all}"),
            );
        }
        let catalog = self.catalog();
        let organisation = catalog.organisation();
        let is_unit = |unit: &String| {
            organisation.is_some_and(|org| {
                org.branch.id == *unit || org.projects.iter().any(|project| project.id == *unit)
            })
        };
        if let Some(unit) = wish.units.iter().find(|unit| !is_unit(unit)) {
            return invalid(format!("没有项目“{unit}”"), format!("there is no project \"{unit}\""));
        }
        match wish.ledgers.iter().find(|id| catalog.latest_ledger(id).is_none()) {
            Some(id) => invalid(format!("没有台帐“{id}”"), format!("there is no ledger \"{id}\"")),
            None => Ok(()),
        }
    }

    /// Every target, the oldest first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn hooks(&self) -> Result<Vec<Hook>, Error> {
        self.inner.shared.read(hook::all)
    }

    /// The target of that id.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Storage` or `Corrupt` when reading fails.
    pub fn hook(&self, id: &str) -> Result<Hook, Error> {
        self.hooks()?.into_iter().find(|hook| hook.id == id).ok_or_else(unknown)
    }

    /// Takes a target away, with all that waited for it.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Storage` and its like.
    pub fn remove_hook(&self, id: &str) -> Result<(), Error> {
        let id = id.to_owned();
        if self.write(move |writer| hook::remove(&writer.conn, &id))? { Ok(()) } else { Err(unknown()) }
    }

    /// Deliveries that fit, the newest first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        offset: u32,
        limit: u32,
    ) -> Result<Page<Delivery>, Error> {
        self.inner.shared.read(|conn| {
            let rows = hook::list(conn, filter, offset, limit)?;
            Ok(Page { rows, count: hook::count(conn, filter)?, is_more: false })
        })
    }

    /// Hands a delivery over again, or, without one, all that were given up, of one target where it is named.
    /// Says how many.
    ///
    /// # Errors
    /// `NotFound` where the delivery is not there; `Storage` and its like.
    pub fn send_again(&self, id: Option<i64>, hook: Option<&str>, now_ms: i64) -> Result<usize, Error> {
        let hook = hook.map(str::to_owned);
        let count = self.write(move |writer| hook::again(&writer.conn, id, hook.as_deref(), now_ms))?;
        if id.is_some() && count == 0 { Err(no_delivery()) } else { Ok(count) }
    }

    /// What is to be sent now, to each target that does not rest.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn rounds(&self, now_ms: i64) -> Result<Vec<Round>, Error> {
        self.inner.shared.read(|conn| {
            let mut rounds = Vec::new();
            for hook in hook::all(conn)?.into_iter().filter(|hook| hook.rests_until_ms <= now_ms) {
                let deliveries = hook::due(conn, &hook.id, now_ms, ROUND_MAX)?;
                if !deliveries.is_empty() {
                    rounds.push(Round { hook, deliveries });
                }
            }
            Ok(rounds)
        })
    }

    /// Writes down how an attempt ended. After a failure the message waits, each time twice as long and up to half
    /// as long again by `jitter`, and its target rests for a while; after the last attempt it is given up.
    ///
    /// # Errors
    /// `Storage` and its like. A delivery whose target was taken away meanwhile is no error.
    pub fn attempted(
        &self,
        id: i64,
        attempted: Attempted,
        patience: Patience,
        jitter: u16,
        now_ms: i64,
    ) -> Result<(), Error> {
        Ok(self.write(move |writer| {
            let conn = &writer.conn;
            let Some(before) = hook::delivery(conn, id)? else { return Ok(()) };
            let (after, rests_until_ms) = settled(before, attempted, patience, jitter, now_ms);
            hook::put(conn, &after, rests_until_ms)?;
            hook::clear(conn, now_ms - DELIVERED_MS, now_ms - DEAD_MS)
        })?)
    }
}

/// A delivery after an attempt, and until when its target rests.
fn settled(
    before: Delivery,
    attempted: Attempted,
    patience: Patience,
    jitter: u16,
    now_ms: i64,
) -> (Delivery, i64) {
    let attempts = before.attempts.saturating_add(1);
    let tried = Delivery { attempts, tried_ms: Some(now_ms), outcome: attempted.outcome, ..before };
    if attempted.is_taken {
        return (Delivery { state: DeliveryState::Delivered, next_ms: None, ..tried }, 0);
    }
    let pause_ms = pause_ms(patience.pause_ms, attempts, jitter);
    let rests_until_ms = now_ms.saturating_add(pause_ms.min(REST_MAX_MS));
    if attempts >= patience.attempts_max {
        return (Delivery { state: DeliveryState::Dead, next_ms: None, ..tried }, rests_until_ms);
    }
    (Delivery { next_ms: Some(now_ms.saturating_add(pause_ms)), ..tried }, rests_until_ms)
}

/// The pause after so many attempts.
fn pause_ms(first_ms: i64, attempts: u32, jitter: u16) -> i64 {
    let doublings = attempts.saturating_sub(1).min(30);
    let whole = first_ms.saturating_mul(1_i64 << doublings).min(PAUSE_MAX_MS);
    whole + whole / 2 * i64::from(jitter) / i64::from(u16::MAX)
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这个推送目标;请用 webhook list 查看",
        "there is no such target; look it up with webhook list",
    )
}

fn no_delivery() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这次推送;请用 webhook deliveries 查看",
        "there is no such delivery; look it up with webhook deliveries",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { attempts_max: 3, pause_ms: 1_000 };

    fn waiting(attempts: u32) -> Delivery {
        Delivery {
            id: 1,
            hook: "a".to_owned(),
            message: "msg_a".to_owned(),
            event: HookEvent::Finding,
            at_ms: 0,
            data: "{}".to_owned(),
            state: DeliveryState::Waiting,
            attempts,
            next_ms: Some(0),
            tried_ms: None,
            outcome: String::new(),
        }
    }

    fn ended(is_taken: bool) -> Attempted {
        Attempted { is_taken, outcome: "HTTP 500".to_owned() }
    }

    #[test]
    fn a_pause_doubles_is_spread_and_ends() {
        assert_eq!(pause_ms(1_000, 1, 0), 1_000);
        assert_eq!(pause_ms(1_000, 4, 0), 8_000);
        assert_eq!(pause_ms(1_000, 1, u16::MAX), 1_500);
        assert_eq!(pause_ms(1_000, 60, 0), PAUSE_MAX_MS);
    }

    #[test]
    fn a_message_waits_after_a_failure_and_is_given_up_after_the_last() {
        let (after, rests) = settled(waiting(0), ended(false), PATIENCE, 0, 100);
        assert_eq!(
            (after.state, after.attempts, after.next_ms, rests),
            (DeliveryState::Waiting, 1, Some(1_100), 1_100)
        );
        let (after, _) = settled(waiting(2), ended(false), PATIENCE, 0, 100);
        assert_eq!((after.state, after.attempts, after.next_ms), (DeliveryState::Dead, 3, None));
        assert_eq!(after.outcome, "HTTP 500");
        let (after, rests) = settled(waiting(2), ended(true), PATIENCE, 0, 100);
        assert_eq!((after.state, after.next_ms, rests), (DeliveryState::Delivered, None, 0));
    }
}
