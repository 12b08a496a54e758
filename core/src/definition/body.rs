//! From a JSON value to a typed definition: the kind is named by the key `schema`.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use super::catalogues::{CategorySet, ClauseCatalogue, ResponseSets};
use super::checklist::Checklist;
use super::holidays::Holidays;
use super::label::Fault;
use super::ledger::Ledger;
use super::organisation::{Organisation, RoleBook};
use super::papers::{Form, Nonconformity, Training};
use super::reader::Reader;
use super::report::Reports;
use super::rulebook::RuleBook;
use super::staffing::Staffing;
use super::tiles::Tiles;
use super::{Definition, DefinitionKind, canonical, too_large};
use crate::error::{Error, ErrorKind};
use crate::id::{ContentHash, DefinitionRef};
use crate::limits::DEFINITION_BYTES_MAX;

/// A definition, typed.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Checklist(Arc<Checklist>),
    Ledger(Arc<Ledger>),
    Rules(Arc<RuleBook>),
    ResponseSets(Arc<ResponseSets>),
    Categories(Arc<CategorySet>),
    Clauses(Arc<ClauseCatalogue>),
    Roles(Arc<RoleBook>),
    Reports(Arc<Reports>),
    Nonconformity(Arc<Nonconformity>),
    Staffing(Arc<Staffing>),
    Training(Arc<Training>),
    Form(Arc<Form>),
    Holidays(Arc<Holidays>),
    Tiles(Arc<Tiles>),
    Organisation(Arc<Organisation>),
    /// Of a kind that this version does not know: kept as it is, and passed over.
    Later,
}

/// A definition with its typed content.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) definition: Definition,
    pub(crate) body: Body,
}

/// A fault with the JSON pointer of its place.
#[derive(Clone, Debug)]
pub(crate) struct Misplaced {
    pub(crate) pointer: String,
    pub(crate) fault: Fault,
}

impl Misplaced {
    pub(crate) fn into_error(self) -> Error {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        Error::new(
            ErrorKind::Invalid,
            format!("定义有误,位置 {pointer}:{}", self.fault.zh),
            format!("the definition is wrong at {pointer}: {}", self.fault.en),
        )
    }
}

/// Reads one definition from its value.
pub(crate) fn parse(value: &Value) -> Result<Parsed, Misplaced> {
    let kind = kind_of(value)?;
    let json = canonical::bytes(value);
    if json.len() > DEFINITION_BYTES_MAX {
        let error = too_large();
        return Err(at("", Fault::new(error.sentence().zh.clone(), error.sentence().en.clone())));
    }
    // A number with more digits than a double holds would change when the canonical text is read again.
    if !canonical::read(&json).is_ok_and(|again| again == *value) {
        return Err(at("", Fault::new("数字的位数过多", "a number has too many digits")));
    }
    let hash = ContentHash(Sha256::digest(&json).into());
    let (reference, body) = typed_body(kind, value.clone(), hash)?;
    Ok(Parsed { definition: Definition { reference, kind, json }, body })
}

/// The content of a definition that was read and checked before, from the bytes that it is named by.
///
/// The hash proves that they are the bytes that were checked then: they are read once. A branch of a later
/// version may publish a kind that this one does not know: nothing here depends on it.
///
/// # Errors
/// `Corrupt` when the bytes are not those of the reference.
pub(crate) fn stored(reference: &DefinitionRef, json: &[u8]) -> Result<Body, Error> {
    if ContentHash(Sha256::digest(json).into()) != reference.hash {
        return Err(damaged());
    }
    let value = canonical::read(json).map_err(|error| damaged().caused_by(error))?;
    let Ok(kind) = kind_of(&value) else { return Ok(Body::Later) };
    let (named, body) = typed_body(kind, value, reference.hash).map_err(Misplaced::into_error)?;
    if named == *reference { Ok(body) } else { Err(damaged()) }
}

/// The kind that a value's `schema` names.
pub(crate) fn kind_of(value: &Value) -> Result<DefinitionKind, Misplaced> {
    let known = DefinitionKind::ALL.map(DefinitionKind::schema);
    let Some(object) = value.as_object() else {
        return Err(at("", Fault::new("定义应为 JSON 对象", "a definition is a JSON object")));
    };
    let Some(schema) = object.get("schema").and_then(Value::as_str) else {
        return Err(at("/schema", Fault::new("缺少 schema", "\"schema\" is missing").allowing(known)));
    };
    DefinitionKind::of_schema(schema).ok_or_else(|| {
        at(
            "/schema",
            Fault::new(format!("未知的 schema“{schema}”"), format!("unknown schema \"{schema}\""))
                .allowing(known),
        )
    })
}

fn typed_body(
    kind: DefinitionKind,
    value: Value,
    hash: ContentHash,
) -> Result<(DefinitionRef, Body), Misplaced> {
    let named = |id: &str, version: u32| DefinitionRef { id: id.to_owned(), version, hash };
    Ok(match kind {
        DefinitionKind::Checklist => {
            let mut checklist: Checklist = typed(value)?;
            checklist.reference = named(&checklist.id, checklist.version);
            (checklist.reference.clone(), Body::Checklist(Arc::new(checklist)))
        }
        DefinitionKind::Ledger => {
            let mut ledger: Ledger = typed(value)?;
            ledger.reference = named(&ledger.id, ledger.version);
            (ledger.reference.clone(), Body::Ledger(Arc::new(ledger)))
        }
        DefinitionKind::Rules => {
            let rules: RuleBook = typed(value)?;
            (named(&rules.id, rules.version), Body::Rules(Arc::new(rules)))
        }
        DefinitionKind::ResponseSets => {
            let sets: ResponseSets = typed(value)?;
            (named(&sets.id, sets.version), Body::ResponseSets(Arc::new(sets)))
        }
        DefinitionKind::Categories => {
            let set: CategorySet = typed(value)?;
            (named(&set.id, set.version), Body::Categories(Arc::new(set)))
        }
        DefinitionKind::Clauses => {
            let clauses: ClauseCatalogue = typed(value)?;
            (named(&clauses.id, clauses.version), Body::Clauses(Arc::new(clauses)))
        }
        DefinitionKind::Roles => {
            let roles: RoleBook = typed(value)?;
            (named(&roles.id, roles.version), Body::Roles(Arc::new(roles)))
        }
        DefinitionKind::Reports => {
            let reports: Reports = typed(value)?;
            (named(&reports.id, reports.version), Body::Reports(Arc::new(reports)))
        }
        DefinitionKind::Nonconformity => {
            let model: Nonconformity = typed(value)?;
            (named(&model.id, model.version), Body::Nonconformity(Arc::new(model)))
        }
        DefinitionKind::Staffing => {
            let staffing: Staffing = typed(value)?;
            (named(&staffing.id, staffing.version), Body::Staffing(Arc::new(staffing)))
        }
        DefinitionKind::Training => {
            let training: Training = typed(value)?;
            (named(&training.id, training.version), Body::Training(Arc::new(training)))
        }
        DefinitionKind::Form => {
            let form: Form = typed(value)?;
            (named(&form.id, form.version), Body::Form(Arc::new(form)))
        }
        DefinitionKind::Holidays => {
            let holidays: Holidays = typed(value)?;
            (named(&holidays.id, holidays.version), Body::Holidays(Arc::new(holidays)))
        }
        DefinitionKind::Tiles => {
            let tiles: Tiles = typed(value)?;
            (named(&tiles.id, tiles.version), Body::Tiles(Arc::new(tiles)))
        }
        DefinitionKind::Organisation => {
            let organisation: Organisation = typed(value)?;
            (named(&organisation.id, organisation.version), Body::Organisation(Arc::new(organisation)))
        }
    })
}

/// Reads a typed value; the key `schema` has done its work before and is left out.
pub(crate) fn typed<T: DeserializeOwned>(mut content: Value) -> Result<T, Misplaced> {
    if let Some(object) = content.as_object_mut() {
        object.remove("schema");
    }
    T::deserialize(Reader(content))
        .map_err(|unfit| Misplaced { pointer: unfit.pointer(), fault: fault(&unfit.text) })
}

fn damaged() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "定义内容与其哈希不符",
        "a definition's content does not have the hash it is named by",
    )
}

fn at(pointer: &str, fault: Fault) -> Misplaced {
    Misplaced { pointer: pointer.to_owned(), fault }
}

/// What JSON's types are called; serde's own names are Rust's.
const TYPES: [(&str, &str, &str); 13] = [
    ("string", "文本", "a text"),
    ("a string", "文本", "a text"),
    ("integer", "整数", "a whole number"),
    ("u8", "非负整数", "a whole number from 0"),
    ("u32", "非负整数", "a whole number from 0"),
    ("i32", "整数", "a whole number"),
    ("floating point", "小数", "a number"),
    ("f64", "数字", "a number"),
    ("boolean", "真假值", "true or false"),
    ("a boolean", "真假值", "true or false"),
    ("null", "空值", "null"),
    ("sequence", "列表", "a list"),
    ("a sequence", "列表", "a list"),
];

fn wrong_type(found: &str, wanted: &str) -> Fault {
    let named = |name: &str| {
        let word = name.split(['`', '"']).next().unwrap_or_default().trim();
        if word.starts_with("struct") || word == "map" || word == "a map" {
            return ("对象".to_owned(), "an object".to_owned());
        }
        let known = TYPES.iter().find(|(serde, ..)| *serde == word);
        known.map_or_else(
            || (name.to_owned(), name.to_owned()),
            |(_, zh, en)| ((*zh).to_owned(), (*en).to_owned()),
        )
    };
    let ((found_zh, found_en), (wanted_zh, wanted_en)) = (named(found), named(wanted));
    Fault::new(
        format!("类型不对:应为{wanted_zh},实际为{found_zh}"),
        format!("wrong type: {wanted_en} was expected, {found_en} is there"),
    )
}

/// What serde says, in both languages and with the allowed values apart.
fn fault(text: &str) -> Fault {
    if let Some(own) = Fault::from_text(text) {
        return own;
    }
    let ticked: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (first, others) = ticked.split_first().map_or(("", [].as_slice()), |(first, rest)| (*first, rest));
    if text.starts_with("unknown field") {
        return Fault::unknown_key(first).allowing(others.iter().copied());
    }
    if text.starts_with("unknown variant") {
        return Fault::new(format!("未知的取值“{first}”"), format!("unknown value \"{first}\""))
            .allowing(others.iter().copied());
    }
    if text.starts_with("missing field") {
        return Fault::missing(first);
    }
    if let Some((found, wanted)) =
        text.strip_prefix("invalid type: ").and_then(|t| t.split_once(", expected "))
    {
        return wrong_type(found, wanted);
    }
    if let Some(rest) = text.strip_prefix("invalid value: ") {
        return Fault::new(format!("取值不对:{rest}"), format!("wrong value: {rest}"));
    }
    Fault::new(format!("有误:{text}"), text.to_owned())
}
