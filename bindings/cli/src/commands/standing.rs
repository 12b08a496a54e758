//! Commands about the replica itself: who, how it stands, the exchange, the file for support.

use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xunyuan_core::definition::User;
use xunyuan_core::replica::{RefusedChange, Status};
use xunyuan_ffi::export;
use xunyuan_ffi::place::{dir_of, replicas_in};
use xunyuan_ffi::words::Lang;

use crate::args::SyncArgs;
use crate::device::{APP, Device};
use crate::failure::{EXIT_DONE, EXIT_ERASED, EXIT_REFUSED, Failure, exit_of};
use crate::output::{Output, Report, Table, Tone};
use crate::place;
use crate::show::Page;
use crate::sync::{Session, carried_json, carried_lines, exit_status, outcome_json, outcome_lines, watch};

/// Who this replica writes for.
pub(super) fn whoami(device: &Device<'_>) -> Result<Report, Failure> {
    let identity = device.replica.identity();
    let page = device.page();
    let catalog = device.replica.catalog();
    let roles: Vec<_> = catalog.user_roles(&identity.user);
    let project = catalog.user(&identity.user).and_then(|user| user.project.clone());
    let (above, below) = (catalog.superiors(&identity.user), catalog.subordinates(&identity.user));
    let json = json!({
        "user": identity.user.as_str(),
        "name": catalog.user(&identity.user).map(|user| &user.name),
        "roles": roles.iter().map(|role| &role.id).collect::<Vec<_>>(),
        "project": project,
        "answers_to": above.iter().map(|user| &user.id).collect::<Vec<_>>(),
        "leads": below.iter().map(|user| &user.id).collect::<Vec<_>>(),
        "branch": identity.branch,
        "device": identity.device.to_string(),
        "device_code": identity.device_code,
        "server_url": identity.server_url,
        "replica": device.file.display().to_string(),
        "erased": device.replica.is_erased(),
    });
    let titles: Vec<&str> = roles.iter().map(|role| page.words.title(&role.title)).collect();
    let out = device.output;
    let names = |users: &[&User]| {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(out.pick("、", ", ")) }
    };
    let lines = [
        format!(
            "{}  {}",
            out.tone(Tone::Strong, &page.words.person(&identity.user)),
            page.faint(identity.user.as_str())
        ),
        format!(
            "{}  {}",
            titles.join(out.pick("、", ", ")),
            page.words.project(project.as_deref().unwrap_or(&identity.branch))
        ),
        format!("{} {}", out.pick("上级", "answers to"), names(&above)),
        format!("{} {}", out.pick("下属", "leads"), names(&below)),
        format!("{} {}", out.pick("设备码", "device code"), identity.device_code),
        format!("{} {}", out.pick("分公司", "branch"), identity.server_url),
        format!("{} {}", out.pick("数据文件", "replica file"), device.file.display()),
    ];
    let erased = device
        .replica
        .is_erased()
        .then(|| out.tone(Tone::Bad, out.pick("已被分公司停用", "revoked by the branch")));
    Ok(Report::done(json, lines.into_iter().chain(erased).collect::<Vec<_>>().join("\n")))
}

/// How the replica stands.
pub(super) fn status(device: &Device<'_>) -> Result<Report, Failure> {
    let status = device.replica.status()?;
    let refused = device.replica.refused()?;
    let page = device.page();
    Ok(Report::done(
        status_json(&page, device, &status, &refused),
        status_text(&page, device, &status, &refused),
    ))
}

fn status_json(page: &Page<'_>, device: &Device<'_>, status: &Status, refused: &[RefusedChange]) -> Json {
    let scopes = status.scopes.iter().map(|scope| {
        json!({
            "scope": scope.scope.as_str(),
            "granted": scope.granted,
            "epoch": scope.epoch,
            "cursor": scope.cursor,
            "proven_at": scope.proven_at_ms.map(|at| page.stamp(at)),
        })
    });
    let refused = refused.iter().map(|change| {
        json!({
            "document": change.document.to_string(),
            "definition": change.definition.id,
            "written_at": page.stamp(change.written_at_ms),
            "code": change.refusal.code,
            "zh": change.refusal.sentence.zh,
            "en": change.refusal.sentence.en,
        })
    });
    json!({
        "user": device.replica.user().as_str(),
        "pending_changes": status.pending_changes,
        "pending_records": status.pending_records,
        "refused_changes": status.refused_changes,
        "damaged_changes": status.damaged_changes,
        "to_give_back": status.to_give_back,
        "pending_files": status.pending_files,
        "pending_file_bytes": status.pending_file_bytes,
        "refused": refused.collect::<Vec<_>>(),
        "conflicts": status.conflicts,
        "unprojected": status.unprojected,
        "last_exchange_at": status.last_exchange_ms.map(|at| page.stamp(at)),
        "clock_offset_ms": status.clock_offset_ms,
        "clock_suspicious": status.is_clock_suspicious,
        "scopes": scopes.collect::<Vec<_>>(),
    })
}

/// How far the device's clock is from the server's.
fn clock_lines(out: &Output, status: &Status) -> Vec<String> {
    let Some(offset) = status.clock_offset_ms else { return Vec::new() };
    let seconds = offset / 1000;
    let text = format!("{} {seconds:+} s", out.pick("服务器时钟相差", "server clock differs by"));
    if !status.is_clock_suspicious {
        return vec![out.tone(Tone::Faint, &text)];
    }
    let advice = out.pick("本机时钟可能不准,请校准", "the clock of this device is probably wrong: set it");
    vec![out.tone(Tone::Bad, &text), out.tone(Tone::Bad, advice)]
}

fn files_line(out: &Output, status: &Status) -> Option<String> {
    let (count, bytes) = (status.pending_files, indicatif::HumanBytes(status.pending_file_bytes));
    let label = out.pick("待上传的照片与附件", "photos and files to send");
    (count > 0).then(|| out.tone(Tone::Warn, &format!("{label} {count}  ({bytes})  (xunyuan photos)")))
}

/// The scopes and how far each is.
fn scope_lines(page: &Page<'_>, status: &Status) -> Vec<String> {
    let out = page.output;
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["范围", "进度", "核对一致于", ""],
        Lang::En => ["scope", "cursor", "proven at", ""],
    });
    for scope in &status.scopes {
        table.row([
            scope.scope.to_string(),
            scope.cursor.to_string(),
            scope.proven_at_ms.map_or_else(|| "-".to_owned(), |at| page.words.time(at)),
            if scope.granted {
                String::new()
            } else {
                out.pick("已无权限", "no longer granted").to_owned()
            },
        ]);
    }
    if table.is_empty() { Vec::new() } else { table.lines(out.columns()) }
}

fn status_text(page: &Page<'_>, device: &Device<'_>, status: &Status, refused: &[RefusedChange]) -> String {
    let out = device.output;
    let pending = match (status.pending_changes, out.lang()) {
        (0, _) => out.tone(Tone::Good, out.pick("全部已上传", "everything delivered")),
        (changes, Lang::Zh) => {
            out.tone(Tone::Warn, &format!("待上传 {} 条记录的 {changes} 处更改", status.pending_records))
        }
        (changes, Lang::En) => out.tone(
            Tone::Warn,
            &format!("{changes} changes of {} records wait for the branch", status.pending_records),
        ),
    };
    let last = status
        .last_exchange_ms
        .map_or_else(|| out.pick("还没有", "never").to_owned(), |at| page.words.time(at));
    let mut lines = vec![
        format!("{}  {}", out.tone(Tone::Strong, &page.words.person(device.replica.user())), pending),
        format!("{} {last}", out.pick("上次核对一致", "last proven equal")),
    ];
    if status.conflicts > 0 {
        let text = format!(
            "{} {}  (xunyuan conflicts)",
            out.pick("待裁决冲突", "conflicts to decide"),
            status.conflicts
        );
        lines.push(out.tone(Tone::Warn, &text));
    }
    lines.extend(files_line(out, status));
    if status.to_give_back > 0 {
        lines.push(format!(
            "{} {}",
            out.pick("分公司丢失、待交还的记录", "records that the branch lost and gets back"),
            status.to_give_back
        ));
    }
    if status.unprojected > 0 {
        lines.push(format!(
            "{} {}",
            out.pick("列表正在整理的记录", "records still being listed"),
            status.unprojected
        ));
    }
    lines.extend(clock_lines(out, status));
    lines.extend(refused_lines(page, status, refused));
    let scopes = scope_lines(page, status);
    if !scopes.is_empty() {
        lines.push(String::new());
        lines.extend(scopes);
    }
    lines.join("\n")
}

/// What the branch did not take, and what a damage of the file took.
fn refused_lines(page: &Page<'_>, status: &Status, refused: &[RefusedChange]) -> Vec<String> {
    let out = page.output;
    let label = out.pick("未收", "not taken");
    let line = |change: &RefusedChange| {
        let sentence = page.words.sentence(&change.refusal.sentence);
        out.tone(Tone::Bad, &format!("{label}  {}  {sentence}", change.document.short()))
    };
    let mut lines: Vec<String> = refused.iter().map(line).collect();
    if status.damaged_changes > 0 {
        let said = out.pick("文件损坏、读不出的填写", "entries that a damage of the file took");
        lines.push(out.tone(Tone::Bad, &format!("{said} {}", status.damaged_changes)));
    }
    if !lines.is_empty() {
        lines.push(page.faint("  xunyuan drafts"));
    }
    lines
}

/// Exchanges for every replica beside the one that is meant, each under its own name.
pub(super) fn sync(named: Option<&Path>, args: SyncArgs, session: &Session<'_>) -> Result<Report, Failure> {
    let dir = named.map_or_else(place::data_dir, |file| Ok(dir_of(file)))?;
    let files = || {
        let named = named.filter(|file| file.is_file()).map(Path::to_owned);
        // One file may be named in two ways: relative by the person, absolute by the directory.
        let whole = |file: PathBuf| file.canonicalize().unwrap_or(file);
        replicas_in(&dir).into_iter().chain(named).map(whole).collect::<BTreeSet<PathBuf>>()
    };
    if files().is_empty() || named.is_some_and(|file| !file.is_file()) {
        place::replica_file(named)?;
    }
    if args.watch {
        watch(session, || files().into_iter().collect(), Duration::from_secs(args.every))?;
        return Ok(Report::done(json!({ "watch": "ended" }), String::new()));
    }
    let mut report = Report { json: json!([]), text: String::new(), exit: EXIT_DONE };
    let mut replicas = Vec::new();
    let mut lines = Vec::new();
    let mut first_error = None;
    let all = files();
    let alone = all.len() == 1;
    for file in all {
        let (json, text, exit) = sync_one(session, &file);
        // Who shares the device with somebody that was shut out before has nothing to do with it.
        let is_meant = alone || named.is_some_and(|named| same_file(named, &file));
        if json["erased"] != true || json["wiped"] == true || is_meant {
            report.exit = report.exit.max(exit);
            let error = &json["error"];
            first_error = first_error.or_else(|| (!error.is_null()).then(|| error.clone()));
        }
        replicas.push(json);
        lines.extend(text);
    }
    report.json = json!({ "replicas": replicas });
    if let Some(error) = first_error {
        report.json["error"] = error;
    }
    report.text = lines.join("\n");
    Ok(report)
}

fn same_file(named: &Path, file: &Path) -> bool {
    named.canonicalize().is_ok_and(|named| named == file)
}

/// One file's part: a failure of one person's replica keeps nobody else's work back.
fn sync_one(session: &Session<'_>, file: &Path) -> (Json, Vec<String>, u8) {
    let output = session.output;
    let name = file.display().to_string();
    let mut replica = match session.key.open(file, session.clock) {
        Ok(replica) => replica,
        Err(failure) => {
            output.explain(&name, &failure);
            return (json!({ "replica": name, "error": failure }), Vec::new(), exit_of(&failure));
        }
    };
    let outcome = session.exchange(&mut replica);
    // Photos go after the text, and where the branch had the device erased they go too.
    let carried = (outcome.failure.is_none() || outcome.wiped).then(|| session.files(file, &mut replica));
    let user = replica.user().clone();
    let person = replica.catalog().user(&user).map_or_else(|| user.to_string(), |known| known.name.clone());
    drop(replica);
    let mut json = outcome_json(&outcome);
    json["erased"] = json!(outcome.failure.as_ref().is_some_and(|failure| exit_of(failure) == EXIT_ERASED));
    json["user"] = json!(user.as_str());
    json["replica"] = json!(name);
    if let Some(failure) = &outcome.failure {
        output.explain(&person, failure);
    }
    let mut lines = outcome_lines(&outcome, output);
    let mut exit = exit_status(&outcome);
    if let Some(carried) = carried {
        json["files"] = carried_json(&carried);
        lines.extend(carried_lines(&carried, output));
        if let Some(failure) = &carried.failure {
            output.explain(&person, failure);
            exit = exit.max(exit_of(failure));
            if json["error"].is_null() {
                json["error"] = json!(failure);
            }
        }
        if !carried.refused.is_empty() {
            exit = exit.max(EXIT_REFUSED);
        }
    }
    (json, lines.into_iter().map(|line| format!("{person}  {line}")).collect(), exit)
}

/// Writes everything of the replica to a new file, one JSON object on each line.
///
/// The device key and the token stay out of it.
pub(super) fn export(device: &Device<'_>, target: &Path) -> Result<Report, Failure> {
    let exported = export::write(&device.replica, APP, &device.moment()?, target)?;
    let (count, pending) = (exported.records, exported.pending);
    let json = json!({ "file": target.display().to_string(), "records": count, "pending_changes": pending });
    let said = match device.output.lang() {
        Lang::Zh => {
            format!("已导出 {count} 条记录,其中待上传更改 {pending} 处:{}", target.display())
        }
        Lang::En => {
            format!("{count} records exported, {pending} pending changes among them: {}", target.display())
        }
    };
    Ok(Report::done(json, said))
}
