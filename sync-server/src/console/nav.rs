//! The areas of the console, in the order that a day needs them.

use super::visit::Visit;
use crate::auth::{ManageHooks, Policy as _};

/// An area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// The first page.
    Overview,
    /// Sheets.
    Inspections,
    /// Findings and what becomes of them.
    Findings,
    /// Everybody's ledgers.
    Ledgers,
    /// Who owes what by when.
    Duties,
    /// What waits for a decision.
    Conflicts,
    /// What was refused.
    Refusals,
    /// Devices.
    Devices,
    /// Definitions.
    Definitions,
    /// Reports.
    Reports,
    /// The log.
    Audit,
    /// Projects and people.
    Organisation,
    /// Programs that are told of events.
    Webhooks,
    /// The person's own sign-in.
    Account,
}

/// An entry of the navigation.
#[derive(Clone, Debug)]
pub(crate) struct NavItem {
    pub(crate) href: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) label: &'static str,
    pub(crate) is_here: bool,
}

/// Area, address, picture, Chinese, English.
const AREAS: [(Area, &str, &str, &str, &str); 13] = [
    (Area::Overview, "/", "home", "总览", "Overview"),
    (Area::Inspections, "/inspections", "check", "检查", "Inspections"),
    (Area::Findings, "/findings", "flag", "问题", "Findings"),
    (Area::Ledgers, "/ledgers", "book", "台帐", "Ledgers"),
    (Area::Duties, "/duties", "clock", "责任", "Duties"),
    (Area::Conflicts, "/conflicts", "fork", "冲突", "Conflicts"),
    (Area::Refusals, "/refusals", "stop", "被拒", "Refusals"),
    (Area::Reports, "/reports", "chart", "报表", "Reports"),
    (Area::Devices, "/devices", "phone", "设备", "Devices"),
    (Area::Definitions, "/definitions", "stack", "定义", "Definitions"),
    (Area::Audit, "/audit", "shield", "审计", "Audit"),
    (Area::Organisation, "/organisation", "people", "组织", "Organisation"),
    (Area::Webhooks, "/webhooks", "bell", "推送", "Webhooks"),
];

/// The entries that the person sees.
pub(super) fn items(visit: &Visit, here: Area) -> Vec<NavItem> {
    let may_tell = ManageHooks::allows(visit.catalog(), visit.user());
    AREAS
        .into_iter()
        .filter(|(area, ..)| *area != Area::Webhooks || may_tell)
        .map(|(area, href, icon, zh, en)| NavItem {
            href,
            icon,
            label: visit.t(zh, en),
            is_here: area == here,
        })
        .collect()
}
