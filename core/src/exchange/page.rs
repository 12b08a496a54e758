//! Checking one scope's page against what was asked: seqs dense, chain unbroken, head signed.
//!
//! A device trusts what the server's signed head covers, so this is all it checks before it applies;
//! the changes inside are checked by their hashes.

use crate::error::{Error, ErrorKind};
use crate::wire::key;
use crate::wire::log::{Chain, Digest, Link, head_signing_bytes};
use crate::wire::message::{Head, ScopeReply, ScopeRequest};

/// Checks that `reply` continues exactly where `asked` stood.
///
/// The records may come in any order; they are sorted by seq here. A head, where there is one, is
/// checked against `server_key`; that its digest equals the device's own is for the caller, after
/// applying. `kept` is the signed head that the device said it holds, if it said so: the server does not
/// repeat it.
///
/// # Errors
/// `Protocol` with what does not fit; nothing of the page may be applied then.
pub fn verify(
    asked: &ScopeRequest,
    reply: &mut ScopeReply,
    server_key: &[u8; 32],
    kept: Option<Head>,
) -> Result<(), Error> {
    if reply.scope != asked.scope {
        return Err(unfit("回复的范围与请求不符", "the reply is for another scope"));
    }
    if reply.next_cursor == asked.cursor && reply.chain == [0; 32] {
        // The server did not repeat it; that both stand at the same chain is what it checked.
        reply.chain = asked.chain;
        if reply.head == Some(Head::HELD) && asked.held.is_some() {
            reply.head = kept;
        }
    }
    reply.records.sort_by_key(|record| record.seq);
    let mut chain = Chain(asked.chain);
    let mut seq = asked.cursor;
    for record in &reply.records {
        if Some(record.seq) != seq.checked_add(1) {
            return Err(unfit("回复的记录序号不连续", "the reply's records are not consecutive"));
        }
        seq = record.seq;
        chain = chain.next(&reply.scope, &Link::of(record));
    }
    if seq != reply.next_cursor || chain.0 != reply.chain {
        return Err(unfit("回复的校验链不符", "the reply's chain does not fit its records"));
    }
    if reply.more == reply.head.is_some() {
        return Err(unfit("回复缺少或多出签名", "the reply's signed head is missing or out of place"));
    }
    if let Some(head) = &reply.head {
        let digest = Digest { count: head.count, sum: head.sum };
        let signed = head_signing_bytes(&reply.scope, reply.epoch, seq, &chain, &digest);
        if !key::verify(server_key, &signed, &head.signature) {
            return Err(unfit("分公司服务器的签名无效", "the branch server's signature is not valid"));
        }
    }
    Ok(())
}

fn unfit(zh: &str, en: &str) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("{zh};本页未采用,将重新获取"),
        format!("{en}; the page was not applied and will be asked for again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChangeHash, DeviceId, DocumentId, ScopeId, UserId};
    use crate::wire::key::Key;
    use crate::wire::message::{Body, Record};

    const SEED: [u8; 32] = [9; 32];

    fn asked() -> ScopeRequest {
        ScopeRequest {
            scope: ScopeId::of("pj.a", "desk"),
            epoch: 1,
            cursor: 0,
            chain: [0; 32],
            full: false,
            held: None,
        }
    }

    fn reply() -> ScopeReply {
        signed([1, 2, 3])
    }

    fn signed(seqs: [u64; 3]) -> ScopeReply {
        let scope = ScopeId::of("pj.a", "desk");
        let records: Vec<Record> = seqs
            .into_iter()
            .map(|seq| Record {
                seq,
                document: DocumentId([1; 16]),
                device: DeviceId([2; 16]),
                user: UserId::new("u.a"),
                received_at_ms: 7,
                body: Body::Own(ChangeHash([u8::try_from(seq).unwrap(); 32])),
            })
            .collect();
        let chain = records.iter().fold(Chain::default(), |chain, r| chain.next(&scope, &Link::of(r)));
        let digest = Digest { count: 3, sum: [4; 32] };
        let next_cursor = seqs[2];
        let bytes = head_signing_bytes(&scope, 1, next_cursor, &chain, &digest);
        let head = Some(Head { count: 3, sum: [4; 32], signature: Key::from_seed(&SEED).sign(&bytes) });
        ScopeReply { scope, epoch: 1, records, next_cursor, chain: chain.0, head, more: false }
    }

    fn verified(reply: &mut ScopeReply) -> Result<(), Error> {
        verify(&asked(), reply, &Key::from_seed(&SEED).public(), None)
    }

    #[test]
    fn a_true_page_is_taken_in_any_order() {
        let mut page = reply();
        page.records.reverse();
        verified(&mut page).unwrap();
        assert_eq!(page.records[0].seq, 1);
    }

    #[test]
    fn a_page_without_news_leaves_the_chain_out() {
        let whole = reply();
        let asked = ScopeRequest { epoch: 1, cursor: 3, chain: whole.chain, ..asked() };
        let mut idle = ScopeReply { records: Vec::new(), chain: [0; 32], ..whole.clone() };
        verify(&asked, &mut idle, &Key::from_seed(&SEED).public(), None).unwrap();
        assert_eq!(idle.chain, whole.chain);
        let other = ScopeRequest { chain: [5; 32], ..asked };
        let mut idle = ScopeReply { records: Vec::new(), chain: [0; 32], ..whole };
        let key = Key::from_seed(&SEED).public();
        assert!(verify(&other, &mut idle, &key, None).is_err(), "the head is signed");
    }

    #[test]
    fn a_head_that_is_held_is_not_repeated() {
        let (whole, key) = (reply(), Key::from_seed(&SEED).public());
        let asked = ScopeRequest { epoch: 1, cursor: 3, chain: whole.chain, held: Some(7), ..asked() };
        let idle =
            ScopeReply { records: Vec::new(), chain: [0; 32], head: Some(Head::HELD), ..whole.clone() };
        let mut page = idle.clone();
        verify(&asked, &mut page, &key, whole.head.clone()).unwrap();
        assert_eq!(page.head, whole.head);
        assert!(verify(&asked, &mut idle.clone(), &key, None).is_err(), "nothing is held");
        let unsaid = ScopeRequest { held: None, ..asked.clone() };
        assert!(verify(&unsaid, &mut idle.clone(), &key, whole.head.clone()).is_err(), "nothing was said");
        let later = ScopeRequest { cursor: 2, ..asked };
        assert!(verify(&later, &mut idle.clone(), &key, whole.head).is_err(), "there is news");
    }

    #[test]
    fn a_gap_is_refused_whoever_signed_it() {
        for seqs in [[1, 2, 4], [2, 3, 4], [1, 1, 2], [1, 2, 200]] {
            assert!(verified(&mut signed(seqs)).is_err(), "{seqs:?}");
        }
        verified(&mut signed([1, 2, 3])).unwrap();
    }

    #[test]
    fn every_alteration_is_seen() {
        let alterations: [fn(&mut ScopeReply); 9] = [
            |page| page.scope = ScopeId::of("pj.b", "desk"),
            |page| drop(page.records.remove(1)),
            |page| page.records[1].user = UserId::new("u.b"),
            |page| page.records[1].received_at_ms = 8,
            |page| page.records[1].body = Body::Own(ChangeHash([9; 32])),
            |page| page.next_cursor = 4,
            |page| page.epoch = 2,
            |page| page.head = None,
            |page| page.head.as_mut().unwrap().count = 4,
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut page = reply();
            alter(&mut page);
            assert!(verified(&mut page).is_err(), "alteration {number}");
        }
    }
}
