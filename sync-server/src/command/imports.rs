//! `definitions import`, `org import` and the templates to fill in: spreadsheets as definitions.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use xunyuan_core::definition::{Catalog, Definition, Problem, embedded};
use xunyuan_core::error::{Error, ErrorKind};

use super::Context;
use super::definitions::{problem_json, problem_line, refused, told};
use super::output::Report;
use crate::import::{self, Base, Head, Imported};

/// What `definitions import` is told beside the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// .xlsx:检查表模板或 XLSForm · .xlsx: the checklist template or an XLSForm
    file: PathBuf,
    /// 编号,如 chk.pump_room · Id, e.g. chk.pump_room
    #[arg(long)]
    id: Option<String>,
    /// 名称 · Title
    #[arg(long)]
    title: Option<String>,
    /// 数据流,如 patrol · Stream, e.g. patrol
    #[arg(long)]
    stream: Option<String>,
    /// 由哪些角色填写(编号或名称) · Roles that fill it in, by id or name
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// 只检查,不发布 · Check only, publish nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reads a checklist from a spreadsheet and publishes it, whole or not at all.
pub(super) fn definitions(context: &Context, arguments: &Import) -> Result<Report, Error> {
    let head = Head {
        id: arguments.id.clone(),
        title: arguments.title.clone(),
        stream: arguments.stream.clone(),
        roles: arguments.roles.clone(),
    };
    publish(context, &arguments.file, arguments.dry_run, |name, bytes, base| {
        import::checklist(name, bytes, &head, base)
    })
}

/// Reads projects, people and roles from a spreadsheet and publishes the organisation.
pub(super) fn organisation(context: &Context, file: &Path, dry_run: bool) -> Result<Report, Error> {
    publish(context, file, dry_run, import::organisation)
}

type Outcome = Result<Result<Imported, Vec<Problem>>, Error>;

fn publish(
    context: &Context,
    file: &Path,
    dry_run: bool,
    read: impl FnOnce(&str, &[u8], &Base<'_>) -> Outcome,
) -> Result<Report, Error> {
    let bytes = std::fs::read(file).map_err(|cause| {
        let (zh, en) = (format!("无法读取 {}", file.display()), format!("{} cannot be read", file.display()));
        Error::new(ErrorKind::Invalid, zh, en).caused_by(cause)
    })?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let hub = context.hub()?;
    let outcome = hub.definitions().and_then(|published| {
        let published = or_shipped(published.into_iter().map(|(definition, _)| definition).collect());
        let catalog = Catalog::new(&published)?;
        let imported = read(&name, &bytes, &Base { published: &published, catalog: &catalog })?;
        Ok(match imported {
            Err(problems) => refused(context, &problems),
            Ok(imported) if dry_run => checked(context, &imported),
            Ok(imported) => {
                let done = hub.publish(&imported.definitions, context.clock.now_ms())?;
                warned(context, told(context, &done), &imported.warnings)
            }
        })
    });
    hub.close()?;
    outcome
}

/// What is published, or in a new branch what ships with the server.
fn or_shipped(published: Vec<Definition>) -> Vec<Definition> {
    if published.is_empty() { embedded().to_vec() } else { published }
}

fn checked(context: &Context, imported: &Imported) -> Report {
    let reference = |definition: &Definition| {
        let reference = &definition.reference;
        json!({"id": reference.id, "version": reference.version, "hash": reference.hash.to_string()})
    };
    let listed: Vec<Value> = imported.definitions.iter().map(reference).collect();
    let names: Vec<String> = imported
        .definitions
        .iter()
        .map(|definition| format!("{} v{}", definition.reference.id, definition.reference.version))
        .collect();
    let text = context.lang.pick("没有问题,未发布:", "no problem, not published:");
    let report = Report::done(Value::Array(listed), format!("{text}\n{}", names.join("\n")));
    warned(context, report, &imported.warnings)
}

/// Adds what was left out to a report.
fn warned(context: &Context, mut report: Report, warnings: &[Problem]) -> Report {
    let listed: Vec<Value> = warnings.iter().map(problem_json).collect();
    report.json = json!({"definitions": report.json, "warnings": listed});
    if !warnings.is_empty() {
        let lines: Vec<String> = warnings.iter().map(|warning| problem_line(context, warning)).collect();
        let head = context.lang.pick("未采用:", "left out:");
        report.text = format!("{}\n{head}\n{}", report.text, lines.join("\n"));
    }
    report
}

/// Writes a spreadsheet to fill in.
pub(super) fn template(
    context: &Context,
    file: &Path,
    made: impl FnOnce(&Catalog) -> Result<Vec<u8>, Error>,
) -> Result<Report, Error> {
    let hub = context.hub()?;
    let published = hub.definitions();
    hub.close()?;
    let published = or_shipped(published?.into_iter().map(|(definition, _)| definition).collect());
    let bytes = made(&Catalog::new(&published)?)?;
    let mut options = std::fs::OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut out| std::io::Write::write_all(&mut out, &bytes));
    written.map_err(|cause| {
        let (zh, en) = (
            format!("无法写入 {}(文件不可已存在)", file.display()),
            format!("{} cannot be written (it must not exist yet)", file.display()),
        );
        Error::new(ErrorKind::Invalid, zh, en).caused_by(cause)
    })?;
    let text = format!("{} {}", context.lang.pick("已写入", "written:"), file.display());
    Ok(Report::done(json!({"file": file, "bytes": bytes.len()}), text))
}
