//! What the server counts about itself, as Prometheus text.
//!
//! Labels are routes and status codes only: no device, person or scope can be read from a metric.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Mutex;
use std::time::Duration;

use crate::hub::Stats;

/// Media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which route answered with which status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: String,
    status: u16,
}

/// Which way bytes of exchanges went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

/// The counters of one server process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    answers: Family<Answer, Counter>,
    bytes: Family<Direction, Counter>,
    exchange_seconds: Histogram,
    running: Gauge,
    streams: Gauge,
    connections: Gauge,
    handshakes_failed: Counter,
    overloaded: Counter,
    pokes: Counter,
    branch: Branch,
}

/// What the branch's store held when it was last asked.
#[derive(Debug, Default)]
struct Branch {
    records: Gauge,
    documents: Gauge,
    documents_in_memory: Gauge,
    waiting_rows: Gauge,
    devices: Gauge,
    refusals: Gauge,
    files: Gauge,
    file_bytes: Gauge,
    files_missing: Gauge,
    commits: Gauge,
    writes: Gauge,
    fsyncs: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("xunyuan")),
            answers: Family::default(),
            bytes: Family::default(),
            exchange_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            running: Gauge::default(),
            streams: Gauge::default(),
            connections: Gauge::default(),
            handshakes_failed: Counter::default(),
            overloaded: Counter::default(),
            pokes: Counter::default(),
            branch: Branch::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let Ok(mut registry) = self.registry.lock() else { return };
        registry.register("http_answers", "Answers by route and status", self.answers.clone());
        registry.register_with_unit(
            "exchange",
            "Body bytes of exchanges as sent, in from devices and out to them",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit(
            "exchange_duration",
            "Time of one exchange in the hub, waiting for a slot not included",
            Unit::Seconds,
            self.exchange_seconds.clone(),
        );
        registry.register("hub_calls_running", "Calls that the hub works on now", self.running.clone());
        registry.register("poke_streams", "Devices that listen for pokes now", self.streams.clone());
        registry.register("connections", "Connections now, handshakes included", self.connections.clone());
        registry.register(
            "handshakes_failed",
            "TLS handshakes that failed or took too long",
            self.handshakes_failed.clone(),
        );
        registry.register(
            "overloaded",
            "Requests turned away because no slot became free",
            self.overloaded.clone(),
        );
        registry.register("pokes_sent", "Pokes written to devices", self.pokes.clone());
        let branch = &self.branch;
        for (name, help, gauge) in [
            ("branch_records", "Rows over all logs", &branch.records),
            ("branch_documents", "Documents over all scopes", &branch.documents),
            ("branch_documents_in_memory", "Documents in memory", &branch.documents_in_memory),
            ("branch_waiting_rows", "Documents whose rows wait to be written again", &branch.waiting_rows),
            ("branch_devices", "Devices ever enrolled", &branch.devices),
            ("branch_refusals", "Refused runs that are kept", &branch.refusals),
            ("branch_files", "Photos and other files that are here", &branch.files),
            ("branch_file_bytes", "Their bytes", &branch.file_bytes),
            ("branch_files_missing", "Files that records name and that are not here", &branch.files_missing),
            ("branch_commits", "Transactions since the start", &branch.commits),
            ("branch_writes", "Writes in those transactions", &branch.writes),
            ("branch_fsyncs", "Times that writing waited for the disk since the start", &branch.fsyncs),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// Counts one answer.
    pub fn answered(&self, route: &str, status: u16) {
        self.answers.get_or_create(&Answer { route: route.to_owned(), status }).inc();
    }

    /// Counts one finished exchange.
    pub fn exchanged(&self, bytes_in: usize, bytes_out: usize, took: Duration) {
        self.bytes.get_or_create(&Direction { direction: "in" }).inc_by(bytes_in as u64);
        self.bytes.get_or_create(&Direction { direction: "out" }).inc_by(bytes_out as u64);
        self.exchange_seconds.observe(took.as_secs_f64());
    }

    /// Counts a request that was turned away.
    pub fn overloaded(&self) {
        self.overloaded.inc();
    }

    /// Counts a hint that was written to a device or a page.
    pub fn poked(&self) {
        self.pokes.inc();
    }

    /// Counts a hub call as running until the guard is dropped.
    #[must_use]
    pub fn running(&self) -> Held {
        Held::new(&self.running)
    }

    /// Counts a listening device until the guard is dropped.
    #[must_use]
    pub fn listening(&self) -> Held {
        Held::new(&self.streams)
    }

    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn connected(&self) -> Held {
        Held::new(&self.connections)
    }

    /// Counts a TLS handshake that came to nothing.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Notes what the branch's store holds now.
    pub fn note(&self, stats: &Stats) {
        let branch = &self.branch;
        for (gauge, count) in [
            (&branch.records, stats.records),
            (&branch.documents, stats.documents),
            (&branch.documents_in_memory, stats.documents_in_memory),
            (&branch.waiting_rows, stats.waiting_rows),
            (&branch.devices, stats.devices),
            (&branch.refusals, stats.refusals),
            (&branch.files, stats.files),
            (&branch.file_bytes, stats.file_bytes),
            (&branch.files_missing, stats.files_missing),
            (&branch.commits, stats.commits),
            (&branch.writes, stats.writes),
            (&branch.fsyncs, stats.fsyncs),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// All counters as Prometheus (OpenMetrics) text.
    ///
    /// # Errors
    /// Never in practice: writing to a string cannot fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let registry = self.registry.lock().map_err(|_| std::fmt::Error)?;
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}

/// One unit of a gauge, given back on drop.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_things_appear_in_the_text() {
        let metrics = Metrics::default();
        metrics.answered("/v1/exchange", 200);
        metrics.exchanged(100, 200, Duration::from_millis(3));
        metrics.overloaded();
        let held = metrics.listening();
        let text = metrics.text().unwrap();
        assert!(
            text.contains("xunyuan_http_answers_total{route=\"/v1/exchange\",status=\"200\"} 1"),
            "{text}"
        );
        assert!(text.contains("xunyuan_exchange_bytes_total{direction=\"in\"} 100"), "{text}");
        assert!(text.contains("xunyuan_exchange_duration_seconds_count 1"), "{text}");
        assert!(text.contains("xunyuan_overloaded_total 1"), "{text}");
        assert!(text.contains("xunyuan_poke_streams 1"), "{text}");
        drop(held);
        assert!(metrics.text().unwrap().contains("xunyuan_poke_streams 0"));
    }
}
