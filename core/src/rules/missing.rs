//! What a complete sheet still lacks.

use super::sheet::{GroupView, InspectionView, ItemView, Missing, MissingKind};
use super::value::is_given;
use crate::definition::{Checklist, FieldType, Item, RepeatGroup, Title};
use crate::error::{Refusal, Sentence};

use super::codes;

/// Fills in what each item and the whole sheet lack.
pub(crate) fn fill(checklist: &Checklist, view: &mut InspectionView) {
    let mut missing = Vec::new();
    for field in view.header.iter().filter(|field| field.required && field.values.is_empty()) {
        let (zh, en) = named(field.title.as_ref(), &field.id);
        missing.push(lack(
            MissingKind::Header,
            &field.id,
            format!("请填写表头“{zh}”"),
            format!("fill in the header field \"{en}\""),
        ));
    }
    for item in view.sections.iter_mut().flat_map(|section| &mut section.items) {
        if let Some(definition) = checklist.item(&item.id).filter(|_| item.is_visible) {
            item.missing = of_item(definition, item);
            missing.extend(item.missing.iter().cloned());
        }
    }
    for group in &view.groups {
        if let Some(definition) = checklist.group(&group.id) {
            missing.extend(of_group(definition, group));
        }
    }
    for scan in
        view.scans.iter().filter(|scan| scan.required && scan.scans.is_empty() && scan.bypass.is_none())
    {
        let (zh, en) = named(scan.title.as_ref(), &scan.checkpoint);
        missing.push(lack(
            MissingKind::Scan,
            &scan.checkpoint,
            format!("请扫描点位“{zh}”,标签损坏时写明原因"),
            format!("scan the checkpoint \"{en}\", or say why its tag cannot be read"),
        ));
    }
    for signoff in view.signoffs.iter().filter(|s| s.required && !s.is_review && s.signed.is_none()) {
        missing.push(lack(
            MissingKind::Signoff,
            &signoff.id,
            format!("缺少签字“{}”", signoff.id),
            format!("the signature \"{}\" is missing", signoff.id),
        ));
    }
    view.missing = missing;
}

/// Why a sheet cannot be completed yet; `None` when nothing is missing.
#[must_use]
pub fn incomplete(view: &InspectionView) -> Option<Refusal> {
    let first = view.missing.first()?;
    let count = view.missing.len();
    Some(Refusal::new(
        codes::INCOMPLETE,
        format!("还有 {count} 处未完成,第一处:{}", first.sentence.zh),
        format!("{count} things are still missing, the first: {}", first.sentence.en),
    ))
}

fn of_item(definition: &Item, item: &ItemView) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut add = |kind, zh: String, en: String| missing.push(lack(kind, &item.id, zh, en));
    let (zh, en) = (&item.title.zh, &item.title.en);
    if item.required && item.answers.is_empty() {
        add(MissingKind::Answer, format!("请作答“{zh}”"), format!("answer \"{en}\""));
    }
    let on_fail = definition.on_fail.as_ref().filter(|_| item.is_fail);
    if on_fail.is_some_and(|on_fail| on_fail.require_note) && item.notes.is_empty() {
        add(MissingKind::Note, format!("“{zh}”不合格,请写说明"), format!("\"{en}\" fails: write a note"));
    }
    let for_failure = on_fail.map_or(0, |on_fail| on_fail.require_photo_min);
    let always = u32::from(definition.photo_required && !item.answers.is_empty());
    let photos = u32::try_from(item.photos.len()).unwrap_or(u32::MAX);
    let wanted = for_failure.max(always);
    if photos < wanted {
        add(
            MissingKind::Photo,
            format!("“{zh}”需要至少 {wanted} 张照片"),
            format!("\"{en}\" needs at least {wanted} photos"),
        );
    }
    let evidence = photos.saturating_add(u32::from(!item.notes.is_empty()));
    if on_fail.is_some_and(|on_fail| evidence < on_fail.require_evidence_min) {
        add(
            MissingKind::Evidence,
            format!("“{zh}”需要客观证据:说明或照片"),
            format!("\"{en}\" needs evidence: a note or a photo"),
        );
    }
    missing
}

fn of_group(definition: &RepeatGroup, group: &GroupView) -> Vec<Missing> {
    let mut missing = Vec::new();
    let (zh, en) = (&group.title.zh, &group.title.en);
    if group.lines.len() < usize::try_from(definition.min).unwrap_or(usize::MAX) {
        let min = definition.min;
        missing.push(lack(
            MissingKind::Group,
            &group.id,
            format!("“{zh}”至少需要 {min} 条"),
            format!("\"{en}\" needs at least {min} lines"),
        ));
    }
    for line in &group.lines {
        for field in definition.fields.iter().filter(|field| field.required) {
            let is_there = if field.kind == FieldType::Photos {
                line.photos.iter().any(|(id, _)| *id == field.id)
            } else {
                line.fields.iter().any(|(id, stamped)| *id == field.id && is_given(&stamped.value))
            };
            if !is_there {
                let (field_zh, field_en) = named(field.title.as_ref(), &field.id);
                missing.push(lack(
                    MissingKind::Group,
                    &group.id,
                    format!("“{zh}”中有一条缺少“{field_zh}”"),
                    format!("a line of \"{en}\" lacks \"{field_en}\""),
                ));
            }
        }
    }
    missing
}

fn lack(kind: MissingKind, id: &str, zh: String, en: String) -> Missing {
    Missing { kind, id: id.to_owned(), sentence: Sentence::new(zh, en) }
}

/// A title in both languages, or the id where the definition gives none.
pub(crate) fn named<'t>(title: Option<&'t Title>, id: &'t str) -> (&'t str, &'t str) {
    title.map_or((id, id), |title| (&title.zh, &title.en))
}
