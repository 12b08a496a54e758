//! `webhook`: where other programs are told of events, and how that went.

use serde_json::{Value, json};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::time::rfc3339;

use super::output::{Exit, Lang, Report, table};
use super::{Context, UTC_OFFSET_MIN, entropy, people};
use crate::courier;
use crate::hub::{Delivery, DeliveryFilter, DeliveryState, Hook, HookEvent, HookForm, HookWish, Hub};

/// What is done about targets of events.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// 新增推送目标,签名密钥只显示一次 · Add a target; the key of its signatures is shown once
    Add(Add),
    /// 列出推送目标 · List targets
    List,
    /// 删除推送目标 · Remove a target
    Remove {
        /// 目标编号,见 webhook list · Id of the target, see webhook list
        id: String,
    },
    /// 立即发一条测试消息 · Send a test message now
    Test {
        /// 目标编号 · Id of the target
        id: String,
    },
    /// 推送记录,新的在前 · What was sent, the newest first
    Deliveries {
        /// 只看这个目标 · To this target
        #[arg(long, value_name = "ID")]
        target: Option<String>,
        /// 只看这种状态:waiting、delivered、dead · In this state
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// 最多显示几条 · Most lines to show
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// 重发一次推送,或全部放弃了的 · Send a delivery again, or all that were given up
    Retry {
        /// 推送编号,见 webhook deliveries · Number of the delivery, see webhook deliveries
        #[arg(required_unless_present = "dead")]
        delivery: Option<i64>,
        /// 全部放弃了的 · All that were given up
        #[arg(long, conflicts_with = "delivery")]
        dead: bool,
        /// 只限这个目标 · Of this target alone
        #[arg(long, value_name = "ID", requires = "dead")]
        target: Option<String>,
    },
}

/// Arguments of `webhook add`.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// 地址 · The address
    url: String,
    /// 用途 · What it is for
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// 事件:duty.escalated、finding.created、record.grave、change.refused · Kinds of events
    #[arg(long, value_name = "EVENT", value_delimiter = ',', required = true)]
    event: Vec<String>,
    /// 只限这些项目 · These projects alone
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    project: Vec<String>,
    /// 只限这些台帐的记录 · Records of these ledgers alone
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    ledger: Vec<String>,
    /// 形式:standard(JSON)或 text(企业微信、钉钉机器人)· Form: standard (JSON) or text (robots of 企业微信 and 钉钉)
    #[arg(long, value_name = "FORM", default_value = "standard")]
    form: String,
}

/// Does it.
pub(super) fn run(context: &Context, command: &Command) -> Result<Report, Error> {
    let hub = context.hub()?;
    let done = match command {
        Command::Add(arguments) => add(context, &hub, arguments),
        Command::List => list(context, &hub),
        Command::Remove { id } => remove(context, &hub, id),
        Command::Test { id } => test(context, &hub, id),
        Command::Deliveries { target, state, limit } => {
            deliveries(context, &hub, target.clone(), state.as_deref(), *limit)
        }
        Command::Retry { delivery, target, .. } => retry(context, &hub, *delivery, target.as_deref()),
    };
    hub.close()?;
    done
}

fn add(context: &Context, hub: &Hub, arguments: &Add) -> Result<Report, Error> {
    let wish = HookWish {
        name: arguments.name.clone(),
        url: courier::checked(&arguments.url, context.effective.config.webhooks.targets)?.to_owned(),
        events: arguments
            .event
            .iter()
            .map(|id| known(HookEvent::ALL.into_iter(), HookEvent::id, id))
            .collect::<Result<_, _>>()?,
        units: arguments.project.clone(),
        ledgers: arguments.ledger.clone(),
        form: known(HookForm::ALL.into_iter(), HookForm::id, &arguments.form)?,
    };
    let hook = hub.add_hook(wish, context.clock.now_ms(), entropy()?)?;
    let secret = courier::shown_secret(&hook);
    let mut json = hook_json(&hook);
    json["secret"] = json!(secret);
    let text = context.lang.pick("签名密钥,只显示这一次:", "the key of its signatures, shown only now:");
    Ok(Report::done(json, format!("{}\n{text} {secret}", hook.id)))
}

/// One of several things by its id.
fn known<T: Copy>(
    all: impl Iterator<Item = T> + Clone,
    id_of: impl Fn(T) -> &'static str,
    id: &str,
) -> Result<T, Error> {
    all.clone().find(|one| id_of(*one) == id).ok_or_else(|| {
        let ids: Vec<&str> = all.map(id_of).collect();
        let ids = ids.join(", ");
        Error::new(
            ErrorKind::Invalid,
            format!("不认识“{id}”;可用:{ids}"),
            format!("\"{id}\" is not known; there are {ids}"),
        )
    })
}

fn list(context: &Context, hub: &Hub) -> Result<Report, Error> {
    let found = hub.hooks()?;
    let header = match context.lang {
        Lang::Zh => ["编号", "用途", "地址", "事件", "项目", "台帐", "形式", "未记下"],
        Lang::En => ["id", "for", "address", "events", "projects", "ledgers", "form", "skipped"],
    };
    let row = |hook: &Hook| {
        let events: Vec<&str> = hook.events.iter().map(|event| event.id()).collect();
        vec![
            hook.id.clone(),
            hook.name.clone(),
            courier::masked(&hook.url),
            events.join(" "),
            hook.units.join(" "),
            hook.ledgers.join(" "),
            hook.form.id().to_owned(),
            hook.skipped.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    Ok(Report::done(Value::Array(found.iter().map(hook_json).collect()), table(&header, &rows)))
}

fn hook_json(hook: &Hook) -> Value {
    json!({
        "id": hook.id,
        "name": hook.name,
        "url": courier::masked(&hook.url),
        "events": hook.events.iter().map(|event| event.id()).collect::<Vec<_>>(),
        "projects": hook.units,
        "ledgers": hook.ledgers,
        "form": hook.form.id(),
        "created_at_ms": hook.created_at_ms,
        "skipped": hook.skipped,
    })
}

fn remove(context: &Context, hub: &Hub, id: &str) -> Result<Report, Error> {
    hub.remove_hook(id)?;
    Ok(Report::done(json!({"removed": id}), context.lang.pick("已删除", "removed")))
}

fn test(context: &Context, hub: &Hub, id: &str) -> Result<Report, Error> {
    let hook = hub.hook(id)?;
    let url = people::reached(context, None)?.url;
    let config = &context.effective.config.webhooks;
    let attempted = courier::ping(config, &url, &hub.catalog(), &hook, context.clock.now_ms());
    let said = if attempted.is_taken {
        context.lang.pick("对方已接收", "the receiver took it")
    } else {
        context.lang.pick("对方没有接收", "the receiver did not take it")
    };
    let json = json!({"taken": attempted.is_taken, "outcome": attempted.outcome});
    let report = Report::done(json, format!("{said}: {}", attempted.outcome));
    Ok(Report { exit: if attempted.is_taken { Exit::Done } else { Exit::Connection }, ..report })
}

fn deliveries(
    context: &Context,
    hub: &Hub,
    target: Option<String>,
    state: Option<&str>,
    limit: u32,
) -> Result<Report, Error> {
    let state = state.map(|id| known(DeliveryState::ALL.into_iter(), DeliveryState::id, id)).transpose()?;
    let found = hub.deliveries(&DeliveryFilter { hook: target, state }, 0, limit)?.rows;
    let header = match context.lang {
        Lang::Zh => ["编号", "目标", "事件", "发生", "状态", "次数", "最近结果", "下次"],
        Lang::En => ["number", "target", "event", "at", "state", "attempts", "last outcome", "next"],
    };
    let at = |ms: i64| rfc3339(ms, UTC_OFFSET_MIN);
    let row = |one: &Delivery| {
        vec![
            one.id.to_string(),
            one.hook.clone(),
            one.event.id().to_owned(),
            at(one.at_ms),
            one.state.id().to_owned(),
            one.attempts.to_string(),
            one.outcome.clone(),
            one.next_ms.map_or_else(|| "-".to_owned(), at),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    Ok(Report::done(Value::Array(found.iter().map(delivery_json).collect()), table(&header, &rows)))
}

fn delivery_json(one: &Delivery) -> Value {
    json!({
        "id": one.id,
        "target": one.hook,
        "message": one.message,
        "event": one.event.id(),
        "at_ms": one.at_ms,
        "data": serde_json::from_str::<Value>(&one.data).unwrap_or(Value::Null),
        "state": one.state.id(),
        "attempts": one.attempts,
        "next_ms": one.next_ms,
        "tried_ms": one.tried_ms,
        "outcome": one.outcome,
    })
}

fn retry(context: &Context, hub: &Hub, delivery: Option<i64>, target: Option<&str>) -> Result<Report, Error> {
    let count = hub.send_again(delivery, target, context.clock.now_ms())?;
    let text = context.lang.pick("将由运行中的服务器重发:", "to be sent again by the running server:");
    Ok(Report::done(json!({"again": count}), format!("{text} {count}")))
}
