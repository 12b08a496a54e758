//! Full-text search over Chinese and Latin text.
//!
//! The index holds trigrams, so a term of three characters or more is looked up: records that hold all of its
//! trigrams, and those whose text is not in the index yet, are compared with it. A shorter one, common in
//! Chinese (漏水), is compared with the text of every record.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::types::ToSql;

use crate::error::Error;
use crate::projection::read::rows;
use crate::projection::row::{ROW_COLUMNS, Row};

/// Fewest characters of a term that the trigram index can look up.
const TRIGRAM_CHARS: usize = 3;

/// Most characters of a text that is searched for; what comes behind is not looked at. SQLite compares no pattern
/// of more than 50,000 bytes.
const SEARCHED_CHARS_MAX: usize = 200;

/// Texts that may hold what the index is asked for. CROSS JOIN keeps the few first: SQLite knows no sizes and would
/// look through every text for the few.
const LOOKED_UP: &str = "(
    SELECT b.id, b.body FROM projected_unindexed AS u CROSS JOIN projected_body AS b ON b.id = u.id
    UNION ALL
    SELECT b.id, b.body FROM projected_index AS i CROSS JOIN projected_body AS b ON b.id = i.rowid
    WHERE i.projected_index MATCH ? AND i.rowid NOT IN (SELECT id FROM projected_unindexed))";

/// Records that contain every term of `text` (terms are separated by spaces, case does not matter):
/// those whose number is exactly `text` first, then newest first.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn search(conn: &Connection, text: &str, limit: u32) -> Result<Vec<Row>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(text.trim().to_uppercase())];
    let terms = Terms::of(text);
    let sql = format!(
        "SELECT {ROW_COLUMNS}, p.number IS ?1 OR p.temp_number IS ?1 AS named \
         FROM {} AS t JOIN projected AS p ON p.id = t.id \
         WHERE {} ORDER BY named DESC, p.listed_at_ms DESC, p.document LIMIT {limit}",
        terms.texts, terms.condition
    );
    values.extend(terms.values);
    rows(conn, &sql, &values)
}

/// The condition over `projected AS p` that the record's text holds every term, and its values.
pub(super) fn mentions(text: &str) -> (String, Vec<Box<dyn ToSql>>) {
    let terms = Terms::of(text);
    (format!("p.id IN (SELECT t.id FROM {} AS t WHERE {})", terms.texts, terms.condition), terms.values)
}

/// What a text that is searched for asks of the store.
struct Terms {
    /// The texts that may hold all terms, as a table of `id` and `body`.
    texts: &'static str,
    /// That `t.body` holds them.
    condition: String,
    /// Of the places in `texts` and then in `condition`.
    values: Vec<Box<dyn ToSql>>,
}

impl Terms {
    fn of(text: &str) -> Self {
        let text: String = text.trim_start().chars().take(SEARCHED_CHARS_MAX).collect();
        let (long, short): (Vec<&str>, Vec<&str>) =
            text.split_whitespace().partition(|term| term.chars().count() >= TRIGRAM_CHARS);
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let texts = if long.is_empty() {
            "projected_body"
        } else {
            let trigrams: BTreeSet<String> = long.iter().flat_map(|term| trigrams(term)).collect();
            let quoted: Vec<String> =
                trigrams.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
            values.push(Box::new(quoted.join(" AND ")));
            LOOKED_UP
        };
        let mut condition = "1".to_owned();
        for term in long.into_iter().chain(short) {
            condition.push_str(" AND t.body LIKE ? ESCAPE '\\'");
            let escaped = term.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            values.push(Box::new(format!("%{escaped}%")));
        }
        Self { texts, condition, values }
    }
}

/// All runs of three characters of a term.
fn trigrams(term: &str) -> Vec<String> {
    let characters: Vec<char> = term.chars().collect();
    characters.windows(TRIGRAM_CHARS).map(|three| three.iter().collect()).collect()
}
