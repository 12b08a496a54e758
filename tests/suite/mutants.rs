//! The deliberate faults still fit the sources. That each is caught is shown by `--bin mutants`, which takes long.

use std::fs;
use xunyuan_tests::mutants::{all, root};

#[test]
fn every_mutant_changes_one_place() {
    let mutants = all();
    assert!(mutants.len() >= 24, "{}", mutants.len());
    for mutant in mutants {
        let source = fs::read_to_string(root().join(&mutant.file)).unwrap();
        assert_eq!(source.matches(&mutant.place()).count(), 1, "{} in {}", mutant.fault, mutant.file);
        assert_ne!(mutant.from, mutant.to, "{}", mutant.fault);
        assert!((1..=9).contains(&mutant.law), "{}", mutant.fault);
    }
}
