//! An inspection for programs: the sheet with its answers, what is missing and the score.

use serde_json::{Value as Json, json};
use xunyuan_core::rules::sheet::{
    GroupView, HeaderView, InspectionView, ItemView, Missing, Orphan, ScanView, Score, SectionView, Signed,
    SignoffView,
};

use super::page::{Page, definition_json, title_json, value_json};

/// The sheet for programs.
pub(crate) fn inspection_json(page: &Page<'_>, view: &InspectionView) -> Json {
    json!({
        "kind": "inspection",
        "document": view.document.to_string(),
        "checklist": definition_json(&view.checklist),
        "title": title_json(&view.title),
        "project": view.project,
        "state": view.state.id(),
        "header": view.header.iter().map(|field| header_json(page, field)).collect::<Vec<_>>(),
        "sections": view.sections.iter().map(|section| section_json(page, section)).collect::<Vec<_>>(),
        "groups": view.groups.iter().map(|group| group_json(page, group)).collect::<Vec<_>>(),
        "scans": view.scans.iter().map(|scan| scan_json(page, scan)).collect::<Vec<_>>(),
        "signoffs": view.signoffs.iter().map(|signoff| signoff_json(page, signoff)).collect::<Vec<_>>(),
        "missing": missing_json(&view.missing),
        "score": score_json(&view.score),
        "completed": view.completed.as_ref().map(|signed| signed_json(page, signed)),
        "reviewed": view.reviewed.as_ref().map(|signed| signed_json(page, signed)),
        "amendments": view.amendments.iter().map(|amendment| json!({
            "by": amendment.signed.by.as_str(),
            "at": page.stamp(amendment.signed.at_ms),
            "reason": amendment.reason,
        })).collect::<Vec<_>>(),
        "clashes": view.clashes,
        "orphans": view.orphans.iter().map(|orphan| orphan_json(page, orphan)).collect::<Vec<_>>(),
    })
}

/// What a complete record lacks, for programs.
pub(crate) fn missing_json(missing: &[Missing]) -> Json {
    let one = |lack: &Missing| {
        let kind = format!("{:?}", lack.kind).to_lowercase();
        json!({ "kind": kind, "id": lack.id, "zh": lack.sentence.zh, "en": lack.sentence.en })
    };
    missing.iter().map(one).collect()
}

fn header_json(page: &Page<'_>, field: &HeaderView) -> Json {
    json!({
        "id": field.id,
        "title": field.title.as_ref().map(title_json),
        "required": field.required,
        "values": field.values.iter().map(|stamped| page.stamped_json(stamped)).collect::<Vec<_>>(),
        "clash": field.is_clash,
    })
}

fn section_json(page: &Page<'_>, section: &SectionView) -> Json {
    json!({
        "id": section.id,
        "title": title_json(&section.title),
        "visible": section.visible,
        "answered": section.answered,
        "failed": section.failed,
        "items": section.items.iter().map(|item| item_json(page, item)).collect::<Vec<_>>(),
    })
}

/// One item for programs.
pub(crate) fn item_json(page: &Page<'_>, item: &ItemView) -> Json {
    json!({
        "id": item.id,
        "title": title_json(&item.title),
        "visible": item.is_visible,
        "required": item.required,
        "critical": item.critical,
        "response_set": item.response_set,
        "unit": item.unit,
        "answer": item.answer().map(value_json),
        "answers": item.answers.iter().map(|stamped| page.stamped_json(stamped)).collect::<Vec<_>>(),
        "option_title": item.option_title.as_ref().map(title_json),
        "clash": item.is_clash,
        "fail": item.is_fail,
        "score": item.score,
        "weight": item.weight,
        "severity": item.severity,
        "notes": item.notes.iter().map(|stamped| page.stamped_json(stamped)).collect::<Vec<_>>(),
        "photos": item.photos,
        "missing": missing_json(&item.missing),
    })
}

fn group_json(page: &Page<'_>, group: &GroupView) -> Json {
    let lines = group.lines.iter().map(|line| {
        let fields: serde_json::Map<String, Json> =
            line.fields.iter().map(|(id, stamped)| (id.clone(), page.stamped_json(stamped))).collect();
        let photos: Vec<Json> =
            line.photos.iter().map(|(field, sha256)| json!({ "field": field, "sha256": sha256 })).collect();
        json!({ "id": line.id, "fields": fields, "photos": photos })
    });
    json!({ "id": group.id, "title": title_json(&group.title), "lines": lines.collect::<Vec<_>>() })
}

fn scan_json(page: &Page<'_>, scan: &ScanView) -> Json {
    json!({
        "checkpoint": scan.checkpoint,
        "title": scan.title.as_ref().map(title_json),
        "required": scan.required,
        "scans": scan.scans.iter().map(|signed| signed_json(page, signed)).collect::<Vec<_>>(),
        "bypass": scan.bypass,
    })
}

fn signoff_json(page: &Page<'_>, signoff: &SignoffView) -> Json {
    json!({
        "id": signoff.id,
        "role": signoff.role,
        "review": signoff.is_review,
        "required": signoff.required,
        "signed": signoff.signed.as_ref().map(|signed| signed_json(page, signed)),
    })
}

fn signed_json(page: &Page<'_>, signed: &Signed) -> Json {
    json!({ "by": signed.by.as_str(), "at": page.stamp(signed.at_ms) })
}

/// The result so far, for programs.
pub(crate) fn score_json(score: &Score) -> Json {
    let counts: serde_json::Map<String, Json> =
        score.counts.iter().map(|(severity, count)| (severity.clone(), json!(count))).collect();
    json!({
        "percent": score.percent,
        "counted": score.counted,
        "failed": score.failed,
        "critical_failed": score.critical_failed,
        "excluded": score.excluded,
        "counts": counts,
        "passed": score.passed,
    })
}

fn orphan_json(page: &Page<'_>, orphan: &Orphan) -> Json {
    json!({
        "key": orphan.key,
        "values": orphan.values.iter().map(|stamped| page.stamped_json(stamped)).collect::<Vec<_>>(),
        "zh": orphan.reason.zh,
        "en": orphan.reason.en,
    })
}
