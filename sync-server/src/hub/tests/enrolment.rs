//! Invitations and devices.

use super::*;
use crate::hub::{AuthFailure, EnrollFailure};
use xunyuan_core::error::ErrorKind;

fn refusal(outcome: Result<EnrollReply, EnrollFailure>) -> String {
    match outcome {
        Err(EnrollFailure::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_invitation_makes_one_device() {
    let (_dir, hub) = branch();
    let user = UserId::new("u.pt01");
    let invitation = hub.invite(&user, 1_000, NINE, [5; 32]).unwrap();
    let key = Key::from_seed(&[1; 32]);
    let request = enroll_request(&key, &invitation.secret);
    let reply = hub.enroll(&request, NINE, [6; 32]).unwrap();
    assert_eq!(
        (reply.user.as_str(), reply.device_code.as_str(), reply.branch.as_str()),
        ("u.pt01", "A1", "br.hz")
    );
    assert!(hub.authenticate(&reply.token).is_ok());
    // The reply was lost: the same device gets another token, the first one ends.
    let again = hub.enroll(&request, NINE, [7; 32]).unwrap();
    assert!(matches!(hub.authenticate(&reply.token), Err(AuthFailure::Unknown)));
    let device = hub.authenticate(&again.token).unwrap();
    assert_eq!(device.id, key.device_id());
    // Once it has exchanged, the invitation is used up for it too.
    let request_body = Request {
        protocol: PROTOCOL,
        app: "test/1".to_owned(),
        schema: 1,
        device_time_ms: NINE,
        max_bytes: 1_000,
        grants_tag: [0; 8],
        scopes: Vec::new(),
        definitions: Vec::new(),
        push: Vec::new(),
        health: Health::default(),
        keep_after_ms: None,
        wanted: Vec::new(),
        repairs: None,
    };
    hub.exchange(&device, &frame::encode(&request_body), NINE).unwrap();
    assert_eq!(refusal(hub.enroll(&request, NINE, [8; 32])), "invitation_used");
    let other = enroll_request(&Key::from_seed(&[2; 32]), &invitation.secret);
    assert_eq!(refusal(hub.enroll(&other, NINE, [9; 32])), "invitation_used");
}

#[test]
fn what_is_no_good_invitation_is_refused_with_its_reason() {
    let (_dir, hub) = branch();
    let user = UserId::new("u.pt01");
    let key = Key::from_seed(&[1; 32]);
    assert_eq!(refusal(hub.enroll(&enroll_request(&key, "guess"), NINE, [1; 32])), "invitation_unknown");
    let invitation = hub.invite(&user, 1_000, NINE, [5; 32]).unwrap();
    let request = enroll_request(&key, &invitation.secret);
    assert_eq!(refusal(hub.enroll(&request, NINE + 1_001, [1; 32])), "invitation_expired");
    let mut forged = request.clone();
    forged.public_key = data_encoding::HEXLOWER.encode(&Key::from_seed(&[3; 32]).public());
    assert_eq!(refusal(hub.enroll(&forged, NINE, [1; 32])), "proof_invalid");
    hub.enroll(&request, NINE, [1; 32]).unwrap();
    let second = hub.invite(&user, 1_000, NINE, [6; 32]).unwrap();
    assert_eq!(refusal(hub.enroll(&enroll_request(&key, &second.secret), NINE, [1; 32])), "device_known");
    let nobody = hub.invite(&UserId::new("u.nobody"), 1_000, NINE, [7; 32]).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    assert_eq!(
        hub.revoke(xunyuan_core::id::DeviceId([0; 16]), NINE).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
