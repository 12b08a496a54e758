//! Photos and files as a person, or a program, sees them.

use serde_json::{Value as Json, json};
use xunyuan_core::projection::Row;
use xunyuan_core::replica::FileView;
use xunyuan_core::rules::file::{FileCounts, StillWith};
use xunyuan_core::store::files::{FileState, Thumbnail};
use xunyuan_ffi::words::Lang;

use super::Page;
use crate::output::{Table, Tone};

/// Digits of a hash that a person is shown.
const DIGITS: usize = 8;

/// A file for programs.
pub(crate) fn file_json(page: &Page<'_>, view: &FileView) -> Json {
    let named = &view.named;
    let refusal = if let FileState::Refused(refusal) = &view.state {
        json!({ "code": refusal.code, "zh": refusal.sentence.zh, "en": refusal.sentence.en })
    } else {
        Json::Null
    };
    json!({
        "sha256": named.file.hash.to_string(),
        "place": named.key,
        "state": state_id(&view.state),
        "sent": sent(&view.state, named.file.bytes),
        "bytes": named.file.bytes,
        "media_type": named.file.media_type,
        "taken_at": named.file.taken_at_ms.map(|at| page.stamp(at)),
        "by": named.by.as_str(),
        "added_at": page.stamp(named.at_ms),
        "thumbnail": view.thumbnail == Thumbnail::Here,
        "refusal": refusal,
    })
}

/// How many files of a record are at the branch, for programs.
pub(crate) fn counts_json(page: &Page<'_>, counts: &FileCounts) -> Json {
    let still_with = counts.still_with.iter().map(|StillWith { user, count, seen_ms }| {
        json!({ "user": user.as_str(), "count": count, "last_seen": seen_ms.map(|at| page.stamp(at)) })
    });
    json!({
        "all": counts.all,
        "at_branch": counts.at_branch,
        "waiting_here": counts.waiting,
        "refused": counts.refused,
        "still_with": still_with.collect::<Vec<_>>(),
    })
}

/// How many files of a record are at the branch, as a line; none for a record without files.
pub(crate) fn counts_line(page: &Page<'_>, counts: &FileCounts) -> Option<String> {
    let sentence = counts.sentence(|user| page.words.person(user), |at| page.words.time(at))?;
    let tone = match counts {
        _ if counts.is_complete() => Tone::Good,
        FileCounts { refused: 1.., .. } => Tone::Bad,
        _ => Tone::Warn,
    };
    Some(page.output.tone(tone, page.words.sentence(&sentence)))
}

/// Files in a table, each with its record where they are not all of one.
pub(crate) fn files_lines(
    page: &Page<'_>,
    files: &[(FileView, Option<Row>)],
    is_of_one: bool,
) -> Vec<String> {
    let out = page.output;
    let mut table = Table::new(match out.lang() {
        Lang::Zh => ["文件", "状态", "大小", "人员", "时间", "位置"],
        Lang::En => ["file", "state", "size", "person", "time", "place"],
    });
    for (view, record) in files {
        let named = &view.named;
        let known = record.as_ref().and_then(|row| page.words.key_name(&row.definition, &named.key));
        let place = known.unwrap_or_else(|| named.key.clone());
        let record = record.as_ref().filter(|_| !is_of_one).map(|row| format!("{}  ", row.name()));
        table.row([
            named.file.hash.to_string().chars().take(DIGITS).collect(),
            state_text(page, view),
            indicatif::HumanBytes(named.file.bytes).to_string(),
            page.words.person(&named.by),
            page.words.time(named.at_ms),
            format!("{}{place}", record.unwrap_or_default()),
        ]);
    }
    table.lines(out.columns())
}

fn state_text(page: &Page<'_>, view: &FileView) -> String {
    let out = page.output;
    match &view.state {
        FileState::Waiting => out.tone(Tone::Warn, out.pick("待上传", "waiting")),
        FileState::Partly(sent) => {
            let (sent, all) = (indicatif::HumanBytes(*sent), indicatif::HumanBytes(view.named.file.bytes));
            let text = match out.lang() {
                Lang::Zh => format!("已传 {sent} / {all}"),
                Lang::En => format!("{sent} of {all} sent"),
            };
            out.tone(Tone::Warn, &text)
        }
        FileState::Sent => out.tone(Tone::Warn, out.pick("已传完,待确认", "sent, not confirmed yet")),
        FileState::Confirmed => out.tone(Tone::Good, out.pick("分公司已确认", "confirmed")),
        FileState::Refused(refusal) => {
            let label = out.pick("无法上传:", "cannot be sent: ");
            out.tone(Tone::Bad, &format!("{label}{}", page.words.sentence(&refusal.sentence)))
        }
        FileState::GivenUp => page.faint(out.pick("已放弃", "given up")),
        FileState::AtBranch => out.pick("在分公司,原件不在本机", "at the branch, not here").to_owned(),
        FileState::Elsewhere => {
            out.tone(Tone::Warn, out.pick("还未到分公司", "has not arrived at the branch"))
        }
    }
}

const fn state_id(state: &FileState) -> &'static str {
    match state {
        FileState::Waiting => "waiting",
        FileState::Partly(_) => "partly_sent",
        FileState::Sent => "sent",
        FileState::Confirmed => "confirmed",
        FileState::Refused(_) => "refused",
        FileState::GivenUp => "given_up",
        FileState::AtBranch => "at_branch",
        FileState::Elsewhere => "elsewhere",
    }
}

const fn sent(state: &FileState, bytes: u64) -> u64 {
    match state {
        FileState::Partly(sent) => *sent,
        FileState::Sent | FileState::Confirmed | FileState::AtBranch => bytes,
        FileState::Waiting | FileState::Refused(_) | FileState::GivenUp | FileState::Elsewhere => 0,
    }
}
