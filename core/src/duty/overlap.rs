//! Nobody is in two places at once: lines that put a person somewhere for a time, and where two of them
//! overlap.

use super::{Days, Duty, Outcome, Record, Subject, key, owners};
use crate::definition::{Deadline, Rule};
use crate::document::model::Value;
use crate::id::{DocumentId, UserId};

/// A person somewhere for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The entry that says so.
    pub document: DocumentId,
    /// Its project.
    pub project: String,
    /// The line.
    pub line: String,
    /// Who.
    pub user: UserId,
    /// From, milliseconds since 1970.
    pub from_ms: i64,
    /// Until; far ahead while nobody has said.
    pub to_ms: i64,
    /// When the line was written.
    pub written_ms: i64,
}

/// The stays that a record's lines say; none for another kind of rule or record.
#[must_use]
pub fn stays(days: &Days<'_>, rule: &Rule, record: &Record) -> Vec<Stay> {
    let Deadline::Invariant { no_overlap: Some(lines), .. } = &rule.deadline else { return Vec::new() };
    let is_subject = rule.applies_to.ledger.as_deref() == Some(&record.row.definition.id);
    if !is_subject || record.row.terminal || !record.fits(days.catalog, rule.applies_to.filter.as_ref()) {
        return Vec::new();
    }
    let time = |value: Option<&Value>, is_end: bool| match value? {
        Value::Int(at_ms) => Some(*at_ms),
        Value::Text(day) => {
            let day = day.parse().ok()?;
            Some(if is_end { days.end_of(day) } else { days.start_of(day) })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    };
    let stay = |line: crate::rules::entry::LineView| {
        let of = |field: &str| line.fields.get(field).map(|stamped| &stamped.value);
        Some(Stay {
            document: record.row.document,
            project: record.row.project.clone(),
            user: UserId::new(of(&lines.who)?.as_text()?),
            from_ms: time(of(&lines.from), false)?,
            to_ms: time(of(&lines.to), true).unwrap_or(i64::MAX),
            written_ms: line.fields.values().map(|stamped| stamped.at_ms).max().unwrap_or(0),
            line: line.id.clone(),
        })
    };
    record.lines(&lines.lines).into_iter().filter_map(stay).collect()
}

/// The double bookings of one record's people among all stays: for each person and other record one broken
/// duty about either record, because each of them shows it.
#[must_use]
pub fn overlaps(days: &Days<'_>, rule: &Rule, own: &[Stay], all: &[Stay]) -> Vec<Duty> {
    let mut duties: Vec<Duty> = Vec::new();
    for mine in own {
        for theirs in all.iter().filter(|other| other.document != mine.document && other.user == mine.user) {
            let apart = mine.to_ms <= theirs.from_ms || theirs.to_ms <= mine.from_ms;
            if apart {
                continue;
            }
            for (stay, other) in [(mine, theirs), (theirs, mine)] {
                let duty = double(days, rule, stay, other);
                if duties.iter().all(|known| known.key != duty.key) {
                    duties.push(duty);
                }
            }
        }
    }
    duties.sort_by(|a, b| a.key.cmp(&b.key));
    duties
}

/// The duty about the record of `stay` that its person is in `other`'s place at the same time.
fn double(days: &Days<'_>, rule: &Rule, stay: &Stay, other: &Stay) -> Duty {
    let subject = Subject::Record(stay.document);
    let at_ms = stay.written_ms.max(other.written_ms);
    Duty {
        key: key(&rule.id, &subject.id(), &format!("{}|{}", stay.user, other.document)),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        unit: stay.project.clone(),
        subject,
        owners: owners::owes(days.catalog, rule, &stay.project, None),
        period: String::new(),
        opens_ms: at_ms,
        due_ms: None,
        outcome: Outcome::Broken { at_ms },
    }
}
