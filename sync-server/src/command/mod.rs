//! The command line of the branch server.
//!
//! Receives the arguments of the process, hands one [`Report`](output::Report) to stdout or stderr
//! and an exit code to the shell. No rule and no SQL lives here: commands ask the hub. Every command
//! speaks Chinese or English and, with `--json`, one JSON value.

pub mod output;
pub mod qr;
mod settings;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use xunyuan_core::error::Error;

use crate::clock::{self, Clock};
use crate::config::{Effective, Flags};
use output::{Exit, Lang, Report};

/// 巡园分公司服务器 · Branch server of Xunyuan: reconciles what devices wrote offline.
#[derive(Debug, Parser)]
#[command(name = "xunyuan-server", version, max_term_width = 110)]
pub struct Cli {
    /// 配置文件 · Configuration file (XUNYUAN_CONFIG) [default: xunyuan-server.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// 数据目录 · Data directory (XUNYUAN_DATA) [default: xunyuan-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// 以 JSON 输出 · Print one JSON value
    #[arg(long, global = true)]
    json: bool,
    /// 输出语言,默认取自 LC_ALL/LANG · Language of the output, by default that of LC_ALL or LANG
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 显示生效的配置及其来源 · Print the settings that hold and where each came from
    Config(Flags),
    /// 生成命令行补全 · Print a completion script
    Completions {
        /// 终端种类 · Which shell
        shell: clap_complete::Shell,
    },
}

/// What every command knows: settings, language, clock.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) effective: Effective,
    pub(crate) lang: Lang,
    pub(crate) clock: Clock,
    pub(crate) json: bool,
}

/// Runs the command that the arguments name and says how the process shall end.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are answers, everything else is a usage error.
            let exit = if e.use_stderr() { Exit::Usage } else { Exit::Done };
            return if e.print().is_ok() { exit.into() } else { Exit::Usage.into() };
        }
    };
    let variable = |name: &str| std::env::var(name).ok();
    let lang = cli.lang.unwrap_or_else(|| Lang::of_locale(variable));
    let json = cli.json;
    let report = run(cli, lang, variable).unwrap_or_else(|error| Report::failed(&error, lang));
    match report.write(json) {
        Ok(()) => report.exit.into(),
        Err(_) => Exit::Store.into(),
    }
}

fn run(cli: Cli, lang: Lang, variable: impl Fn(&str) -> Option<String>) -> Result<Report, Error> {
    let mut flags = match &cli.command {
        Command::Config(flags) => flags.settings(),
        Command::Completions { .. } => Vec::new(),
    };
    if let Some(dir) = &cli.data {
        flags.push(("data.dir", dir.to_string_lossy().into_owned()));
    }
    let clock = match Clock::from_variable(variable(clock::VARIABLE).as_deref()) {
        Ok(clock) => clock,
        Err(error) => return Ok(Report { exit: Exit::Usage, ..Report::failed(&error, lang) }),
    };
    let effective = match Effective::read(&flags, &variable, cli.config.as_deref()) {
        Ok(effective) => effective,
        Err(error) => return Ok(Report { exit: Exit::Usage, ..Report::failed(&error, lang) }),
    };
    let context = Context { effective, lang, clock, json: cli.json };
    announce_clock(&context, &mut std::io::stderr().lock());
    match cli.command {
        Command::Config(_) => settings::show(&context),
        Command::Completions { shell } => Ok(completions(shell)),
    }
}

fn completions(shell: clap_complete::Shell) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "xunyuan-server", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Report::done(serde_json::json!({ "script": script }), script)
}

/// A set clock must never be overlooked.
fn announce_clock(context: &Context, stderr: &mut impl std::io::Write) {
    if context.clock.is_set() {
        let now = xunyuan_core::time::rfc3339(context.clock.now_ms(), 480);
        let text = context
            .lang
            .pick("注意:时钟由 XUNYUAN_CLOCK 设定,现在是", "note: XUNYUAN_CLOCK sets the clock, it is now");
        // Nothing better can be done when stderr is closed.
        let _ = writeln!(stderr, "{text} {now}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("xunyuan-server").chain(arguments.iter().copied()))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_are_errors_and_help_is_not() {
        for wrong in [
            &["fly"][..],
            &[],
            &["config", "--listen", "somewhere"],
            &["config", "--exchanges-max", "0"],
            &["config", "--lang", "fr"],
            &["completions"],
        ] {
            assert!(parse(wrong).unwrap_err().use_stderr(), "{wrong:?}");
        }
        assert!(!parse(&["--help"]).unwrap_err().use_stderr());
        assert!(!parse(&["--version"]).unwrap_err().use_stderr());
    }

    #[test]
    fn a_wrong_setting_or_clock_ends_with_the_usage_code() {
        let cli = parse(&["config"]).unwrap();
        let report = run(cli, Lang::En, |name| (name == "XUNYUAN_CLOCK").then(|| "noon".to_owned())).unwrap();
        assert_eq!(report.exit, Exit::Usage);
        let cli = parse(&["config", "--config", "/nonexistent.toml"]).unwrap();
        assert_eq!(run(cli, Lang::Zh, |_| None).unwrap().exit, Exit::Usage);
    }

    #[test]
    fn flags_reach_the_settings() {
        let cli =
            parse(&["config", "--listen", "127.0.0.1:9", "--data", "/d", "--log-format", "json"]).unwrap();
        let report = run(cli, Lang::En, |_| None).unwrap();
        assert_eq!(report.json["settings"]["listen.address"]["value"], "127.0.0.1:9");
        assert_eq!(report.json["settings"]["listen.address"]["from"], "flag");
        assert_eq!(report.json["settings"]["data.dir"]["value"], "/d");
        assert_eq!(report.json["settings"]["log.format"]["value"], "json");
        assert_eq!(report.json["settings"]["log.level"]["from"], "default");
    }

    #[test]
    fn completions_name_the_commands() {
        let cli = parse(&["completions", "bash"]).unwrap();
        assert!(run(cli, Lang::En, |_| None).unwrap().text.contains("completions"));
    }

    #[test]
    fn a_set_clock_is_announced() {
        let effective = Effective::read(&[], |_| None, None).unwrap();
        let clock = Clock::from_variable(Some("2026-11-23T09:00:00+08:00")).unwrap();
        let mut out = Vec::new();
        announce_clock(&Context { effective, lang: Lang::En, clock, json: false }, &mut out);
        assert!(String::from_utf8(out).unwrap().contains("2026-11-23T09:00:0"));
    }
}
