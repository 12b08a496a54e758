//! What a person does with a checklist: start, answer, scan, sign, complete, review, amend.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Replica;
use super::draft::fresh_actor;
use crate::action::{self, Draft};
use crate::definition::{Checklist, Element, Field, FieldType, MergePolicy, Target};
use crate::document::line_id;
use crate::document::model::{Edit, Model, Value};
use crate::error::{Error, ErrorKind, Refusal, Sentence};
use crate::id::{DefinitionRef, DocumentId, ScopeId, UserId};
use crate::rules::file::FileRef;
use crate::rules::schedule::{self, Slot, SlotState};
use crate::rules::sheet::{InspectionState, InspectionView};
use crate::rules::{codes, entry, finding, inspection, keys, upgrade};
use crate::time::Moment;

/// A slot as the person sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotView {
    /// The slot.
    pub slot: Slot,
    /// How far it is, as far as this device knows.
    pub state: SlotState,
    /// True when its sheet is on this device.
    pub is_started: bool,
}

/// An answer with what belongs to it, saved in one go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Option id, number or text; `None` leaves the answer as it is.
    pub value: Option<Value>,
    /// A remark.
    pub note: Option<String>,
    /// Photos taken for it.
    pub photos: Vec<FileRef>,
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The sheet after the answer.
    pub view: InspectionView,
    /// Ledger entries that the answer raised.
    pub raised: Vec<DocumentId>,
}

impl Replica {
    /// The slots that concern the person now, with what is known of them.
    ///
    /// # Errors
    /// Storage errors.
    pub fn slots(&mut self, moment: &Moment) -> Result<Vec<SlotView>, Error> {
        let now = moment.local_datetime();
        let slots = schedule::slots(&self.catalog, &self.identity.user, now);
        let mut views = Vec::with_capacity(slots.len());
        for slot in slots {
            if !self.is_planned(&slot)? {
                continue;
            }
            let sheet = match self.model(slot.document) {
                Ok(model) => Some(inspection::state(&model)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            views.push(SlotView { state: slot.state(now, sheet, false), is_started: sheet.is_some(), slot });
        }
        Ok(views)
    }

    /// Starts, or joins, the sheet of a scheduled slot: the same document on every device. The person
    /// is named among those who must stand in the head of the sheet.
    ///
    /// `project` may be left out where only one project has the slot.
    ///
    /// # Errors
    /// `NotFound` when the person has no such slot, `Refused` by a rule.
    pub fn start_slot(
        &mut self,
        key: &str,
        project: Option<&str>,
        moment: &Moment,
    ) -> Result<DocumentId, Error> {
        let slot = match project {
            Some(project) => schedule::find(&self.catalog, &self.identity.user, key, project),
            None => {
                let now = moment.local_datetime();
                let mut slots = schedule::slots(&self.catalog, &self.identity.user, now);
                slots.retain(|slot| slot.key == key);
                if slots.len() == 1 { slots.pop() } else { None }
            }
        };
        let slot = slot.ok_or_else(no_slot)?;
        if self.row(slot.document).is_ok() {
            self.join(slot.document, moment)?;
            return Ok(slot.document);
        }
        let checklist = self.latest_checklist(&slot.checklist.id)?;
        let data = BTreeMap::from([("slot".to_owned(), Value::Text(slot.key.clone()))]);
        self.start(slot.document, &checklist, &slot.project, (BTreeMap::new(), data), moment)
    }

    /// Starts a sheet that no schedule asked for.
    ///
    /// # Errors
    /// `NotFound` for an unknown checklist, `Refused` by a rule.
    pub fn start_inspection(
        &mut self,
        checklist: &str,
        project: &str,
        moment: &Moment,
    ) -> Result<DocumentId, Error> {
        self.start_inspection_with(checklist, project, BTreeMap::new(), moment)
    }

    /// As [`Replica::start_inspection`], with single-valued header fields filled in at once.
    ///
    /// # Errors
    /// As [`Replica::start_inspection`].
    pub fn start_inspection_with(
        &mut self,
        checklist: &str,
        project: &str,
        header: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<DocumentId, Error> {
        let checklist = self.latest_checklist(checklist)?;
        let document = DocumentId::random(&moment.entropy);
        self.start(document, &checklist, project, (header, BTreeMap::new()), moment)
    }

    fn start(
        &mut self,
        document: DocumentId,
        checklist: &Arc<Checklist>,
        project: &str,
        (header, data): (BTreeMap<String, Value>, BTreeMap<String, Value>),
        moment: &Moment,
    ) -> Result<DocumentId, Error> {
        let scope = ScopeId::of(project, &checklist.stream);
        let mut draft = self.draft_new(document, scope, checklist.reference.clone(), moment)?;
        draft.put(keys::header(keys::PROJECT), Value::Text(project.to_owned()));
        for (field, value) in header {
            draft.put(keys::header(&field), value);
        }
        let begins =
            |field: &&Field| field.kind == FieldType::DeviceTime && field.merge() == MergePolicy::Min;
        for field in checklist.header_fields.iter().filter(begins) {
            draft.put(keys::header(&field.id), Value::Int(moment.unix_ms));
        }
        sign_in(&mut draft, checklist, &self.identity.user);
        draft.event(keys::CREATE, "", data);
        self.perform(vec![draft.into_work()], moment)?;
        Ok(document)
    }

    /// Names the person among those who fill in a sheet that somebody else began.
    fn join(&mut self, document: DocumentId, moment: &Moment) -> Result<(), Error> {
        let checklist = self.checklist_of(document)?;
        let mut draft = self.draft(document, moment)?;
        if inspection::state(&draft.model) == InspectionState::Open {
            sign_in(&mut draft, &checklist, &self.identity.user);
        }
        if draft.is_empty() { Ok(()) } else { self.perform(vec![draft.into_work()], moment) }
    }

    /// Writes a header field; a set field takes its elements one by one.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the sheet is not here.
    pub fn set_header(
        &mut self,
        document: DocumentId,
        field: &str,
        value: Value,
        moment: &Moment,
    ) -> Result<InspectionView, Error> {
        let checklist = self.checklist_of(document)?;
        let is_set = checklist.header_field(field).is_some_and(|f| matches!(f.kind, FieldType::Set(_)));
        self.sheet_action(document, moment, |draft| {
            match value.as_text() {
                Some(element) if is_set => {
                    draft.put(format!("{}/{element}", keys::header(field)), Value::Bool(true));
                }
                _ => draft.put(keys::header(field), value),
            }
            Ok(())
        })
    }

    /// Answers an item; a failing answer raises the finding that its checklist asks for.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the sheet is not here.
    pub fn answer(
        &mut self,
        document: DocumentId,
        item: &str,
        answer: Answer,
        moment: &Moment,
    ) -> Result<Answered, Error> {
        self.answer_all(document, vec![(item.to_owned(), answer)], None, moment)
    }

    /// Corrects answers of a finished sheet, with the reason.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the sheet is not here.
    pub fn amend(
        &mut self,
        document: DocumentId,
        reason: &str,
        answers: Vec<(String, Answer)>,
        moment: &Moment,
    ) -> Result<Answered, Error> {
        self.answer_all(document, answers, Some(reason), moment)
    }

    pub(super) fn answer_all(
        &mut self,
        document: DocumentId,
        answers: Vec<(String, Answer)>,
        reason: Option<&str>,
        moment: &Moment,
    ) -> Result<Answered, Error> {
        let mut draft = self.draft(document, moment)?;
        if let Some(reason) = reason {
            let from = inspection::state(&draft.model).id();
            let data = BTreeMap::from([(keys::DATA_REASON.to_owned(), Value::Text(reason.to_owned()))]);
            draft.event(keys::AMEND, from, data);
        }
        let mut items = Vec::new();
        for (item, answer) in answers {
            if let Some(value) = answer.value {
                draft.put(keys::item(&item), value);
            }
            if let Some(note) = answer.note {
                draft.put(keys::note(&item), Value::Text(note));
            }
            for photo in answer.photos {
                draft.put(keys::photo(&item, &photo.hash.to_string()), photo.element());
            }
            items.push(item);
        }
        let raised = self.raise(&draft, &items, moment)?;
        let ids = raised.iter().map(|raised| raised.model.document).collect();
        let works = std::iter::once(draft).chain(raised).map(Draft::into_work).collect();
        self.perform(works, moment)?;
        Ok(Answered { view: self.inspection(document)?, raised: ids })
    }

    /// The findings that answers raise: new ones, and new evidence for those raised before.
    fn raise(&mut self, draft: &Draft, items: &[String], moment: &Moment) -> Result<Vec<Draft>, Error> {
        let checklist = self.pinned_checklist(draft.model.document)?;
        let (catalog, user) = (self.catalog.clone(), self.identity.user.clone());
        let writer = writer(&user, moment);
        let mut raised = Vec::new();
        for item in items {
            let event_id = |document| first_event_id(document, moment);
            let wanted = finding::of_item(&catalog, &checklist, &draft.model, item, &writer, event_id);
            let Some(wanted) = wanted.filter(|wanted| self.writes_in(&wanted.scope)) else { continue };
            let evidence = |known: &Model| finding::new_evidence(&draft.model, item, known, &writer);
            raised.extend(self.raise_one(&wanted, evidence, moment)?);
        }
        Ok(raised)
    }

    /// Starts a raised entry, or adds what is new to the one that is here and not closed yet.
    fn raise_one(
        &mut self,
        wanted: &finding::Draft,
        new_in: impl Fn(&Model) -> Vec<Edit>,
        moment: &Moment,
    ) -> Result<Option<Draft>, Error> {
        let mut draft =
            self.draft_new(wanted.document, wanted.scope.clone(), wanted.definition.clone(), moment)?;
        if draft.model.events.is_empty() {
            let number = self.temporary_number()?;
            wanted.edits.iter().for_each(|edit| draft.push(edit.clone()));
            draft.put(keys::field(keys::TEMPORARY_NUMBER), number);
        } else if !entry::view(&self.catalog, &*self.ledger(&wanted.definition)?, &draft.model).is_final {
            new_in(&draft.model).into_iter().for_each(|edit| draft.push(edit));
        }
        Ok(if draft.is_empty() { None } else { Some(draft) })
    }

    fn writes_in(&self, scope: &ScopeId) -> bool {
        self.catalog.grants(&self.identity.user).contains(scope)
    }

    /// Notes that the person was at a checkpoint: by the code of its tag, or with the reason why the
    /// tag could not be read.
    ///
    /// # Errors
    /// `Invalid` when no checkpoint of the project has this code or id, `Refused` by a rule.
    pub fn scan(
        &mut self,
        document: DocumentId,
        code: &str,
        bypass_reason: Option<&str>,
        moment: &Moment,
    ) -> Result<InspectionView, Error> {
        let checkpoint = self
            .catalog
            .checkpoint_by_code(code)
            .or_else(|| self.catalog.checkpoint(code))
            .map(|checkpoint| checkpoint.id.clone())
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    "没有点位使用这个码;若标签损坏,请用点位编号并说明原因",
                    "no checkpoint has this code; if the tag is damaged, name the checkpoint and give the reason",
                )
            })?;
        let value = match bypass_reason {
            Some(reason) => format!("{}{reason}", keys::BYPASS),
            None => code.to_owned(),
        };
        self.sheet_action(document, moment, |draft| {
            draft.put(keys::scan(&checkpoint), Value::Text(value));
            Ok(())
        })
    }

    /// Adds a line to a repeated group; lines of several people never clash.
    ///
    /// Photo fields take SHA-256 hashes separated by spaces. Returns the line's id.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the sheet is not here.
    pub fn add_line(
        &mut self,
        document: DocumentId,
        group: &str,
        fields: BTreeMap<String, Value>,
        moment: &Moment,
    ) -> Result<String, Error> {
        let checklist = self.checklist_of(document)?;
        let is_photos = |id: &str| {
            checklist.group(group).and_then(|g| g.field(id)).is_some_and(|f| f.kind == FieldType::Photos)
        };
        let mut draft = self.draft(document, moment)?;
        let line = draft.line_id();
        for (field, value) in fields {
            match value.as_text() {
                Some(hashes) if is_photos(&field) => {
                    for hash in hashes.split_whitespace() {
                        let key = format!("{}/{hash}", keys::group(group, &line, &field));
                        draft.put(key, self.element_value(hash)?);
                    }
                }
                _ => draft.put(keys::group(group, &line, &field), value),
            }
        }
        let raised = self.raise_lines(&draft, moment)?;
        let works = std::iter::once(draft).chain(raised).map(Draft::into_work).collect();
        self.perform(works, moment)?;
        Ok(line)
    }

    /// The entries that lines of repeated groups create.
    fn raise_lines(&mut self, draft: &Draft, moment: &Moment) -> Result<Vec<Draft>, Error> {
        let checklist = self.pinned_checklist(draft.model.document)?;
        let (catalog, user) = (self.catalog.clone(), self.identity.user.clone());
        let event_id = |document| first_event_id(document, moment);
        let wanted = finding::of_groups(&catalog, &checklist, &draft.model, &writer(&user, moment), event_id);
        let mut raised = Vec::new();
        for wanted in &wanted {
            let is_new = self.row(wanted.document).is_err();
            if is_new && self.writes_in(&wanted.scope) {
                raised.extend(self.raise_one(wanted, |_| Vec::new(), moment)?);
            }
        }
        Ok(raised)
    }

    /// Signs at one of the sheet's places.
    ///
    /// # Errors
    /// `Refused` by a rule, `NotFound` when the sheet is not here.
    pub fn sign(
        &mut self,
        document: DocumentId,
        signoff: &str,
        moment: &Moment,
    ) -> Result<InspectionView, Error> {
        let user = self.identity.user.as_str().to_owned();
        self.sheet_action(document, moment, |draft| {
            draft.put(keys::signoff(signoff), Value::Text(user));
            Ok(())
        })
    }

    /// Finishes the sheet; an end time that nobody wrote is the moment's. The view lists what it
    /// still lacks.
    ///
    /// `with_gaps` finishes it all the same: a colleague's part may not have arrived yet, and nobody
    /// is locked out; the event says how many things were missing.
    ///
    /// # Errors
    /// `Refused` with code `incomplete` while something is missing and `with_gaps` is false, or by a
    /// rule.
    pub fn complete(
        &mut self,
        document: DocumentId,
        with_gaps: bool,
        moment: &Moment,
    ) -> Result<InspectionView, Error> {
        let missing = self.inspection(document)?.missing;
        let mut data = BTreeMap::new();
        if let Some(first) = missing.first() {
            if !with_gaps {
                let Sentence { zh, en } = &first.sentence;
                let count = missing.len();
                return Err(Error::from(Refusal::new(
                    codes::INCOMPLETE,
                    format!("还缺 {count} 项,第一项:{zh};补齐后再完成,或确认带缺项完成"),
                    format!("{count} things are missing, the first: {en}; add them, or finish with gaps"),
                )));
            }
            let count = i64::try_from(missing.len()).unwrap_or(i64::MAX);
            data.insert("missing".to_owned(), Value::Int(count));
        }
        let checklist = self.checklist_of(document)?;
        self.sheet_action(document, moment, |draft| {
            let ends =
                |field: &&Field| field.kind == FieldType::DeviceTime && field.merge() == MergePolicy::Max;
            for key in checklist.header_fields.iter().filter(ends).map(|field| keys::header(&field.id)) {
                if draft.model.value(&key).is_none() {
                    draft.put(key, Value::Int(moment.unix_ms));
                }
            }
            let from = inspection::state(&draft.model).id();
            draft.event(keys::COMPLETE, from, data);
            Ok(())
        })
    }

    /// Notes a supervisor's review; it is no gate to syncing.
    ///
    /// # Errors
    /// `Refused` by a rule.
    pub fn review(
        &mut self,
        document: DocumentId,
        note: &str,
        moment: &Moment,
    ) -> Result<InspectionView, Error> {
        self.sheet_action(document, moment, |draft| {
            action::review(draft, note);
            Ok(())
        })
    }

    /// Moves an open sheet to the newest version of its checklist: every answer is kept, those that
    /// no longer fit are attached.
    ///
    /// # Errors
    /// `NotFound` when the sheet is on the newest version already, `Refused` when it is finished.
    pub fn upgrade_sheet(&mut self, document: DocumentId, moment: &Moment) -> Result<InspectionView, Error> {
        let pinned = self.pinned_checklist(document)?;
        let mut draft = self.draft(document, moment)?;
        let plan = upgrade::plan(&self.catalog, &pinned, &draft.model).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "这张表已经是最新版本",
                "this sheet is on the newest version of its checklist already",
            )
        })?;
        let from = inspection::state(&draft.model).id();
        draft.event(keys::UPGRADE, from, plan.data);
        self.perform(vec![draft.into_work()], moment)?;
        self.inspection(document)
    }

    /// The sheet as people see it.
    ///
    /// # Errors
    /// `NotFound` when the sheet or its checklist version is not here.
    pub fn inspection(&mut self, document: DocumentId) -> Result<InspectionView, Error> {
        let checklist = self.pinned_checklist(document)?;
        let model = self.model(document)?;
        Ok(inspection::view(&self.catalog, &checklist, &model))
    }

    fn sheet_action(
        &mut self,
        document: DocumentId,
        moment: &Moment,
        write: impl FnOnce(&mut Draft) -> Result<(), Error>,
    ) -> Result<InspectionView, Error> {
        let mut draft = self.draft(document, moment)?;
        write(&mut draft)?;
        self.perform(vec![draft.into_work()], moment)?;
        self.inspection(document)
    }

    /// The checklist version that the sheet's genesis pins.
    pub(super) fn pinned_checklist(&self, document: DocumentId) -> Result<Arc<Checklist>, Error> {
        let row = self.row(document)?;
        self.catalog.checklist(&row.definition).cloned().ok_or_else(|| no_definition(&row.definition))
    }

    /// The checklist version in force on the sheet.
    pub(super) fn checklist_of(&mut self, document: DocumentId) -> Result<Arc<Checklist>, Error> {
        let pinned = self.pinned_checklist(document)?;
        let model = self.model(document)?;
        Ok(upgrade::in_force(&self.catalog, &pinned, &model))
    }

    fn latest_checklist(&self, id: &str) -> Result<Arc<Checklist>, Error> {
        self.catalog.latest_checklist(id).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("本机没有检查表 {id};请检查编号,或先同步"),
                format!("there is no checklist {id} on the device; check the id, or sync first"),
            )
        })
    }
}

/// Puts the person into the sets of people that a complete sheet must have.
fn sign_in(draft: &mut Draft, checklist: &Checklist, user: &UserId) {
    let people = FieldType::Set(Element::Ref(Target::User));
    for field in checklist.header_fields.iter().filter(|field| field.required && field.kind == people) {
        let key = format!("{}/{user}", keys::header(&field.id));
        if draft.model.value(&key).is_none() {
            draft.put(key, Value::Bool(true));
        }
    }
}

pub(super) fn no_definition(definition: &DefinitionRef) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("本机还没有定义 {} 的第 {} 版;请先同步", definition.id, definition.version),
        format!("version {} of {} is not on the device yet; sync first", definition.version, definition.id),
    )
}

fn writer<'w>(user: &'w UserId, moment: &Moment) -> finding::Writer<'w> {
    finding::Writer { user, at_ms: moment.unix_ms, utc_offset_min: moment.utc_offset_min }
}

/// The id of the event that begins a document in this action.
fn first_event_id(document: DocumentId, moment: &Moment) -> String {
    line_id(fresh_actor(document, moment), 1, 0)
}

fn no_slot() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "当天没有这个巡查班次;请用 slots 查看今天的班次",
        "there is no such slot on that day; list today's slots",
    )
}
