//! Carries bytes to the branch and back, and says in words why that failed.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::config::Config;
use ureq::http::{HeaderMap, Response};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, Body, Proxy};
use xunyuan_core::limits::REQUEST_BYTES_MAX;
use xunyuan_core::wire::pin::Pin;

use super::tls::{Distrust, OtherKey, Pinned};
use crate::failure::{Failure, FailureKind};

/// Longest wait for the connection itself.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest whole request: a page over a thin line.
const WHOLE: Duration = Duration::from_secs(120);
/// How long one poke connection is kept before it is opened anew, so that a line that died without a
/// word is noticed.
const POKES: Duration = Duration::from_secs(600);
/// Longest silence on a poke connection; the branch sends a comment every few seconds.
const SILENCE: Duration = Duration::from_secs(90);
/// Largest reply taken: a page, and room for one large record.
const REPLY_BYTES_MAX: u64 = 4 * REQUEST_BYTES_MAX as u64;

/// A request that brought nothing back.
#[derive(Clone, Debug)]
pub struct CarryFailure {
    /// What to tell the person.
    pub failure: Failure,
    /// Status that the branch answered with; `None` when it was not reached.
    pub status: Option<u16>,
    /// How long the branch asked to wait, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The key that the server showed in TLS instead of the one that it was asked to.
    pub shown: Option<Box<Pin>>,
}

/// What is sent to the branch.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'l> {
    /// Where to.
    pub url: &'l str,
    /// The one key that the server may show in TLS; `None` where public certificates are trusted.
    pub pin: Option<Pin>,
    /// The device's bearer token, once it has one.
    pub token: Option<&'l str>,
    /// Media type of the body.
    pub content_type: &'l str,
    /// The body.
    pub body: &'l [u8],
}

/// The one HTTP client of the device side; connections are kept and used again.
#[derive(Clone, Debug)]
pub struct Carrier {
    config: Config,
    /// For servers with public certificates, and those without TLS.
    public: Agent,
    /// For each key that is trusted alone.
    pinned: Arc<Mutex<BTreeMap<[u8; 32], Agent>>>,
}

impl Carrier {
    /// A client under the name `app`, with time limits, through `proxy` where one is named
    /// (`http://host:port`), else through the one that the environment names.
    ///
    /// # Errors
    /// `Invalid` when the proxy is no address.
    pub fn new(app: &str, proxy: Option<&str>) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .http_status_as_error(false)
            .user_agent(app);
        let config = match proxy {
            Some(address) => config.proxy(Some(Proxy::new(address).map_err(|_| no_proxy())?)),
            None => config,
        };
        let config = config.build();
        Ok(Self { public: config.clone().into(), config, pinned: Arc::default() })
    }

    /// The agent that trusts what is asked for.
    pub(super) fn agent(&self, pin: Option<Pin>) -> Result<Agent, CarryFailure> {
        let Some(pin) = pin else { return Ok(self.public.clone()) };
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = pinned.get(&pin.0) {
            return Ok(agent.clone());
        }
        let tls = Pinned::new(pin).map_err(|error| unreachable(&error))?;
        let connector = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default()).chain(tls);
        let agent = Agent::with_parts(self.config.clone(), connector, DefaultResolver::default());
        pinned.insert(pin.0, agent.clone());
        Ok(agent)
    }

    /// `POST` of bytes; the bytes of the reply, within `most` where there is less time than usual.
    ///
    /// # Errors
    /// When the branch is not reached or answers with another status than 200.
    pub fn post(&self, letter: &Letter<'_>, most: Option<Duration>) -> Result<Vec<u8>, CarryFailure> {
        let mut request = self.agent(letter.pin)?.post(letter.url).content_type(letter.content_type);
        if let Some(token) = letter.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(most) = most {
            request = request.config().timeout_global(Some(most.min(WHOLE))).build();
        }
        read(accepted(request.send(letter.body))?)
    }

    /// `GET` without a token; the bytes of the reply.
    ///
    /// # Errors
    /// When the branch is not reached or answers with another status than 200.
    pub fn get(&self, url: &str, pin: Option<Pin>, most: Option<Duration>) -> Result<Vec<u8>, CarryFailure> {
        let most = most.map_or(WHOLE, |most| most.min(WHOLE));
        let request = self.agent(pin)?.get(url).config().timeout_global(Some(most)).build();
        read(accepted(request.call())?)
    }

    /// `GET` of the poke stream; its bytes as they come.
    ///
    /// # Errors
    /// When the branch is not reached or answers with another status than 200.
    pub fn pokes(
        &self,
        url: &str,
        token: &str,
        pin: Option<Pin>,
    ) -> Result<impl Read + Send + use<>, CarryFailure> {
        let request = self.agent(pin)?.get(url).header("Authorization", format!("Bearer {token}"));
        let request = request.header("Accept", "text/event-stream");
        let request = request.config().timeout_global(Some(POKES)).timeout_per_read(Some(SILENCE)).build();
        Ok(accepted(request.call())?.into_body().into_reader())
    }
}

fn read(response: Response<Body>) -> Result<Vec<u8>, CarryFailure> {
    let body = response.into_body().into_with_config().limit(REPLY_BYTES_MAX).read_to_vec();
    body.map_err(|error| unreachable(&error))
}

fn accepted(outcome: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, CarryFailure> {
    let response = outcome.map_err(|error| unreachable(&error))?;
    let status = response.status().as_u16();
    if status == 200 {
        return Ok(response);
    }
    let retry_after_ms = retry_after(response.headers());
    let said = response.into_body().into_with_config().limit(64 * 1024).read_to_vec().unwrap_or_default();
    Err(refused_by(status, &said, retry_after_ms))
}

/// How long an answer asks to wait, milliseconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("retry-after")?.to_str().ok()?;
    text.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1000))
}

/// The failure that an answer of the branch is.
pub(super) fn refused_by(status: u16, said: &[u8], retry_after_ms: Option<u64>) -> CarryFailure {
    let failure = refused(status, said, retry_after_ms);
    CarryFailure { failure, status: Some(status), retry_after_ms, shown: None }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors are open-ended")]
/// The failure for a connection that was not made or broke.
pub(super) fn unreachable(error: &ureq::Error) -> CarryFailure {
    if let Some(distrust) = Distrust::of(error) {
        return not_trusted(&distrust);
    }
    let (code, zh, en) = match error {
        ureq::Error::Timeout(_) => {
            ("timeout", "分公司服务器没有及时应答", "the branch server did not answer in time")
        }
        ureq::Error::HostNotFound => {
            ("host_not_found", "找不到分公司服务器的地址", "the branch server's address is not known")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            ("address_invalid", "分公司服务器的地址有误", "the branch server's address is malformed")
        }
        ureq::Error::BodyExceedsLimit(_) => {
            ("reply_too_large", "分公司服务器的应答过大", "the branch server's answer is too large")
        }
        _ => ("no_connection", "连不上分公司服务器", "the branch server cannot be reached"),
    };
    unanswered(
        Failure::no_connection(code, zh, en).and(
            ";已保存的内容都在本机,稍后再试",
            "; everything saved is kept on this device, try again later",
        ),
    )
}

/// The failure for a server that is not the branch, as far as TLS tells.
fn not_trusted(distrust: &Distrust) -> CarryFailure {
    let (shown, kind, code, zh, en) = match distrust {
        Distrust::OtherKey(OtherKey { shown }) => (
            Some(Box::new(*shown)),
            FailureKind::NotTrusted,
            "other_key",
            "此地址上的服务器不是本设备所属的分公司(密钥不符):可能有人在中间冒充。没有发送任何内容,请联系分公司",
            "the server at this address is not the branch that this device belongs to (its key is another one): somebody may be in between. Nothing was sent; ask the branch",
        ),
        Distrust::Certificate => (
            None,
            FailureKind::NotTrusted,
            "not_trusted",
            "无法确认分公司服务器的身份(证书不可信或已过期)。没有发送任何内容,请联系分公司",
            "the branch server's certificate is not trusted, or has expired. Nothing was sent; ask the branch",
        ),
        Distrust::NoTls => (
            None,
            FailureKind::NoConnection,
            "no_tls",
            "此地址上应答的不是 HTTPS 服务器;请核对地址",
            "what answers at this address does not speak HTTPS; check the address",
        ),
    };
    CarryFailure { shown, ..unanswered(Failure::new(kind, code, zh, en)) }
}

pub(crate) const fn unanswered(failure: Failure) -> CarryFailure {
    CarryFailure { failure, status: None, retry_after_ms: None, shown: None }
}

/// The failure for a status of the branch, in the branch's own words where it gave some.
fn refused(status: u16, said: &[u8], retry_after_ms: Option<u64>) -> Failure {
    let own = sentence_of(said);
    let (code, zh, en) = match status {
        401 => (
            "not_recognised",
            "分公司不认得本设备(令牌无效):请重新开通,本机内容不会丢失",
            "the branch does not recognise this device (invalid token): enrol again, nothing here is lost",
        ),
        403 => ("refused_by_branch", "分公司拒绝了本设备或链接", "the branch refuses this device or link"),
        404 | 405 => ("not_a_branch", "该地址不是巡园服务器", "there is no Xunyuan server at this address"),
        413 => {
            ("too_large", "一次上传的内容过大,分公司没有接收", "the branch did not take this much at once")
        }
        426 => (
            "upgrade_needed",
            "本程序版本过旧,请升级;本机内容会保留",
            "this program is too old for the branch: update it; everything here is kept",
        ),
        429 | 503 => {
            ("branch_busy", "分公司服务器繁忙,稍后再试", "the branch server is busy, try again later")
        }
        _ => ("branch_failed", "分公司服务器没有正常应答", "the branch server did not answer properly"),
    };
    let (code, zh, en) = match &own {
        Some((code, zh, en)) => (code.as_str(), zh.as_str(), en.as_str()),
        None => (code, zh, en),
    };
    let kind = match status {
        401 => FailureKind::NotRecognised,
        426 => FailureKind::Outdated,
        400 | 403 | 409 | 410 | 413 | 422 => FailureKind::Refused,
        _ => FailureKind::NoConnection,
    };
    let failure = Failure::new(kind, code, zh, en);
    match retry_after_ms {
        Some(ms) => {
            let seconds = ms / 1000;
            failure.and(&format!("({seconds} 秒后再试)"), &format!(" (again in {seconds} s)"))
        }
        None => failure,
    }
}

fn no_proxy() -> Failure {
    Failure::invalid(
        "proxy_invalid",
        "代理地址有误;请写成 http://主机:端口",
        "the address of the proxy is malformed; write http://host:port",
    )
}

/// The branch's problem body (RFC 9457) with the members `code`, `zh` and `en`.
fn sentence_of(said: &[u8]) -> Option<(String, String, String)> {
    let problem: Json = serde_json::from_slice(said).ok()?;
    let text = |key: &str| problem.get(key).and_then(Json::as_str).map(str::to_owned);
    Some((text("code")?, text("zh")?, text("en")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    /// Answers one request with `reply` and gives the address.
    fn answering(reply: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
        });
        format!("http://{address}/v1/exchange")
    }

    fn post(url: &str) -> Result<Vec<u8>, CarryFailure> {
        let letter =
            Letter { url, pin: None, token: Some("t"), content_type: "application/cbor", body: b"abc" };
        Carrier::new("test/0", None).unwrap().post(&letter, None)
    }

    #[test]
    fn bytes_go_and_come() {
        let url = answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong");
        assert_eq!(post(&url).unwrap(), b"pong");
    }

    #[test]
    fn a_busy_branch_says_how_long_to_wait() {
        let reply = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let failed = post(&answering(reply)).unwrap_err();
        assert_eq!((failed.status, failed.retry_after_ms), (Some(503), Some(7_000)));
        assert_eq!(
            (failed.failure.kind(), failed.failure.code()),
            (FailureKind::NoConnection, "branch_busy")
        );
        assert!(failed.failure.sentences().1.contains("again in 7 s"));
    }

    #[test]
    fn refusals_of_the_branch_are_in_its_own_words() {
        let reply = "HTTP/1.1 403 Forbidden\r\nContent-Length: 61\r\nConnection: close\r\n\r\n{\"code\":\"revoked\",\"zh\":\"已吊销\",\"en\":\"this device is out\"}";
        let failed = post(&answering(reply)).unwrap_err();
        assert_eq!((failed.failure.kind(), failed.failure.code()), (FailureKind::Refused, "revoked"));
        assert_eq!(failed.failure.sentences(), ("已吊销", "this device is out"));
        for (status, kind) in [
            (401, FailureKind::NotRecognised),
            (403, FailureKind::Refused),
            (413, FailureKind::Refused),
            (426, FailureKind::Outdated),
            (404, FailureKind::NoConnection),
            (500, FailureKind::NoConnection),
            (503, FailureKind::NoConnection),
        ] {
            assert_eq!(refused(status, b"<html>", None).kind(), kind, "{status}");
        }
    }

    #[test]
    fn nobody_there_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let failed = post(&url).unwrap_err();
        assert_eq!((failed.failure.kind(), failed.status), (FailureKind::NoConnection, None));
        assert_eq!(post("not a url").unwrap_err().failure.kind(), FailureKind::NoConnection);
    }
}
