//! The command line of the branch server.
//!
//! Receives the arguments of the process, hands one [`Report`] to stdout or stderr
//! and an exit code to the shell. No rule and no SQL lives here: commands ask the hub. Every command
//! speaks Chinese or English and, with `--json`, one JSON value.

mod definitions;
mod duties;
mod history;
mod hooks;
mod imports;
mod organisation;
pub mod output;
pub(crate) mod people;
mod photos;
pub mod qr;
mod report;
mod serve;
mod settings;
mod store;
mod tokens;
pub(crate) mod users;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use xunyuan_core::error::{Error, ErrorKind};

use crate::clock::{self, Clock};
use crate::config::{Effective, Flags};
use crate::hub::{Hub, HubOptions};
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
    /// 启动分公司服务器 · Run the branch server
    Serve(Flags),
    /// 建立数据目录(可省略) · Make the data directory (optional)
    Init {
        /// 组织文件 · Organisation to load
        #[arg(long, value_name = "FILE", conflicts_with = "sample")]
        organisation: Option<PathBuf>,
        /// 载入示例组织 · Load the sample organisation
        #[arg(long)]
        sample: bool,
    },
    /// 组织:项目、人员、点位、排班 · Organisation: projects, people, checkpoints, schedules
    #[command(subcommand)]
    Org(Org),
    /// 邀请一台设备登记,输出链接和二维码 · Invite a device: a link and a QR code
    Invite(people::Invite),
    /// 停用设备 · Revoke a device
    Revoke {
        /// 设备码或设备标识 · Code or id of the device, see devices
        device: String,
    },
    /// 控制台登录:口令链接、退出 · Who signs in to the console: links for passwords, signing out
    #[command(subcommand)]
    User(users::User),
    /// 访问令牌:其他软件读取数据用 · Access tokens, with which other programs read
    #[command(subcommand)]
    Token(tokens::Command),
    /// 推送:把事件告诉其他软件或机器人 · Webhooks: events told to other programs and robots
    #[command(subcommand)]
    Webhook(hooks::Command),
    /// 设备:最近联系、未同步、版本、时钟 · Devices: last seen, pending, versions, skew
    Devices,
    /// 责任清单:谁在何时前该做什么,现在怎样 · Duties: who owes what by when, and how it stands
    Duties(duties::Arguments),
    /// 被拒的内容及原因 · What the branch refused, and why
    Refusals {
        /// 最多显示几条 · Most lines to show
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// 检查表、台帐等定义 · Checklists, ledgers and other definitions
    #[command(subcommand)]
    Definitions(Definitions),
    /// 在线备份 · Back up while the server runs
    Backup {
        /// 备份文件,不可已存在 · File to write, must not exist
        file: PathBuf,
        /// 照片与附件的备份目录,只补缺少的 · Folder for photos and files; only what it lacks is copied
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
    },
    /// 从头核验所有链、签名、摘要、照片 · Check every chain, signature, digest and photo from zero
    Verify {
        /// 不核对照片与附件 · Leave photos and files out
        #[arg(long)]
        skip_files: bool,
    },
    /// 照片与附件:缺哪些、在谁那里 · Photos and files: what is missing, and who has it
    Photos(photos::Arguments),
    /// 报表:list 列出全部 · A report; list names them all
    Report(report::Arguments),
    /// 一条记录的全部更改及其在流水中的凭据 · Every change of a record, with what in the log proves it
    History {
        /// 编号、临时号或文档编号 · Number, temporary number or document id
        record: String,
    },
    /// 导出 · Export
    #[command(subcommand)]
    Export(store::Export),
    /// 演示:真实服务器与真实设备的一天 · Demonstration: a day with the real server and real devices
    Demo(crate::demo::Arguments),
    /// 显示生效的配置及其来源 · Print the settings that hold and where each came from
    Config(Flags),
    /// 生成命令行补全 · Print a completion script
    Completions {
        /// 终端种类 · Which shell
        shell: clap_complete::Shell,
    },
    #[command(name = crate::demo::child::COMMAND, hide = true)]
    DemoDevice,
}

impl Command {
    /// The settings that the command's flags name.
    fn settings(&self) -> Vec<(&'static str, String)> {
        if let Self::Serve(flags) | Self::Config(flags) = self { flags.settings() } else { Vec::new() }
    }
}

#[derive(Debug, Subcommand)]
enum Org {
    /// 载入组织文件 · Load an organisation
    Load {
        /// JSON 文件 · JSON file
        file: PathBuf,
    },
    /// 组织架构:谁在哪里任何岗,向谁汇报 · Who works where, in which role, and answers to whom
    Show,
    /// 从 Excel 读入项目、人员和角色 · Read projects, people and roles from Excel
    Import {
        /// .xlsx 文件 · .xlsx file
        file: PathBuf,
        /// 只检查,不发布 · Check only, publish nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// 生成待填的 Excel · Write an Excel file to fill in
    Template {
        /// .xlsx 文件,不可已存在 · .xlsx file, must not exist
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Definitions {
    /// 检查目录中的定义,每个问题一行 · Check a directory, one line per problem
    Check {
        /// 含 *.json 的目录 · Directory with *.json
        dir: PathBuf,
    },
    /// 检查并发布 · Check and publish
    Load {
        /// 含 *.json 的目录 · Directory with *.json
        dir: PathBuf,
    },
    /// 列出已发布的定义 · List what is published
    List,
    /// 从 Excel 读入检查表并发布 · Read a checklist from Excel and publish it
    Import(imports::Import),
    /// 生成待填的检查表 Excel · Write an Excel checklist to fill in
    Template {
        /// .xlsx 文件,不可已存在 · .xlsx file, must not exist
        file: PathBuf,
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

/// Local time of output for people, minutes from UTC: the branch's.
const UTC_OFFSET_MIN: i16 = 480;

impl Context {
    fn hub_options(&self) -> Result<HubOptions, Error> {
        Ok(HubOptions { vault: self.effective.config.files.vault(), ..HubOptions::new(entropy()?) })
    }

    /// The hub for the one process that serves.
    fn serving_hub(&self) -> Result<Hub, Error> {
        let hub = Hub::open(&self.effective.config.data.dir, &self.hub_options()?)?;
        definitions::publish_missing(&hub, self.clock.now_ms())?;
        Ok(hub)
    }

    /// The hub for a command; it may work beside the process that serves.
    fn hub(&self) -> Result<Hub, Error> {
        let options = HubOptions { beside: true, ..self.hub_options()? };
        Hub::open(&self.effective.config.data.dir, &options)
    }
}

/// Fresh random bytes.
pub(crate) fn entropy() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(
            ErrorKind::Storage,
            format!("系统没有提供随机数:{e}"),
            format!("the system gives no random bytes: {e}"),
        )
    })?;
    Ok(bytes)
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
    let mut flags = cli.command.settings();
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
    perform(cli.command, &context)
}

fn perform(command: Command, context: &Context) -> Result<Report, Error> {
    match command {
        Command::Serve(_) => serve::run(context),
        Command::Init { organisation, sample } => store::init(context, organisation.as_deref(), sample),
        Command::Org(Org::Load { file }) => definitions::load_organisation(context, &file),
        Command::Org(Org::Show) => organisation::show(context),
        Command::Org(Org::Import { file, dry_run }) => imports::organisation(context, &file, dry_run),
        Command::Org(Org::Template { file }) => {
            imports::template(context, &file, crate::import::organisation_template)
        }
        Command::Invite(arguments) => people::invite(context, &arguments),
        Command::Revoke { device } => people::revoke(context, &device),
        Command::User(command) => users::run(context, &command),
        Command::Token(command) => tokens::run(context, &command),
        Command::Webhook(command) => hooks::run(context, &command),
        Command::Devices => people::devices(context),
        Command::Duties(arguments) => duties::list(context, &arguments),
        Command::Refusals { limit } => people::refusals(context, limit),
        Command::Definitions(Definitions::Check { dir }) => definitions::check(context, &dir),
        Command::Definitions(Definitions::Load { dir }) => definitions::load(context, &dir),
        Command::Definitions(Definitions::List) => definitions::list(context),
        Command::Definitions(Definitions::Import(arguments)) => imports::definitions(context, &arguments),
        Command::Definitions(Definitions::Template { file }) => {
            imports::template(context, &file, crate::import::checklist_template)
        }
        Command::Backup { file, files } => store::backup(context, &file, files.as_deref()),
        Command::Verify { skip_files } => store::verify(context, skip_files),
        Command::Photos(arguments) => photos::list(context, &arguments),
        Command::Report(arguments) => report::run(context, &arguments),
        Command::History { record } => history::run(context, &record),
        Command::Export(what) => store::export(context, &what),
        Command::Demo(arguments) => crate::demo::run(&arguments, context.lang, context.json),
        Command::DemoDevice => crate::demo::child::run(),
        Command::Config(_) => settings::show(context),
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
