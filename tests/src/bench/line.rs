//! A slow line: a proxy that holds every byte back for a fixed time in each direction.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A running proxy; its threads end with the process.
pub(super) struct Delayed {
    /// The port that devices connect to.
    pub(super) port: u16,
}

impl Delayed {
    /// A proxy in front of a port of the loopback.
    pub(super) fn start(behind: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        std::thread::spawn(move || {
            for device in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", behind)) else { continue };
                let (Ok(device_too), Ok(server_too)) = (device.try_clone(), server.try_clone()) else {
                    continue;
                };
                carry(device, server_too, delay);
                carry(server, device_too, delay);
            }
        });
        Self { port }
    }
}

/// Carries bytes one way, each `delay` after it came, however many are under way.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    let _ = to.set_nodelay(true);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = from.read(&mut buffer) {
            let part = buffer.get(..length).unwrap_or_default().to_vec();
            if length == 0 || sender.send((Instant::now() + delay, part)).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, part) in receiver {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&part).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
