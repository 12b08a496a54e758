//! The duties of a record's parts: lines with a day of their own, and the items of a plan, whose days are
//! counted from a day in the sheet's head.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::single::Case;
use super::{Deed, Duty, Outcome, Owner, Record, owners};
use crate::definition::{Catalog, Deadline, FieldType, LineDate, Rule, Title};
use crate::document::model::Value;
use crate::id::UserId;
use crate::rules::entry::LineView;
use crate::rules::inspection::Sheet;
use crate::rules::{keys, upgrade};

impl Case<'_> {
    /// One duty for each line that names a day or a month, since the record is in the rule's states. A record
    /// that leaves them settles what was still to do.
    pub(super) fn of_lines(&self, dated: &LineDate) -> Vec<Duty> {
        let stretches = self.record.stretches(self.days.catalog, &self.rule.applies_to.states);
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Vec::new() };
        let begun_ms = self.record.at_ms(first.from);
        let ended = last.to.map(|place| self.deed(place));
        let of_line = |line: LineView| {
            let written = line.fields.get(&dated.field)?;
            let day = self.day_in(&written.value)?;
            let done = line.fields.get(&dated.done);
            let done = done.map(|stamped| self.record.deed_of_value(&line.id, stamped));
            let person = dated.who.as_ref().and_then(|who| line.fields.get(who)?.value.as_text());
            let person = person.map(|user| Owner::User(UserId::new(user)));
            Some(self.part(
                &line.id,
                day,
                begun_ms.max(written.at_ms),
                person.as_ref(),
                done.or_else(|| ended.clone()),
            ))
        };
        self.record.lines(&dated.lines).into_iter().filter_map(of_line).collect()
    }

    /// One duty for each item that has an owner and a day; done is an item that was answered and does not
    /// fail. While the day that all are counted from is not written, nothing is owed.
    pub(super) fn of_tasks(&self) -> Vec<Duty> {
        let catalog = self.days.catalog;
        let Some(pinned) = catalog.checklist(&self.record.row.definition) else { return Vec::new() };
        let checklist = upgrade::in_force(catalog, pinned, &self.record.model);
        let sheet = Sheet { catalog, checklist: &checklist, model: &self.record.model };
        let begun_ms = self.record.model.events.first().map_or(0, |event| event.at_ms);
        let mut duties = Vec::new();
        for item in checklist.items().filter(|item| sheet.is_visible(item)) {
            let Some(task) = &item.task else { continue };
            let anchor = self.record.text(&task.anchor).and_then(|day| day.parse::<Date>().ok());
            let day = anchor.and_then(|day| day.checked_add(i64::from(task.due_offset_days).days()).ok());
            let Some(day) = day else { continue };
            let view = sheet.item(item);
            let done = view.answers.first().filter(|_| !view.is_fail && !view.is_clash);
            let done = done.map(|stamped| self.record.deed_of_value(&keys::item(&item.id), stamped));
            let owner = Owner::Role(task.owner_role.clone());
            duties.push(self.part(&item.id, day, begun_ms, Some(&owner), done));
        }
        duties
    }

    /// The duty of a part: one that is put off is owed anew.
    fn part(&self, id: &str, day: Date, opens_ms: i64, owner: Option<&Owner>, done: Option<Deed>) -> Duty {
        let outcome = done.map_or(Outcome::Waiting, Outcome::Done);
        let due_ms = Some(self.days.end_of(day));
        let mut duty = self.duty(&format!("{id}@{day}"), opens_ms, due_ms, outcome);
        duty.period = id.to_owned();
        let unit = duty.unit.clone();
        duty.owners = owners::owes_part(self.days.catalog, self.rule, &unit, Some(self.record), owner);
        duty
    }

    /// The day that a value names; of a month its last one.
    fn day_in(&self, value: &Value) -> Option<Date> {
        match value {
            Value::Text(text) => {
                let of_month = || format!("{text}-01").parse::<Date>().map(Date::last_of_month);
                text.parse().or_else(|_| of_month()).ok()
            }
            Value::Int(at_ms) => Some(self.days.day(*at_ms)),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
}

/// What a duty about a part of a record is called: the item of the plan, or the first words of the line;
/// nothing for a duty about the record as a whole.
#[must_use]
pub fn part_of(catalog: &Catalog, rule: &Rule, duty: &Duty, record: &Record) -> Option<Title> {
    if let Deadline::LineDate(dated) = &rule.deadline {
        let field = record.ledger(catalog)?.field(&dated.lines)?;
        let line = record.lines(&dated.lines).into_iter().find(|line| line.id == duty.period)?;
        let mut words = field.entry_fields.iter().filter(|sub| sub.kind == FieldType::Text);
        let said = words.find_map(|sub| line.fields.get(&sub.id)?.value.as_text())?;
        return Some(Title { zh: said.to_owned(), en: said.to_owned() });
    }
    if !rule.deadline.is_of_parts() {
        return None;
    }
    let pinned = catalog.checklist(&record.row.definition)?;
    let checklist = upgrade::in_force(catalog, pinned, &record.model);
    checklist.item(&duty.period).map(|item| item.title.clone())
}
