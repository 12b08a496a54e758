//! What waits for a person's decision, read from the views.

use super::row::{Choice, ClashRow};
use crate::document::model::{Event, Stamped, Value};
use crate::id::DocumentId;
use crate::rules::entry::EntryView;
use crate::rules::keys;
use crate::rules::sheet::InspectionView;

/// Two people wrote different values without knowing of each other.
const REASON_VALUES: &str = "values";
/// An event lost against a concurrent one.
const REASON_EVENTS: &str = "events";

/// The clashes of a sheet: header fields and answers, in the order of the sheet.
pub(crate) fn of_inspection(view: &InspectionView) -> Vec<ClashRow> {
    let header = view.header.iter().filter(|field| field.is_clash);
    let header = header.map(|field| of_values(view.document, keys::header(&field.id), &field.values));
    let items = view.sections.iter().flat_map(|section| &section.items).filter(|item| item.is_clash);
    header.chain(items.map(|item| of_values(view.document, keys::item(&item.id), &item.answers))).collect()
}

/// The clashes of an entry: fields in the order of the ledger, then events that lost.
pub(crate) fn of_entry(view: &EntryView) -> Vec<ClashRow> {
    let fields = view.fields.iter().filter(|field| field.is_clash);
    let fields = fields.map(|field| of_values(view.document, keys::field(&field.id), &field.values));
    let event = |id: &str| view.events.iter().map(|shown| &shown.event).find(|event| event.id == id);
    let contests = view.contests.iter().filter(|contest| contest.is_open).map(|contest| ClashRow {
        document: view.document,
        key: keys::event(&contest.event),
        reason: REASON_EVENTS.to_owned(),
        choices: [&contest.against, &contest.event]
            .into_iter()
            .filter_map(|id| event(id))
            .map(taken)
            .collect(),
    });
    fields.chain(contests).collect()
}

fn of_values(document: DocumentId, key: String, values: &[Stamped]) -> ClashRow {
    let choice = |stamped: &Stamped| Choice {
        value: stamped.value.clone(),
        by: stamped.by.clone(),
        at_ms: stamped.at_ms,
    };
    ClashRow { document, key, reason: REASON_VALUES.to_owned(), choices: values.iter().map(choice).collect() }
}

fn taken(event: &Event) -> Choice {
    Choice { value: Value::Text(event.kind.clone()), by: event.by.clone(), at_ms: event.at_ms }
}
