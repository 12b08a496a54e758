//! The console's people of the demonstration: they set a password by a link, over HTTP, as anybody does.

use std::time::Duration;
use ureq::Agent;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;

use crate::clock::Clock;
use crate::command::{entropy, users};
use crate::hub::Hub;

/// How long the links of the demonstration are good.
const LINK_MS: i64 = 3_600_000;

/// Who may sign in, and with which password.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    pub(super) users: Vec<String>,
    pub(super) password: String,
}

/// Lets these people set one password, drawn anew for every demonstration.
pub(super) fn open(hub: &Hub, clock: &Clock, url: &str, users: &[String]) -> Result<SignIn, Error> {
    let drawn = entropy()?;
    let password = data_encoding::BASE32_NOPAD.encode(drawn.get(..8).unwrap_or_default()).to_lowercase();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(20)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    for user in users {
        let link = hub.password_link(&UserId::new(user.clone()), LINK_MS, clock.now_ms(), entropy()?)?;
        let page = users::password_link(url, &link.secret);
        let sent =
            agent.post(&page).send_form([("password", password.as_str()), ("again", password.as_str())]);
        sent.map_err(|cause| {
            Error::new(ErrorKind::Storage, "无法设置控制台口令", "a password for the console cannot be set")
                .caused_by(cause)
        })?;
    }
    Ok(SignIn { users: users.to_vec(), password })
}
