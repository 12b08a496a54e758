//! A table for the terminal.

use super::table::Table;

/// The terminal that a table is written for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Terminal columns; a table that is wider has its widest columns cut.
    pub columns: usize,
}

/// Columns between two cells.
const GAP: usize = 2;
/// A column that is cut keeps at least this many.
const LEAST: usize = 6;

/// The table with its heading and notes, aligned by display width.
#[must_use]
pub fn text(table: &Table, screen: Screen) -> String {
    let english = table.english;
    let mut head = vec![table.title.text(english).to_owned()];
    head.extend(table.period.clone());
    head.extend(table.projects.iter().cloned());
    let heads: Vec<String> =
        table.columns.iter().map(|column| column.title.text(english).to_owned()).collect();
    // Under no rows stands no sum.
    let all = table.rows.iter().chain(table.foot.iter().filter(|_| !table.rows.is_empty()));
    let rows: Vec<Vec<String>> =
        all.map(|row| row.iter().map(|cell| plain(&cell.text(english))).collect()).collect();
    let mut widths: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    shrink(&mut widths, screen.columns);
    let mut lines = vec![head.join("  "), line(&heads, &widths)];
    lines.extend(rows.iter().map(|row| line(row, &widths)));
    if table.rows.is_empty() {
        lines.push(if english { "(no rows)" } else { "(没有内容)" }.to_owned());
    }
    lines.extend(table.notes.iter().map(|note| if english { note.en.clone() } else { note.zh.clone() }));
    lines.join("\n")
}

/// Terminal columns of a text: East Asian wide characters take two.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

fn cells(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// One line: nothing in a cell moves the cursor or colours the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn shrink(widths: &mut [usize], columns: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > columns {
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > LEAST)
        else {
            return;
        };
        *widest -= 1;
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, columns) in row.iter().zip(widths) {
        let cut = fit(cell, *columns);
        text.push_str(&cut);
        text.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&cut)) + GAP));
    }
    text.trim_end().to_owned()
}

fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += cells(c);
        if taken > columns {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}
