//! Today's slots of the schedule.

use serde_json::{Value as Json, json};
use xunyuan_core::replica::SlotView;
use xunyuan_ffi::words::Lang;

use super::page::{Page, definition_json, title_json};
use crate::output::Table;

/// The slots for programs.
pub(crate) fn slots_json(page: &Page<'_>, slots: &[SlotView]) -> Json {
    let one = |view: &SlotView| {
        let slot = &view.slot;
        json!({
            "slot": slot.key,
            "schedule": slot.schedule,
            "checklist": definition_json(&slot.checklist),
            "title": title_json(&slot.title),
            "project": slot.project,
            "document": slot.document.to_string(),
            "starts": slot.starts.to_string(),
            "late_from": slot.late.to_string(),
            "missed_from": slot.missed.to_string(),
            "state": view.state.id(),
            "started": view.is_started,
        })
    };
    json!({ "today": page.today(), "slots": slots.iter().map(one).collect::<Vec<_>>() })
}

/// The slots on a page.
pub(crate) fn slots_text(page: &Page<'_>, slots: &[SlotView]) -> String {
    let out = page.output;
    if page.words.catalog.organisation().is_none() {
        return out
            .pick("本机还没有组织和定义;请先同步", "no organisation and definitions here yet; sync first")
            .to_owned();
    }
    if slots.is_empty() {
        return out.pick("今天没有你的计划时段", "no slot of the schedule concerns you today").to_owned();
    }
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["时段", "检查表", "项目", "开始", "超时", "状态", "文档"],
        Lang::En => ["slot", "checklist", "project", "starts", "late from", "state", "document"],
    });
    for view in slots {
        let slot = &view.slot;
        table.row([
            slot.key.clone(),
            page.words.title(&slot.title).to_owned(),
            page.words.project(&slot.project),
            slot.starts.strftime("%m-%d %H:%M").to_string(),
            slot.late.strftime("%m-%d %H:%M").to_string(),
            page.words.slot_state(view.state).to_owned(),
            if view.is_started { slot.document.short() } else { String::new() },
        ]);
    }
    table.lines(out.columns()).join("\n")
}
