//! A line that breaks: a proxy in front of a port of the loopback that counts what goes up, breaks every so many
//! bytes, flips a bit, or is down.
//!
//! Only what crossed the line is counted: bytes that a break kept in somebody's buffers never went up.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that are carried at a time: enough that the line is not what is measured.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes at a time on a line that is going to break: as on a radio, little is in the air when it does.
const BREAKING_BLOCK_BYTES: usize = 16 * 1024;
/// No break, no flip.
const NEVER: u64 = u64::MAX;

/// A running proxy; its threads end with the process.
#[derive(Debug)]
pub struct Cutter {
    /// The port that devices connect to.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    behind: u16,
    is_down: AtomicBool,
    /// Bytes that went up so far.
    up: AtomicU64,
    breaks: AtomicU64,
    /// Bytes between two breaks.
    every: AtomicU64,
    /// Where the next break comes, counted in bytes up.
    next: AtomicU64,
    /// Which byte up is damaged.
    flip_at: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Cutter {
    /// A proxy in front of a port of the loopback.
    ///
    /// # Panics
    /// When the loopback has no free port.
    #[must_use]
    pub fn start(behind: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(State {
            behind,
            is_down: AtomicBool::new(false),
            up: AtomicU64::new(0),
            breaks: AtomicU64::new(0),
            every: AtomicU64::new(NEVER),
            next: AtomicU64::new(NEVER),
            flip_at: AtomicU64::new(NEVER),
            open: Mutex::default(),
        });
        let accepting = state.clone();
        thread::spawn(move || {
            for device in listener.incoming().flatten() {
                accepting.connect(device);
            }
        });
        Self { port, state }
    }

    /// Where devices reach the branch.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Breaks every connection each time so many bytes went up.
    pub fn break_every(&self, bytes: u64) {
        self.state.every.store(bytes, Ordering::SeqCst);
        self.state.next.store(self.sent() + bytes, Ordering::SeqCst);
    }

    /// Damages one bit of the byte that goes up after so many more.
    pub fn flip_after(&self, bytes: u64) {
        self.state.flip_at.store(self.sent() + bytes, Ordering::SeqCst);
    }

    /// Takes the line down, or up again.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
        if is_down {
            self.state.hang_up();
        }
    }

    /// Bytes that went up so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state.up.load(Ordering::SeqCst)
    }

    /// Times that the line broke so far.
    #[must_use]
    pub fn breaks(&self) -> u64 {
        self.state.breaks.load(Ordering::SeqCst)
    }
}

impl State {
    fn connect(self: &Arc<Self>, device: TcpStream) {
        if self.is_down.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.behind)) else { return };
        // A line holds nothing back.
        let _ = (device.set_nodelay(true), server.set_nodelay(true));
        let (Ok(device_too), Ok(server_too)) = (device.try_clone(), server.try_clone()) else { return };
        let (Ok(one), Ok(other)) = (device.try_clone(), server.try_clone()) else { return };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([one, other]);
        let up = self.clone();
        thread::spawn(move || up.carry_up(device, server_too));
        thread::spawn(move || carry_down(server, device_too));
    }

    fn carry_up(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let is_breaking = self.next.load(Ordering::SeqCst) != NEVER;
            let most = if is_breaking { BREAKING_BLOCK_BYTES } else { BLOCK_BYTES };
            let Ok(count @ 1..) = from.read(block.get_mut(..most).unwrap_or_default()) else { break };
            // Never past the next break: what lies beyond it did not cross.
            let at = self.up.load(Ordering::SeqCst);
            let room = self.next.load(Ordering::SeqCst).saturating_sub(at);
            let count = usize::try_from(room).unwrap_or(usize::MAX).min(count);
            let flip =
                self.flip_at.load(Ordering::SeqCst).checked_sub(at).and_then(|n| usize::try_from(n).ok());
            if let Some(byte) = flip.filter(|n| *n < count).and_then(|n| block.get_mut(n)) {
                *byte ^= 0x10;
                self.flip_at.store(NEVER, Ordering::SeqCst);
            }
            if to.write_all(block.get(..count).unwrap_or_default()).is_err() {
                break;
            }
            let now = self.up.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
            if now >= self.next.load(Ordering::SeqCst) {
                self.next.store(now + self.every.load(Ordering::SeqCst), Ordering::SeqCst);
                self.breaks.fetch_add(1, Ordering::SeqCst);
                // What has crossed arrives, as it does when a radio falls silent; the answer does not.
                thread::sleep(Duration::from_millis(2));
                self.hang_up();
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn hang_up(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry_down(mut from: TcpStream, mut to: TcpStream) {
    let mut block = vec![0; BLOCK_BYTES];
    while let Ok(count) = from.read(&mut block) {
        if count == 0 || to.write_all(block.get(..count).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
