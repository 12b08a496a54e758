//! Data files with damage inside: single values that are not what their column says, pages that are not
//! what SQLite wrote, files that are cut off.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rusqlite::types::Value;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::projection::Filter;
use xunyuan_core::replica::Replica;
use xunyuan_core::time::Moment;

use crate::people::{FRONT_DESK, PROJECT, chosen, fields};
use crate::seed::Seed;
use crate::world::{MORNING_MS, World};

/// One value of a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its table.
    pub table: String,
    /// Its column.
    pub column: String,
    /// What the column holds: `TEXT`, `BLOB`, `INTEGER` or nothing.
    pub kind: String,
    /// The row, counted in the order of the table's key.
    pub row: u32,
    key: String,
}

impl Place {
    /// The same value of another row.
    #[must_use]
    pub fn of_row(self, row: u32) -> Self {
        Self { row, ..self }
    }
}

/// What is done to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// One bit is another.
    Bit,
    /// The second half is gone.
    Cut,
    /// Nothing is left.
    Empty,
    /// A value of another type.
    Type,
    /// Text that is no UTF-8; the largest number.
    Extreme,
    /// No value at all.
    Null,
}

/// Every harm.
pub const HARMS: [Harm; 6] = [Harm::Bit, Harm::Cut, Harm::Empty, Harm::Type, Harm::Extreme, Harm::Null];

/// The values of a file: every column of every table, in the last row of each.
///
/// # Panics
/// When the file cannot be read.
#[must_use]
pub fn places(path: &Path) -> Vec<Place> {
    let conn = Connection::open(path).expect("the file opens");
    let mut tables = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name")
        .expect("a file has a schema");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).expect("a query").map(|name| name.expect("a name")).collect();
    let mut places = Vec::new();
    for table in tables.into_iter().filter(|table| !table.starts_with("sqlite_")) {
        let mut columns =
            conn.prepare("SELECT name, type, pk FROM pragma_table_info(?1)").expect("a table has columns");
        let columns: Vec<(String, String, u32)> = columns
            .query_map([&table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("a query")
            .map(|column| column.expect("a column"))
            .collect();
        let keys: Vec<&str> =
            columns.iter().filter(|(.., pk)| *pk > 0).map(|(name, ..)| name.as_str()).collect();
        let key = if keys.is_empty() { "rowid".to_owned() } else { keys.join(", ") };
        let count: u32 = conn
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .expect("a table can be counted");
        let Some(row) = count.checked_sub(1) else { continue };
        places.extend(columns.iter().map(|(column, kind, _)| Place {
            table: table.clone(),
            column: column.clone(),
            kind: kind.clone(),
            row,
            key: key.clone(),
        }));
    }
    places
}

/// Harms one value in place; false where the value cannot be harmed like that.
///
/// What the schema forbids is written all the same, as a bad disk would: the table is lax meanwhile.
///
/// # Panics
/// When the file cannot be opened.
pub fn harm(path: &Path, place: &Place, harm: Harm) -> bool {
    let conn = Connection::open(path).expect("the file opens");
    let Place { table, column, key, row, kind } = place;
    let read = format!("SELECT {column} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {row}");
    let before: Value = conn.query_row(&read, [], |row| row.get(0)).expect("the value is there");
    let Some(after) = harmed(&before, kind, harm) else { return false };
    let write = format!(
        "UPDATE {table} SET {column} = {} WHERE ({key}) IN (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {row})",
        if matches!((harm, &after), (Harm::Extreme, Value::Blob(_))) { "CAST(?1 AS TEXT)" } else { "?1" }
    );
    let schema: String = conn
        .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .expect("a table has a schema");
    let lax = schema
        .replace(") STRICT", ")")
        .replace("),  WITHOUT", ") WITHOUT")
        .replace("), WITHOUT", ") WITHOUT");
    let lax = lax.replace(" NOT NULL", "");
    let put_schema = |sql: &str| {
        conn.execute_batch("PRAGMA writable_schema = ON")?;
        conn.execute(
            "UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1 AND type = 'table'",
            params![table, sql],
        )?;
        conn.execute_batch("PRAGMA writable_schema = RESET")
    };
    put_schema(&lax).expect("the schema can be written");
    let done = conn.execute(&write, [&after]).is_ok();
    put_schema(&schema).expect("the schema can be written");
    let now: Value = conn.query_row(&read, [], |row| row.get(0)).unwrap_or(Value::Null);
    done && now != before
}

fn harmed(before: &Value, kind: &str, harm: Harm) -> Option<Value> {
    let flipped = |mut bytes: Vec<u8>| {
        let at = bytes.len() / 2;
        *bytes.get_mut(at)? ^= 1;
        Some(bytes)
    };
    Some(match (before, harm) {
        (Value::Null, Harm::Type) => Value::Text("x".to_owned()),
        (Value::Null, Harm::Extreme) => Value::Integer(i64::MAX),
        (Value::Null, _) => return None,
        (_, Harm::Null) => Value::Null,
        (Value::Text(text), Harm::Bit) => {
            Value::Text(String::from_utf8(flipped(text.clone().into_bytes())?).ok()?)
        }
        (Value::Text(text), Harm::Cut) => Value::Text(text.chars().take(text.chars().count() / 2).collect()),
        (Value::Text(_), Harm::Empty) => Value::Text(String::new()),
        (Value::Text(_), Harm::Type | Harm::Extreme) => Value::Blob(vec![0xff, 0xfe, 0x00, 0x80]),
        (Value::Blob(bytes), Harm::Bit) => Value::Blob(flipped(bytes.clone())?),
        (Value::Blob(bytes), Harm::Cut) => Value::Blob(bytes[..bytes.len() / 2].to_vec()),
        (Value::Blob(_), Harm::Empty) => Value::Blob(Vec::new()),
        (Value::Blob(_), Harm::Type) => Value::Text("x".to_owned()),
        (Value::Blob(_), Harm::Extreme) => return None,
        (Value::Integer(number), Harm::Bit) => Value::Integer(number ^ 1),
        (Value::Integer(_), Harm::Cut) => Value::Integer(-1),
        (Value::Integer(_), Harm::Empty) => Value::Integer(0),
        (Value::Integer(_), Harm::Type) if kind == "INTEGER" => Value::Text("x".to_owned()),
        (Value::Integer(_), Harm::Type) => return None,
        (Value::Integer(_), Harm::Extreme) => Value::Integer(i64::MAX),
        (Value::Real(_), _) => return None,
    })
}

/// What came of the steps of a person's work on a device file, each with its name.
pub type Steps = Vec<(String, Result<(), Error>)>;

/// Opens a device file and does with it what a person and the app do, but for the exchange itself: look at
/// everything, write on every record, begin a new one, ask for an exchange. The replica, where it opens.
#[must_use]
pub fn work_on(path: &Path, moment: &Moment) -> (Steps, Option<Replica>) {
    let mut steps = Steps::new();
    let mut replica = match Replica::open(path) {
        Ok(replica) => replica,
        Err(error) => return (vec![("open".to_owned(), Err(error))], None),
    };
    let mut step = |name: &str, outcome: Result<(), Error>| steps.push((name.to_owned(), outcome));
    step("status", replica.status().map(drop));
    step("list", replica.list(&Filter::default()).map(drop));
    step("search", replica.search("渗水", 10).map(drop));
    step("find", replica.find("QT").map(drop));
    step("conflicts", replica.conflicts().map(drop));
    step("slots", replica.slots(moment).map(drop));
    step("refused", replica.refused().map(drop));
    step("drafts", replica.drafts().map(drop));
    step("export", replica.export().map(drop));
    for row in replica.list(&Filter::default()).unwrap_or_default() {
        let (id, name) = (row.document, row.document.to_string());
        step(&format!("{name} history"), replica.history(id).map(drop));
        step(&format!("{name} model"), replica.model(id).map(drop));
        let is_sheet = replica.catalog().checklist(&row.definition).is_some();
        if is_sheet {
            step(&format!("{name} view"), replica.inspection(id).map(drop));
            let answer = replica.answer(id, "pp.clean.02", chosen("pass"), moment);
            step(&format!("{name} write"), answer.map(drop));
        } else {
            step(&format!("{name} view"), replica.entry(id).map(drop));
            let edit = replica.edit_entry(id, fields(&[("owner_dept", "dept.sec")]), moment);
            step(&format!("{name} write"), edit.map(drop));
        }
    }
    let user = replica.user().as_str().to_owned();
    let call = fields(&[
        ("channel", "phone"),
        ("category", "fd.consult.fee"),
        ("content", "新登记"),
        ("first_contact", &user),
        ("urgency", "normal"),
        ("owner_dept", "dept.eng"),
    ]);
    step("create", replica.create_entry(FRONT_DESK, PROJECT, call, moment).map(drop));
    (steps, Some(replica))
}

/// True for an error that says what is wrong: not merely that something failed.
#[must_use]
pub fn is_clear(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt
            | ErrorKind::Damaged
            | ErrorKind::Full
            | ErrorKind::Protocol
            | ErrorKind::NotFound
            | ErrorKind::Newer
            | ErrorKind::Refused
            | ErrorKind::Invalid
    )
}

/// A device file with synchronized and unsent work of several kinds.
#[must_use]
pub fn device_file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let (mut world, device) = device_world();
        world.closed(device, |path| fs::read(path).expect("a device file can be read"))
    })
}

/// The world that [`device_file`] is from, with the device.
#[must_use]
pub fn device_world() -> (World, usize) {
    let mut world = World::new(Seed::of(303_000));
    let (device, other) = (world.enroll("u.fd01"), world.enroll("u.fd02"));
    let first = world.take_call(device, "卫生间渗水");
    world.take_call(other, "咨询物业费");
    world.settle();
    world.record(device, first, "assign", &[("owner_dept", "dept.eng")]);
    world.act(other, |r, moment| r.edit_entry(first, fields(&[("content", "渗水严重")]), moment));
    world.settle();
    world.act(device, |r, moment| r.edit_entry(first, fields(&[("urgency", "urgent")]), moment));
    world.take_call(device, "未上传的登记,渗水");
    (world, device)
}

/// The moment at which damaged files are worked on.
#[must_use]
pub const fn moment_of_work() -> Moment {
    Moment { unix_ms: MORNING_MS + 3_600_000, utc_offset_min: 480, entropy: [0x5a; 32] }
}

/// A device file with damage that the bytes say: pages first, then values.
///
/// # Panics
/// When a panic gets out of the product.
pub fn damaged_device(data: &[u8]) {
    let dir = TempDir::new().expect("a temporary folder can be made");
    let path = dir.path().join("device.xunyuan");
    let mut file = device_file().to_vec();
    let mut rest = data;
    let mut values = Vec::new();
    while let Some((&[kind, a, b, c, with], after)) = rest.split_first_chunk::<5>() {
        rest = after;
        let at = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        match kind % 4 {
            0 => {
                let at = at % file.len();
                file[at] ^= with.max(1);
            }
            1 if at > 0 => file.truncate(at.max(100)),
            _ => values.push((at, with)),
        }
    }
    fs::write(&path, &file).expect("a file can be written");
    if !values.is_empty() && file.len() == device_file().len() {
        let known = places(&path);
        for (at, with) in values {
            harm(&path, &known[at % known.len()], HARMS[usize::from(with) % HARMS.len()]);
        }
    }
    let (_, replica) = work_on(&path, &moment_of_work());
    if let Some(mut replica) = replica {
        replica.wake_now();
        let _ = replica.poll_request(&moment_of_work());
    }
}
