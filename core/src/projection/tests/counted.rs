//! Lists by scope, field, time and order; counts for tiles and charts.

use super::{documents, opened, sample};
use crate::id::{ScopeId, UserId};
use crate::projection::{Filter, Flow, Order, Within, ages, count_up_to, fields, flows, list, pairs, scans};

const DAY: i64 = 86_400_000;

fn scope(name: &str) -> ScopeId {
    ScopeId::new(name)
}

/// Five records: two scopes, three days, two departments, one of them ended.
fn five() -> rusqlite::Connection {
    let conn = opened();
    for seed in 1..=5_u8 {
        let mut projected = sample(seed);
        let row = &mut projected.row;
        row.listed_at_ms = DAY * i64::from(seed);
        row.grade = Some(if seed % 2 == 0 { "major" } else { "minor" }.to_owned());
        row.handler = Some(UserId::new(if seed < 3 { "u.eng01" } else { "u.eng02" }));
        if seed == 5 {
            row.scope = scope("pj.xiyuan/desk");
        }
        if seed == 2 {
            row.terminal = true;
            row.ended_at_ms = Some(DAY * 4 + 1);
        }
        let (dept, clauses) = if seed < 4 { ("dept.eng", r#"["7.1","7.2"]"#) } else { ("dept.sec", "[]") };
        projected.facts = format!(r#"{{"f":{{"dept":"{dept}"}},"s":{{"clauses":{clauses}}}}}"#);
        projected.store(&conn).unwrap();
    }
    conn
}

#[test]
fn a_list_shows_what_lies_within_the_scopes_and_fits_every_condition() {
    let conn = five();
    let found = |filter: &Filter| documents(&list(&conn, filter).unwrap());
    let here = Filter { scopes: Some(vec![scope("pj.lanyuan/desk")]), ..Filter::default() };
    assert_eq!(found(&here), [4, 3, 2, 1]);
    assert_eq!(found(&Filter { scopes: Some(Vec::new()), ..here.clone() }), [] as [u8; 0]);
    assert_eq!(found(&Filter { handler: Some(UserId::new("u.eng01")), ..here.clone() }), [2, 1]);
    assert_eq!(found(&Filter { since_ms: Some(DAY * 2), until_ms: Some(DAY * 4), ..here.clone() }), [3, 2]);
    let holding = |field: &str, value: &str| Filter {
        fields: vec![(field.to_owned(), value.to_owned())],
        ..Filter::default()
    };
    assert_eq!(found(&holding("dept", "dept.sec")), [5, 4]);
    assert_eq!(found(&holding("clauses", "7.2")), [3, 2, 1], "an element of a set");
    assert_eq!(found(&holding("dept' OR 1", "dept.sec")), [] as [u8; 0]);
    assert_eq!(found(&holding("x\".\"y", "1")), [] as [u8; 0], "no way out of the quotes");
    assert_eq!(count_up_to(&conn, &Filter::default(), 3).unwrap(), 3, "no further than asked");
    assert_eq!(count_up_to(&conn, &here, 100).unwrap(), 4);
    let first = list(&conn, &here).unwrap().remove(0);
    assert_eq!(fields(&conn, first.document).unwrap()["dept"], "dept.sec");
}

#[test]
fn every_order_has_two_ends_and_an_id() {
    let conn = five();
    for (order, id) in Order::ALL {
        assert_eq!((Order::of(id), order.id()), (Some(order), id));
        let found = |reversed| {
            documents(&list(&conn, &Filter { order, reversed, ..Filter::default() }).unwrap()).len()
        };
        assert_eq!((found(false), found(true)), (5, 5));
    }
    let by_number = |reversed| {
        documents(&list(&conn, &Filter { order: Order::Number, reversed, ..Filter::default() }).unwrap())
    };
    assert_eq!(by_number(false), [1, 2, 3, 4, 5]);
    assert_eq!(by_number(true), [5, 4, 3, 2, 1]);
    assert_eq!(Order::of("fly"), None);
}

#[test]
fn counts_stay_within_the_scopes() {
    let conn = five();
    let scopes = [scope("pj.lanyuan/desk")];
    let within = Within { definition: "led.front_desk", scopes: &scopes };
    let minor = |age, count| (Some("minor".to_owned()), age, count);
    let major = |age, count| (Some("major".to_owned()), age, count);
    assert_eq!(ages(&conn, within, &[DAY * 4, DAY * 2]).unwrap(), [major(0, 1), minor(1, 1), minor(2, 1)]);
    assert_eq!(ages(&conn, within, &[]).unwrap(), [major(0, 1), minor(0, 2)]);
    let days = flows(&conn, within, DAY * 2, DAY, 3).unwrap();
    let flow = |begun, ended| Flow { begun, ended };
    assert_eq!(days, [flow(1, 0), flow(1, 0), flow(1, 1)]);
    let counted = pairs(&conn, within, ("clauses", "dept"), false).unwrap();
    let pair = |row: &str, column: &str| counted.get(&(row.to_owned(), column.to_owned())).copied();
    assert_eq!(pair("7.1", "dept.eng"), Some(3));
    assert_eq!(pair("", "dept.sec"), Some(1), "a record without a clause counts under none");
    let open = pairs(&conn, within, ("clauses", "dept"), true).unwrap();
    assert_eq!(open[&("7.1".to_owned(), "dept.eng".to_owned())], 2);
    let nobody = Within { scopes: &[], ..within };
    assert!(ages(&conn, nobody, &[DAY]).unwrap().is_empty() && scans(&conn, nobody, 0).unwrap().is_empty());
}
