//! The exchange with the branch, as far as an app has a say in it.

use std::time::{Duration, Instant};

use super::{Network, Replica, SyncError, settled};
use crate::failure::Failure;
use crate::net::Carrier;
use crate::screens::SyncReport;

#[uniffi::export]
impl Replica {
    /// Wants an exchange now, whatever the network costs, and does not wait for it: the listener hears.
    pub fn sync_now(&self) {
        self.held.sync_now(None);
    }

    /// Wants an exchange now and waits for its end without holding a thread. Whoever stops waiting stops
    /// nothing.
    pub async fn sync(&self) -> Result<SyncReport, SyncError> {
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.held.sync_now(Some(Box::new(move |outcome| drop(sender.send(outcome)))));
        let outcome = receiver.await;
        settled(self.lang(), || match outcome {
            Ok(outcome) => Ok(SyncReport::of(self.lang(), &outcome?)),
            Err(_) => Err(Failure::closed()),
        })
    }

    /// Exchanges on this thread for at most `within_ms`: for background tasks of the platform, which end
    /// an app that takes longer. Stops between two short steps and goes on with the next call, or by
    /// itself; nothing is lost when the app is killed in between.
    pub fn sync_once(&self, within_ms: u64) -> Result<SyncReport, SyncError> {
        let until = Instant::now() + Duration::from_millis(within_ms.min(WITHIN_MS_MAX));
        settled(self.lang(), || Ok(SyncReport::of(self.lang(), &self.held.exchange(Some(until))?)))
    }

    /// Notes what network there is; with a proxy where the platform names one. Without network nothing
    /// is tried, on one that costs only where the settings allow it.
    #[uniffi::method(default(proxy = None))]
    pub fn set_network(&self, network: Network, proxy: Option<String>) -> Result<(), SyncError> {
        settled(self.lang(), || {
            let carrier = Carrier::new(&self.app, proxy.as_deref())?;
            self.held.set_network(network.held(), Some(carrier));
            Ok(())
        })
    }

    /// Lets exchanges start by themselves, or not until somebody wants one: for an app that goes to the
    /// background and comes back.
    pub fn set_exchange_by_itself(&self, by_itself: bool) {
        self.held.set_by_itself(by_itself);
    }
}

/// Longest time of one background exchange: a day.
const WITHIN_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
