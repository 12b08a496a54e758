//! An inspection on a page: the sheet with its answers, what is missing and the score.

use xunyuan_core::document::model::Stamped;
use xunyuan_core::id::DefinitionRef;
use xunyuan_core::rules::keys;
use xunyuan_core::rules::sheet::{
    HeaderView, InspectionView, ItemView, Missing, MissingKind, ScanView, Score, SectionView, Signed,
};

use super::page::Page;
use crate::output::{Tone, pad};

/// What a complete record lacks, a line each.
pub(crate) fn missing_lines(page: &Page<'_>, missing: &[Missing]) -> Vec<String> {
    missing.iter().map(|lack| format!("  · {}  {}", lack.id, page.words.sentence(&lack.sentence))).collect()
}

/// The sheet on a page.
pub(crate) fn inspection_text(page: &Page<'_>, view: &InspectionView) -> String {
    let out = page.output;
    let mut lines = vec![
        format!(
            "{}  {}  {}",
            out.tone(Tone::Strong, page.words.title(&view.title)),
            view.project.as_deref().map_or_else(String::new, |id| page.words.project(id)),
            page.words.title(&view.state.title()),
        ),
        page.faint(&format!("{}  v{}  {}", view.checklist.id, view.checklist.version, view.document)),
    ];
    lines.push(score_text(page, &view.score));
    lines.extend(view.header.iter().map(|field| header_text(page, &view.checklist, field)));
    for section in &view.sections {
        lines.extend(section_text(page, &view.checklist, section));
    }
    let checklist = page.words.catalog.checklist(&view.checklist);
    for group in view.groups.iter().filter(|group| !group.lines.is_empty()) {
        lines.push(String::new());
        lines.push(
            out.tone(Tone::Strong, &format!("{}  {}", page.words.title(&group.title), page.faint(&group.id))),
        );
        for line in &group.lines {
            let known =
                checklist.and_then(|list| list.repeat_groups.iter().find(|known| known.id == group.id));
            let one = |(id, stamped): &(String, Stamped)| {
                let key = keys::group(&group.id, &line.id, id);
                format!(
                    "{}: {}",
                    page.words.label(id, known.and_then(|known| known.field(id))),
                    page.words.key_value(&view.checklist, &key, &stamped.value)
                )
            };
            lines.push(format!("  {}", line.fields.iter().map(one).collect::<Vec<_>>().join("  ")));
        }
    }
    lines.extend(scans_text(page, &view.scans));
    lines.extend(closing_text(page, view));
    if !view.missing.is_empty() {
        lines.push(String::new());
        let count = view.missing.len();
        let head = out.pick("还缺", "still missing");
        lines.push(out.tone(Tone::Warn, &format!("{head} {count}")));
        // Open answers and checkpoints are marked above, each in its place.
        let elsewhere = |lack: &&Missing| !matches!(lack.kind, MissingKind::Answer | MissingKind::Scan);
        let others: Vec<Missing> = view.missing.iter().filter(elsewhere).cloned().collect();
        lines.extend(missing_lines(page, &others));
    }
    lines.join("\n")
}

/// The result so far, on one line.
pub(crate) fn score_text(page: &Page<'_>, score: &Score) -> String {
    let out = page.output;
    let mut parts = Vec::new();
    if let Some(percent) = score.percent {
        parts.push(format!("{} {percent:.1}%", out.pick("得分", "score")));
    }
    parts.push(format!("{} {}", out.pick("计分项", "counted"), score.counted));
    if score.failed > 0 {
        parts.push(out.tone(Tone::Bad, &format!("{} {}", out.pick("不合格", "failing"), score.failed)));
    }
    if score.critical_failed > 0 {
        parts.push(
            out.tone(Tone::Bad, &format!("{} {}", out.pick("关键项", "critical"), score.critical_failed)),
        );
    }
    parts.extend(
        score.counts.iter().filter(|(_, count)| *count > 0).map(|(id, count)| format!("{id} {count}")),
    );
    match score.passed {
        Some(true) => parts.push(out.tone(Tone::Good, out.pick("结论 合格", "result: pass"))),
        Some(false) => parts.push(out.tone(Tone::Bad, out.pick("结论 不合格", "result: fail"))),
        None => {}
    }
    parts.join("  ")
}

/// One header field with its values.
pub(crate) fn header_text(page: &Page<'_>, checklist: &DefinitionRef, field: &HeaderView) -> String {
    let label = field.title.as_ref().map_or(field.id.as_str(), |title| page.words.title(title));
    let key = keys::header(&field.id);
    let definition = page.words.catalog.checklist(checklist);
    let known = definition.and_then(|list| list.header_fields.iter().find(|known| known.id == field.id));
    let shows_all = field.is_clash || known.is_some_and(|known| known.kind.is_many());
    let counted = if shows_all { field.values.len() } else { 1 };
    let values: Vec<String> = field
        .values
        .iter()
        .take(counted)
        .map(|stamped| page.words.key_value(checklist, &key, &stamped.value))
        .collect();
    let shown = if values.is_empty() {
        page.faint(if field.required { page.output.pick("(必填)", "(required)") } else { "-" })
    } else {
        values.join(page.output.pick("、", ", "))
    };
    let clash = if field.is_clash { clash_mark(page) } else { String::new() };
    let id = if label == field.id { String::new() } else { format!(" {}", page.faint(&field.id)) };
    format!("  {label}{id}: {shown}{clash}")
}

fn section_text(page: &Page<'_>, checklist: &DefinitionRef, section: &SectionView) -> Vec<String> {
    let out = page.output;
    let mut head = format!("{}  {}/{}", page.words.title(&section.title), section.answered, section.visible);
    if section.failed > 0 {
        head.push_str(&format!("  {} {}", out.pick("不合格", "failing"), section.failed));
    }
    let mut lines = vec![String::new(), out.tone(Tone::Strong, &head)];
    let widest = section.items.iter().map(|item| item.id.len()).max().unwrap_or(0);
    for item in section.items.iter().filter(|item| item.is_visible) {
        lines.extend(item_text(page, checklist, item, widest));
    }
    lines
}

/// One item with its answer and what it still lacks.
pub(crate) fn item_text(
    page: &Page<'_>,
    checklist: &DefinitionRef,
    item: &ItemView,
    widest: usize,
) -> Vec<String> {
    let out = page.output;
    let mark = match (item.answers.is_empty(), item.is_fail) {
        (true, _) => page.faint("·"),
        (_, true) => out.tone(Tone::Bad, "✗"),
        (_, false) => out.tone(Tone::Good, "✓"),
    };
    let critical = if item.critical { out.pick(" [关键]", " [critical]") } else { "" };
    let answer = item.answers.first().map_or_else(String::new, |stamped| {
        let value = item.option_title.as_ref().map_or_else(
            || {
                format!(
                    "{}{}",
                    page.words.value(&stamped.value),
                    item.unit.as_ref().map_or_else(String::new, |u| format!(" {u}"))
                )
            },
            |title| page.words.title(title).to_owned(),
        );
        let tone = if item.is_fail { Tone::Bad } else { Tone::Good };
        let who =
            page.faint(&format!("({} {})", page.words.person(&stamped.by), page.words.clock(stamped.at_ms)));
        format!("  {} {who}", out.tone(tone, &value))
    });
    let clash = if item.is_clash { clash_mark(page) } else { String::new() };
    let mut lines = vec![format!(
        "  {mark} {}  {}{critical}{answer}{clash}",
        page.faint(&pad(&item.id, widest)),
        page.words.title(&item.title)
    )];
    if item.is_clash {
        lines.extend(item.answers.iter().map(|stamped| {
            format!("      ≠ {}", page.signed_value(checklist, &keys::item(&item.id), stamped))
        }));
    }
    for note in &item.notes {
        lines.push(format!("      {} {}", out.pick("说明:", "note:"), page.words.value(&note.value)));
    }
    if !item.photos.is_empty() {
        lines.push(format!("      {} {}", out.pick("照片", "photos"), item.photos.len()));
    }
    if !item.answers.is_empty() {
        let lacks =
            item.missing.iter().map(|lack| format!("      ! {}", page.words.sentence(&lack.sentence)));
        lines.extend(lacks.map(|line| out.tone(Tone::Warn, &line)));
    }
    lines
}

fn scans_text(page: &Page<'_>, scans: &[ScanView]) -> Vec<String> {
    let out = page.output;
    let shown: Vec<&ScanView> = scans.iter().filter(|scan| scan.required || !scan.scans.is_empty()).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let done = shown.iter().filter(|scan| !scan.scans.is_empty()).count();
    let head = format!("{}  {done}/{}", out.pick("到点", "checkpoints"), shown.len());
    let mut lines = vec![String::new(), out.tone(Tone::Strong, &head)];
    for scan in shown {
        let name = scan.title.as_ref().map_or(scan.checkpoint.as_str(), |title| page.words.title(title));
        let mark = if scan.scans.is_empty() { page.faint("·") } else { out.tone(Tone::Good, "✓") };
        let who: Vec<String> = scan
            .scans
            .iter()
            .map(|s| format!("{} {}", page.words.person(&s.by), page.words.clock(s.at_ms)))
            .collect();
        let bypass = scan.bypass.as_ref().map_or_else(String::new, |reason| {
            out.tone(Tone::Warn, &format!("  {} {reason}", out.pick("标签损坏:", "tag damaged:")))
        });
        let line = format!(
            "  {mark} {}  {name}  {}{bypass}",
            page.faint(&scan.checkpoint),
            page.faint(&who.join(", "))
        );
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn closing_text(page: &Page<'_>, view: &InspectionView) -> Vec<String> {
    let out = page.output;
    let mut lines = Vec::new();
    for signoff in &view.signoffs {
        let who = signoff.signed.as_ref().map_or_else(
            || page.faint(if signoff.required { out.pick("(必签)", "(required)") } else { "-" }),
            |signed| signed_text(page, signed),
        );
        let role = page.words.role(&signoff.role);
        lines.push(format!("  {} {} ({role}): {who}", out.pick("签字", "sign-off"), signoff.id));
    }
    let finished =
        [(out.pick("完成", "completed"), &view.completed), (out.pick("复核", "reviewed"), &view.reviewed)];
    for (label, signed) in finished {
        lines.extend(signed.as_ref().map(|signed| format!("  {label}: {}", signed_text(page, signed))));
    }
    for amendment in &view.amendments {
        let label = out.pick("更正", "amended");
        lines.push(format!("  {label}: {}  {}", signed_text(page, &amendment.signed), amendment.reason));
    }
    for orphan in &view.orphans {
        let values: Vec<String> = orphan
            .values
            .iter()
            .map(|stamped| page.signed_value(&view.checklist, &orphan.key, stamped))
            .collect();
        let label = out.pick("不再对应的答案", "kept answer without a question");
        lines.push(format!("  {label} {}: {}", orphan.key, values.join(" / ")));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

fn signed_text(page: &Page<'_>, signed: &Signed) -> String {
    format!("{} {}", page.words.person(&signed.by), page.words.time(signed.at_ms))
}

fn clash_mark(page: &Page<'_>) -> String {
    page.output.tone(Tone::Bad, page.output.pick("  [冲突,待裁决]", "  [conflict, to decide]"))
}
