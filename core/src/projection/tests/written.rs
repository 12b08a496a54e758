//! Rows written from models over the real definitions.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::definition::{Catalog, embedded, sample_organisation};
use crate::document::model::{Event, Model, Register, Stamped, Value};
use crate::id::{DocumentId, ScopeId, UserId};
use crate::projection::{
    Filter, LineKind, RowKind, STEPS, conflicts, find, fingerprint, history, list, project, search, write,
};

/// 2026-11-20T09:42:00+08:00.
const AT_MS: i64 = 1_795_138_920_000;

fn catalog() -> Catalog {
    let mut definitions = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    Catalog::new(&definitions).unwrap()
}

fn text(value: &str, by: &str, at_ms: i64) -> Stamped {
    Stamped { value: Value::Text(value.to_owned()), by: UserId::new(by), at_ms }
}

fn alone(winner: Stamped) -> Register {
    Register { winner, others: Vec::new() }
}

fn event(id: &str, kind: &str, by: &str, at_ms: i64, from: &str, after: &[&str]) -> Event {
    Event {
        id: id.to_owned(),
        kind: kind.to_owned(),
        by: UserId::new(by),
        at_ms,
        from: from.to_owned(),
        after: after.iter().map(|id| (*id).to_owned()).collect(),
        data: BTreeMap::new(),
    }
}

fn entry(catalog: &Catalog, ledger: &str) -> Model {
    let mut model = Model::empty(DocumentId([0xe1; 16]), catalog.reference_of(ledger).unwrap().clone());
    for (field, value) in [("project_id", "pj.lanyuan"), ("created_by", "u.fd01"), ("owner_dept", "dept.eng")]
    {
        model.registers.insert(format!("field/{field}"), alone(text(value, "u.fd01", AT_MS)));
    }
    let created = Stamped { value: Value::Int(AT_MS), by: UserId::new("u.fd01"), at_ms: AT_MS };
    model.registers.insert("field/created_at".to_owned(), alone(created));
    model
}

fn front_desk(catalog: &Catalog) -> Model {
    let mut model = entry(catalog, "led.front_desk");
    model.registers.insert("field/handler".to_owned(), alone(text("u.eng01", "u.fd01", AT_MS + 1)));
    model.registers.insert("field/temp_no".to_owned(), alone(text("A7-0012", "u.fd01", AT_MS)));
    model.registers.insert("field/caller_phone".to_owned(), alone(text("138****0001", "u.fd01", AT_MS)));
    model.registers.insert(
        "field/category".to_owned(),
        Register {
            winner: text("fd.repair.leak", "u.fd01", AT_MS),
            others: vec![text("fd.help.elder", "u.fd02", AT_MS + 2)],
        },
    );
    model.texts.insert("content".to_owned(), "卫生间顶部滴水,怀疑楼上漏水".to_owned());
    model.events.push(event("e1", "create", "u.fd01", AT_MS, "", &[]));
    model.events.push(event("e2", "assign", "u.fd01", AT_MS + 120_000, "received", &["e1"]));
    model
}

fn opened() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    for step in STEPS {
        conn.execute_batch(step).unwrap();
    }
    conn
}

#[test]
fn an_entry_becomes_a_row_with_its_people_its_clashes_and_its_history() {
    let catalog = catalog();
    let scope = ScopeId::new("pj.lanyuan/desk");
    let mut model = front_desk(&catalog);
    let projected = project(&catalog, &scope, &model).unwrap();
    let row = &projected.row;
    assert_eq!((row.kind, row.state.as_str(), row.terminal), (RowKind::Entry, "assigned", false));
    assert_eq!((row.project.as_str(), row.title.as_str()), ("pj.lanyuan", "前台台帐"));
    assert_eq!(row.summary, "卫生间顶部滴水,怀疑楼上漏水");
    assert_eq!(row.temp_number.as_deref(), Some("A7-0012"));
    assert_eq!(row.handler, Some(UserId::new("u.eng01")));
    assert_eq!(row.owner_dept.as_deref(), Some("dept.eng"));
    assert_eq!(row.people, [UserId::new("u.eng01"), UserId::new("u.fd01")]);
    assert_eq!((row.created_at_ms, row.updated_at_ms), (AT_MS, AT_MS + 120_000));
    assert_eq!((row.clashes, row.contested), (1, 0));
    assert_eq!(projected.clashes[0].key, "field/category");
    assert_eq!(projected.clashes[0].choices.len(), 2);
    let events: Vec<(&str, &str)> = projected
        .history
        .iter()
        .filter(|line| line.kind == LineKind::Event)
        .map(|line| (line.what.as_str(), line.state.as_str()))
        .collect();
    assert_eq!(events, [("create", "received"), ("assign", "assigned")]);
    assert_eq!(projected.history.last().map(|line| line.what.as_str()), Some("assign"));

    let conn = opened();
    write(&conn, &catalog, &scope, &model).unwrap();
    let mine = Filter { mine: Some(UserId::new("u.eng01")), ..Filter::default() };
    assert_eq!(list(&conn, &mine).unwrap().len(), 1);
    assert_eq!(search(&conn, "滴水 138****", 10).unwrap().len(), 1);
    assert_eq!(find(&conn, "a7-0012").unwrap().len(), 1);
    assert_eq!(history(&conn, model.document).unwrap(), projected.history);
    assert_eq!(conflicts(&conn).unwrap(), projected.clashes);
    let before = fingerprint(&conn, &scope).unwrap();
    write(&conn, &catalog, &scope, &model).unwrap();
    assert_eq!(fingerprint(&conn, &scope).unwrap(), before);
    model.texts.insert("content".to_owned(), "已修好".to_owned());
    write(&conn, &catalog, &scope, &model).unwrap();
    assert!(search(&conn, "滴水", 10).unwrap().is_empty());
}

#[test]
fn a_clock_that_runs_ahead_does_not_keep_an_entry_on_top() {
    let catalog = catalog();
    let mut model = front_desk(&catalog);
    let three_days = 3 * 86_400_000;
    let ahead = Stamped {
        value: Value::Int(AT_MS + three_days),
        by: UserId::new("u.fd01"),
        at_ms: AT_MS + three_days,
    };
    model.registers.insert("field/created_at".to_owned(), alone(ahead));
    let scope = ScopeId::new("pj.lanyuan/desk");
    assert_eq!(project(&catalog, &scope, &model).unwrap().row.listed_at_ms, AT_MS + three_days);
    let number = text("QT-LY-20261120-0007", "sys.server", AT_MS + 60_000);
    model.registers.insert("field/no".to_owned(), alone(number));
    let row = project(&catalog, &scope, &model).unwrap().row;
    assert_eq!((row.listed_at_ms, row.created_at_ms), (AT_MS + 60_000, AT_MS + three_days));
    assert_eq!(row.number.as_deref(), Some("QT-LY-20261120-0007"));
}

#[test]
fn a_due_day_counts_to_its_end_in_the_organisations_time_zone() {
    let catalog = catalog();
    let mut model = entry(&catalog, "led.finding");
    model.registers.insert("field/due".to_owned(), alone(text("2026-11-24", "u.pt01", AT_MS)));
    model.events.push(event("e1", "raise", "u.pt01", AT_MS, "", &[]));
    let scope = ScopeId::new("pj.lanyuan/finding");
    let row = project(&catalog, &scope, &model).unwrap().row;
    // 2026-11-24T23:59:59.999+08:00.
    assert_eq!(row.due_ms, Some(1_795_535_999_999));
}

#[test]
fn a_sheet_becomes_a_row_for_everyone_who_filled_in_a_part() {
    let catalog = catalog();
    let reference = catalog.reference_of("tpl.park_patrol").unwrap().clone();
    let mut model = Model::empty(DocumentId([0x51; 16]), reference);
    model.registers.insert("header/project_id".to_owned(), alone(text("pj.lanyuan", "u.pt01", AT_MS)));
    model.registers.insert("header/inspectors/u.csl01".to_owned(), alone(text("x", "u.pt01", AT_MS)));
    model.registers.insert(
        "item/pp.green.01".to_owned(),
        Register { winner: text("pass", "u.pt01", AT_MS), others: vec![text("fail", "u.pt02", AT_MS + 1)] },
    );
    model.registers.insert("note/pp.green.01".to_owned(), alone(text("草坪裸露", "u.pt02", AT_MS)));
    model.events.push(event("e1", "create", "u.pt01", AT_MS, "", &[]));
    let scope = ScopeId::new("pj.lanyuan/patrol");
    let projected = project(&catalog, &scope, &model).unwrap();
    assert_eq!((projected.row.kind, projected.row.state.as_str()), (RowKind::Inspection, "open"));
    let people: Vec<&str> = projected.row.people.iter().map(UserId::as_str).collect();
    assert_eq!(people, ["u.csl01", "u.pt01", "u.pt02"]);
    assert!(projected.row.summary.starts_with("1/"), "{}", projected.row.summary);
    assert_eq!(projected.clashes[0].key, "item/pp.green.01");
    assert!(projected.text.contains("草坪裸露"));
}

#[test]
fn an_unknown_definition_is_an_error_that_writes_nothing() {
    let mut definition = catalog().reference_of("led.front_desk").unwrap().clone();
    definition.version = 99;
    let model = Model::empty(DocumentId([1; 16]), definition);
    let conn = opened();
    assert!(write(&conn, &catalog(), &ScopeId::new("pj.lanyuan/desk"), &model).is_err());
    assert!(list(&conn, &Filter::default()).unwrap().is_empty());
}
