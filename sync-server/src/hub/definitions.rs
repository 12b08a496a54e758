//! Definitions as the branch publishes them: immutable versions, each a record of its own.

use rusqlite::Connection;
use xunyuan_core::definition::{
    Catalog, Definition, DefinitionKind, Problem, SourceFile, embedded, parse_files_onto,
};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::DefinitionRef;
use xunyuan_core::wire::log::definition_document;

use super::store::{self, definition::DefinitionRow, log::Origin};
use super::writer::Writer;
use super::{Hub, WriteFailure, rows};

/// What became of one definition that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Which version.
    pub reference: DefinitionRef,
    /// False when this version was published before with the same content.
    pub is_new: bool,
    /// Its place in the definitions scope.
    pub seq: u64,
}

impl Hub {
    /// Publishes definition versions, all or none. Handing in the same twice changes nothing.
    ///
    /// The first call must bring the organisation along: it names the branch whose definitions these are.
    /// In a branch with many documents their rows are written again later ([`Hub::write_rows`]).
    ///
    /// # Errors
    /// `Refused` when a version was published with other content (both hashes are named) or when there is
    /// no organisation, or one of another branch; `Invalid` when a definition does not parse.
    pub fn publish(&self, definitions: &[Definition], now_ms: i64) -> Result<Vec<Publication>, Error> {
        let definitions = definitions.to_vec();
        Ok(self.write(move |writer| publish(writer, &definitions, now_ms))?)
    }

    /// Publishes the organisation under the next free version when its content differs from the latest.
    ///
    /// # Errors
    /// As [`Hub::publish`].
    pub fn load_organisation(&self, json: &[u8], now_ms: i64) -> Result<Publication, Error> {
        let given = Definition::parse(json)?;
        if given.kind != DefinitionKind::Organisation {
            return Err(Error::new(
                ErrorKind::Invalid,
                "这个文件不是组织架构",
                "this file is not an organisation",
            ));
        }
        let done = self.write(move |writer| {
            let versions = store::definition::all(&writer.conn)?;
            let latest = versions
                .into_iter()
                .filter(|row| row.reference.id == given.reference.id)
                .max_by_key(|row| row.reference.version);
            let next = match latest {
                Some(row) if content(&row.json)? == content(&given.json)? => {
                    return Ok(vec![Publication { reference: row.reference, is_new: false, seq: row.seq }]);
                }
                Some(row) => row.reference.version.saturating_add(1),
                None => given.reference.version,
            };
            publish(writer, &[with_version(&given, next)?], now_ms)
        });
        match done.map_err(WriteFailure::into) {
            Ok(published) => published.into_iter().next().ok_or_else(|| invalid("nothing was published")),
            Err(error) => Err(error),
        }
    }

    /// The definitions that files hold, where they fit what is published, or in a new branch what ships with the
    /// server; else every problem found.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when what is published cannot be read.
    pub fn fitting(&self, files: &[SourceFile]) -> Result<Result<Vec<Definition>, Vec<Problem>>, Error> {
        let published: Vec<Definition> =
            self.definitions()?.into_iter().map(|(definition, _)| definition).collect();
        parse_files_onto(if published.is_empty() { embedded() } else { &published }, files)
    }

    /// Every published version with its place in the definitions scope.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn definitions(&self) -> Result<Vec<(Definition, u64)>, Error> {
        let rows = self.inner.shared.read(store::definition::all)?;
        rows.into_iter().map(|row| Ok((Definition::parse(&row.json)?, row.seq))).collect()
    }
}

/// The catalog of everything that is published.
pub(super) fn load(conn: &Connection) -> Result<Catalog, Error> {
    let rows = store::definition::all(conn)?;
    Catalog::stored(rows.iter().map(|row| (&row.reference, row.json.as_slice())))
}

fn publish(writer: &mut Writer, definitions: &[Definition], now_ms: i64) -> Result<Vec<Publication>, Error> {
    let mut order: Vec<&Definition> = definitions.iter().collect();
    order.sort_by_key(|definition| definition.kind != DefinitionKind::Organisation);
    let mut published = Vec::new();
    let mut any_new = false;
    for definition in order {
        let known =
            store::definition::find(&writer.conn, &definition.reference.id, definition.reference.version)?;
        let publication = match known {
            Some((hash, seq)) if hash == definition.reference.hash => {
                Publication { reference: definition.reference.clone(), is_new: false, seq }
            }
            Some((hash, _)) => return Err(changed(&definition.reference, &hash.to_string())),
            None => {
                any_new = true;
                append(writer, definition, now_ms)?
            }
        };
        published.push(publication);
    }
    if any_new {
        let catalog = load(&writer.conn)?;
        writer.put_catalog(catalog);
        rows::write_again(writer)?;
    }
    Ok(published)
}

fn append(writer: &mut Writer, definition: &Definition, now_ms: i64) -> Result<Publication, Error> {
    if Definition::parse(&definition.json)?.reference != definition.reference {
        return Err(invalid("a definition is not named by the hash of its content"));
    }
    if definition.kind == DefinitionKind::Organisation {
        bind_branch(writer, definition)?;
    }
    let scope = writer.catalog.definitions_scope().ok_or_else(|| {
        Error::new(
            ErrorKind::Refused,
            "还没有组织架构;请先用 org load 载入组织架构",
            "there is no organisation yet; load one first",
        )
    })?;
    let identity = &writer.shared.identity;
    let origin = Origin { device: identity.device, user: identity.user.clone(), received_at_ms: now_ms };
    let document = definition_document(&definition.reference);
    let seq =
        store::log::append_definition(&writer.conn, &scope, document, &origin, definition.reference.hash)?;
    let row = DefinitionRow { reference: definition.reference.clone(), json: definition.json.clone(), seq };
    store::definition::insert(&writer.conn, document, &row, now_ms)?;
    writer.note_moved(&scope, seq);
    Ok(Publication { reference: row.reference, is_new: true, seq })
}

/// The first organisation names the branch; later ones must be of the same.
fn bind_branch(writer: &mut Writer, definition: &Definition) -> Result<(), Error> {
    let alone = Catalog::new(std::slice::from_ref(definition))?;
    let given = alone.organisation().map(|organisation| organisation.branch.id.clone());
    let given = given.ok_or_else(|| invalid("an organisation names its branch"))?;
    match writer.catalog.organisation().map(|organisation| organisation.branch.id.as_str()) {
        Some(known) if known == given => Ok(()),
        Some(known) => Err(Error::new(
            ErrorKind::Refused,
            format!("这台服务器属于 {known},不能载入 {given} 的组织架构"),
            format!("this server belongs to {known} and cannot load the organisation of {given}"),
        )),
        None => {
            store::server::put_branch(&writer.conn, &given)?;
            writer.put_catalog(alone);
            Ok(())
        }
    }
}

/// What a definition says apart from its version number.
fn content(json: &[u8]) -> Result<serde_json::Value, Error> {
    let mut value: serde_json::Value =
        serde_json::from_slice(json).map_err(|cause| invalid("a definition is not JSON").caused_by(cause))?;
    if let Some(object) = value.as_object_mut() {
        object.remove("version");
    }
    Ok(value)
}

fn with_version(given: &Definition, version: u32) -> Result<Definition, Error> {
    if given.reference.version == version {
        return Ok(given.clone());
    }
    let mut value = content(&given.json)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("version".to_owned(), version.into());
    }
    Definition::parse(value.to_string().as_bytes())
}

fn changed(reference: &DefinitionRef, known: &str) -> Error {
    let DefinitionRef { id, version, hash } = reference;
    Error::new(
        ErrorKind::Refused,
        format!("{id} 第 {version} 版已发布且内容不同(已发布 {known},新内容 {hash});请提高版本号"),
        format!(
            "version {version} of {id} is already published with other content (published {known}, \
             given {hash}); raise the version number"
        ),
    )
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::Invalid, "定义内容有误", format!("the definition is wrong: {what}"))
}
