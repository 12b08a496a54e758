//! The page of an inspection: answers by section with who gave them and when, places, score, what is missing.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use xunyuan_core::definition::{Checklist, Field};
use xunyuan_core::document::model::{Event, Stamped, Value};
use xunyuan_core::id::DocumentId;
use xunyuan_core::report::Names;
use xunyuan_core::rules::sheet::{
    GroupLine, GroupView, HeaderView, InspectionState, InspectionView, ItemView, Orphan, ScanView,
    SectionView, SignoffView,
};
use xunyuan_core::rules::{check, inspection, keys, title, upgrade};

use super::answer::Page;
use super::clash::{self, Dispute};
use super::entry::{Happened, Shown, by, plain};
use super::listing::{address, field_title};
use super::nav::Area;
use super::record::Left;
use super::tone::Tone;
use super::visit::Visit;
use crate::hub::Seen;

/// A section with its visible items.
#[derive(Clone, Debug)]
struct Section {
    title: String,
    answered: u32,
    visible: u32,
    failed: u32,
    items: Vec<Item>,
}

/// An item with its answers.
#[derive(Clone, Debug)]
struct Item {
    title: String,
    is_critical: bool,
    answers: Vec<Answer>,
    is_clash: bool,
    severity: Option<String>,
    notes: Vec<Answer>,
    photos: Vec<String>,
    missing: Vec<String>,
    /// The finding that it raised, where that has arrived.
    finding: Option<String>,
}

/// Something that somebody wrote.
#[derive(Clone, Debug)]
struct Answer {
    text: String,
    tone: Tone,
    by: String,
    at_ms: i64,
}

/// A place that the sheet asks for, or a signature: done or not.
#[derive(Clone, Debug)]
struct Mark {
    label: String,
    is_asked: bool,
    done: Vec<(String, i64)>,
    note: String,
}

/// A repeated group as a table.
#[derive(Clone, Debug)]
struct Group {
    title: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage<'v> {
    v: &'v Visit,
    area: Area,
    title: String,
    version: u32,
    href: String,
    seen: String,
    unit: String,
    state: String,
    state_tone: Tone,
    score: Option<String>,
    verdict: Option<(String, Tone)>,
    failed: u32,
    critical: u32,
    head: Vec<Shown>,
    sections: Vec<Section>,
    groups: Vec<Group>,
    scans: Vec<Mark>,
    signs: Vec<Mark>,
    missing: Vec<String>,
    amendments: Vec<(String, String, i64)>,
    orphans: Vec<(String, String)>,
    happened: Vec<Happened>,
    disputes: Vec<Dispute>,
    may_review: bool,
    left: Option<Left>,
}

/// The page of a sheet, with a form as it was left.
pub(super) fn page(visit: &Visit, pinned: &Arc<Checklist>, seen: Seen, left: Option<Left>) -> Response {
    let catalog = visit.catalog();
    let view = inspection::view(catalog, pinned, &seen.model);
    let list = upgrade::in_force(catalog, pinned, &seen.model);
    let names = visit.names();
    let maker = Maker { v: visit, list: &list, view: &view, names: &names, seen: &seen };
    let roles = check::roles_on(catalog, &seen.row.scope, visit.user());
    let may_write = check::writes(catalog, &roles);
    let state_tone = match view.state {
        InspectionState::Open => Tone::Busy,
        InspectionState::Completed | InspectionState::Reviewed => Tone::Good,
    };
    let page = SheetPage {
        v: visit,
        area: Area::Inspections,
        title: visit.title(&view.title).to_owned(),
        version: view.checklist.version,
        href: address(seen.row.document),
        seen: seen.heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        unit: visit.unit(&seen.row.project),
        state: visit.title(&view.state.title()).to_owned(),
        state_tone,
        score: view.score.percent.map(|percent| format!("{percent:.1}")),
        verdict: view.score.passed.map(|passed| verdict(visit, passed)),
        failed: view.score.failed,
        critical: view.score.critical_failed,
        head: view.header.iter().map(|field| maker.head(field)).collect(),
        sections: view.sections.iter().map(|section| maker.section(section)).collect(),
        groups: view
            .groups
            .iter()
            .map(|group| maker.group(group))
            .filter(|group| !group.rows.is_empty())
            .collect(),
        scans: view.scans.iter().map(|scan| maker.scan(scan)).collect(),
        signs: view.signoffs.iter().map(|sign| maker.sign(sign)).collect(),
        missing: view.missing.iter().map(|lack| visit.lang.sentence(&lack.sentence).to_owned()).collect(),
        amendments: view
            .amendments
            .iter()
            .map(|one| (one.reason.clone(), visit.person(&one.signed.by), one.signed.at_ms))
            .collect(),
        orphans: maker.orphans(),
        happened: maker.happened(),
        disputes: clash::disputes(visit, &names, &seen, left.as_ref(), may_write),
        may_review: may_write && view.state != InspectionState::Open,
        left,
    };
    Page(page).into_response()
}

/// Pass or fail.
pub(super) fn verdict(visit: &Visit, passed: bool) -> (String, Tone) {
    if passed {
        (visit.t("合格", "pass").to_owned(), Tone::Good)
    } else {
        (visit.t("不合格", "fail").to_owned(), Tone::Bad)
    }
}

struct Maker<'p> {
    v: &'p Visit,
    list: &'p Checklist,
    view: &'p InspectionView,
    names: &'p Names<'p>,
    seen: &'p Seen,
}

impl Maker<'_> {
    fn head(&self, shown: &HeaderView) -> Shown {
        let field = self.list.header_field(&shown.id);
        let said = |stamped: &Stamped| match field {
            Some(field) if field.kind.is_many() => {
                self.names.element_said(&self.v.zone, field, &plain(&stamped.value))
            }
            Some(field) => self.names.said(&self.v.zone, field, &stamped.value.to_json()),
            None => plain(&stamped.value),
        };
        let texts: Vec<String> = shown.values.iter().map(said).collect();
        Shown {
            label: shown.title.as_ref().map_or(shown.id.as_str(), |title| self.v.title(title)).to_owned(),
            text: texts.join(self.v.t("、", ", ")),
            tone: None,
            by: shown.values.first().map(|stamped| by(self.v, &stamped.by, stamped.at_ms)),
            is_wide: false,
            is_clash: shown.is_clash,
        }
    }

    fn section(&self, section: &SectionView) -> Section {
        Section {
            title: self.v.title(&section.title).to_owned(),
            answered: section.answered,
            visible: section.visible,
            failed: section.failed,
            items: section.items.iter().filter(|item| item.is_visible).map(|item| self.item(item)).collect(),
        }
    }

    fn item(&self, item: &ItemView) -> Item {
        let finding = self.v.catalog().finding_ledger().filter(|_| item.is_fail);
        let source = format!("{}/{}", self.view.document, item.id);
        Item {
            title: self.v.title(&item.title).to_owned(),
            is_critical: item.critical,
            answers: item.answers.iter().map(|answer| self.answer(item, answer)).collect(),
            is_clash: item.is_clash,
            severity: item.severity.as_deref().map(|id| self.severity(id)),
            notes: item.notes.iter().map(|note| self.written(note, Tone::Plain)).collect(),
            photos: item.photos.iter().map(|hash| hash.chars().take(8).collect()).collect(),
            missing: item
                .missing
                .iter()
                .map(|lack| self.v.lang.sentence(&lack.sentence).to_owned())
                .collect(),
            finding: finding.map(|ledger| address(DocumentId::of_source(&ledger.id, &source))),
        }
    }

    fn answer(&self, item: &ItemView, answer: &Stamped) -> Answer {
        let set = item.response_set.as_deref().and_then(|id| self.v.catalog().response_set(id));
        let option = set.and_then(|set| set.option(answer.value.as_text()?));
        let tone = match option {
            Some(option) if option.fail => Tone::Bad,
            Some(option) if option.excluded_from_score => Tone::Quiet,
            Some(_) => Tone::Good,
            None if item.is_fail => Tone::Bad,
            None => Tone::Plain,
        };
        let mut written = self.written(answer, tone);
        match option {
            Some(option) => self.v.title(&option.title).clone_into(&mut written.text),
            None => {
                written.text =
                    format!("{} {}", written.text, item.unit.as_deref().unwrap_or_default()).trim().to_owned()
            }
        }
        written
    }

    fn written(&self, stamped: &Stamped, tone: Tone) -> Answer {
        Answer { text: plain(&stamped.value), tone, by: self.v.person(&stamped.by), at_ms: stamped.at_ms }
    }

    fn severity(&self, id: &str) -> String {
        self.v.catalog().severity(id).map_or(id, |severity| self.v.title(&severity.title)).to_owned()
    }

    fn group(&self, group: &GroupView) -> Group {
        let fields: Vec<&Field> =
            self.list.group(&group.id).map(|known| known.fields.iter().collect()).unwrap_or_default();
        let cell = |field: &&Field, line: &GroupLine| {
            if field.is_photos() {
                let photos = line.photos.iter().filter(|(id, _)| *id == field.id);
                return photos
                    .map(|(_, hash)| hash.chars().take(8).collect::<String>())
                    .collect::<Vec<_>>()
                    .join(" ");
            }
            let value = line
                .fields
                .iter()
                .find(|(id, _)| *id == field.id)
                .map(|(_, stamped)| stamped.value.to_json());
            value.map_or_else(String::new, |value| self.names.said(&self.v.zone, field, &value))
        };
        Group {
            title: self.v.title(&group.title).to_owned(),
            heads: fields.iter().map(|field| field_title(self.v, field).to_owned()).collect(),
            rows: group
                .lines
                .iter()
                .map(|line| fields.iter().map(|field| cell(field, line)).collect())
                .collect(),
        }
    }

    fn scan(&self, scan: &ScanView) -> Mark {
        Mark {
            label: scan
                .title
                .as_ref()
                .map_or(scan.checkpoint.as_str(), |title| self.v.title(title))
                .to_owned(),
            is_asked: scan.required,
            done: scan.scans.iter().map(|signed| by(self.v, &signed.by, signed.at_ms)).collect(),
            note: scan.bypass.clone().unwrap_or_default(),
        }
    }

    fn sign(&self, sign: &SignoffView) -> Mark {
        let role =
            self.v.catalog().role(&sign.role).map_or(sign.role.as_str(), |role| self.v.title(&role.title));
        Mark {
            label: role.to_owned(),
            is_asked: sign.required,
            done: sign.signed.iter().map(|signed| by(self.v, &signed.by, signed.at_ms)).collect(),
            note: String::new(),
        }
    }

    fn orphans(&self) -> Vec<(String, String)> {
        let one = |orphan: &Orphan| {
            let title = title::of_key(self.v.catalog(), &self.seen.model.definition, &orphan.key);
            let texts: Vec<String> = orphan.values.iter().map(|stamped| plain(&stamped.value)).collect();
            (self.v.title(&title).to_owned(), texts.join(" / "))
        };
        self.view.orphans.iter().map(one).collect()
    }

    /// Events, the last first.
    fn happened(&self) -> Vec<Happened> {
        let model = &self.seen.model;
        let event = |event: &Event| Happened {
            what: self.v.title(&title::of_event(self.v.catalog(), &model.definition, &event.kind)).to_owned(),
            by: self.v.person(&event.by),
            at_ms: event.at_ms,
            state: String::new(),
            said: event.data.iter().filter_map(|(name, value)| self.said(name, value)).collect(),
            is_contested: false,
        };
        model.events.iter().rev().map(event).collect()
    }

    fn said(&self, name: &str, value: &Value) -> Option<(String, String)> {
        let text = plain(value);
        let (label, text) = match name {
            keys::DATA_KEY => {
                let title = title::of_key(self.v.catalog(), &self.seen.model.definition, &text);
                (self.v.t("裁决内容", "Decided"), self.v.title(&title).to_owned())
            }
            keys::DATA_HASH | keys::DATA_DUTY => return None,
            "missing" => (self.v.t("缺项", "Missing"), text),
            "slot" => {
                (self.v.t("班次", "Slot"), text.rsplit('@').next().unwrap_or_default().replace('T', " "))
            }
            keys::DATA_VERSION => (self.v.t("版本", "Version"), text),
            other => (super::form::carried_title(self.v, other), text),
        };
        Some((label.to_owned(), text))
    }
}
