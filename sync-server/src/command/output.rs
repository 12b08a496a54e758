//! What a command says and how it ends: one report in two languages or as JSON, one exit code.

use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use xunyuan_core::error::{Error, ErrorKind, Sentence};

/// Language of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

impl Lang {
    /// The language that the locale variables ask for: English where they say so, else Chinese.
    #[must_use]
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        if locale.starts_with("en") { Self::En } else { Self::Zh }
    }

    /// The text of this language.
    #[must_use]
    pub const fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The sentence in this language.
    #[must_use]
    pub fn of(self, sentence: &Sentence) -> &str {
        self.pick(&sentence.zh, &sentence.en)
    }
}

/// How a command ended, as the exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a rule of the branch, or a check of the input, said no.
    Refused,
    /// 2: the command line is not right.
    Usage,
    /// 3: the network did not work.
    Connection,
    /// 4: the store cannot be used or does not verify.
    Store,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Connection => 3,
            Self::Store => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// What a command has to say.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub exit: Exit,
    /// For programs: one JSON value.
    pub json: Value,
    /// For people, in the language asked for; without the last line break.
    pub text: String,
}

impl Report {
    /// A report of a command that did its work.
    pub fn done(json: Value, text: impl Into<String>) -> Self {
        Self { exit: Exit::Done, json, text: text.into() }
    }

    /// A report of an error.
    #[must_use]
    pub fn failed(error: &Error, lang: Lang) -> Self {
        let exit = match error.kind() {
            ErrorKind::Refused | ErrorKind::Invalid => Exit::Refused,
            ErrorKind::NotFound => Exit::Usage,
            ErrorKind::Protocol => Exit::Connection,
            ErrorKind::Busy
            | ErrorKind::Newer
            | ErrorKind::Key
            | ErrorKind::Corrupt
            | ErrorKind::Damaged
            | ErrorKind::Full
            | ErrorKind::Storage => Exit::Store,
        };
        let sentence = error.sentence();
        let mut text = format!("{}{}", lang.pick("错误:", "error: "), lang.of(sentence));
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(&format!("\n  {inner}"));
            cause = inner.source();
        }
        let json = json!({"error": {"code": error.code(), "zh": sentence.zh, "en": sentence.en}});
        Self { exit, json, text }
    }

    /// Writes the report: results to stdout, errors to stderr; JSON always to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written for another reason than a closed pipe.
    pub fn write(&self, as_json: bool) -> std::io::Result<()> {
        if as_json && self.json.is_null() {
            // The command has written its lines itself.
            return Ok(());
        }
        if as_json {
            return ignore_closed_pipe(writeln!(std::io::stdout().lock(), "{:#}", self.json));
        }
        if self.text.is_empty() {
            return Ok(());
        }
        match self.exit {
            Exit::Done => ignore_closed_pipe(writeln!(std::io::stdout().lock(), "{}", self.text)),
            Exit::Refused | Exit::Usage | Exit::Connection | Exit::Store => {
                writeln!(std::io::stderr().lock(), "{}", self.text)
            }
        }
    }
}

/// A reader that stops reading (`| head`) is no failure.
///
/// # Errors
/// Any other failure to write.
pub fn ignore_closed_pipe(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Aligned columns; Chinese characters count two cells. The last column is not padded.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cells(cell)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cells(cell));
        }
    }
    let line = |row: Vec<&str>| {
        let mut text = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if at + 1 < row.len() {
                text.push_str(&" ".repeat(width - cells(cell) + 2));
            }
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(header.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Terminal cells that a text takes.
#[must_use]
pub fn cells(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x1F300..=0x1FAFF
            | 0x20000..=0x3FFFD => 2,
            0x0300..=0x036F | 0x200B..=0x200F => 0,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_chooses_and_chinese_is_first() {
        let locale = |pairs: &'static [(&str, &str)]| {
            Lang::of_locale(move |name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(locale(&[]), Lang::Zh);
        assert_eq!(locale(&[("LANG", "C.UTF-8")]), Lang::Zh);
        assert_eq!(locale(&[("LANG", "en_GB.UTF-8")]), Lang::En);
        assert_eq!(locale(&[("LC_ALL", "zh_CN.UTF-8"), ("LANG", "en_US.UTF-8")]), Lang::Zh);
        assert_eq!(locale(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]), Lang::En);
    }

    #[test]
    fn columns_line_up_with_chinese_text() {
        let text = table(&["设备", "x"], &[vec!["A7".into(), "1".into()], vec!["前台壬".into(), "2".into()]]);
        assert_eq!(text, "设备    x\nA7      1\n前台壬  2");
    }

    #[test]
    fn kinds_of_error_have_their_exit_code() {
        for (kind, number) in [
            (ErrorKind::Refused, 1),
            (ErrorKind::NotFound, 2),
            (ErrorKind::Protocol, 3),
            (ErrorKind::Busy, 4),
            (ErrorKind::Corrupt, 4),
            (ErrorKind::Damaged, 4),
        ] {
            let report = Report::failed(&Error::new(kind, "某事", "something"), Lang::En);
            assert_eq!(report.exit.number(), number);
            assert_eq!(report.text, "error: something");
        }
    }
}
