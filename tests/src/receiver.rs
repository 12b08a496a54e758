//! A program that is told of events: a small HTTP server that writes down what it gets and answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// What was answered.
    pub status: u16,
}

impl Got {
    /// A header; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; `Null` where it is none.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or(Json::Null)
    }
}

#[derive(Debug)]
struct State {
    /// Answers to come; then the last one for ever.
    answers: VecDeque<(u16, String)>,
    got: Vec<Got>,
}

/// A receiver on a free port of the loopback, for as long as the test runs.
#[derive(Clone, Debug)]
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// A receiver that answers these statuses in turn, and the last one for ever.
    ///
    /// # Panics
    /// When the loopback has no free port.
    #[must_use]
    pub fn answering(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let answers = statuses.iter().map(|status| (*status, String::new())).collect();
        let receiver = Self { port, state: Arc::new(Mutex::new(State { answers, got: Vec::new() })) };
        let taking = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A caller that hangs up midway is none of our business.
                let _ = taking.take(stream);
            }
        });
        receiver
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/told?key=robot", self.port)
    }

    /// From now on it answers this.
    pub fn answer(&self, status: u16, body: &str) {
        self.state().answers = VecDeque::from([(status, body.to_owned())]);
    }

    /// What it got so far.
    #[must_use]
    pub fn got(&self) -> Vec<Got> {
        self.state().got.clone()
    }

    /// What it got, once that is so many requests.
    ///
    /// # Panics
    /// When they do not come in time.
    #[must_use]
    pub fn wait_for(&self, count: usize) -> Vec<Got> {
        let began = Instant::now();
        loop {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{} of {count} requests came: {got:?}",
                got.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, said) = {
            let mut state = self.state();
            let last = state.answers.len() <= 1;
            let answer = if last { state.answers.front().cloned() } else { state.answers.pop_front() };
            let answer = answer.unwrap_or((200, String::new()));
            let body = String::from_utf8_lossy(&body).into_owned();
            state.got.push(Got { headers, body, status: answer.0 });
            answer
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
            said.len()
        )
    }
}
