//! One request, signed as Standard Webhooks says, and how it ended.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::time::Duration;
use ureq::http::Uri;
use ureq::{Agent, Error};

use super::target::is_loopback;
use crate::hub::{Attempted, Hook, HookForm};

/// Longest time for one request.
const REQUEST: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// What robots call the number that says how it went; 0 is well.
const ROBOT_CODE: &str = "errcode";

/// Sends a message and says how it ended.
pub(super) fn send(hook: &Hook, message: &str, body: &str, now_ms: i64) -> Attempted {
    let seconds = now_ms.div_euclid(1_000);
    let sent = agent(&hook.url)
        .post(&hook.url)
        .content_type("application/json")
        .header("webhook-id", message)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature(&hook.secret, message, seconds, body))
        .send(body);
    let mut answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Attempted { is_taken: false, outcome: cause(&error).to_owned() },
    };
    let status = answer.status();
    let outcome = format!("HTTP {}", status.as_u16());
    if !status.is_success() || hook.form == HookForm::Standard {
        return Attempted { is_taken: status.is_success(), outcome };
    }
    // Robots answer 200 to what they did not take.
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
    match serde_json::from_str::<Value>(&text).ok().and_then(|said| said[ROBOT_CODE].as_i64()) {
        Some(code) if code != 0 => Attempted { is_taken: false, outcome: format!("{ROBOT_CODE} {code}") },
        Some(_) | None => Attempted { is_taken: true, outcome },
    }
}

fn agent(url: &str) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(REQUEST))
        .http_status_as_error(false)
        // A message goes where an administrator said, and nowhere else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("xunyuan-server/", env!("CARGO_PKG_VERSION")));
    let is_here = url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback));
    let config = if is_here { config.proxy(None) } else { config };
    config.build().into()
}

/// What went wrong, without names.
const fn cause(error: &Error) -> &'static str {
    if matches!(error, Error::Timeout(_)) {
        "timeout"
    } else if matches!(error, Error::HostNotFound) {
        "host not found"
    } else if matches!(error, Error::Tls(_) | Error::Rustls(_)) {
        "TLS"
    } else {
        "no connection"
    }
}

/// `v1,` and the HMAC-SHA256 of name, time and body.
fn signature(secret: &[u8], message: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{message}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// The key of a target's signatures as its receiver is given it.
pub(crate) fn shown_secret(hook: &Hook) -> String {
    format!("whsec_{}", BASE64.encode(&hook.secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
