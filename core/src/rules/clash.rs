//! What people must decide about a record: values written against each other, and events that lost.

use super::entry::{self, EntryView};
use super::inspection;
use super::keys;
use super::sheet::InspectionView;
use crate::definition::{Catalog, Title};
use crate::document::model::{Model, Stamped, Value};
use crate::id::UserId;

/// Something in dispute.
#[derive(Clone, Debug, PartialEq)]
pub struct Clash {
    /// The key of the register, or `event/<id>`: what a `resolve` event names.
    pub key: String,
    /// What it is about.
    pub title: Title,
    /// The sides, the one that counts for now first.
    pub sides: Vec<Side>,
    /// True for values, which are decided by writing one of them; false for events, which are decided
    /// by accepting the state or by taking the next step.
    pub is_value: bool,
}

/// One side of a clash.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// What was written: a value, or the kind of the event.
    pub value: Value,
    /// Its name, where the definition gives one.
    pub title: Option<Title>,
    /// Who wrote it.
    pub by: UserId,
    /// When, by their clock, milliseconds since 1970.
    pub at_ms: i64,
}

/// What people must decide about a record; empty where the definition is not held here.
#[must_use]
pub fn conflicts(catalog: &Catalog, model: &Model) -> Vec<Clash> {
    if let Some(checklist) = catalog.checklist(&model.definition) {
        return of_sheet(catalog, &inspection::view(catalog, checklist, model));
    }
    match catalog.ledger(&model.definition) {
        Some(ledger) => of_entry(catalog, &entry::view(catalog, ledger, model)),
        None => Vec::new(),
    }
}

/// What people must decide about a sheet that was read already.
#[must_use]
pub fn of_sheet(catalog: &Catalog, view: &InspectionView) -> Vec<Clash> {
    let header = view.header.iter().filter(|field| field.is_clash).map(|field| Clash {
        key: keys::header(&field.id),
        title: field.title.clone().unwrap_or_else(|| bare(&field.id)),
        sides: field.values.iter().map(|stamped| side(stamped, None)).collect(),
        is_value: true,
    });
    let items = view.sections.iter().flat_map(|section| &section.items).filter(|item| item.is_clash);
    let items = items.map(|item| {
        let set = item.response_set.as_deref().and_then(|id| catalog.response_set(id));
        let title = |value: &Value| {
            set.and_then(|set| set.option(value.as_text()?)).map(|option| option.title.clone())
        };
        Clash {
            key: keys::item(&item.id),
            title: item.title.clone(),
            sides: item.answers.iter().map(|answer| side(answer, title(&answer.value))).collect(),
            is_value: true,
        }
    });
    header.chain(items).collect()
}

/// What people must decide about an entry that was read already.
#[must_use]
pub fn of_entry(catalog: &Catalog, view: &EntryView) -> Vec<Clash> {
    let ledger = catalog.ledger(&view.ledger);
    let fields = view.fields.iter().filter(|field| field.is_clash).map(|field| {
        let definition = ledger.and_then(|ledger| ledger.field(&field.id));
        let title = |value: &Value| {
            definition
                .and_then(|field| field.option(value.as_text()?))
                .and_then(|option| option.title.clone())
        };
        Clash {
            key: keys::field(&field.id),
            title: field.title.clone().unwrap_or_else(|| bare(&field.id)),
            sides: field.values.iter().map(|stamped| side(stamped, title(&stamped.value))).collect(),
            is_value: true,
        }
    });
    let contests = view.contests.iter().filter(|contest| contest.is_open).map(|contest| {
        let sides = [&contest.against, &contest.event].into_iter().filter_map(|id| {
            let found = view.events.iter().find(|event| event.event.id == *id)?;
            Some(Side {
                value: Value::Text(found.event.kind.clone()),
                title: Some(found.title.clone()),
                by: found.event.by.clone(),
                at_ms: found.event.at_ms,
            })
        });
        Clash {
            key: keys::event(&contest.event),
            title: view.state_title.clone(),
            sides: sides.collect(),
            is_value: false,
        }
    });
    fields.chain(contests).collect()
}

fn side(stamped: &Stamped, title: Option<Title>) -> Side {
    Side { value: stamped.value.clone(), title, by: stamped.by.clone(), at_ms: stamped.at_ms }
}

fn bare(id: &str) -> Title {
    Title { zh: id.to_owned(), en: id.to_owned() }
}
