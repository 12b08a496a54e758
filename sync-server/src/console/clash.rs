//! What people wrote differently, with both values, who wrote them and when, and the choice between them.

use xunyuan_core::definition::Ledger;
use xunyuan_core::document::model::{Model, Value};
use xunyuan_core::report::Names;
use xunyuan_core::rules::keys::Key;
use xunyuan_core::rules::{self, Clash};

use super::entry::plain;
use super::record::Left;
use super::visit::Visit;
use crate::hub::Seen;

/// Something in dispute.
#[derive(Clone, Debug)]
pub(super) struct Dispute {
    pub(super) key: String,
    pub(super) title: String,
    pub(super) is_value: bool,
    pub(super) sides: Vec<Side>,
    pub(super) reason: String,
    pub(super) may_decide: bool,
}

/// One side of it.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) text: String,
    pub(super) by: String,
    pub(super) at_ms: i64,
    pub(super) counts_now: bool,
}

/// What is in dispute on a record.
pub(super) fn disputes(
    visit: &Visit,
    names: &Names<'_>,
    seen: &Seen,
    left: Option<&Left>,
    may_decide: bool,
) -> Vec<Dispute> {
    let clashes = rules::conflicts(visit.catalog(), &seen.model);
    clashes
        .into_iter()
        .map(|clash| {
            let form = format!("decide-{}", clash.key);
            let reason =
                left.filter(|left| left.form == form).map(|left| left.typed.text("reason").to_owned());
            of_clash(visit, names, &seen.model, clash, reason.unwrap_or_default(), may_decide)
        })
        .collect()
}

fn of_clash(
    visit: &Visit,
    names: &Names<'_>,
    model: &Model,
    clash: Clash,
    reason: String,
    may_decide: bool,
) -> Dispute {
    let ledger = visit.catalog().ledger(&model.definition);
    let sides = clash.sides.iter().enumerate().map(|(place, side)| Side {
        text: match &side.title {
            Some(title) => visit.title(title).to_owned(),
            None => said(visit, names, ledger.map(AsRef::as_ref), &clash.key, &side.value),
        },
        by: visit.person(&side.by),
        at_ms: side.at_ms,
        counts_now: place == 0,
    });
    Dispute {
        sides: sides.collect(),
        title: visit.title(&clash.title).to_owned(),
        is_value: clash.is_value,
        key: clash.key,
        reason,
        may_decide,
    }
}

/// A value of a field in the words that people read.
fn said(visit: &Visit, names: &Names<'_>, ledger: Option<&Ledger>, key: &str, value: &Value) -> String {
    let field = match Key::parse(key) {
        Some(Key::Field(id)) => ledger.and_then(|ledger| ledger.field(id)),
        _ => None,
    };
    match field {
        Some(field) => names.said(&visit.zone, field, &value.to_json()),
        None => plain(value),
    }
}
