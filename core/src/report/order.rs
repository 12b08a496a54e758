//! Order and sums of a table that is worked out: ranks, sorting, row numbers, what stands under columns.

use std::cmp::Ordering;

use super::datum::Datum;
use super::table::Cell;
use crate::definition::{ColumnKind, Footing, Layout, Reading, ReportColumn, Tally};

/// Fills the columns that rank groups by another: equal numbers share a place.
pub(super) fn rank(rows: &mut [Vec<Datum>], columns: &[ReportColumn]) {
    for (at, column) in columns.iter().enumerate() {
        let Some(Tally::Rank(by)) = &column.tally else { continue };
        let Some(by) = columns.iter().position(|column| column.id == *by) else { continue };
        let scores: Vec<Option<f64>> = rows.iter().map(|row| row[by].number()).collect();
        for (row, score) in rows.iter_mut().zip(&scores) {
            if let Some(score) = score {
                let better = scores.iter().flatten().filter(|other| *other > score).count();
                row[at] = Datum::count(better + 1);
            }
        }
    }
}

/// Sorts rows by the columns that the layout names.
pub(super) fn sort(rows: &mut [Vec<Cell>], layout: &Layout) {
    let order: Vec<(usize, bool)> = layout
        .sort
        .iter()
        .filter_map(|id| {
            let (id, falling) = id.strip_prefix('-').map_or((id.as_str(), false), |id| (id, true));
            Some((layout.columns.iter().position(|column| column.id == id)?, falling))
        })
        .collect();
    if order.is_empty() {
        return;
    }
    rows.sort_by(|a, b| {
        let by = order.iter().map(|(at, falling)| compare(&a[*at], &b[*at], *falling));
        by.fold(Ordering::Equal, Ordering::then)
    });
}

/// Cells of one column in order; empty ones last, whichever way.
fn compare(a: &Cell, b: &Cell, falling: bool) -> Ordering {
    let ordered = match (a, b) {
        (Cell::Empty, Cell::Empty) => return Ordering::Equal,
        (Cell::Empty, _) => return Ordering::Greater,
        (_, Cell::Empty) => return Ordering::Less,
        (Cell::Integer(a), Cell::Integer(b)) | (Cell::Duration(a), Cell::Duration(b)) => a.cmp(b),
        (Cell::Decimal(a), Cell::Decimal(b)) | (Cell::Percent(a), Cell::Percent(b)) => a.total_cmp(b),
        (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
        (Cell::Time(a), Cell::Time(b)) => a.cmp(b),
        (a, b) => a.text(true).cmp(&b.text(true)),
    };
    if falling { ordered.reverse() } else { ordered }
}

/// Row numbers count after sorting.
pub(super) fn number_rows(rows: &mut [Vec<Cell>], layout: &Layout) {
    let at = layout.columns.iter().position(|column| column.show == Some(Reading::Row));
    let Some(at) = at else { return };
    for (place, row) in (1_i64..).zip(rows) {
        row[at] = Cell::Integer(place);
    }
}

/// What stands under a column that sums up its own cells.
pub(super) fn foot<'c>(column: &ReportColumn, english: bool, cells: impl Iterator<Item = &'c Cell>) -> Cell {
    if column.foot == Footing::Count {
        let said = cells.filter(|cell| **cell != Cell::Empty).count();
        return Cell::Text(if english { format!("{said} in all") } else { format!("共 {said} 项") });
    }
    #[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
    let numbers: Vec<f64> = cells
        .filter_map(|cell| match cell {
            Cell::Integer(number) | Cell::Duration(number) => Some(*number as f64),
            Cell::Decimal(number) | Cell::Percent(number) => Some(*number),
            Cell::Empty | Cell::Text(_) | Cell::Date(_) | Cell::Time(_) => None,
        })
        .collect();
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    let sum: f64 = numbers.iter().sum();
    let value = match column.foot {
        Footing::None | Footing::Tally | Footing::Count => return Cell::Empty,
        Footing::Sum => sum,
        Footing::Mean if count == 0 => return Cell::Empty,
        Footing::Mean => sum / f64::from(count),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a sum of whole numbers or of times")]
    let whole = value.round() as i64;
    match column.kind {
        ColumnKind::Integer if column.foot == Footing::Sum => Cell::Integer(whole),
        ColumnKind::Duration => Cell::Duration(whole),
        ColumnKind::Percent => Cell::Percent(value),
        ColumnKind::Integer | ColumnKind::Decimal => Cell::Decimal(value),
        ColumnKind::Text | ColumnKind::Date | ColumnKind::Time => Cell::Empty,
    }
}

/// The foot with a word in its first cell; `None` where nothing is under any column.
pub(super) fn labelled(mut foot: Vec<Cell>, layout: &Layout, english: bool) -> Option<Vec<Cell>> {
    let has = |footing| layout.columns.iter().any(|column| column.foot == footing);
    if layout.columns.iter().all(|column| column.foot == Footing::None) {
        return None;
    }
    if let Some(first) = foot.first_mut().filter(|first| **first == Cell::Empty) {
        let (zh, en) =
            if has(Footing::Mean) { ("合计/平均", "Total / mean") } else { ("合计", "Total") };
        *first = Cell::Text((if english { en } else { zh }).to_owned());
    }
    Some(foot)
}
