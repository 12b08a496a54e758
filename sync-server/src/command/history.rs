//! `history`: every change of a record with what in the log proves it.

use data_encoding::HEXLOWER;
use serde_json::json;
use std::fmt::Write as _;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::Value;
use xunyuan_core::error::Error;
use xunyuan_core::id::UserId;
use xunyuan_core::time::rfc3339;

use super::output::{Lang, Report};
use super::report::named;
use super::{Context, UTC_OFFSET_MIN};
use crate::hub::{LoggedChange, Said};

/// Prints the history of the record that a number or an id names.
pub(super) fn run(context: &Context, record: &str) -> Result<Report, Error> {
    let hub = context.hub()?;
    let read = named(&hub, record).and_then(|document| Ok((document, hub.history(document)?)));
    let catalog = hub.catalog();
    hub.close()?;
    let (document, changes) = read?;
    let json = json!({
        "document": document.to_string(),
        "changes": changes.iter().map(LoggedChange::to_json).collect::<Vec<_>>(),
    });
    let mut text = document.to_string();
    for change in &changes {
        text.push_str(&change_text(&catalog, change, context.lang));
    }
    Ok(Report::done(json, text))
}

fn change_text(catalog: &Catalog, change: &LoggedChange, lang: Lang) -> String {
    let name = catalog.user(&UserId::new(change.user.as_str())).map(|user| user.name.as_str());
    let person = name.unwrap_or(change.user.as_str());
    let device = change.device.as_deref().unwrap_or(lang.pick("分公司服务器", "branch server"));
    let mut text = format!(
        "\n\n{} #{}  {}\n  {} {person}({})  {} {device}  {} {}",
        change.scope.as_str(),
        change.seq,
        HEXLOWER.encode(&change.chain),
        lang.pick("人员", "person"),
        change.user.as_str(),
        lang.pick("设备", "device"),
        lang.pick("收到", "received"),
        rfc3339(change.received_at_ms, UTC_OFFSET_MIN),
    );
    if let Some(skew_ms) = change.skew_ms {
        let mark = if change.is_suspicious() { lang.pick("(可疑)", " (suspicious)") } else { "" };
        let seconds = skew_ms / 1_000;
        // Writing to a text cannot fail.
        let _ = write!(text, "  {} {seconds:+} s{mark}", lang.pick("时钟偏差", "skew"));
    }
    for said in &change.said {
        let at = said.at_ms.map(|at_ms| rfc3339(at_ms, UTC_OFFSET_MIN)).unwrap_or_default();
        let _ = write!(text, "\n    {at:25}  {}  {}", said.what, words(said));
    }
    text
}

/// What was written, on one line.
fn words(said: &Said) -> String {
    let is_event = said.what.starts_with("event/") && said.value.is_null();
    let value = if is_event { String::new() } else { one_line(&said.value) };
    let data = said.data.iter().map(|(name, value)| format!("{name}={}", one_line(value)));
    std::iter::once(value).chain(data).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn one_line(value: &Value) -> String {
    let text = value.as_text().map_or_else(|| value.to_json().to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
