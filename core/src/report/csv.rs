//! A table as CSV (RFC 4180) that spreadsheets open as it is: with a byte order mark, every text safe.

use super::table::{Cell, Table};

/// The table as CSV in UTF-8 with a byte order mark, lines ended by CR LF.
///
/// Headings come first, then the rows, what stands under the columns, and the notes, each as a line of
/// one field. A text that a spreadsheet would take for a formula gets an apostrophe in front.
#[must_use]
pub fn csv(table: &Table) -> String {
    let mut text = String::from("\u{feff}");
    let heads = table.columns.iter().map(|column| column.title.text(table.english).to_owned());
    line(&mut text, heads);
    for row in &table.rows {
        line(&mut text, row.iter().map(|cell| field(cell, table.english)));
    }
    if let Some(foot) = &table.foot {
        line(&mut text, foot.iter().map(|cell| field(cell, table.english)));
    }
    for note in &table.notes {
        let note = if table.english { &note.en } else { &note.zh };
        line(&mut text, std::iter::once(note.clone()));
    }
    text
}

/// Numbers, days and moments as spreadsheets read them; the rest as people do.
fn field(cell: &Cell, english: bool) -> String {
    match cell {
        Cell::Text(text) => harmless(text),
        Cell::Empty
        | Cell::Integer(_)
        | Cell::Decimal(_)
        | Cell::Percent(_)
        | Cell::Date(_)
        | Cell::Time(_)
        | Cell::Duration(_) => cell.text(english),
    }
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    let begins = text.trim_start_matches([' ', '\u{feff}']).chars().next();
    let is_formula = matches!(
        begins,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    );
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_words_and_quotes_are_doubled() {
        assert_eq!(harmless("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        for text in ["+1", "-1", "@sum", "\tx", "=1", "  =1", "\u{feff}=1", "\n=1"] {
            assert!(harmless(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(harmless("漏水=严重"), "漏水=严重");
        let mut text = String::new();
        line(
            &mut text,
            ["a,b".to_owned(), "说\"好\"".to_owned(), "c\nd".to_owned(), "e".to_owned()].into_iter(),
        );
        assert_eq!(text, "\"a,b\",\"说\"\"好\"\"\",\"c\nd\",e\r\n");
    }
}
