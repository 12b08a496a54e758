//! The manifest: which files belong together and which vocabulary they use.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::super::body::{self, Misplaced};
use super::super::expr::EXPRESSION_OPS;
use super::super::field::MERGE_POLICIES;
use super::faults::{Faults, ID_PATTERN, Noun};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read so that unknown keys are refused; what is for people is not used")]
struct Manifest {
    name: String,
    locale: String,
    data_license_note_zh: Option<String>,
    created: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    id_rules: Option<IdRules>,
    #[serde(default)]
    merge_policies: BTreeMap<String, String>,
    #[serde(default)]
    expression_ops: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read so that unknown keys are refused; what is for people is not used")]
struct IdRules {
    pattern: String,
    #[serde(default)]
    stable: bool,
    #[serde(default)]
    never_reuse: bool,
    note_zh: Option<String>,
}

/// Checks a manifest against the names of the files around it; other files have nothing to check.
pub(crate) fn check(value: &Value, files: &[&str]) -> Vec<Misplaced> {
    if value.get("schema").and_then(Value::as_str) != Some("xy/manifest@1") {
        return Vec::new();
    }
    let manifest: Manifest = match body::typed(value.clone()) {
        Ok(manifest) => manifest,
        Err(wrong) => return vec![wrong],
    };
    let mut faults = Faults::new(BTreeSet::new());
    for (at, name) in manifest.files.iter().enumerate() {
        faults.refers(format!("/files/{at}"), Noun("文件", "file"), name, files.iter().copied());
    }
    for policy in manifest.merge_policies.keys() {
        let noun = Noun("合并策略", "merge policy");
        faults.refers(format!("/merge_policies/{policy}"), noun, policy, MERGE_POLICIES);
    }
    for (at, op) in manifest.expression_ops.iter().enumerate() {
        let noun = Noun("表达式运算", "expression operator");
        faults.refers(format!("/expression_ops/{at}"), noun, op, EXPRESSION_OPS);
    }
    if let Some(rules) = manifest.id_rules.filter(|rules| rules.pattern != ID_PATTERN) {
        let noun = Noun("编号规则", "id pattern");
        faults.refers("/id_rules/pattern", noun, &rules.pattern, [ID_PATTERN]);
    }
    faults.into_list()
}
