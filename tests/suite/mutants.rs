//! The deliberate faults still fit the sources. That each is caught is shown by `--bin mutants`, which takes long.

use std::fs;
use xunyuan_tests::mutants::{all, root};

#[test]
fn every_mutant_changes_one_place() {
    for mutant in all() {
        let source = fs::read_to_string(root().join(&mutant.file)).unwrap();
        assert_eq!(source.matches(&mutant.from).count(), 1, "{} in {}", mutant.fault, mutant.file);
        assert_ne!(mutant.from, mutant.to, "{}", mutant.fault);
    }
}
