//! Authenticity: may this device write here, and did it sign this?

use xunyuan_core::document::genesis_actor;
use xunyuan_core::error::Refusal;
use xunyuan_core::wire::message::PushedRun;
use xunyuan_core::wire::{key, run};

use super::{Candidate, Stop};
use crate::hub::cache::Held;
use crate::hub::own;
use crate::hub::shared::Identity;
use crate::hub::store::{self, document::DocumentRow};
use crate::hub::writer::Writer;

impl Candidate<'_> {
    /// The device is not revoked, and the scope is among the person's grants.
    pub(super) fn granted(&self) -> Result<(), Refusal> {
        let Some(grants) = self.grants else {
            return Err(Refusal::new(
                "device_revoked",
                "这台设备已被分公司停用,本次内容未被接收",
                "the branch has revoked this device; this work was not taken in",
            ));
        };
        if grants.binary_search(&self.pushed.scope).is_ok() {
            return Ok(());
        }
        Err(Refusal::new(
            "scope_not_granted",
            "您的岗位没有该范围的权限,本次内容未被接收",
            "your role holds no grant for this scope; this work was not taken in",
        ))
    }

    /// The document's row, where it has one; scope and definition must be those it has for ever. A new
    /// document must be a record of a known definition whose records live in this stream.
    pub(super) fn record_of(&self, writer: &Writer) -> Result<Option<DocumentRow>, Stop> {
        let definition = self.definition.ok_or_else(unknown_definition)?;
        let scope = &self.pushed.scope;
        if let Some(row) = store::document::find(&writer.conn, self.pushed.document)? {
            if row.scope != *scope {
                return Err(refused(
                    "document_elsewhere",
                    "该记录属于另一个范围",
                    "this record belongs to another scope",
                ));
            }
            if row.definition != *definition {
                return Err(refused(
                    "definition_mismatch",
                    "该记录是按另一版本的定义建立的",
                    "this record was made under another definition version",
                ));
            }
            return Ok(Some(row));
        }
        match writer.catalog.stream_of(definition) {
            Some(stream) if stream == scope.stream() => Ok(None),
            Some(_) => Err(refused(
                "wrong_stream",
                "这类记录不属于该范围",
                "records of this definition do not belong into this scope",
            )),
            None => Err(unknown_definition()),
        }
    }

    /// The actor is this device's, and the device signed the run for its person.
    pub(super) fn signed(&self, identity: &Identity, is_signed: bool, held: &Held) -> Result<(), Stop> {
        let actor = self.pushed.run.actor;
        let document = self.pushed.document;
        let is_reserved = actor == genesis_actor(document, &held.row.definition)
            || own::is_own_actor(identity, document, actor);
        let is_foreign = held.actors.get(&actor).is_some_and(|row| row.device != self.signer.device);
        if is_reserved || is_foreign {
            return Err(Stop::Actor(Refusal::new(
                "actor_not_yours",
                "该作者标识属于另一台设备;应用将换用新的标识后重新提交",
                "this actor belongs to another device; the app continues under a new one",
            )));
        }
        if is_signed {
            return Ok(());
        }
        Err(refused(
            "signature_invalid",
            "签名与登记的设备和人员不符",
            "the signature is not that of the enrolled device and person",
        ))
    }

    /// True when the signature is the signer's over this run, for the person that it is signed for.
    pub(super) fn signature_fits(&self) -> bool {
        let PushedRun { scope, document, run, .. } = self.pushed;
        let signed = run::signing_bytes(scope, document, &run.actor, &self.signer.user, &run.last_hash);
        key::verify(&self.signer.public_key, &signed, &run.signature)
    }
}

/// The definition version is none that the branch has published.
pub(super) fn unknown_definition() -> Stop {
    refused(
        "unknown_definition",
        "分公司没有发布过这一版定义",
        "the branch has not published this definition version",
    )
}

fn refused(code: &str, zh: &str, en: &str) -> Stop {
    Stop::Refused(Refusal::new(code, zh, en), 0)
}
