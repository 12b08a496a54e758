//! Golden bytes: a whole request and a whole reply, as version 1 of the protocol writes them.
//!
//! A released fixture is never changed: devices that were offline for months speak it. `BLESS=1`
//! writes the files where a new version adds some.

use std::fs;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use xunyuan_core::document::model::{Edit, Event, Stamped, Value};
use xunyuan_core::document::{Document, RawChange};
use xunyuan_core::error::{Refusal, Sentence};
use xunyuan_core::id::{ActorId, ChangeHash, ContentHash, DefinitionRef, DocumentId, ScopeId, UserId};
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::wire::key::{Key, verify};
use xunyuan_core::wire::log::{Chain, Digest, Link, grants_tag, head_signing_bytes};
use xunyuan_core::wire::message::{
    Author, Body, Cut, Directive, Head, Health, PROTOCOL, PushedRun, Record, Reply, Request, Restored, Run,
    ScopeReply, ScopeRequest, Verdict,
};
use xunyuan_core::wire::repair::{Given, Placed, Proof, Repair, Repaired, Rung};
use xunyuan_core::wire::{frame, run};

const ACTOR: ActorId = ActorId([0xac; 16]);
const AT_MS: i64 = 1_795_395_960_000;

fn definition() -> DefinitionRef {
    DefinitionRef { id: "tpl.park_patrol".to_owned(), version: 1, hash: ContentHash([0xde; 32]) }
}

fn changes() -> Vec<RawChange> {
    let by = UserId::new("u.pt01");
    let mut sheet = Document::new(DocumentId([0xd0; 16]), &definition(), &[]);
    let stamped = |value: Value| Stamped { value, by: by.clone(), at_ms: AT_MS };
    let create = Event {
        id: "e1".to_owned(),
        kind: "create".to_owned(),
        by: by.clone(),
        at_ms: AT_MS,
        from: String::new(),
        after: Vec::new(),
        data: [("slot".to_owned(), Value::Text("sch.patrol_daily@2026-11-23T09:00".to_owned()))].into(),
    };
    let answers = [
        vec![Edit::Event(create)],
        vec![
            Edit::Put { key: "item/pp.fire.06".to_owned(), stamped: stamped(Value::Number(0.08)) },
            Edit::Put {
                key: "note/pp.fire.06".to_owned(), stamped: stamped(Value::Text("水压偏低".into()))
            },
        ],
        vec![Edit::Put { key: "item/pp.green.01".to_owned(), stamped: stamped(Value::Null) }],
    ];
    answers.iter().map(|edits| sheet.edit(ACTOR, edits).unwrap()).collect()
}

fn scope() -> ScopeId {
    ScopeId::new("pj.lanyuan/patrol")
}

fn signed_run() -> Run {
    let changes = changes();
    let chunks: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
    let last_hash = changes.last().unwrap().hash;
    let signed =
        run::signing_bytes(&scope(), &DocumentId([0xd0; 16]), &ACTOR, &UserId::new("u.pt01"), &last_hash);
    Run {
        definition: 0,
        actor: ACTOR,
        changes: run::pack(&chunks).unwrap(),
        last_hash,
        signature: Key::from_seed(&[1; 32]).sign(&signed),
    }
}

fn request() -> Request {
    Request {
        protocol: PROTOCOL,
        app: "xunyuan-cli/0.1.0".to_owned(),
        schema: 1,
        device_time_ms: AT_MS + 5,
        max_bytes: 2 * 1024 * 1024,
        grants_tag: grants_tag(&[scope(), ScopeId::new("br.hz/definitions")]),
        scopes: vec![
            ScopeRequest {
                scope: scope(),
                epoch: 0x0102_0304_0506_0708,
                cursor: 300,
                chain: [0xc4; 32],
                full: false,
                held: None,
            },
            ScopeRequest {
                scope: ScopeId::new("br.hz/definitions"),
                epoch: 0,
                cursor: 0,
                chain: [0; 32],
                full: true,
                held: None,
            },
        ],
        definitions: vec![definition()],
        push: vec![
            PushedRun { scope: scope(), document: DocumentId([0xd0; 16]), run: signed_run(), author: None },
            PushedRun {
                scope: scope(),
                document: DocumentId([0xd5; 16]),
                run: signed_run(),
                author: Some(Author {
                    device: Key::from_seed(&[3; 32]).device_id(),
                    user: UserId::new("u.pt02"),
                }),
            },
        ],
        health: Health { pending_changes: 3, pending_photos: 1, conflicts: 2 },
        keep_after_ms: Some(AT_MS - 90 * 86_400_000),
        wanted: vec![DocumentId([0xd4; 16])],
        repairs: None,
    }
}

fn record(seq: u64, document: DocumentId, body: Body) -> Record {
    Record {
        seq,
        document,
        device: Key::from_seed(&[1; 32]).device_id(),
        user: UserId::new("u.pt01"),
        received_at_ms: AT_MS + 9,
        body,
    }
}

fn reply() -> Reply {
    let json = br#"{"id":"rs.pass_fail_na"}"#.to_vec();
    let reference = DefinitionRef { id: "rs.all".to_owned(), version: 2, hash: ContentHash([0xdf; 32]) };
    let records = vec![
        record(301, DocumentId([0xd0; 16]), Body::Run(signed_run())),
        record(302, DocumentId([0xd1; 16]), Body::Own(ChangeHash([0xe1; 32]))),
        record(303, DocumentId([0xd2; 16]), Body::Definition { reference, json }),
        record(
            304,
            DocumentId([0xd3; 16]),
            Body::Stub { last_hash: ChangeHash([0xe2; 32]), changes: 31, sum: [0x5a; 32] },
        ),
    ];
    let mut chain = Chain([0xc4; 32]);
    let mut digest = Digest::default();
    for row in &records {
        chain = chain.next(&scope(), &Link::of(row));
        digest.add(&row.document, &row.body.last_hash());
    }
    let signature = Key::from_seed(&[2; 32]).sign(&head_signing_bytes(&scope(), 7, 304, &chain, &digest));
    let sentence = || Sentence::new("请升级", "please update");
    Reply {
        server_time_ms: AT_MS + 10,
        verdicts: vec![
            Verdict::Accepted { seq: 301 },
            Verdict::Duplicate { seq: 7 },
            Verdict::Parked { missing: vec![ChangeHash([0xaa; 32])] },
            Verdict::Rejected {
                refusal: Refusal::new("transition_not_allowed", "不允许", "not allowed"),
                from_change: 2,
            },
        ],
        scopes: vec![ScopeReply {
            scope: scope(),
            epoch: 7,
            records,
            next_cursor: 304,
            chain: chain.0,
            head: Some(Head { count: digest.count, sum: digest.sum, signature }),
            more: false,
        }],
        definitions: vec![definition()],
        grants: Some(vec![ScopeId::new("br.hz/definitions"), scope()]),
        directives: vec![
            Directive::NewActor { document: DocumentId([0xd0; 16]) },
            Directive::ResetScope { scope: scope(), cut: None, rungs: None },
            Directive::ResetScope {
                scope: scope(),
                cut: Some(Cut { epoch: 8, seq: 300, chain: [0xc4; 32] }),
                rungs: None,
            },
            Directive::Upgrade { sentence: sentence() },
            Directive::Wipe { sentence: sentence() },
        ],
        restored: vec![Restored {
            scope: scope(),
            record: record(12, DocumentId([0xd4; 16]), Body::Run(signed_run())),
        }],
        repairs: None,
    }
}

/// Hex lines of 64 digits, so that a difference shows where it is.
fn lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| HEXLOWER.encode(line) + "\n").collect()
}

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire").join(name);
    if std::env::var_os("BLESS").is_some() && !path.exists() {
        fs::write(&path, lines(bytes)).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    HEXLOWER.decode(text.replace('\n', "").as_bytes()).unwrap()
}

#[test]
fn a_request_of_version_1_keeps_its_bytes() {
    let plain = minicbor::to_vec(request()).unwrap();
    assert_eq!(lines(&plain), lines(&golden("request-1.cbor.hex", &plain)));
    let framed = golden("request-1.frame.hex", &frame::encode(&request()));
    assert_eq!(frame::decode::<Request>(&framed, REQUEST_BYTES_MAX).unwrap(), request());
}

#[test]
fn a_reply_of_version_1_keeps_its_bytes() {
    let plain = minicbor::to_vec(reply()).unwrap();
    assert_eq!(lines(&plain), lines(&golden("reply-1.cbor.hex", &plain)));
    let framed = golden("reply-1.frame.hex", &frame::encode(&reply()));
    assert_eq!(frame::decode::<Reply>(&framed, REQUEST_BYTES_MAX).unwrap(), reply());
}

fn repairing() -> Request {
    let proof =
        Proof { epoch: 7, seq: 300, chain: [0xc5; 32], count: 900, sum: [0x5d; 32], signature: [0x51; 64] };
    let given = Given {
        seq: 5,
        document: DocumentId([0xd0; 16]),
        device: Key::from_seed(&[1; 32]).device_id(),
        user: UserId::new("u.pt01"),
        received_at_ms: AT_MS,
        run: signed_run(),
    };
    let repair = Repair {
        scope: scope(),
        up_to: 300,
        frame: Some(vec![1, 2, 3]),
        need: vec![4, 200],
        give: vec![given],
        proof: None,
    };
    let shown = Repair { frame: None, need: vec![], give: vec![], proof: Some(proof), ..repair.clone() };
    Request { repairs: Some(vec![repair, shown]), ..request() }
}

fn repaired() -> Reply {
    let placed =
        Placed { record: record(4, DocumentId([0xd0; 16]), Body::Run(signed_run())), chain: [0xc6; 32] };
    let answer = Repaired {
        scope: scope(),
        frame: Some(vec![1, 9]),
        rows: vec![placed],
        wish: Some(AT_MS.unsigned_abs()),
    };
    let rungs = Some(vec![Rung { seq: 299, chain: [0xc7; 8] }, Rung { seq: 290, chain: [0xc8; 8] }]);
    let cut = Some(Cut { epoch: 8, seq: 300, chain: [0xc4; 32] });
    let reset = Directive::ResetScope { scope: scope(), cut, rungs };
    Reply { repairs: Some(vec![answer]), directives: vec![reset], ..reply() }
}

#[test]
fn messages_that_repair_keep_their_bytes_and_older_ones_are_read_as_before() {
    let plain = minicbor::to_vec(repairing()).unwrap();
    assert_eq!(lines(&plain), lines(&golden("request-1-repair.cbor.hex", &plain)));
    assert_eq!(minicbor::decode::<Request>(&plain).unwrap(), repairing());
    let plain = minicbor::to_vec(repaired()).unwrap();
    assert_eq!(lines(&plain), lines(&golden("reply-1-repair.cbor.hex", &plain)));
    assert_eq!(minicbor::decode::<Reply>(&plain).unwrap(), repaired());
    // What a peer of before the repair wrote says nothing of it.
    let older = golden("request-1.cbor.hex", &[]);
    assert_eq!(minicbor::decode::<Request>(&older).unwrap().repairs, None);
    let older = golden("reply-1.cbor.hex", &[]);
    assert_eq!(minicbor::decode::<Reply>(&older).unwrap().repairs, None);
}

/// The order as devices of before the repair know it.
#[derive(Debug, PartialEq, minicbor::Decode)]
enum OlderDirective {
    #[n(1)]
    ResetScope {
        #[n(0)]
        scope: ScopeId,
        #[n(1)]
        cut: Option<Cut>,
    },
}

#[test]
fn an_older_device_reads_the_order_to_go_back() {
    let plain = minicbor::to_vec(&repaired().directives[0]).unwrap();
    let cut = Some(Cut { epoch: 8, seq: 300, chain: [0xc4; 32] });
    assert_eq!(
        minicbor::decode::<OlderDirective>(&plain).unwrap(),
        OlderDirective::ResetScope { scope: scope(), cut }
    );
}

#[test]
fn the_golden_run_rebuilds_to_its_signed_changes() {
    let pushed = &request().push[0];
    let chunks = run::unpack(&pushed.run.changes, pushed.run.actor).unwrap();
    assert_eq!(chunks, changes().into_iter().map(|change| change.bytes).collect::<Vec<_>>());
    let last = RawChange::parse(chunks.last().unwrap().clone()).unwrap();
    assert_eq!(last.hash, pushed.run.last_hash);
    let user = UserId::new("u.pt01");
    let signed = run::signing_bytes(&pushed.scope, &pushed.document, &ACTOR, &user, &last.hash);
    let public = Key::from_seed(&[1; 32]).public();
    assert!(verify(&public, &signed, &pushed.run.signature));
    let forged =
        run::signing_bytes(&pushed.scope, &pushed.document, &ACTOR, &UserId::new("u.pt02"), &last.hash);
    assert!(!verify(&public, &forged, &pushed.run.signature));
}
