//! `invite`, `revoke` and `devices`: who may write from where, and who has not been heard of.

use serde_json::{Value, json};
use std::io::IsTerminal as _;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;
use xunyuan_core::time::rfc3339;

use super::output::{Lang, Report, table};
use super::serve::{Address, Here};
use super::{Context, qr};
use crate::config::PinPolicy;
use crate::door::Shown;
use crate::hub::DeviceStatus;

/// Arguments of `invite`.
#[derive(Debug, clap::Args)]
pub(super) struct Invite {
    /// 人员标识 · Whom to invite, e.g. u.pt01
    #[arg(long, value_name = "USER")]
    user: String,
    /// 有效小时数 · Hours until the link ends
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(i64).range(1..=24 * 90))]
    hours: i64,
    /// 链接中的服务器地址 · Server address in the link, by default the public one or that of the running server
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Makes a one-time link and shows it as text and as a QR code.
pub(super) fn invite(context: &Context, arguments: &Invite) -> Result<Report, Error> {
    let here = reached(context, arguments.server.as_deref())?;
    let hub = context.hub()?;
    let invitation = hub.invite(
        &UserId::new(arguments.user.clone()),
        arguments.hours * 3_600_000,
        context.clock.now_ms(),
        super::entropy()?,
    );
    hub.close()?;
    let invitation = invitation?;
    let link = invitation.link(&here.url, here.pin);
    let ends = rfc3339(invitation.expires_at_ms, super::UTC_OFFSET_MIN);
    let image = qr::draw(&link, std::io::stdout().is_terminal())?;
    let text =
        format!("{image}\n{link}\n{} {ends}", context.lang.pick("一次有效,截止", "works once, until"),);
    Ok(Report::done(
        json!({"link": link, "user": invitation.user, "expires_at_ms": invitation.expires_at_ms}),
        text,
    ))
}

/// Where devices reach the server and which key it shows there: what is asked for, the public address, or
/// that of the running server.
pub(super) fn reached(context: &Context, named: Option<&str>) -> Result<Here, Error> {
    let config = &context.effective.config;
    let running = Address::of(&config.data.dir);
    let pin = match &running {
        Some(here) => here.pin,
        None => Shown::of(config)?.map(|shown| shown.pin()),
    };
    let url = match (named, running) {
        (Some(url), _) => checked_url(url)?,
        (None, _) if !config.listen.public_url.is_empty() => checked_url(&config.listen.public_url)?,
        (None, Some(here)) => here.url,
        (None, None) => config.link_url()?,
    };
    if ["://0.0.0.0", "://[::]"].iter().any(|nowhere| url.contains(nowhere)) {
        return Err(Error::new(
            ErrorKind::Invalid,
            "服务器监听所有地址,链接需要一个具体地址:请设置 listen.public_url,或用 --server 指明",
            "the server listens on every address and a link needs one: set listen.public_url, or name it with --server",
        ));
    }
    // What speaks TLS in front of a server without TLS has a key that is not known here.
    let pin = pin.filter(|_| config.tls.pin == PinPolicy::Key && url.starts_with("https://"));
    Ok(Here { url, pin })
}

fn checked_url(url: &str) -> Result<String, Error> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let fits = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && !"?#&<>\"".contains(c));
    if fits {
        return Ok(url.to_owned());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        "服务器地址应形如 https://sync.example.cn",
        "the server address must look like https://sync.example.cn",
    ))
}

/// Revokes a device by its id, the beginning of its id, or its short code.
pub(super) fn revoke(context: &Context, name: &str) -> Result<Report, Error> {
    let hub = context.hub()?;
    let devices = hub.devices()?;
    let named: Vec<&DeviceStatus> = devices
        .iter()
        .filter(|device| device.code == name || (name.len() >= 4 && device.id.to_string().starts_with(name)))
        .collect();
    let [device] = named[..] else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "没有唯一对应的设备;请用 devices 查看设备码或标识",
            "not exactly one device has this name; look up its code or id with devices",
        ));
    };
    let revoked = hub.revoke(device.id, context.clock.now_ms());
    hub.close()?;
    revoked?;
    let text = context
        .lang
        .pick("已停用,下次联系时该设备将清除数据:", "revoked, it erases its data at its next contact:");
    Ok(Report::done(
        json!({"revoked": device.id.to_string(), "code": device.code}),
        format!("{text} {}", device.code),
    ))
}

/// Every device with what it last said of itself.
pub(super) fn devices(context: &Context) -> Result<Report, Error> {
    let hub = context.hub()?;
    let devices = hub.devices();
    hub.close()?;
    let devices = devices?;
    let lang = context.lang;
    let header = match lang {
        Lang::Zh => ["设备", "人员", "应用", "最近联系", "未同步", "冲突", "时钟偏差", "状态"],
        Lang::En => ["device", "person", "app", "last seen", "pending", "conflicts", "skew", "state"],
    };
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|device| {
            let state = if device.revoked_at_ms.is_some() {
                lang.pick("已停用", "revoked")
            } else if device.skew_suspicious {
                lang.pick("时钟可疑", "clock suspicious")
            } else if device.last_seen_ms.is_none() {
                lang.pick("从未同步", "never synced")
            } else {
                lang.pick("正常", "ok")
            };
            vec![
                device.code.clone(),
                device.user.to_string(),
                device.app.clone(),
                device.last_seen_ms.map_or_else(|| "-".to_owned(), |ms| rfc3339(ms, super::UTC_OFFSET_MIN)),
                device.health.pending_changes.to_string(),
                device.health.conflicts.to_string(),
                format!("{:+.1}s", seconds(device.skew_ms)),
                state.to_owned(),
            ]
        })
        .collect();
    Ok(Report::done(Value::Array(devices.iter().map(as_json).collect()), table(&header, &rows)))
}

/// Runs that the branch refused, newest first: kept as evidence, their authors see them too.
pub(super) fn refusals(context: &Context, limit: u32) -> Result<Report, Error> {
    let hub = context.hub()?;
    let refused = hub.refusals(limit);
    hub.close()?;
    let refused = refused?;
    let lang = context.lang;
    let header = match lang {
        Lang::Zh => ["时间", "人员", "范围", "记录", "次数", "原因"],
        Lang::En => ["time", "person", "scope", "record", "times", "reason"],
    };
    let rows: Vec<Vec<String>> = refused
        .iter()
        .map(|run| {
            vec![
                rfc3339(run.at_ms, super::UTC_OFFSET_MIN),
                match &run.author {
                    Some(author) => format!("{} ({})", author.user, run.user),
                    None => run.user.to_string(),
                },
                run.scope.to_string(),
                run.document.to_string(),
                run.times.to_string(),
                lang.of(&run.refusal.sentence).to_owned(),
            ]
        })
        .collect();
    let json = refused
        .iter()
        .map(|run| {
            json!({
                "at_ms": run.at_ms,
                "user": run.user,
                "device": run.device.to_string(),
                "scope": run.scope,
                "document": run.document.to_string(),
                "last_hash": run.last_hash.to_string(),
                "times": run.times,
                "given_back_for": run.author.as_ref().map(|author| &author.user),
                "bytes": run.bytes.len(),
                "code": run.refusal.code,
                "zh": run.refusal.sentence.zh,
                "en": run.refusal.sentence.en,
            })
        })
        .collect();
    Ok(Report::done(Value::Array(json), table(&header, &rows)))
}

fn as_json(device: &DeviceStatus) -> Value {
    json!({
        "id": device.id.to_string(),
        "code": device.code,
        "user": device.user,
        "app": device.app,
        "schema": device.schema,
        "enrolled_at_ms": device.enrolled_at_ms,
        "revoked_at_ms": device.revoked_at_ms,
        "last_seen_ms": device.last_seen_ms,
        "pending_changes": device.health.pending_changes,
        "pending_photos": device.health.pending_photos,
        "conflicts": device.health.conflicts,
        "skew_ms": device.skew_ms,
        "skew_suspicious": device.skew_suspicious,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a skew is shown to a tenth of a second")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_address_is_checked_before_it_goes_into_a_link() {
        assert_eq!(checked_url("https://sync.example.cn/").unwrap(), "https://sync.example.cn");
        assert_eq!(checked_url("http://127.0.0.1:7070").unwrap(), "http://127.0.0.1:7070");
        for wrong in ["sync.example.cn", "ftp://x", "http://", "http://a?b", "http://a b"] {
            assert_eq!(checked_url(wrong).unwrap_err().kind(), ErrorKind::Invalid, "{wrong}");
        }
    }
}
