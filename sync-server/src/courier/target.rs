//! Addresses that may be told anything.

use std::net::IpAddr;
use ureq::http::Uri;
use xunyuan_core::error::{Error, ErrorKind};

use crate::config::HookTargets;

/// Longest address.
const URL_CHARS_MAX: usize = 500;

/// The address, where it may be told anything: over HTTPS, or on this machine.
///
/// # Errors
/// `Invalid` saying what is wrong.
pub(crate) fn checked(url: &str, targets: HookTargets) -> Result<&str, Error> {
    let wrong = || {
        Error::new(
            ErrorKind::Invalid,
            "推送地址应形如 https://example.cn/path,不含用户名和空格",
            "the address must look like https://example.cn/path, without a user name or blanks",
        )
    };
    if url.chars().count() > URL_CHARS_MAX || !url.chars().all(|c| c.is_ascii_graphic()) {
        return Err(wrong());
    }
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    if authority.as_str().contains('@') || authority.host().is_empty() || url.contains('#') {
        return Err(wrong());
    }
    let is_open = targets == HookTargets::Any || is_loopback(authority.host());
    match scheme {
        "https" => Ok(url),
        "http" if is_open => Ok(url),
        "http" => Err(Error::new(
            ErrorKind::Invalid,
            "推送只走 HTTPS,或发往本机;确需明文时设置 webhooks.targets = \"any\"",
            "programs are told over HTTPS or on this machine; where it must be plain, set webhooks.targets = \"any\"",
        )),
        _ => Err(wrong()),
    }
}

/// True for this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An address as it is shown: what stands behind the question mark may be a robot's key.
pub(crate) fn masked(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(path, _)| format!("{path}?…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine_unless_a_setting_says_otherwise() {
        for url in
            ["https://a.example/x?key=1", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:8/"]
        {
            assert!(checked(url, HookTargets::Secure).is_ok(), "{url}");
        }
        for url in ["http://a.example/x", "http://10.0.0.1/", "http://127.0.0.1.example/"] {
            assert!(checked(url, HookTargets::Secure).is_err(), "{url}");
            assert!(checked(url, HookTargets::Any).is_ok(), "{url}");
        }
        for url in
            ["", "a", "ftp://a.example", "https://u:p@a.example/", "https://", "https://a b/", "https://a/#b"]
        {
            assert!(checked(url, HookTargets::Any).is_err(), "{url}");
        }
    }

    #[test]
    fn a_robots_key_is_not_shown() {
        assert_eq!(masked("https://a.example/send?key=secret"), "https://a.example/send?…");
        assert_eq!(masked("https://a.example/send"), "https://a.example/send");
    }
}
