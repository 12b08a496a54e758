//! Readings of sheets: answers, failures, scores, scans, photos, and the findings that they raised.

use serde_json::Value as Json;

use super::datum::Datum;
use super::read::{Frame, Subject};
use super::record::{self, Record};
use super::table::{Cell, PhotoPlace};
use super::tally::Sum;
use crate::definition::{Checklist, Item, Reading, Tally};
use crate::id::{DocumentId, FileHash};
use crate::projection::facts::ItemFact;
use crate::rules::file::NamedFile;
use crate::rules::keys;

impl Frame<'_> {
    /// Photos of these fields, or all, by name.
    pub(super) fn photos(&self, record: &Record, fields: &[String]) -> Vec<String> {
        let facts = &record.facts;
        let is_meant = |field: &str| fields.is_empty() || fields.iter().any(|one| one == field);
        let kept = facts.sets.iter().filter(|(id, _)| {
            is_meant(id) && self.definition_field(record, id).is_some_and(|field| field.is_photos())
        });
        let of_fields = kept.flat_map(|(_, photos)| photos.iter().cloned());
        let of_items =
            facts.items.iter().filter(|item| is_meant(&item.item)).flat_map(|item| item.photos.clone());
        let lines = facts.lines.iter().filter(|(id, _)| is_meant(id)).flat_map(|(_, lines)| lines);
        let of_lines = lines.flat_map(|line| line.values()).filter_map(Json::as_array).flatten();
        let of_lines = of_lines.filter_map(Json::as_str).map(str::to_owned);
        of_fields.chain(of_items).chain(of_lines).collect()
    }

    /// The photos behind these names.
    pub(super) fn places(&self, record: &Record, names: &[String]) -> Vec<PhotoPlace> {
        let files: Vec<String> = self.files(record).iter().map(|named| named.file.hash.to_string()).collect();
        let place = |name: &String| {
            let file = files.iter().find(|hash| hash.starts_with(name.as_str()));
            PhotoPlace { name: name.clone(), file: file.and_then(|hash| hash.parse().ok()) }
        };
        names.iter().map(place).collect()
    }

    /// The drawn signature that a reading is about.
    pub(super) fn drawn(&self, record: &Record, reading: &Reading) -> Option<FileHash> {
        let keys = if let Reading::Signed(signoff) = reading {
            vec![keys::signoff(signoff)]
        } else if let Reading::Field(field) = reading {
            vec![keys::field(field), keys::header(field)]
        } else {
            return None;
        };
        let is_meant = |named: &&NamedFile| keys.contains(&named.key);
        self.files(record).iter().find(is_meant).map(|named| named.file.hash)
    }

    fn files(&self, record: &Record) -> Vec<NamedFile> {
        crate::projection::files_of(self.conn, record.document).unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            Vec::new()
        })
    }

    /// The findings that a sheet raised and that are here, in the order of its items.
    pub(super) fn findings(&self, record: &Record) -> Vec<Record> {
        let Some(ledger) = self.catalog.finding_ledger() else { return Vec::new() };
        let ids = record
            .facts
            .items
            .iter()
            .filter(|item| item.fails)
            .map(|item| DocumentId::of_source(&ledger.id, &format!("{}/{}", record.document, item.item)));
        ids.filter_map(|id| match record::one(self.conn, id) {
            Ok(found) => found,
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error);
                None
            }
        })
        .collect()
    }

    /// The answer to an item as people read it.
    pub(super) fn answer(&self, record: &Record, fact: &ItemFact, shown: bool) -> Datum {
        let item = self.item(record, &fact.item);
        match &fact.answer {
            Json::String(id) if shown => {
                let set = item.and_then(|item| item.response_set.as_deref());
                Datum::text(set.and_then(|set| self.names.option(set, id)).unwrap_or_else(|| id.clone()))
            }
            Json::String(id) => Datum::text(id),
            Json::Number(number) => {
                let value = number.as_f64().unwrap_or_default();
                match item.and_then(|item| item.unit.as_deref()).filter(|_| shown) {
                    Some(unit) => Datum::text(format!("{} {unit}", Cell::Decimal(value).text(self.english))),
                    None => Datum::Number(value),
                }
            }
            Json::Bool(flag) => Datum::Flag(*flag),
            Json::Null | Json::Array(_) | Json::Object(_) => Datum::None,
        }
    }

    /// The item of the checklist that a sheet pins.
    pub(super) fn item(&self, record: &Record, id: &str) -> Option<&Item> {
        self.catalog
            .checklist(&record.definition)
            .and_then(|checklist| checklist.item(id))
            .or_else(|| self.catalog.latest_checklist(&record.definition.id)?.item(id))
    }

    /// The checklist that a sheet pins.
    pub(super) fn checklist(&self, record: &Record) -> Option<&Checklist> {
        self.catalog.checklist(&record.definition).map(|checklist| &**checklist)
    }

    pub(super) fn verdict(&self, record: &Record, shown: bool) -> Datum {
        match (record.verdict.as_deref(), shown, self.english) {
            (Some("pass"), true, false) => Datum::text("合格"),
            (Some("fail"), true, false) => Datum::text("不合格"),
            (Some(other), _, _) => Datum::text(other),
            (None, _, _) => Datum::None,
        }
    }

    pub(super) fn sections(&self, record: &Record) -> Datum {
        let Some(checklist) = self.checklist(record) else { return Datum::None };
        let scores = record.facts.sections.iter().filter_map(|(id, percent)| {
            let section = checklist.sections.iter().find(|section| section.id == *id)?;
            let percent = Cell::Decimal((*percent)?).text(self.english);
            Some(Datum::text(format!("{} {percent}", section.title.text(self.english))))
        });
        Datum::Many(scores.collect())
    }

    pub(super) fn scans(&self, record: &Record) -> Datum {
        let scans = &record.facts.scans;
        if scans.is_empty() {
            return Datum::None;
        }
        let missing: Vec<String> = scans
            .iter()
            .filter(|(_, at_ms)| at_ms.is_none())
            .map(|(id, _)| self.names.checkpoint(id))
            .collect();
        let count = format!("{}/{}", scans.len() - missing.len(), scans.len());
        if missing.is_empty() {
            return Datum::text(count);
        }
        let (said, between) = if self.english { ("missing", ", ") } else { ("缺", "、") };
        Datum::text(format!("{count} {said} {}", missing.join(between)))
    }

    /// The question that a finding was raised by: `<inspection>/<item>`.
    pub(super) fn source_item(&self, record: &Record) -> Datum {
        let source = record.facts.fields.get("source_ref").and_then(Json::as_str);
        let item = source.and_then(|source| source.split_once('/')).map(|(_, item)| item);
        let item = item.and_then(|id| self.catalog.checklists().find_map(|checklist| checklist.item(id)));
        item.map_or(Datum::None, |item| Datum::text(item.title.text(self.english)))
    }

    /// Topics of training that a record asks for, in the order of the plan.
    pub(super) fn topics(&self, record: &Record, shown: bool) -> Datum {
        let facts = &record.facts;
        let text = |field: &str| facts.fields.get(field).and_then(Json::as_str);
        let source = text("source_ref").and_then(|source| source.split_once('/')).map(|(_, item)| item);
        let clauses = facts.sets.get("clauses").into_iter().flatten().map(String::as_str);
        let failing = failing(record, &[]).map(|fact| fact.item.as_str());
        let weak: Vec<&str> =
            text("category").into_iter().chain(source).chain(clauses).chain(failing).collect();
        let asked = self.catalog.training_topics().filter(|topic| weak.iter().any(|id| topic.is_about(id)));
        Datum::Many(
            asked
                .map(|topic| Datum::text(if shown { topic.title.text(self.english) } else { &topic.id }))
                .collect(),
        )
    }

    pub(super) fn failures(&self, record: &Record, severities: &[String], notes: bool) -> Datum {
        let all = failing(record, severities).map(|fact| {
            let title = self
                .item(record, &fact.item)
                .map_or(fact.item.as_str(), |item| item.title.text(self.english));
            if notes && !fact.notes.is_empty() {
                return Datum::text(format!("{title}({})", fact.notes.join(";")));
            }
            Datum::text(title)
        });
        Datum::Many(all.collect())
    }

    pub(super) fn over_findings(&self, record: &Record, tally: &Tally) -> Datum {
        let mut sum = Sum::new(tally);
        for finding in self.findings(record) {
            sum.add(self, tally, Subject::Record(&finding));
        }
        sum.result(self, tally, &[])
    }
}

/// Failing items, of these severities alone where some are named.
pub(super) fn failing<'r>(
    record: &'r Record,
    severities: &'r [String],
) -> impl Iterator<Item = &'r ItemFact> {
    record.facts.items.iter().filter(move |item| {
        let is_meant = || item.severity.as_ref().is_some_and(|severity| severities.contains(severity));
        item.fails && (severities.is_empty() || is_meant())
    })
}
