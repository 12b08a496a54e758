//! How other programs are told of events.

use serde::{Deserialize, Serialize};

/// How other programs are told of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookConfig {
    /// Where they may be told: `secure` (over HTTPS, or on this machine) or `any` (plain HTTP as well).
    /// `XUNYUAN_WEBHOOK_TARGETS`, default `secure`.
    pub targets: HookTargets,
    /// Attempts until a message is given up. `XUNYUAN_WEBHOOK_ATTEMPTS_MAX`, default 15: about a day.
    pub attempts_max: u32,
    /// The pause after the first attempt, milliseconds; each further one doubles it, up to six hours.
    /// `XUNYUAN_WEBHOOK_PAUSE_MS`, default 5000.
    pub pause_ms: u64,
}

/// Where programs may be told of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookTargets {
    /// Over HTTPS, or on this machine.
    #[default]
    Secure,
    /// Over plain HTTP as well.
    Any,
}

impl Default for HookConfig {
    fn default() -> Self {
        Self { targets: HookTargets::Secure, attempts_max: 15, pause_ms: 5_000 }
    }
}
