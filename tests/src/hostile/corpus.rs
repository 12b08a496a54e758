//! Honest changes of every kind that the product makes, from a world in which people work with it.

use std::collections::{BTreeMap, BTreeSet};

use xunyuan_core::definition::Catalog;
use xunyuan_core::document::RawChange;
use xunyuan_core::document::model::Edit;
use xunyuan_core::id::{ActorId, UserId};
use xunyuan_core::replica::ExportedRecord;
use xunyuan_server::hub::SERVER_USER;

use super::judge::Past;
use crate::day::do_something;
use crate::laws::chunks;
use crate::people::{fields, text};
use crate::seed::Seed;
use crate::world::World;

/// What a change does, or where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trait {
    /// Answers, notes and fields.
    Register,
    /// A line of a repeating group or table.
    Line,
    /// A photo, or an element of a set.
    Element,
    /// A step of the lifecycle, or another event.
    Event,
    /// Characters of a shared text, put in or taken out.
    Text,
    /// An official number, given by the branch.
    Number,
    /// Written again under a fresh author id after a store was copied.
    Renewed,
    /// Builds on the work of several people at once.
    Merge,
    /// Replaces values that stood beside each other.
    Clash,
}

/// Every trait that a corpus must show.
pub const TRAITS: [Trait; 9] = [
    Trait::Register,
    Trait::Line,
    Trait::Element,
    Trait::Event,
    Trait::Text,
    Trait::Number,
    Trait::Renewed,
    Trait::Merge,
    Trait::Clash,
];

/// An honest change with the document as it stood before it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The document before.
    pub past: Past,
    /// The change.
    pub bytes: Vec<u8>,
    /// What it shows.
    pub traits: BTreeSet<Trait>,
}

/// The records of a branch after some days of work.
pub struct Corpus {
    /// Every record, with the runs of the log.
    pub records: Vec<ExportedRecord>,
    /// The definitions that they name.
    pub catalog: Catalog,
}

impl Corpus {
    /// Works in a world until its records show everything.
    ///
    /// # Panics
    /// When somebody cannot do their work.
    #[must_use]
    pub fn worked(seed: Seed) -> Self {
        let mut world = World::new(seed);
        let (patrol, other) = (world.enroll("u.pt01"), world.enroll("u.pt02"));
        let (desk, second) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
        let sheet = world.start_patrol(patrol);
        world.settle();
        for device in [patrol, other] {
            world.fail(device, sheet, "pp.green.02", "断枝悬挂", 3);
            world.choose(device, sheet, "pp.green.03", if device == other { "fail" } else { "pass" });
        }
        world.act(other, |r, moment| {
            let line = fields(&[
                ("location", "南门"),
                ("desc", "道板松动"),
                ("owner_dept", "dept.eng"),
                ("urgency", "today"),
            ]);
            r.add_line(sheet, "pp.other", line, moment)
        });
        world.settle();
        world.choose(patrol, sheet, "pp.green.03", "na");
        world.act(patrol, |r, moment| r.set_header(sheet, "shift", text("day"), moment));
        let call = world.take_call(desk, "卫生间滴水,楼下天花板渗水");
        let unsent = world.take_call(second, "咨询物业费");
        world.settle();
        for (device, words) in [(desk, "卫生间滴水,楼下渗水,很急"), (second, "12-302 卫生间滴水")]
        {
            world.act(device, |r, moment| r.edit_entry(call, fields(&[("content", words)]), moment));
        }
        world.record(desk, call, "assign", &[("owner_dept", "dept.eng")]);
        world.settle();
        world.act(second, |r, moment| r.edit_entry(call, fields(&[("content", "滴水")]), moment));
        let clone = world.copy(second);
        for (device, words) in [(second, "咨询物业费,本机"), (clone, "克隆机:咨询物业费")] {
            world.act(device, |r, moment| r.edit_entry(unsent, fields(&[("content", words)]), moment));
            world.record(device, unsent, "assign", &[("owner_dept", "dept.eng")]);
        }
        world.sync(second);
        world.settle();
        for _ in 0..150 {
            let device = world.seed.below(world.devices.len());
            do_something(&mut world, device);
            if world.seed.chance(25) {
                world.sync(device);
            }
        }
        world.settle();
        let mut records = BTreeMap::new();
        for device in 0..world.devices.len() {
            let exported = world.replica(device).export().expect("the replica exports");
            records.extend(exported.into_iter().map(|record| (record.document, record)));
        }
        let catalog = world.replica(patrol).catalog().clone();
        Self { records: records.into_values().collect(), catalog }
    }

    /// Walks every change of every record at its place in the log, and says what the check thinks of it.
    ///
    /// `visit` gets each change before it is taken in.
    ///
    /// # Errors
    /// The first honest change that is not accepted.
    pub fn walk(&self, mut visit: impl FnMut(Case)) -> Result<u32, String> {
        let renewed = self.renewed();
        let mut walked = 0;
        for record in &self.records {
            let text_keys = self.catalog.text_keys(&record.definition).ok_or("a definition is missing")?;
            let mut past = Past::new(record.document, &record.definition, &text_keys);
            for bytes in chunks(record) {
                let before = past.clone();
                let change = past.extend(&bytes)?;
                let mut traits = traits(&before, &change)?;
                if renewed.contains(&change.actor) {
                    traits.insert(Trait::Renewed);
                }
                visit(Case { past: before, bytes, traits });
                walked += 1;
            }
        }
        Ok(walked)
    }

    /// Author ids that came after another one of the same person on the same record: work written again.
    fn renewed(&self) -> BTreeSet<ActorId> {
        let mut renewed = BTreeSet::new();
        for record in &self.records {
            let mut first: BTreeMap<&UserId, ActorId> = BTreeMap::new();
            for run in &record.runs {
                let actor = *first.entry(&run.user).or_insert(run.actor);
                if actor != run.actor {
                    renewed.insert(run.actor);
                }
            }
        }
        renewed
    }
}

fn traits(before: &Past, change: &RawChange) -> Result<BTreeSet<Trait>, String> {
    let document = before.document();
    let model = document.model_at(&change.deps).map_err(|error| error.to_string())?;
    let edits = document.edits_of(change).map_err(|error| error.to_string())?;
    let mut traits: BTreeSet<Trait> = edits
        .iter()
        .map(|edit| match edit {
            Edit::Text { .. } => Trait::Text,
            Edit::Event(_) => Trait::Event,
            Edit::Put { stamped, .. } if stamped.by.as_str() == SERVER_USER => Trait::Number,
            Edit::Put { key, .. } if key.starts_with("line/") || key.starts_with("group/") => Trait::Line,
            Edit::Put { key, .. } if key.starts_with("photo/") || key.starts_with("set/") => Trait::Element,
            Edit::Put { .. } => Trait::Register,
        })
        .collect();
    let replaces_several = |edit: &Edit| matches!(edit, Edit::Put { key, .. } if model.register(key).is_some_and(|r| !r.others.is_empty()));
    if edits.iter().any(replaces_several) {
        traits.insert(Trait::Clash);
    }
    if change.deps.len() > 1 {
        traits.insert(Trait::Merge);
    }
    Ok(traits)
}
