//! The processes of the management text, `tests/data/seed-process-map.json`, each a test named by its id.
//!
//! A test plays its process as the text tells it: who does it on which device, with signal or without;
//! what the rules make of it; what report, list or paper shows it in the end; and who may not do it.

mod defaults;
mod handover;
mod ims;
mod manage;
mod stage;
mod thin;
mod training;
mod visits;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

/// Processes that no test plays yet.
const NOT_PLAYED: &[u32] = &[19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36];

#[test]
fn every_process_of_the_text_has_its_test() {
    let map: Json = serde_json::from_str(include_str!("../../data/seed-process-map.json")).unwrap();
    let number = |id: &str| id.trim_start_matches("sp.").parse::<u32>().unwrap();
    let all: BTreeSet<u32> =
        map["processes"].as_array().unwrap().iter().map(|one| number(one["id"].as_str().unwrap())).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/text");
    let mut played = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.split("#[test]\nfn sp_").skip(1) {
            let number: String = name.chars().take_while(char::is_ascii_digit).collect();
            assert!(played.insert(number.parse().unwrap()), "sp_{number} is there twice");
        }
    }
    let waiting: BTreeSet<u32> = NOT_PLAYED.iter().copied().collect();
    assert!(played.is_disjoint(&waiting), "{played:?} are played: take them out of the list");
    assert_eq!(played.union(&waiting).copied().collect::<BTreeSet<u32>>(), all);
}
