//! What a report says about itself: as of when it is, and whose work may be missing.

use super::lines::DeviceStanding;
use super::read::Frame;
use crate::definition::Report;
use crate::error::Sentence;
use crate::id::ScopeId;

/// Most devices that are named; the rest is counted.
const NAMED_MAX: usize = 20;
/// In a period that still runs, a device that was heard of within this time is taken as up to date,
/// milliseconds.
const FRESH_MS: i64 = 60 * 60 * 1000;

/// The notes of a report.
pub(super) fn notes(frame: &Frame<'_>, report: &Report, devices: &[DeviceStanding]) -> Vec<Sentence> {
    let as_of = frame.zone.instant(frame.as_of_ms).minute();
    let mut notes = vec![if frame.is_over {
        Sentence::new(
            format!("状态截至 {as_of};内容为当前已收到的记录"),
            format!("states as of {as_of}; contents as received until now"),
        )
    } else {
        Sentence::new(format!("数据截至 {as_of}"), format!("as of {as_of}"))
    }];
    let concerned: Vec<&DeviceStanding> = devices.iter().filter(|one| concerns(frame, report, one)).collect();
    let limit = if frame.is_over { frame.as_of_ms } else { frame.as_of_ms - FRESH_MS };
    let is_behind = |device: &&&DeviceStanding| {
        let waits = device.pending_changes > 0 || device.pending_photos > 0;
        device.last_contact_ms.is_none_or(|at_ms| at_ms < limit) || waits
    };
    let behind: Vec<&DeviceStanding> = concerned.iter().filter(is_behind).copied().collect();
    notes.push(if devices.is_empty() {
        Sentence::new("没有登记的设备", "no device is enrolled")
    } else if behind.is_empty() {
        Sentence::new("相关设备均已同步", "every device concerned had synced")
    } else {
        let named = behind.iter().take(NAMED_MAX);
        let zh: Vec<String> = named.clone().map(|one| standing(frame, one, false)).collect();
        let en: Vec<String> = named.map(|one| standing(frame, one, true)).collect();
        let more = behind.len().saturating_sub(NAMED_MAX);
        let (more_zh, more_en) = if more == 0 {
            (String::new(), String::new())
        } else {
            (format!("等,另有 {more} 台"), format!(" and {more} more"))
        };
        Sentence::new(
            format!("以下设备届时尚未同步,其内容可能缺失:{}{more_zh}", zh.join(";")),
            format!(
                "these devices had not synced then, their work may be missing: {}{more_en}",
                en.join("; ")
            ),
        )
    });
    notes
}

/// Whether a device may hold records of the report: its person holds one of their scopes.
fn concerns(frame: &Frame<'_>, report: &Report, device: &DeviceStanding) -> bool {
    let grants = frame.catalog.grants(&device.user);
    let streams: Vec<&str> = report.from.iter().filter_map(|id| stream(frame, id)).collect();
    let is_meant = |scope: &ScopeId| {
        let in_project = frame.project.is_none_or(|project| scope.unit() == project);
        in_project && (streams.is_empty() || streams.contains(&scope.stream()))
    };
    grants.iter().any(is_meant)
}

fn stream<'f>(frame: &'f Frame<'_>, id: &str) -> Option<&'f str> {
    frame.catalog.stream_of(frame.catalog.reference_of(id)?)
}

fn standing(frame: &Frame<'_>, device: &DeviceStanding, english: bool) -> String {
    let name = frame.names.user(device.user.as_str());
    let last = device.last_contact_ms.map(|at_ms| frame.zone.instant(at_ms).minute());
    let mut text = format!("{} {name}", device.code);
    match (last, english) {
        (Some(last), false) => text.push_str(&format!("(最近同步 {last}")),
        (Some(last), true) => text.push_str(&format!(" (last synced {last}")),
        (None, false) => text.push_str("(从未同步"),
        (None, true) => text.push_str(" (never synced"),
    }
    if device.pending_changes > 0 || device.pending_photos > 0 {
        let (changes, photos) = (device.pending_changes, device.pending_photos);
        text.push_str(&if english {
            format!(", {changes} changes and {photos} photos waiting")
        } else {
            format!(",待上传 {changes} 条、照片 {photos} 张")
        });
    }
    text.push(')');
    text
}
