//! The fifteen reports over sample records, with figures worked out by hand, and their formats.

mod branch;
mod formats;
mod programs;
mod tables;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;
use xunyuan_core::report::{Cell, DeviceStanding, Period, Request, Screen, Table, make, text};
use xunyuan_tests::records::{catalog, database, document, load, ms};

/// The records of the fixture, projected.
struct Office {
    catalog: Catalog,
    conn: Connection,
}

impl Office {
    fn new() -> Self {
        let text = include_str!("../../fixtures/reports/records.json");
        let fixture: Json = serde_json::from_str(text).unwrap();
        Self::of(fixture["records"].as_array().unwrap())
    }

    fn of(records: &[Json]) -> Self {
        let office = Self { catalog: catalog(), conn: database() };
        load(&office.conn, &office.catalog, records);
        office
    }

    fn make(&self, request: &Request, devices: &[DeviceStanding]) -> Result<Table, Error> {
        make(&self.conn, &self.catalog, request, devices, &mut |_| ())
    }

    /// A report as it stands at a time, in Chinese, with its paper form.
    fn table(&self, report: &str, period: &str, now: &str) -> Table {
        self.make(&asked(report, Some(period), now), &[]).unwrap()
    }
}

fn asked(report: &str, period: Option<&str>, now: &str) -> Request {
    Request {
        report: report.to_owned(),
        project: None,
        period: period.map(|text| Period::parse(text).unwrap()),
        record: None,
        now_ms: ms(now),
        english: false,
        sheets: true,
    }
}

/// The rows as people read them, the foot last.
fn rows(table: &Table) -> Vec<Vec<String>> {
    let all = table.rows.iter().chain(&table.foot);
    all.map(|row| row.iter().map(|cell| cell.text(table.english)).collect()).collect()
}
