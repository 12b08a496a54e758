//! A day's work at random: whatever people may do with what their device holds.

use std::collections::BTreeMap;

use xunyuan_core::document::model::Value;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, RowKind};
use xunyuan_core::replica::{Answer, Replica};
use xunyuan_core::rules::entry::FieldContent;
use xunyuan_core::time::Moment;

use crate::people::{FRONT_DESK, PROJECT, chosen, failing, fields, text};
use crate::seed::Seed;
use crate::world::World;

/// Ledgers that the people of a project may write, with what a new entry asks for.
const LEDGERS: [(&str, &[(&str, &str)]); 3] = [
    (
        FRONT_DESK,
        &[
            ("channel", "phone"),
            ("category", "fd.consult.fee"),
            ("content", "咨询物业费"),
            ("urgency", "normal"),
            ("owner_dept", "dept.eng"),
        ],
    ),
    (
        "led.complaint",
        &[
            ("category", "cp.eng.repeat"),
            ("level", "general"),
            ("content", "半年内第三次漏水"),
            ("owner_dept", "dept.eng"),
        ],
    ),
    ("led.care_visit", &[("group", "elder_alone"), ("need", "更换灯泡")]),
];

/// Edits that some ledger or other knows.
const EDITS: [(&str, &str); 10] = [
    ("content", "补充:夜间更明显"),
    ("content", "业主称已好转"),
    ("handler", "u.eng01"),
    ("handler", "u.sec01"),
    ("urgency", "urgent"),
    ("owner_dept", "dept.sec"),
    ("statement", "补充事实"),
    ("severity", "major"),
    ("root_cause", "巡检周期过长"),
    ("level", "major"),
];

/// Does something random with what a device holds; what a rule refuses is left undone.
///
/// # Panics
/// When an action fails for another reason than a rule.
pub fn do_something(world: &mut World, device: usize) {
    if let Err(error) = try_something(world, device) {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
}

/// Does something random with what a device holds.
///
/// # Errors
/// What the replica says.
pub fn try_something(world: &mut World, device: usize) -> Result<(), Error> {
    let bytes = world.seed.bytes();
    let mut seed = Seed::of(bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)));
    world.attempt(device, |replica, moment| something(&mut seed, replica, moment))
}

fn something(seed: &mut Seed, replica: &mut Replica, moment: &Moment) -> Result<(), Error> {
    let rows = replica.list(&Filter { limit: Some(12), ..Filter::default() })?;
    if rows.is_empty() || seed.chance(12) {
        return begin(seed, replica, moment);
    }
    let clashes = replica.conflicts()?;
    if !clashes.is_empty() && seed.chance(15) {
        let clash = seed.pick(&clashes);
        let choice = seed.below(clash.choices.len());
        return replica.resolve(clash.document, &clash.key, choice, moment);
    }
    let row = seed.pick(&rows).clone();
    match row.kind {
        RowKind::Inspection => on_sheet(seed, replica, row.document, moment),
        RowKind::Entry => on_entry(seed, replica, row.document, moment),
    }
}

fn begin(seed: &mut Seed, replica: &mut Replica, moment: &Moment) -> Result<(), Error> {
    let slots = replica.slots(moment)?;
    if !slots.is_empty() && seed.chance(60) {
        let slot = seed.pick(&slots).slot.clone();
        return replica.start_slot(&slot.key, Some(&slot.project), moment).map(drop);
    }
    let (ledger, values) = *seed.pick(&LEDGERS);
    let mut values = fields(values);
    let user = replica.user().as_str().to_owned();
    let asks = replica.catalog().latest_ledger(ledger).is_some_and(|l| l.field("first_contact").is_some());
    if asks {
        values.insert("first_contact".to_owned(), Value::Text(user));
    }
    replica.create_entry(ledger, PROJECT, values, moment).map(drop)
}

fn on_sheet(seed: &mut Seed, replica: &mut Replica, sheet: DocumentId, moment: &Moment) -> Result<(), Error> {
    let view = replica.inspection(sheet)?;
    let items: Vec<_> = view.sections.iter().flat_map(|section| &section.items).take(8).collect();
    let item = seed.pick(&items).id.clone();
    let number = u8::try_from(seed.below(4)).unwrap_or(0);
    match seed.below(21) {
        20 => match replica.upgrade_sheet(sheet, moment) {
            // It is on the newest version already.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        },
        0 => replica.complete(sheet, true, moment).map(drop),
        1 => replica.review(sheet, "已看", moment).map(drop),
        2 => replica.amend(sheet, "补拍后更正", vec![(item, chosen("pass"))], moment).map(drop),
        3 => replica.sign(sheet, "inspector_sign", moment).map(drop),
        4 => replica.scan(sheet, "LY0001", None, moment).map(drop),
        5 => replica.scan(sheet, "cp.lanyuan.08", Some("标签脱落"), moment).map(drop),
        6 => replica.set_header(sheet, "shift", text(["day", "night"][seed.below(2)]), moment).map(drop),
        7 => {
            let user = replica.user().as_str().to_owned();
            replica.set_header(sheet, "inspectors", Value::Text(user), moment).map(drop)
        }
        8 | 9 => {
            let line = fields(&[
                ("location", "南门"),
                ("desc", "道板松动"),
                ("owner_dept", "dept.eng"),
                ("urgency", "today"),
            ]);
            replica.add_line(sheet, "pp.other", line, moment).map(drop)
        }
        10..=12 => {
            let answer = Answer { note: Some(format!("备注{number}")), ..Answer::default() };
            replica.answer(sheet, &item, answer, moment).map(drop)
        }
        13..=15 => replica.answer(sheet, &item, failing("现场不合格", number), moment).map(drop),
        _ => replica.answer(sheet, &item, chosen(["pass", "na"][seed.below(2)]), moment).map(drop),
    }
}

fn on_entry(seed: &mut Seed, replica: &mut Replica, entry: DocumentId, moment: &Moment) -> Result<(), Error> {
    let view = replica.entry(entry)?;
    let has = |id: &str| view.fields.iter().any(|field| field.id == id);
    if has("actions") && seed.chance(20) {
        let lines = view.fields.iter().find_map(|field| match &field.content {
            FieldContent::Lines(lines) if field.id == "actions" => lines.first(),
            FieldContent::Lines(_)
            | FieldContent::Empty
            | FieldContent::One(_)
            | FieldContent::Text(_)
            | FieldContent::Set(_) => None,
        });
        return match lines {
            Some(line) => {
                let done = fields(&[("done_at", "2026-12-01")]);
                replica.edit_entry_line(entry, "actions", &line.id, done, moment).map(drop)
            }
            None => {
                let action = fields(&[("desc", "加固"), ("owner", "u.eng01"), ("due", "2026-12-02")]);
                replica.add_entry_line(entry, "actions", action, moment).map(drop)
            }
        };
    }
    if view.transitions.is_empty() || seed.chance(40) {
        let mut known: Vec<(&str, &str)> = EDITS.into_iter().filter(|(id, _)| has(id)).collect();
        // What a later version of the ledger asks for besides.
        let extra = view.fields.iter().filter(|field| field.id.starts_with("extra"));
        known.extend(extra.map(|field| (field.id.as_str(), "另记一笔")));
        if known.is_empty() {
            return Ok(());
        }
        let (id, value) = *seed.pick(&known);
        return replica.edit_entry(entry, fields(&[(id, value)]), moment).map(drop);
    }
    let step = seed.pick(&view.transitions).id.clone();
    replica.record_event(entry, &step, event_data(seed), moment).map(drop)
}

fn event_data(seed: &mut Seed) -> BTreeMap<String, Value> {
    let mut data = fields(&[
        ("note", "已到场"),
        ("reason", "现场情况有变"),
        ("channel", "phone"),
        ("result", "已处理"),
        ("cause", "软管老化"),
        ("solution", "整体更换"),
        ("due", "2026-12-10"),
        ("new_due", "2026-12-20"),
    ]);
    data.insert("satisfaction".to_owned(), text(["s1", "s5"][seed.below(2)]));
    // Not everyone gives everything that a step asks for.
    data.retain(|_, _| seed.chance(85));
    data
}
