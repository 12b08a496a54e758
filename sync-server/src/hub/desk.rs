//! What people write at the branch itself: through the same door as a phone.
//!
//! Whoever writes in the console has a device record of the kind that nobody enrols, with a key that follows
//! from the server's own secret, so that a branch put back to a backup knows it again. An action is put
//! together by `core::action` on the document as it is, judged by the rules, signed with that key, and
//! pushed: what admission does with it, it does with everybody's.

use std::collections::BTreeMap;
use xunyuan_core::action::{self, Draft, Pen, Work};
use xunyuan_core::definition::{Catalog, Ledger};
use xunyuan_core::document::model::{Model, Value};
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::{
    ActorId, ChangeHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId, hash_parts, short_hash,
};
use xunyuan_core::limits::{DOCUMENT_ACTORS_MAX, DOCUMENT_CHANGES_MAX};
use xunyuan_core::rules::{self, Author, number};
use xunyuan_core::time::Moment;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::message::{PushedRun, Run, Verdict};
use xunyuan_core::wire::run;

use super::admit;
use super::cache::Held;
use super::devices::{self, Device};
use super::shared::Identity;
use super::sight::{Sight, unknown};
use super::store::{self, device::DeviceRow, device::Seen, document::DocumentRow};
use super::writer::{WriteFailure, Writer};

/// How a device of this kind names itself.
const APP: &str = concat!("console/", env!("CARGO_PKG_VERSION"));

/// What a person does at the branch.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Records a new entry of a ledger.
    Begin {
        /// Which ledger.
        ledger: String,
        /// The project, or the branch.
        project: String,
        /// Its first fields.
        fields: BTreeMap<String, Value>,
    },
    /// Does something to a record that is there.
    On {
        /// Which record.
        document: DocumentId,
        /// The changes after which nothing had come when the person looked.
        seen: Vec<ChangeHash>,
        /// What is done.
        deed: Deed,
    },
}

/// What a person does to a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Writes fields of an entry, and changes its sets.
    Edit(BTreeMap<String, Value>, Vec<SetChange>),
    /// Records an event of an entry's lifecycle, with what it carries.
    Event(String, BTreeMap<String, Value>),
    /// Writes into a line of a field that holds lines: a new one, or one that is there.
    Line {
        /// The field.
        field: String,
        /// The line; `None` for a new one.
        line: Option<String>,
        /// Its subfields.
        values: BTreeMap<String, Value>,
    },
    /// Decides a clash by the place of the value to keep, as the record lists them.
    Decide {
        /// What is in dispute.
        key: String,
        /// The value to keep, from 0.
        choice: usize,
        /// Why.
        reason: String,
    },
    /// Notes a review of a sheet.
    Review(String),
}

/// What is put into a set field and what is taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetChange {
    /// The field.
    pub field: String,
    /// Elements that come in.
    pub added: Vec<String>,
    /// Elements that leave.
    pub removed: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum ActFailure {
    /// A rule says no.
    Refused(Refusal),
    /// What the action is about was written meanwhile: the person looks again before deciding.
    Moved,
    /// Too much waits already; nothing was done.
    Overloaded,
    /// The record is not there, or the branch failed.
    Failed(Error),
}

impl From<Error> for ActFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Sight {
    /// Does something; when this returns, it is in the log, under the person's name.
    ///
    /// # Errors
    /// See [`ActFailure`].
    pub fn act(&self, action: Action, moment: Moment) -> Result<DocumentId, ActFailure> {
        let user = self.user().clone();
        let done = self.hub().write(move |writer| Ok(act(writer, &user, &action, &moment)));
        match done {
            Ok(outcome) => outcome,
            Err(WriteFailure::Overloaded) => Err(ActFailure::Overloaded),
            Err(WriteFailure::Failed(error)) => Err(ActFailure::Failed(error)),
        }
    }
}

/// The key that a person's writing at the branch is signed with.
fn key_of(identity: &Identity, user: &UserId) -> Key {
    Key::from_seed(&hash_parts("xunyuan/console-key/1", &[&identity.seed, user.as_str().as_bytes()]))
}

/// The author id of a person's writing in a document: another one in every epoch, as the branch's own.
fn actor_of(identity: &Identity, document: DocumentId, user: &UserId) -> ActorId {
    let epoch = identity.writing_epoch().to_be_bytes();
    let parts: [&[u8]; 4] = [&identity.seed, &epoch, document.as_bytes(), user.as_str().as_bytes()];
    ActorId(short_hash("xunyuan/console-actor/1", &parts))
}

/// The device record that a person writes under at the branch, where `device` is its id: one that this file
/// has forgotten is known again by its key.
pub(super) fn known_again(
    writer: &Writer,
    device: DeviceId,
    user: &UserId,
) -> Result<Option<DeviceRow>, Error> {
    if DeviceId::of_key(&key_of(&writer.shared.identity, user).public()) != device {
        return Ok(None);
    }
    ensured(writer, user, 0).map(Some)
}

/// The person's device record; made at the first writing.
fn ensured(writer: &Writer, user: &UserId, now_ms: i64) -> Result<DeviceRow, Error> {
    let identity = &writer.shared.identity;
    let public_key = key_of(identity, user).public();
    let device = DeviceId::of_key(&public_key);
    if let Some(row) = store::device::find(&writer.conn, device)? {
        return Ok(row);
    }
    let row = DeviceRow {
        device,
        public_key,
        user: user.clone(),
        code: devices::free_code(&writer.conn, None)?,
        enrolled_at_ms: now_ms,
        revoked_at_ms: None,
        is_console: true,
        app: APP.to_owned(),
        last_seen_ms: None,
        seen: Seen::default(),
    };
    // Nobody knows a token of this hash: nothing comes in from outside under this record.
    let no_token = hash_parts("xunyuan/console-token/1", &[&identity.seed, user.as_str().as_bytes()]);
    store::device::insert(&writer.conn, &row, &no_token)?;
    Ok(row)
}

fn act(
    writer: &mut Writer,
    user: &UserId,
    action: &Action,
    moment: &Moment,
) -> Result<DocumentId, ActFailure> {
    let document = match action {
        Action::Begin { .. } => DocumentId::random(&moment.entropy),
        Action::On { document, .. } => *document,
    };
    let acted = writer.about(document, |writer| Ok(act_on(writer, user, document, action, moment)))?;
    acted.unwrap_or_else(|| {
        Err(ActFailure::Failed(Error::new(
            ErrorKind::Corrupt,
            "分公司读不出这条记录;请运行 verify 核验",
            "the branch cannot read this record; run verify",
        )))
    })
}

fn act_on(
    writer: &mut Writer,
    user: &UserId,
    document: DocumentId,
    action: &Action,
    moment: &Moment,
) -> Result<DocumentId, ActFailure> {
    let catalog = writer.catalog.clone();
    let held = match action {
        Action::Begin { ledger, project, .. } => begun(&catalog, document, ledger, project)?,
        Action::On { .. } => there(writer, &catalog, user, document)?,
    };
    let composed = compose(writer, &catalog, &held, user, action, moment);
    let is_logged = held.row.changes > 0;
    let pushed = composed.and_then(|work| signed(writer, &catalog, &held, user, work));
    if is_logged {
        writer.documents.put(held);
    }
    if let Some((definition, run)) = pushed? {
        push(writer, user, &definition, run, moment.unix_ms)?;
    }
    Ok(document)
}

/// A new record of a ledger in its latest version.
fn begun(catalog: &Catalog, document: DocumentId, ledger: &str, project: &str) -> Result<Held, ActFailure> {
    let ledger = catalog.latest_ledger(ledger).ok_or_else(unknown)?;
    let (scope, definition) = (ScopeId::of(project, &ledger.stream), ledger.reference.clone());
    Ok(Held::new(catalog, document, DocumentRow { scope, definition, changes: 0, actors: 0 })?)
}

/// A record of a scope that the person holds.
fn there(
    writer: &mut Writer,
    catalog: &Catalog,
    user: &UserId,
    document: DocumentId,
) -> Result<Held, ActFailure> {
    let held = writer.documents.take(&writer.conn, catalog, document)?.ok_or_else(unknown)?;
    if catalog.grants(user).binary_search(&held.row.scope).is_ok() {
        return Ok(held);
    }
    writer.documents.put(held);
    Err(ActFailure::Failed(unknown()))
}

/// The action as edits, judged by the rules; `None` where it changes nothing.
fn compose(
    writer: &mut Writer,
    catalog: &Catalog,
    held: &Held,
    user: &UserId,
    action: &Action,
    moment: &Moment,
) -> Result<Option<Work>, ActFailure> {
    let device = ensured(writer, user, moment.unix_ms)?;
    let (document, before) = (held.document.id(), held.document.model()?);
    let actor = actor_of(&writer.shared.identity, document, user);
    room(held, actor)?;
    let pen = Pen { actor, seq: held.document.next_seq(actor), user: user.clone(), at_ms: moment.unix_ms };
    let mut draft = Draft::new(before.clone(), held.row.scope.clone(), pen);
    match action {
        Action::Begin { project, fields, .. } => {
            let running = store::server::count_up(&writer.conn, &format!("temporary/{}", device.code))?;
            let number = number::temporary(&device.code, u32::try_from(running).unwrap_or(u32::MAX));
            let ledger = ledger_of(catalog, held)?;
            action::begin_entry(&mut draft, ledger, project, Value::Text(number), fields.clone());
        }
        Action::On { deed, seen, .. } => {
            do_deed(catalog, held, &mut draft, deed)?;
            if is_moved(held, &before, seen, &draft)? {
                return Err(ActFailure::Moved);
            }
        }
    }
    if draft.is_empty() {
        return Ok(None);
    }
    let work = draft.into_work();
    let author = Author { user, is_server: false };
    rules::check(catalog, &work.scope, &author, &before, &work.edits).map_err(ActFailure::Refused)?;
    Ok(Some(work))
}

fn do_deed(catalog: &Catalog, held: &Held, draft: &mut Draft, deed: &Deed) -> Result<(), ActFailure> {
    match deed {
        Deed::Edit(fields, sets) => {
            action::edit_fields(draft, ledger_of(catalog, held)?, fields.clone());
            for set in sets {
                action::change_set(draft, &set.field, &set.added, &set.removed);
            }
        }
        Deed::Event(kind, data) => action::record_event(draft, ledger_of(catalog, held)?, kind, data.clone()),
        Deed::Line { field, line: None, values } => action::add_line(draft, field, values.clone()),
        Deed::Line { field, line: Some(line), values } => {
            action::edit_line(draft, field, line, values.clone())
        }
        Deed::Decide { key, choice, reason } => {
            let clashes = rules::conflicts(catalog, &draft.model);
            let clash = clashes.iter().find(|clash| clash.key == *key).ok_or(ActFailure::Moved)?;
            let side = clash.sides.get(*choice).ok_or(ActFailure::Moved)?;
            action::decide(catalog, draft, key, side.value.clone(), reason);
        }
        Deed::Review(note) => action::review(draft, note),
    }
    Ok(())
}

/// True when something that the action writes, or any event, came after the person had looked.
fn is_moved(held: &Held, now: &Model, seen: &[ChangeHash], draft: &Draft) -> Result<bool, Error> {
    if held.document.heads() == seen {
        return Ok(false);
    }
    if seen.is_empty() || !seen.iter().all(|hash| held.document.holds(hash)) {
        return Ok(true);
    }
    let then = held.document.model_at(seen)?;
    let wrote = |key: &str| then.register(key) != now.register(key);
    let is_text = |key: &str| then.texts.get(key) != now.texts.get(key);
    Ok(then.events.len() != now.events.len() || draft.touches(wrote, is_text))
}

fn ledger_of<'c>(catalog: &'c Catalog, held: &Held) -> Result<&'c Ledger, ActFailure> {
    catalog.ledger(&held.row.definition).map(AsRef::as_ref).ok_or_else(|| {
        ActFailure::Failed(Error::new(
            ErrorKind::Invalid,
            "这条记录不是台帐条目",
            "this record is no entry of a ledger",
        ))
    })
}

/// Refuses what would be one change too many before it is written.
fn room(held: &Held, actor: ActorId) -> Result<(), ActFailure> {
    let actors = held.actors.len() as u64 + u64::from(!held.actors.contains_key(&actor));
    if held.row.changes < u64::from(DOCUMENT_CHANGES_MAX) && actors <= u64::from(DOCUMENT_ACTORS_MAX) {
        return Ok(());
    }
    Err(ActFailure::Refused(Refusal::new(
        "document_full",
        "该记录已达到变更数上限;请在手机应用中续写",
        "this record has reached its limit of changes; go on with it in its continuation, in the app",
    )))
}

/// The work as a signed run.
fn signed(
    writer: &Writer,
    catalog: &Catalog,
    held: &Held,
    user: &UserId,
    work: Option<Work>,
) -> Result<Option<(DefinitionRef, PushedRun)>, ActFailure> {
    let Some(work) = work else { return Ok(None) };
    let identity = &writer.shared.identity;
    let actor = actor_of(identity, work.document, user);
    // Written on a copy: admission takes it in as it takes in a phone's.
    let mut copy = if held.row.changes == 0 {
        Held::new(catalog, work.document, held.row.clone())?.document
    } else {
        held.document.clone()
    };
    let change = copy.edit(actor, &work.edits)?;
    let bytes = run::signing_bytes(&work.scope, &work.document, &actor, user, &change.hash);
    let signature = key_of(identity, user).sign(&bytes);
    let changes = admit::pack(std::slice::from_ref(&change))?;
    let run = Run { definition: 0, actor, changes, last_hash: change.hash, signature };
    Ok(Some((work.definition, PushedRun { scope: work.scope, document: work.document, run, author: None })))
}

/// Hands the run to admission.
fn push(
    writer: &mut Writer,
    user: &UserId,
    definition: &DefinitionRef,
    run: PushedRun,
    now_ms: i64,
) -> Result<(), ActFailure> {
    let row = ensured(writer, user, now_ms)?;
    let device = Device { id: row.device, user: row.user, code: row.code, public_key: row.public_key };
    let definitions = std::slice::from_ref(definition);
    let admitted = admit::push(writer, &device, definitions, &[run], vec![admit::Ahead::none()], now_ms)?;
    match admitted.verdicts.into_iter().next() {
        Some(Verdict::Accepted { .. } | Verdict::Duplicate { .. }) => Ok(()),
        Some(Verdict::Rejected { refusal, .. }) => Err(ActFailure::Refused(refusal)),
        Some(Verdict::Parked { .. }) | None => Err(ActFailure::Failed(Error::new(
            ErrorKind::Corrupt,
            "这条记录在流水中不完整,暂时不能写;请等设备补回缺失的部分",
            "this record has gaps in the log and cannot be written now; wait until devices have given them back",
        ))),
    }
}
