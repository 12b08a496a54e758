//! The definitions that ship inside the product, and the sample organisation.

use serde_json::Value;
use std::sync::OnceLock;

use super::{Definition, DefinitionKind, SourceFile, body, canonical};

/// The shipped files by name, manifest first.
const FILES: [(&str, &[u8]); 23] = [
    ("00-manifest.json", include_bytes!("../../data/00-manifest.json")),
    ("clause-catalog.json", include_bytes!("../../data/clause-catalog.json")),
    ("complaint-categories.json", include_bytes!("../../data/complaint-categories.json")),
    ("front-desk-categories.json", include_bytes!("../../data/front-desk-categories.json")),
    ("holidays.json", include_bytes!("../../data/holidays.json")),
    ("ledgers.json", include_bytes!("../../data/ledgers.json")),
    ("nonconformity-model.json", include_bytes!("../../data/nonconformity-model.json")),
    ("orgs-roles.json", include_bytes!("../../data/orgs-roles.json")),
    ("reports.json", include_bytes!("../../data/reports.json")),
    ("response-sets.json", include_bytes!("../../data/response-sets.json")),
    ("rules.json", include_bytes!("../../data/rules.json")),
    ("sample-org.json", include_bytes!("../../data/sample-org.json")),
    ("service-star.json", include_bytes!("../../data/service-star.json")),
    ("staffing.json", include_bytes!("../../data/staffing.json")),
    ("template-branch-visit.json", include_bytes!("../../data/template-branch-visit.json")),
    ("template-handover-event.json", include_bytes!("../../data/template-handover-event.json")),
    ("template-handover-unit.json", include_bytes!("../../data/template-handover-unit.json")),
    ("template-implementation-check.json", include_bytes!("../../data/template-implementation-check.json")),
    ("template-ims-audit.json", include_bytes!("../../data/template-ims-audit.json")),
    ("template-newsee-check.json", include_bytes!("../../data/template-newsee-check.json")),
    ("template-park-patrol.json", include_bytes!("../../data/template-park-patrol.json")),
    ("tiles.json", include_bytes!("../../data/tiles.json")),
    ("training.json", include_bytes!("../../data/training.json")),
];

/// The definitions that ship with the product, in the order of their files, without an organisation.
///
/// ```
/// let shipped = xunyuan_core::definition::embedded();
/// assert!(shipped.iter().any(|d| d.kind == xunyuan_core::definition::DefinitionKind::Ledger));
/// ```
#[must_use]
pub fn embedded() -> &'static [Definition] {
    shipped().0.as_slice()
}

/// The sample organisation: an invented branch with its projects and people.
#[must_use]
pub fn sample_organisation() -> &'static Definition {
    &shipped().1
}

/// The shipped files, as `definitions check` would read them from a directory.
#[must_use]
pub fn shipped_files() -> Vec<SourceFile> {
    FILES.iter().map(|(name, bytes)| SourceFile { name: (*name).to_owned(), bytes: bytes.to_vec() }).collect()
}

fn shipped() -> &'static (Vec<Definition>, Definition) {
    static SHIPPED: OnceLock<(Vec<Definition>, Definition)> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let mut definitions = Vec::new();
        let mut organisation = None;
        for (name, bytes) in FILES {
            let file = canonical::read(bytes).expect("the shipped files are JSON");
            for (_, value) in split(file) {
                if not_a_definition(&value) {
                    continue;
                }
                let parsed = body::parse(&value)
                    .unwrap_or_else(|wrong| panic!("shipped file {name}: {}", wrong.into_error()));
                if parsed.definition.kind == DefinitionKind::Organisation {
                    organisation = Some(parsed.definition);
                } else {
                    definitions.push(parsed.definition);
                }
            }
        }
        (definitions, organisation.expect("the sample organisation ships with the product"))
    })
}

/// The definitions of a file with the pointer where each begins: one, or one for each ledger.
pub(crate) fn split(file: Value) -> Vec<(String, Value)> {
    if schema_of(&file) != Some("xy/ledgers@1") {
        return vec![(String::new(), file)];
    }
    let ledgers = file.get("ledgers").and_then(Value::as_array).cloned().unwrap_or_default();
    let split = ledgers.into_iter().enumerate().map(|(at, mut ledger)| {
        if let Some(object) = ledger.as_object_mut() {
            object.insert("schema".to_owned(), Value::from(DefinitionKind::Ledger.schema()));
        }
        (format!("/ledgers/{at}"), ledger)
    });
    split.collect()
}

/// True for the files that lie beside definitions without being any: the manifest, samples, scenarios.
pub(crate) fn not_a_definition(file: &Value) -> bool {
    matches!(
        schema_of(file),
        Some("xy/manifest@1" | "xy/sample-records@1" | "xy/process-map@1" | "xy/scenarios@1")
    )
}

fn schema_of(file: &Value) -> Option<&str> {
    file.get("schema").and_then(Value::as_str)
}
