//! `xunyuan`: the terminal's face of the core.
//!
//! A thin shell: it reads arguments and prints; `xunyuan-ffi` brings the clock and carries the bytes.
//! What may be done and what it means is decided by `xunyuan-core`.

mod args;
mod commands;
mod device;
mod failure;
mod input;
mod key;
mod locale;
mod output;
mod place;
mod show;
mod sync;

use std::process::ExitCode;

use args::Parsed;
use failure::{Failure, exit_of};
use output::{Output, Report};
use xunyuan_ffi::clock::{CLOCK_VARIABLE, Clock};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let lang = locale::of_run(&args, |name| std::env::var(name).ok());
    let output = Output::new(lang, args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json"));
    match run(&args, &output) {
        Ok(report) => {
            output.report(&report);
            ExitCode::from(report.exit)
        }
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(exit_of(&failure))
        }
    }
}

fn run(args: &[String], output: &Output) -> Result<Report, Failure> {
    let cli = match args::parse(args, output.lang())? {
        Parsed::Run(cli) => cli,
        Parsed::Print(text) => return Ok(Report::done(serde_json::json!({ "text": text }), text)),
    };
    let clock = Clock::from_setting(std::env::var(CLOCK_VARIABLE).ok().as_deref(), None)?;
    if let Some((zh, en)) = clock.notice() {
        output.say(&zh, &en);
    }
    commands::run(&cli, &clock, output)
}
