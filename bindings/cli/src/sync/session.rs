//! One exchange of one replica: requests until the branch has nothing more and the outbox is empty.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use std::io::IsTerminal as _;
use std::time::Duration;
use xunyuan_core::error::{Refusal, Sentence};
use xunyuan_core::replica::{self, Progress, Replica};
use xunyuan_core::wire::message::ReadmitReply;

use crate::clock::Clock;
use crate::device::revoked;
use crate::failure::{EXIT_DONE, EXIT_REFUSED, Failure};
use crate::net::{Carrier, CarryFailure};
use crate::output::{Output, Tone};

/// Requests in a row that may bring nothing although the branch says there is more.
const BARREN_MAX: u32 = 5;

/// What an exchange brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests sent.
    pub(crate) requests: u32,
    /// Bytes of their bodies.
    pub(crate) bytes_sent: u64,
    /// Bytes of the answers.
    pub(crate) bytes_received: u64,
    /// Own changes that the branch now holds.
    pub(crate) acknowledged: u32,
    /// Records received.
    pub(crate) received: u32,
    /// Own changes that the branch refused.
    pub(crate) refused: Vec<Refusal>,
    /// Own changes that wait at the branch's door for their predecessors.
    pub(crate) parked: u32,
    /// Scopes that the person no longer holds and whose records have left this device.
    pub(crate) left: Vec<String>,
    /// Scopes that started again because cursor, chain or digest did not fit.
    pub(crate) reset: Vec<String>,
    /// What the branch says about this program or device.
    pub(crate) notices: Vec<Sentence>,
    /// True when the branch had this device erased.
    pub(crate) wiped: bool,
    /// How long the branch asked to wait, milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
    /// Why the exchange ended early.
    pub(crate) failure: Option<Failure>,
}

/// Carries the bytes of exchanges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'s> {
    /// The network.
    pub(crate) carrier: &'s Carrier,
    /// The clock.
    pub(crate) clock: &'s Clock,
    /// Where progress is shown.
    pub(crate) output: &'s Output,
}

impl Session<'_> {
    /// Exchanges until nothing is left to ask or push, or the network or the store fails; what was
    /// done until then is done.
    pub(crate) fn exchange(&self, replica: &mut Replica) -> Outcome {
        let mut outcome = Outcome::default();
        if replica.is_erased() {
            outcome.failure = Some(revoked());
            return outcome;
        }
        let bar = self.bar();
        if let Err(failure) = self.rounds(replica, &mut outcome, &bar) {
            outcome.failure = Some(failure);
        }
        bar.finish_and_clear();
        outcome
    }

    fn rounds(&self, replica: &mut Replica, outcome: &mut Outcome, bar: &ProgressBar) -> Result<(), Failure> {
        let url = format!("{}/v1/exchange", replica.identity().server_url);
        let token = replica.identity().token.clone();
        let mut barren = 0;
        replica.wake_now();
        while let Some(body) = replica.poll_request(&self.clock.moment()?)? {
            outcome.requests += 1;
            outcome.bytes_sent += body.len() as u64;
            let answer = self.carrier.post(&url, Some(&token), "application/cbor", &body);
            let answer = match answer {
                Err(carried) if carried.status == Some(401) && self.readmit(replica, &token)? => {
                    self.carrier.post(&url, Some(&token), "application/cbor", &body)
                }
                answer => answer,
            };
            let moment = self.clock.moment()?;
            let answer = answer.map_err(|carried| {
                replica.handle_failure(&as_core(&carried), &moment);
                outcome.retry_after_ms = carried.retry_after_ms;
                carried.failure
            })?;
            outcome.bytes_received += answer.len() as u64;
            let progress = replica.handle_reply(&answer, &moment)?;
            barren = if is_barren(&progress) { barren + 1 } else { 0 };
            let more = progress.more;
            outcome.add(progress);
            bar.set_message(self.progress_text(outcome));
            if outcome.wiped {
                return Err(revoked());
            }
            if !more {
                break;
            }
            if barren >= BARREN_MAX {
                return Err(Failure::no_connection(
                    "no_progress",
                    "分公司服务器多次应答都没有新内容;稍后再试",
                    "the branch server keeps answering without anything new; try again later",
                ));
            }
        }
        // What a long catch-up left for later is done before the person looks at lists.
        while replica.write_rows()? {
            bar.set_message(self.output.pick("正在整理列表……", "writing the lists ..."));
        }
        Ok(())
    }

    /// Lets a branch that has forgotten this device take it in again; true when it did.
    fn readmit(&self, replica: &mut Replica, token: &str) -> Result<bool, Failure> {
        let Some(request) = replica.readmission()? else { return Ok(false) };
        let url = format!("{}/v1/readmit", replica.identity().server_url);
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let answer = self.carrier.post(&url, Some(token), "application/json", &body);
        let reply = answer.ok().and_then(|answer| serde_json::from_slice::<ReadmitReply>(&answer).ok());
        let Some(reply) = reply else { return Ok(false) };
        replica.readmitted(&reply)?;
        Ok(true)
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
        bar.set_message(self.output.pick("正在与分公司同步……", "exchanging with the branch ..."));
        bar
    }

    fn progress_text(&self, outcome: &Outcome) -> String {
        let (sent, received) = (outcome.acknowledged, outcome.received);
        match self.output.lang() {
            crate::locale::Lang::Zh => format!("已上传 {sent} 处更改,已收到 {received} 条记录"),
            crate::locale::Lang::En => format!("{sent} changes delivered, {received} records received"),
        }
    }
}

impl Outcome {
    /// The exit status that this outcome alone would give.
    pub(crate) fn exit(&self) -> u8 {
        let refused = if self.refused.is_empty() { EXIT_DONE } else { EXIT_REFUSED };
        self.failure.as_ref().map_or(refused, |failure| failure.exit().max(refused))
    }

    /// True when something moved: worth a line in a long watch.
    pub(crate) fn has_news(&self) -> bool {
        self.acknowledged + self.received > 0
            || !self.refused.is_empty()
            || !self.left.is_empty()
            || !self.reset.is_empty()
            || !self.notices.is_empty()
            || self.wiped
    }

    /// For programs.
    pub(crate) fn json(&self) -> Json {
        let refused: Vec<Json> = self
            .refused
            .iter()
            .map(|refusal| json!({ "code": refusal.code, "zh": refusal.sentence.zh, "en": refusal.sentence.en }))
            .collect();
        let notices: Vec<Json> =
            self.notices.iter().map(|notice| json!({ "zh": notice.zh, "en": notice.en })).collect();
        json!({
            "requests": self.requests,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "acknowledged": self.acknowledged,
            "received": self.received,
            "parked": self.parked,
            "refused": refused,
            "left": self.left,
            "reset": self.reset,
            "notices": notices,
            "wiped": self.wiped,
            "error": self.failure,
        })
    }

    /// For a person: one line of counts, then a line for everything that needs attention.
    pub(crate) fn lines(&self, output: &Output) -> Vec<String> {
        let mut lines = Vec::new();
        if self.failure.is_none() || self.acknowledged + self.received > 0 {
            let (sent, received, requests) = (self.acknowledged, self.received, self.requests);
            let bytes = bytes_text(self.bytes_sent + self.bytes_received);
            lines.push(match output.lang() {
                crate::locale::Lang::Zh => {
                    format!("上传 {sent} 处更改,收到 {received} 条记录({requests} 次请求,{bytes})")
                }
                crate::locale::Lang::En => {
                    format!(
                        "{sent} changes delivered, {received} records received ({requests} requests, {bytes})"
                    )
                }
            });
        }
        for refusal in &self.refused {
            let label = output.pick("分公司拒收:", "refused by the branch: ");
            lines.push(output.tone(Tone::Bad, &format!("{label}{}", output.lang().of(&refusal.sentence))));
        }
        if self.parked > 0 {
            let parked = self.parked;
            let text = output
                .pick("处更改在等前面的内容,会再次上传", "runs wait for earlier ones and will be sent again");
            lines.push(output.tone(Tone::Warn, &format!("{parked} {text}")));
        }
        for scope in &self.left {
            let text = output.pick(
                "岗位已无此范围,记录已从本机移除(未上传的内容见 drafts):",
                "no longer yours, its records left this device (what was not delivered is in drafts): ",
            );
            lines.push(output.tone(Tone::Warn, &format!("{text}{scope}")));
        }
        for scope in &self.reset {
            let text = output.pick("范围重新核对:", "scope checked again from the start: ");
            lines.push(output.tone(Tone::Warn, &format!("{text}{scope}")));
        }
        lines.extend(self.notices.iter().map(|notice| output.tone(Tone::Warn, output.lang().of(notice))));
        lines
    }

    fn add(&mut self, progress: Progress) {
        self.acknowledged += progress.acknowledged;
        self.received += progress.received;
        self.refused.extend(progress.refused);
        self.parked = progress.parked;
        self.left.extend(progress.left.iter().map(ToString::to_string));
        self.reset.extend(progress.reset.iter().map(ToString::to_string));
        self.notices.extend(progress.notices);
        self.wiped |= progress.wiped;
    }
}

/// True when an answer settled nothing: the same would be asked again.
fn is_barren(progress: &Progress) -> bool {
    let Progress { acknowledged, received, renewed, given_back, repaired, .. } = progress;
    acknowledged + received + renewed + given_back + repaired == 0
        && !progress.is_comparing
        && progress.refused.is_empty()
        && progress.left.is_empty()
}

/// What the core needs to know of a failed request.
fn as_core(carried: &CarryFailure) -> replica::Failure {
    match carried.status {
        Some(429 | 503) => {
            let asked = carried.retry_after_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
            replica::Failure::Busy { retry_after_ms: asked }
        }
        _ => replica::Failure::Unreachable,
    }
}

fn bytes_text(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_the_worst_of_what_happened() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.exit(), 0);
        outcome.refused.push(Refusal::new("role_not_allowed", "不允许", "not allowed"));
        assert_eq!(outcome.exit(), 1);
        outcome.failure = Some(Failure::no_connection("timeout", "超时", "timeout"));
        assert_eq!(outcome.exit(), 3);
        assert_eq!(outcome.json()["error"]["code"], "timeout");
        assert_eq!(outcome.json()["refused"][0]["code"], "role_not_allowed");
    }
}
