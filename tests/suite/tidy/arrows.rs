//! Who may import what. Receives the tree; hands on findings; the tables below are the drawing of
//! ARCHITECTURE.md in a form that a machine checks.

use crate::source::{Kind, Source, product};
use crate::tree::{Finding, Tree};

/// The rooms of the core and what each may import beside itself.
const CORE_ROOMS: &[(&str, &[&str])] = &[
    ("id", GROUND),
    ("time", GROUND),
    ("limits", GROUND),
    ("error", GROUND),
    ("sqlite", GROUND),
    ("definition", GROUND),
    ("media", &["id", "time", "limits", "error", "definition"]),
    ("document", &["id", "time", "limits", "error", "definition"]),
    ("rules", &["id", "time", "limits", "error", "definition", "document"]),
    ("action", &["id", "definition", "document", "rules"]),
    ("wire", &["id", "time", "limits", "error", "definition", "document", "rules"]),
    ("exchange", &["id", "time", "limits", "error", "definition", "document", "rules", "wire"]),
    (
        "store",
        &["id", "time", "limits", "error", "sqlite", "definition", "document", "rules", "wire", "exchange"],
    ),
    ("projection", &["id", "time", "limits", "error", "sqlite", "definition", "document", "rules", "wire"]),
    ("duty", &["id", "time", "limits", "error", "definition", "document", "rules", "projection"]),
    ("report", &["id", "time", "limits", "error", "definition", "rules", "projection"]),
    ("replica", EVERYTHING),
    ("lib", EVERYTHING),
];
const GROUND: &[&str] = &["id", "time", "limits", "error"];
const EVERYTHING: &[&str] = &[
    "id",
    "time",
    "limits",
    "error",
    "sqlite",
    "definition",
    "media",
    "document",
    "rules",
    "action",
    "wire",
    "exchange",
    "store",
    "projection",
    "duty",
    "report",
];

/// What the pure core never names: a clock, randomness, threads, the network, the process.
const IMPURE: &[&[&str]] = &[
    &["std", "time"],
    &["std", "net"],
    &["std", "thread"],
    &["std", "env"],
    &["std", "process"],
    &["getrandom"],
    &["rand"],
    &["fastrand"],
    &["tokio"],
    &["ureq"],
    &["axum"],
];

/// The rooms of the server and what each may import beside itself: `main → command → serve → routes →
/// api, console → auth → app → hub`; `demo` is a command that plays the others.
const SERVER_ROOMS: &[(&str, &[&str])] = &[
    ("vault", &[]),
    ("hub", &["vault"]),
    ("clock", &[]),
    ("config", &["vault"]),
    ("problem", &[]),
    ("metrics", &["hub"]),
    ("door", &["config", "metrics", "problem"]),
    ("app", &["clock", "config", "door", "hub", "metrics", "problem"]),
    ("asked", &["hub", "problem"]),
    ("auth", &["app", "config", "hub", "problem"]),
    ("courier", &["app", "config", "hub"]),
    ("hints", &["app", "hub", "problem"]),
    ("api", &["app", "asked", "auth", "hints", "hub", "metrics", "problem", "vault"]),
    ("console", &["app", "asked", "auth", "courier", "hints", "hub", "problem"]),
    ("routes", &["api", "app", "console", "problem"]),
    ("serve", &["app", "courier", "door", "hub", "routes"]),
    ("command", &["app", "clock", "config", "courier", "demo", "door", "hub", "import", "serve"]),
    ("import", &[]),
    ("demo", &["app", "clock", "command", "config", "door", "hub", "serve"]),
    ("lib", &[]),
    ("main", &["command"]),
];

/// The rooms of the device side beside the core, and what each may import.
const BINDINGS_ROOMS: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("clock", &["failure"]),
    ("net", &["failure"]),
    ("place", &["clock", "failure"]),
    ("sync", &["clock", "failure", "net", "place"]),
    ("words", &[]),
    ("files", &["clock", "failure", "net", "place", "sync"]),
    ("export", &["failure"]),
    ("forms", &["failure"]),
    ("held", &["clock", "failure", "files", "net", "place", "sync"]),
    ("screens", &["failure", "files", "held", "sync", "words"]),
    (
        "facade",
        &["clock", "export", "failure", "files", "forms", "held", "net", "place", "screens", "sync", "words"],
    ),
    ("bindgen", &[]),
    ("lib", &[]),
];

/// Crates that only some rooms of the device side may name.
const BINDINGS_CRATES: &[(&str, &[&str])] = &[
    ("getrandom", &["clock", "net"]),
    ("rustls", &["net"]),
    ("uniffi", &["bindgen", "facade", "lib", "screens"]),
    ("ureq", &["net"]),
];

/// Crates that only some rooms of the server may name.
const SERVER_CRATES: &[(&str, &[&str])] = &[
    ("axum", &["api", "app", "asked", "auth", "console", "door", "hints", "problem", "routes", "serve"]),
    ("askama", &["console"]),
    ("argon2", &["auth"]),
    ("rcgen", &["door"]),
    ("tokio_rustls", &["door"]),
    ("tower_http", &["problem", "routes"]),
    ("rusqlite", &["hub"]),
    ("hmac", &["courier"]),
    ("ureq", &["courier", "demo", "vault"]),
    ("object_store", &["vault"]),
];

/// Imports of the core: each room only what lies below it.
pub(crate) fn core_rooms(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in product(tree, &["core/src/"]) {
        let module = module_of(file);
        let room = module.first().map_or("lib", String::as_str);
        let Some((_, allowed)) = CORE_ROOMS.iter().find(|(name, _)| *name == room) else {
            findings.push(Finding::new(file, 1, format!("`{room}` is no room of the core: give it a place")));
            continue;
        };
        for (line, path) in Source::read(text).paths() {
            let Some(target) = room_named(&path, &module) else { continue };
            let known = CORE_ROOMS.iter().any(|(name, _)| *name == target);
            if known && target != room && !allowed.contains(&target) {
                findings.push(Finding::new(file, line, format!("`{room}` may not import `{target}`")));
            }
        }
    }
    findings
}

/// Only `document` names Automerge.
pub(crate) fn automerge_at_home(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in product(tree, &["core/src/", "sync-server/src/", "bindings/"]) {
        if file.starts_with("core/src/document/") {
            continue;
        }
        for token in Source::read(text).product() {
            if token.text == "automerge" && token.kind == Kind::Word {
                findings.push(Finding::new(file, token.line, "only core/src/document names automerge"));
            }
        }
    }
    findings
}

/// No clock, randomness, threads, network, process or files in the core.
pub(crate) fn core_is_pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in product(tree, &["core/src/"]) {
        let source = Source::read(text);
        for (line, path) in source.paths() {
            // A Duration is a number with a unit; the rest of std::time reads a clock.
            let span = begins(&path, &["std", "time", "Duration"]);
            let impure = !span && IMPURE.iter().any(|banned| begins(&path, banned));
            let clock = path.last().is_some_and(|last| last == "now");
            let files = begins(&path, &["std", "fs"])
                && !["store", "sqlite"].contains(&module_of(file).first().map_or("", String::as_str));
            if impure || clock || files {
                let path = path.join("::");
                findings.push(Finding::new(
                    file,
                    line,
                    format!("the core is pure: `{path}` comes in as an argument"),
                ));
            }
        }
        for token in source.product().filter(|token| token.text == "SystemTime" || token.text == "Instant") {
            findings.push(Finding::new(file, token.line, "the core reads no clock: take a Moment"));
        }
    }
    findings
}

/// The server's rooms import downwards only; the hub knows no HTTP, the rest no SQL.
pub(crate) fn server_rooms(tree: &Tree) -> Vec<Finding> {
    rooms(tree, "sync-server/src/", SERVER_ROOMS, SERVER_CRATES)
}

/// The rooms of the device side import downwards only; one of them knows HTTP.
pub(crate) fn bindings_rooms(tree: &Tree) -> Vec<Finding> {
    rooms(tree, "bindings/src/", BINDINGS_ROOMS, BINDINGS_CRATES)
}

/// Imports between the rooms of `folder`: each room only what its row allows, crates only where they live.
fn rooms(tree: &Tree, folder: &str, rooms: &[(&str, &[&str])], crates: &[(&str, &[&str])]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in product(tree, &[folder]) {
        let module = module_of(file);
        let room = module.first().map_or("lib", String::as_str);
        let Some((_, allowed)) = rooms.iter().find(|(name, _)| *name == room) else {
            findings.push(Finding::new(file, 1, format!("`{room}` is no room of {folder}: give it a place")));
            continue;
        };
        for (line, path) in Source::read(text).paths() {
            let target = room_named(&path, &module).filter(|target| *target != room);
            let is_room = target.is_some_and(|target| rooms.iter().any(|(name, _)| *name == target));
            let foreign = crates.iter().any(|(name, homes)| path[0] == *name && !homes.contains(&room));
            if foreign || (is_room && !target.is_some_and(|target| allowed.contains(&target))) {
                let path = path.join("::");
                findings.push(Finding::new(file, line, format!("`{room}` may not import `{path}`")));
            }
        }
    }
    findings
}

/// Core, server and bindings meet only as the drawing says.
pub(crate) fn crates(tree: &Tree) -> Vec<Finding> {
    let forbidden: &[(&str, &[&str])] = &[
        ("core/", &["xunyuan-server", "xunyuan-cli", "xunyuan-ffi", "uniffi", "axum", "tokio", "ureq"]),
        ("sync-server/", &["xunyuan-cli", "xunyuan-ffi", "uniffi"]),
        ("bindings/", &["xunyuan-server", "axum", "automerge"]),
        ("bindings/cli/", &["uniffi"]),
    ];
    let mut findings = Vec::new();
    for (folder, names) in forbidden {
        for (file, text) in tree.under(&[folder], "Cargo.toml") {
            for (at, line) in text.lines().enumerate() {
                let key = line.split(['=', '.']).next().unwrap_or_default().trim();
                if names.contains(&key) {
                    findings.push(Finding::new(file, at + 1, format!("{folder} may not depend on `{key}`")));
                }
            }
        }
    }
    findings
}

/// The module a file is: `core/src/wire/run.rs` is `[wire, run]`, the root is empty.
fn module_of(file: &str) -> Vec<String> {
    let path = file.split_once("/src/").map_or(file, |(_, path)| path).trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The room that a path written in `module` leads to, if it leads to one.
fn room_named<'a>(path: &'a [String], module: &[String]) -> Option<&'a str> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let first = match path.first()?.as_str() {
        "crate" => 1,
        "super" if ups == module.len() => ups,
        _ => return None,
    };
    path.get(first).map(String::as_str)
}

fn begins(path: &[String], with: &[&str]) -> bool {
    path.len() >= with.len() && path.iter().zip(with).all(|(have, want)| have == want)
}
