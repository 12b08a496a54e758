//! One record: an entry with its life, or a sheet with its answers; and what a person does to it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use std::collections::BTreeMap;
use std::str::FromStr as _;
use xunyuan_core::definition::Field;
use xunyuan_core::document::model::Value;
use xunyuan_core::error::{Error, ErrorKind, Sentence};
use xunyuan_core::id::{ChangeHash, DocumentId};
use xunyuan_core::rules::form;
use xunyuan_core::time::Moment;

use super::answer::with_status;
use super::entry;
use super::form::{Desk, carried};
use super::listing::address;
use super::sheet;
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::Fields;
use crate::hub::{ActFailure, Action, Deed, Seen, SetChange};
use crate::problem::Problem;

/// What a form that could not be taken leaves behind: which one, what was typed, and what is wrong.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) form: String,
    pub(super) typed: Fields,
    pub(super) said: Sentence,
    pub(super) is_moved: bool,
}

/// `GET /records/{id}`
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    page(&app, &visit, document_of(&id)?, None).await
}

/// The page of a record, with a form as it was left.
async fn page(
    app: &App,
    visit: &Visit,
    document: DocumentId,
    left: Option<Left>,
) -> Result<Response, Problem> {
    let seen = visit.read(app, move |sight| sight.record(document)).await?;
    let status = if left.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let response = if let Some(ledger) = visit.catalog().ledger(&seen.model.definition).cloned() {
        entry::page(visit, &ledger, seen, left)
    } else if let Some(list) = visit.catalog().checklist(&seen.model.definition).cloned() {
        sheet::page(visit, &list, seen, left)
    } else {
        return Err(missing());
    };
    Ok(with_status(status, response))
}

/// The document that an address names.
pub(super) fn document_of(id: &str) -> Result<DocumentId, Problem> {
    DocumentId::from_str(id).map_err(|_| missing())
}

pub(super) fn missing() -> Problem {
    Problem::of(&Error::new(
        ErrorKind::NotFound,
        "没有这条记录,或不在您的权限范围内",
        "there is no such record, or it is not among those that you may see",
    ))
}

/// `POST /records/{id}/event/{kind}`
pub(crate) async fn event(
    State(app): State<App>,
    Path((id, kind)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let form = format!("event-{kind}");
    deed(&app, &id, sent, form, |desk, seen, typed| {
        let ledger = desk.v.catalog().ledger(&seen.model.definition).cloned();
        let mut data = BTreeMap::new();
        for (name, text) in typed.0.iter().filter(|(name, text)| is_own(name) && !text.trim().is_empty()) {
            let field: Option<&Field> = ledger.as_ref().and_then(|ledger| carried(ledger, name));
            let value =
                field.map_or_else(|| Ok(Value::Text(text.trim().to_owned())), |f| desk.value(f, text))?;
            data.insert(name.clone(), value);
        }
        Ok(Deed::Event(kind, data))
    })
    .await
}

/// `POST /records/{id}/edit`
pub(crate) async fn edit(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    deed(&app, &id, sent, "edit".to_owned(), |desk, seen, typed| {
        let ledger = desk.v.catalog().ledger(&seen.model.definition).cloned();
        let fields = ledger.iter().flat_map(|ledger| &ledger.fields);
        let fields = fields.flat_map(|field| form::parts(desk.v.catalog(), field));
        let (sets, plain): (Vec<Field>, Vec<Field>) = fields.partition(|field| field.kind.is_many());
        let values = desk.changed(plain.iter(), typed)?;
        let sets = sets.iter().map(|field| set_change(&field.id, typed));
        let sets = sets.filter(|set| !set.added.is_empty() || !set.removed.is_empty());
        Ok(Deed::Edit(values, sets.collect()))
    })
    .await
}

/// What a person put into a set and took out, by what it held when the page was made.
fn set_change(field: &str, typed: &Fields) -> SetChange {
    let was: Vec<&str> = typed.text(&format!("was.{field}")).split_whitespace().collect();
    let now: Vec<&str> = typed.all(field).flat_map(str::split_whitespace).collect();
    let without = |all: &[&str], others: &[&str]| -> Vec<String> {
        all.iter().filter(|one| !others.contains(one)).map(|one| (*one).to_owned()).collect()
    };
    SetChange { field: field.to_owned(), added: without(&now, &was), removed: without(&was, &now) }
}

/// `POST /records/{id}/line/{field}`
pub(crate) async fn line(
    State(app): State<App>,
    Path((id, field)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let line = Some(sent.fields.text("line").to_owned()).filter(|line| !line.is_empty());
    let form = format!("line-{field}-{}", line.as_deref().unwrap_or_default());
    deed(&app, &id, sent, form, |desk, seen, typed| {
        let ledger = desk.v.catalog().ledger(&seen.model.definition).cloned();
        let owner = ledger.as_ref().and_then(|ledger| ledger.field(&field));
        let subfields = owner.into_iter().flat_map(|owner| &owner.entry_fields);
        let values = desk.changed(subfields, typed)?;
        Ok(Deed::Line { field, line, values })
    })
    .await
}

/// `POST /records/{id}/decide`
pub(crate) async fn decide(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let key = sent.fields.text("key").to_owned();
    let back = sent.fields.text("back") == "conflicts";
    let choice = sent.fields.text("choice").parse::<usize>().map_err(|_| no_choice())?;
    let reason = sent.fields.text("reason").to_owned();
    let form = format!("decide-{key}");
    let response = deed(&app, &id, sent, form, |_, _, _| Ok(Deed::Decide { key, choice, reason })).await?;
    if back && response.status().is_redirection() {
        return Ok(Redirect::to("/conflicts?done=1").into_response());
    }
    Ok(response)
}

/// `POST /records/{id}/review`
pub(crate) async fn review(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let note = sent.fields.text("note").to_owned();
    deed(&app, &id, sent, "review".to_owned(), |_, _, _| Ok(Deed::Review(note))).await
}

fn no_choice() -> Problem {
    Problem::of(&Error::new(ErrorKind::Invalid, "请选择要保留的一项", "choose the one to keep"))
}

/// True for a field of a form that is the record's, not the page's.
fn is_own(name: &str) -> bool {
    !["csrf", "seen", "line", "back"].contains(&name) && !name.starts_with("was.")
}

/// Does something to a record and shows it again; what a rule refuses is shown with what was typed.
async fn deed(
    app: &App,
    id: &str,
    sent: Sent,
    form: String,
    make: impl FnOnce(&Desk<'_>, &Seen, &Fields) -> Result<Deed, Sentence>,
) -> Result<Response, Problem> {
    let document = document_of(id)?;
    let Sent { visit, fields: typed, .. } = sent;
    let now = visit.read(app, move |sight| sight.record(document)).await?;
    let desk = Desk { v: &visit, project: &now.row.project };
    let deed = match make(&desk, &now, &typed) {
        Ok(deed) => deed,
        Err(said) => {
            return page(app, &visit, document, Some(Left { form, typed, said, is_moved: false })).await;
        }
    };
    let seen = typed.text("seen").split(' ').filter_map(|hash| ChangeHash::from_str(hash).ok()).collect();
    let Err(failure) = perform(app, &visit, Action::On { document, seen, deed }).await else {
        return Ok(Redirect::to(&format!("{}?saved=1", address(document))).into_response());
    };
    let (said, is_moved) = told(failure)?;
    page(app, &visit, document, Some(Left { form, typed, said, is_moved })).await
}

/// Hands an action to the branch.
pub(super) async fn perform(app: &App, visit: &Visit, action: Action) -> Result<DocumentId, ActFailure> {
    let mut entropy = [0; 32];
    let drawn = getrandom::fill(&mut entropy);
    drawn.map_err(|cause| {
        Error::new(ErrorKind::Storage, "没有可用的随机数", "there is no randomness").caused_by(cause)
    })?;
    let (sight, zone) = (visit.sight.clone(), visit.zone.clone());
    let done = app.call(move |_, now_ms| {
        let utc_offset_min = zone.instant(now_ms).utc_offset_min;
        sight.act(action, Moment { unix_ms: now_ms, utc_offset_min, entropy })
    });
    done.await.unwrap_or_else(|_| Err(ActFailure::Overloaded))
}

/// What a person reads about an action that was not done.
///
/// # Errors
/// What is no matter of the action itself.
pub(super) fn told(failure: ActFailure) -> Result<(Sentence, bool), Problem> {
    match failure {
        ActFailure::Refused(refusal) => Ok((refusal.sentence, false)),
        ActFailure::Moved => Ok((
            Sentence::new(
                "在您填写期间,别人写了这条记录,现在的内容见下;请核对后再提交一次。您填的内容还在。",
                "While you were writing, somebody else wrote this record; it is shown as it is now. Look at it and send again; what you typed is still there.",
            ),
            true,
        )),
        ActFailure::Overloaded => Err(Problem::busy()),
        ActFailure::Failed(error) => Err(Problem::of(&error)),
    }
}
