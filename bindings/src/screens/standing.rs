//! How the replica stands, and what an exchange brought.

use xunyuan_core::definition::User;
use xunyuan_core::replica::Replica;

use super::value::Choice;
use crate::held;
use crate::sync::Outcome;
use crate::words::Words;

/// What the exchange with the branch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Activity {
    /// Nothing; the next one comes by itself.
    Resting,
    /// An exchange is under way.
    Exchanging,
    /// The branch was not reached; it is tried again by itself.
    Waiting,
    /// Only a wish starts an exchange: no network, one that costs, or an app in the background.
    Paused,
    /// The branch shut this device out and its data was erased.
    Erased,
}

/// How the replica stands.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Standing {
    /// What the exchange is doing.
    pub activity: Activity,
    /// Why the last exchange ended early: a stable code.
    pub failure_code: Option<String>,
    /// Why, in words.
    pub failure: Option<String>,
    /// Changes that the branch has not answered for.
    pub pending_changes: u32,
    /// Records that those changes belong to.
    pub pending_records: u32,
    /// Changes that the branch refused; they wait as drafts.
    pub refused_changes: u32,
    /// Clashes that wait for a decision.
    pub conflicts: u32,
    /// Photos and other files that the branch lacks.
    pub pending_files: u32,
    /// Their bytes.
    pub pending_file_bytes: u64,
    /// Records that the branch has lost and gets back.
    pub to_give_back: u32,
    /// Records that lists do not show yet.
    pub unlisted: u32,
    /// When everything was last proven equal to the branch, milliseconds since 1970.
    pub last_exchange_ms: Option<i64>,
    /// Server clock minus device clock, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// True when this device's clock is too far off to be evidence.
    pub is_clock_suspicious: bool,
}

/// A scope and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Scope {
    /// Its id, e.g. a project's front desk.
    pub id: String,
    /// False once the person's role does not reach it any more.
    pub is_granted: bool,
    /// The last row of its log that is held.
    pub cursor: u64,
    /// When it was last proven equal, milliseconds since 1970.
    pub proven_at_ms: Option<i64>,
}

/// Who the replica writes for and where.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Identity {
    /// The person's id.
    pub user: String,
    /// The person's name.
    pub name: String,
    /// Names of the person's roles.
    pub roles: Vec<String>,
    /// The person's project; nothing at the branch.
    pub project: Option<String>,
    /// Who the person answers to.
    pub answers_to: Vec<Choice>,
    /// Whom the person leads.
    pub leads: Vec<Choice>,
    /// The branch.
    pub branch: String,
    /// The device's id.
    pub device: String,
    /// The code that its temporary numbers begin with.
    pub device_code: String,
    /// Where the branch answers.
    pub server_url: String,
    /// The replica file.
    pub file: String,
    /// The scopes.
    pub scopes: Vec<Scope>,
}

/// What an exchange brought.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// True when nothing is left to ask, to push or to list; false when the time was up or something failed.
    pub is_finished: bool,
    /// Why it ended early: a stable code.
    pub failure_code: Option<String>,
    /// Why, in words.
    pub failure: Option<String>,
    /// How long the branch asked to wait, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Requests sent.
    pub requests: u32,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Own changes that the branch now holds.
    pub delivered: u32,
    /// Own changes that the branch refused.
    pub refused: u32,
    /// Records received.
    pub received: u32,
    /// What the branch says about this app or device.
    pub notices: Vec<String>,
}

impl Standing {
    /// A standing in words.
    pub(crate) fn of(lang: crate::words::Lang, standing: &held::Standing) -> Self {
        let status = &standing.status;
        let failure = standing.failure.as_ref();
        Self {
            activity: match standing.activity {
                held::Activity::Resting => Activity::Resting,
                held::Activity::Exchanging => Activity::Exchanging,
                held::Activity::Waiting => Activity::Waiting,
                held::Activity::Paused => Activity::Paused,
                held::Activity::Erased => Activity::Erased,
            },
            failure_code: failure.map(|failure| failure.code().to_owned()),
            failure: failure
                .map(|failure| lang.pick(failure.sentences().0, failure.sentences().1).to_owned()),
            pending_changes: status.pending_changes,
            pending_records: status.pending_records,
            refused_changes: status.refused_changes,
            conflicts: status.conflicts,
            pending_files: status.pending_files,
            pending_file_bytes: status.pending_file_bytes,
            to_give_back: status.to_give_back,
            unlisted: status.unprojected,
            last_exchange_ms: status.last_exchange_ms,
            clock_offset_ms: status.clock_offset_ms,
            is_clock_suspicious: status.is_clock_suspicious,
        }
    }
}

impl Identity {
    /// Who a replica is.
    pub(crate) fn of(
        words: &Words<'_>,
        replica: &Replica,
        file: &std::path::Path,
    ) -> Result<Self, crate::failure::Failure> {
        let identity = replica.identity();
        let catalog = words.catalog;
        let scopes = replica.status()?.scopes.into_iter().map(|row| Scope {
            id: row.scope.to_string(),
            is_granted: row.granted,
            cursor: row.cursor,
            proven_at_ms: row.proven_at_ms,
        });
        Ok(Self {
            user: identity.user.to_string(),
            name: words.person(&identity.user),
            roles: catalog
                .user_roles(&identity.user)
                .iter()
                .map(|role| words.title(&role.title).to_owned())
                .collect(),
            project: catalog.user(&identity.user).and_then(|user| user.project.clone()),
            answers_to: people(&catalog.superiors(&identity.user)),
            leads: people(&catalog.subordinates(&identity.user)),
            branch: identity.branch.clone(),
            device: identity.device.to_string(),
            device_code: identity.device_code.clone(),
            server_url: identity.server_url.clone(),
            file: file.display().to_string(),
            scopes: scopes.collect(),
        })
    }
}

fn people(users: &[&User]) -> Vec<Choice> {
    users.iter().map(|user| Choice { id: user.id.clone(), title: user.name.clone() }).collect()
}

impl SyncReport {
    /// An outcome in words.
    pub(crate) fn of(lang: crate::words::Lang, outcome: &Outcome) -> Self {
        let failure = outcome.failure.as_ref();
        Self {
            is_finished: outcome.is_finished,
            failure_code: failure.map(|failure| failure.code().to_owned()),
            failure: failure
                .map(|failure| lang.pick(failure.sentences().0, failure.sentences().1).to_owned()),
            retry_after_ms: outcome.retry_after_ms,
            requests: outcome.requests,
            bytes_sent: outcome.bytes_sent,
            bytes_received: outcome.bytes_received,
            delivered: outcome.acknowledged,
            refused: u32::try_from(outcome.refused.len()).unwrap_or(u32::MAX),
            received: outcome.received,
            notices: outcome.notices.iter().map(|notice| lang.of(notice).to_owned()).collect(),
        }
    }
}
