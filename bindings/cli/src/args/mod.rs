//! The command line: what a person can type.
//!
//! Receives the process's arguments and hands on one [`Cli`]. The English help stands here as doc
//! comments, the Chinese in [`zh`]; a test keeps the two complete. No command is carried out here.

mod drafts;
mod entry;
mod photos;
mod report;
mod zh;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use xunyuan_ffi::words::Lang;

use crate::failure::Failure;

pub(crate) use drafts::DraftsCommand;
pub(crate) use entry::{EntryCommand, ListArgs};
pub(crate) use photos::{AttachArgs, PhotosCommand};
pub(crate) use report::ReportArgs;

/// Xunyuan on the command line: patrols and ledgers without signal, reconciled with the branch.
#[derive(Debug, Parser)]
#[command(name = "xunyuan", version, disable_help_subcommand = true, disable_help_flag = true)]
#[command(disable_version_flag = true)]
pub(crate) struct Cli {
    /// Language of all output, zh or en (default: the locale, else Chinese)
    #[arg(long, global = true, value_parser = crate::locale::parser(), value_name = "LANG", hide_possible_values = true)]
    pub(crate) lang: Option<Lang>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The replica file (default: the only *.xunyuan file in the data directory)
    #[arg(long, global = true, value_name = "FILE", env = "XUNYUAN_REPLICA", hide_env_values = true)]
    pub(crate) replica: Option<PathBuf>,
    /// The key file of encrypted replicas: 64 hexadecimal digits or 32 bytes
    #[arg(long, global = true, value_name = "FILE", env = "XUNYUAN_KEY_FILE", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Proxy towards the branch, http://host:port (default: what HTTPS_PROXY and the like name)
    #[arg(long, global = true, value_name = "URL", env = "XUNYUAN_PROXY", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// Print help
    #[arg(short = 'h', long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One action of a person.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Turn a one-time link of the branch into a replica on this device (needs signal)
    Enroll {
        /// The link, as text: xunyuan://enroll?... or https://.../enroll#...
        link: String,
        /// Directory for the new replica file, named after the person (default: the data directory)
        #[arg(long, value_name = "DIR", conflicts_with = "replica")]
        dir: Option<PathBuf>,
    },
    /// Encrypt the replica file under the key of --key-file, which is made where it is not there
    Encrypt,
    /// Decrypt the replica file
    Decrypt,
    /// Give the encrypted replica file another key
    Rekey {
        /// The new key file, made where it is not there
        #[arg(value_name = "NEW_KEY_FILE")]
        new_key_file: PathBuf,
    },
    /// Who this replica writes for
    Whoami,
    /// Today's slots of the schedule and how far each one is
    Slots,
    /// What you owe by when, and how it stands as far as this device knows
    #[command(visible_alias = "mine")]
    Duties,
    /// What this device would remind you of in the next days, computed without signal
    Remind {
        /// How many days ahead
        #[arg(long, value_name = "DAYS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=31))]
        days: u32,
    },
    /// What can be filled in: the checklists and ledgers, or the fields and options of one
    Describe {
        /// A checklist or ledger id
        id: Option<String>,
    },
    /// Start a scheduled slot, or a free inspection with --checklist and --project
    Start(StartArgs),
    /// Show one inspection or ledger entry
    Show {
        /// Document id (at least 4 digits), temporary or official number
        record: String,
    },
    /// Set a header field of an inspection
    Set {
        /// The inspection
        record: String,
        /// The field id
        field: String,
        /// The value; for a set of people, ids with commas
        value: String,
    },
    /// Answer an item of an inspection
    Answer(AnswerArgs),
    /// Write the note of an item
    Note {
        /// The inspection
        record: String,
        /// The item id
        item: String,
        /// The whole note
        text: String,
    },
    /// Record a checkpoint by its code
    Scan {
        /// The inspection
        record: String,
        /// The code on the tag
        code: String,
        /// The tag cannot be read: why, and CODE is the checkpoint id or the printed code
        #[arg(long, value_name = "REASON")]
        damaged: Option<String>,
    },
    /// Add a line to a repeat group of an inspection
    Line {
        /// The inspection
        record: String,
        /// The group id
        group: String,
        /// Fields of the line
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
    },
    /// Sign an inspection off
    Sign {
        /// The inspection
        record: String,
        /// Which sign-off (may be left out when there is only one)
        signoff: Option<String>,
        /// The signature as drawn: SVG or PNG
        #[arg(long, value_name = "FILE")]
        drawn: Option<PathBuf>,
    },
    /// Complete an inspection; says what is still missing
    Complete {
        /// The inspection
        record: String,
        /// Complete it although something is missing: a colleague's part may not have arrived yet
        #[arg(long)]
        with_gaps: bool,
    },
    /// Review a completed inspection as a supervisor
    Review {
        /// The inspection
        record: String,
        /// What the supervisor says
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Correct answers of a completed inspection, with the reason
    Amend(AmendArgs),
    /// Go on with a sealed record in its continuation
    Continue {
        /// The record
        record: String,
    },
    /// Move a draft to the newest version of its checklist; keeps every answer
    Upgrade {
        /// The inspection
        record: String,
    },
    /// Ledger entries: new, edit, event, add
    #[command(subcommand)]
    Entry(EntryCommand),
    /// List records
    List(ListArgs),
    /// Search all text, numbers included
    Search {
        /// What to look for
        text: String,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// The history of one record: who, when, what
    History {
        /// The record
        record: String,
    },
    /// What two people wrote differently without knowing of each other
    Conflicts,
    /// Decide a conflict
    Resolve {
        /// The record
        record: String,
        /// The key, as `conflicts` prints it
        key: String,
        /// The number of the value that holds, as `conflicts` prints it
        choice: u32,
    },
    /// Put photos, papers, sounds or drawn signatures into a record
    Attach(AttachArgs),
    /// Photos and files: list with their state, retry, replace, discard, fetch, export
    Photos {
        /// What to do with them; without it those that wait are listed
        #[command(subcommand)]
        command: Option<PhotosCommand>,
    },
    /// What the branch refused: list, show, apply, export, discard
    Drafts {
        /// What to do with them; without it they are listed.
        #[command(subcommand)]
        command: Option<DraftsCommand>,
    },
    /// A report over the records on this device: as a table, JSON, CSV, workbook or a page to print
    Report(ReportArgs),
    /// What waits for the branch, what it refused, the last exchange, cursors and clock
    Status,
    /// Exchange with the branch, for every person with a replica in this directory
    Sync(SyncArgs),
    /// Write all documents and pending changes of this replica to a file, for support
    Export {
        /// The file to write; never overwrites
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Print the completion script of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The slot, as `slots` prints it
    #[arg(conflicts_with = "checklist", required_unless_present = "checklist")]
    pub(crate) slot: Option<String>,
    /// The checklist of a free inspection
    #[arg(long, value_name = "ID", requires = "project")]
    pub(crate) checklist: Option<String>,
    /// The project of a free inspection, or of a slot that several projects have
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
}

/// An answer with its evidence.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The inspection
    pub(crate) record: String,
    /// The item id
    pub(crate) item: String,
    /// An option, a number or a text, after the kind of item; `-` withdraws the answer
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Note for the item; replaces the one that is there
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Photo for the item; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) photo: Vec<PathBuf>,
}

/// A correction with its reason.
#[derive(Debug, Args)]
pub(crate) struct AmendArgs {
    /// The inspection
    pub(crate) record: String,
    /// The corrected answers
    #[arg(value_name = "ITEM=VALUE")]
    pub(crate) answers: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Note for an item; may be repeated
    #[arg(long, value_name = "ITEM=TEXT")]
    pub(crate) note: Vec<String>,
    /// Photo for an item; may be repeated
    #[arg(long, value_name = "ITEM=FILE")]
    pub(crate) photo: Vec<String>,
}

/// How to exchange.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SyncArgs {
    /// Stay and exchange whenever the branch or this device has something new
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: exchange at least so often, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3600))]
    pub(crate) every: u64,
}

/// What the arguments ask for.
pub(crate) enum Parsed {
    /// A command to carry out.
    Run(Box<Cli>),
    /// Text to print as it is: help or version.
    Print(String),
}

/// Reads the arguments in the language of the run.
///
/// Without any argument the help is what the person wants.
///
/// # Errors
/// A usage failure in both languages; the English detail is clap's.
pub(crate) fn parse(args: &[String], lang: Lang) -> Result<Parsed, Failure> {
    if args.len() <= 1 {
        return Ok(Parsed::Print(in_language(tree(lang).render_help().to_string(), lang)));
    }
    let outcome = tree(lang)
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| Parsed::Run(Box::new(cli))));
    match outcome {
        Ok(parsed) => Ok(parsed),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp
                    | ErrorKind::DisplayVersion
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            ) && !error.use_stderr() =>
        {
            Ok(Parsed::Print(in_language(error.render().to_string(), lang)))
        }
        Err(error) => Err(zh::usage_failure(&error)),
    }
}

/// Help as it is printed: clap writes a few words of its own into it.
fn in_language(help: String, lang: Lang) -> String {
    match lang {
        Lang::En => help,
        Lang::Zh => zh::words(&help),
    }
}

/// The command tree with its help in one language.
pub(crate) fn tree(lang: Lang) -> clap::Command {
    match lang {
        Lang::En => Cli::command(),
        Lang::Zh => zh::translate(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, Failure> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match parse(&args, Lang::En)? {
            Parsed::Run(cli) => Ok(*cli),
            Parsed::Print(text) => panic!("printed {text}"),
        }
    }

    #[test]
    fn the_tree_is_sound() {
        tree(Lang::En).debug_assert();
        tree(Lang::Zh).debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = parsed("xunyuan status --json --replica a.xunyuan").unwrap();
        assert!(cli.json);
        assert_eq!(cli.replica, Some(PathBuf::from("a.xunyuan")));
    }

    #[test]
    fn an_answer_takes_a_negative_number_a_note_and_photos() {
        let cli = parsed("xunyuan answer ab12 pp.fire.06 -0.5 --note n --photo a.jpg --photo b.jpg").unwrap();
        let Command::Answer(answer) = cli.command else { panic!("not an answer") };
        assert_eq!((answer.value.as_str(), answer.note.as_deref()), ("-0.5", Some("n")));
        assert_eq!(answer.photo.len(), 2);
    }

    #[test]
    fn start_takes_a_slot_or_a_checklist_with_its_project() {
        assert!(parsed("xunyuan start sch.a@2026-11-23T09:00").is_ok());
        assert!(parsed("xunyuan start --checklist tpl.a --project pj.a").is_ok());
        for wrong in ["xunyuan start", "xunyuan start --checklist tpl.a", "xunyuan start s --checklist tpl.a"]
        {
            assert_eq!(crate::failure::exit_of(&parsed(wrong).unwrap_err()), 2, "{wrong}");
        }
    }

    #[test]
    fn help_and_version_are_printed_not_failed() {
        for line in ["xunyuan --help", "xunyuan -V", "xunyuan entry new --help"] {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert!(matches!(parse(&args, Lang::Zh), Ok(Parsed::Print(_))), "{line}");
        }
    }
}
