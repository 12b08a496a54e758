//! Moving an open sheet to a newer version of its checklist.
//!
//! The genesis keeps pinning the version the sheet was opened with; an `upgrade` event names the newer
//! one, and from then on the sheet is read against that. No answer is lost: what no longer fits is kept
//! and listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inspection::{Sheet, given};
use super::keys::{self, Key};
use super::sheet::Orphan;
use super::value::is_given;
use crate::definition::{Catalog, Checklist, Item};
use crate::document::model::{Event, Model, Value};
use crate::error::{Refusal, Sentence};
use crate::id::DefinitionRef;

use super::codes;

/// What moving a sheet to a newer checklist would do.
#[derive(Clone, Debug, PartialEq)]
pub struct UpgradePlan {
    /// The version to move to.
    pub to: DefinitionRef,
    /// Answered items that carry over.
    pub carried: Vec<String>,
    /// Items that the newer version asks for the first time.
    pub added: Vec<String>,
    /// Answers that no longer fit: kept, and listed with the sheet.
    pub orphans: Vec<Orphan>,
    /// The data of the `upgrade` event.
    pub data: BTreeMap<String, Value>,
}

/// What moving the sheet to the newest version would do; `None` when it is on the newest one.
#[must_use]
pub fn plan(catalog: &Catalog, pinned: &Arc<Checklist>, model: &Model) -> Option<UpgradePlan> {
    let now = in_force(catalog, pinned, model);
    let newest = catalog.latest_checklist(&pinned.id).filter(|newest| newest.version > now.version)?;
    let sheet = Sheet { catalog, checklist: newest, model };
    let answered = newest.items().filter(|item| !item.retired && !sheet.answers(item).is_empty());
    let is_new = |item: &&Item| !item.retired && now.item(&item.id).is_none();
    Some(UpgradePlan {
        to: newest.reference.clone(),
        carried: answered.map(|item| item.id.clone()).collect(),
        added: newest.items().filter(is_new).map(|item| item.id.clone()).collect(),
        orphans: sheet.orphans(),
        data: BTreeMap::from([
            (keys::DATA_VERSION.to_owned(), Value::Int(i64::from(newest.version))),
            (keys::DATA_HASH.to_owned(), Value::Text(newest.reference.hash.to_string())),
        ]),
    })
}

/// The checklist version that a sheet is read against: the newest that an `upgrade` event names and
/// that is held here, else the pinned one.
#[must_use]
pub fn in_force(catalog: &Catalog, pinned: &Arc<Checklist>, model: &Model) -> Arc<Checklist> {
    let named = model.events.iter().filter(|event| event.kind == keys::UPGRADE);
    let held = named.filter_map(|event| target(&pinned.id, event)).filter_map(|to| catalog.checklist(&to));
    held.chain([pinned])
        .max_by_key(|checklist| checklist.version)
        .map_or_else(|| Arc::clone(pinned), Arc::clone)
}

/// The version that an `upgrade` event names.
fn target(id: &str, event: &Event) -> Option<DefinitionRef> {
    let Some(Value::Int(version)) = event.data.get(keys::DATA_VERSION) else { return None };
    let hash = event.data.get(keys::DATA_HASH)?.as_text()?.parse().ok()?;
    Some(DefinitionRef { id: id.to_owned(), version: u32::try_from(*version).ok()?, hash })
}

/// An `upgrade` event names a newer version that is held here.
pub(crate) fn known_target(catalog: &Catalog, now: &Checklist, event: &Event) -> Result<(), Refusal> {
    let newer = target(&now.id, event).filter(|to| to.version > now.version);
    if newer.is_some_and(|to| catalog.checklist(&to).is_some()) {
        return Ok(());
    }
    Err(Refusal::new(
        codes::UNKNOWN_DEFINITION,
        "要升级到的检查表版本在此处不存在;请先同步定义",
        "the newer checklist version is not held here; synchronise definitions first",
    ))
}

/// Answers, notes, photos and lines that the checklist does not ask for, or that do not fit.
pub(crate) fn orphans(
    checklist: &Checklist,
    model: &Model,
    fits: impl Fn(&Item, &Value) -> bool,
) -> Vec<Orphan> {
    let items: BTreeMap<&str, &Item> = checklist.items().map(|item| (item.id.as_str(), item)).collect();
    let item = |id: &str| items.get(id).copied().filter(|item| !item.retired);
    let mut orphans = Vec::new();
    for (key, register) in &model.registers {
        let is_orphan = match Key::parse(key) {
            Some(Key::Item(id)) => match item(id) {
                Some(item) => {
                    register.all().any(|stamped| is_given(&stamped.value) && !fits(item, &stamped.value))
                }
                None => true,
            },
            Some(Key::Note(id) | Key::Photo(id, _)) => item(id).is_none(),
            Some(Key::Group(group, _, field) | Key::GroupPhoto(group, _, field, _)) => {
                checklist.group(group).is_none_or(|group| group.field(field).is_none())
            }
            Some(Key::Header(field) | Key::HeaderElement(field, _)) => {
                field != keys::PROJECT && checklist.header_field(field).is_none()
            }
            Some(Key::Scan(_) | Key::Signoff(_) | Key::Field(_) | Key::Set(..) | Key::Line(..)) | None => {
                false
            }
        };
        let values = if is_orphan { given(Some(register)) } else { Vec::new() };
        if !values.is_empty() {
            let reason = Sentence::new(
                "现用版本的检查表没有这一项或这个选项,内容原样保留",
                "the checklist version in force has no such item or option; the content is kept as it is",
            );
            orphans.push(Orphan { key: key.clone(), values, reason });
        }
    }
    orphans
}
