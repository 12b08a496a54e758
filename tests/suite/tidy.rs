//! The repository tests itself: sizes, import arrows, banned words, documents that tell the truth.
//!
//! Every rule is a function from the tree to its findings. The first test runs all of them over the
//! repository; the second plants one violation per rule and expects it to be found at its line.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::path::Path;
use tree::{Finding, Tree};

type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("core rooms", arrows::core_rooms),
    ("automerge at home", arrows::automerge_at_home),
    ("core is pure", arrows::core_is_pure),
    ("server rooms", arrows::server_rooms),
    ("bindings rooms", arrows::bindings_rooms),
    ("crates", arrows::crates),
    ("file size", shape::file_size),
    ("rooms open with a doc", shape::rooms_open_with_a_doc),
    ("banned words", shape::banned_words),
    ("data stays data", shape::data_stays_data),
    ("top level", shape::top_level),
    ("changelog", shape::changelog),
    ("links", shape::links),
    ("settings are documented", shape::settings_are_documented),
    ("foreign paths", shape::foreign_paths),
    ("waivers", shape::waivers),
];

/// A violation: its rule, where it must be found, and the files that hold it.
type Plant = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const PLANTS: &[Plant] = &[
    (
        "core rooms",
        "core/src/store/rows.rs:3",
        &[("core/src/store/rows.rs", "//! x\nuse crate::id::A;\nuse crate::{wire, projection::Row};\n")],
    ),
    (
        "core rooms",
        "core/src/projection/mod.rs:2",
        &[("core/src/projection/mod.rs", "//! x\nfn f() { super::store::open(); }\n")],
    ),
    ("core rooms", "core/src/cellar/mod.rs:1", &[("core/src/cellar/mod.rs", "//! x\n")]),
    (
        "automerge at home",
        "core/src/rules/a.rs:2",
        &[("core/src/rules/a.rs", "//! x\nuse automerge::ROOT;\n")],
    ),
    (
        "core is pure",
        "core/src/wire/a.rs:2",
        &[("core/src/wire/a.rs", "//! x\nuse std::{fmt, time::Instant};\n")],
    ),
    (
        "core is pure",
        "core/src/wire/a.rs:2",
        &[("core/src/wire/a.rs", "//! x\nfn f() { jiff::Timestamp::now(); }\n")],
    ),
    ("core is pure", "core/src/id.rs:2", &[("core/src/id.rs", "//! x\nuse std::fs;\nuse std::fs::File;\n")]),
    (
        "server rooms",
        "sync-server/src/hub/a.rs:2",
        &[("sync-server/src/hub/a.rs", "//! x\nuse crate::{api, hub};\n")],
    ),
    (
        "server rooms",
        "sync-server/src/api/a.rs:2",
        &[("sync-server/src/api/a.rs", "//! x\nfn f() { rusqlite::Connection::open(a); }\n")],
    ),
    ("server rooms", "sync-server/src/shed.rs:1", &[("sync-server/src/shed.rs", "//! x\n")]),
    (
        "server rooms",
        "sync-server/src/hub/a.rs:2",
        &[("sync-server/src/hub/a.rs", "//! x\nuse axum::Router;\n")],
    ),
    (
        "bindings rooms",
        "bindings/src/net/a.rs:2",
        &[("bindings/src/net/a.rs", "//! x\nuse crate::sync::Line;\n")],
    ),
    (
        "bindings rooms",
        "bindings/src/sync/a.rs:2",
        &[("bindings/src/sync/a.rs", "//! x\nuse ureq::Agent;\n")],
    ),
    (
        "crates",
        "bindings/cli/Cargo.toml:2",
        &[("bindings/cli/Cargo.toml", "[dependencies]\nxunyuan-server = {}\n")],
    ),
    ("rooms open with a doc", "core/src/wire/mod.rs:1", &[("core/src/wire/run.rs", "//! x\n")]),
    (
        "rooms open with a doc",
        "core/src/id.rs:1",
        &[("core/src/lib.rs", "//! x\n"), ("core/src/id.rs", "use a;\n")],
    ),
    ("banned words", "core/src/id.rs:2", &[("core/src/id.rs", "//! x\nfn f() { g().unwrap(); }\n")]),
    ("banned words", "core/src/id.rs:1", &[("core/src/id.rs", "fn f() { todo!() }\n")]),
    ("banned words", "core/src/id.rs:1", &[("core/src/id.rs", "#![allow(dead_code)]\n")]),
    ("banned words", "bindings/a.rs:1", &[("bindings/a.rs", "pub use crate::id::*;\n")]),
    ("banned words", "README.md:2", &[("README.md", concat!("# x\nTO", "DO: write\n"))]),
    (
        "data stays data",
        "core/src/rules/a.rs:2",
        &[
            ("core/data/l.json", "{\"id\":\"led.x\"}"),
            ("core/src/rules/a.rs", "//! led.x\nconst A: &str = \"led.x\";\n"),
        ],
    ),
    ("top level", "notes.txt:1", &[("notes.txt", "x"), ("README.md", "x")]),
    (
        "changelog",
        "CHANGELOG.md:1",
        &[("Cargo.toml", "version = \"0.2.0\"\n"), ("CHANGELOG.md", "## 0.1.0\n")],
    ),
    ("links", "README.md:2", &[("README.md", "[a](README.md#x)\n[b](docs/none.md)\n")]),
    (
        "settings are documented",
        "core/src/id.rs:1",
        &[("core/src/id.rs", "const A: &str = \"XUNYUAN_X\";"), ("README.md", "XUNYUAN_X")],
    ),
    ("foreign paths", "core/src/id.rs:2", &[("core/src/id.rs", concat!("//! x\n// see /wo", "rk/notes\n"))]),
    (
        "waivers",
        "tests/suite/a.rs:1",
        &[("tests/suite/a.rs", "#[expect(dead_code)]\n#[expect(x, reason = \"y\")]\n")],
    ),
];

#[test]
fn the_repository_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the repository");
    let tree = Tree::read(root);
    let mut report = Vec::new();
    for (name, rule) in RULES {
        report.extend(rule(&tree).iter().map(|finding| format!("{finding} [{name}]")));
    }
    assert!(report.is_empty(), "{} findings:\n{}", report.len(), report.join("\n"));
}

#[test]
fn a_planted_violation_is_found_at_its_line() {
    for (name, place, files) in PLANTS {
        let found = run(name, files);
        let places: Vec<String> = found.iter().map(|f| format!("{}:{}", f.file, f.line)).collect();
        assert!(places.iter().any(|have| have == place), "`{name}` misses {place}: {places:?}");
    }
    let long = "//! x\n".repeat(601);
    assert_eq!(run("file size", &[("core/src/id.rs", &long)]).len(), 1);
    let allowed = "//! x\n".repeat(600);
    assert_eq!(run("file size", &[("core/src/id.rs", &allowed)]).len(), 0);
    for (name, _) in RULES {
        let planted = PLANTS.iter().any(|(rule, _, _)| rule == name) || *name == "file size";
        assert!(planted, "no violation is planted for `{name}`");
    }
}

#[test]
fn what_only_looks_like_a_violation_is_left_alone() {
    let clean: &[(&str, &str)] = &[
        ("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"\n"),
        ("CHANGELOG.md", "# Changes\n\n## 0.1.0 (2026-11-23)\n"),
        ("README.md", "[site](https://example.org) [core](core) [top](#top)\n"),
        ("core/data/l.json", "{\"id\":\"led.x\",\"note\":\"led. \"}"),
        (
            "core/src/lib.rs",
            "//! x\n// .unwrap() and std::time in a comment\nconst A: &str = \".unwrap() std::time::Instant led.xy\";\n\
             fn a<'time>(x: &'time str) {}\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use std::time::Instant;\n\
             #[test]\n    fn t() { b().unwrap(); c(\"led.x\"); }\n}\n",
        ),
        ("core/src/rules/mod.rs", "//! x\n#[cfg(test)]\nmod testing;\nmod testing_ground;\n"),
        ("core/src/rules/testing.rs", "//! x\nfn f() { g().unwrap(); std::time::Instant::now(); }\n"),
        ("core/src/replica/mod.rs", "//! x\nuse crate::{projection::Row, store::Store};\n"),
        ("core/src/replica/deep.rs", "//! x\nuse super::store_name;\nuse super::super::store::Store;\n"),
        ("core/src/document/mod.rs", "//! x\nuse automerge::Automerge;\n"),
        ("core/src/store/mod.rs", "//! x\nuse std::fs;\n"),
    ];
    let tree = Tree::of(clean);
    for (name, rule) in RULES {
        assert_eq!(rule(&tree), [], "{name}");
    }
}

fn run(name: &str, files: &[(&str, &str)]) -> Vec<Finding> {
    let (_, rule) = RULES.iter().find(|(rule, _)| *rule == name).expect("a rule of that name");
    rule(&Tree::of(files))
}
