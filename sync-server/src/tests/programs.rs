//! The interface for programs over a real socket: tokens, lists, what has changed, one record, reports.

use super::console::{Browser, PASSWORD, server};
use super::{NOW_MS, Server, code_of, read_json, refused};
use serde_json::Value;
use std::collections::BTreeMap;
use ureq::Body;
use ureq::http::Response;
use xunyuan_core::document::model::Value as Field;
use xunyuan_core::id::{DocumentId, UserId, hash_parts};
use xunyuan_core::time::Moment;

use crate::hub::{Action, Deed, Right, TokenWish};

/// A project's front desk, and a manager of the branch.
const DESK: &str = "u.fd01";
const MANAGER: &str = "u.bcm01";

impl Server {
    /// A token of a person with these rights, within these units.
    fn token(&self, user: &str, rights: &[Right], units: &[&str]) -> String {
        let entropy = hash_parts(user, &[format!("{rights:?}{units:?}").as_bytes()]);
        let wish = TokenWish {
            user: UserId::new(user),
            name: "test".to_owned(),
            rights: rights.to_vec(),
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            days: 30,
        };
        self.hub.make_token(wish, NOW_MS, entropy).unwrap().secret
    }

    fn asked(&self, token: &str, path: &str) -> Response<Body> {
        self.agent.get(self.url(path)).header("Authorization", format!("Bearer {token}")).call().unwrap()
    }

    fn read(&self, token: &str, path: &str) -> Value {
        let (status, body) = read_json(self.asked(token, path));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// An entry of a project's front desk.
    fn begin(&self, user: &str, project: &str, content: &str) -> DocumentId {
        let text = |text: &str| Field::Text(text.to_owned());
        let fields = BTreeMap::from([
            ("channel".to_owned(), text("phone")),
            ("category".to_owned(), text("fd.repair.leak")),
            ("content".to_owned(), text(content)),
            ("first_contact".to_owned(), text(user)),
            ("urgency".to_owned(), text("normal")),
            ("owner_dept".to_owned(), text("dept.eng")),
        ]);
        let action =
            Action::Begin { ledger: "led.front_desk".to_owned(), project: project.to_owned(), fields };
        self.act(user, action, content)
    }

    fn act(&self, user: &str, action: Action, seed: &str) -> DocumentId {
        let moment =
            Moment { unix_ms: NOW_MS, utc_offset_min: 480, entropy: hash_parts("test", &[seed.as_bytes()]) };
        self.hub.sight(&UserId::new(user)).act(action, moment).unwrap()
    }
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["records"].as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap()).collect()
}

#[test]
fn a_token_opens_its_rights_and_nothing_after_its_end() {
    let server = Server::start();
    refused(server.get("/v1/records"), 401, "unknown_token");
    refused(server.asked("xyt_guess", "/v1/records"), 401, "unknown_token");
    refused(server.asked(&server.enrol(1), "/v1/records"), 401, "unknown_token");
    let token = server.token(DESK, &[Right::Records], &[]);
    assert_eq!(server.read(&token, "/v1/records")["count"], 0);
    refused(server.asked(&token, "/v1/duties"), 403, "right_missing");
    refused(server.asked(&token, "/v1/reports"), 403, "right_missing");
    let listed = server.hub.tokens(Some(&UserId::new(DESK))).unwrap();
    assert!(listed[0].used_at_ms.is_some());
    server.hub.revoke_token(&listed[0].id, None, NOW_MS).unwrap();
    refused(server.asked(&token, "/v1/records"), 401, "token_revoked");
    let short = TokenWish {
        user: UserId::new(DESK),
        name: "short".to_owned(),
        rights: vec![Right::Records],
        units: Vec::new(),
        days: 1,
    };
    let short = server.hub.make_token(short, NOW_MS - 86_400_000, [9; 32]).unwrap().secret;
    refused(server.asked(&short, "/v1/records"), 401, "token_expired");
}

#[test]
fn another_projects_records_are_not_there() {
    let server = Server::start();
    let ours = server.begin(DESK, "pj.lanyuan", "水管漏水");
    let theirs = server.token("u.pm02", &[Right::Records], &[]);
    assert_eq!(server.read(&theirs, "/v1/records")["count"], 0);
    assert_eq!(ids(&server.read(&theirs, "/v1/records?since=")), Vec::<&str>::new());
    refused(server.asked(&theirs, &format!("/v1/records/{ours}")), 404, "not_found");
    refused(server.asked(&theirs, "/v1/records?project=pj.lanyuan"), 400, "invalid");
    // A manager of the branch sees it, but not through a token for another project.
    let all = server.token(MANAGER, &[Right::Records, Right::Reports], &[]);
    assert_eq!(ids(&server.read(&all, "/v1/records")), [ours.to_string()]);
    let other = server.hub.catalog().organisation().unwrap().projects[1].id.clone();
    let part = server.token(MANAGER, &[Right::Records, Right::Reports], &[&other]);
    assert_eq!(server.read(&part, "/v1/records")["count"], 0);
    refused(server.asked(&part, &format!("/v1/records/{ours}")), 404, "not_found");
    let whole = |token: &str| {
        let reports = server.read(token, "/v1/reports")["reports"].as_array().unwrap().clone();
        reports.iter().filter(|report| report["is_whole"] == true).count()
    };
    assert!(whole(&all) > 0);
    assert_eq!(whole(&part), 0);
}

#[test]
fn a_record_is_read_whole_and_lists_are_the_consoles() {
    let server = Server::start();
    let leak = server.begin(DESK, "pj.lanyuan", "水管漏水");
    server.begin(DESK, "pj.lanyuan", "路灯不亮");
    let token = server.token(DESK, &Right::ALL, &[]);
    let found = server.read(&token, "/v1/records?definition=led.front_desk&q=%E6%BC%8F%E6%B0%B4&open=1");
    assert_eq!(
        (ids(&found), &found["next"], &found["count"]),
        (vec![&*leak.to_string()], &Value::Null, &1.into())
    );
    let first = server.read(&token, "/v1/records?limit=1&sort=-number");
    assert_eq!((first["more"].as_bool(), first["next"].as_str()), (Some(true), Some("1")));
    let second = server.read(&token, "/v1/records?limit=1&sort=-number&cursor=1");
    assert_ne!(ids(&first), ids(&second));
    assert_eq!(server.read(&token, "/v1/records?definition=led.front_desk&f.channel=walk_in")["count"], 0);
    let record = server.read(&token, &format!("/v1/records/{leak}"));
    assert_eq!(record["fields"]["content"], "水管漏水");
    assert_eq!(record["values"]["field/channel"]["value"], "phone");
    assert_eq!(record["values"]["field/channel"]["by"], DESK);
    assert_eq!(record["history"][0]["user"], DESK);
    assert_eq!(record["clashes"], serde_json::json!([]));
    assert!(record["number"].is_string(), "{record}");
    refused(server.asked(&token, "/v1/records/nothing"), 404, "not_found");
    for wrong in [
        "opne=1",
        "open=2",
        "limit=0",
        "limit=201",
        "sort=fly",
        "cursor=-1",
        "since=abc",
        "since=&state=x",
        "f.channel=phone",
        "definition=led.front_desk&f.none=1",
    ] {
        let (status, _) = code_of(server.asked(&token, &format!("/v1/records?{wrong}")));
        assert_eq!(status, 400, "{wrong}");
    }
    assert!(server.read(&token, "/v1/duties")["duties"].is_array());
    let report = server.read(&token, "/v1/reports")["reports"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.read(&token, &format!("/v1/reports/{report}"))["report"], report);
    refused(server.asked(&token, "/v1/reports/rep.none"), 404, "not_found");
}

#[test]
fn what_has_changed_comes_once_in_the_order_of_the_branch() {
    let server = Server::start();
    let token = server.token(DESK, &[Right::Records], &[]);
    let made: Vec<DocumentId> =
        (0..5).map(|n| server.begin(DESK, "pj.lanyuan", &format!("第{n}件"))).collect();
    let name = |n: usize| made[n].to_string();
    let first = server.read(&token, "/v1/records?since=&limit=3");
    assert_eq!((ids(&first), first["more"].as_bool()), (vec![&*name(0), &name(1), &name(2)], Some(true)));
    // Between two pages an old record changes: it comes again, at the end.
    let heads = server.hub.sight(&UserId::new(DESK)).record(made[0]).unwrap().heads;
    let fields = BTreeMap::from([("content".to_owned(), Field::Text("改过了".to_owned()))]);
    let deed = Deed::Edit(fields, Vec::new());
    server.act(DESK, Action::On { document: made[0], seen: heads, deed }, "edit");
    let next = |answer: &Value| answer["next"].as_str().unwrap().to_owned();
    let second = server.read(&token, &format!("/v1/records?since={}&limit=50", next(&first)));
    assert_eq!((ids(&second), second["more"].as_bool()), (vec![&*name(3), &name(4), &name(0)], Some(false)));
    assert_eq!(second["records"][2]["fields"]["content"], "改过了");
    let idle = server.read(&token, &format!("/v1/records?since={}", next(&second)));
    assert_eq!((ids(&idle), next(&idle)), (Vec::new(), next(&second)));
    // A cursor is good for what it was given for.
    refused(
        server.asked(&token, &format!("/v1/records?since={}&kind=entry", next(&idle))),
        410,
        "cursor_ended",
    );
    let other = server.token(MANAGER, &[Right::Records], &[]);
    refused(server.asked(&other, &format!("/v1/records?since={}", next(&idle))), 410, "cursor_ended");
    let beyond = next(&idle).rsplit_once('-').map(|(head, _)| format!("{head}-999999")).unwrap();
    refused(server.asked(&token, &format!("/v1/records?since={beyond}")), 410, "cursor_ended");
}

#[test]
fn a_person_makes_a_token_with_the_password_sees_it_once_and_revokes_it() {
    let server = server();
    let desk = Browser::of(&server, DESK);
    let page = "/account/tokens";
    let wrong = desk.send(
        page,
        page,
        &[("present", "guess"), ("name", "BI"), ("right", "records:read"), ("days", "30")],
    );
    assert_eq!((wrong.status, wrong.body.contains("xyt_")), (422, false));
    let none = desk.send(page, page, &[("present", PASSWORD), ("name", "BI"), ("days", "30")]);
    assert_eq!(none.status, 422);
    let made = desk.send(
        page,
        page,
        &[("present", PASSWORD), ("name", "<script>"), ("right", "records:read"), ("days", "30")],
    );
    assert_eq!(made.status, 200);
    assert!(!made.body.contains("<script>"), "{}", made.body);
    let (_, rest) = made.body.split_once("id=\"made\">").unwrap();
    let token = rest.split('<').next().unwrap().to_owned();
    let status = |token: &str| {
        let asked = server.agent.get(server.url("/v1/records"));
        asked.header("Authorization", format!("Bearer {token}")).call().unwrap().status().as_u16()
    };
    assert_eq!(status(&token), 200);
    assert!(!desk.get(page).body.contains(&token));
    let id = server.hub.tokens(Some(&UserId::new(DESK))).unwrap()[0].id.clone();
    let path = format!("/account/tokens/{id}/revoke");
    // Somebody else's token is not there for the person who asks.
    assert_eq!(Browser::of(&server, MANAGER).send(page, &path, &[]).status, 404);
    assert_eq!(status(&token), 200);
    assert_eq!(desk.send(page, &path, &[]).status, 303);
    assert_eq!(status(&token), 401);
}

#[test]
fn an_administrator_says_which_programs_are_told_and_sends_again_what_was_given_up() {
    let server = server();
    assert_eq!(Browser::of(&server, DESK).get("/webhooks").status, 403);
    let manager = Browser::of(&server, MANAGER);
    let form = |url| [("name", "BI"), ("url", url), ("event", "change.refused"), ("form", "standard")];
    let plain = manager.send("/webhooks", "/webhooks", &form("http://10.0.0.1/x"));
    assert_eq!((plain.status, plain.body.contains("whsec_")), (422, false));
    // Nobody listens there.
    let made = manager.send("/webhooks", "/webhooks", &form("http://127.0.0.1:1/x?key=hush"));
    assert!(made.status == 200 && made.body.contains("whsec_"), "{}", made.body);
    let listed = manager.get("/webhooks").body;
    assert!(
        listed.contains("http://127.0.0.1:1/x?…") && !listed.contains("hush") && !listed.contains("whsec_")
    );
    let id = server.hub.hooks().unwrap()[0].id.clone();
    let page = format!("/webhooks/{id}");
    let tested = manager.send(&page, &format!("{page}/test"), &[]);
    assert!(tested.status == 200 && tested.body.contains("no connection"), "{}", tested.body);
    assert_eq!(manager.get(&format!("{page}?state=dead")).status, 200);
    assert_eq!(manager.get(&format!("{page}?state=odd")).status, 400);
    assert_eq!(manager.send(&page, &format!("{page}/again"), &[("delivery", "7")]).status, 404);
    assert_eq!(manager.send(&page, &format!("{page}/again"), &[]).status, 303);
    assert_eq!(manager.send(&page, &format!("{page}/remove"), &[]).status, 303);
    assert_eq!(manager.get(&page).status, 404);
}
