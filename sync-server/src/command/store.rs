//! `init`, `backup`, `verify`, `export`: the branch's data as a whole.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use xunyuan_core::error::{Error, ErrorKind};

use super::output::{Exit, Lang, Report};
use super::{Context, photos};
use crate::hub::{FilesReport, Hub};

/// What an export holds.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Export {
    /// 全部流水记录,每行一条 JSON · Every record of every log, one JSON value per line
    Records {
        /// 输出格式 · Format of the output
        #[arg(long, default_value = "jsonl")]
        format: RecordFormat,
        /// 输出文件,默认标准输出 · File to write, by default stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// 照片与附件,打成一个 ZIP,含清单 · Photos and files as a ZIP with a list
    Photos(photos::ExportArguments),
    /// 被拒的内容:原始字节及可读内容 · What was refused: its bytes and what they say
    Refusals {
        /// 输出格式 · Format of the output
        #[arg(long, default_value = "jsonl")]
        format: RecordFormat,
        /// 输出文件,默认标准输出 · File to write, by default stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Format of exported records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RecordFormat {
    /// 每行一条 JSON · One JSON value per line
    Jsonl,
}

/// Makes the data directory, publishes what ships with the server, and an organisation when one is given.
pub(super) fn init(context: &Context, organisation: Option<&Path>, sample: bool) -> Result<Report, Error> {
    if let Some(file) = organisation {
        return super::definitions::load_organisation(context, file);
    }
    if sample {
        return super::definitions::load_sample(context);
    }
    let hub = context.hub()?;
    let branch = hub.branch();
    hub.close()?;
    let dir = context.effective.config.data.dir.display().to_string();
    let text = match &branch {
        Some(branch) => format!("{dir}: {branch}"),
        None => format!(
            "{dir}: {}",
            context.lang.pick(
                "已就绪,尚无组织;请用 org load 载入",
                "ready, no organisation yet; load one with org load"
            )
        ),
    };
    Ok(Report::done(json!({"dir": dir, "branch": branch}), text))
}

/// Copies the branch's store while it may be in use.
///
/// The list goes first, then the files: whatever the copied list names can then be copied.
pub(super) fn backup(context: &Context, file: &Path, files: Option<&Path>) -> Result<Report, Error> {
    let hub = context.hub()?;
    let bar = bar(context, context.lang.pick("备份", "backup"), 0);
    let copied = hub.backup(file, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let copied = copied.and_then(|()| files.map(|to| copy_files(context, &hub, to)).transpose());
    hub.close()?;
    let copied = copied?;
    let bytes = std::fs::metadata(file).map(|data| data.len()).unwrap_or_default();
    let text = context.lang.pick("备份完成:", "backed up to");
    Ok(Report::done(
        json!({"file": file.display().to_string(), "bytes": bytes, "files_copied": copied}),
        match copied {
            None => format!("{text} {} ({bytes} B)", file.display()),
            Some(copied) => {
                let photos = context.lang.pick("个照片与附件", "photos and files");
                format!("{text} {} ({bytes} B),{copied} {photos}", file.display())
            }
        },
    ))
}

fn copy_files(context: &Context, hub: &Hub, to: &Path) -> Result<u64, Error> {
    let bar = bar(context, context.lang.pick("备份照片", "photos"), hub.stats()?.files);
    let copied = hub.backup_files(to, |done| bar.set_position(done));
    bar.finish_and_clear();
    copied
}

/// Checks every chain, hash, signature, digest and row from zero, and hashes every file again.
pub(super) fn verify(context: &Context, skip_files: bool) -> Result<Report, Error> {
    let hub = context.hub()?;
    // Where that fails, verification says what is left.
    let _ = hub.write_all_rows();
    let records = hub.stats()?.records;
    let bar = bar(context, context.lang.pick("核验", "verify"), records);
    let verified = hub.verify(|done| bar.set_position(done));
    bar.finish_and_clear();
    let files = if skip_files { Ok(FilesReport::default()) } else { verify_files(context, &hub) };
    hub.close()?;
    let (report, files) = (verified?, files?);
    let bad = report.first_bad.as_ref();
    let json = json!({
        "scopes": report.scopes,
        "records": report.records,
        "changes": report.changes,
        "signatures": report.signatures,
        "documents": report.documents,
        "files": files.files,
        "file_bytes": files.bytes,
        "files_missing": files.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "files_damaged": files.damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "files_unknown": files.unknown,
        "waiting_rows": report.waiting_rows,
        "first_bad": bad.map(|bad| json!({"scope": bad.scope, "seq": bad.seq, "reason": bad.reason})),
    });
    let lang = context.lang;
    Ok(match bad {
        None if files.missing.is_empty() && files.damaged.is_empty() => {
            let counts = format!(
                "{} / {} / {} / {} / {} / {}",
                report.scopes,
                report.records,
                report.changes,
                report.signatures,
                report.documents,
                files.files
            );
            let text = lang.pick(
                "完好(范围 / 流水 / 变更 / 签名 / 文档 / 照片):",
                "all is well (scopes / records / changes / signatures / documents / photos):",
            );
            let waiting = match report.waiting_rows {
                0 => String::new(),
                rows if lang == Lang::Zh => format!("\n有 {rows} 条记录的列表行正在重写,本次未核对"),
                rows => format!("\nrows of {rows} records are being written again and were not compared"),
            };
            Report::done(json, format!("{text} {counts}{waiting}"))
        }
        None => {
            let (missing, damaged) = (files.missing.len(), files.damaged.len());
            let text = match lang {
                Lang::Zh => {
                    format!("照片与附件:缺 {missing} 个,损坏 {damaged} 个(已另存);仍持有它们的设备会再次上传")
                }
                Lang::En => format!(
                    "photos and files: {missing} missing, {damaged} damaged and set aside; devices that still hold them send them again"
                ),
            };
            Report { exit: Exit::Store, json, text }
        }
        Some(bad) => {
            let text = lang.pick("第一处不符:", "first bad row:");
            Report {
                exit: Exit::Store,
                json,
                text: format!("{text} {} #{}: {}", bad.scope, bad.seq, bad.reason),
            }
        }
    })
}

fn verify_files(context: &Context, hub: &Hub) -> Result<FilesReport, Error> {
    let bar = bar(context, context.lang.pick("核对照片", "photos"), hub.stats()?.files);
    let report = hub.verify_files(|done| bar.set_position(done));
    bar.finish_and_clear();
    report
}

/// Hands out lines to whoever writes them; says how many there were.
type Lines = fn(&Hub, &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<u64, Error>;

/// Writes every record, or every refused run, to a file or to stdout.
pub(super) fn export(context: &Context, what: &Export) -> Result<Report, Error> {
    let (lines, output): (Lines, _) = match what {
        Export::Records { format: RecordFormat::Jsonl, output } => {
            (|hub, line| hub.export_records(line), output)
        }
        Export::Photos(arguments) => return photos::export(context, arguments),
        Export::Refusals { format: RecordFormat::Jsonl, output } => {
            (|hub, line| hub.export_refusals(line), output)
        }
    };
    let hub = context.hub()?;
    let written = match output {
        Some(path) => {
            let file = File::create_new(path).map_err(unwritten_to(path))?;
            let mut out = BufWriter::new(file);
            write_lines(&hub, lines, &mut out)
        }
        None => write_lines(&hub, lines, &mut BufWriter::new(std::io::stdout().lock())),
    };
    hub.close()?;
    let count = written?;
    Ok(match output {
        Some(path) => {
            let file = path.display().to_string();
            let text = context.lang.pick("条记录已导出到", "records exported to");
            Report::done(json!({"file": file, "records": count}), format!("{count} {text} {file}"))
        }
        // The records themselves are the output.
        None => Report { exit: Exit::Done, json: serde_json::Value::Null, text: String::new() },
    })
}

fn write_lines(hub: &Hub, lines: Lines, out: &mut impl Write) -> Result<u64, Error> {
    let mut closed = false;
    let count = lines(hub, &mut |line| {
        if closed {
            return Ok(());
        }
        match writeln!(out, "{line}") {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => closed = true,
            other => other.map_err(unwritten)?,
        }
        Ok(())
    })?;
    if !closed {
        super::output::ignore_closed_pipe(out.flush()).map_err(unwritten)?;
    }
    Ok(count)
}

pub(super) fn bar(context: &Context, name: &'static str, length: u64) -> ProgressBar {
    let target = if context.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(length), target).with_style(style).with_prefix(name)
}

pub(super) fn unwritten(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "无法写入输出文件", "the output cannot be written").caused_by(cause)
}

/// The same of a file: which one, and what the system says.
pub(super) fn unwritten_to(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let file = path.display().to_string();
    move |cause| {
        let (zh, en) = (format!("无法写入 {file}({cause})"), format!("{file} cannot be written ({cause})"));
        Error::new(ErrorKind::Storage, zh, en).caused_by(cause)
    }
}
