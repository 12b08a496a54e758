//! Photos and other files of records: put in, looked at, tried again, exchanged, fetched, written out.

use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use xunyuan_core::id::{DocumentId, FileHash};
use xunyuan_core::limits::FILE_BYTES_READ_MAX;
use xunyuan_core::media::{Packer, Packing};
use xunyuan_core::projection::Row;
use xunyuan_core::replica::FileView;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::time::rfc3339;
use xunyuan_ffi::files::{self, Shelf};
use xunyuan_ffi::words::Lang;

use crate::args::{AttachArgs, PhotosCommand};
use crate::device::Device;
use crate::failure::{Failure, exit_of};
use crate::output::{Report, Tone};
use crate::show::{counts_json, counts_line, file_json, files_lines};
use crate::sync::Session;

/// Carries out one action on photos; listing what waits is what no action means.
pub(super) fn photos(
    device: &mut Device<'_>,
    command: Option<&PhotosCommand>,
    session: &Session<'_>,
) -> Result<Report, Failure> {
    match command {
        None | Some(PhotosCommand::List { record: None }) => list_waiting(device),
        Some(PhotosCommand::List { record: Some(record) }) => list_of(device, record),
        Some(PhotosCommand::Retry { files }) => retry(device, files),
        Some(PhotosCommand::Replace { record, file, new, reason }) => {
            replace(device, record, file, new, reason.as_deref())
        }
        Some(PhotosCommand::Discard { record, file, reason, yes }) => {
            discard(device, record, file, reason.as_deref(), *yes)
        }
        Some(PhotosCommand::Fetch { record, file }) => fetch(device, record, file.as_deref(), session),
        Some(PhotosCommand::Export { record, output }) => export(device, record, output),
    }
}

/// Puts files into a record.
pub(super) fn attach(device: &mut Device<'_>, args: &AttachArgs) -> Result<Report, Failure> {
    let row = device.record(&args.record)?;
    let kept = args.files.iter().map(|file| keep(device, file)).collect::<Result<Vec<_>, _>>()?;
    let moment = device.moment()?;
    let raised = device.replica.attach(row.document, &args.place, &kept, args.reason.as_deref(), &moment)?;
    let json = json!({
        "document": row.document.to_string(),
        "files": kept.iter().map(|file| file.hash.to_string()).collect::<Vec<_>>(),
        "raised": raised.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let counts = device.replica.file_counts(row.document)?;
    let page = device.page();
    let said = device.output.pick("已保存,待上传", "saved, waiting for the branch");
    let line = format!("{}  {}", device.output.tone(Tone::Good, said), row.name());
    let lines = std::iter::once(line).chain(counts_line(&page, &counts)).collect::<Vec<_>>();
    Ok(Report::done(json, lines.join("\n")))
}

/// Checks a file and keeps it beside the replica, so that a record may name it; `-` reads it from stdin.
pub(super) fn keep(device: &mut Device<'_>, file: &Path) -> Result<FileRef, Failure> {
    let bytes = if file == Path::new("-") { of_stdin()? } else { files::read(file)? };
    let shelf = Shelf::beside(&device.file);
    let replica = &mut device.replica;
    let kept = files::keep(&shelf, bytes, device.clock, &mut |work| {
        work(replica);
        Ok(())
    });
    kept.map_err(|failure| {
        let name = file.display();
        failure.and(&format!("({name})"), &format!(" ({name})"))
    })
}

fn of_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(FILE_BYTES_READ_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::invalid(
            "file_not_found",
            format!("读不了标准输入:{error}"),
            format!("stdin cannot be read: {error}"),
        )
    })?;
    Ok(bytes)
}

fn list_waiting(device: &Device<'_>) -> Result<Report, Failure> {
    let waiting = device.replica.unsent_files()?;
    let page = device.page();
    let values: Vec<Json> = waiting
        .iter()
        .map(|(view, documents)| {
            let mut value = file_json(&page, view);
            value["records"] = json!(documents.iter().map(ToString::to_string).collect::<Vec<_>>());
            value
        })
        .collect();
    if waiting.is_empty() {
        let said = device.output.pick("没有待上传的照片或附件", "no photos or files wait");
        return Ok(Report::done(json!({ "files": values }), said.to_owned()));
    }
    let row = |documents: &[DocumentId]| {
        documents.first().and_then(|document| device.replica.record(*document).ok())
    };
    let files: Vec<(FileView, Option<Row>)> =
        waiting.into_iter().map(|(view, documents)| (view, row(&documents))).collect();
    Ok(Report::done(json!({ "files": values }), files_lines(&page, &files, false).join("\n")))
}

fn list_of(device: &Device<'_>, record: &str) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let (views, counts) = (device.replica.files_of(row.document)?, device.replica.file_counts(row.document)?);
    let page = device.page();
    let json = json!({
        "document": row.document.to_string(),
        "counts": counts_json(&page, &counts),
        "files": views.iter().map(|view| file_json(&page, view)).collect::<Vec<_>>(),
    });
    let Some(line) = counts_line(&page, &counts) else {
        let said = device.output.pick("这条记录没有照片或附件", "this record has no photos or files");
        return Ok(Report::done(json, said.to_owned()));
    };
    let files: Vec<(FileView, Option<Row>)> =
        views.into_iter().map(|view| (view, Some(row.clone()))).collect();
    let lines: Vec<String> = std::iter::once(line).chain(files_lines(&page, &files, true)).collect();
    Ok(Report::done(json, lines.join("\n")))
}

fn retry(device: &mut Device<'_>, files: &[String]) -> Result<Report, Failure> {
    let mut hashes = Vec::new();
    for digits in files {
        hashes.push(found(device, None, digits)?);
    }
    if files.is_empty() {
        hashes = device.replica.unsent_files()?.into_iter().map(|(view, _)| view.named.file.hash).collect();
    }
    for hash in &hashes {
        device.replica.retry_file(*hash)?;
    }
    let count = hashes.len();
    let json = json!({ "files": hashes.iter().map(ToString::to_string).collect::<Vec<_>>() });
    let said = device.output.pick("个文件将在下次同步时再传", "files go with the next sync");
    Ok(Report::done(json, format!("{count} {said}")))
}

fn replace(
    device: &mut Device<'_>,
    record: &str,
    file: &str,
    new: &Path,
    reason: Option<&str>,
) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let old = found(device, Some(&row), file)?;
    let kept = keep(device, new)?;
    let moment = device.moment()?;
    device.replica.replace_file(row.document, old, &kept, reason, &moment)?;
    let json = json!({
        "document": row.document.to_string(),
        "old": old.to_string(),
        "new": kept.hash.to_string(),
    });
    let said = device.output.pick("已更换,待上传", "replaced, waiting for the branch");
    Ok(Report::done(json, format!("{}  {}", device.output.tone(Tone::Good, said), row.name())))
}

fn discard(
    device: &mut Device<'_>,
    record: &str,
    file: &str,
    reason: Option<&str>,
    yes: bool,
) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let hash = found(device, Some(&row), file)?;
    if !yes {
        return Err(Failure::invalid(
            "discard_needs_yes",
            "撤回后这个文件不再上传,历史中保留撤回记录;确定请加 --yes",
            "the file is not sent any more then, and the history keeps that it was there; add --yes to do it",
        ));
    }
    let moment = device.moment()?;
    device.replica.discard_file(row.document, hash, reason, &moment)?;
    let json = json!({ "document": row.document.to_string(), "file": hash.to_string() });
    let said = device.output.pick("已撤回文件", "file withdrawn from");
    Ok(Report::done(json, format!("{said}  {}", row.name())))
}

fn fetch(
    device: &mut Device<'_>,
    record: &str,
    file: Option<&str>,
    session: &Session<'_>,
) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let hashes = match file {
        Some(digits) => vec![found(device, Some(&row), digits)?],
        None => device.replica.files_of(row.document)?.iter().map(|view| view.named.file.hash).collect(),
    };
    for hash in &hashes {
        device.replica.want_file(*hash, true)?;
    }
    let carried = session.files(&device.file, &mut device.replica);
    let shelf = Shelf::beside(&device.file);
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for view in device.replica.files_of(row.document)? {
        let hash = view.named.file.hash;
        if !hashes.contains(&hash) {
            continue;
        }
        let path = shelf.original(hash);
        let is_here = path.is_file();
        values
            .push(json!({ "sha256": hash.to_string(), "here": is_here, "path": path.display().to_string() }));
        if is_here {
            lines.push(path.display().to_string());
        }
    }
    let mut report = Report::done(json!({ "files": values, "error": carried.failure }), lines.join("\n"));
    if let Some(failure) = &carried.failure {
        let later = failure.clone().and(";联网后会自动下载", "; what is missing comes with the next sync");
        device.output.explain(&row.name(), &later);
        report.exit = exit_of(failure);
    }
    Ok(report)
}

fn export(device: &Device<'_>, record: &str, target: &Path) -> Result<Report, Failure> {
    let row = device.record(record)?;
    let views = device.replica.files_of(row.document)?;
    let unwritten = |error: std::io::Error| {
        Failure::storage(
            "export_not_written",
            format!("导出文件没有写成({error}):{}", target.display()),
            format!("the export file was not written ({error}): {}", target.display()),
        )
    };
    let mut packer = Packer::new(File::create_new(target).map_err(unwritten)?);
    let shelf = Shelf::beside(&device.file);
    let written = views.iter().try_for_each(|view| {
        let hash = view.named.file.hash;
        packer.add(hash, packing(device, &row, view), |out| match File::open(shelf.original(hash)) {
            Ok(mut file) => std::io::copy(&mut file, out).map(|_| true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
    });
    let (files, missing) = written.and_then(|()| packer.finish()).map_err(|error| {
        // Half an archive must not pass for one.
        let _ = std::fs::remove_file(target);
        unwritten(error)
    })?;
    let json = json!({ "file": target.display().to_string(), "files": files, "missing": missing });
    let said = match device.output.lang() {
        Lang::Zh => format!("已导出 {files} 个文件,缺 {missing} 个:{}", target.display()),
        Lang::En => format!("{files} files exported, {missing} missing: {}", target.display()),
    };
    Ok(Report::done(json, said))
}

fn packing(device: &Device<'_>, row: &Row, view: &FileView) -> Packing {
    let (page, named) = (device.page(), &view.named);
    let time = |at_ms| rfc3339(at_ms, device.clock.read().1);
    Packing {
        record: row.document.to_string(),
        number: row.number.clone().or_else(|| row.temp_number.clone()),
        title: row.title.clone(),
        project: row.project.clone(),
        place: named.key.clone(),
        by: named.by.as_str().to_owned(),
        by_name: page.words.person(&named.by),
        added_at: time(named.at_ms),
        taken_at: named.file.taken_at_ms.map(time),
        sha256: named.file.hash.to_string(),
        bytes: named.file.bytes,
        media_type: named.file.media_type.clone(),
        file: None,
    }
}

/// The file that the first digits of a hash name, in one record or among all.
fn found(device: &Device<'_>, row: Option<&Row>, digits: &str) -> Result<FileHash, Failure> {
    let start = digits.to_lowercase();
    let mut hashes: Vec<FileHash> = match row {
        Some(row) => device.replica.files_of(row.document)?.iter().map(|view| view.named.file.hash).collect(),
        None => device.replica.find_files(&start)?.iter().map(|(view, _)| view.named.file.hash).collect(),
    };
    hashes.retain(|hash| start.len() >= 4 && hash.to_string().starts_with(&start));
    hashes.sort_unstable();
    hashes.dedup();
    match hashes.as_slice() {
        [hash] => Ok(*hash),
        [] => Err(Failure::invalid(
            "file_not_found",
            format!("没有这个文件:{digits}(请给出编号的前 4 位以上,见 photos)"),
            format!("no such file: {digits} (give at least 4 digits of it, see photos)"),
        )),
        _ => Err(Failure::invalid(
            "file_ambiguous",
            format!("有多个文件符合,请写得更全:{digits}"),
            format!("several files fit, say more of it: {digits}"),
        )),
    }
}
