//! A table as one JSON object for programs.

use serde_json::{Map, Value, json as object};

use super::table::{Cell, Table};
use crate::definition::ColumnKind;
use crate::time::rfc3339;

/// The table as one JSON object: rows are objects by column id; moments are RFC 3339 with the
/// organisation's offset, lengths of time are milliseconds, shares are numbers from 0 to 1.
#[must_use]
pub fn json(table: &Table) -> Value {
    let columns: Vec<Value> = table
        .columns
        .iter()
        .map(|column| {
            object!({
                "id": column.id,
                "type": kind(column.kind),
                "title": { "zh": column.title.zh, "en": column.title.en },
            })
        })
        .collect();
    let row = |cells: &Vec<Cell>| -> Value {
        let named = table.columns.iter().zip(cells).map(|(column, cell)| (column.id.clone(), value(cell)));
        Value::Object(named.collect::<Map<_, _>>())
    };
    object!({
        "report": table.report,
        "title": { "zh": table.title.zh, "en": table.title.en },
        "period": table.period,
        "projects": table.projects,
        "as_of": rfc3339(table.as_of.unix_ms, table.as_of.utc_offset_min),
        "columns": columns,
        "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
        "foot": table.foot.as_ref().map(row),
        "notes": table.notes.iter().map(|note| object!({ "zh": note.zh, "en": note.en })).collect::<Vec<_>>(),
    })
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Integer(number) | Cell::Duration(number) => Value::from(*number),
        Cell::Decimal(number) | Cell::Percent(number) => Value::from(*number),
        Cell::Date(day) => Value::from(day.to_string()),
        Cell::Time(instant) => Value::from(rfc3339(instant.unix_ms, instant.utc_offset_min)),
    }
}

const fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Integer => "integer",
        ColumnKind::Decimal => "decimal",
        ColumnKind::Percent => "percent",
        ColumnKind::Date => "date",
        ColumnKind::Time => "instant",
        ColumnKind::Duration => "duration",
    }
}
