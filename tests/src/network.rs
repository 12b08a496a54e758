//! The simulated network: it loses, repeats, delays, reorders and cuts off requests and replies.
//!
//! It carries bytes and knows nothing of what is in them. What it carries when is decided by the seed
//! and the virtual clock alone.

use std::collections::BTreeMap;

use crate::seed::Seed;

/// How bad the network is, in percent of the messages it carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Requests that never reach the branch.
    pub lost_requests: u8,
    /// Replies that never reach the device, although the branch has acted.
    pub lost_replies: u8,
    /// Messages that arrive a second time, later.
    pub repeated: u8,
    /// Messages of which only the beginning arrives.
    pub cut: u8,
    /// Longest time that a message takes, milliseconds; each takes a random part of it.
    pub delay_ms_max: u32,
}

impl Weather {
    /// Nothing goes wrong and everything arrives at once.
    pub const CLEAR: Self = Self { lost_requests: 0, lost_replies: 0, repeated: 0, cut: 0, delay_ms_max: 0 };
    /// A basement: one message in four is lost, one in five arrives twice, up to a minute late.
    pub const BASEMENT: Self =
        Self { lost_requests: 25, lost_replies: 25, repeated: 20, cut: 0, delay_ms_max: 60_000 };
    /// A lift: messages overtake each other and break off.
    pub const LIFT: Self =
        Self { lost_requests: 10, lost_replies: 10, repeated: 30, cut: 25, delay_ms_max: 600_000 };
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// From a device to the branch.
    Request {
        /// The device's place in the world.
        from: usize,
        /// Tells the device's requests apart; `None` for an echo: nobody waits for its reply.
        ticket: Option<u64>,
        /// The coded request.
        body: Vec<u8>,
        /// True when it broke off.
        is_cut: bool,
    },
    /// From the branch to a device.
    Reply {
        /// The device's place in the world.
        to: usize,
        /// The request that it answers.
        ticket: u64,
        /// The coded reply, or what the branch answered instead.
        body: Result<Vec<u8>, Silence>,
        /// True when it broke off.
        is_cut: bool,
    },
}

/// Why a device gets no reply to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The request or its reply was lost; the device's patience ran out.
    Timeout,
    /// The branch refused the exchange as a whole.
    Refused,
}

/// Messages on their way, by the time they arrive.
#[derive(Debug, Default)]
pub struct Network {
    in_flight: BTreeMap<(i64, u64), Parcel>,
    sent: u64,
    tickets: u64,
    /// How bad it is now.
    pub weather: Weather,
}

impl Network {
    /// Takes a request from a device: it arrives, or a timeout does; perhaps an echo of it follows.
    ///
    /// Returns the ticket that the reply will carry.
    pub fn send_request(&mut self, seed: &mut Seed, now_ms: i64, from: usize, body: Vec<u8>) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        if seed.chance(self.weather.repeated) {
            let echo = Parcel::Request { from, ticket: None, body: body.clone(), is_cut: false };
            self.post(seed, now_ms + i64::from(self.weather.delay_ms_max), echo);
        }
        if seed.chance(self.weather.lost_requests) {
            let lost = Parcel::Reply { to: from, ticket, body: Err(Silence::Timeout), is_cut: false };
            self.post(seed, now_ms, lost);
        } else {
            let (body, is_cut) = self.perhaps_cut(seed, body);
            self.post(seed, now_ms, Parcel::Request { from, ticket: Some(ticket), body, is_cut });
        }
        ticket
    }

    /// Takes the branch's reply to a device: it arrives, or a timeout does; perhaps it arrives twice.
    pub fn send_reply(
        &mut self,
        seed: &mut Seed,
        now_ms: i64,
        to: usize,
        ticket: u64,
        body: Result<Vec<u8>, Silence>,
    ) {
        let body = if seed.chance(self.weather.lost_replies) { Err(Silence::Timeout) } else { body };
        if body.is_ok() && seed.chance(self.weather.repeated) {
            let echo = Parcel::Reply { to, ticket, body: body.clone(), is_cut: false };
            self.post(seed, now_ms + i64::from(self.weather.delay_ms_max), echo);
        }
        let (body, is_cut) = match body {
            Ok(body) => {
                let (body, is_cut) = self.perhaps_cut(seed, body);
                (Ok(body), is_cut)
            }
            Err(silence) => (Err(silence), false),
        };
        self.post(seed, now_ms, Parcel::Reply { to, ticket, body, is_cut });
    }

    /// Cuts a message off somewhere, and says whether it did.
    fn perhaps_cut(&self, seed: &mut Seed, mut body: Vec<u8>) -> (Vec<u8>, bool) {
        let is_cut = !body.is_empty() && seed.chance(self.weather.cut);
        if is_cut {
            body.truncate(seed.below(body.len()));
        }
        (body, is_cut)
    }

    /// When the next message arrives; `None` when nothing is on its way.
    #[must_use]
    pub fn next_arrival_ms(&self) -> Option<i64> {
        self.in_flight.keys().next().map(|(at_ms, _)| *at_ms)
    }

    /// The next message with the time of its arrival.
    pub fn deliver(&mut self) -> Option<(i64, Parcel)> {
        self.in_flight.pop_first().map(|((at_ms, _), parcel)| (at_ms, parcel))
    }

    fn post(&mut self, seed: &mut Seed, now_ms: i64, parcel: Parcel) {
        let delay = seed.below(self.weather.delay_ms_max as usize + 1);
        self.sent += 1;
        self.in_flight.insert((now_ms + i64::try_from(delay).unwrap_or(0), self.sent), parcel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_weather_delivers_everything_at_once_and_in_order() {
        let (mut seed, mut network) = (Seed::of(1), Network::default());
        network.send_request(&mut seed, 5, 0, vec![1]);
        network.send_reply(&mut seed, 5, 1, 7, Ok(vec![2]));
        assert_eq!(network.next_arrival_ms(), Some(5));
        let request = Parcel::Request { from: 0, ticket: Some(1), body: vec![1], is_cut: false };
        let reply = Parcel::Reply { to: 1, ticket: 7, body: Ok(vec![2]), is_cut: false };
        assert_eq!(network.deliver(), Some((5, request)));
        assert_eq!(network.deliver(), Some((5, reply)));
        assert_eq!(network.deliver(), None);
    }

    #[test]
    fn every_request_ends_in_an_arrival_or_a_timeout() {
        let (mut seed, mut network) = (Seed::of(2), Network::default());
        network.weather = Weather::BASEMENT;
        for _ in 0..200 {
            network.send_request(&mut seed, 0, 3, vec![9]);
        }
        let (mut arrived, mut lost, mut echoes) = (0, 0, 0);
        let mut last_ms = 0;
        while let Some((at_ms, parcel)) = network.deliver() {
            assert!(at_ms >= last_ms);
            last_ms = at_ms;
            match parcel {
                Parcel::Request { ticket: None, .. } => echoes += 1,
                Parcel::Request { ticket: Some(_), .. } => arrived += 1,
                Parcel::Reply { body, .. } => {
                    assert_eq!(body, Err(Silence::Timeout));
                    lost += 1;
                }
            }
        }
        assert_eq!(arrived + lost, 200);
        assert!(lost > 20 && echoes > 10, "{lost} {echoes}");
    }
}
