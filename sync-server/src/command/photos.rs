//! `photos` and `export photos`: which photos and files are here, which are missing and who has them, and all of
//! them as an archive.

use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::Error;
use xunyuan_core::projection::{Filter, Row};
use xunyuan_core::report::Period;
use xunyuan_core::rules::file::FileCounts;
use xunyuan_core::time::{civil, rfc3339};

use super::output::{Exit, Lang, Report, table};
use super::report::named;
use super::store::{bar, unwritten_to};
use super::{Context, UTC_OFFSET_MIN};
use crate::hub::{FileShown, Hub, Incomplete};

/// Arguments of `photos`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// 只看一条记录的全部照片与附件 · All files of one record
    #[arg(long, value_name = "RECORD")]
    record: Option<String>,
    /// 最多查看几个缺失的文件 · Most missing files to look at
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
}

/// Arguments of `export photos`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// 只要一条记录 · One record only
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["project", "period", "definition"])]
    record: Option<String>,
    /// 只要一个项目 · One project only
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// 只要一种检查表或台帐 · One checklist or ledger only
    #[arg(long, value_name = "ID")]
    definition: Option<String>,
    /// 周期,写法同 report · Period, as for report
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// ZIP 文件,不可已存在 · ZIP file, must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Records that wait for photos, or the photos of one record.
pub(super) fn list(context: &Context, arguments: &Arguments) -> Result<Report, Error> {
    let hub = context.hub()?;
    let made = match &arguments.record {
        Some(record) => of_record(&hub, record, context.lang),
        None => incomplete(&hub, arguments.limit, context.lang),
    };
    hub.close()?;
    made
}

fn incomplete(hub: &Hub, limit: u32, lang: Lang) -> Result<Report, Error> {
    let catalog = hub.catalog();
    let records = hub.incomplete(limit)?;
    let stats = hub.stats()?;
    let values: Vec<Value> = records.iter().map(|record| record_json(&catalog, record)).collect();
    let json = json!({
        "files": stats.files,
        "bytes": stats.file_bytes,
        "missing": stats.files_missing,
        "records": values,
    });
    let total = format!(
        "{} {} ({} B),{} {}",
        lang.pick("已收到", "here:"),
        stats.files,
        stats.file_bytes,
        lang.pick("缺", "missing:"),
        stats.files_missing,
    );
    if records.is_empty() {
        return Ok(Report::done(json, total));
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|Incomplete { row, counts, .. }| {
            vec![number(row), row.title.clone(), said(&catalog, counts, lang)]
        })
        .collect();
    let header = [lang.pick("编号", "number"), lang.pick("标题", "title"), lang.pick("照片", "photos")];
    Ok(Report::done(json, format!("{total}\n{}", table(&header, &rows))))
}

fn of_record(hub: &Hub, record: &str, lang: Lang) -> Result<Report, Error> {
    let document = named(hub, record)?;
    let catalog = hub.catalog();
    let (counts, shown) = (hub.file_counts(document)?, hub.files_of(document)?);
    let values: Vec<Value> = shown.iter().map(|file| file_json(&catalog, file)).collect();
    let mut lines = vec![said(&catalog, &counts, lang)];
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|FileShown { named, is_here }| {
            let state = if *is_here { lang.pick("已收到", "here") } else { lang.pick("缺", "missing") };
            vec![
                named.file.hash.to_string().chars().take(8).collect(),
                state.to_owned(),
                named.file.media_type.clone(),
                named.file.bytes.to_string(),
                catalog.name_of(&named.by),
                clock(named.at_ms),
                named.key.split('/').nth(1).unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let header = [
            lang.pick("文件", "file"),
            lang.pick("状态", "state"),
            lang.pick("类型", "kind"),
            lang.pick("字节", "bytes"),
            lang.pick("人员", "person"),
            lang.pick("时间", "time"),
            lang.pick("位置", "place"),
        ];
        lines.push(table(&header, &rows));
    }
    Ok(Report::done(json!({"counts": counts_json(&catalog, &counts), "files": values}), lines.join("\n")))
}

/// Writes the photos and files of records as a ZIP with a list.
pub(super) fn export(context: &Context, arguments: &ExportArguments) -> Result<Report, Error> {
    let period = match arguments.period.as_deref().map(Period::parse).transpose() {
        Ok(period) => period,
        Err(error) => return Ok(Report { exit: Exit::Usage, ..Report::failed(&error, context.lang) }),
    };
    let hub = context.hub()?;
    let made = pack(context, &hub, arguments, period.as_ref());
    hub.close()?;
    made
}

fn pack(
    context: &Context,
    hub: &Hub,
    arguments: &ExportArguments,
    period: Option<&Period>,
) -> Result<Report, Error> {
    let document = arguments.record.as_deref().map(|record| named(hub, record)).transpose()?;
    let filter = Filter {
        document,
        project: arguments.project.clone(),
        definition: arguments.definition.clone(),
        ..Filter::default()
    };
    let span = period.map_or((i64::MIN, i64::MAX), |period| period.span_ms(&hub.catalog()));
    let path = &arguments.output;
    let file = File::create_new(path).map_err(unwritten_to(path))?;
    let bar = bar(context, context.lang.pick("导出", "export"), 0);
    let packed = hub.pack_files(&filter, span, UTC_OFFSET_MIN, file, |done| bar.set_position(done));
    bar.finish_and_clear();
    let packed = packed.inspect_err(|_| {
        // Half an archive must not pass for one.
        let _ = std::fs::remove_file(path);
    })?;
    let file = path.display().to_string();
    let lang = context.lang;
    let text = format!(
        "{} {file}:{} {},{} {},{} {}",
        lang.pick("已导出到", "exported to"),
        packed.records,
        lang.pick("条记录", "records"),
        packed.files,
        lang.pick("个文件", "files"),
        packed.missing,
        lang.pick("个缺失(见 manifest.json)", "missing (see manifest.json)"),
    );
    let json =
        json!({"file": file, "records": packed.records, "files": packed.files, "missing": packed.missing});
    Ok(Report::done(json, text))
}

fn record_json(catalog: &Catalog, record: &Incomplete) -> Value {
    let Incomplete { row, counts, since_ms } = record;
    json!({
        "record": row.document.to_string(),
        "number": row.number.as_ref().or(row.temp_number.as_ref()),
        "title": row.title,
        "project": row.project,
        "since": rfc3339(*since_ms, UTC_OFFSET_MIN),
        "counts": counts_json(catalog, counts),
    })
}

fn counts_json(catalog: &Catalog, counts: &FileCounts) -> Value {
    let still_with: Vec<Value> = counts
        .still_with
        .iter()
        .map(|with| {
            json!({
                "user": with.user,
                "name": catalog.name_of(&with.user),
                "count": with.count,
                "last_seen": with.seen_ms.map(|at_ms| rfc3339(at_ms, UTC_OFFSET_MIN)),
            })
        })
        .collect();
    json!({"all": counts.all, "here": counts.at_branch, "still_with": still_with})
}

fn file_json(catalog: &Catalog, shown: &FileShown) -> Value {
    let named = &shown.named;
    json!({
        "sha256": named.file.hash.to_string(),
        "here": shown.is_here,
        "place": named.key,
        "bytes": named.file.bytes,
        "media_type": named.file.media_type,
        "taken_at": named.file.taken_at_ms.map(|at_ms| rfc3339(at_ms, UTC_OFFSET_MIN)),
        "by": named.by,
        "by_name": catalog.name_of(&named.by),
        "added_at": rfc3339(named.at_ms, UTC_OFFSET_MIN),
    })
}

fn said(catalog: &Catalog, counts: &FileCounts, lang: Lang) -> String {
    let sentence = counts.sentence(|user| catalog.name_of(user), clock);
    sentence.map_or_else(
        || lang.pick("没有照片或附件", "no photos or files").to_owned(),
        |sentence| lang.of(&sentence).to_owned(),
    )
}

pub(super) fn clock(at_ms: i64) -> String {
    civil(at_ms, UTC_OFFSET_MIN).strftime("%m-%d %H:%M").to_string()
}

fn number(row: &Row) -> String {
    let number = row.number.as_ref().or(row.temp_number.as_ref());
    number.cloned().unwrap_or_else(|| row.document.to_string().chars().take(8).collect())
}
