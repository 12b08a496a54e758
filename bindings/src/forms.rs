//! What is filled in alike for everybody, whatever face they use.

use std::collections::BTreeMap;
use std::sync::Arc;
use xunyuan_core::definition::Ledger;
use xunyuan_core::document::model::Value;
use xunyuan_core::replica::Replica;
use xunyuan_core::rules::keys;

use crate::failure::{Failure, FailureKind};

/// The field of the person who took an entry first: whoever records it, unless somebody else is named.
const FIRST_CONTACT: &str = "first_contact";

/// A new entry, ready to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// Its project.
    pub project: String,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
}

/// The newest version of a ledger.
///
/// # Errors
/// `NotFound` with the ids that there are.
pub fn ledger(replica: &Replica, id: &str) -> Result<Arc<Ledger>, Failure> {
    replica.catalog().latest_ledger(id).cloned().ok_or_else(|| {
        let ids: Vec<&str> = replica.catalog().ledgers().map(|ledger| ledger.id.as_str()).collect();
        let ids = ids.join(" ");
        Failure::new(
            FailureKind::NotFound,
            "ledger_not_found",
            format!("本机没有这本台帐:{id};可用:{ids}"),
            format!("there is no such ledger here: {id}; there are: {ids}"),
        )
    })
}

/// Fills in what nobody types: who took the entry first, and the project: as named, as in the fields, or
/// the person's own.
///
/// # Errors
/// `Invalid` where no project is to be found.
pub fn new_entry(
    replica: &Replica,
    ledger: &Ledger,
    project: Option<&str>,
    mut fields: BTreeMap<String, Value>,
) -> Result<NewEntry, Failure> {
    if ledger.field(FIRST_CONTACT).is_some() && !fields.contains_key(FIRST_CONTACT) {
        fields.insert(FIRST_CONTACT.to_owned(), Value::Text(replica.user().to_string()));
    }
    let in_fields = fields.get(keys::PROJECT).and_then(Value::as_text);
    let own = replica.catalog().user(replica.user()).and_then(|user| user.project.clone());
    let project = project
        .or(in_fields)
        .map(str::to_owned)
        .or(own)
        .ok_or_else(|| Failure::invalid("project_needed", "请指明项目", "name the project"))?;
    Ok(NewEntry { project, fields })
}
