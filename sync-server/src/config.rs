//! The server's settings: file, environment and flags, one struct per area.
//!
//! Precedence: flags, then `XUNYUAN_*` variables, then the TOML file, then the default. Unknown keys
//! of the file are refused. Every source becomes one table of the same shape; the tables are laid
//! over each other and read once, so that a setting cannot exist in one source and lack in another.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use xunyuan_core::error::{Error, ErrorKind};

/// The file that is read when neither `--config` nor `XUNYUAN_CONFIG` names one and it exists.
pub const DEFAULT_FILE: &str = "xunyuan-server.toml";

/// Variables of the environment and the setting that each one sets.
pub const VARIABLES: &[(&str, &str)] = &[
    ("XUNYUAN_DATA", "data.dir"),
    ("XUNYUAN_LISTEN", "listen.address"),
    ("XUNYUAN_PUBLIC_URL", "listen.public_url"),
    ("XUNYUAN_BODY_BYTES_MAX", "limits.body_bytes_max"),
    ("XUNYUAN_EXCHANGES_MAX", "limits.exchanges_max"),
    ("XUNYUAN_EXCHANGE_WAIT_MS", "limits.exchange_wait_ms"),
    ("XUNYUAN_POKE_STREAMS_MAX", "limits.poke_streams_max"),
    ("XUNYUAN_REQUEST_TIMEOUT_S", "limits.request_timeout_s"),
    ("XUNYUAN_STOP_GRACE_S", "limits.stop_grace_s"),
    ("XUNYUAN_LOG", "log.level"),
    ("XUNYUAN_LOG_FORMAT", "log.format"),
];

/// All settings of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the branch's data lies.
    pub data: DataConfig,
    /// Where devices reach the server.
    pub listen: ListenConfig,
    /// How much the server takes on at once.
    pub limits: LimitConfig,
    /// What the server writes about itself to stderr.
    pub log: LogConfig,
}

/// Where the branch's data lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The data directory; made when it is missing. `XUNYUAN_DATA`, default `xunyuan-data`.
    pub dir: PathBuf,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: PathBuf::from("xunyuan-data") }
    }
}

/// Where devices reach the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port to listen on; port 0 takes a free one. `XUNYUAN_LISTEN`, default
    /// `127.0.0.1:7070`.
    pub address: SocketAddr,
    /// The address that enrolment links name, e.g. `https://sync.example.cn`; empty for
    /// `http://` and the listening address. `XUNYUAN_PUBLIC_URL`, default empty.
    pub public_url: String,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 7070)), public_url: String::new() }
    }
}

impl ListenConfig {
    /// The address that enrolment links name, without a slash at the end.
    #[must_use]
    pub fn link_url(&self) -> String {
        if self.public_url.is_empty() {
            format!("http://{}", self.address)
        } else {
            self.public_url.trim_end_matches('/').to_owned()
        }
    }
}

/// How much the server takes on at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Largest exchange body as it arrives, bytes; more is answered with status 413.
    /// `XUNYUAN_BODY_BYTES_MAX`, default 4194304.
    pub body_bytes_max: usize,
    /// Exchanges and enrolments that run at the same time. `XUNYUAN_EXCHANGES_MAX`, default 32.
    pub exchanges_max: usize,
    /// How long a request waits for its turn before status 503, milliseconds.
    /// `XUNYUAN_EXCHANGE_WAIT_MS`, default 5000.
    pub exchange_wait_ms: u64,
    /// Devices that may listen for pokes at the same time. `XUNYUAN_POKE_STREAMS_MAX`, default 2000.
    pub poke_streams_max: usize,
    /// Longest time for one request from its first byte to the head of the reply, seconds.
    /// `XUNYUAN_REQUEST_TIMEOUT_S`, default 60.
    pub request_timeout_s: u64,
    /// How long a stopping server waits for running requests, seconds. `XUNYUAN_STOP_GRACE_S`,
    /// default 20.
    pub stop_grace_s: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: xunyuan_core::limits::REQUEST_BYTES_MAX,
            exchanges_max: 32,
            exchange_wait_ms: 5_000,
            poke_streams_max: 2_000,
            request_timeout_s: 60,
            stop_grace_s: 20,
        }
    }
}

/// What the server writes about itself to stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Filter of tracing, e.g. `info` or `warn,xunyuan_server=debug`. `XUNYUAN_LOG`, default `info`.
    pub level: String,
    /// Shape of a line. `XUNYUAN_LOG_FORMAT`, default `text`.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings that a command takes as flags; `--data` and `--config` belong to every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// 监听地址 · Address and port to listen on, port 0 takes a free one [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// 登记链接所用的公开地址 · Address that enrolment links name
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// 单次交换的最大字节数 · Largest exchange body, bytes [default: 4194304]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1024..))]
    pub body_bytes_max: Option<u32>,
    /// 同时处理的交换数 · Exchanges that run at the same time [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub exchanges_max: Option<u32>,
    /// 日志过滤 · Log filter, e.g. warn,xunyuan_server=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// 日志格式 · Shape of a log line [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl Flags {
    /// The flags that were given, by the dotted name of their setting.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let format = self.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        [
            ("listen.address", self.listen.map(|address| address.to_string())),
            ("listen.public_url", self.public_url.clone()),
            ("limits.body_bytes_max", self.body_bytes_max.map(|n| n.to_string())),
            ("limits.exchanges_max", self.exchanges_max.map(|n| n.to_string())),
            ("log.level", self.log.clone()),
            ("log.format", format),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// Where the value of a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Built in.
    Default,
    /// The TOML file.
    File,
    /// A `XUNYUAN_*` variable.
    Environment,
    /// A flag of the command.
    Flag,
}

/// The settings as they hold, each with where it came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The settings.
    pub config: Config,
    /// The file that was read, when one was.
    pub file: Option<PathBuf>,
    /// Origin of each setting by its dotted name, e.g. `listen.address`.
    pub origins: BTreeMap<String, Origin>,
}

impl Effective {
    /// Reads the settings from `flags` (dotted name and value), the environment and the file.
    ///
    /// # Errors
    /// `Invalid` with the place when a value or key is not understood; `Storage` when the named file
    /// cannot be read.
    pub fn read(
        flags: &[(&str, String)],
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, Error> {
        let named = file.map(Path::to_owned).or_else(|| variable("XUNYUAN_CONFIG").map(PathBuf::from));
        let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file()));
        let text = match &file {
            Some(path) => read_file(path)?,
            None => String::new(),
        };
        let mut effective = Self::lay(flags, variable, &text)?;
        effective.file = file;
        Ok(effective)
    }

    fn lay(
        flags: &[(&str, String)],
        variable: impl Fn(&str) -> Option<String>,
        file: &str,
    ) -> Result<Self, Error> {
        let mut settings = flatten(&table_of(&Config::default())?);
        let mut origins: BTreeMap<String, Origin> =
            settings.keys().map(|key| (key.clone(), Origin::Default)).collect();
        // Read as settings first: the message of a wrong key or value then carries line and column.
        toml::from_str::<Config>(file).map_err(|e| invalid("配置文件", "the configuration file", e))?;
        let from_file: toml::Table =
            toml::from_str(file).map_err(|e| invalid("配置文件", "the configuration file", e))?;
        let mut put = |key: String, value: toml::Value, origin: Origin| {
            origins.insert(key.clone(), origin);
            settings.insert(key, value);
        };
        for (key, value) in flatten(&from_file) {
            put(key, value, Origin::File);
        }
        let defaults = flatten(&table_of(&Config::default())?);
        for (name, key) in VARIABLES {
            if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
                put((*key).to_owned(), typed(name, &defaults[*key], text)?, Origin::Environment);
            }
        }
        for (key, text) in flags {
            put((*key).to_owned(), typed(key, &defaults[*key], text.clone())?, Origin::Flag);
        }
        let config = nest(&settings)
            .try_into::<Config>()
            .map_err(|e| invalid("环境变量或参数", "a variable or flag", e))?;
        Ok(Self { config, file: None, origins })
    }

    /// Every setting by its dotted name with its value as text and its origin, sorted.
    ///
    /// # Errors
    /// `Invalid` when a path of the settings is not Unicode.
    pub fn listing(&self) -> Result<Vec<(String, String, Origin)>, Error> {
        let settings = flatten(&table_of(&self.config)?);
        Ok(settings
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origins.get(&key).copied().unwrap_or(Origin::Default);
                (key, value.to_string(), origin)
            })
            .collect())
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| {
        Error::new(
            ErrorKind::Storage,
            format!("无法读取配置文件 {}", path.display()),
            format!("the configuration file {} cannot be read", path.display()),
        )
        .caused_by(e)
    })
}

fn table_of(config: &Config) -> Result<toml::Table, Error> {
    toml::Table::try_from(config).map_err(|e| invalid("配置", "a setting", e))
}

fn flatten(table: &toml::Table) -> BTreeMap<String, toml::Value> {
    let mut flat = BTreeMap::new();
    for (area, value) in table {
        if let Some(inner) = value.as_table() {
            for (key, value) in inner {
                flat.insert(format!("{area}.{key}"), value.clone());
            }
        }
    }
    flat
}

fn nest(flat: &BTreeMap<String, toml::Value>) -> toml::Table {
    let mut table = toml::Table::new();
    for (key, value) in flat {
        let (area, name) = key.split_once('.').unwrap_or(("", key));
        if let toml::Value::Table(inner) =
            table.entry(area).or_insert_with(|| toml::Value::Table(toml::Table::new()))
        {
            inner.insert(name.to_owned(), value.clone());
        }
    }
    table
}

/// Text of a variable or flag as the kind of value that the setting has.
fn typed(name: &str, like: &toml::Value, text: String) -> Result<toml::Value, Error> {
    if !like.is_integer() {
        return Ok(toml::Value::String(text));
    }
    text.trim().parse::<i64>().map(toml::Value::Integer).map_err(|_| {
        Error::new(ErrorKind::Invalid, format!("{name} 应为整数"), format!("{name} must be a whole number"))
    })
}

fn invalid(zh: &str, en: &str, cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("{zh}有误:{cause}"), format!("{en} is not valid: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flags_beat_the_environment_beats_the_file_beats_the_default() {
        let file =
            "[listen]\naddress = \"127.0.0.1:1111\"\n[limits]\nexchanges_max = 3\n[log]\nlevel = \"debug\"\n";
        let env = |name: &str| match name {
            "XUNYUAN_LISTEN" => Some("127.0.0.1:2222".to_owned()),
            "XUNYUAN_EXCHANGES_MAX" => Some("4".to_owned()),
            _ => None,
        };
        let flags = [("listen.address", "127.0.0.1:3333".to_owned())];
        let effective = Effective::lay(&flags, env, file).unwrap();
        assert_eq!(effective.config.listen.address.port(), 3333);
        assert_eq!(effective.config.limits.exchanges_max, 4);
        assert_eq!(effective.config.log.level, "debug");
        assert_eq!(effective.config.limits.stop_grace_s, 20);
        assert_eq!(effective.origins["listen.address"], Origin::Flag);
        assert_eq!(effective.origins["limits.exchanges_max"], Origin::Environment);
        assert_eq!(effective.origins["log.level"], Origin::File);
        assert_eq!(effective.origins["data.dir"], Origin::Default);
    }

    #[test]
    fn unknown_keys_and_wrong_kinds_are_refused_with_their_place() {
        for file in
            ["[listen]\nadress = \"x\"\n", "[network]\n", "[limits]\nexchanges_max = \"many\"\n", "[limits\n"]
        {
            let error = Effective::lay(&[], none, file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{file}");
            assert!(error.sentence().en.contains("line"), "{}", error.sentence().en);
        }
        let env = |name: &str| (name == "XUNYUAN_EXCHANGES_MAX").then(|| "many".to_owned());
        let error = Effective::lay(&[], env, "").unwrap_err();
        assert!(error.sentence().en.contains("XUNYUAN_EXCHANGES_MAX"));
        let env = |name: &str| (name == "XUNYUAN_LISTEN").then(|| "here".to_owned());
        assert!(Effective::lay(&[], env, "").is_err());
    }

    #[test]
    fn every_setting_has_a_variable_and_every_variable_a_setting() {
        let effective = Effective::lay(&[], none, "").unwrap();
        assert_eq!(effective.config, Config::default());
        let settings: Vec<&str> = effective.origins.keys().map(String::as_str).collect();
        let mut named: Vec<&str> = VARIABLES.iter().map(|(_, key)| *key).collect();
        named.sort_unstable();
        assert_eq!(settings, named);
        let source = include_str!("config.rs");
        for (variable, _) in VARIABLES {
            assert!(source.contains(&format!("`{variable}`")), "{variable} is not named in a field's doc");
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = Effective::read(&[], none, Some(Path::new("/nonexistent/x.toml"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
    }

    #[test]
    fn links_name_the_public_address() {
        let mut listen = ListenConfig::default();
        assert_eq!(listen.link_url(), "http://127.0.0.1:7070");
        listen.public_url = "https://sync.example.cn/".to_owned();
        assert_eq!(listen.link_url(), "https://sync.example.cn");
    }
}
