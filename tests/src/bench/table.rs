//! Figures as a table and as JSON.

use serde_json::{Map, Value as Json, json};
use std::fmt;

use super::stage::Counted;

/// One measured line: what was done and its figures in the order to show.
#[derive(Debug)]
pub(super) struct Line {
    what: String,
    figures: Vec<(String, f64)>,
    mark: Option<(bool, String)>,
}

impl Line {
    /// A line without figures yet.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), figures: Vec::new(), mark: None }
    }

    /// Adds a figure; the unit is the end of its name.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: f64) -> Self {
        self.figures.push((name.to_owned(), value));
        self
    }

    /// Adds what a device and the server used for it.
    #[must_use]
    pub(super) fn used(self, device: &Json, server: &Counted) -> Self {
        let figure = |name: &str| device[name].as_f64().unwrap_or(f64::NAN);
        self.with("device CPU ms", figure("cpu_ms"))
            .with("server CPU ms", server.usage.cpu_ms)
            .with("device peak MB", figure("peak_mb"))
            .with("server peak MB", server.usage.peak_mb)
            .with("server commits", server.commits)
            .with("server fsyncs", server.fsyncs)
            .with("server documents in memory", server.documents)
            .with("server disk MB", server.disk_mb)
    }

    /// Says what was to be reached and whether it was.
    #[must_use]
    pub(super) fn mark(mut self, reached: bool, target: impl Into<String>) -> Self {
        self.mark = Some((reached, target.into()));
        self
    }
}

/// All lines of a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    is_unseen: bool,
}

impl Table {
    /// A table that shows nothing: for figures that others are made of.
    pub(super) fn unseen() -> Self {
        Self { lines: Vec::new(), is_unseen: true }
    }

    /// Adds a line and shows it at once on stderr: runs take minutes.
    pub(super) fn add(&mut self, line: Line) {
        if !self.is_unseen {
            eprint!("{}", Shown(&line));
        }
        self.lines.push(line);
    }

    /// The table as JSON text.
    pub(super) fn json(&self) -> String {
        let lines: Vec<Json> = self
            .lines
            .iter()
            .map(|line| {
                let figures: Map<String, Json> =
                    line.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let mark = line.mark.as_ref().map(|(ok, to)| json!({"reached": ok, "target": to}));
                json!({"what": line.what, "figures": figures, "mark": mark})
            })
            .collect();
        json!(lines).to_string()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| write!(f, "{}", Shown(line)))
    }
}

struct Shown<'a>(&'a Line);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.0.mark.as_ref();
        let sign = mark.map_or("  ", |(reached, _)| if *reached { "✓ " } else { "✗ " });
        writeln!(f, "{sign}{}", self.0.what)?;
        let figures: Vec<String> =
            self.0.figures.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        for part in figures.chunks(6) {
            writeln!(f, "      {}", part.join(" · "))?;
        }
        mark.map_or(Ok(()), |(_, target)| writeln!(f, "      to reach: {target}"))
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    let places = if value.abs() >= 100.0 { 0 } else { usize::from(value.abs() < 10.0) + 1 };
    format!("{value:.places$}")
}

/// The middle of some measurements.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Counts as a number for figures.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark stay far below 2^53")]
pub(super) const fn count(number: usize) -> f64 {
    number as f64
}
