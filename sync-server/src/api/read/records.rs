//! Records: lists, what has changed, and one of them with its history.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::str::FromStr as _;
use xunyuan_core::definition::{Catalog, Title};
use xunyuan_core::document::model::{Model, Stamped};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::{Filter, Row, RowKind};
use xunyuan_core::rules::entry::{self, FieldView};
use xunyuan_core::rules::{self, keys, title};

use super::params::{self, Kind, Param};
use super::{Query, next_of};
use crate::app::App;
use crate::asked::{FIELD, refused};
use crate::auth::{Program, ReadRecords};
use crate::hub::{Feed, FeedFailure, Listed};
use crate::problem::Problem;

/// Parameters of a list.
const LIST: &[Param] = &[
    ("kind", Kind::Text, "kind"),
    ("definition", Kind::Text, "definition"),
    ("project", Kind::Text, "project"),
    ("state", Kind::Text, "state"),
    ("open", Kind::Flag, "open"),
    ("overdue", Kind::Flag, "overdue"),
    ("undecided", Kind::Flag, "undecided"),
    ("mine", Kind::Flag, "mine"),
    ("handler", Kind::Text, "handler"),
    ("dept", Kind::Text, "dept"),
    ("result", Kind::Text, "result"),
    ("q", Kind::Text, "q"),
    ("listed_from", Kind::Text, "since"),
    ("listed_until", Kind::Text, "until"),
    ("sort", Kind::Text, "sort"),
    ("limit", Kind::Text, "limit"),
    ("cursor", Kind::Text, "cursor"),
    (FIELD, Kind::Text, FIELD),
];
/// Parameters of what has changed: those alone that hold for a record for ever. One that left a state would
/// otherwise leave without a word.
const FEED: &[Param] = &[
    ("since", Kind::MayBeEmpty, "after"),
    ("kind", Kind::Text, "kind"),
    ("definition", Kind::Text, "definition"),
    ("project", Kind::Text, "project"),
    ("limit", Kind::Text, "limit"),
];

/// `GET /v1/records`: a list, or with `since` what has changed.
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    program: Program<ReadRecords>,
) -> Result<Json<Value>, Problem> {
    let names: Vec<(String, String)> =
        serde_urlencoded::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
    if let Some((_, since)) = names.into_iter().find(|(name, _)| name == "since") {
        let query = Query::new(&app, program.sight, params::read(&uri, FEED)?);
        return changed(&app, &query, Some(since).filter(|since| !since.is_empty())).await;
    }
    let query = Query::new(&app, program.sight, params::read(&uri, LIST)?);
    let (offset, limit) = query.window()?;
    let definition = definition(&query)?;
    known_fields(&query, definition.as_deref())?;
    let filter: Filter = query.look().records(kind(&query)?, definition.as_deref(), (offset, limit))?;
    let found = app.see(&query.sight, move |sight| sight.list(&filter)).await?;
    let catalog = query.sight.catalog();
    let next = next_of(offset, found.rows.len(), limit);
    Ok(Json(json!({
        "records": found.rows.iter().map(|listed| listed_json(catalog, listed)).collect::<Vec<_>>(),
        "count": found.count,
        "is_more_than_count": found.is_more,
        "more": next.is_some(),
        "next": next,
    })))
}

async fn changed(app: &App, query: &Query, since: Option<String>) -> Result<Json<Value>, Problem> {
    let feed = Feed { kind: kind(query)?, definition: definition(query)?, unit: query.look().unit()? };
    let limit = query.limit()?;
    let sight = query.sight.clone();
    let found = app.call(move |_, _| sight.changed_since(&feed, since.as_deref(), limit)).await?;
    let found = found.map_err(|failure| match failure {
        FeedFailure::Unreadable => params::refused("since"),
        FeedFailure::Ended => ended(),
        FeedFailure::Internal(error) => Problem::of(&error),
    })?;
    let catalog = query.sight.catalog();
    Ok(Json(json!({
        "records": found.rows.iter().map(|listed| listed_json(catalog, listed)).collect::<Vec<_>>(),
        "more": found.is_more,
        "next": found.next,
    })))
}

fn ended() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "cursor_ended",
        "此游标已失效(分公司恢复过备份、权限有变,或换了筛选条件);请不带游标从头再读",
        "the cursor has ended: the branch was restored, the rights have changed, or other records are asked for; begin again with an empty `since`",
    )
}

fn kind(query: &Query) -> Result<Option<RowKind>, Problem> {
    let named = query.asked.one_of("kind", &["inspection", "entry"])?;
    Ok(named.map(|kind| if kind == "entry" { RowKind::Entry } else { RowKind::Inspection }))
}

/// A ledger or checklist of which the program sees anything.
fn definition(query: &Query) -> Result<Option<String>, Problem> {
    match query.asked.text("definition") {
        Some(id) if !query.sight.sees(id) => Err(refused("definition", "definition")),
        id => Ok(id.map(str::to_owned)),
    }
}

/// Fields that are asked for are those of the ledger that is asked for.
fn known_fields(query: &Query, definition: Option<&str>) -> Result<(), Problem> {
    let ledger = definition.and_then(|id| query.sight.catalog().latest_ledger(id));
    let is_known = |field: &str| ledger.is_some_and(|ledger| ledger.field(field).is_some());
    match query.asked.names().find(|name| name.strip_prefix(FIELD).is_some_and(|field| !is_known(field))) {
        Some(name) => Err(params::refused(name)),
        None => Ok(()),
    }
}

/// `GET /v1/records/{id}`: one record whole.
pub(crate) async fn one(
    State(app): State<App>,
    uri: Uri,
    Path(id): Path<String>,
    program: Program<ReadRecords>,
) -> Result<Json<Value>, Problem> {
    let query = Query::new(&app, program.sight, params::read(&uri, &[])?);
    let id = DocumentId::from_str(&id).map_err(|_| no_record())?;
    let read = move |sight: &crate::hub::Sight| {
        let listed = sight.list(&Filter { document: Some(id), ..Filter::default() })?.rows.pop();
        Ok((listed, sight.record(id)?, sight.history(id)?))
    };
    let (listed, seen, history) = app.see(&query.sight, read).await?;
    let catalog = query.sight.catalog();
    let mut record = listed_json(catalog, &listed.ok_or_else(no_record)?);
    record["values"] = values(catalog, &seen.model);
    record["clashes"] = clashes(catalog, &seen.model);
    record["history"] = history.iter().map(crate::hub::LoggedChange::to_json).collect();
    Ok(Json(record))
}

fn no_record() -> Problem {
    Problem::of(&Error::new(
        ErrorKind::NotFound,
        "没有这条记录,或不在您的权限范围内",
        "there is no such record, or it is not among those that you may see",
    ))
}

fn titled(title: &Title) -> Value {
    json!({ "zh": title.zh, "en": title.en })
}

/// A record as lists show it.
fn listed_json(catalog: &Catalog, listed: &Listed) -> Value {
    let Listed { row, fields } = listed;
    let title = catalog.ledger(&row.definition).map(|ledger| &ledger.title);
    let title = title.or_else(|| catalog.checklist(&row.definition).map(|list| &list.title));
    json!({
        "id": row.document.to_string(),
        "kind": if row.kind == RowKind::Entry { "entry" } else { "inspection" },
        "definition": { "id": row.definition.id, "version": row.definition.version, "title": title.map(titled) },
        "project": row.project,
        "number": row.number,
        "temporary_number": row.temp_number,
        "state": row.state,
        "is_final": row.terminal,
        "summary": row.summary,
        "grade": row.grade,
        "owner_dept": row.owner_dept,
        "handler": row.handler,
        "created_by": row.created_by,
        "created_ms": row.created_at_ms,
        "listed_ms": row.listed_at_ms,
        "updated_ms": row.updated_at_ms,
        "due_ms": row.due_ms,
        "ended_ms": row.ended_at_ms,
        "score": row.score,
        "result": row.result,
        "undecided": undecided(row),
        "fields": fields,
    })
}

const fn undecided(row: &Row) -> u32 {
    row.clashes.saturating_add(row.contested)
}

/// Every value that holds, by the key under which it was written.
fn values(catalog: &Catalog, model: &Model) -> Value {
    // Which of several holds is the ledger's to say.
    let fields = catalog.ledger(&model.definition).map(|ledger| entry::view(catalog, ledger, model).fields);
    let first = |shown: FieldView| Some((keys::field(&shown.id), shown.values.into_iter().next()?));
    let held: BTreeMap<String, Stamped> = fields.into_iter().flatten().filter_map(first).collect();
    let mut values = Map::new();
    for (key, register) in &model.registers {
        let Stamped { value, by, at_ms } = held.get(key).unwrap_or(&register.winner);
        if !value.is_null() {
            let title = title::of_key(catalog, &model.definition, key);
            let value = json!({ "title": titled(&title), "value": value.to_json(), "by": by, "device_time_ms": at_ms });
            values.insert(key.clone(), value);
        }
    }
    for (key, text) in &model.texts {
        let title = title::of_key(catalog, &model.definition, &keys::field(key));
        let value = json!({ "title": titled(&title), "value": text, "by": null, "device_time_ms": null });
        values.insert(format!("text/{key}"), value);
    }
    Value::Object(values)
}

/// What people must decide about a record, the side that counts for now first.
fn clashes(catalog: &Catalog, model: &Model) -> Value {
    let clashes = rules::conflicts(catalog, model).into_iter().map(|clash| {
        let sides = clash.sides.iter().map(|side| {
            json!({
                "value": side.value.to_json(),
                "title": side.title.as_ref().map(titled),
                "by": side.by,
                "device_time_ms": side.at_ms,
            })
        });
        json!({
            "key": clash.key,
            "title": titled(&clash.title),
            "is_value": clash.is_value,
            "sides": sides.collect::<Vec<_>>(),
        })
    });
    clashes.collect()
}
