//! Commands that look something up, and the decision of a conflict.

use serde_json::json;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, Row, RowKind};

use crate::args::ListArgs;
use crate::device::Device;
use crate::failure::Failure;
use crate::output::{Report, Tone};
use crate::show::{
    Listed, clashes_json, clashes_text, counts_json, counts_line, duty_json, entry_json, entry_text,
    history_json, history_text, inspection_json, inspection_text, rows_json, rows_text,
};

/// One record in full.
pub(super) fn show(device: &mut Device<'_>, record: &str) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let pending = device.replica.is_pending(row.document)?;
    let mut report = match row.kind {
        RowKind::Inspection => {
            let view = device.replica.inspection(row.document)?;
            let page = device.page();
            Report::done(inspection_json(&page, &view), inspection_text(&page, &view))
        }
        RowKind::Entry => {
            let view = device.replica.entry(row.document)?;
            let page = device.page();
            Report::done(entry_json(&page, &view), entry_text(&page, &view))
        }
    };
    report.json["pending"] = json!(pending);
    let counts = device.replica.file_counts(row.document)?;
    let page = device.page();
    report.json["files"] = counts_json(&page, &counts);
    if let Some(line) = counts_line(&page, &counts) {
        report.text.push_str(&format!("\n{line}"));
    }
    let next = continued_in(device, &row);
    report.json["continued_in"] = json!(next);
    if let Some(next) = next {
        let said = device.output.pick("(已封存,续录:", "(sealed, continued in");
        report.text.push_str(&format!("\n{}", device.output.tone(Tone::Warn, &format!("{said} {next})"))));
    }
    let moment = device.moment()?;
    let owed = device.replica.duties_of(row.document, &moment)?;
    let page = device.page();
    report.json["duties"] = json!(owed.iter().map(|view| duty_json(&page, view)).collect::<Vec<_>>());
    for view in owed.iter().filter(|view| !view.status.is_settled() && view.duty.is_waiting()) {
        let due = view.duty.due_ms.map_or_else(String::new, |at_ms| page.words.time(at_ms));
        let status = page.words.duty_status(view.status);
        report.text.push_str(&format!("\n{status}  {}  {due}", page.words.title(&view.duty.title)));
    }
    if pending {
        let said = device.output.pick("(有内容还没上传)", "(not all delivered yet)");
        report.text.push_str(&format!("\n{}", device.output.tone(Tone::Warn, said)));
    }
    Ok(report)
}

/// Goes on with a sealed record in its continuation.
pub(super) fn continue_record(device: &mut Device<'_>, record: &str) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let moment = device.moment()?;
    let next = device.replica.continue_record(row.document, &moment)?;
    let name = device.replica.record(next)?.name();
    let json = json!({ "continues": row.document.to_string(), "document": next.to_string(), "record": name });
    let said = device.output.pick("续录:", "continued in");
    Ok(Report::done(json, format!("{}  {said} {name}", row.name())))
}

/// The name of the record in which a sealed one goes on.
fn continued_in(device: &Device<'_>, row: &Row) -> Option<String> {
    let next = device.replica.continuation(row.document)?;
    device.replica.record(next).ok().as_ref().map(Row::name)
}

/// Records that fit a filter.
pub(super) fn list(device: &Device<'_>, args: &ListArgs) -> Result<Report, Failure> {
    let (now_ms, _) = device.clock.read();
    let filter = Filter {
        kind: args
            .checklist
            .as_ref()
            .map(|_| RowKind::Inspection)
            .or(args.ledger.as_ref().map(|_| RowKind::Entry)),
        definition: args.ledger.clone().or_else(|| args.checklist.clone()),
        project: args.project.clone(),
        state: args.state.clone(),
        overdue_at_ms: args.overdue.then_some(now_ms),
        mine: args.mine.then(|| device.replica.user().clone()),
        limit: Some(args.limit),
        ..Filter::default()
    };
    let rows = device.replica.list(&filter)?;
    rows_report(device, rows)
}

/// Records in which a text occurs.
pub(super) fn search(device: &Device<'_>, text: &str, limit: u32) -> Result<Report, Failure> {
    let rows = device.replica.search(text, limit)?;
    rows_report(device, rows)
}

/// What happened to a record.
pub(super) fn history(device: &mut Device<'_>, record: &str) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let lines = device.replica.history(row.document)?;
    let texts = device.replica.model(row.document)?.texts;
    let page = device.page();
    Ok(Report::done(history_json(&page, &row, &lines), history_text(&page, &row, &lines, &texts)))
}

/// Everything that waits for a decision.
pub(super) fn conflicts(device: &Device<'_>) -> Result<Report, Failure> {
    let clashes = device.replica.conflicts()?;
    let clashes: Vec<_> =
        clashes.into_iter().map(|clash| (device.replica.record(clash.document).ok(), clash)).collect();
    let page = device.page();
    Ok(Report::done(clashes_json(&page, &clashes), clashes_text(&page, &clashes)))
}

/// Decides a conflict; choices count from 1, as they are listed.
pub(super) fn resolve(
    device: &mut Device<'_>,
    record: &str,
    key: &str,
    choice: u32,
) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let place = usize::try_from(choice).ok().and_then(|choice| choice.checked_sub(1)).ok_or_else(|| {
        Failure::invalid(
            "choice_from_one",
            "序号从 1 开始,见 conflicts",
            "choices count from 1, see conflicts",
        )
    })?;
    let moment = device.moment()?;
    device.replica.resolve(row.document, key, place, &moment)?;
    let left = device.replica.conflicts()?.len();
    let json =
        json!({ "document": row.document.to_string(), "key": key, "choice": choice, "conflicts_left": left });
    let said = device.output.pick("已裁决", "decided");
    let rest = device.output.pick("还剩冲突", "conflicts left");
    let text = format!("{}  {}  {key}  {rest} {left}", device.output.tone(Tone::Good, said), row.name());
    Ok(Report::done(json, text))
}

/// A list with what of it waits for the branch.
fn rows_report(device: &Device<'_>, rows: Vec<Row>) -> Result<Report, Failure> {
    let documents: Vec<DocumentId> = rows.iter().map(|row| row.document).collect();
    let marks = device.replica.duty_marks(&documents, &device.moment()?)?;
    let listed = rows
        .into_iter()
        .map(|row| {
            let pending = device.replica.is_pending(row.document)?;
            let duty = marks.get(&row.document).copied();
            Ok(Listed { pending, continued_in: continued_in(device, &row), duty, row })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let page = device.page();
    Ok(Report::done(rows_json(&page, &listed), rows_text(&page, &listed)))
}
