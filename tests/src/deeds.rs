//! Random deeds: edits that the real definitions know, as people without signal might write them.
//!
//! They need not be allowed where they land; convergence must not depend on that.

use std::collections::BTreeMap;

use xunyuan_core::definition::Catalog;
use xunyuan_core::definition::Ledger;
use xunyuan_core::definition::{Checklist, ItemKind};
use xunyuan_core::definition::{Element, Field, FieldType, MergePolicy, Target};
use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::id::{DefinitionRef, UserId};
use xunyuan_core::rules::{entry, inspection};

use crate::seed::Seed;

/// Pieces of what people write.
const PHRASES: [&str; 8] = [
    "南门香樟断枝悬挂",
    "水压偏低",
    "已处理",
    "明日复查",
    "卫生间滴水",
    "A区车库积水 2cm",
    "业主不在家",
    "\"待料\" 100%",
];

/// Who writes, when by their clock, and the id for an event.
#[derive(Clone, Debug)]
pub struct Author {
    /// The person.
    pub by: UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// An id that nobody else has.
    pub id: String,
}

impl Author {
    fn put(&self, key: String, value: Value) -> Edit {
        Edit::Put { key, stamped: Stamped { value, by: self.by.clone(), at_ms: self.at_ms } }
    }

    fn event(&self, model: &Model, kind: &str, from: &str, data: BTreeMap<String, Value>) -> Edit {
        Edit::Event(Event {
            id: self.id.clone(),
            kind: kind.to_owned(),
            by: self.by.clone(),
            at_ms: self.at_ms,
            from: from.to_owned(),
            after: model.latest_events(),
            data,
        })
    }
}

/// Something to write into any record; nothing for a definition that is neither checklist nor ledger.
#[must_use]
pub fn invent(
    seed: &mut Seed,
    catalog: &Catalog,
    definition: &DefinitionRef,
    model: &Model,
    author: &Author,
) -> Vec<Edit> {
    let opening = model.events.is_empty();
    if let Some(checklist) = catalog.checklist(definition) {
        if opening {
            return vec![author.event(model, "create", "", BTreeMap::new())];
        }
        return on_sheet(seed, catalog, checklist, model, author);
    }
    let Some(ledger) = catalog.ledger(definition) else { return Vec::new() };
    if opening {
        return vec![author.event(model, &ledger.create_event, "", BTreeMap::new())];
    }
    on_entry(seed, catalog, ledger, model, author)
}

fn on_sheet(
    seed: &mut Seed,
    catalog: &Catalog,
    checklist: &Checklist,
    model: &Model,
    author: &Author,
) -> Vec<Edit> {
    if seed.chance(10) {
        let kind = *seed.pick(&["complete", "review", "amend"]);
        let reason = BTreeMap::from([("reason".to_owned(), phrase(seed))]);
        return vec![author.event(model, kind, inspection::state(model).id(), reason)];
    }
    if seed.chance(15) {
        let field = seed.pick(&checklist.header_fields).clone();
        return fill(seed, catalog, &field, author, "header");
    }
    if seed.chance(10) && !checklist.repeat_groups.is_empty() {
        let group = seed.pick(&checklist.repeat_groups);
        let line = format!("l{}", seed.below(4));
        let field = seed.pick(&group.fields);
        let value = value_of(seed, catalog, field);
        return vec![author.put(format!("group/{}/{line}/{}", group.id, field.id), value)];
    }
    let items: Vec<_> = checklist.items().collect();
    // Few items, so that people meet on the same ones.
    let item = items[seed.below(items.len().min(6))];
    if seed.chance(20) {
        return vec![author.put(format!("note/{}", item.id), phrase(seed))];
    }
    if seed.chance(10) {
        return vec![author.put(format!("photo/{}/{}", item.id, hash(seed)), Value::Bool(true))];
    }
    let value = match item.kind {
        ItemKind::Choice => {
            let set = item.response_set.as_deref().and_then(|id| catalog.response_set(id));
            set.map_or(Value::Null, |set| Value::Text(seed.pick(&set.options).id.clone()))
        }
        ItemKind::Number => Value::Number(f64::from(u32::try_from(seed.below(100)).unwrap_or(0)) / 8.0),
        ItemKind::Text => phrase(seed),
        ItemKind::Date => Value::Text(format!("2026-11-{:02}", 1 + seed.below(28))),
        ItemKind::Time => Value::Text(format!("{:02}:30", seed.below(24))),
    };
    vec![author.put(format!("item/{}", item.id), value)]
}

fn on_entry(
    seed: &mut Seed,
    catalog: &Catalog,
    ledger: &Ledger,
    model: &Model,
    author: &Author,
) -> Vec<Edit> {
    if seed.chance(35) {
        let state = entry::state(ledger, model).to_owned();
        let steps: Vec<_> = ledger.transitions_from(&state).map(|step| step.id.clone()).collect();
        if !steps.is_empty() {
            let data = BTreeMap::from([
                ("note".to_owned(), phrase(seed)),
                ("satisfaction".to_owned(), Value::Text(format!("s{}", 1 + seed.below(5)))),
            ]);
            return vec![author.event(model, seed.pick(&steps).as_str(), &state, data)];
        }
    }
    let fields: Vec<&Field> = ledger.fields.iter().filter(|field| field.kind != FieldType::Events).collect();
    let field = *seed.pick(&fields);
    fill(seed, catalog, field, author, "field")
}

/// Fills one field of a header or an entry, under the keys that its type takes.
fn fill(seed: &mut Seed, catalog: &Catalog, field: &Field, author: &Author, room: &str) -> Vec<Edit> {
    if room == "field" && field.merge() == MergePolicy::TextCrdt {
        let text: String = (0..=seed.below(3)).map(|_| *seed.pick(&PHRASES)).collect();
        return vec![Edit::Text { key: field.id.clone(), to: Some(text) }];
    }
    let key = match (&field.kind, room) {
        (FieldType::Entries, _) => {
            let line = format!("l{}", seed.below(3));
            let name = if field.entry_fields.is_empty() {
                "note".to_owned()
            } else {
                seed.pick(&field.entry_fields).id.clone()
            };
            return vec![author.put(format!("line/{}/{line}/{name}", field.id), phrase(seed))];
        }
        (FieldType::Photos, "field") => format!("set/{}/{}", field.id, hash(seed)),
        (FieldType::Set(element), "field") => {
            format!("set/{}/{}", field.id, element_of(seed, catalog, element))
        }
        (FieldType::Set(element), _) => format!("header/{}/{}", field.id, element_of(seed, catalog, element)),
        _ => format!("{room}/{}", field.id),
    };
    let value =
        if field.kind.is_many() { Value::Bool(seed.chance(80)) } else { value_of(seed, catalog, field) };
    // A withdrawn element or value holds nothing.
    let value = if value == Value::Bool(false) || seed.chance(5) { Value::Null } else { value };
    vec![author.put(key, value)]
}

fn element_of(seed: &mut Seed, catalog: &Catalog, element: &Element) -> String {
    match element {
        Element::Ref(Target::User) => person(seed, catalog),
        Element::Text | Element::Ref(_) => format!("x{}", seed.below(4)),
    }
}

fn value_of(seed: &mut Seed, catalog: &Catalog, field: &Field) -> Value {
    let small = i64::try_from(seed.below(20)).unwrap_or(0);
    match &field.kind {
        FieldType::Bool => Value::Bool(seed.chance(50)),
        FieldType::Int => Value::Int(small),
        FieldType::Number => Value::Number(f64::from(u32::try_from(small).unwrap_or(0)) / 4.0),
        FieldType::DeviceTime => Value::Int(1_795_395_600_000 + small * 3_600_000),
        FieldType::Date => Value::Text(format!("2026-12-{:02}", 1 + small)),
        FieldType::Time => Value::Text(format!("{:02}:30", small % 24)),
        FieldType::Month => Value::Text(format!("2026-{:02}", 1 + small % 12)),
        FieldType::Choice(None) if !field.options.is_empty() => {
            Value::Text(seed.pick(&field.options).id.clone())
        }
        FieldType::Choice(Some(set)) => match catalog.response_set(set) {
            Some(set) => Value::Text(seed.pick(&set.options).id.clone()),
            None => Value::Null,
        },
        FieldType::Ref(Target::User) => Value::Text(person(seed, catalog)),
        FieldType::Ref(Target::Project) => Value::Text("pj.lanyuan".to_owned()),
        FieldType::Ref(Target::Form(_)) => Value::Text("{}".to_owned()),
        FieldType::HumanNo(_)
        | FieldType::Text
        | FieldType::Phone
        | FieldType::Choice(None)
        | FieldType::Ref(_)
        | FieldType::Set(_)
        | FieldType::Photos
        | FieldType::Signature
        | FieldType::Entries
        | FieldType::Events => phrase(seed),
    }
}

fn person(seed: &mut Seed, catalog: &Catalog) -> String {
    let people = catalog.organisation().map(|org| org.users.as_slice()).unwrap_or_default();
    if people.is_empty() { "u.nobody".to_owned() } else { seed.pick(people).id.clone() }
}

fn phrase(seed: &mut Seed) -> Value {
    Value::Text((*seed.pick(&PHRASES)).to_owned())
}

fn hash(seed: &mut Seed) -> String {
    format!("{:02x}", seed.below(4)).repeat(32)
}
