//! What a reading gives, before it becomes a cell.

use jiff::civil::Date;
use std::collections::BTreeMap;

use super::period::{Zone, day_of};
use super::table::Cell;
use crate::definition::ColumnKind;

/// A row of a table that no records make: posts of the staffing standard, devices.
pub(super) type Line = BTreeMap<&'static str, Datum>;

/// One thing that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    None,
    Text(String),
    Int(i64),
    Number(f64),
    Share(f64),
    Flag(bool),
    Time(i64),
    Day(Date),
    Length(i64),
    Many(Vec<Self>),
}

impl Datum {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.trim().is_empty() { Self::None } else { Self::Text(text) }
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// True where it says something.
    pub(super) fn is_given(&self) -> bool {
        match self {
            Self::None => false,
            Self::Many(all) => all.iter().any(Self::is_given),
            Self::Text(_)
            | Self::Int(_)
            | Self::Number(_)
            | Self::Share(_)
            | Self::Flag(_)
            | Self::Time(_)
            | Self::Day(_)
            | Self::Length(_) => true,
        }
    }

    /// The moment that it means; the start of the day for a day, its end where `end`.
    pub(super) fn moment(&self, zone: &Zone, end: bool) -> Option<i64> {
        match self {
            Self::Time(at_ms) => Some(*at_ms),
            Self::Day(day) if end => Some(zone.end_ms(*day) - 1),
            Self::Day(day) => Some(zone.start_ms(*day)),
            Self::Text(text) => day_of(text).and_then(|day| Self::Day(day).moment(zone, end)),
            Self::Many(all) => all.iter().find_map(|one| one.moment(zone, end)),
            Self::None
            | Self::Int(_)
            | Self::Number(_)
            | Self::Share(_)
            | Self::Flag(_)
            | Self::Length(_) => None,
        }
    }

    /// The number that it means, for sums and comparisons.
    #[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) | Self::Time(number) | Self::Length(number) => Some(*number as f64),
            Self::Number(number) | Self::Share(number) => Some(*number),
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::None | Self::Text(_) | Self::Day(_) | Self::Many(_) => None,
        }
    }

    /// The text inside, where it is text.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Its parts, each by itself; nothing where it says nothing.
    pub(super) fn parts(self) -> Vec<Self> {
        if let Self::Many(all) = self {
            return all.into_iter().flat_map(Self::parts).collect();
        }
        if self.is_given() { vec![self] } else { Vec::new() }
    }

    /// The words for it, parts with a comma between.
    pub(super) fn words(&self, zone: &Zone, english: bool) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => yes_no(*flag, english).to_owned(),
            Self::Many(all) => {
                let words: Vec<String> =
                    all.iter().filter(|one| one.is_given()).map(|one| one.words(zone, english)).collect();
                words.join(if english { ", " } else { "、" })
            }
            Self::Int(number) => number.to_string(),
            Self::Number(number) => Cell::Decimal(*number).text(english),
            Self::Share(share) => Cell::Percent(*share).text(english),
            Self::Time(at_ms) => zone.instant(*at_ms).minute(),
            Self::Day(day) => day.to_string(),
            Self::Length(ms) => Cell::Duration(*ms).text(english),
        }
    }

    /// The cell of a column of this kind; words where it is something else.
    pub(super) fn cell(self, kind: ColumnKind, zone: &Zone, english: bool) -> Cell {
        match (kind, self) {
            (_, Self::None) => Cell::Empty,
            (ColumnKind::Integer, Self::Int(number)) => Cell::Integer(number),
            #[expect(clippy::cast_possible_truncation, reason = "whole and small, as just checked")]
            (ColumnKind::Integer, Self::Number(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Cell::Integer(number as i64)
            }
            (ColumnKind::Integer | ColumnKind::Decimal, Self::Number(number)) => Cell::Decimal(number),
            (ColumnKind::Decimal, other @ Self::Int(_)) => other.number().map_or(Cell::Empty, Cell::Decimal),
            (ColumnKind::Percent, Self::Share(share)) => Cell::Percent(share),
            (ColumnKind::Percent, Self::Number(percent)) => Cell::Percent(percent / 100.0),
            (ColumnKind::Date, Self::Day(day)) => Cell::Date(day),
            (ColumnKind::Date, Self::Time(at_ms)) => Cell::Date(zone.day(at_ms)),
            (ColumnKind::Date, Self::Text(text)) => day_of(&text).map_or(Cell::Text(text), Cell::Date),
            (ColumnKind::Time, Self::Time(at_ms)) => Cell::Time(zone.instant(at_ms)),
            (ColumnKind::Duration, Self::Length(ms)) => Cell::Duration(ms),
            #[expect(clippy::cast_possible_truncation, reason = "a mean of lengths of time")]
            (ColumnKind::Duration, Self::Number(ms)) => Cell::Duration(ms as i64),
            (_, other) => {
                let words = other.words(zone, english);
                if words.is_empty() { Cell::Empty } else { Cell::Text(words) }
            }
        }
    }
}

pub(super) const fn yes_no(yes: bool, english: bool) -> &'static str {
    match (yes, english) {
        (true, false) => "是",
        (false, false) => "否",
        (true, true) => "yes",
        (false, true) => "no",
    }
}
