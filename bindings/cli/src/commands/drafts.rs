//! What the branch refused: look at it, apply it again, take it out, give it up.

use serde_json::json;
use std::path::Path;
use xunyuan_core::replica::RefusedDraft;
use xunyuan_ffi::export::write_new;

use crate::args::DraftsCommand;
use crate::device::Device;
use crate::failure::Failure;
use crate::output::{Report, Tone};
use crate::show::{ListedDraft, draft_name, draft_view_json, draft_view_text, drafts_json, drafts_text};

/// Carries out one action on drafts; listing them is what no action means.
pub(super) fn drafts(device: &mut Device<'_>, command: Option<&DraftsCommand>) -> Result<Report, Failure> {
    match command {
        None | Some(DraftsCommand::List) => list(device),
        Some(DraftsCommand::Show { draft }) => show(device, draft),
        Some(DraftsCommand::Apply { draft }) => apply(device, draft),
        Some(DraftsCommand::Export { draft, output }) => export(device, draft, output),
        Some(DraftsCommand::Discard { draft, yes }) => discard(device, draft, *yes),
    }
}

fn list(device: &Device<'_>) -> Result<Report, Failure> {
    let drafts = device.replica.drafts()?;
    let with_record = |draft: RefusedDraft| {
        let row = device.replica.record(draft.document).ok();
        (draft, row)
    };
    let drafts: Vec<ListedDraft> = drafts.into_iter().map(with_record).collect();
    let page = device.page();
    Ok(Report::done(drafts_json(&page, &drafts), drafts_text(&page, &drafts)))
}

fn show(device: &Device<'_>, draft: &str) -> Result<Report, Failure> {
    let view = device.replica.draft_view(named(device, draft)?.id)?;
    let row = device.replica.record(view.draft.document).ok();
    let page = device.page();
    Ok(Report::done(draft_view_json(&page, &view, row.as_ref()), draft_view_text(&page, &view, row.as_ref())))
}

fn apply(device: &mut Device<'_>, draft: &str) -> Result<Report, Failure> {
    let draft = named(device, draft)?;
    let moment = device.moment()?;
    let changes = device.replica.apply_draft(draft.id, &moment)?;
    let json = json!({
        "draft": draft.id.to_string(),
        "document": draft.document.to_string(),
        "changes": changes,
    });
    let said = device.output.pick("已重新提交,待上传", "applied again, waiting for the branch");
    Ok(Report::done(json, format!("{}  {}", device.output.tone(Tone::Good, said), draft_name(&draft))))
}

fn export(device: &Device<'_>, draft: &str, target: &Path) -> Result<Report, Failure> {
    let draft = named(device, draft)?;
    let bytes = device.replica.export_draft(draft.id)?;
    write_new(target, &bytes)?;
    let json = json!({ "draft": draft.id.to_string(), "file": target.display().to_string() });
    let said = device.output.pick("草稿已导出:", "draft exported:");
    Ok(Report::done(json, format!("{said} {}", target.display())))
}

fn discard(device: &mut Device<'_>, draft: &str, yes: bool) -> Result<Report, Failure> {
    let draft = named(device, draft)?;
    if !yes {
        return Err(Failure::invalid(
            "discard_needs_yes",
            "放弃后内容不可恢复;确定要放弃请加 --yes,想留底请先 drafts export",
            "what is given up cannot be brought back; add --yes to do it, or keep a copy first with drafts export",
        ));
    }
    let moment = device.moment()?;
    let changes = device.replica.discard_draft(draft.id, &moment)?;
    let json = json!({
        "draft": draft.id.to_string(),
        "document": draft.document.to_string(),
        "changes": changes,
    });
    let said = device.output.pick("已放弃草稿,更改数", "draft given up, changes");
    Ok(Report::done(json, format!("{}  {said} {changes}", draft_name(&draft))))
}

/// The draft that the start of an id names.
fn named(device: &Device<'_>, text: &str) -> Result<RefusedDraft, Failure> {
    let start = text.to_lowercase();
    let mut found = device.replica.drafts()?;
    found.retain(|draft| start.len() >= 4 && draft.id.to_string().starts_with(&start));
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::invalid(
            "draft_not_found",
            format!("没有这份草稿:{text}(请给出编号的前 4 位以上,见 drafts)"),
            format!("no such draft: {text} (give at least 4 digits of its id, see drafts)"),
        )),
        _ => Err(Failure::invalid(
            "draft_ambiguous",
            format!("有多份草稿符合,请写得更全:{text}"),
            format!("several drafts fit, say more of it: {text}"),
        )),
    }
}
