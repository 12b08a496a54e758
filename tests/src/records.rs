//! Records from a fixture, projected into a database of their own: what reports are worked out from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value as Json;
use xunyuan_core::definition::{Catalog, FieldType, MergePolicy, embedded, sample_organisation};
use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::id::{DocumentId, ScopeId, UserId, hash_parts};
use xunyuan_core::projection;
use xunyuan_core::rules::{entry, inspection, keys};

/// The shipped definitions with the sample organisation.
///
/// # Panics
/// When what is shipped does not read.
#[must_use]
pub fn catalog() -> Catalog {
    let mut definitions = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    Catalog::new(&definitions).expect("the shipped definitions are sound")
}

/// An empty projection.
///
/// # Panics
/// When the schema is not sound.
#[must_use]
pub fn database() -> Connection {
    let conn = Connection::open_in_memory().expect("a database in memory");
    conn.execute_batch(&projection::STEPS.concat()).expect("the projection's schema");
    conn
}

/// Reads local time: `2026-11-20T09:42+08:00`.
///
/// # Panics
/// When the text is no time.
#[must_use]
pub fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_millisecond()
}

/// The document that a fixture names; of a finding, the one that its source derives.
#[must_use]
pub fn document(name: &str) -> DocumentId {
    DocumentId::of_source("fixture", name)
}

/// Writes every record of a fixture's `records`.
///
/// # Panics
/// When a record does not fit its definition.
pub fn load(conn: &Connection, catalog: &Catalog, records: &[Json]) {
    for record in records {
        let model = model(catalog, record);
        let unit = record["project"].as_str().expect("a project");
        let stream = catalog.stream_of(&model.definition).expect("a stream");
        projection::write(conn, catalog, &ScopeId::of(unit, stream), &model).expect("rows are written");
    }
}

/// The model of one record of a fixture.
///
/// # Panics
/// When the record does not fit its definition.
#[must_use]
pub fn model(catalog: &Catalog, record: &Json) -> Model {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let definition = catalog.reference_of(text("of")).expect("a known definition").clone();
    let mut id = document(text("id"));
    if let Some(source) = record["fields"]["source_ref"].as_str() {
        id = DocumentId::of_source(&definition.id, &source_ref(source));
    }
    let mut writing = Writing { catalog, model: Model::empty(id, definition), by: String::new(), at_ms: 0 };
    for event in record["events"].as_array().expect("events") {
        writing.event(event);
        if writing.model.events.len() == 1 {
            writing.content(record);
        }
    }
    writing.model
}

fn source_ref(source: &str) -> String {
    let (sheet, item) = source.split_once('/').expect("sheet/item");
    format!("{}/{item}", document(sheet))
}

struct Writing<'w> {
    catalog: &'w Catalog,
    model: Model,
    by: String,
    at_ms: i64,
}

impl Writing<'_> {
    fn put(&mut self, key: String, value: Value) {
        let stamped = Stamped { value, by: UserId::new(&self.by), at_ms: self.at_ms };
        self.model.apply(&Edit::Put { key, stamped });
    }

    fn event(&mut self, event: &Json) {
        let (kind, by, at) = (event[0].as_str(), event[1].as_str(), event[2].as_str());
        self.by = by.expect("who").to_owned();
        self.at_ms = ms(at.expect("when"));
        let from = match self.catalog.ledger(&self.model.definition) {
            _ if self.model.events.is_empty() => String::new(),
            Some(ledger) => entry::state(ledger, &self.model).to_owned(),
            None => inspection::state(&self.model).id().to_owned(),
        };
        let data = event[3].as_object().into_iter().flatten();
        let event = Event {
            id: format!("{:03}", self.model.events.len()),
            kind: kind.expect("a kind").to_owned(),
            by: UserId::new(&self.by),
            at_ms: self.at_ms,
            from,
            after: self.model.latest_events(),
            data: data.map(|(name, value)| (name.clone(), plain(value))).collect::<BTreeMap<_, _>>(),
        };
        self.model.apply(&Edit::Event(event));
    }

    fn content(&mut self, record: &Json) {
        if self.catalog.ledger(&self.model.definition).is_some() {
            self.entry(record);
        } else {
            self.sheet(record);
        }
    }

    fn entry(&mut self, record: &Json) {
        let ledger = self.catalog.ledger(&self.model.definition.clone()).expect("a ledger").clone();
        self.put(keys::field(keys::PROJECT), plain(&record["project"]));
        self.put(keys::field(keys::CREATED_BY), Value::Text(self.by.clone()));
        self.put(keys::field(keys::CREATED_AT), Value::Int(self.at_ms));
        for (key, field) in [("no", keys::NUMBER), ("temp_no", keys::TEMPORARY_NUMBER)] {
            if record[key].is_string() {
                self.put(keys::field(field), plain(&record[key]));
            }
        }
        for (id, value) in record["fields"].as_object().expect("fields") {
            let field = ledger.field(id).unwrap_or_else(|| panic!("{} has no field {id}", ledger.id));
            match (&field.kind, value) {
                _ if field.merge() == MergePolicy::TextCrdt => {
                    let to = value.as_str().map(str::to_owned);
                    self.model.apply(&Edit::Text { key: id.clone(), to });
                    self.put(keys::field(id), Value::Bool(true));
                }
                (FieldType::Entries, Json::Array(lines)) => {
                    for (at, line) in lines.iter().enumerate() {
                        for (subfield, value) in line.as_object().expect("a line") {
                            self.put(keys::line(id, &format!("l{at}"), subfield), plain(value));
                        }
                    }
                }
                (FieldType::Photos, Json::Array(photos)) => {
                    for photo in photos {
                        self.put(keys::set(id, &sha256(photo)), Value::Bool(true));
                    }
                }
                (_, Json::Array(elements)) => {
                    for element in elements {
                        self.put(keys::set(id, element.as_str().expect("an element")), Value::Bool(true));
                    }
                }
                (FieldType::DeviceTime, time) => {
                    self.put(keys::field(id), Value::Int(ms(time.as_str().expect("a time"))));
                }
                (_, Json::String(source)) if id == "source_ref" => {
                    self.put(keys::field(id), Value::Text(source_ref(source)));
                }
                (_, value) => self.put(keys::field(id), plain(value)),
            }
        }
    }

    fn sheet(&mut self, record: &Json) {
        let checklist = self.catalog.checklist(&self.model.definition.clone()).expect("a checklist").clone();
        if checklist.header_field(keys::PROJECT).is_some() {
            self.put(keys::header(keys::PROJECT), plain(&record["project"]));
        }
        for (id, value) in record["header"].as_object().expect("a head") {
            let field = checklist.header_field(id).unwrap_or_else(|| panic!("no header field {id}"));
            match (&field.kind, value) {
                (_, Json::Array(elements)) => {
                    for element in elements {
                        let element = element.as_str().expect("an element");
                        self.put(format!("{}/{element}", keys::header(id)), Value::Bool(true));
                    }
                }
                (FieldType::DeviceTime, time) => {
                    self.put(keys::header(id), Value::Int(ms(time.as_str().expect("a time"))));
                }
                (_, value) => self.put(keys::header(id), plain(value)),
            }
        }
        if let Some(answer) = record["all"].as_str() {
            for item in checklist.items().filter(|item| item.response_set.is_some()) {
                self.put(keys::item(&item.id), Value::Text(answer.to_owned()));
            }
        }
        for answer in record["answers"].as_array().into_iter().flatten() {
            self.answer(answer);
        }
        for scan in record["scans"].as_array().into_iter().flatten() {
            self.stamp(&scan[1], &scan[2]);
            self.put(keys::scan(scan[0].as_str().expect("a checkpoint")), Value::Text("code".to_owned()));
        }
        for line in record["lines"].as_array().into_iter().flatten() {
            let (group, line, fields) = (line[0].as_str(), line[1].as_str(), line[2].as_object());
            for (field, value) in fields.expect("fields") {
                self.put(keys::group(group.expect("a group"), line.expect("a line"), field), plain(value));
            }
        }
        for sign in record["signed"].as_array().into_iter().flatten() {
            self.stamp(&sign[1], &sign[2]);
            self.put(keys::signoff(sign[0].as_str().expect("a sign-off")), Value::Text("sha".to_owned()));
        }
    }

    fn answer(&mut self, answer: &Json) {
        let item = answer[0].as_str().expect("an item");
        self.stamp(&answer[2], &answer[3]);
        self.put(keys::item(item), plain(&answer[1]));
        if let Some(note) = answer[4].as_str().filter(|note| !note.is_empty()) {
            self.put(keys::note(item), Value::Text(note.to_owned()));
        }
        for photo in answer[5].as_array().into_iter().flatten() {
            self.put(keys::photo(item, &sha256(photo)), Value::Bool(true));
        }
    }

    fn stamp(&mut self, by: &Json, at: &Json) {
        self.by = by.as_str().expect("who").to_owned();
        self.at_ms = ms(at.as_str().expect("when"));
    }
}

fn sha256(photo: &Json) -> String {
    let name = photo.as_str().expect("a photo");
    data_encoding::HEXLOWER.encode(&hash_parts("fixture/photo", &[name.as_bytes()]))
}

fn plain(value: &Json) -> Value {
    match value {
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
    }
}
