//! `token`: what programs read with.

use serde_json::{Value, json};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;
use xunyuan_core::time::rfc3339;

use super::output::{Lang, Report, table};
use super::{Context, UTC_OFFSET_MIN, entropy};
use crate::hub::{Right, Token, TokenWish};

/// What is done about access tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// 生成访问令牌,只显示一次 · Make an access token, shown once
    Create(Create),
    /// 列出访问令牌 · List access tokens
    List {
        /// 只看此人的 · Of this person
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// 撤销访问令牌 · Revoke an access token
    Revoke {
        /// 令牌编号,见 token list · Id of the token, see token list
        id: String,
    },
}

/// Arguments of `token create`.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// 以谁的名义读取 · In whose name it reads, e.g. u.bcm01
    #[arg(long, value_name = "USER")]
    user: String,
    /// 用途 · What it is for
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// 权限:records:read、duties:read、reports:read · What it opens
    #[arg(long, value_name = "RIGHT", value_delimiter = ',', required = true)]
    right: Vec<String>,
    /// 只限这些项目 · These projects alone
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    project: Vec<String>,
    /// 有效天数 · Days until it ends
    #[arg(long, default_value_t = 90)]
    days: u32,
}

/// Does it.
pub(super) fn run(context: &Context, command: &Command) -> Result<Report, Error> {
    match command {
        Command::Create(arguments) => create(context, arguments),
        Command::List { user } => list(context, user.as_deref()),
        Command::Revoke { id } => revoke(context, id),
    }
}

fn create(context: &Context, arguments: &Create) -> Result<Report, Error> {
    let wish = TokenWish {
        user: UserId::new(arguments.user.clone()),
        name: arguments.name.clone(),
        rights: arguments.right.iter().map(|id| right(id)).collect::<Result<_, _>>()?,
        units: arguments.project.clone(),
        days: arguments.days,
    };
    let hub = context.hub()?;
    let made = entropy().and_then(|entropy| hub.make_token(wish, context.clock.now_ms(), entropy));
    hub.close()?;
    let made = made?;
    let mut json = as_json(&made.token);
    json["token"] = json!(made.secret);
    let ends = rfc3339(made.token.expires_at_ms, UTC_OFFSET_MIN);
    let text = context.lang.pick("只显示这一次,截止", "shown only now, good until");
    Ok(Report::done(json, format!("{}\n{text} {ends}", made.secret)))
}

fn right(id: &str) -> Result<Right, Error> {
    Right::of_id(id).ok_or_else(|| {
        let known = Right::ALL.map(Right::id).join(", ");
        Error::new(
            ErrorKind::Invalid,
            format!("没有权限“{id}”;可用:{known}"),
            format!("there is no right \"{id}\"; there are {known}"),
        )
    })
}

fn list(context: &Context, user: Option<&str>) -> Result<Report, Error> {
    let hub = context.hub()?;
    let found = hub.tokens(user.map(UserId::new).as_ref());
    hub.close()?;
    let (found, lang, now_ms) = (found?, context.lang, context.clock.now_ms());
    let header = match lang {
        Lang::Zh => ["编号", "人员", "用途", "权限", "项目", "状态", "到期", "最近使用"],
        Lang::En => ["id", "person", "for", "rights", "projects", "state", "ends", "last used"],
    };
    let rows: Vec<Vec<String>> = found.iter().map(|token| line(lang, token, now_ms)).collect();
    Ok(Report::done(Value::Array(found.iter().map(as_json).collect()), table(&header, &rows)))
}

fn line(lang: Lang, token: &Token, now_ms: i64) -> Vec<String> {
    let state = match token.revoked_at_ms {
        Some(_) => lang.pick("已撤销", "revoked"),
        None if token.expires_at_ms <= now_ms => lang.pick("已过期", "expired"),
        None => lang.pick("有效", "good"),
    };
    let rights: Vec<&str> = token.rights.iter().map(|right| right.id()).collect();
    let used = token.used_at_ms.map_or_else(|| "-".to_owned(), |used_ms| rfc3339(used_ms, UTC_OFFSET_MIN));
    vec![
        token.id.clone(),
        token.user.to_string(),
        token.name.clone(),
        rights.join(" "),
        token.units.join(" "),
        state.to_owned(),
        rfc3339(token.expires_at_ms, UTC_OFFSET_MIN),
        used,
    ]
}

fn as_json(token: &Token) -> Value {
    json!({
        "id": token.id,
        "user": token.user,
        "name": token.name,
        "rights": token.rights.iter().map(|right| right.id()).collect::<Vec<_>>(),
        "projects": token.units,
        "created_at_ms": token.created_at_ms,
        "expires_at_ms": token.expires_at_ms,
        "used_at_ms": token.used_at_ms,
        "revoked_at_ms": token.revoked_at_ms,
    })
}

fn revoke(context: &Context, id: &str) -> Result<Report, Error> {
    let hub = context.hub()?;
    let done = hub.revoke_token(id, None, context.clock.now_ms());
    hub.close()?;
    done?;
    let text = context.lang.pick("已撤销", "revoked");
    Ok(Report::done(json!({"revoked": id}), text))
}
