//! Records in the making, for the tests of this room: real definitions, real checks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Author, check, entry, inspection, keys};
use crate::definition::{Catalog, embedded, sample_organisation};
use crate::document::model::{Edit, Event, Model, Register, Stamped, Value};
use crate::error::Refusal;
use crate::id::{DocumentId, ScopeId, UserId};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut all = embedded().to_vec();
    all.push(sample_organisation().clone());
    Catalog::new(&all).unwrap()
});

/// Monday 2026-11-23, 09:00 in Shanghai.
pub(crate) const NINE: i64 = 1_795_395_600_000;

/// The shipped definitions with the sample organisation.
pub(crate) fn catalog() -> &'static Catalog {
    &CATALOG
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A value in a register.
pub(crate) fn put(by: &str, key: &str, value: Value) -> Edit {
    Edit::Put { key: key.to_owned(), stamped: stamped(by, value) }
}

pub(crate) fn stamped(by: &str, value: Value) -> Stamped {
    Stamped { value, by: UserId::new(by), at_ms: NINE }
}

/// A record under check: what it says, and in which scope.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) model: Model,
    pub(crate) scope: ScopeId,
    serial: u32,
}

impl Record {
    pub(crate) fn of(definition: &str, unit: &str) -> Self {
        let reference = CATALOG.reference_of(definition).unwrap();
        let scope = ScopeId::of(unit, CATALOG.stream_of(reference).unwrap());
        Self { model: Model::empty(DocumentId([7; 16]), reference.clone()), scope, serial: 0 }
    }

    /// A patrol sheet of Lanyuan, opened by u.pt01.
    pub(crate) fn patrol() -> Self {
        let mut sheet = Self::of("tpl.park_patrol", "pj.lanyuan");
        sheet.open("u.pt01").unwrap();
        sheet
    }

    pub(crate) fn open(&mut self, by: &str) -> Result<(), Refusal> {
        let project = put(by, "header/project_id", text(self.scope.unit()));
        let create = self.event(by, keys::CREATE, &[]);
        self.act(by, &[create, project])
    }

    /// A front-desk entry of Lanyuan, recorded by u.fd01.
    pub(crate) fn desk() -> Self {
        let mut entry = Self::of("led.front_desk", "pj.lanyuan");
        let by = "u.fd01";
        let create = entry.event(by, keys::CREATE, &[]);
        let fields = [
            ("project_id", text("pj.lanyuan")),
            ("created_by", text(by)),
            ("created_at", Value::Int(NINE)),
            ("channel", text("phone")),
            ("category", text("fd.suggest.service")),
            ("first_contact", text(by)),
            ("urgency", text("normal")),
            ("owner_dept", text("dept.eng")),
        ];
        let mut edits = vec![create];
        edits.extend(fields.into_iter().map(|(id, value)| put(by, &keys::field(id), value)));
        edits.push(Edit::Text { key: "content".to_owned(), to: Some("卫生间顶部滴水".to_owned()) });
        entry.act(by, &edits).unwrap();
        entry
    }

    /// An event as an honest author writes it now.
    pub(crate) fn event(&mut self, by: &str, kind: &str, data: &[(&str, Value)]) -> Edit {
        self.serial += 1;
        let data = data.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Edit::Event(Event {
            id: format!("{by}-{}", self.serial),
            kind: kind.to_owned(),
            by: UserId::new(by),
            at_ms: NINE + i64::from(self.serial),
            from: self.state(),
            after: self.model.latest_events(),
            data: data.collect::<BTreeMap<_, _>>(),
        })
    }

    pub(crate) fn state(&self) -> String {
        if self.model.events.is_empty() {
            return String::new();
        }
        match CATALOG.ledger(&self.model.definition) {
            Some(ledger) => entry::state(ledger, &self.model).to_owned(),
            None => inspection::state(&self.model).id().to_owned(),
        }
    }

    /// Checks a change of one author and applies it.
    pub(crate) fn act(&mut self, by: &str, edits: &[Edit]) -> Result<(), Refusal> {
        let user = UserId::new(by);
        let author = Author { user: &user, is_server: by == "sys.server" };
        check(&CATALOG, &self.scope, &author, &self.model, edits)?;
        edits.iter().for_each(|edit| self.model.apply(edit));
        Ok(())
    }

    /// Records one event alone.
    pub(crate) fn record(&mut self, by: &str, kind: &str, data: &[(&str, Value)]) -> Result<(), Refusal> {
        let event = self.event(by, kind, data);
        self.act(by, &[event])
    }

    /// Writes one value alone.
    pub(crate) fn write(&mut self, by: &str, key: &str, value: Value) -> Result<(), Refusal> {
        self.act(by, &[put(by, key, value)])
    }

    /// What another device wrote since both had `base`, merged in: events by id, registers side by side.
    pub(crate) fn merge(&mut self, base: &Self, other: &Self) {
        let missing =
            other.model.events.iter().filter(|e| self.model.events.iter().all(|mine| mine.id != e.id));
        let missing: Vec<Event> = missing.cloned().collect();
        self.model.events.extend(missing);
        for (key, theirs) in &other.model.registers {
            let before = base.model.register(key);
            if before == Some(theirs) {
                continue;
            }
            match self.model.registers.get_mut(key) {
                Some(mine) if Some(&*mine) != before => mine.others.push(theirs.winner.clone()),
                _ => {
                    let register = Register { winner: theirs.winner.clone(), others: Vec::new() };
                    self.model.registers.insert(key.clone(), register);
                }
            }
        }
        self.serial += 100;
    }
}
