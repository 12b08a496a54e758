//! How many terminal columns a text takes: a Chinese character takes two.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` followed by spaces up to `columns`; unchanged when it is wider.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    padded
}

/// `text` on one line in at most `columns`, with an ellipsis where it was cut.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&one_line) <= columns {
        return one_line;
    }
    let mut taken = 0;
    let mut cut = String::new();
    for character in one_line.chars() {
        let wide = character.width().unwrap_or(0);
        if taken + wide + 1 > columns {
            break;
        }
        taken += wide;
        cut.push(character);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_take_two_columns() {
        assert_eq!(width("南大门岗"), 8);
        assert_eq!(width("A7-0012"), 7);
        assert_eq!(width("7幢大堂"), 7);
        assert_eq!(width("(含编号)"), 8);
    }

    #[test]
    fn padding_counts_columns_not_characters() {
        assert_eq!(pad("澜园", 6), "澜园  ");
        assert_eq!(pad("澜园小区", 6), "澜园小区");
    }

    #[test]
    fn a_cut_text_never_exceeds_its_columns() {
        assert_eq!(fit("草坪平整,无裸露", 9), "草坪平整…");
        assert_eq!(fit("草坪平整,无裸露", 8), "草坪平…");
        assert_eq!(fit("short", 8), "short");
        assert_eq!(fit("two\nlines", 20), "two lines");
        for columns in 1..20 {
            assert!(width(&fit("客服 desk 前台 ledger 台帐", columns)) <= columns);
        }
    }
}
