//! `definitions` and `org`: checklists, ledgers, rules and the organisation as data.

use serde_json::{Value, json};
use std::path::Path;
use xunyuan_core::definition::{
    Definition, DefinitionKind, Problem, SourceFile, embedded, parse_files, sample_organisation,
};
use xunyuan_core::error::{Error, ErrorKind, Sentence};

use super::Context;
use super::output::{Exit, Lang, Report, table};
use crate::hub::{Hub, Publication};

/// Checks all `*.json` of a directory as one set.
pub(super) fn check(context: &Context, dir: &Path) -> Result<Report, Error> {
    let (files, unreadable) = read_dir(dir)?;
    Ok(match checked(&files, unreadable) {
        Ok(definitions) => {
            let text = context.lang.pick("个定义,没有问题", "definitions, no problem");
            let listed: Vec<Value> = definitions.iter().map(listed).collect();
            Report::done(
                json!({"definitions": listed, "problems": []}),
                format!("{} {text}", definitions.len()),
            )
        }
        Err(problems) => refused(context, &problems),
    })
}

/// Publishes what a directory defines, on top of what is published; the same content again is no
/// change.
pub(super) fn load(context: &Context, dir: &Path) -> Result<Report, Error> {
    let (files, unreadable) = read_dir(dir)?;
    let hub = context.hub()?;
    let outcome = fitting(&hub, &files, unreadable).and_then(|fitting| match fitting {
        Ok(definitions) => Ok(Ok(hub.publish(&definitions, context.clock.now_ms())?)),
        Err(problems) => Ok(Err(problems)),
    });
    hub.close()?;
    Ok(outcome?.map_or_else(|problems| refused(context, &problems), |published| told(context, &published)))
}

/// Publishes an organisation: branch, projects, people, checkpoints, schedules. In a new branch the
/// definitions that ship with the server come with it.
pub(super) fn load_organisation(context: &Context, file: &Path) -> Result<Report, Error> {
    let bytes = std::fs::read(file).map_err(|e| unreadable(file, e))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let hub = context.hub()?;
    let now_ms = context.clock.now_ms();
    let source = SourceFile { name, bytes };
    let outcome =
        fitting(&hub, std::slice::from_ref(&source), Vec::new()).and_then(|fitting| match fitting {
            Ok(definitions) if is_organisation(&definitions) => {
                let mut published = vec![hub.load_organisation(&source.bytes, now_ms)?];
                published.extend(publish_missing(&hub, now_ms)?);
                Ok(Ok(published))
            }
            Ok(_) => Err(Error::new(
                ErrorKind::Invalid,
                "这个文件不是组织定义;其他定义请用 definitions load",
                "this file does not define an organisation; load other definitions with definitions load",
            )),
            Err(problems) => Ok(Err(problems)),
        });
    hub.close()?;
    Ok(outcome?.map_or_else(|problems| refused(context, &problems), |published| told(context, &published)))
}

fn is_organisation(definitions: &[Definition]) -> bool {
    matches!(definitions, [only] if only.kind == DefinitionKind::Organisation)
}

/// Files that fit what the branch has published, or in a new branch what ships with the server.
fn fitting(
    hub: &Hub,
    files: &[SourceFile],
    mut problems: Vec<Problem>,
) -> Result<Result<Vec<Definition>, Vec<Problem>>, Error> {
    Ok(match hub.fitting(files)? {
        Ok(definitions) if problems.is_empty() => Ok(definitions),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    })
}

/// Publishes the sample organisation, for trying things out.
pub(super) fn load_sample(context: &Context) -> Result<Report, Error> {
    let hub = context.hub()?;
    let now_ms = context.clock.now_ms();
    let published = hub.load_organisation(&sample_organisation().json, now_ms).and_then(|organisation| {
        let mut published = vec![organisation];
        published.extend(publish_missing(&hub, now_ms)?);
        Ok(published)
    });
    hub.close()?;
    Ok(told(context, &published?))
}

/// Publishes those shipped definitions of which the branch has no version at all.
///
/// # Errors
/// As publishing; nothing happens in a branch without an organisation.
pub(super) fn publish_missing(hub: &Hub, now_ms: i64) -> Result<Vec<Publication>, Error> {
    if hub.branch().is_none() {
        return Ok(Vec::new());
    }
    let catalog = hub.catalog();
    let missing: Vec<Definition> = embedded()
        .iter()
        .filter(|definition| catalog.reference_of(&definition.reference.id).is_none())
        .cloned()
        .collect();
    if missing.is_empty() { Ok(Vec::new()) } else { hub.publish(&missing, now_ms) }
}

/// The definitions that the branch has published.
pub(super) fn list(context: &Context) -> Result<Report, Error> {
    let hub = context.hub()?;
    let definitions = hub.definitions()?;
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for (definition, seq) in &definitions {
        let reference = &definition.reference;
        let hash = reference.hash.to_string();
        json.push(json!({"id": reference.id, "version": reference.version, "hash": hash, "seq": seq}));
        rows.push(vec![reference.id.clone(), reference.version.to_string(), hash.chars().take(16).collect()]);
    }
    let header = match context.lang {
        Lang::Zh => ["定义", "版本", "内容哈希"],
        Lang::En => ["definition", "version", "content hash"],
    };
    hub.close()?;
    Ok(Report::done(Value::Array(json), table(&header, &rows)))
}

pub(super) fn told(context: &Context, published: &[Publication]) -> Report {
    let new = published.iter().filter(|publication| publication.is_new).count();
    let text = match new {
        0 => context.lang.pick("没有变化", "nothing changed").to_owned(),
        _ => {
            let lines: Vec<String> = published
                .iter()
                .filter(|publication| publication.is_new)
                .map(|publication| format!("{} v{}", publication.reference.id, publication.reference.version))
                .collect();
            format!("{} {new}\n{}", context.lang.pick("新发布:", "published:"), lines.join("\n"))
        }
    };
    Report::done(Value::Array(published.iter().map(publication).collect()), text)
}

fn publication(publication: &Publication) -> Value {
    let reference = &publication.reference;
    json!({
        "id": reference.id,
        "version": reference.version,
        "hash": reference.hash.to_string(),
        "new": publication.is_new,
    })
}

fn listed(definition: &Definition) -> Value {
    let reference = &definition.reference;
    json!({"id": reference.id, "version": reference.version, "hash": reference.hash.to_string()})
}

/// The files of a directory in the order of their names, and a problem for each that cannot be read.
fn read_dir(dir: &Path) -> Result<(Vec<SourceFile>, Vec<Problem>), Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        let path = entry.map_err(|e| unreadable(dir, e))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("目录 {} 中没有 .json 文件", dir.display()),
            format!("the directory {} holds no .json file", dir.display()),
        ));
    }
    paths.sort();
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match std::fs::read(&path) {
            Ok(bytes) => files.push(SourceFile { name, bytes }),
            Err(e) => problems.push(Problem {
                file: name,
                pointer: String::new(),
                sentence: Sentence::new(format!("无法读取:{e}"), format!("cannot be read: {e}")),
                allowed: Vec::new(),
            }),
        }
    }
    Ok((files, problems))
}

fn checked(files: &[SourceFile], mut problems: Vec<Problem>) -> Result<Vec<Definition>, Vec<Problem>> {
    match parse_files(files) {
        Ok(definitions) if problems.is_empty() => Ok(definitions),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// One line per problem: file, place in it, what is wrong, what is allowed.
pub(super) fn refused(context: &Context, problems: &[Problem]) -> Report {
    let lines: Vec<String> = problems.iter().map(|problem| problem_line(context, problem)).collect();
    let json: Vec<Value> = problems.iter().map(problem_json).collect();
    Report { exit: Exit::Refused, json: json!({"definitions": [], "problems": json}), text: lines.join("\n") }
}

pub(super) fn problem_line(context: &Context, problem: &Problem) -> String {
    let pointer = if problem.pointer.is_empty() { "/" } else { &problem.pointer };
    let mut line = format!("{} {}: {}", problem.file, pointer, context.lang.of(&problem.sentence));
    if !problem.allowed.is_empty() {
        let allowed = context.lang.pick("可用", "allowed");
        line.push_str(&format!(" ({allowed}: {})", problem.allowed.join(", ")));
    }
    line
}

pub(super) fn problem_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "pointer": problem.pointer,
        "zh": problem.sentence.zh,
        "en": problem.sentence.en,
        "allowed": problem.allowed,
    })
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("无法读取 {}", path.display()),
        format!("{} cannot be read", path.display()),
    )
    .caused_by(cause)
}
