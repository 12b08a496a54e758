//! A table as an Excel workbook: typed cells, a heading row that stays, ready to print on A4.

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::table::{Cell, Table};
use super::text::width;
use crate::definition::ColumnKind;
use crate::error::{Error, ErrorKind};

/// Narrowest and widest column, in characters of the heading font.
const COLUMN_CHARS: (usize, usize) = (6, 48);
/// Longest text that a cell of the format holds, characters.
const TEXT_CHARS_MAX: usize = 32_000;
/// Largest number of a day count that the format shows as time, 9999-12-31.
const DAYS_MAX: f64 = 2_958_465.0;
const DAY_MS: f64 = 86_400_000.0;

/// The table as a workbook of one sheet.
///
/// The first line holds the report's name, period and projects, the second the headings; they stay in view
/// and repeat on every printed page. Words are always words: nothing that people wrote becomes a formula.
///
/// # Errors
/// `Invalid` when the table has more rows than the format holds.
pub fn xlsx(table: &Table) -> Result<Vec<u8>, Error> {
    write(table).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            "报表不能写成 Excel 文件",
            "the report cannot be written as an Excel file",
        )
        .caused_by(error)
    })
}

fn write(table: &Table) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let made = table.as_of.civil();
    let made = ExcelDateTime::from_ymd(
        u16::try_from(made.year()).unwrap_or(1970),
        u8::try_from(made.month()).unwrap_or(1),
        u8::try_from(made.day()).unwrap_or(1),
    )?;
    let title = table.title.text(table.english);
    workbook.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&made));
    let sheet = workbook.add_worksheet();
    sheet.set_name(sheet_name(title))?;
    let columns = u16::try_from(table.columns.len()).unwrap_or(u16::MAX);
    let first = heading(sheet, table, columns)?;
    let mut next = first;
    for row in &table.rows {
        for (at, cell) in (0_u16..).zip(row) {
            put(sheet, next, at, cell, &body(cell))?;
        }
        next += 1;
    }
    if let Some(foot) = &table.foot {
        for (at, cell) in (0_u16..).zip(foot) {
            put(sheet, next, at, cell, &body(cell).set_bold().set_border_top(FormatBorder::Double))?;
        }
        next += 1;
    }
    for note in &table.notes {
        next += 1;
        sheet.write_string(next, 0, clipped(if table.english { &note.en } else { &note.zh }))?;
    }
    widths(sheet, table)?;
    print_set_up(sheet, table, first)?;
    workbook.save_to_buffer()
}

/// Writes title and headings; the row after them.
fn heading(sheet: &mut Worksheet, table: &Table, columns: u16) -> Result<u32, XlsxError> {
    let mut parts = vec![table.title.text(table.english).to_owned()];
    parts.extend(table.period.clone());
    parts.extend(table.projects.iter().cloned());
    let large = Format::new().set_bold().set_font_size(14).set_align(FormatAlign::Left);
    sheet.write_string_with_format(0, 0, parts.join("  "), &large)?;
    let head = Format::new()
        .set_bold()
        .set_border(FormatBorder::Thin)
        .set_background_color("#E7EEF7")
        .set_align(FormatAlign::Center)
        .set_align(FormatAlign::VerticalCenter)
        .set_text_wrap();
    for (at, column) in (0_u16..columns).zip(&table.columns) {
        sheet.write_string_with_format(1, at, column.title.text(table.english), &head)?;
    }
    sheet.set_freeze_panes(2, 0)?;
    if columns > 0 && !table.rows.is_empty() {
        let last = u32::try_from(table.rows.len()).unwrap_or(u32::MAX).saturating_add(1);
        sheet.autofilter(1, 0, last, columns - 1)?;
    }
    Ok(2)
}

fn body(cell: &Cell) -> Format {
    let format = Format::new().set_border(FormatBorder::Thin).set_align(FormatAlign::Top);
    match cell {
        Cell::Integer(_) => format.set_num_format("0"),
        Cell::Decimal(_) => format.set_num_format("0.##"),
        Cell::Percent(_) => format.set_num_format("0.0%"),
        Cell::Date(_) => format.set_num_format("yyyy-mm-dd"),
        Cell::Time(_) => format.set_num_format("yyyy-mm-dd hh:mm"),
        Cell::Duration(_) => format.set_num_format("[h]:mm"),
        Cell::Empty | Cell::Text(_) => format.set_text_wrap(),
    }
}

fn put(sheet: &mut Worksheet, row: u32, column: u16, cell: &Cell, format: &Format) -> Result<(), XlsxError> {
    #[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
    match cell {
        Cell::Empty => sheet.write_blank(row, column, format)?,
        Cell::Text(text) => sheet.write_string_with_format(row, column, clipped(text), format)?,
        Cell::Integer(number) => sheet.write_number_with_format(row, column, *number as f64, format)?,
        Cell::Decimal(number) | Cell::Percent(number) => {
            sheet.write_number_with_format(row, column, *number, format)?
        }
        Cell::Date(day) => {
            let days = day_number(&day.to_datetime(jiff::civil::Time::midnight()));
            sheet.write_number_with_format(row, column, days, format)?
        }
        Cell::Time(instant) => {
            sheet.write_number_with_format(row, column, day_number(&instant.civil()), format)?
        }
        // The format shows no negative times: they are words.
        Cell::Duration(ms) if *ms < 0 => {
            sheet.write_string_with_format(row, column, cell.text(false), format)?
        }
        Cell::Duration(ms) => sheet.write_number_with_format(row, column, *ms as f64 / DAY_MS, format)?,
    };
    Ok(())
}

/// Days since 1899-12-30 with the time of day as a fraction: what the format keeps for a moment.
fn day_number(moment: &jiff::civil::DateTime) -> f64 {
    let origin = jiff::civil::date(1899, 12, 30).to_datetime(jiff::civil::Time::midnight());
    let minutes = moment.duration_since(origin).as_mins();
    #[expect(clippy::cast_precision_loss, reason = "minutes of a calendar")]
    let days = minutes as f64 / 1_440.0;
    days.clamp(0.0, DAYS_MAX)
}

/// Column widths by what stands in them; Chinese characters take two.
fn widths(sheet: &mut Worksheet, table: &Table) -> Result<(), XlsxError> {
    for (at, column) in (0_u16..).zip(&table.columns) {
        let place = usize::from(at);
        let cells = table.rows.iter().chain(&table.foot).map(|row| {
            let text = row[place].text(table.english);
            text.lines().map(width).max().unwrap_or(0)
        });
        let widest = cells.max().unwrap_or(0).max(width(column.title.text(table.english)));
        let least = match column.kind {
            ColumnKind::Time => 16,
            ColumnKind::Date => 10,
            ColumnKind::Text
            | ColumnKind::Integer
            | ColumnKind::Decimal
            | ColumnKind::Percent
            | ColumnKind::Duration => COLUMN_CHARS.0,
        };
        let chars = u32::try_from((widest + 2).clamp(least, COLUMN_CHARS.1)).unwrap_or(10);
        sheet.set_column_width(at, f64::from(chars))?;
    }
    Ok(())
}

/// A4, as wide as one page, the heading on each, page numbers below.
fn print_set_up(sheet: &mut Worksheet, table: &Table, first: u32) -> Result<(), XlsxError> {
    sheet.set_paper_size(9);
    if table.columns.len() > 6 {
        sheet.set_landscape();
    }
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_repeat_rows(0, first - 1)?;
    sheet.set_margins(0.5, 0.5, 0.6, 0.6, 0.3, 0.3);
    if let Some(branch) = &table.branch {
        // The format reads a single `&` as the beginning of a code.
        sheet.set_header(format!(
            "&R{}",
            clipped(&branch.replace('&', "&&")).chars().take(200).collect::<String>()
        ));
    }
    sheet.set_footer("&C&P / &N");
    Ok(())
}

/// The name of a sheet: at most 31 characters, none that the format forbids.
fn sheet_name(title: &str) -> String {
    let allowed = title.chars().map(|c| if "[]:*?/\\'".contains(c) { ' ' } else { c });
    let name: String = allowed.take(31).collect();
    let name = name.trim();
    if name.is_empty() { "report".to_owned() } else { name.to_owned() }
}

fn clipped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(TEXT_CHARS_MAX).collect()
}
