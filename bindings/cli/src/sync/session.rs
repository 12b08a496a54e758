//! One exchange with its progress shown, and what it brought in words.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;
use xunyuan_core::replica::Replica;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::files::{Carried, Shelf};
use xunyuan_ffi::net::Carrier;
use xunyuan_ffi::sync::{Line, Outcome};
use xunyuan_ffi::words::Lang;

use crate::failure::{EXIT_DONE, EXIT_REFUSED, exit_of};
use crate::key::KeyFile;
use crate::output::{Output, Tone};

/// Carries the bytes of exchanges and shows how far they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'s> {
    /// The network.
    pub(crate) carrier: &'s Carrier,
    /// The clock.
    pub(crate) clock: &'s Clock,
    /// The key of encrypted replicas.
    pub(crate) key: &'s KeyFile,
    /// Where progress is shown.
    pub(crate) output: &'s Output,
}

impl Session<'_> {
    /// Exchanges until nothing is left to ask or push, or the network or the store fails; what was
    /// done until then is done.
    pub(crate) fn exchange(&self, replica: &mut Replica) -> Outcome {
        let line = Line { carrier: self.carrier, clock: self.clock, until: None };
        let bar = self.bar();
        let outcome = line.exchange(
            &mut |work| {
                work(replica);
                Ok(())
            },
            &mut |outcome| {
                bar.set_message(self.progress_text(outcome));
                true
            },
        );
        bar.finish_and_clear();
        outcome
    }

    /// Carries photos and other files of a replica: those that wait to the branch, thumbnails and what was asked
    /// for from it.
    pub(crate) fn files(&self, file: &Path, replica: &mut Replica) -> Carried {
        let line = Line { carrier: self.carrier, clock: self.clock, until: None };
        let bar = self.file_bar();
        let carried = line.files(
            &Shelf::beside(file),
            &mut |work| {
                work(replica);
                Ok(())
            },
            &mut |carried| {
                let (count, left) = carried.left;
                bar.set_length(carried.bytes_sent + left);
                bar.set_position(carried.bytes_sent);
                bar.set_message(match self.output.lang() {
                    Lang::Zh => format!("还有 {count} 个文件"),
                    Lang::En => format!("{count} files to go"),
                });
                true
            },
        );
        bar.finish_and_clear();
        carried
    }

    /// A bar of bytes, on a terminal and for people only.
    fn file_bar(&self) -> ProgressBar {
        if self.output.is_json() || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}")
        {
            bar.set_style(style);
        }
        bar
    }

    /// A spinner with counts, on a terminal and for people only; it appears once a second passed.
    fn bar(&self) -> ProgressBar {
        if self.output.is_json() || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn progress_text(&self, outcome: &Outcome) -> String {
        let (sent, received) = (outcome.acknowledged, outcome.received);
        match self.output.lang() {
            _ if outcome.requests == 0 => {
                self.output.pick("正在与分公司同步……", "exchanging with the branch ...").to_owned()
            }
            Lang::Zh => format!("已上传 {sent} 处更改,已收到 {received} 条记录"),
            Lang::En => format!("{sent} changes delivered, {received} records received"),
        }
    }
}

/// The exit status that an exchange alone would give.
pub(crate) fn exit_status(outcome: &Outcome) -> u8 {
    let refused = if outcome.refused.is_empty() { EXIT_DONE } else { EXIT_REFUSED };
    outcome.failure.as_ref().map_or(refused, |failure| exit_of(failure).max(refused))
}

/// What an exchange brought, for programs.
pub(crate) fn outcome_json(outcome: &Outcome) -> Json {
    let refused: Vec<Json> = outcome
        .refused
        .iter()
        .map(|refusal| json!({ "code": refusal.code, "zh": refusal.sentence.zh, "en": refusal.sentence.en }))
        .collect();
    let notices: Vec<Json> =
        outcome.notices.iter().map(|notice| json!({ "zh": notice.zh, "en": notice.en })).collect();
    json!({
        "requests": outcome.requests,
        "bytes_sent": outcome.bytes_sent,
        "bytes_received": outcome.bytes_received,
        "acknowledged": outcome.acknowledged,
        "received": outcome.received,
        "parked": outcome.parked,
        "refused": refused,
        "left": outcome.left.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "reset": outcome.reset.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "notices": notices,
        "wiped": outcome.wiped,
        "error": outcome.failure,
    })
}

/// What an exchange brought, for a person: one line of counts, then a line for everything that needs
/// attention.
pub(crate) fn outcome_lines(outcome: &Outcome, output: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    if outcome.failure.is_none() || outcome.acknowledged + outcome.received > 0 {
        let (sent, received, requests) = (outcome.acknowledged, outcome.received, outcome.requests);
        let bytes = indicatif::HumanBytes(outcome.bytes_sent + outcome.bytes_received).to_string();
        lines.push(match output.lang() {
            Lang::Zh => {
                format!("上传 {sent} 处更改,收到 {received} 条记录({requests} 次请求,{bytes})")
            }
            Lang::En => {
                format!(
                    "{sent} changes delivered, {received} records received ({requests} requests, {bytes})"
                )
            }
        });
    }
    for refusal in &outcome.refused {
        let label = output.pick("分公司拒收:", "refused by the branch: ");
        lines.push(output.tone(Tone::Bad, &format!("{label}{}", output.lang().of(&refusal.sentence))));
    }
    if outcome.parked > 0 {
        let parked = outcome.parked;
        let text = output
            .pick("处更改在等前面的内容,会再次上传", "runs wait for earlier ones and will be sent again");
        lines.push(output.tone(Tone::Warn, &format!("{parked} {text}")));
    }
    for scope in &outcome.left {
        let text = output.pick(
            "岗位已无此范围,记录已从本机移除(未上传的内容见 drafts):",
            "no longer yours, its records left this device (what was not delivered is in drafts): ",
        );
        lines.push(output.tone(Tone::Warn, &format!("{text}{scope}")));
    }
    for scope in &outcome.reset {
        let text = output.pick("范围重新核对:", "scope checked again from the start: ");
        lines.push(output.tone(Tone::Warn, &format!("{text}{scope}")));
    }
    lines.extend(outcome.notices.iter().map(|notice| output.tone(Tone::Warn, output.lang().of(notice))));
    lines
}

/// What a run of files brought, for programs.
pub(crate) fn carried_json(carried: &Carried) -> Json {
    let refused: Vec<Json> = carried
        .refused
        .iter()
        .map(|(hash, refusal)| {
            json!({
                "sha256": hash.to_string(),
                "code": refusal.code,
                "zh": refusal.sentence.zh,
                "en": refusal.sentence.en,
            })
        })
        .collect();
    json!({
        "sent": carried.sent,
        "bytes_sent": carried.bytes_sent,
        "fetched": carried.fetched,
        "thumbnails": carried.thumbnails,
        "bytes_received": carried.bytes_received,
        "refused": refused,
        "error": carried.failure,
    })
}

/// What a run of files brought, for a person.
pub(crate) fn carried_lines(carried: &Carried, output: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    if carried.sent + carried.fetched > 0 {
        let (sent, fetched) = (carried.sent, carried.fetched);
        let bytes = indicatif::HumanBytes(carried.bytes_sent + carried.bytes_received);
        lines.push(match output.lang() {
            Lang::Zh => format!("上传 {sent} 个照片与附件,下载 {fetched} 个({bytes})"),
            Lang::En => format!("{sent} photos and files sent, {fetched} fetched ({bytes})"),
        });
    }
    for (hash, refusal) in &carried.refused {
        let label = output.pick("无法上传:", "cannot be sent: ");
        let digits: String = hash.to_string().chars().take(8).collect();
        let text = format!("{label}{digits}  {}", output.lang().of(&refusal.sentence));
        lines.push(output.tone(Tone::Bad, &text));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use xunyuan_core::error::Refusal;
    use xunyuan_ffi::failure::Failure;

    #[test]
    fn the_exit_status_is_the_worst_of_what_happened() {
        let mut outcome = Outcome::default();
        assert_eq!(exit_status(&outcome), 0);
        outcome.refused.push(Refusal::new("role_not_allowed", "不允许", "not allowed"));
        assert_eq!(exit_status(&outcome), 1);
        outcome.failure = Some(Failure::no_connection("timeout", "超时", "timeout"));
        assert_eq!(exit_status(&outcome), 3);
        assert_eq!(outcome_json(&outcome)["error"]["code"], "timeout");
        assert_eq!(outcome_json(&outcome)["refused"][0]["code"], "role_not_allowed");
    }
}
