//! Tables that no records make: posts of the staffing standard, devices.

use std::collections::BTreeMap;

use super::datum::{Datum, Line};
use super::read::Frame;
use crate::definition::{Post, Project, Surge};
use crate::id::UserId;

/// The source of the staffing standard.
const STAFFING: &str = "staffing";
/// The source of devices.
const DEVICE: &str = "device";

/// A device as whoever asks knows it: the branch all of them, a device itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStanding {
    /// Its short code.
    pub code: String,
    /// The person it writes for.
    pub user: UserId,
    /// App name and version as it last said.
    pub app: String,
    /// When it last exchanged, by the branch; `None` before the first time.
    pub last_contact_ms: Option<i64>,
    /// Changes that it still held back then.
    pub pending_changes: u32,
    /// Photos that it still held back then.
    pub pending_photos: u32,
    /// Clashes that waited for a decision on it then.
    pub conflicts: u32,
    /// Its clock minus the branch's, milliseconds; `None` where nobody has compared them.
    pub skew_ms: Option<i64>,
}

/// The lines of a source that is no ledger and no checklist; `None` for one that is.
pub(super) fn of(frame: &Frame<'_>, source: &str, devices: &[DeviceStanding]) -> Option<Vec<Line>> {
    match source {
        STAFFING => Some(posts(frame)),
        DEVICE => {
            Some(devices.iter().filter(|one| is_meant(frame, one)).map(|one| device(frame, one)).collect())
        }
        _ => None,
    }
}

/// Devices of the people of one project, where one was asked for.
fn is_meant(frame: &Frame<'_>, device: &DeviceStanding) -> bool {
    let project = frame.catalog.user(&device.user).and_then(|user| user.project.as_deref());
    frame.project.is_none_or(|asked| project == Some(asked))
}

fn device(frame: &Frame<'_>, device: &DeviceStanding) -> Line {
    BTreeMap::from([
        ("device", Datum::text(&device.code)),
        ("user", Datum::text(frame.names.user(device.user.as_str()))),
        ("last_contact", device.last_contact_ms.map_or(Datum::None, Datum::Time)),
        ("pending_changes", Datum::Int(i64::from(device.pending_changes))),
        ("pending_photos", Datum::Int(i64::from(device.pending_photos))),
        ("skew", device.skew_ms.map_or(Datum::None, Datum::Length)),
        ("app", Datum::text(&device.app)),
        ("conflicts", Datum::Int(i64::from(device.conflicts))),
    ])
}

/// One line for each project and post.
fn posts(frame: &Frame<'_>) -> Vec<Line> {
    let projects = frame.catalog.organisation().map_or(&[][..], |organisation| &organisation.projects);
    let posts = frame.catalog.staffing().map_or(&[][..], |staffing| &staffing.posts);
    let surges = frame.catalog.staffing().map_or(&[][..], |staffing| &staffing.surge);
    let asked = projects.iter().filter(|one| !one.retired && frame.project.is_none_or(|id| id == one.id));
    let of_project = |project| {
        let standing = posts.iter().map(move |one| post(frame, project, one));
        standing.chain(surges.iter().flat_map(move |one| surge(frame, project, one)))
    };
    asked.flat_map(of_project).collect()
}

/// The extra people of a project to which the event applies; they are sent, not held.
fn surge<'l>(frame: &'l Frame<'_>, project: &'l Project, surge: &'l Surge) -> impl Iterator<Item = Line> {
    let is_on = project.attrs.get(&surge.when) == Some(&true);
    surge.formula.iter().filter(move |_| is_on).map(move |(kind, formula)| {
        let title = surge.titles.get(kind).map_or(kind.as_str(), |title| title.text(frame.english));
        BTreeMap::from([
            ("project", Datum::text(project.title.text(frame.english))),
            ("post", Datum::text(title)),
            ("standard", formula.people(project).map_or(Datum::None, |people| Datum::Int(i64::from(people)))),
        ])
    })
}

fn post(frame: &Frame<'_>, project: &Project, post: &Post) -> Line {
    let standard = post.formula.people(project);
    let users = frame.catalog.organisation().map_or(&[][..], |organisation| &organisation.users);
    let held = users.iter().filter(|user| {
        let holds = || user.roles().any(|role| post.roles.iter().any(|one| one == role));
        !user.retired && user.project.as_deref() == Some(&project.id) && holds()
    });
    let held = i64::try_from(held.count()).unwrap_or(i64::MAX);
    let standard = standard.map(i64::from);
    let within = post.share.max_households_total.is_none_or(|most| project.households <= most);
    BTreeMap::from([
        ("project", Datum::text(project.title.text(frame.english))),
        ("post", Datum::text(post.title.text(frame.english))),
        ("standard", standard.map_or(Datum::None, Datum::Int)),
        ("held", Datum::Int(held)),
        ("gap", standard.map_or(Datum::None, |standard| Datum::Int(held - standard))),
        ("shared", Datum::Flag(post.share.allowed && within)),
    ])
}
