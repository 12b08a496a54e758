//! What the audience sees while the day is played: a title and a sentence per act, a bar per device.
//!
//! Narration goes to stdout, bars to stderr and only on a terminal; with `--json` neither appears.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::child::Crash;
use super::desk::SignIn;
use super::script::Words;
use crate::command::output::{Lang, cells};

/// Terminal cells for the name of a device beside its bar.
const NAME_CELLS: usize = 28;

/// The narrator and its bars.
pub(super) struct Audience {
    lang: Lang,
    silent: bool,
    watched: bool,
    bars: Mutex<Bars>,
    pace: Duration,
}

/// The bars of one act; a finished bar is kept so that its line stays where it is.
struct Bars {
    drawn: MultiProgress,
    kept: Vec<ProgressBar>,
}

impl Bars {
    fn new(watched: bool) -> Self {
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { drawn: MultiProgress::with_draw_target(target), kept: Vec::new() }
    }
}

impl Audience {
    /// A narrator in a language; silent when the output is for programs.
    pub(super) fn new(lang: Lang, silent: bool, pace: Option<Duration>) -> Self {
        let watched = std::io::stderr().is_terminal() && !silent;
        let usual = if watched { Duration::from_millis(25) } else { Duration::ZERO };
        Self { lang, silent, watched, bars: Mutex::new(Bars::new(watched)), pace: pace.unwrap_or(usual) }
    }

    /// The language of the play.
    pub(super) const fn lang(&self) -> Lang {
        self.lang
    }

    /// Where the branch is.
    pub(super) fn opening(&self, url: &str, dir: &Path) {
        let text = self.lang.pick("分公司服务器已启动", "the branch server is running");
        self.say(&format!("{text}: {url}  ({})", dir.display()));
    }

    /// What the bar of the enrolment is called.
    pub(super) const fn enrolment(&self) -> &'static str {
        self.lang.pick("用一次性链接登记设备", "enrolling devices by link")
    }

    /// A new act begins.
    pub(super) fn act(&self, title: &Words, tell: &Words) {
        self.settle();
        let tell = tell.of(self.lang);
        let gap = if tell.is_empty() { "" } else { "\n  " };
        self.say(&format!("\n■ {}{gap}{tell}", title.of(self.lang)));
    }

    /// The bars of an act have been seen: their lines stay, the next ones come below.
    pub(super) fn settle(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *bars, Bars::new(self.watched));
        if self.watched && !last.kept.is_empty() {
            // The cursor stands at the end of the last bar.
            let _ = writeln!(std::io::stderr().lock());
        }
    }

    /// How the killed process left its file.
    pub(super) fn crashed(&self, crash: &Crash) {
        let Crash { announced, found, given } = crash;
        self.say(&match self.lang {
            Lang::Zh => format!("  进程在 {given} 个动作中被杀:已报“已保存”{announced} 个,重开后找到 {found} 个;其余接着做完"),
            Lang::En => format!("  killed within {given} actions: {announced} announced as saved, {found} found after reopening; the rest is done now"),
        });
    }

    /// The play is over, the server stays.
    pub(super) fn serving(&self, url: &str, desk: &SignIn) {
        let (users, password) = (desk.users.join(self.lang.pick("、", ", ")), &desk.password);
        self.say(&match self.lang {
            Lang::Zh => format!("\n控制台:{url}  用户 {users},口令 {password}\n服务器继续运行,按 Ctrl-C 结束"),
            Lang::En => format!("\nconsole: {url}  sign in as {users}, password {password}\nthe server goes on, Ctrl-C ends it"),
        });
    }

    /// A bar for a device's steps.
    pub(super) fn bar(&self, name: &str, steps: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("  {prefix} {bar:30} {pos:>3}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let padding = " ".repeat(NAME_CELLS.saturating_sub(cells(name)));
        let bar = ProgressBar::new(steps as u64).with_style(style).with_prefix(format!("{name}{padding}"));
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.drawn.add(bar);
        bars.kept.push(bar.clone());
        bar
    }

    /// Lets the audience follow.
    pub(super) fn pause(&self) {
        if !self.pace.is_zero() {
            std::thread::sleep(self.pace);
        }
    }

    fn say(&self, text: &str) {
        if !self.silent {
            let mut stdout = std::io::stdout().lock();
            // The play goes on without listeners.
            let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        }
    }
}
