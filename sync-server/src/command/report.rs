//! `report`: what the branch reads, prints and hands up, from the rows of the projection.

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::DocumentId;
use xunyuan_core::report::{self, Filling, Format, Period, Request, Screen};

use super::Context;
use super::output::{Exit, Lang, Report, table};
use super::photos::clock;
use super::store::{bar, unwritten, unwritten_to};
use crate::hub::Hub;

/// The word that lists the reports instead of making one.
const LIST: &str = "list";
/// Columns of a page that goes to no terminal.
const PAGE_COLUMNS: usize = 160;
/// Records between two moves of the progress bar.
const STEP: u64 = 512;
/// Bytes of photos that a page holds which is put out at once.
const PICTURES_BYTES_SHOWN_MAX: u64 = 32 * 1024 * 1024;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// 报表编号,或 list · Id of a report, or list
    report: String,
    /// 只要一个项目 · One project only
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// 周期:2026-11-23、2026-W47、2026-11、2026Q4、2026 或 起..止,默认为当前周期 · Period, by default the current one
    #[arg(long, value_name = "PERIOD", conflicts_with = "record")]
    period: Option<String>,
    /// 只要一条记录:单次检查、审核或不符合项 · One record only: an inspection, an audit, a finding
    #[arg(long, value_name = "RECORD")]
    record: Option<String>,
    /// 格式:table、json、csv、xlsx、html,默认取自文件名 · Format, by default that of the file's name
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// 输出文件,默认标准输出 · File to write, by default stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// 文件已存在时替换它 · Replace the file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
}

/// Makes a report, or lists what can be made.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Report, Error> {
    let format = arguments
        .format
        .or_else(|| Format::of_file(arguments.output.as_deref()?))
        .unwrap_or(if context.json { Format::Json } else { Format::Table });
    let period = match period(arguments, format) {
        Ok(period) => period,
        Err(error) => return Ok(Report { exit: Exit::Usage, ..Report::failed(&error, context.lang) }),
    };
    let hub = context.hub()?;
    let made = if arguments.report == LIST {
        Ok(listed(&hub.catalog(), context.lang))
    } else {
        make(context, &hub, arguments, period, format)
    };
    hub.close()?;
    made
}

/// Reads the period, after what can be said of the other arguments without looking at any record.
fn period(arguments: &Arguments, format: Format) -> Result<Option<Period>, Error> {
    match &arguments.output {
        None if format == Format::Xlsx => {
            return Err(Error::new(
                ErrorKind::Invalid,
                "Excel 文件须用 -o 指明文件名",
                "a workbook needs a file: name it with -o",
            ));
        }
        Some(path) if path.exists() && !arguments.overwrite => {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("文件已存在,不会覆盖(需要时加 --overwrite):{}", path.display()),
                format!(
                    "the file exists and is not overwritten (add --overwrite to do so): {}",
                    path.display()
                ),
            ));
        }
        None | Some(_) => {}
    }
    arguments.period.as_deref().map(Period::parse).transpose()
}

fn make(
    context: &Context,
    hub: &Hub,
    arguments: &Arguments,
    period: Option<Period>,
    format: Format,
) -> Result<Report, Error> {
    let request = Request {
        report: arguments.report.clone(),
        project: arguments.project.clone(),
        period,
        record: arguments.record.as_deref().map(|text| named(hub, text)).transpose()?,
        now_ms: context.clock.now_ms(),
        english: context.lang == Lang::En,
        sheets: format == Format::Html,
    };
    hub.write_all_rows()?;
    let bar = bar(context, context.lang.pick("报表", "report"), hub.stats()?.documents);
    let table = hub.report(&request, &mut |seen| {
        if seen % STEP == 0 {
            bar.set_position(seen);
        }
    });
    bar.finish_and_clear();
    let table = table?;
    let bytes = format.write(&table, Screen { columns: PAGE_COLUMNS })?;
    let Some(path) = &arguments.output else {
        if format == Format::Json {
            return Ok(Report::done(report::json(&table), String::from_utf8_lossy(&bytes)));
        }
        let mut text = Vec::new();
        put_out(context, hub, format, bytes, PICTURES_BYTES_SHOWN_MAX, &mut text)?;
        let bytes = text;
        let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        return Ok(Report::done(json!({ "text": text }), text));
    };
    put(path, |file| put_out(context, hub, format, bytes, u64::MAX, file))?;
    let (file, rows) = (path.display().to_string(), table.rows.len());
    let said = context.lang.pick("行,已写入", "rows written to");
    Ok(Report::done(
        json!({"report": table.report, "file": file, "rows": rows}),
        format!("{rows} {said} {file}"),
    ))
}

/// Puts a report out, photos in their places where it is a page; at most `most` bytes of them.
fn put_out(
    context: &Context,
    hub: &Hub,
    format: Format,
    bytes: Vec<u8>,
    most: u64,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if format != Format::Html {
        return out.write_all(&bytes).map_err(unwritten);
    }
    let (english, mut left) = (context.lang == Lang::En, most);
    report::fill(&String::from_utf8_lossy(&bytes), out, &mut |mark| {
        let filling = hub.filling(mark, english, clock)?;
        let Filling::Picture { bytes, .. } = &filling else { return Ok(filling) };
        let Some(rest) = left.checked_sub(bytes.len() as u64) else {
            let said = context.lang.pick(
                "照片太多,用 -o 写成文件才放得下",
                "too many photos: write the report to a file with -o",
            );
            return Ok(Filling::Words(said.to_owned()));
        };
        left = rest;
        Ok(filling)
    })
}

/// The record that a number or the start of an id names.
pub(super) fn named(hub: &Hub, text: &str) -> Result<DocumentId, Error> {
    match hub.find(text)?.as_slice() {
        [row] => Ok(row.document),
        [] => Err(Error::new(
            ErrorKind::NotFound,
            "分公司没有这条记录;请给出编号,或文档编号的前 4 位以上",
            "the branch has no such record; give a number, or at least 4 digits of the document id",
        )),
        several => {
            let ids: Vec<String> = several.iter().map(|row| row.document.to_string()).collect();
            let ids = ids.join(" ");
            Err(Error::new(
                ErrorKind::Invalid,
                format!("有多条记录符合,请写得更全:{ids}"),
                format!("several records fit, say more of it: {ids}"),
            ))
        }
    }
}

fn listed(catalog: &Catalog, lang: Lang) -> Report {
    let mut rows = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    for report in catalog.reports() {
        let title = lang.pick(&report.title.zh, &report.title.en);
        rows.push(vec![report.id.clone(), report.period.clone(), title.to_owned()]);
        values.push(json!({
            "id": report.id,
            "period": report.period,
            "zh": report.title.zh,
            "en": report.title.en,
            "paper": report.paper.is_some(),
        }));
    }
    let header = lang.pick("编号 周期 名称", "id period name");
    let header: Vec<&str> = header.split(' ').collect();
    Report::done(json!({ "reports": values }), table(&header, &rows))
}

/// Writes the file whole or not at all: beside it first, then in its place.
fn put(path: &Path, write: impl FnOnce(&mut std::fs::File) -> Result<(), Error>) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file = std::fs::File::create_new(&beside).map_err(unwritten_to(path))?;
    let written = write(&mut file).and_then(|()| {
        file.sync_all().and_then(|()| std::fs::rename(&beside, path)).map_err(unwritten_to(path))
    });
    written.inspect_err(|_| {
        // What is left of a failed attempt is nobody's; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&beside);
    })
}
