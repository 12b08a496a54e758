//! The door over real sockets: TLS, who forgets it, who is slow, who is too many, and other certificates.

use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme, StreamOwned,
};
use xunyuan_core::wire::pin::{Pin, Voucher};

/// How often certificates are looked at here.
const LOOK: Duration = Duration::from_millis(100);

/// Trusts everyone: these tests look at what the server does.
#[derive(Debug)]
struct Everyone;

impl ServerCertVerifier for Everyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// One TLS connection of its own.
struct Line(StreamOwned<ClientConnection, TcpStream>);

impl Line {
    fn to(server: &Server) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Everyone))
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(StreamOwned::new(client, socket))
    }

    /// Asks for the health over this connection and leaves it open.
    fn asks(&mut self) -> String {
        self.0.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let mut head = [0; 15];
        self.0.read_exact(&mut head).unwrap();
        let mut rest = [0; 2048];
        let _ = self.0.read(&mut rest).unwrap();
        String::from_utf8(head.to_vec()).unwrap()
    }

    fn pin(&mut self) -> Pin {
        assert_eq!(self.asks(), "HTTP/1.1 200 OK");
        let chain = self.0.conn.peer_certificates().unwrap();
        Pin::of_key(&ParsedCertificate::try_from(&chain[0]).unwrap().subject_public_key_info())
    }
}

fn counted(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").into_body().read_to_string().unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("xunyuan_{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Writes a certificate of a key, valid until the given year.
fn write(dir: &Path, key: &KeyPair, until: i32) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(until, 1, 1);
    std::fs::write(dir.join("c.pem"), params.self_signed(key).unwrap().pem()).unwrap();
    std::fs::write(dir.join("k.pem"), key.serialize_pem()).unwrap();
}

/// A server that shows the certificate that lies in its directory.
fn given(key: &KeyPair) -> Server {
    Server::with(LimitConfig::default(), SecondFactorPolicy::Branch, |dir| {
        write(dir, key, 2100);
        let mut config = Config::default();
        (config.tls.certificate, config.tls.key) = (dir.join("c.pem"), dir.join("k.pem"));
        Shown::of(&config).unwrap()
    })
}

#[test]
fn everything_travels_over_tls_and_the_branch_vouches_for_its_key() {
    let server = Server::secured(LimitConfig::default());
    assert_eq!(read_json(server.get("/healthz")).1["status"], "ok");
    let token = server.enrol(1);
    assert_eq!(server.exchange(&token, &frame::encode(&idle(PROTOCOL))).status().as_u16(), 200);
    let (status, said) = read_json(server.get("/v1/voucher"));
    let voucher: Voucher = serde_json::from_value(said).unwrap();
    assert_eq!((status, voucher.pin), (200, Line::to(&server).pin()));
    assert!(voucher.is_of(&server.hub.public_key()));
    assert_eq!(Some(voucher.pin), server.app.shown.as_ref().map(|shown| shown.pin()));

    let asked = server.agent.get(server.url("/v1/pokes")).header("Authorization", format!("Bearer {token}"));
    let mut lines = BufReader::new(asked.call().unwrap().into_body().into_reader()).lines();
    let mut organisation: Value = serde_json::from_slice(&sample_organisation().json).unwrap();
    organisation["note_zh"] = json!("第二版");
    server.hub.load_organisation(organisation.to_string().as_bytes(), NOW_MS).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "event: poke");
    refused(Server::start().get("/v1/voucher"), 404, "no_tls");
}

#[test]
fn plain_http_on_a_tls_port_is_told_so() {
    let server = Server::secured(LimitConfig::default());
    let plain = format!("http://{}/v1/enroll", server.address);
    let (status, problem) = read_json(server.agent.post(&plain).send("x".repeat(20_000)).unwrap());
    assert_eq!((status, problem["code"].as_str()), (400, Some("https_only")));
    assert!(problem["zh"].as_str().unwrap().contains("https://"));
    // The other way round: no answer that TLS could mean, and no wait.
    let server = Server::start();
    let began = Instant::now();
    assert!(server.agent.get(format!("https://{}/healthz", server.address)).call().is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn garbage_ends_alone_and_counts_as_a_failed_handshake() {
    let server = Server::secured(LimitConfig::default());
    let hello_cut = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc];
    for garbage in [&[0][..], &[0xff; 600], b"\x80\x2e\x01\x00\x02", b"SSH-2.0-x", &hello_cut, &[22; 70_000]]
    {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(12))).unwrap();
        // The server may have hung up by now.
        let _ = socket.write_all(garbage);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert_eq!(read_json(server.get("/healthz")).1["status"], "ok");
    let began = Instant::now();
    while counted(&server, "handshakes_failed_total") < 6 {
        assert!(began.elapsed() < Duration::from_secs(12));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_hundred_callers_who_say_nothing_hold_up_nobody() {
    let limits = LimitConfig { handshake_timeout_s: 2, ..LimitConfig::default() };
    let server = Server::secured(limits);
    let mut silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for (number, socket) in silent.iter_mut().enumerate() {
        // Half of them begin and go no further.
        if number % 2 == 0 {
            socket.write_all(&[22, 3, 1, 2]).unwrap();
        }
    }
    let began = Instant::now();
    let mut slow = Line::to(&server);
    assert_eq!(slow.asks(), "HTTP/1.1 200 OK");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for socket in &mut silent {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert!(matches!(socket.read(&mut [0; 64]), Ok(0) | Err(_)), "the server hangs up");
    }
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(slow.asks(), "HTTP/1.1 200 OK", "who was connected stays");
    drop(slow);
    assert!(counted(&server, "handshakes_failed_total") >= 100);
    assert!(counted(&server, "connections") <= 3);
}

#[test]
fn who_comes_when_all_places_are_taken_waits_for_one() {
    let limits = LimitConfig { connections_max: 3, handshake_timeout_s: 2, ..LimitConfig::default() };
    let server = Server::secured(limits);
    let silent: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    assert_eq!(Line::to(&server).asks(), "HTTP/1.1 200 OK");
    let waited = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&waited), "{waited:?}");
    drop(silent);
}

#[test]
fn another_certificate_is_shown_without_a_stop_and_a_bad_one_is_not() {
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let mut server = given(&keys[0]);
    let shown = server.app.shown.clone().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let fresh = server.runtime.spawn(Arc::clone(&shown).keep_fresh(LOOK, move |pin| told.send(pin).unwrap()));
    let mut before = Line::to(&server);
    let first = before.pin();
    let settled = |expected: Pin| {
        let began = Instant::now();
        while shown.pin() != expected {
            assert!(began.elapsed() < Duration::from_secs(15));
            std::thread::sleep(LOOK);
        }
    };

    write(&server.dir, &keys[1], 2100);
    let second = heard.recv_timeout(Duration::from_secs(15)).unwrap();
    assert_ne!(first, second);
    assert_eq!(Line::to(&server).pin(), second);
    assert_eq!(before.pin(), first, "an open connection goes on");

    // A key that does not fit, then no certificate at all: the one before stays.
    std::fs::write(server.dir.join("k.pem"), keys[0].serialize_pem()).unwrap();
    std::thread::sleep(LOOK * 8);
    assert_eq!(Line::to(&server).pin(), second);
    std::fs::write(server.dir.join("c.pem"), "nonsense").unwrap();
    std::thread::sleep(LOOK * 8);
    assert_eq!(Line::to(&server).pin(), second);

    // Renewed for the first key, long expired by its dates: what counts is the key.
    write(&server.dir, &keys[0], 2021);
    settled(first);
    assert_eq!(Line::to(&server).pin(), first);
    fresh.abort();
    server.stop();
}

#[test]
fn files_that_cannot_be_shown_are_refused_at_the_start() {
    let dir = std::env::temp_dir().join(format!("xunyuan-given-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    write(&dir, &keys[0], 2100);
    let mut config = Config::default();
    (config.tls.certificate, config.tls.key) = (dir.join("c.pem"), dir.join("k.pem"));
    assert!(Shown::of(&config).unwrap().is_some());
    std::fs::write(dir.join("k.pem"), keys[1].serialize_pem()).unwrap();
    let error = Shown::of(&config).unwrap_err();
    assert!(error.sentence().en.contains("do not fit"), "{error}");
    std::fs::write(dir.join("c.pem"), "").unwrap();
    assert!(Shown::of(&config).unwrap_err().sentence().en.contains("c.pem"));
    std::fs::remove_file(dir.join("c.pem")).unwrap();
    assert!(Shown::of(&config).is_err());
}
