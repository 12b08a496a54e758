//! `duties`: who owes what by when, and how it stands.

use clap::Args;
use serde_json::Value;
use xunyuan_core::duty::{Status, Subject};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::time::rfc3339;

use super::output::{Lang, Report, table};
use super::{Context, UTC_OFFSET_MIN};
use crate::hub::{DutyFilter, DutyView};

/// What to list.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 只看这个项目或分公司 · Of this project, or of the branch
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// 只看这条规则 · Of this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// 只看这些状态:open at_risk breached unknown met met_synced_late · With one of these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<String>,
}

/// Lists duties by due time; what was met is left out unless it is asked for.
pub(super) fn list(context: &Context, arguments: &Arguments) -> Result<Report, Error> {
    let mut statuses = arguments.status.iter().map(|id| named(id)).collect::<Result<Vec<_>, _>>()?;
    if statuses.is_empty() {
        statuses = Status::ALL.into_iter().filter(|status| !status.is_settled()).collect();
    }
    let hub = context.hub()?;
    let filter = DutyFilter {
        unit: arguments.project.clone(),
        rule: arguments.rule.clone(),
        statuses,
        document: None,
    };
    let found = hub.duties(&filter, context.clock.now_ms());
    hub.close()?;
    let found = found?;
    let lang = context.lang;
    let header = match lang {
        Lang::Zh => ["状态", "期限", "规则", "项目", "对象", "责任", "上报"],
        Lang::En => ["status", "due", "rule", "unit", "about", "owed by", "escalated"],
    };
    let rows: Vec<Vec<String>> = found.iter().map(|view| line(lang, view)).collect();
    Ok(Report::done(Value::Array(found.iter().map(DutyView::to_json).collect()), table(&header, &rows)))
}

fn named(id: &str) -> Result<Status, Error> {
    Status::of_id(id).ok_or_else(|| {
        let known = Status::ALL.map(Status::id).join(", ");
        Error::new(
            ErrorKind::Invalid,
            format!("不认识状态“{id}”;可用:{known}"),
            format!("there is no status \"{id}\"; there are {known}"),
        )
    })
}

fn line(lang: Lang, view: &DutyView) -> Vec<String> {
    let duty = &view.duty;
    let status = match (view.status, view.is_suspicious) {
        (_, true) => lang.pick("时钟可疑", "clock suspicious"),
        (Status::Open, _) => lang.pick("进行中", "open"),
        (Status::AtRisk, _) => lang.pick("将到期", "at risk"),
        (Status::Breached, _) if view.done_ms.is_some() => lang.pick("逾期完成", "done late"),
        (Status::Breached, _) => lang.pick("逾期", "breached"),
        (Status::Unknown, _) => lang.pick("未知(设备未同步)", "unknown (device not synced)"),
        (Status::Met, _) => lang.pick("已完成", "met"),
        (Status::MetSyncedLate, _) => lang.pick("已完成(迟同步)", "met, synced late"),
    };
    let about = match &duty.subject {
        Subject::Record(document) => view.number.clone().unwrap_or_else(|| document.to_string()),
        Subject::Slot { slot, .. } => slot.clone(),
        Subject::Unit(_) => duty.period.clone(),
        Subject::Device(device) => device.to_string(),
    };
    let part = view.part.as_ref().map_or("", |part| lang.pick(&part.zh, &part.en));
    let owners: Vec<&str> = duty.owners.iter().map(|owner| owner.id()).collect();
    vec![
        status.to_owned(),
        duty.due_ms.map_or_else(|| "-".to_owned(), |due_ms| rfc3339(due_ms, UTC_OFFSET_MIN)),
        lang.pick(&view.title.zh, &view.title.en).to_owned(),
        duty.unit.clone(),
        format!("{about} {part}").trim_end().to_owned(),
        owners.join(" "),
        view.steps.to_string(),
    ]
}
