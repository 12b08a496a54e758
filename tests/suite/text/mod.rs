//! The processes of the management text, `tests/data/seed-process-map.json`, each a test named by its id.
//!
//! A test plays its process as the text tells it: who does it on which device, with signal or without;
//! what the rules make of it; what report, list or paper shows it in the end; and who may not do it.

mod complaint;
mod defaults;
mod desk;
mod guidance;
mod handover;
mod ims;
mod manage;
mod software;
mod stage;
mod team;
mod thin;
mod training;
mod visits;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

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
    assert_eq!(played, all);
}
