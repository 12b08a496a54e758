//! Mistakes in reports, one at a time, and what the check says to each.

use serde_json::{Value, json};

use super::tests::mistake;

/// Puts a value into a report's layout or paper; the check must point there, or to `below` of it.
fn wrong(place: &str, value: &Value, below: &str, about: &str) {
    let pointer = format!("/reports/{place}");
    mistake("reports.json", &pointer, value, &format!("{pointer}{below}"), about);
}

#[test]
fn a_column_that_names_what_is_not_there_is_reported_where_it_stands() {
    let show = "0/layout/columns/5/show";
    for (value, below, about) in [
        (json!({"field": "grade"}), "/field", "no field \"grade\""),
        (json!({"top_category": "content"}), "/top_category", "no field \"content\""),
        (json!({"allowed": ["level", "lunch_h"]}), "/allowed/1", "no time allowed: \"lunch_h\""),
        (json!({"allowed": ["content", "resolve_h"]}), "/allowed/0", "no field \"content\""),
        (json!({"answer": "pp.green.01"}), "/answer", "no item \"pp.green.01\""),
        (json!({"signed": "pm_sign"}), "/signed", "no place to sign \"pm_sign\""),
        (json!({"filled": ["content", "facts"]}), "/filled/0", "no field \"content\""),
        (json!({"event": {"take": "at", "kinds": ["fly"]}}), "/event/kinds/0", "no event \"fly\""),
        (json!({"event": {"take": "mood"}}), "/event/take", "no part of an event: \"mood\""),
        (json!({"lines": ["visits", ["colour"]]}), "/lines/1/0", "no field \"colour\""),
        (json!({"line_count": "content"}), "/line_count", "no field with lines"),
        (json!({"first": ["row", {"field": "grade"}]}), "/first/1/field", "no field \"grade\""),
        (json!({"join": [[{"field": "grade"}], " "]}), "/join/0/0/field", "no field \"grade\""),
        (json!({"elapsed": ["begun_at", {"field": "grade"}]}), "/elapsed/1/field", "no field \"grade\""),
        (json!({"days_late": [{"field": "grade"}, "as_of"]}), "/days_late/0/field", "no field \"grade\""),
        (json!({"people_of": ["begun_by", ["dept.sea"]]}), "/people_of/1/0", "no department \"dept.sea\""),
        (json!({"failure_count": ["fatal"]}), "/failure_count/0", "no severity \"fatal\""),
        (
            json!({"findings": {"count": {"is": [{"field": "severity"}, ["fatal"]]}}}),
            "/findings/count/is/1/0",
            "no option \"fatal\"",
        ),
        (
            json!({"choose": {"when": {"given": {"field": "grade"}}, "then": "row"}}),
            "/choose/when/given/field",
            "no field \"grade\"",
        ),
    ] {
        wrong(show, &value, below, about);
    }
}

#[test]
fn what_a_group_cannot_say_is_reported_where_it_stands() {
    let tally = "1/layout/columns/1/tally";
    for (value, below, about) in [
        (json!({"key": 1}), "/key", "nothing groups the table in place 1"),
        (json!({"rank": "height"}), "/rank", "no column \"height\""),
        (json!({"people": ["dept.sea"]}), "/people/0", "no department \"dept.sea\""),
        (json!({"spread": {"field": "grade"}}), "/spread/field", "no field \"grade\""),
        (
            json!({"of": [["led.star"], {"count": "always"}]}),
            "/of/0/0",
            "no source of this report: \"led.star\"",
        ),
        (json!({"change": {"sum": {"field": "grade"}}}), "/change/sum/field", "no field \"grade\""),
        (json!({"before": {"top": [3, {"field": "grade"}]}}), "/before/top/1/field", "no field \"grade\""),
        (json!({"list": ["number", {"is": [{"field": "level"}, ["huge"]]}]}), "/list/1/is/1/0", "no option"),
        (json!({"count": {"is": ["state", ["lost"]]}}), "/count/is/1/0", "no state \"lost\""),
        (json!({"count": {"happened": {"kinds": ["fly"]}}}), "/count/happened/kinds/0", "no event \"fly\""),
        (
            json!({"share": [{"count": "always"}, {"count": {"at_most": ["due_at", {"field": "grade"}]}}]}),
            "/share/1/count/at_most/1/field",
            "no field \"grade\"",
        ),
    ] {
        wrong(tally, &value, below, about);
    }
    // A field of one source may be read over several; what none of them has may not.
    wrong("3/layout/group_by/0", &json!({"top_category": "grade"}), "/top_category", "no field \"grade\"");
    let of_units = json!({"of": [["tpl.handover_unit"], {"sum": {"field": "daily_capacity"}}]});
    wrong("12/layout/columns/1/tally", &of_units, "/of/1/sum/field", "no field \"daily_capacity\"");
}

#[test]
fn layouts_that_do_not_fit_together_are_reported() {
    for (place, value, below, about) in [
        ("0/layout/records/0/of", json!("led.none"), "", "no source of a report: \"led.none\""),
        ("0/layout/records/0/during", json!({"event": ["fly"]}), "/event/0", "no event \"fly\""),
        ("9/layout/records/0/during", json!({"field": "topic"}), "/field", "no field \"topic\""),
        ("12/layout/records/1/during/span/1", json!("units_total"), "", "no field \"units_total\""),
        ("12/layout/records/1/group_by", json!([]), "", "as many readings"),
        ("2/layout/sort", json!(["-height"]), "/0", "no column \"height\""),
        ("1/layout/group_by/0", json!({"field": "level"}), "/../../every_project", "every project"),
        ("0/layout/columns/1/id", json!("seq"), "", "used twice"),
        ("0/layout/columns/1/tally", json!("period"), "/..", "no tally"),
        ("1/layout/columns/1/show", json!("number"), "/..", "a column has a tally"),
        ("0/layout/columns/1/foot", json!("sum"), "", "under this column"),
        ("0/layout/columns/1/foot", json!("tally"), "", "under this column"),
        ("11/layout/columns/0/show", json!({"field": "colour"}), "/field", "no field \"colour\""),
        ("4/paper/per", json!("tpl.guanbiao_check"), "", "no source of this report"),
        ("4/paper/parts/0/boxes/1/show", json!({"field": "mood"}), "/field", "no field \"mood\""),
        ("4/paper/parts/2", json!({"lines": "pp.none"}), "/lines", "no field with lines"),
        ("4/paper/parts/3/findings/0/show", json!({"field": "mood"}), "/field", "no field \"mood\""),
        ("6/paper/parts/1", json!({"photos": ["statement"]}), "/photos/0", "no field with photos"),
        ("0/paper/parts/0", json!("items"), "", "a sheet for each record"),
        ("0/paper/parts/1/signatures/0/show", json!("number"), "", "the project only"),
    ] {
        let (mut place, mut below) = (format!("/reports/{place}"), below);
        let pointer = place.clone();
        while let Some(rest) = below.strip_prefix("/..") {
            place.truncate(place.rfind('/').unwrap());
            below = rest;
        }
        mistake("reports.json", &pointer, &value, &format!("{place}{below}"), about);
    }
}
