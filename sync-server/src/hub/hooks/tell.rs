//! What happened, as it is told: ids, kinds, numbers and titles, never what people wrote.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use xunyuan_core::definition::{Catalog, Ledger, Title};
use xunyuan_core::duty::{Duty, Step};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DocumentId, short_hash};
use xunyuan_core::projection::{self, Row};

use crate::hub::store::hook::{self, HookEvent};
use crate::hub::store::refusal::RefusalRow;
use crate::hub::writer::Writer;

/// Messages of one target that may wait.
const WAITING_MAX: u32 = 10_000;

/// What happened, before anybody was chosen to hear of it.
struct Happening<'h> {
    event: HookEvent,
    unit: &'h str,
    ledger: Option<&'h str>,
    /// What it happened to: the same event has the same name for ever, whoever writes it again.
    subject: String,
    at_ms: i64,
    data: Value,
}

impl Happening<'_> {
    fn tell(&self, writer: &Writer) -> Result<(), Error> {
        let fits = |all: &[String], one: Option<&str>| {
            all.is_empty() || one.is_none_or(|one| all.iter().any(|known| known == one))
        };
        let data = self.data.to_string();
        for hook in hook::all(&writer.conn)? {
            let is_told = hook.events.contains(&self.event)
                && fits(&hook.units, Some(self.unit))
                && fits(&hook.ledgers, self.ledger);
            if is_told {
                let parts = [hook.id.as_bytes(), self.event.id().as_bytes(), self.subject.as_bytes()];
                let message =
                    format!("msg_{}", HEXLOWER.encode(&short_hash("xunyuan/hook-message/1", &parts)));
                let what = (self.event, self.at_ms, data.as_str());
                hook::note(&writer.conn, (&hook.id, &message), what, WAITING_MAX)?;
            }
        }
        Ok(())
    }
}

/// What is known of a record before it is written: `None` where nobody is told of anything.
#[derive(Debug)]
pub(in crate::hub) struct Before {
    is_new: bool,
    is_grave: bool,
}

/// How a record stood before its rows are written again.
pub(in crate::hub) fn graded_before(writer: &Writer, document: DocumentId) -> Result<Option<Before>, Error> {
    if !hook::any(&writer.conn)? {
        return Ok(None);
    }
    let row = projection::row(&writer.conn, document)?;
    let is_grave = row.as_ref().is_some_and(|row| is_grave(&writer.catalog, row));
    Ok(Some(Before { is_new: row.is_none(), is_grave }))
}

/// Tells of a record whose rows were written: of a new finding, and of one that came to the highest grade.
pub(in crate::hub) fn recorded(
    writer: &Writer,
    document: DocumentId,
    before: Option<&Before>,
    now_ms: i64,
) -> Result<(), Error> {
    let Some(before) = before else { return Ok(()) };
    let Some(row) = projection::row(&writer.conn, document)? else { return Ok(()) };
    let catalog = &writer.catalog;
    let is_finding = catalog.finding_ledger().is_some_and(|ledger| ledger.id == row.definition.id);
    let mut events = Vec::new();
    if before.is_new && is_finding {
        events.push(HookEvent::Finding);
    }
    if !before.is_grave && is_grave(catalog, &row) {
        events.push(HookEvent::Grave);
    }
    for event in events {
        let happening = Happening {
            event,
            unit: &row.project,
            ledger: Some(&row.definition.id),
            subject: document.to_string(),
            at_ms: now_ms,
            data: json!({ "record": record(catalog, &row) }),
        };
        happening.tell(writer)?;
    }
    Ok(())
}

/// Tells that a step of escalation was taken.
pub(in crate::hub) fn escalated(
    writer: &Writer,
    duty: &Duty,
    step: &Step<'_>,
    now_ms: i64,
) -> Result<(), Error> {
    if !hook::any(&writer.conn)? {
        return Ok(());
    }
    let catalog = &writer.catalog;
    let row = duty.subject.document().map(|document| projection::row(&writer.conn, document));
    let row = row.transpose()?.flatten();
    let told = step.says.to.iter().map(|id| {
        let title = catalog.role(id).map(|role| titled(&role.title));
        json!({ "id": id, "title": title })
    });
    let happening = Happening {
        event: HookEvent::Escalation,
        unit: &duty.unit,
        ledger: row.as_ref().map(|row| row.definition.id.as_str()),
        subject: step.event.clone(),
        at_ms: now_ms,
        data: json!({
            "duty": {
                "rule": duty.rule,
                "title": titled(&duty.title),
                "unit": unit(catalog, &duty.unit),
                "period": duty.period,
                "due_ms": duty.due_ms,
                "step": step.place + 1,
                "to": told.collect::<Vec<_>>(),
            },
            "record": row.as_ref().map(|row| record(catalog, row)),
        }),
    };
    happening.tell(writer)
}

/// Tells that the branch refused what a device sent.
pub(in crate::hub) fn refused(writer: &Writer, row: &RefusalRow, now_ms: i64) -> Result<(), Error> {
    if !hook::any(&writer.conn)? {
        return Ok(());
    }
    let definition = row.run.as_ref().and_then(|run| run.definition.as_ref());
    let known = projection::row(&writer.conn, row.document)?;
    let happening = Happening {
        event: HookEvent::Refusal,
        unit: row.scope.unit(),
        ledger: definition.map(|definition| definition.id.as_str()),
        subject: format!("{} {} {}", row.device, row.last_hash, row.refusal.code),
        at_ms: now_ms,
        data: json!({
            "refusal": {
                "code": row.refusal.code,
                "zh": row.refusal.sentence.zh,
                "en": row.refusal.sentence.en,
                "unit": unit(&writer.catalog, row.scope.unit()),
                "stream": row.scope.stream(),
                "document": row.document.to_string(),
                "definition": definition.map(|definition| definition.id.as_str()),
            },
            "record": known.as_ref().map(|row| record(&writer.catalog, row)),
        }),
    };
    happening.tell(writer)
}

/// True where an entry has the highest grade that its ledger knows.
fn is_grave(catalog: &Catalog, row: &Row) -> bool {
    let field = catalog.ledger(&row.definition).and_then(|ledger| ledger.grade());
    let highest = field.and_then(|field| field.options.last());
    highest.is_some_and(|option| row.grade.as_ref() == Some(&option.id))
}

fn titled(title: &Title) -> Value {
    json!({ "zh": title.zh, "en": title.en })
}

fn unit(catalog: &Catalog, id: &str) -> Value {
    let branch = catalog.organisation().map(|organisation| &organisation.branch);
    let title = catalog.project(id).map(|project| &project.title);
    let title = title.or_else(|| branch.filter(|branch| branch.id == id).map(|branch| &branch.title));
    json!({ "id": id, "title": title.map(titled) })
}

fn record(catalog: &Catalog, row: &Row) -> Value {
    let ledger = catalog.ledger(&row.definition).map(AsRef::as_ref);
    let title = ledger.map(|ledger| &ledger.title);
    let title = title.or_else(|| catalog.checklist(&row.definition).map(|list| &list.title));
    json!({
        "id": row.document.to_string(),
        "definition": { "id": row.definition.id, "title": title.map(titled) },
        "number": row.number.as_ref().or(row.temp_number.as_ref()),
        "unit": unit(catalog, &row.project),
        "state": { "id": row.state, "title": state(ledger, &row.state) },
        "grade": row.grade.as_deref().map(|option| grade(ledger, option)),
        "due_ms": row.due_ms,
    })
}

fn state(ledger: Option<&Ledger>, id: &str) -> Option<Value> {
    ledger.and_then(|ledger| ledger.state(id)).map(|state| titled(&state.title))
}

fn grade(ledger: Option<&Ledger>, id: &str) -> Value {
    let option = ledger.and_then(Ledger::grade).and_then(|field| field.option(id));
    json!({ "id": id, "title": option.and_then(|option| option.title.as_ref()).map(titled) })
}
