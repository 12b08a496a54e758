//! What each command does: read what was typed, call the core once, show what came of it.
//!
//! Receives parsed arguments and an open device, hands on a report. No rule is decided here and no
//! record is changed but through the core's front door.

mod describe;
mod drafts;
mod duties;
mod enroll;
mod entry;
mod inspection;
mod keys;
mod lookup;
mod photos;
mod report;
mod standing;

use std::collections::BTreeMap;
use xunyuan_core::document::model::Value;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::net::Carrier;
use xunyuan_ffi::place::damaged;

use crate::args::{Cli, Command, tree};
use crate::device::{APP, Device};
use crate::failure::Failure;
use crate::key::KeyFile;
use crate::output::{Output, Report};
use crate::place::replica_file;
use crate::sync::Session;

/// Named values of a form, as the core takes them.
type Fields = BTreeMap<String, Value>;

/// Carries out a command.
///
/// # Errors
/// Why it was not done.
pub(crate) fn run(cli: &Cli, clock: &Clock, output: &Output) -> Result<Report, Failure> {
    if let Command::Completions { shell } = &cli.command {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut tree(output.lang()), "xunyuan", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        return Ok(Report::done(serde_json::json!({ "script": script }), script));
    }
    let named = cli.replica.as_deref();
    let carrier = || Carrier::new(APP, cli.proxy.as_deref());
    let key = KeyFile::named(cli.key_file.as_deref())?;
    if let Command::Enroll { link, dir } = &cli.command {
        let place = enroll::place(dir.as_deref(), named)?;
        return enroll::enroll(link, &place, &Session { carrier: &carrier()?, clock, key: &key, output });
    }
    if let Command::Sync(args) = &cli.command {
        return standing::sync(named, *args, &Session { carrier: &carrier()?, clock, key: &key, output });
    }
    if let Command::Encrypt = &cli.command {
        return keys::encrypt(&replica_file(named)?, &key, clock, output);
    }
    if let Command::Decrypt = &cli.command {
        return keys::decrypt(&replica_file(named)?, &key, output);
    }
    if let Command::Rekey { new_key_file } = &cli.command {
        return keys::rekey(&replica_file(named)?, &key, new_key_file, clock, output);
    }
    let mut device = Device::open(named, &key, clock, output)?;
    let outcome = if let Command::Whoami = &cli.command {
        standing::whoami(&device)
    } else if let Command::Photos { command } = &cli.command {
        device.in_service().and_then(|()| {
            let session = Session { carrier: &carrier()?, clock, key: &key, output };
            photos::photos(&mut device, command.as_ref(), &session)
        })
    } else {
        device.in_service().and_then(|()| on_device(&mut device, &cli.command))
    };
    let file = device.file.clone();
    drop(device);
    outcome.map_err(|failure| damaged(&file, failure, clock))
}

fn on_device(device: &mut Device<'_>, command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Enroll { .. }
        | Command::Sync(_)
        | Command::Encrypt
        | Command::Decrypt
        | Command::Rekey { .. }
        | Command::Completions { .. }
        | Command::Photos { .. }
        | Command::Whoami => unreachable!("carried out by the caller"),
        Command::Drafts { command } => drafts::drafts(device, command.as_ref()),
        Command::Status => standing::status(device),
        Command::Export { output } => standing::export(device, output),
        Command::Describe { id } => describe::describe(device, id.as_deref()),
        Command::Slots => inspection::slots(device),
        Command::Duties => duties::duties(device),
        Command::Remind { days } => duties::remind(device, *days),
        Command::Start(args) => inspection::start(device, args),
        Command::Set { record, field, value } => inspection::set(device, record, field, value),
        Command::Answer(args) => inspection::answer(device, args),
        Command::Note { record, item, text } => inspection::note(device, record, item, text),
        Command::Scan { record, code, damaged } => inspection::scan(device, record, code, damaged.as_deref()),
        Command::Line { record, group, fields } => inspection::line(device, record, group, fields),
        Command::Sign { record, signoff, drawn } => {
            inspection::sign(device, record, signoff.as_deref(), drawn.as_deref())
        }
        Command::Attach(args) => photos::attach(device, args),
        Command::Complete { record, with_gaps } => inspection::complete(device, record, *with_gaps),
        Command::Review { record, note } => inspection::review(device, record, note),
        Command::Amend(args) => inspection::amend(device, args),
        Command::Continue { record } => lookup::continue_record(device, record),
        Command::Upgrade { record } => inspection::upgrade(device, record),
        Command::Entry(entry) => entry::entry(device, entry),
        Command::Show { record } => lookup::show(device, record),
        Command::List(args) => lookup::list(device, args),
        Command::Search { text, limit } => lookup::search(device, text, *limit),
        Command::History { record } => lookup::history(device, record),
        Command::Report(args) => report::report(device, args),
        Command::Conflicts => lookup::conflicts(device),
        Command::Resolve { record, key, choice } => lookup::resolve(device, record, key, *choice),
    }
}
