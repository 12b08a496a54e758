//! The console as a browser sees it: signing in, who sees what, forms, addresses that mean no good.

use super::{NOW_MS, Server};
use crate::auth::password_hash;
use crate::config::LimitConfig;
use sha2::Digest as _;
use std::collections::BTreeMap;
use xunyuan_core::document::model::Value;
use xunyuan_core::id::{DocumentId, UserId};
use xunyuan_core::projection::Filter;
use xunyuan_core::time::Moment;

use crate::hub::Action;

pub(super) const PASSWORD: &str = "correct horse battery";
/// A project's front desk, a manager of the branch, a front desk of nowhere else.
const DESK: &str = "u.fd01";
const MANAGER: &str = "u.bcm01";
const AUDITOR: &str = "u.aud01";
const ELSEWHERE: &str = "u.pm02";

/// A page as it came.
pub(super) struct Got {
    pub(super) status: u16,
    headers: ureq::http::HeaderMap,
    pub(super) body: String,
}

impl Got {
    fn location(&self) -> &str {
        self.headers.get("location").map_or("", |value| value.to_str().unwrap())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first hidden field of that name.
    fn hidden(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Somebody's browser.
pub(super) struct Browser<'s> {
    server: &'s Server,
    cookie: String,
}

impl<'s> Browser<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, cookie: String::new() }
    }

    /// A browser in which a person is signed in.
    pub(super) fn of(server: &'s Server, user: &str) -> Self {
        let mut browser = Self::new(server);
        give_password(server, user);
        let answer = browser.sign_in(user, PASSWORD);
        assert_eq!((answer.status, answer.location()), (303, "/"), "{}", answer.body);
        browser
    }

    fn sign_in(&mut self, user: &str, password: &str) -> Got {
        let answer = self.post("/sign-in", &[("name", user), ("password", password)]);
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Got) {
        if let Some(cookie) = answer.headers.get("set-cookie") {
            cookie.to_str().unwrap().split(';').next().unwrap().clone_into(&mut self.cookie);
        }
    }

    pub(super) fn get(&self, path: &str) -> Got {
        self.got(self.server.agent.get(self.server.url(path)).header("cookie", &self.cookie).call())
    }

    fn in_english(&self, path: &str) -> Got {
        let cookie = format!("{}; xunyuan_lang=en", self.cookie);
        self.got(self.server.agent.get(self.server.url(path)).header("cookie", cookie).call())
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let request = self.server.agent.post(self.server.url(path)).header("cookie", &self.cookie);
        self.got(request.send_form(fields.iter().copied()))
    }

    /// Sends a form with the token that the page of `from` carries.
    pub(super) fn send(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Got {
        let page = self.get(from);
        let csrf = page.hidden("csrf");
        let mut all = vec![("csrf", csrf.as_str())];
        let seen = if page.body.contains("name=\"seen\"") { page.hidden("seen") } else { String::new() };
        all.push(("seen", &seen));
        all.extend_from_slice(fields);
        self.post(path, &all)
    }

    fn got(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Got {
        let mut answer = answer.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        Got { status, headers, body }
    }
}

pub(super) fn server() -> Server {
    let mut limits = LimitConfig { stop_grace_s: 5, ..LimitConfig::default() };
    limits.exchange_wait_ms = 20_000;
    Server::with(limits, crate::config::SecondFactorPolicy::Optional, |_| None)
}

fn give_password(server: &Server, user: &str) {
    let secret = sha2::Sha256::digest(user.as_bytes()).into();
    let link = server.hub.password_link(&UserId::new(user), 60_000, NOW_MS, secret).unwrap();
    let stored = password_hash(PASSWORD, &[7; 16]).unwrap();
    server.hub.set_password(&link.secret, stored, NOW_MS).unwrap().unwrap();
}

/// An entry of the front desk with this content.
fn entry(server: &Server, content: &str) -> DocumentId {
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = BTreeMap::from([
        ("channel".to_owned(), text("phone")),
        ("category".to_owned(), text("fd.repair.leak")),
        ("content".to_owned(), text(content)),
        ("first_contact".to_owned(), text(DESK)),
        ("urgency".to_owned(), text("normal")),
        ("owner_dept".to_owned(), text("dept.eng")),
    ]);
    let action =
        Action::Begin { ledger: "led.front_desk".to_owned(), project: "pj.lanyuan".to_owned(), fields };
    let entropy = xunyuan_core::id::hash_parts("test", &[content.as_bytes()]);
    let moment = Moment { unix_ms: NOW_MS, utc_offset_min: 480, entropy };
    server.hub.sight(&UserId::new(DESK)).act(action, moment).unwrap()
}

#[test]
fn a_person_signs_in_with_the_right_password_alone_and_out_for_good() {
    let server = server();
    give_password(&server, DESK);
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/ledgers").location(), "/sign-in?to=/ledgers");
    for (name, password) in [(DESK, "wrong"), ("u.nobody", PASSWORD), ("", ""), (DESK, "")] {
        let answer = browser.sign_in(name, password);
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("用户名或口令不对"), "{name}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    let answer = browser.sign_in(DESK, PASSWORD);
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert_eq!(browser.get("/ledgers").status, 200);
    let other = Browser::of(&server, MANAGER);
    let left = browser.send("/ledgers", "/sign-out", &[]);
    assert_eq!(left.location(), "/sign-in");
    assert_eq!(browser.get("/ledgers").location(), "/sign-in?to=/ledgers", "the cookie is worth nothing now");
    assert_eq!(browser.post("/records/00/edit", &[]).location(), "/sign-in");
    assert_eq!(other.get("/ledgers").status, 200);
}

#[test]
fn several_wrong_passwords_lock_an_account_for_a_while() {
    let server = server();
    give_password(&server, DESK);
    let mut browser = Browser::new(&server);
    for _ in 0..5 {
        assert_eq!(browser.sign_in(DESK, "wrong").status, 422);
    }
    assert_eq!(browser.sign_in(DESK, PASSWORD).status, 422, "locked");
    server.app.clock.skip(61_000);
    assert_eq!(browser.sign_in(DESK, PASSWORD).status, 303);
}

#[test]
fn a_link_sets_a_password_once_and_signs_out_everywhere() {
    let server = server();
    let browser = Browser::of(&server, DESK);
    let link = server.hub.password_link(&UserId::new(DESK), 60_000, NOW_MS, [9; 32]).unwrap();
    let path = format!("/sign-in/link/{}", link.secret);
    let stranger = Browser::new(&server);
    assert_eq!(stranger.get(&path).status, 200);
    for (password, again, said) in
        [("short", "short", "至少 10"), ("long enough 1", "long enough 2", "不一致")]
    {
        let answer = stranger.post(&path, &[("password", password), ("again", again)]);
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(said));
    }
    let good = [("password", "a new long password"), ("again", "a new long password")];
    assert_eq!(stranger.post(&path, &good).location(), "/sign-in");
    assert_eq!(stranger.post(&path, &good).status, 410, "it works once");
    assert_eq!(browser.get("/ledgers").status, 303, "signed out by it");
    let mut again = Browser::new(&server);
    assert_eq!(again.sign_in(DESK, PASSWORD).status, 422);
    assert_eq!(again.sign_in(DESK, "a new long password").status, 303);
}

#[test]
fn a_role_that_reaches_the_branch_needs_a_second_factor() {
    let limits = LimitConfig { exchange_wait_ms: 20_000, stop_grace_s: 5, ..LimitConfig::default() };
    let server = Server::with(limits, crate::config::SecondFactorPolicy::Branch, |_| None);
    give_password(&server, MANAGER);
    let mut browser = Browser::new(&server);
    let answer = browser.sign_in(MANAGER, PASSWORD);
    assert_eq!(answer.location(), "/sign-in/code");
    assert_eq!(browser.get("/ledgers").status, 303, "half a session opens nothing");
    let page = browser.get("/sign-in/code");
    let (csrf, secret) = (page.hidden("csrf"), page.hidden("secret"));
    let key = data_encoding::HEXLOWER.decode(secret.as_bytes()).unwrap();
    let code = |now_ms: i64| {
        let totp = totp_rs::Builder::new()
            .with_secret(totp_rs::Secret::new(key.clone().into()))
            .build_noncompliant();
        totp.generate(u64::try_from(now_ms / 1000).unwrap()).to_string()
    };
    let give = |browser: &Browser<'_>, code: &str| {
        browser.post("/sign-in/code", &[("csrf", &csrf), ("secret", &secret), ("code", code)])
    };
    assert_eq!(give(&browser, "000000").status, 422);
    let first = code(server.app.clock.now_ms());
    let answer = give(&browser, &first);
    assert_eq!(answer.location(), "/", "{}", answer.body);
    browser.keep(&answer);
    assert_eq!(browser.get("/ledgers").status, 200);
    // The next time a code is asked for, and the one that was used is of no use.
    let mut next = Browser::new(&server);
    assert_eq!(next.sign_in(MANAGER, PASSWORD).location(), "/sign-in/code");
    let page = next.get("/sign-in/code");
    assert!(!page.body.contains("name=\"secret\""), "the secret is shown once");
    let csrf = page.hidden("csrf");
    assert_eq!(next.post("/sign-in/code", &[("csrf", &csrf), ("code", &first)]).status, 422);
    server.app.clock.skip(30_000);
    let answer = next.post("/sign-in/code", &[("csrf", &csrf), ("code", &code(server.app.clock.now_ms()))]);
    assert_eq!(answer.location(), "/");
    // Somebody of a project signs in with the password alone.
    Browser::of(&server, DESK);
}

#[test]
fn the_board_is_followed_by_the_charts_of_its_ledger_alone() {
    let server = server();
    let browser = Browser::of(&server, MANAGER);
    let charts = "/charts?of=led.finding";
    let board = browser.get("/findings").body;
    assert!(board.contains(&format!("hx-get=\"{charts}\"")) && board.contains(&format!("href=\"{charts}\"")));
    let count = |path: &str| browser.get(path).body.matches("<section class=\"card\"").count();
    let (of_board, all) = (count(charts), count("/charts"));
    assert!(of_board > 0 && of_board < all, "{of_board} of {all}");
    assert_eq!(count("/charts?of=led.none"), 0);
}

#[test]
fn every_page_opens_in_both_languages_under_a_strict_policy() {
    let server = server();
    let document = entry(&server, "厨房漏水");
    let browser = Browser::of(&server, MANAGER);
    let record = format!("/records/{document}");
    let proof = format!("{record}/proof");
    let pages = [
        "/",
        "/charts",
        "/charts?of=led.finding",
        "/inspections",
        "/findings",
        "/ledgers",
        "/ledgers/led.front_desk",
        "/ledgers/led.front_desk/new",
        "/duties",
        "/duties/calendar",
        "/duties/calendar?month=2026-02",
        "/conflicts",
        "/refusals",
        "/devices",
        "/definitions",
        "/definitions/led.front_desk",
        "/definitions/set.reports?from=2&to=2",
        "/reports",
        "/reports/rep.fd_daily",
        "/audit",
        "/organisation",
        "/organisation?tab=projects",
        "/organisation?tab=checkpoints",
        "/organisation?tab=schedules",
        "/people/u.fd01",
        "/account",
        "/account/tokens",
        "/webhooks",
        &record,
        &proof,
    ];
    for page in pages {
        for (got, lang) in [(browser.get(page), "zh-CN"), (browser.in_english(page), "en")] {
            assert_eq!(got.status, 200, "{page}: {}", got.body);
            assert!(got.body.contains(&format!("<html lang=\"{lang}\">")), "{page}");
            let policy = got.header("content-security-policy");
            assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{page}: {policy}");
            assert!(!got.body.contains("<script>") && !got.body.contains(" style=\""), "{page}");
            assert!(!got.body.contains(" onclick="), "{page}");
            assert_eq!(
                (got.header("x-content-type-options"), got.header("x-frame-options")),
                ("nosniff", "DENY")
            );
            assert_eq!(got.header("cache-control"), "no-store", "{page}");
        }
    }
    for file in ["console.css", "console.js", "htmx.min.js", "icons.svg", "icon.svg"] {
        let got = browser.get(&format!("/static/{file}"));
        assert_eq!(got.status, 200, "{file}");
        assert!(got.header("cache-control").contains("immutable"));
    }
    assert_eq!(browser.get("/static/../Cargo.toml").status, 404);
}

#[test]
fn nobody_sees_what_belongs_to_others() {
    let server = server();
    let document = entry(&server, "只属于澜园");
    let elsewhere = Browser::of(&server, ELSEWHERE);
    let known = elsewhere.get(&format!("/records/{document}"));
    let unknown = elsewhere.get("/records/00000000000000000000000000000000");
    assert_eq!((known.status, unknown.status), (404, 404));
    let plain = |got: &Got| got.body.split("请求号").next().unwrap().to_owned();
    assert_eq!(plain(&known), plain(&unknown), "the answer does not tell that it is there");
    assert_eq!(elsewhere.get(&format!("/records/{document}/proof")).status, 404);
    assert!(!elsewhere.get("/ledgers/led.front_desk").body.contains("只属于澜园"));
    assert!(!elsewhere.get("/ledgers/led.front_desk?q=只属于澜园").body.contains(&document.to_string()));
    assert_eq!(elsewhere.get("/ledgers/led.front_desk?project=pj.lanyuan").status, 400);
    assert_eq!(elsewhere.get("/audit?scope=pj.lanyuan/desk").status, 404);
    assert_eq!(elsewhere.get("/reports/rep.fd_daily?project=pj.lanyuan").status, 404);
    assert_eq!(elsewhere.get("/reports/rep.fd_daily?project=pj.xiyuan").status, 200);
    assert_eq!(elsewhere.get("/people/u.fd01").status, 404);
    // Discipline is for those who may.
    let auditor = Browser::of(&server, AUDITOR);
    assert_eq!(auditor.get("/ledgers/led.discipline").status, 404);
    assert_eq!(elsewhere.get("/ledgers/led.discipline").status, 200);
    // Abilities are asked for where something is done.
    for path in ["/devices/invite", "/people/u.fd01/link", "/audit/verify"] {
        assert_eq!(elsewhere.send("/account", path, &[("user", "u.fd01")]).status, 403, "{path}");
    }
    let csrf = elsewhere.get("/account").hidden("csrf");
    let edit = [("csrf", csrf.as_str()), ("content", "x"), ("was.content", "")];
    assert_eq!(elsewhere.post(&format!("/records/{document}/edit"), &edit).status, 404);
}

#[test]
fn a_forged_form_changes_nothing() {
    let server = server();
    let document = entry(&server, "原样");
    let browser = Browser::of(&server, DESK);
    let other = Browser::of(&server, MANAGER);
    let path = format!("/records/{document}/event/assign");
    let foreign = other.get("/account").hidden("csrf");
    let own = browser.get("/account").hidden("csrf");
    let forged = [
        browser.post(&path, &[]),
        browser.post(&path, &[("csrf", "0".repeat(64).as_str())]),
        browser.post(&path, &[("csrf", &foreign)]),
    ];
    for got in forged {
        assert_eq!(got.status, 403);
        assert!(
            got.body.contains("没有作任何更改") && got.body.starts_with("<!DOCTYPE html>"),
            "{}",
            got.body
        );
    }
    let request = server.agent.post(server.url(&path)).header("cookie", &browser.cookie);
    let got =
        browser.got(request.header("origin", "https://evil.example").send_form([("csrf", own.as_str())]));
    assert_eq!(got.status, 403);
    let seen = server.hub.sight(&UserId::new(DESK)).record(document).unwrap();
    assert_eq!(seen.model.events.len(), 1);
}

#[test]
fn an_address_that_means_no_good_gets_a_plain_page() {
    let server = server();
    entry(&server, "一条");
    let browser = Browser::of(&server, MANAGER);
    let far = browser.get("/ledgers/led.front_desk?page=1000000000");
    assert_eq!(far.status, 200);
    assert!(far.body.contains("没有这一页"));
    for query in [
        "page=0",
        "page=x",
        "page=99999999999",
        "sort=fly",
        "since=2026-13-01",
        "until=yesterday",
        "result=maybe",
        "format=exe",
        "project=pj.nowhere",
        "q=%FF%FE",
        "page=-1",
    ] {
        let got = browser.get(&format!("/ledgers/led.front_desk?{query}"));
        assert_eq!(got.status, 400, "{query}");
        assert!(got.body.starts_with("<!DOCTYPE html>") && got.body.contains("lang=\"zh-CN\""), "{query}");
        let english = browser.in_english(&format!("/ledgers/led.front_desk?{query}"));
        assert!(english.body.contains("lang=\"en\""), "{query}");
    }
    for path in
        ["/nowhere", "/records/zz", "/ledgers/led.none", "/devices/xyz", "/definitions/none", "/people/none"]
    {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    assert_eq!(browser.get("/ledgers/led.front_desk?f.category=%27%20OR%201=1%20--").status, 200);
    let long = format!("/ledgers/led.front_desk?q={}", "x".repeat(300));
    assert_eq!(browser.get(&long).status, 400);
}

#[test]
fn what_people_wrote_is_never_markup() {
    let server = server();
    let wicked = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u{202e}\u{0000}𝒳 ﷽ 👩‍👩‍👧‍👧";
    let browser = Browser::of(&server, DESK);
    let form = [
        ("project", "pj.lanyuan"),
        ("channel", "phone"),
        ("category", "fd.repair.leak"),
        ("content", wicked),
        ("caller_name", wicked),
        ("caller_phone", wicked),
        ("first_contact", DESK),
        ("urgency", "normal"),
        ("owner_dept", "dept.eng"),
    ];
    let made = browser.send("/ledgers/led.front_desk/new", "/ledgers/led.front_desk/new", &form);
    assert_eq!(made.status, 303, "{}", made.body);
    let record = made.location().split('?').next().unwrap().to_owned();
    let note = [("note", wicked), ("reason", wicked)];
    assert_eq!(browser.send(&record, &format!("{record}/event/assign"), &note).status, 303);
    for page in [
        record.clone(),
        "/ledgers/led.front_desk".to_owned(),
        format!("{record}/proof"),
        format!("/ledgers/led.front_desk?q={}", "%3Cscript%3E"),
    ] {
        let got = browser.get(&page);
        assert_eq!(got.status, 200, "{page}");
        assert!(!got.body.contains("<script>alert") && !got.body.contains("<img src=x"), "{page}");
    }
    let csv = browser.get("/ledgers/led.front_desk?format=csv");
    assert!(csv.header("content-disposition").starts_with("attachment"));
}

#[test]
fn an_upload_beyond_the_limit_is_refused_and_a_bad_one_is_told() {
    let server = server();
    let browser = Browser::of(&server, MANAGER);
    let csrf = browser.get("/definitions").hidden("csrf");
    let upload = |file: &[u8]| {
        let mut body = Vec::new();
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--b--\r\n");
        let request = server.agent.post(server.url("/definitions")).header("cookie", &browser.cookie);
        request.header("content-type", "multipart/form-data; boundary=b").send(&body[..])
    };
    let before = server.hub.definitions().unwrap().len();
    match upload(&vec![b'x'; 100 * 1024 * 1024]) {
        Ok(answer) => assert_eq!(answer.status().as_u16(), 413),
        // The server had said no and hung up while the rest was still being sent.
        Err(error) => assert!(matches!(error, ureq::Error::Io(_)), "{error}"),
    }
    let wrong = browser.got(upload(br#"{"schema":"xy/ledger@1","id":"led.new"}"#));
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    assert!(wrong.body.contains("什么也没有发布") && wrong.body.contains("a.json"));
    assert_eq!(server.hub.definitions().unwrap().len(), before);
    let ledger = server
        .hub
        .definitions()
        .unwrap()
        .into_iter()
        .find(|(one, _)| one.reference.id == "led.notice")
        .unwrap()
        .0;
    let next = String::from_utf8(ledger.json).unwrap().replacen("\"version\":1", "\"version\":2", 1);
    let good = browser.got(upload(next.as_bytes()));
    assert_eq!(good.location(), "/definitions?published=1", "{}", good.body);
    assert_eq!(server.hub.definitions().unwrap().len(), before + 1);
}

#[test]
fn writing_goes_through_the_rules_and_the_log() {
    let server = server();
    let document = entry(&server, "走廊灯不亮");
    let browser = Browser::of(&server, DESK);
    let record = format!("/records/{document}");
    let path = format!("{record}/event/assign");
    let first = browser.get(&record);
    assert_eq!(browser.send(&record, &path, &[]).location(), format!("{record}?saved=1"));
    // A step that the state no longer allows is refused with a sentence; nothing is kept of it as evidence.
    let stale = [("csrf", first.hidden("csrf")), ("seen", first.hidden("seen"))];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = browser.post(&path, &stale);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("别人写了这条记录"), "it moved since the page was made");
    let again = browser.send(&record, &path, &[]);
    assert_eq!(again.status, 422);
    assert!(server.hub.refusals(10).unwrap().is_empty());
    // What somebody else wrote meanwhile is not written over unseen.
    let edit = [
        ("csrf", first.hidden("csrf")),
        ("seen", first.hidden("seen")),
        ("urgency", "urgent".to_owned()),
        ("was.urgency", "normal".to_owned()),
    ];
    let edit: Vec<(&str, &str)> = edit.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let moved = browser.post(&format!("{record}/edit"), &edit);
    assert_eq!(moved.status, 422);
    assert!(moved.body.contains("您填的内容还在"));
    let done =
        browser.send(&record, &format!("{record}/edit"), &[("urgency", "urgent"), ("was.urgency", "normal")]);
    assert_eq!(done.status, 303);
    let seen = server.hub.sight(&UserId::new(DESK)).record(document).unwrap();
    assert_eq!(seen.row.grade.as_deref(), Some("urgent"));
    assert_eq!((seen.row.state.as_str(), seen.row.number.is_some()), ("assigned", true));
    let report = server.hub.verify(|_| ()).unwrap();
    assert_eq!(report.first_bad, None);
    // It stands in the log under the person, by a device of its own that nobody has to wait for.
    let devices = server.hub.devices().unwrap();
    let own: Vec<_> = devices.iter().filter(|device| device.is_console).collect();
    assert_eq!((own.len(), own[0].user.as_str()), (1, DESK));
    assert!(Browser::of(&server, MANAGER).get("/devices").body.contains("共 0 条"));
    let listed = server.hub.sight(&UserId::new(DESK)).list(&Filter::default()).unwrap();
    assert_eq!(listed.count, 1);
}

#[test]
fn a_list_is_taken_home_as_it_is_shown() {
    let server = server();
    for at in 0..3 {
        entry(&server, &format!("=cmd|{at}"));
    }
    let browser = Browser::of(&server, DESK);
    let csv = browser.get("/ledgers/led.front_desk?q=%3Dcmd&format=csv");
    assert_eq!(csv.status, 200);
    assert_eq!(csv.body.lines().count(), 4, "{}", csv.body);
    assert!(!csv.body.contains("\"=cmd") && !csv.body.contains(",=cmd"), "no formula: {}", csv.body);
    let xlsx = browser.got(
        server
            .agent
            .get(server.url("/ledgers/led.front_desk?format=xlsx"))
            .header("cookie", &browser.cookie)
            .call(),
    );
    assert_eq!(xlsx.status, 200);
    assert!(xlsx.header("content-type").contains("spreadsheetml"));
}

#[test]
fn a_form_is_filled_in_field_by_field() {
    let server = server();
    let (browser, new) = (Browser::of(&server, ELSEWHERE), "/ledgers/led.star/new");
    let page = browser.get(new).body;
    assert!(page.contains("name=\"form.facts\"") && !page.contains("name=\"form\""), "{page}");
    let whose = [("project", "pj.xiyuan"), ("period", "2026-11"), ("nominee", ELSEWHERE)];
    let said = [("form.facts", "雨夜协助十二户"), ("form.complaints", "0")];
    let made = browser.send(new, new, &[&whose[..], &said].concat());
    let record = made.location().split('?').next().unwrap().to_owned();
    assert!(browser.get(&record).body.contains("主要事迹(时间、事件、结果): 雨夜协助十二户; "));
    // Another field of the form on another day: what stood there before stays.
    let more = [("form.pm_opinion", "同意推荐"), ("was.form.pm_opinion", "")];
    assert_eq!(browser.send(&record, &format!("{record}/edit"), &more).status, 303);
    let shown = browser.get(&record).body;
    assert!(shown.contains("雨夜协助十二户") && shown.contains("项目经理意见: 同意推荐"), "{shown}");
}
