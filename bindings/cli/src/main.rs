//! `xunyuan`: the terminal's face of the core.
//!
//! A thin shell: it reads arguments, the clock and randomness, carries bytes over HTTP and prints.
//! What may be done and what it means is decided by `xunyuan-core`.
#![expect(dead_code, unused_imports, reason = "carried out by the commands as they come")]

mod args;
mod clock;
mod failure;
mod locale;
mod net;
mod output;
mod place;

use std::process::ExitCode;

use args::{Cli, Command, Parsed};
use failure::Failure;
use locale::Lang;
use output::{Output, Report};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let lang = Lang::of_run(&args, |name| std::env::var(name).ok());
    let output = Output::new(lang, args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json"));
    let outcome = match args::parse(&args, lang) {
        Ok(Parsed::Print(text)) => Ok(Report::done(serde_json::Value::String(text.clone()), text)),
        Ok(Parsed::Run(cli)) => run(&cli, &output),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(report) => {
            output.report(&report);
            ExitCode::from(report.exit)
        }
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit())
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the commands that need a replica come with it")]
fn run(cli: &Cli, output: &Output) -> Result<Report, Failure> {
    match &cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut args::tree(output.lang()), "xunyuan", &mut script);
            let script = String::from_utf8_lossy(&script).into_owned();
            Ok(Report::done(serde_json::json!({ "script": script }), script))
        }
        _ => Err(Failure::usage("unknown", "没有这个命令", "there is no such command")),
    }
}
