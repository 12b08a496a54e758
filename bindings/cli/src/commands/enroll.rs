//! Enrolment: a one-time link becomes a replica file.

use serde_json::json;
use std::path::Path;
use xunyuan_ffi::place::Place;
use xunyuan_ffi::sync::{self, Enrolled};
use xunyuan_ffi::words::Lang;

use crate::device::APP;
use crate::failure::Failure;
use crate::output::{Report, Tone};
use crate::place::data_dir;
use crate::sync::{Session, outcome_json, outcome_lines};

/// Turns a link into a replica and makes the first exchange, so that work can begin without signal.
pub(super) fn enroll(link: &str, place: &Place, session: &Session<'_>) -> Result<Report, Failure> {
    let output = session.output;
    let Enrolled { mut replica, file, grants } =
        sync::enroll(link, place, session.key.key(), APP, session.carrier, session.clock)?;
    let outcome = session.exchange(&mut replica);
    let identity = replica.identity();
    let name = replica.catalog().user(&identity.user).map_or(identity.user.as_str(), |known| &known.name);
    let (user, device_code) = (identity.user.as_str(), &identity.device_code);
    let mut lines = vec![
        output.tone(
            Tone::Good,
            &match output.lang() {
                Lang::Zh => format!("已开通:{name}({user}),设备码 {device_code}"),
                Lang::En => {
                    format!("enrolled: {name} ({user}), device code {device_code}")
                }
            },
        ),
        format!("{}{}", output.pick("数据文件:", "replica file: "), file.display()),
    ];
    lines.extend(outcome_lines(&outcome, output));
    if let Some(failure) = &outcome.failure {
        let (zh, en) = failure.sentences();
        output.say(
            &format!("首次同步没有完成:{zh}。有信号时请运行 xunyuan sync"),
            &format!("the first exchange is not finished: {en}. Run xunyuan sync when there is signal"),
        );
    }
    let json = json!({
        "user": user,
        "name": name,
        "device": identity.device.to_string(),
        "device_code": device_code,
        "branch": identity.branch,
        "replica": file.display().to_string(),
        "grants": grants.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "exchange": outcome_json(&outcome),
    });
    Ok(Report::done(json, lines.join("\n")))
}

/// Where the new replica file goes.
pub(super) fn place(dir: Option<&Path>, named: Option<&Path>) -> Result<Place, Failure> {
    Ok(match (dir, named) {
        (Some(dir), _) => Place::Dir(dir.to_owned()),
        (None, Some(file)) => Place::File(file.to_owned()),
        (None, None) => Place::Dir(data_dir()?),
    })
}
