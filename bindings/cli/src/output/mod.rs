//! What the person sees and what a program reads.
//!
//! Receives finished results as a JSON value and a text, prints exactly one of them on stdout, and
//! everything said to a human meanwhile on stderr. Decides colour and width by the terminal. No
//! command logic here.

mod table;
mod width;

use serde_json::{Value as Json, json};
use std::io::{self, IsTerminal as _, Write as _};
use xunyuan_ffi::words::Lang;

use crate::failure::Failure;

pub(crate) use table::Table;
pub(crate) use width::pad;

/// Width of a page where the terminal does not say: pipes and files.
const PAGE_COLUMNS: usize = 120;

/// How results leave the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    lang: Lang,
    json: bool,
    colour: bool,
    columns: usize,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// In order.
    Good,
    /// Wants attention.
    Warn,
    /// Wrong.
    Bad,
    /// Less important.
    Faint,
    /// A title.
    Strong,
}

/// A command's result: the same content for programs and for people.
#[derive(Debug)]
pub(crate) struct Report {
    /// The object of `--json`.
    pub(crate) json: Json,
    /// The text for a person, without a final newline.
    pub(crate) text: String,
    /// The exit status; not 0 when the command ran but part of it was refused.
    pub(crate) exit: u8,
}

impl Report {
    /// A result that was done.
    pub(crate) fn done(json: Json, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), exit: crate::failure::EXIT_DONE }
    }
}

impl Output {
    /// The output of this process.
    pub(crate) fn new(lang: Lang, json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = if terminal { terminal_columns() } else { PAGE_COLUMNS };
        Self { lang, json, colour: terminal && !plain && !json, columns }
    }

    /// The language of the run.
    pub(crate) const fn lang(&self) -> Lang {
        self.lang
    }

    /// True for `--json`.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Columns of the page.
    pub(crate) const fn columns(&self) -> usize {
        self.columns
    }

    /// The text of this language.
    pub(crate) const fn pick<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        self.lang.pick(zh, en)
    }

    /// `text` in a tone; unchanged where colour is off.
    pub(crate) fn tone(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Prints a result on stdout.
    pub(crate) fn report(&self, report: &Report) {
        if self.json {
            self.print(&report.json.to_string());
        } else if !report.text.is_empty() {
            self.print(&report.text);
        }
    }

    /// Prints a failure: its sentence on stderr, and with `--json` an object on stdout.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            self.print(&json!({ "error": failure }).to_string());
        }
        let label = self.pick("错误", "error");
        let label = if io::stderr().is_terminal() { self.tone(Tone::Bad, label) } else { label.to_owned() };
        self.explain(&label, failure);
    }

    /// Says on stderr what went wrong with `subject`.
    pub(crate) fn explain(&self, subject: &str, failure: &Failure) {
        let (zh, en) = failure.sentences();
        say(&format!("{subject}{}{}", self.pick(":", ": "), self.pick(zh, en)));
        failure.lines().iter().for_each(|line| say(line));
    }

    /// Says something to the person on stderr, whatever stdout carries.
    pub(crate) fn say(&self, zh: &str, en: &str) {
        say(self.pick(zh, en));
    }

    /// Prints one line or block on stdout.
    ///
    /// A reader that went away (`| head`) is no failure: the action itself was already committed.
    pub(crate) fn print(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = stdout.write_all(b"\n");
        }
        let _ = stdout.flush();
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The terminal's width, within sensible bounds.
fn terminal_columns() -> usize {
    terminal_size::terminal_size().map_or(PAGE_COLUMNS, |(columns, _)| usize::from(columns.0)).clamp(40, 200)
}
