//! Duties and reminders.

use serde_json::{Value as Json, json};
use xunyuan_core::duty::Reminder;
use xunyuan_core::replica::DutyView;
use xunyuan_ffi::words::Lang;

use super::page::{Page, title_json};
use crate::output::Table;

/// One duty for programs.
pub(crate) fn duty_json(page: &Page<'_>, view: &DutyView) -> Json {
    let duty = &view.duty;
    json!({
        "key": duty.key,
        "rule": duty.rule,
        "title": title_json(&duty.title),
        "project": duty.unit,
        "about": duty.subject.id(),
        "document": duty.subject.document().map(|document| document.to_string()),
        "name": view.name,
        "part": view.part.as_ref().map(title_json),
        "owners": duty.owners.iter().map(|owner| owner.id()).collect::<Vec<_>>(),
        "period": duty.period,
        "opens_at": page.stamp(duty.opens_ms),
        "due_at": duty.due_ms.map(|at_ms| page.stamp(at_ms)),
        "status": view.status.id(),
    })
}

/// The duties for programs.
pub(crate) fn duties_json(page: &Page<'_>, duties: &[DutyView]) -> Json {
    let one = |view| duty_json(page, view);
    json!({ "today": page.today(), "duties": duties.iter().map(one).collect::<Vec<_>>() })
}

/// The duties on a page.
pub(crate) fn duties_text(page: &Page<'_>, duties: &[DutyView]) -> String {
    let out = page.output;
    if duties.is_empty() {
        return out.pick("没有待办", "nothing is owed").to_owned();
    }
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["期限", "状态", "事项", "对象", "项目"],
        Lang::En => ["due", "status", "what", "about", "project"],
    });
    for view in duties {
        let duty = &view.duty;
        table.row([
            duty.due_ms.map_or_else(String::new, |at_ms| page.words.time(at_ms)),
            page.words.duty_status(view.status).to_owned(),
            page.words.title(&duty.title).to_owned(),
            page.words.duty_about(view),
            page.words.project(&duty.unit),
        ]);
    }
    table.lines(out.columns()).join("\n")
}

/// The reminders for programs.
pub(crate) fn reminders_json(page: &Page<'_>, reminders: &[Reminder]) -> Json {
    let one = |reminder: &Reminder| {
        json!({
            "key": reminder.key,
            "at": page.stamp(reminder.at_ms),
            "zh": reminder.sentence.zh,
            "en": reminder.sentence.en,
            "document": reminder.document.map(|document| document.to_string()),
            "duty": reminder.duty,
        })
    };
    json!({ "reminders": reminders.iter().map(one).collect::<Vec<_>>() })
}

/// The reminders on a page.
pub(crate) fn reminders_text(page: &Page<'_>, reminders: &[Reminder]) -> String {
    let out = page.output;
    if reminders.is_empty() {
        return out.pick("这几天没有提醒", "nothing to remind of").to_owned();
    }
    let line = |reminder: &Reminder| {
        let said = out.pick(&reminder.sentence.zh, &reminder.sentence.en);
        format!("{}  {said}", page.words.time(reminder.at_ms))
    };
    reminders.iter().map(line).collect::<Vec<_>>().join("\n")
}
