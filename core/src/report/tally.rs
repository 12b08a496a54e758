//! Tallies: what is worked out over a group of records while they pass by.

use std::collections::{BTreeMap, BTreeSet};

use super::datum::Datum;
use super::read::{Frame, NAMES_MAX, Subject};
use crate::definition::Tally;

/// The running state of one tally over one group. It grows with the values, not with the records.
#[derive(Clone, Debug)]
pub(super) enum Sum {
    /// What the group alone tells.
    Outside,
    Count(i64),
    Numbers {
        sum: f64,
        count: u32,
        whole: bool,
    },
    Share(Box<(Self, Self)>),
    Values(BTreeMap<String, i64>),
    List {
        seen: BTreeSet<String>,
        order: Vec<String>,
    },
    Part(Box<Self>),
}

impl Sum {
    pub(super) fn new(tally: &Tally) -> Self {
        match tally {
            Tally::Key(_) | Tally::Period | Tally::Rank(_) | Tally::People(_) => Self::Outside,
            Tally::Count(_) => Self::Count(0),
            Tally::Sum(_) | Tally::Mean(_) => Self::Numbers { sum: 0.0, count: 0, whole: true },
            Tally::Share(parts) => Self::Share(Box::new((Self::new(&parts.0), Self::new(&parts.1)))),
            Tally::Change(part) | Tally::Before(part) | Tally::Of(_, part) => {
                Self::Part(Box::new(Self::new(part)))
            }
            Tally::Spread(_) | Tally::Top(..) | Tally::Different(_) => Self::Values(BTreeMap::new()),
            Tally::List(..) => Self::List { seen: BTreeSet::new(), order: Vec::new() },
        }
    }

    /// Takes one record in.
    pub(super) fn add(&mut self, frame: &Frame<'_>, tally: &Tally, subject: Subject<'_>) {
        match (self, tally) {
            (Self::Count(count), Tally::Count(test)) => *count += i64::from(frame.holds(subject, test)),
            (Self::Numbers { sum, count, whole }, Tally::Sum(reading) | Tally::Mean(reading)) => {
                for part in frame.read(subject, reading, false).parts() {
                    if let Some(number) = part.number() {
                        *sum += number;
                        *count += 1;
                        *whole &= matches!(part, Datum::Int(_));
                    }
                }
            }
            (Self::Share(sums), Tally::Share(parts)) => {
                sums.0.add(frame, &parts.0, subject);
                sums.1.add(frame, &parts.1, subject);
            }
            (Self::Part(sum), Tally::Change(part) | Tally::Before(part)) => sum.add(frame, part, subject),
            (Self::Part(sum), Tally::Of(from, part)) => {
                let is_meant = match subject {
                    Subject::Record(record) => from.contains(&record.definition.id),
                    Subject::Line(_) => true,
                };
                if is_meant {
                    sum.add(frame, part, subject);
                }
            }
            (Self::Values(values), Tally::Spread(reading) | Tally::Top(_, reading)) => {
                for part in frame.read(subject, reading, true).parts() {
                    *values.entry(part.words(&frame.zone, frame.english)).or_default() += 1;
                }
            }
            (Self::Values(values), Tally::Different(reading)) => {
                for part in frame.read(subject, reading, false).parts() {
                    *values.entry(part.words(&frame.zone, true)).or_default() += 1;
                }
            }
            (Self::List { seen, order }, Tally::List(reading, test)) if frame.holds(subject, test) => {
                for part in frame.read(subject, reading, true).parts() {
                    let words = part.words(&frame.zone, frame.english);
                    if seen.insert(words.clone()) && order.len() < NAMES_MAX {
                        order.push(words);
                    }
                }
            }
            _ => {}
        }
    }

    /// What it came to; `keys` are what the group is grouped by.
    pub(super) fn result(&self, frame: &Frame<'_>, tally: &Tally, keys: &[Datum]) -> Datum {
        match (self, tally) {
            (_, Tally::Key(at)) => keys.get(*at).cloned().unwrap_or(Datum::None),
            (_, Tally::Period) => Datum::text(frame.period.name()),
            (_, Tally::People(departments)) => people(frame, departments),
            (Self::Count(count), _) => Datum::Int(*count),
            (Self::Numbers { count: 0, .. }, Tally::Mean(_)) => Datum::None,
            (Self::Numbers { sum, count, .. }, Tally::Mean(_)) => Datum::Number(sum / f64::from(*count)),
            #[expect(clippy::cast_possible_truncation, reason = "a sum of whole numbers")]
            (Self::Numbers { sum, whole: true, .. }, _) => Datum::Int(*sum as i64),
            (Self::Numbers { sum, .. }, _) => Datum::Number(*sum),
            (Self::Share(sums), Tally::Share(parts)) => {
                let part = sums.0.result(frame, &parts.0, keys).number();
                let whole = sums.1.result(frame, &parts.1, keys).number().filter(|whole| *whole != 0.0);
                part.zip(whole).map_or(Datum::None, |(part, whole)| Datum::Share(part / whole))
            }
            (Self::Part(sum), Tally::Of(_, part) | Tally::Change(part) | Tally::Before(part)) => {
                sum.result(frame, part, keys)
            }
            (Self::Values(values), Tally::Different(_)) => Datum::count(values.len()),
            (Self::Values(values), Tally::Top(most, _)) => {
                let top = by_frequency(values).into_iter().take(*most);
                Datum::Many(top.map(|(value, _)| Datum::text(value)).collect())
            }
            (Self::Values(values), _) => spread(values, frame.english),
            (Self::List { seen, order }, _) => {
                let mut words: Vec<Datum> = order.iter().map(Datum::text).collect();
                if seen.len() > order.len() {
                    let (zh, en) = (format!("等 {} 项", seen.len()), format!("… {} in all", seen.len()));
                    words.push(Datum::text(if frame.english { en } else { zh }));
                }
                Datum::Many(words)
            }
            (Self::Outside | Self::Share(_) | Self::Part(_), _) => Datum::None,
        }
    }
}

/// The change from one number to another as a share of the first; nothing where the first is nothing.
pub(super) fn change(before: &Datum, now: &Datum) -> Datum {
    let before = before.number().filter(|before| *before != 0.0);
    before.zip(now.number()).map_or(Datum::None, |(before, now)| Datum::Share((now - before) / before))
}

/// Values with how often they occur, most frequent first.
fn spread(values: &BTreeMap<String, i64>, english: bool) -> Datum {
    let counted = by_frequency(values);
    let left_out = counted.len().saturating_sub(NAMES_MAX);
    let mut words: Vec<Datum> = counted
        .into_iter()
        .take(NAMES_MAX)
        .map(|(value, count)| Datum::text(format!("{value} {count}")))
        .collect();
    if left_out > 0 {
        words.push(Datum::text(if english {
            format!("… {left_out} more")
        } else {
            format!("另 {left_out} 类")
        }));
    }
    Datum::Many(words)
}

fn by_frequency(values: &BTreeMap<String, i64>) -> Vec<(&String, &i64)> {
    let mut counted: Vec<(&String, &i64)> = values.iter().collect();
    counted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    counted
}

/// People in service, of the project that was asked for.
fn people(frame: &Frame<'_>, departments: &[String]) -> Datum {
    let users = frame.catalog.organisation().map_or(&[][..], |organisation| &organisation.users);
    let is_meant = |user: &&crate::definition::User| {
        let in_department = || user.dept.as_ref().is_some_and(|dept| departments.contains(dept));
        let in_project = frame.project.is_none_or(|project| user.project.as_deref() == Some(project));
        !user.retired && in_project && (departments.is_empty() || in_department())
    };
    Datum::count(users.iter().filter(is_meant).count())
}
