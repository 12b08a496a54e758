//! A sheet read against its checklist: visibility, answers, failures, clashes and state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keys;
use super::lifecycle::{Ancestry, Fold, Step, fold};
use super::missing;
use super::score;
use super::sheet::{
    Amendment, GroupLine, GroupView, HeaderView, InspectionState, InspectionView, ItemView, Orphan, ScanView,
    Score, SectionView, Signed, SignoffView,
};
use super::upgrade;
use super::value::{is_given, is_same};
use crate::definition::{
    Catalog, Checklist, Expr, Facts, Field, FieldType, Item, ItemKind, ResponseOption, SignoffKind,
};
use crate::document::model::{Event, Model, Register, Stamped, Value};

/// Reads a sheet against its checklist; `checklist` is the version that the document pins.
///
/// A function of the document and the definitions alone: the same on every device and at the branch.
#[must_use]
pub fn view(catalog: &Catalog, checklist: &Arc<Checklist>, model: &Model) -> InspectionView {
    let checklist = upgrade::in_force(catalog, checklist, model);
    let sheet = Sheet { catalog, checklist: &checklist, model };
    let sections: Vec<SectionView> = sheet.sections();
    let state = state(model);
    let mut view = InspectionView {
        document: model.document,
        checklist: checklist.reference.clone(),
        title: checklist.title.clone(),
        project: sheet.project().map(str::to_owned),
        state,
        header: checklist.header_fields.iter().map(|field| sheet.header(field)).collect(),
        groups: checklist.repeat_groups.iter().map(|group| sheet.group(&group.id, &group.title)).collect(),
        scans: sheet.scans(&sections),
        signoffs: sheet.signoffs(),
        sections,
        missing: Vec::new(),
        score: Score::default(),
        completed: first_event(model, keys::COMPLETE),
        reviewed: last_event(model, keys::REVIEW),
        amendments: amendments(model),
        clashes: Vec::new(),
        orphans: sheet.orphans(),
    };
    missing::fill(&checklist, &mut view);
    view.score = score::score(&checklist, &view);
    view.clashes = clashes(&view);
    view
}

/// How far a sheet is: the fold of its events.
#[must_use]
pub fn state(model: &Model) -> InspectionState {
    match lifecycle(model).state {
        0 => InspectionState::Open,
        1 => InspectionState::Completed,
        _ => InspectionState::Reviewed,
    }
}

/// The fold of a sheet's events: open, completed, reviewed; an amendment asks for a new review.
pub(crate) fn lifecycle(model: &Model) -> Fold {
    fold(&model.events, |event| {
        let (to, is_return) = match event.kind.as_str() {
            keys::COMPLETE => (1, false),
            keys::REVIEW => (2, false),
            keys::AMEND => (1, true),
            _ => return None,
        };
        Some(Step { to, is_return, is_void: false, is_final: false })
    })
}

/// A sheet with everything needed to read it.
pub(crate) struct Sheet<'s> {
    pub(crate) catalog: &'s Catalog,
    pub(crate) checklist: &'s Checklist,
    pub(crate) model: &'s Model,
}

impl<'s> Sheet<'s> {
    pub(crate) fn project(&self) -> Option<&'s str> {
        self.model.text(&keys::header(keys::PROJECT))
    }

    /// The options of a choice item.
    fn options(&self, item: &Item) -> &'s [ResponseOption] {
        let set = item.response_set.as_deref().and_then(|id| self.catalog.response_set(id));
        set.map_or(&[], |set| &set.options)
    }

    /// Answers that fit the item, winner first.
    pub(crate) fn answers(&self, item: &Item) -> Vec<Stamped> {
        let Some(register) = self.model.register(&keys::item(&item.id)) else { return Vec::new() };
        register.all().filter(|stamped| self.fits(item, &stamped.value)).cloned().collect()
    }

    fn fits(&self, item: &Item, value: &Value) -> bool {
        match item.kind {
            ItemKind::Choice => {
                value.as_text().is_some_and(|id| self.options(item).iter().any(|option| option.id == id))
            }
            ItemKind::Number => value.as_number().is_some(),
            ItemKind::Text | ItemKind::Date | ItemKind::Time => value.as_text().is_some(),
        }
    }

    fn holds(&self, expr: &Expr, own_number: Option<f64>) -> bool {
        let project = self.project().and_then(|id| self.catalog.project(id));
        expr.holds(&Facts {
            answer_is: &|item, option| {
                let register = self.model.register(&keys::item(item));
                register.is_some_and(|r| r.all().any(|stamped| stamped.value.as_text() == Some(option)))
            },
            number_of: &|item| self.model.value(&keys::item(item)).and_then(Value::as_number),
            own_number,
            attr: &|name| project.is_some_and(|project| project.attrs.get(name) == Some(&true)),
            param: &|name| project.and_then(|project| project.number_param(name)),
        })
    }

    /// True while the item asks for an answer.
    pub(crate) fn is_visible(&self, item: &Item) -> bool {
        !item.retired && item.visible_if.as_ref().is_none_or(|expr| self.holds(expr, None))
    }

    fn sections(&self) -> Vec<SectionView> {
        let section = |section: &crate::definition::Section| {
            let items: Vec<ItemView> =
                section.items.iter().filter(|item| !item.retired).map(|item| self.item(item)).collect();
            let count = |holds: fn(&ItemView) -> bool| {
                u32::try_from(items.iter().filter(|item| item.is_visible && holds(item)).count())
                    .unwrap_or(u32::MAX)
            };
            SectionView {
                id: section.id.clone(),
                title: section.title.clone(),
                visible: count(|_| true),
                answered: count(|item| !item.answers.is_empty()),
                failed: count(|item| item.is_fail),
                items,
            }
        };
        self.checklist.sections.iter().map(section).collect()
    }

    pub(crate) fn item(&self, item: &Item) -> ItemView {
        let answers = self.answers(item);
        let chosen: Vec<&ResponseOption> = answers
            .iter()
            .filter_map(|answer| self.options(item).iter().find(|o| answer.value.as_text() == Some(&o.id)))
            .collect();
        let is_clash = answers.iter().any(|answer| !is_same(&answer.value, &answers[0].value));
        let fails = |answer: &Stamped| match item.kind {
            ItemKind::Choice => chosen.iter().any(|o| o.fail && answer.value.as_text() == Some(&o.id)),
            ItemKind::Number => {
                item.fail_if.as_ref().is_some_and(|expr| self.holds(expr, answer.value.as_number()))
            }
            ItemKind::Text | ItemKind::Date | ItemKind::Time => false,
        };
        let is_judged =
            item.kind == ItemKind::Choice || (item.kind == ItemKind::Number && item.fail_if.is_some());
        let is_fail = answers.iter().any(fails) || (is_clash && is_judged);
        let score = score::of_item(item, &chosen, &answers, is_clash, is_fail);
        let mut photos: Vec<String> =
            self.model.elements(&format!("photo/{}/", item.id)).map(str::to_owned).collect();
        photos.sort();
        ItemView {
            id: item.id.clone(),
            title: item.title.clone(),
            kind: item.kind,
            response_set: item.response_set.clone(),
            unit: item.unit.clone(),
            is_visible: self.is_visible(item),
            required: item.required,
            critical: item.critical,
            option_title: chosen.first().map(|option| option.title.clone()),
            is_clash,
            is_fail,
            score,
            weight: item.weight,
            severity: score::severity(self.catalog, item, &chosen, is_fail),
            notes: given(self.model.register(&keys::note(&item.id))),
            photos,
            missing: Vec::new(),
            answers,
        }
    }

    fn header(&self, field: &Field) -> HeaderView {
        let mut values = given(self.model.register(&keys::header(&field.id)));
        let prefix = format!("header/{}/", field.id);
        for (element, register) in self.model.under(&prefix) {
            if let Some(stamped) = register.all().find(|stamped| is_given(&stamped.value)) {
                values.push(Stamped { value: Value::Text(element.to_owned()), ..stamped.clone() });
            }
        }
        if field.kind == FieldType::DeviceTime {
            values.sort_by_key(|stamped| match stamped.value {
                Value::Int(at_ms) => at_ms,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => i64::MAX,
            });
        }
        let is_single = !field.kind.is_many() && field.kind != FieldType::DeviceTime;
        HeaderView {
            id: field.id.clone(),
            title: field.title.clone(),
            required: field.required,
            is_clash: is_single && values.iter().any(|stamped| !is_same(&stamped.value, &values[0].value)),
            values,
        }
    }

    fn group(&self, id: &str, title: &crate::definition::Title) -> GroupView {
        GroupView { id: id.to_owned(), title: title.clone(), lines: group_lines(self.model, id) }
    }

    fn scans(&self, sections: &[SectionView]) -> Vec<ScanView> {
        let visible: BTreeSet<&str> = sections
            .iter()
            .filter(|section| section.visible > 0)
            .map(|section| section.id.as_str())
            .collect();
        let mut scans: BTreeMap<String, ScanView> = BTreeMap::new();
        for checkpoint in self.project().into_iter().flat_map(|project| self.catalog.checkpoints(project)) {
            let serves = checkpoint.sections.iter().any(|section| visible.contains(section.as_str()));
            if self.checklist.checkpoints_required && serves {
                let title = Some(checkpoint.title.clone());
                scans.insert(checkpoint.id.clone(), asked(&checkpoint.id, title, true));
            }
        }
        for (id, register) in self.model.under("scan/") {
            let title = self.catalog.checkpoint(id).map(|checkpoint| checkpoint.title.clone());
            let scan = scans.entry(id.to_owned()).or_insert_with(|| asked(id, title, false));
            for stamped in register.all().filter(|stamped| is_given(&stamped.value)) {
                match stamped.value.as_text().and_then(|text| text.strip_prefix(keys::BYPASS)) {
                    Some(reason) => scan.bypass = Some(reason.to_owned()),
                    None => scan.scans.push(Signed { by: stamped.by.clone(), at_ms: stamped.at_ms }),
                }
            }
        }
        scans.into_values().collect()
    }

    fn signoffs(&self) -> Vec<SignoffView> {
        let signoff = |signoff: &crate::definition::Signoff| {
            let is_review = signoff.kind == SignoffKind::Review;
            let signature = given(self.model.register(&keys::signoff(&signoff.id))).into_iter().next();
            let signed = signature.map(|stamped| Signed { by: stamped.by, at_ms: stamped.at_ms });
            SignoffView {
                id: signoff.id.clone(),
                role: signoff.role.clone(),
                is_review,
                required: signoff.required,
                signed: if is_review { last_event(self.model, keys::REVIEW) } else { signed },
            }
        };
        self.checklist.signoff.iter().map(signoff).collect()
    }

    /// Content that the checklist does not ask for.
    pub(crate) fn orphans(&self) -> Vec<Orphan> {
        upgrade::orphans(self.checklist, self.model, |item, value| self.fits(item, value))
    }
}

/// The lines of a repeated group that were not withdrawn, by line id.
#[must_use]
pub fn group_lines(model: &Model, group: &str) -> Vec<GroupLine> {
    let prefix = format!("group/{group}/");
    let mut lines: BTreeMap<&str, GroupLine> = BTreeMap::new();
    for (rest, register) in model.under(&prefix) {
        let mut parts = rest.splitn(3, '/');
        let (Some(line), Some(field)) = (parts.next(), parts.next()) else { continue };
        let Some(stamped) = given(Some(register)).into_iter().next() else { continue };
        let entry = lines.entry(line).or_insert_with(|| GroupLine {
            id: line.to_owned(),
            fields: Vec::new(),
            photos: Vec::new(),
        });
        match parts.next() {
            Some(photo) => entry.photos.push((field.to_owned(), photo.to_owned())),
            None => entry.fields.push((field.to_owned(), stamped)),
        }
    }
    lines.into_values().collect()
}

/// Current values of a register that say something, winner first.
pub(crate) fn given(register: Option<&Register>) -> Vec<Stamped> {
    let all = register.into_iter().flat_map(Register::all);
    all.filter(|stamped| is_given(&stamped.value)).cloned().collect()
}

fn asked(id: &str, title: Option<crate::definition::Title>, required: bool) -> ScanView {
    ScanView { checkpoint: id.to_owned(), title, required, scans: Vec::new(), bypass: None }
}

fn clashes(view: &InspectionView) -> Vec<String> {
    let header = view.header.iter().filter(|field| field.is_clash).map(|field| keys::header(&field.id));
    let items = view.sections.iter().flat_map(|section| &section.items);
    header.chain(items.filter(|item| item.is_clash).map(|item| keys::item(&item.id))).collect()
}

fn signed(event: &Event) -> Signed {
    Signed { by: event.by.clone(), at_ms: event.at_ms }
}

/// The first of a kind: among concurrent ones the earliest by clock, then by id.
fn first_event(model: &Model, kind: &str) -> Option<Signed> {
    let of_kind: Vec<(usize, &Event)> =
        model.events.iter().enumerate().filter(|(_, event)| event.kind == kind).collect();
    let past = Ancestry::of(&model.events);
    let is_first =
        |(at, _): &&(usize, &Event)| !of_kind.iter().any(|(other, _)| other < at && past.saw(*at, *other));
    of_kind.iter().filter(is_first).map(|(_, e)| *e).min_by_key(|e| (e.at_ms, &e.id)).map(signed)
}

/// The last of a kind: among concurrent ones the latest by clock, then by id.
fn last_event(model: &Model, kind: &str) -> Option<Signed> {
    let of_kind: Vec<(usize, &Event)> =
        model.events.iter().enumerate().filter(|(_, event)| event.kind == kind).collect();
    let past = Ancestry::of(&model.events);
    let is_last =
        |(at, _): &&(usize, &Event)| !of_kind.iter().any(|(other, _)| other > at && past.saw(*other, *at));
    of_kind.iter().filter(is_last).map(|(_, e)| *e).max_by_key(|e| (e.at_ms, &e.id)).map(signed)
}

fn amendments(model: &Model) -> Vec<Amendment> {
    let reason = |event: &Event| {
        event.data.get(keys::DATA_REASON).and_then(Value::as_text).unwrap_or_default().to_owned()
    };
    let amends = model.events.iter().filter(|event| event.kind == keys::AMEND);
    amends.map(|event| Amendment { signed: signed(event), reason: reason(event) }).collect()
}
