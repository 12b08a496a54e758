//! What the parts of a record are called: keys and events in the words of their definition.

use super::entry;
use super::keys::{self, Key};
use crate::definition::{Catalog, Field, Title};
use crate::id::DefinitionRef;

/// The name of what a key holds: a field, an item, a checkpoint; the key itself where the definition
/// does not name it.
#[must_use]
pub fn of_key(catalog: &Catalog, definition: &DefinitionRef, key: &str) -> Title {
    named(catalog, definition, key).unwrap_or_else(|| plain(key))
}

/// The name of an event of a record's life; its id where nobody names it.
#[must_use]
pub fn of_event(catalog: &Catalog, definition: &DefinitionRef, kind: &str) -> Title {
    let ledger = catalog.ledger(definition);
    if let Some(step) = ledger.and_then(|ledger| ledger.transitions_named(kind).next()) {
        return step.title.clone();
    }
    let known = [
        keys::CREATE,
        keys::COMPLETE,
        keys::REVIEW,
        keys::AMEND,
        keys::UPGRADE,
        keys::RESOLVE,
        keys::LATE_EDIT,
        keys::ESCALATION,
    ];
    let begins = ledger.is_some_and(|ledger| ledger.create_event == kind);
    if begins || known.contains(&kind) { entry::built_in(kind) } else { plain(kind) }
}

fn named(catalog: &Catalog, definition: &DefinitionRef, key: &str) -> Option<Title> {
    let checklist = catalog.checklist(definition);
    // An answer may belong to a newer version of the checklist than the sheet began with.
    let latest = catalog.latest_checklist(&definition.id);
    let item = |id: &str| {
        checklist.and_then(|list| list.item(id)).or_else(|| latest?.item(id)).map(|item| item.title.clone())
    };
    let header = |id: &str| titled(checklist.and_then(|list| list.header_field(id)), id);
    let field = |id: &str| titled(catalog.ledger(definition).and_then(|ledger| ledger.field(id)), id);
    match Key::parse(key)? {
        Key::Item(id) => item(id),
        Key::Note(id) => Some(with(&item(id)?, "说明", "note")),
        Key::Photo(id, _) => Some(with(&item(id)?, "照片", "photo")),
        Key::Scan(id) => catalog.checkpoint(id).map(|checkpoint| checkpoint.title.clone()),
        Key::Header(keys::PROJECT) | Key::Field(keys::PROJECT) => Some(title("项目", "Project")),
        Key::Field(keys::TEMPORARY_NUMBER) => Some(title("临时编号", "Temporary number")),
        Key::Header(id) | Key::HeaderElement(id, _) => header(id),
        Key::Field(id) | Key::Set(id, _) => field(id),
        Key::Line(id, _, sub) => {
            let owner = catalog.ledger(definition).and_then(|ledger| ledger.field(id));
            let part = titled(owner.and_then(|owner| owner.entry_field(sub)), sub);
            let part = part.unwrap_or_else(|| plain(sub));
            Some(with(&field(id)?, &part.zh, &part.en))
        }
        Key::Group(id, _, sub) | Key::GroupPhoto(id, _, sub, _) => {
            let group = checklist?.group(id)?;
            let part = titled(group.field(sub), sub).unwrap_or_else(|| plain(sub));
            Some(with(&group.title, &part.zh, &part.en))
        }
        Key::Signoff(_) => Some(title("签字", "Signature")),
    }
}

fn titled(field: Option<&Field>, id: &str) -> Option<Title> {
    field.map(|field| field.title.clone().unwrap_or_else(|| plain(id)))
}

fn with(whole: &Title, zh: &str, en: &str) -> Title {
    title(&format!("{}·{zh}", whole.zh), &format!("{}, {en}", whole.en))
}

fn plain(id: &str) -> Title {
    title(id, id)
}

fn title(zh: &str, en: &str) -> Title {
    Title { zh: zh.to_owned(), en: en.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::embedded;

    #[test]
    fn keys_and_events_are_called_as_their_definition_calls_them() {
        let catalog = Catalog::new(embedded()).unwrap();
        let sheet = catalog.latest_checklist("tpl.park_patrol").unwrap().clone();
        let first = sheet.items().next().unwrap();
        let note = of_key(&catalog, &sheet.reference, &keys::note(&first.id));
        assert_eq!(note.zh, format!("{}·说明", first.title.zh));
        let desk = catalog.latest_ledger("led.front_desk").unwrap().clone();
        let content = desk.field("content").and_then(|field| field.title.clone()).unwrap();
        assert_eq!(of_key(&catalog, &desk.reference, "field/content"), content);
        assert_eq!(of_key(&catalog, &desk.reference, "field/none").zh, "field/none");
        let close = desk.transitions_named("close").next().unwrap();
        assert_eq!(of_event(&catalog, &desk.reference, "close"), close.title);
        assert_eq!(of_event(&catalog, &sheet.reference, keys::COMPLETE).zh, "完成");
        assert_eq!(of_event(&catalog, &sheet.reference, "fly").en, "fly");
    }
}
