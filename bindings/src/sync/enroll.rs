//! Enrolment: a one-time link becomes a replica file.

use std::path::PathBuf;
use xunyuan_core::id::ScopeId;
use xunyuan_core::replica::{Enrollment, Replica};
use xunyuan_core::sqlite::FileKey;
use xunyuan_core::wire::message::EnrollReply;

use crate::clock::Clock;
use crate::failure::Failure;
use crate::net::{Carrier, Letter};
use crate::place::Place;

/// A freshly enrolled device.
#[derive(Debug)]
pub struct Enrolled {
    /// The new replica, which holds nothing yet: an exchange follows.
    pub replica: Replica,
    /// Its file.
    pub file: PathBuf,
    /// The scopes granted to it.
    pub grants: Vec<ScopeId>,
}

/// Turns a link into a replica at `place`, encrypted where there is a key. `app` names this program as the
/// branch sees it.
///
/// Everything that can be wrong on this side is found out before the link is used up.
///
/// # Errors
/// `Invalid` when the link cannot be read or the file exists, `Storage` when the place cannot be
/// written, what the branch or the network says.
pub fn enroll(
    link: &str,
    place: &Place,
    key: Option<&FileKey>,
    app: &str,
    carrier: &Carrier,
    clock: &Clock,
) -> Result<Enrolled, Failure> {
    let enrollment = Enrollment::prepare(link, app, &clock.moment()?)?;
    place.prove()?;
    let request = serde_json::to_vec(&enrollment.request).map_err(|_| unreadable())?;
    let letter = Letter {
        url: &enrollment.url,
        pin: enrollment.pin,
        token: None,
        content_type: "application/json",
        body: &request,
    };
    let answer = carrier.post(&letter, None).map_err(|carried| carried.failure)?;
    let reply: EnrollReply = serde_json::from_slice(&answer).map_err(|_| unreadable())?;
    let file = place.file(reply.user.as_str(), &reply.device_code);
    let replica = Replica::create_with(&file, &enrollment, &reply, key).map_err(|error| {
        Failure::from(error).and(
            ";链接已经用掉,请向分公司要一个新链接",
            "; the link is used up, ask the branch for a new one",
        )
    })?;
    Ok(Enrolled { replica, file, grants: reply.grants })
}

fn unreadable() -> Failure {
    Failure::no_connection(
        "reply_unreadable",
        "分公司服务器的应答无法识别;请检查链接,或向分公司要一个新链接",
        "the branch server's answer cannot be read; check the link, or ask the branch for a new one",
    )
}
