//! `user`: who may sign in to the console.

use serde_json::{Value, json};
use xunyuan_core::error::Error;
use xunyuan_core::id::UserId;
use xunyuan_core::time::rfc3339;

use super::Context;
use super::output::{Lang, Report, table};
use super::people;

/// What is done about people who sign in.
#[derive(Debug, clap::Subcommand)]
pub(super) enum User {
    /// 生成设置口令的一次性链接 · Make a one-time link with which a person sets a password
    Password(Password),
    /// 让某人在各处退出登录 · Sign a person out everywhere
    SignOut {
        /// 人员标识 · Whom, e.g. u.gm01
        user: String,
    },
    /// 谁设置了口令和第二重验证 · Who has set a password and a second factor
    List,
}

/// Arguments of `user password`.
#[derive(Debug, clap::Args)]
pub(super) struct Password {
    /// 人员标识 · Whose password, e.g. u.gm01
    user: String,
    /// 有效小时数 · Hours until the link ends
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(i64).range(1..=24 * 30))]
    hours: i64,
    /// 链接中的服务器地址 · Server address in the link, by default the public one or that of the running server
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// 同时取消第二重验证(手机丢失时) · Take the second factor away too, when the phone with it is lost
    #[arg(long)]
    reset_second_factor: bool,
}

/// Does it.
pub(super) fn run(context: &Context, command: &User) -> Result<Report, Error> {
    match command {
        User::Password(arguments) => password(context, arguments),
        User::SignOut { user } => sign_out(context, user),
        User::List => list(context),
    }
}

fn password(context: &Context, arguments: &Password) -> Result<Report, Error> {
    let server = people::reached(context, arguments.server.as_deref())?.url;
    let hub = context.hub()?;
    let user = UserId::new(arguments.user.clone());
    let (hours_ms, now_ms) = (arguments.hours * 3_600_000, context.clock.now_ms());
    let made = super::entropy().and_then(|entropy| hub.password_link(&user, hours_ms, now_ms, entropy));
    let made = made.and_then(|made| {
        if arguments.reset_second_factor {
            hub.put_second_factor(&user, None)?;
        }
        Ok(made)
    });
    hub.close()?;
    let made = made?;
    let link = password_link(&server, &made.secret);
    let ends = rfc3339(made.expires_at_ms, super::UTC_OFFSET_MIN);
    let text = format!("{link}\n{} {ends}", context.lang.pick("一次有效,截止", "works once, until"));
    Ok(Report::done(json!({"link": link, "user": made.user, "expires_at_ms": made.expires_at_ms}), text))
}

/// The address at which a person sets a password.
pub(crate) fn password_link(server: &str, secret: &str) -> String {
    format!("{server}/sign-in/link/{secret}")
}

fn sign_out(context: &Context, user: &str) -> Result<Report, Error> {
    let hub = context.hub()?;
    let ended = hub.end_sessions(&UserId::new(user));
    hub.close()?;
    ended?;
    let text = context.lang.pick("已在各处退出登录", "signed out everywhere");
    Ok(Report::done(json!({"signed_out": user}), text))
}

fn list(context: &Context) -> Result<Report, Error> {
    let hub = context.hub()?;
    let (accounts, catalog) = (hub.accounts(), hub.catalog());
    hub.close()?;
    let accounts = accounts?;
    let lang = context.lang;
    let header = match lang {
        Lang::Zh => ["人员", "姓名", "第二重验证"],
        Lang::En => ["person", "name", "second factor"],
    };
    let name = |user: &UserId| catalog.user(user).map(|known| known.name.clone()).unwrap_or_default();
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|(user, has_factor)| {
            let factor = if *has_factor { lang.pick("有", "yes") } else { lang.pick("无", "no") };
            vec![user.to_string(), name(user), factor.to_owned()]
        })
        .collect();
    let json = accounts.iter().map(|(user, has_factor)| json!({"user": user, "second_factor": has_factor}));
    Ok(Report::done(Value::Array(json.collect()), table(&header, &rows)))
}
