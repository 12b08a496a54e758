//! A new entry of a ledger.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use xunyuan_core::definition::{Field, Ledger, MergePolicy};
use xunyuan_core::document::model::Value;
use xunyuan_core::error::Sentence;
use xunyuan_core::id::ScopeId;
use xunyuan_core::rules::{check, form, keys};

use super::answer::{Page, with_status};
use super::form::{Desk, Input, InputKind};
use super::ledgers::seen;
use super::listing::address;
use super::nav::Area;
use super::record::{perform, told};
use super::visit::{Sent, Visit};
use crate::app::App;
use crate::auth::Fields;
use crate::hub::Action;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "begin.html")]
struct BeginPage<'v> {
    v: &'v Visit,
    area: Area,
    href: String,
    title: String,
    /// Units where the person may begin one.
    units: Vec<(String, String)>,
    project: String,
    inputs: Vec<Input>,
    said: Option<Sentence>,
}

/// `GET /ledgers/{id}/new`
pub(crate) async fn form(Path(id): Path<String>, visit: Visit) -> Result<Response, Problem> {
    let ledger = seen(&visit, &id)?;
    Ok(page(&visit, &ledger, &Fields::default(), None))
}

/// `POST /ledgers/{id}/new`
pub(crate) async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let Sent { visit, fields: typed, .. } = sent;
    let ledger = seen(&visit, &id)?;
    let project = typed.text("project").to_owned();
    let desk = Desk { v: &visit, project: &project };
    let (sets, plain): (Vec<Field>, Vec<Field>) =
        asked(&visit, &ledger, &project).into_iter().partition(|field| field.kind.is_many());
    let mut fields = match desk.changed(plain.iter(), &typed) {
        Ok(fields) => fields,
        Err(said) => return Ok(page(&visit, &ledger, &typed, Some(said))),
    };
    fields.retain(|_, value| !value.is_null());
    for set in sets {
        let elements: Vec<&str> = typed.all(&set.id).collect();
        if !elements.is_empty() {
            fields.insert(set.id.clone(), Value::Text(elements.join(" ")));
        }
    }
    let action = Action::Begin { ledger: ledger.id.clone(), project: project.clone(), fields };
    match perform(&app, &visit, action).await {
        Ok(document) => Ok(Redirect::to(&format!("{}?saved=1", address(document))).into_response()),
        Err(failure) => Ok(page(&visit, &ledger, &typed, Some(told(failure)?.0))),
    }
}

/// Units in which the person may begin an entry.
pub(super) fn units(visit: &Visit, ledger: &Ledger) -> Vec<(String, String)> {
    let catalog = visit.catalog();
    let may = |scope: &&ScopeId| {
        let roles = check::roles_on(catalog, scope, visit.user());
        scope.stream() == ledger.stream && check::writes(catalog, &roles) && ledger.is_open_to(&roles)
    };
    let scopes = visit.sight.scopes().iter().filter(may);
    scopes.map(|scope| (scope.unit().to_owned(), visit.unit(scope.unit()))).collect()
}

/// Fields that a person fills in at the beginning; of a form its own fields.
fn asked(visit: &Visit, ledger: &Ledger, project: &str) -> Vec<Field> {
    let roles = check::roles_on(visit.catalog(), &ScopeId::of(project, &ledger.stream), visit.user());
    let open = ledger.fields.iter().filter(|field| {
        let is_own = [keys::PROJECT, keys::CREATED_BY, keys::CREATED_AT].contains(&field.id.as_str());
        let is_later = matches!(
            field.merge(),
            MergePolicy::ServerAssigned | MergePolicy::DerivedFromLastVisit | MergePolicy::AppendOnly
        );
        !field.retired && !is_own && !is_later && field.is_open_to(&roles)
    });
    open.flat_map(|field| form::parts(visit.catalog(), field)).collect()
}

fn page(visit: &Visit, ledger: &Ledger, typed: &Fields, said: Option<Sentence>) -> Response {
    let units = units(visit, ledger);
    let project =
        Some(typed.text("project")).filter(|given| !given.is_empty()).or(visit.asked.text("project"));
    let project =
        project.map(str::to_owned).or_else(|| units.first().map(|(id, _)| id.clone())).unwrap_or_default();
    let desk = Desk { v: visit, project: &project };
    let input = |field: &Field| {
        // The first default is what the definition suggests.
        let suggested = field.default.first().cloned().unwrap_or_default();
        let input = desk.input(field, String::new())?;
        let is_many = matches!(input.kind, InputKind::Many(_));
        let input = Input { required: field.required && !is_many, value: suggested, ..input };
        Some(if typed.0.is_empty() { input } else { input.refilled(typed) })
    };
    let inputs = asked(visit, ledger, &project).iter().filter_map(input).collect();
    let status = if said.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = BeginPage {
        v: visit,
        area: Area::Ledgers,
        href: format!("/ledgers/{}", ledger.id),
        title: visit.title(&ledger.title).to_owned(),
        units,
        project: project.clone(),
        inputs,
        said,
    };
    with_status(status, Page(page))
}
