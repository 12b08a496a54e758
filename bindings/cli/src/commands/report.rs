//! Reports over what this device holds, offline.

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use xunyuan_core::report::{self, Format, Period, Request, Screen, Table};
use xunyuan_ffi::files::{Printed, Shelf};
use xunyuan_ffi::words::Lang;

use crate::args::ReportArgs;
use crate::device::{APP, Device};
use crate::failure::Failure;
use crate::output::{self, Report};

/// The word that lists the reports instead of making one.
const LIST: &str = "list";
/// Records between two moves of the progress bar.
const STEP: u64 = 512;
/// Bytes of photos that a page holds which is put out at once.
const PICTURES_BYTES_SHOWN_MAX: u64 = 32 * 1024 * 1024;

/// Makes a report, or lists what can be made.
pub(super) fn report(device: &mut Device<'_>, args: &ReportArgs) -> Result<Report, Failure> {
    if args.report == LIST {
        return Ok(listed(device));
    }
    let format = args
        .format
        .or_else(|| Format::of_file(args.output.as_deref()?))
        .unwrap_or(if device.output.is_json() { Format::Json } else { Format::Table });
    if format == Format::Xlsx && args.output.is_none() {
        return Err(Failure::invalid(
            "workbook_needs_file",
            "Excel 文件须用 -o 指明文件名",
            "a workbook needs a file: name it with -o",
        ));
    }
    if let Some(path) = args.output.as_ref().filter(|path| path.exists() && !args.overwrite) {
        return Err(Failure::invalid(
            "file_exists",
            format!("文件已存在,不会覆盖(需要时加 --overwrite):{}", path.display()),
            format!("the file exists and is not overwritten (add --overwrite to do so): {}", path.display()),
        ));
    }
    let table = made(device, args, format == Format::Html)?;
    let bytes = format.write(&table, Screen { columns: device.output.columns() })?;
    let Some(path) = &args.output else {
        let mut text = Vec::new();
        put_out(device, format, &bytes, PICTURES_BYTES_SHOWN_MAX, &mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let json = if format == Format::Json { report::json(&table) } else { json!({ "text": text }) };
        return Ok(Report::done(json, text));
    };
    put(path, |file| put_out(device, format, &bytes, u64::MAX, file))?;
    let (file, rows) = (path.display().to_string(), table.rows.len());
    let said = match device.output.lang() {
        Lang::Zh => format!("{rows} 行,已写入 {file}"),
        Lang::En => format!("{rows} rows written to {file}"),
    };
    Ok(Report::done(json!({ "report": table.report, "file": file, "rows": rows }), said))
}

fn made(device: &mut Device<'_>, args: &ReportArgs, sheets: bool) -> Result<Table, Failure> {
    let request = Request {
        report: args.report.clone(),
        project: args.project.clone(),
        period: args.period.as_deref().map(Period::parse).transpose()?,
        record: args
            .record
            .as_deref()
            .map(|text| Ok::<_, Failure>(device.record(text)?.document))
            .transpose()?,
        now_ms: device.clock.read().0,
        english: device.output.lang() == Lang::En,
        sheets,
    };
    let target =
        if device.output.is_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(None, target);
    let table = device.replica.report(&request, APP, &mut |seen| {
        if seen % STEP == 0 {
            bar.set_position(seen);
        }
    });
    bar.finish_and_clear();
    Ok(table?)
}

/// Puts a report out, photos in their places where it is a page; at most `most` bytes of them.
fn put_out(
    device: &Device<'_>,
    format: Format,
    bytes: &[u8],
    most: u64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if format != Format::Html {
        return out.write_all(bytes).map_err(|error| unwritten(&error));
    }
    let (shelf, english) = (Shelf::beside(&device.file), device.output.lang() == Lang::En);
    let mut printed = Printed::new(&shelf, &device.replica, english, device.clock.read().1, most);
    let page = String::from_utf8_lossy(bytes);
    Ok(report::fill(&page, out, &mut |mark| printed.filling(mark))?)
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::storage(
        "report_not_written",
        format!("报表没有写成({error})"),
        format!("the report was not written ({error})"),
    )
}

fn listed(device: &Device<'_>) -> Report {
    let pick = |zh: &'static str, en: &'static str| device.output.pick(zh, en);
    let mut table = output::Table::new([pick("编号", "id"), pick("周期", "period"), pick("名称", "name")]);
    let mut values = Vec::new();
    for report in device.replica.catalog().reports() {
        let title = device.output.pick(&report.title.zh, &report.title.en).to_owned();
        table.row([report.id.clone(), report.period.clone(), title]);
        values.push(json!({
            "id": report.id,
            "period": report.period,
            "zh": report.title.zh,
            "en": report.title.en,
            "paper": report.paper.is_some(),
        }));
    }
    Report::done(json!({ "reports": values }), table.lines(device.output.columns()).join("\n"))
}

/// Writes the file whole or not at all: beside it first, then in its place.
fn put(path: &Path, write: impl FnOnce(&mut File) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let file = File::create_new(&beside).map_err(|error| unwritten(&error));
    let written = file.and_then(|mut file| {
        write(&mut file)?;
        file.sync_all().and_then(|()| std::fs::rename(&beside, path)).map_err(|error| unwritten(&error))
    });
    written.map_err(|failure| {
        // What is left of a failed attempt is nobody's; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&beside);
        let file = path.display();
        failure.and(&format!("({file})"), &format!(" ({file})"))
    })
}
