//! The proof at the end of the day: do all devices and the branch hold the same?
//!
//! Each law of the product that a day can break is checked on what the stores say, not on what the
//! play intended.

use serde_json::{Value, json};
use std::time::Duration;
use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;

use super::child::Crash;
use super::{Player, exit_of};
use crate::command::output::{Lang, Report, table};
use crate::hub::{Hub, Standing};

/// Clashes that the script expected and that a device showed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clashes {
    pub(super) expected: usize,
    pub(super) found: usize,
}

/// One law and whether it held.
struct Law {
    zh: String,
    en: String,
    held: bool,
}

/// What was found.
pub(super) struct Proof {
    players: Vec<Player>,
    laws: Vec<Law>,
    scopes: Vec<Standing>,
    clashes: Clashes,
}

/// Compares every device with the branch, scope by scope.
pub(super) fn check(
    hub: &Hub,
    mut players: Vec<Player>,
    crashes: &[Crash],
    clashes: Clashes,
) -> Result<Proof, Error> {
    let scopes = hub.standings()?;
    let mut told = Tally::default();
    for player in &mut players {
        compare(hub, &scopes, player, &mut told)?;
    }
    let verified = hub.verify(|_| {})?;
    let Tally { pairs, cursors, digests, rows, pending, refused, foreign, open_clashes } = told;
    let law = |zh: String, en: String, held: bool| Law { zh, en, held };
    let laws = vec![
        law(
            format!("待发为零:{pending} 个变更未被确认,{refused} 个被拒"),
            format!("outboxes are empty: {pending} changes unanswered, {refused} refused"),
            pending == 0 && refused == 0,
        ),
        law(
            format!("游标与链相同:{cursors}/{pairs} 个设备×范围"),
            format!("equal cursor and chain: {cursors}/{pairs} devices x scopes"),
            cursors == pairs,
        ),
        law(
            format!("摘要相同:{digests}/{pairs}"),
            format!("equal digest: {digests}/{pairs}"),
            digests == pairs,
        ),
        law(
            format!("行指纹相同(可从文档重建):{rows}/{pairs}"),
            format!("equal fingerprint of the rows: {rows}/{pairs}"),
            rows == pairs,
        ),
        law(
            format!("分公司从零核验:{} 条流水、{} 个签名", verified.records, verified.signatures),
            format!(
                "the branch verifies from zero: {} records, {} signatures",
                verified.records, verified.signatures
            ),
            verified.first_bad.is_none(),
        ),
        law(
            format!("被杀进程没有丢失已保存的动作:{} 次", crashes.len()),
            format!("killed processes lost nothing that was saved: {} kills", crashes.len()),
            crashes.iter().all(Crash::lost_nothing),
        ),
        law(
            format!("没有设备收到授权之外的范围:{foreign} 个"),
            format!("no device holds a scope it has no grant for: {foreign}"),
            foreign == 0,
        ),
        law(
            format!("冲突被发现并裁决:发现 {},未决 {open_clashes}", clashes.found),
            format!("clashes were found and decided: {} found, {open_clashes} open", clashes.found),
            clashes.found >= clashes.expected && open_clashes == 0,
        ),
    ];
    Ok(Proof { players, laws, scopes, clashes })
}

/// What the comparison counted.
#[derive(Default)]
struct Tally {
    pairs: usize,
    cursors: usize,
    digests: usize,
    rows: usize,
    pending: u32,
    refused: u32,
    foreign: usize,
    open_clashes: usize,
}

fn compare(hub: &Hub, scopes: &[Standing], player: &mut Player, told: &mut Tally) -> Result<(), Error> {
    let replica = player.device.replica();
    let status = replica.status()?;
    let grants: Vec<ScopeId> = hub.grants(replica.user())?;
    told.pending += status.pending_changes;
    told.refused += status.refused_changes;
    told.open_clashes += replica.conflicts()?.len();
    told.foreign += status.scopes.iter().filter(|row| !grants.contains(&row.scope)).count();
    for row in status.scopes.iter().filter(|row| row.granted) {
        let branch = scopes.iter().find(|standing| standing.scope == row.scope);
        let empty = Standing::empty(&row.scope);
        let branch = branch.unwrap_or(&empty);
        told.pairs += 1;
        told.cursors += usize::from((row.cursor, row.chain) == (branch.seq, branch.chain));
        told.digests += usize::from((row.count, row.sum) == (branch.count, branch.sum));
        told.rows += usize::from(replica.fingerprint(&row.scope)? == hub.fingerprint(&row.scope)?);
    }
    Ok(())
}

impl Proof {
    /// True when every law held.
    fn held(&self) -> bool {
        self.laws.iter().all(|law| law.held)
    }

    /// The proof as a table and as JSON.
    pub(super) fn report(self, lang: Lang, url: &str, took: Duration) -> Report {
        let held = self.held();
        let mut text = String::from("\n");
        text.push_str(&self.devices(lang));
        text.push_str("\n\n");
        for law in &self.laws {
            let mark = if law.held { "✓" } else { "✗" };
            text.push_str(&format!("{mark} {}\n", lang.pick(&law.zh, &law.en)));
        }
        let seconds = took.as_secs_f64();
        text.push_str(&match (lang, held) {
            (Lang::Zh, true) => format!("\n全部成立,用时 {seconds:.1} 秒"),
            (Lang::Zh, false) => format!("\n有规律不成立,用时 {seconds:.1} 秒"),
            (Lang::En, true) => format!("\nevery law held, {seconds:.1} s"),
            (Lang::En, false) => format!("\na law was broken, {seconds:.1} s"),
        });
        Report { exit: exit_of(held), json: self.json(url, took), text }
    }

    /// What each device did.
    fn devices(&self, lang: Lang) -> String {
        let header = match lang {
            Lang::Zh => ["设备", "离线保存", "确认", "收到", "请求", "上行 B", "下行 B", "见到冲突"],
            Lang::En => [
                "device",
                "saved offline",
                "acknowledged",
                "received",
                "requests",
                "B up",
                "B down",
                "clashes seen",
            ],
        };
        let rows: Vec<Vec<String>> = self
            .players
            .iter()
            .map(|player| {
                let meter = &player.device.meter;
                vec![
                    player.person.title.of(lang).to_owned(),
                    meter.saved.to_string(),
                    meter.acknowledged.to_string(),
                    meter.received.to_string(),
                    meter.requests.to_string(),
                    meter.bytes_up.to_string(),
                    meter.bytes_down.to_string(),
                    meter.conflicts.to_string(),
                ]
            })
            .collect();
        table(&header, &rows)
    }

    fn json(&self, url: &str, took: Duration) -> Value {
        let devices: Vec<Value> = self
            .players
            .iter()
            .map(|player| {
                let meter = &player.device.meter;
                json!({
                    "device": player.person.key,
                    "user": player.person.user,
                    "saved_offline": meter.saved,
                    "acknowledged": meter.acknowledged,
                    "refused": meter.refused,
                    "received": meter.received,
                    "requests": meter.requests,
                    "bytes_up": meter.bytes_up,
                    "bytes_down": meter.bytes_down,
                    "clashes_seen": meter.conflicts,
                })
            })
            .collect();
        let laws: Vec<Value> =
            self.laws.iter().map(|law| json!({"zh": law.zh, "en": law.en, "held": law.held})).collect();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let scopes: Vec<Value> = self
            .scopes
            .iter()
            .map(|at| {
                json!({
                    "scope": at.scope, "seq": at.seq, "chain": hex(&at.chain),
                    "count": at.count, "sum": hex(&at.sum),
                })
            })
            .collect();
        json!({
            "server": url,
            "held": self.held(),
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "clashes": {"expected": self.clashes.expected, "found": self.clashes.found},
            "devices": devices,
            "scopes": scopes,
            "laws": laws,
        })
    }
}
