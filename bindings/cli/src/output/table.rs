//! Plain tables: aligned by display width, the last column cut to the terminal.

use super::width::{fit, pad, width};

/// Columns between two cells.
const GAP: usize = 2;
/// A column that is cut keeps at least this many.
const LEAST: usize = 8;

/// A table that prints itself once all rows are known.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its column titles.
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has as many cells as there are titles.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(cells.len(), self.head.len(), "a row has a cell for each title");
        self.rows.push(cells.to_vec());
    }

    /// True without rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, titles first, at most `columns` wide where the widest column can give.
    ///
    /// Columns that are empty in every row are left out.
    pub(crate) fn lines(&self, columns: usize) -> Vec<String> {
        let kept: Vec<usize> =
            (0..self.head.len()).filter(|&at| self.rows.iter().any(|row| !row[at].is_empty())).collect();
        let mut widths: Vec<usize> = kept.iter().map(|&at| self.natural(at)).collect();
        shrink(&mut widths, columns);
        std::iter::once(&self.head).chain(&self.rows).map(|row| line(row, &kept, &widths)).collect()
    }

    fn natural(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| width(&row[at]));
        cells.max().unwrap_or(0).max(width(&self.head[at]))
    }
}

/// Takes the excess from the widest columns, one step at a time, none below [`LEAST`].
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

fn line(row: &[String], kept: &[usize], widths: &[usize]) -> String {
    let cells: Vec<String> =
        kept.iter().zip(widths).map(|(&at, &columns)| pad(&fit(&row[at], columns), columns)).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(["编号", "项目", "空", "内容"]);
        table.row(["A7-0001".into(), "澜园".into(), String::new(), "卫生间顶部滴水,怀疑楼上漏水".into()]);
        table.row(["A7-12".into(), "江湾里".into(), String::new(), "灯坏".into()]);
        table
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let lines = sample().lines(100);
        assert_eq!(lines[0], "编号     项目    内容");
        assert_eq!(lines[1], "A7-0001  澜园    卫生间顶部滴水,怀疑楼上漏水");
        assert_eq!(lines[2], "A7-12    江湾里  灯坏");
    }

    #[test]
    fn the_widest_column_gives_way_in_a_narrow_terminal() {
        let lines = sample().lines(30);
        assert!(lines.iter().all(|line| width(line) <= 30), "{lines:?}");
        assert!(lines[1].ends_with('…'));
        assert!(lines[1].starts_with("A7-0001"));
    }
}
