//! Bodies that are no requests, over a real socket: the status says what to do.

use std::io::Read as _;

use serde_json::Value as Json;
use tempfile::TempDir;
use xunyuan_core::id::ScopeId;
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::replica::Replica;
use xunyuan_core::wire::frame;
use xunyuan_core::wire::message::{Directive, Reply, Request, ScopeRequest};
use xunyuan_tests::forge::request;
use xunyuan_tests::process::{Branch, xunyuan};

fn post(branch: &Branch, token: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent
        .post(format!("{}/v1/exchange", branch.url()))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/cbor")
        .send(body)
        .unwrap();
    let mut answer = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut answer).unwrap();
    (response.status().as_u16(), answer)
}

#[test]
fn every_bad_body_has_its_status_and_leaves_the_branch_as_it_was() {
    let dir = TempDir::new().unwrap();
    let branch = Branch::founded(&dir.path().join("branch"));
    let replica = branch.enroll("u.pt01", dir.path());
    let opened = Replica::open(&replica).unwrap();
    let (token, device) = (opened.identity().token.clone(), opened.identity().device);
    drop(opened);
    let before = branch.command(&["verify"]).good().json;

    let good = frame::encode(&request(Vec::new(), Vec::new()));
    assert_eq!(post(&branch, &token, &good).0, 200);
    let future = frame::encode(&Request { protocol: 99, ..request(Vec::new(), Vec::new()) });
    let bomb = zstd::stream::encode_all(vec![0_u8; 64 << 20].as_slice(), 19).unwrap();
    let wrong_cbor = zstd::stream::encode_all(&[0x82, 0x01, 0x02][..], 3).unwrap();
    let huge = vec![7_u8; 5 * 1024 * 1024];
    let cases: Vec<(&str, u16, &str, &[u8])> = vec![
        ("nothing", 400, &token, &[]),
        ("no zstd", 400, &token, b"hello"),
        ("cut short", 400, &token, &good[..good.len() - 3]),
        ("other CBOR", 400, &token, &wrong_cbor),
        ("bomb", 413, &token, &bomb),
        ("oversize", 413, &token, &huge),
        ("future protocol", 426, &token, &future),
        ("wrong token", 401, "0000000000000000", &good),
        ("no token", 401, "", &good),
    ];
    for (name, status, token, body) in cases {
        let (found, answer) = post(&branch, token, body);
        let problem: Json = serde_json::from_slice(&answer).unwrap_or(Json::Null);
        assert_eq!(found, status, "{name}: {problem}");
        assert!(problem["code"].is_string(), "{name}: {problem}");
        if status == 426 {
            assert_eq!(problem["supported"]["newest"], 1, "{problem}");
        }
    }
    assert_eq!(branch.command(&["verify"]).good().json, before, "nothing was changed");

    let _ = branch.command(&["revoke", &device.to_string()]).good();
    let mut asking = request(Vec::new(), Vec::new());
    asking.scopes = vec![ScopeRequest {
        scope: ScopeId::new("br.hz/definitions"),
        epoch: 0,
        cursor: 0,
        chain: [0; 32],
        full: false,
        held: None,
    }];
    // The device still gets one order, and no record.
    let (status, answer) = post(&branch, &token, &frame::encode(&asking));
    assert_eq!(status, 200);
    let reply: Reply = frame::decode(&answer, REQUEST_BYTES_MAX).unwrap();
    assert!(reply.scopes.is_empty() && reply.definitions.is_empty());
    assert!(matches!(reply.directives[..], [Directive::Wipe { .. }]), "{reply:?}");
    let wiped = xunyuan(&replica, &["sync"]);
    assert!(wiped.out.contains("\"wiped\":true"), "{}", wiped.out);
    let emptied = xunyuan(&replica, &["list"]);
    assert_eq!((emptied.code, &emptied.json["error"]["code"]), (Some(5), &Json::from("device_revoked")));
}
