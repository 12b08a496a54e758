//! A file that was put back in silence: the log is shorter than, or other than, the server once signed.
//!
//! A copy made by `backup` says of itself that it is one; a copied disk does not. But devices hold heads that
//! the server signed. A head that verifies under the server's own key and either stands beyond or beside the
//! log of this epoch, or is of an epoch that this file has never heard of, can only come from rows that the
//! file has lost. Then a new epoch begins, as after a restore: the branch's actor is another one, and devices
//! go back to where the logs agree and give the rest back. Nothing but the server's own signature counts.

use rusqlite::Connection;
use xunyuan_core::error::Error;
use xunyuan_core::id::{ScopeId, hash_parts};
use xunyuan_core::wire::key;
use xunyuan_core::wire::repair::Proof;

use super::shared::Identity;
use super::writer::Writer;
use super::{repair, store};

/// True for a head signed by this server that its file does not lead to.
pub(super) fn is_unaccounted(
    conn: &Connection,
    identity: &Identity,
    scope: &ScopeId,
    proof: &Proof,
) -> Result<bool, Error> {
    let is_own =
        proof.seq > 0 && key::verify(&identity.key.public(), &proof.signing_bytes(scope), &proof.signature);
    if !is_own {
        return Ok(false);
    }
    if proof.epoch != store::server::epoch(conn)? {
        return Ok(!store::server::has_lived(conn, proof.epoch)?);
    }
    let head = store::scope::head(conn, scope)?;
    // A row that is missing inside the log is a loss to be mended, not another log.
    let chain = store::log::chain_at(conn, scope, proof.seq)?;
    if proof.seq > head.seq {
        return Ok(true);
    }
    Ok(chain.is_some_and(|chain| chain.0 != proof.chain)
        && !repair::holes(conn, scope, &head)?.contains(&proof.seq))
}

/// Begins a new epoch over the log as it is.
pub(super) fn begin_epoch(
    writer: &mut Writer,
    scope: &ScopeId,
    proof: &Proof,
    now_ms: i64,
) -> Result<(), Error> {
    // Another device may have shown as much a moment ago.
    if !is_unaccounted(&writer.conn, &writer.shared.identity, scope, proof)? {
        return Ok(());
    }
    // The same file may be put back twice: the clock makes it another epoch each time.
    let parts: [&[u8]; 3] = [&writer.shared.identity.seed, &proof.signature, &now_ms.to_be_bytes()];
    let epoch = store::server::begin_epoch(&writer.conn, &hash_parts("xunyuan/fork/1", &parts), proof.epoch)?;
    writer.shared.identity.put_writing(epoch);
    writer.documents.clear();
    tracing::warn!("a device showed a signed head that this file does not know: a new epoch begins");
    Ok(())
}
