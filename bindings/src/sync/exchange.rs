//! One exchange of one replica: requests until the branch has nothing more and the outbox is empty.
//!
//! Short holds of the replica alternate with requests, during which nobody holds it: whoever shares
//! the replica goes on working while bytes travel.

use std::time::{Duration, Instant};
use xunyuan_core::limits::PAGE_BYTES_MAX;
use xunyuan_core::replica::{Failure as NoAnswer, Progress, Replica};
use xunyuan_core::wire::message::ReadmitReply;
use xunyuan_core::wire::pin::{Pin, Voucher};

use super::outcome::Outcome;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::net::{Carrier, CarryFailure, Letter};

/// Requests in a row that may bring nothing although the branch says there is more.
const BARREN_MAX: u32 = 5;
/// Page of an exchange that must be over in time: taken in within a second on a slow phone.
const STEP_BYTES: u32 = 256 * 1024;
/// With less time than this left, no further request is begun: it could only be cut off.
const REQUEST_TIME_MIN: Duration = Duration::from_millis(500);

/// Lends the replica for one short piece of work; fails when it is not there any more.
pub type Hold<'h> = dyn FnMut(&mut dyn FnMut(&mut Replica)) -> Result<(), Failure> + 'h;

/// The line to the branch.
#[derive(Clone, Copy, Debug)]
pub struct Line<'l> {
    /// The network.
    pub carrier: &'l Carrier,
    /// The clock.
    pub clock: &'l Clock,
    /// When everything must be over; what is done until then is done.
    pub until: Option<Instant>,
}

/// What is done next, without holding the replica.
enum Turn {
    /// Ask the branch.
    Ask(Request),
    /// Go on at once: rows that a long catch-up left for later were written.
    Rows,
    /// Nothing more.
    Done,
}

/// A request as it leaves the replica.
struct Request {
    url: String,
    pin: Option<Pin>,
    token: String,
    kind: Kind,
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exchange,
    /// Asks a branch that has forgotten this device to take it in again.
    Readmission,
    /// Asks a server that showed another key in TLS for the branch's word for it.
    Voucher,
}

/// An exchange that is under way.
#[derive(Default)]
struct Course {
    outcome: Outcome,
    /// The request that was sent and what came of it.
    answered: Option<(Request, Result<Vec<u8>, CarryFailure>)>,
    /// What is asked next, out of turn.
    next: Option<Request>,
    /// The exchange that was not answered, while it is asked to take the device in again, or whose the
    /// server's other key is.
    unheard: Option<(Request, CarryFailure)>,
    is_readmission_tried: bool,
    is_voucher_tried: bool,
    /// True once the branch has nothing more.
    is_asked_out: bool,
    barren: u32,
}

impl Line<'_> {
    /// Exchanges until nothing is left to ask or push, `go_on` says no, the time is up, or network or
    /// store fail; what was done until then is done.
    ///
    /// `go_on` hears how far it is, between two holds of the replica.
    pub fn exchange(&self, hold: &mut Hold<'_>, go_on: &mut dyn FnMut(&Outcome) -> bool) -> Outcome {
        let mut course = Course::default();
        if let Err(failure) = self.run(&mut course, hold, go_on) {
            course.outcome.failure = Some(failure);
        }
        course.outcome
    }

    fn run(
        &self,
        course: &mut Course,
        hold: &mut Hold<'_>,
        go_on: &mut dyn FnMut(&Outcome) -> bool,
    ) -> Result<(), Failure> {
        let mut begun = Ok(());
        let page_bytes = if self.until.is_some() { STEP_BYTES } else { PAGE_BYTES_MAX };
        hold(&mut |replica| {
            replica.ask_in_pages_of(page_bytes);
            replica.wake_now();
            begun = if replica.is_erased() { Err(Failure::erased()) } else { Ok(()) };
        })?;
        begun?;
        loop {
            if !go_on(&course.outcome) || self.is_over() {
                return self.give_up(course, hold);
            }
            let mut turn = Ok(Turn::Done);
            hold(&mut |replica| turn = course.turn(replica, self.clock))?;
            match turn? {
                Turn::Done => {
                    course.outcome.is_finished = true;
                    return Ok(());
                }
                Turn::Rows => {}
                Turn::Ask(request) => {
                    let answer = self.carry(&request);
                    course.outcome.requests += 1;
                    course.outcome.bytes_sent += request.body.len() as u64;
                    course.answered = Some((request, answer));
                }
            }
        }
    }

    /// Ends before everything is said. An answer that has come is still taken in.
    fn give_up(&self, course: &mut Course, hold: &mut Hold<'_>) -> Result<(), Failure> {
        let mut last = Ok(());
        hold(&mut |replica| {
            last = course.take_in(replica, self.clock);
            if course.next.take().is_some()
                && let Ok(moment) = self.clock.moment()
            {
                replica.handle_failure(&NoAnswer::Unreachable, &moment);
            }
        })?;
        last
    }

    fn carry(&self, request: &Request) -> Result<Vec<u8>, CarryFailure> {
        let most = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let Request { url, pin, token, kind, body } = request;
        let content_type = match kind {
            Kind::Exchange => "application/cbor",
            Kind::Readmission => "application/json",
            Kind::Voucher => return self.carrier.get(url, *pin, most),
        };
        self.carrier.post(&Letter { url, pin: *pin, token: Some(token), content_type, body }, most)
    }

    /// True when too little time is left for one more request.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until.saturating_duration_since(Instant::now()) < REQUEST_TIME_MIN)
    }
}

impl Course {
    /// Takes in what came and says what is next: one short hold.
    fn turn(&mut self, replica: &mut Replica, clock: &Clock) -> Result<Turn, Failure> {
        self.take_in(replica, clock)?;
        if let Some(request) = self.next.take() {
            return Ok(Turn::Ask(request));
        }
        if !self.is_asked_out
            && let Some(body) = replica.poll_request(&clock.moment()?)?
        {
            return Ok(Turn::Ask(Request::new(replica, Kind::Exchange, body)));
        }
        self.is_asked_out = true;
        // What a long catch-up left for later is done before the person looks at lists.
        Ok(if replica.write_rows()? { Turn::Rows } else { Turn::Done })
    }

    fn take_in(&mut self, replica: &mut Replica, clock: &Clock) -> Result<(), Failure> {
        let Some((request, answer)) = self.answered.take() else { return Ok(()) };
        match (request.kind, answer) {
            (Kind::Exchange, Ok(answer)) => self.take_reply(replica, &answer, clock),
            (Kind::Exchange, Err(carried)) => self.ask_out_of_turn(replica, request, carried, clock),
            (Kind::Readmission, answer) => {
                let Some((unheard, carried)) = self.unheard.take() else { return Ok(()) };
                let reply = answer.ok().and_then(|bytes| serde_json::from_slice::<ReadmitReply>(&bytes).ok());
                let Some(reply) = reply else { return self.fail(replica, carried, clock) };
                replica.readmitted(&reply)?;
                self.next = Some(unheard);
                Ok(())
            }
            (Kind::Voucher, answer) => {
                let Some((unheard, carried)) = self.unheard.take() else { return Ok(()) };
                let voucher = answer.ok().and_then(|bytes| serde_json::from_slice::<Voucher>(&bytes).ok());
                let is_taken = match (voucher, request.pin) {
                    (Some(voucher), Some(shown)) => replica.take_voucher(&voucher, shown)?,
                    _ => false,
                };
                if !is_taken {
                    return self.fail(replica, carried, clock);
                }
                self.next = Some(Request { pin: request.pin, ..unheard });
                Ok(())
            }
        }
    }

    /// What an exchange that was not answered leads to: a question that may help, once, or its failure.
    fn ask_out_of_turn(
        &mut self,
        replica: &mut Replica,
        request: Request,
        carried: CarryFailure,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let question =
            if let Some(shown) = carried.shown.as_deref().copied().filter(|_| !self.is_voucher_tried) {
                self.is_voucher_tried = true;
                // To the holder of that very key, and without the token.
                let asked = Request::new(replica, Kind::Voucher, Vec::new());
                Some(Request { pin: Some(shown), token: String::new(), ..asked })
            } else if carried.status == Some(401) && !self.is_readmission_tried {
                self.is_readmission_tried = true;
                let certificate = replica.readmission()?;
                let body = certificate.and_then(|certificate| serde_json::to_vec(&certificate).ok());
                body.map(|body| Request::new(replica, Kind::Readmission, body))
            } else {
                None
            };
        if question.is_none() {
            return self.fail(replica, carried, clock);
        }
        self.next = question;
        self.unheard = Some((request, carried));
        Ok(())
    }

    fn take_reply(&mut self, replica: &mut Replica, answer: &[u8], clock: &Clock) -> Result<(), Failure> {
        self.outcome.bytes_received += answer.len() as u64;
        let progress = replica.handle_reply(answer, &clock.moment()?)?;
        self.barren = if is_barren(&progress) { self.barren + 1 } else { 0 };
        self.is_asked_out = !progress.more;
        self.outcome.add(progress);
        if self.outcome.wiped {
            return Err(Failure::erased());
        }
        if self.barren >= BARREN_MAX && !self.is_asked_out {
            return Err(Failure::no_connection(
                "no_progress",
                "分公司服务器多次应答都没有新内容;稍后再试",
                "the branch server keeps answering without anything new; try again later",
            ));
        }
        Ok(())
    }

    fn fail(&mut self, replica: &mut Replica, carried: CarryFailure, clock: &Clock) -> Result<(), Failure> {
        replica.handle_failure(&no_answer(&carried), &clock.moment()?);
        self.outcome.retry_after_ms = carried.retry_after_ms;
        Err(carried.failure)
    }
}

impl Request {
    fn new(replica: &Replica, kind: Kind, body: Vec<u8>) -> Self {
        let identity = replica.identity();
        let path = match kind {
            Kind::Exchange => "/v1/exchange",
            Kind::Readmission => "/v1/readmit",
            Kind::Voucher => "/v1/voucher",
        };
        Self {
            url: format!("{}{path}", identity.server_url),
            pin: identity.pin,
            token: identity.token.clone(),
            kind,
            body,
        }
    }
}

/// True when an answer settled nothing: the same would be asked again.
fn is_barren(progress: &Progress) -> bool {
    let Progress { acknowledged, received, renewed, given_back, repaired, .. } = progress;
    acknowledged + received + renewed + given_back + repaired == 0
        && !progress.is_comparing
        && progress.refused.is_empty()
        && progress.left.is_empty()
}

/// What the core needs to know of a failed request.
fn no_answer(carried: &CarryFailure) -> NoAnswer {
    match carried.status {
        Some(429 | 503) => {
            let asked = carried.retry_after_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
            NoAnswer::Busy { retry_after_ms: asked }
        }
        _ => NoAnswer::Unreachable,
    }
}
