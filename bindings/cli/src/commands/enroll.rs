//! Enrolment: a one-time link becomes a replica file.

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use xunyuan_core::replica::{Enrollment, Replica};
use xunyuan_core::wire::message::EnrollReply;

use crate::clock::Clock;
use crate::device::APP;
use crate::failure::Failure;
use crate::net::Carrier;
use crate::output::{Output, Report, Tone};
use crate::place;
use crate::sync::Session;

/// Turns a link into a replica and makes the first exchange, so that work can begin without signal.
///
/// Everything that can be wrong on this side is found out before the link is used up.
pub(super) fn enroll(
    link: &str,
    dir: Option<&Path>,
    named: Option<&Path>,
    clock: &Clock,
    output: &Output,
) -> Result<Report, Failure> {
    let enrollment = Enrollment::prepare(link, APP, &clock.moment()?)?;
    let place = Place::find(dir, named)?;
    let carrier = Carrier::new(APP);
    let request = serde_json::to_vec(&enrollment.request).map_err(|_| unreadable())?;
    let answer = carrier.post(&enrollment.url, None, "application/json", &request);
    let answer = answer.map_err(|carried| carried.failure)?;
    let reply: EnrollReply = serde_json::from_slice(&answer).map_err(|_| unreadable())?;
    let file = place.file(&reply);
    let mut replica = Replica::create(&file, &enrollment, &reply).map_err(|error| {
        Failure::from(error).and(
            ";链接已经用掉,请向分公司要一个新链接",
            "; the link is used up, ask the branch for a new one",
        )
    })?;
    let outcome = Session { carrier: &carrier, clock, output }.exchange(&mut replica);
    let user = reply.user.to_string();
    let name = replica.catalog().user(&reply.user).map_or_else(|| user.clone(), |known| known.name.clone());
    let mut lines = vec![
        output.tone(
            Tone::Good,
            &match output.lang() {
                crate::locale::Lang::Zh => format!("已开通:{name}({user}),设备码 {}", reply.device_code),
                crate::locale::Lang::En => {
                    format!("enrolled: {name} ({user}), device code {}", reply.device_code)
                }
            },
        ),
        format!("{}{}", output.pick("数据文件:", "replica file: "), file.display()),
    ];
    lines.extend(outcome.lines(output));
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
        "device": replica.identity().device.to_string(),
        "device_code": reply.device_code,
        "branch": reply.branch,
        "replica": file.display().to_string(),
        "grants": reply.grants.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "exchange": outcome.json(),
    });
    Ok(Report::done(json, lines.join("\n")))
}

/// Where the new replica file goes.
enum Place {
    /// This very file.
    File(PathBuf),
    /// A file in this directory, named after the person.
    Dir(PathBuf),
}

impl Place {
    /// The place asked for, proven to be free and writable.
    fn find(dir: Option<&Path>, named: Option<&Path>) -> Result<Self, Failure> {
        let place = match (dir, named) {
            (Some(dir), _) => Self::Dir(dir.to_owned()),
            (None, Some(file)) => Self::File(file.to_owned()),
            (None, None) => Self::Dir(place::data_dir()?),
        };
        let dir = match &place {
            Self::Dir(dir) => dir.clone(),
            Self::File(file) if file.exists() => {
                return Err(Failure::usage(
                    "file_exists",
                    format!("文件已存在,不会覆盖:{}", file.display()),
                    format!("the file exists and is not overwritten: {}", file.display()),
                ));
            }
            Self::File(file) => place::dir_of(file),
        };
        prove_writable(&dir).map_err(|error| {
            Failure::store(
                "not_writable",
                format!("目录无法写入({error}):{};链接没有使用", dir.display()),
                format!(
                    "the directory cannot be written ({error}): {}; the link was not used",
                    dir.display()
                ),
            )
        })?;
        Ok(place)
    }

    fn file(&self, reply: &EnrollReply) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Dir(dir) => place::free_name(dir, reply.user.as_str(), &reply.device_code),
        }
    }
}

fn prove_writable(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    let probe = dir.join(format!(".xunyuan-{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

fn unreadable() -> Failure {
    Failure::no_connection(
        "reply_unreadable",
        "分公司服务器的应答无法识别;请检查链接,或向分公司要一个新链接",
        "the branch server's answer cannot be read; check the link, or ask the branch for a new one",
    )
}
