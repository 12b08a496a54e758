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

mod files;
mod flags;
mod hooks;

pub use files::{FileConfig, FileStore};
pub use flags::Flags;
pub use hooks::{HookConfig, HookTargets};

/// The file that is read when neither `--config` nor `XUNYUAN_CONFIG` names one and it exists.
pub const DEFAULT_FILE: &str = "xunyuan-server.toml";

/// Variables of the environment and the setting that each one sets.
pub const VARIABLES: &[(&str, &str)] = &[
    ("XUNYUAN_DATA", "data.dir"),
    ("XUNYUAN_LISTEN", "listen.address"),
    ("XUNYUAN_PUBLIC_URL", "listen.public_url"),
    ("XUNYUAN_PLAIN_HTTP", "listen.plain_http"),
    ("XUNYUAN_TLS_CERTIFICATE", "tls.certificate"),
    ("XUNYUAN_TLS_KEY", "tls.key"),
    ("XUNYUAN_TLS_NAMES", "tls.names"),
    ("XUNYUAN_TLS_PIN", "tls.pin"),
    ("XUNYUAN_BODY_BYTES_MAX", "limits.body_bytes_max"),
    ("XUNYUAN_EXCHANGES_MAX", "limits.exchanges_max"),
    ("XUNYUAN_EXCHANGE_WAIT_MS", "limits.exchange_wait_ms"),
    ("XUNYUAN_CONNECTIONS_MAX", "limits.connections_max"),
    ("XUNYUAN_HANDSHAKE_TIMEOUT_S", "limits.handshake_timeout_s"),
    ("XUNYUAN_POKE_STREAMS_MAX", "limits.poke_streams_max"),
    ("XUNYUAN_REQUEST_TIMEOUT_S", "limits.request_timeout_s"),
    ("XUNYUAN_STOP_GRACE_S", "limits.stop_grace_s"),
    ("XUNYUAN_TRANSFERS_MAX", "limits.transfers_max"),
    ("XUNYUAN_UPLOAD_DAYS", "limits.upload_days"),
    ("XUNYUAN_LOOSE_FILE_DAYS", "limits.loose_file_days"),
    ("XUNYUAN_FILES_STORE", "files.store"),
    ("XUNYUAN_S3_ENDPOINT", "files.s3_endpoint"),
    ("XUNYUAN_S3_BUCKET", "files.s3_bucket"),
    ("XUNYUAN_S3_REGION", "files.s3_region"),
    ("XUNYUAN_S3_ACCESS_KEY", "files.s3_access_key"),
    ("XUNYUAN_S3_SECRET_KEY", "files.s3_secret_key"),
    ("XUNYUAN_SECOND_FACTOR", "console.second_factor"),
    ("XUNYUAN_WEBHOOK_TARGETS", "webhooks.targets"),
    ("XUNYUAN_WEBHOOK_ATTEMPTS_MAX", "webhooks.attempts_max"),
    ("XUNYUAN_WEBHOOK_PAUSE_MS", "webhooks.pause_ms"),
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
    /// How the server proves who it is.
    pub tls: TlsConfig,
    /// How much the server takes on at once.
    pub limits: LimitConfig,
    /// Where photos and other files lie.
    pub files: FileConfig,
    /// How people sign in to the console.
    pub console: ConsoleConfig,
    /// How other programs are told of events.
    pub webhooks: HookConfig,
    /// What the server writes about itself to stderr.
    pub log: LogConfig,
}

/// How people sign in to the console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Who must have a second factor: `branch` (everybody with a role that reaches the whole branch) or
    /// `optional`. `XUNYUAN_SECOND_FACTOR`, default `branch`.
    pub second_factor: SecondFactorPolicy,
}

/// Who must sign in with a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactorPolicy {
    /// Everybody with a role that reaches the whole branch.
    #[default]
    Branch,
    /// Who wants to.
    Optional,
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
    /// The address that enrolment links name, e.g. `https://sync.example.cn`; empty for the listening
    /// address. `XUNYUAN_PUBLIC_URL`, default empty.
    pub public_url: String,
    /// When HTTP is spoken without TLS. `XUNYUAN_PLAIN_HTTP`, default `loopback`.
    pub plain_http: PlainHttp,
}

/// When HTTP is spoken without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PlainHttp {
    /// On a loopback address where no certificate is given: only this machine reaches it, a proxy perhaps.
    #[default]
    Loopback,
    /// On every address: something in front of the server speaks TLS, or nothing does.
    Always,
    /// Never.
    Never,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7070)),
            public_url: String::new(),
            plain_http: PlainHttp::default(),
        }
    }
}

/// How the server proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate, those that signed it after it; empty for one that is made for the branch.
    /// Read again when it changes. `XUNYUAN_TLS_CERTIFICATE`, default empty.
    pub certificate: PathBuf,
    /// PEM file of its private key. `XUNYUAN_TLS_KEY`, default empty.
    pub key: PathBuf,
    /// Host names and addresses for the certificate that is made, separated by commas; those of
    /// `listen.address` and `listen.public_url` are in it anyway. `XUNYUAN_TLS_NAMES`, default empty.
    pub names: String,
    /// What enrolment links say of the key. `XUNYUAN_TLS_PIN`, default `key`.
    pub pin: PinPolicy,
}

/// What enrolment links say of the server's TLS key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinPolicy {
    /// Its pin: devices trust that key and no other.
    #[default]
    Key,
    /// Nothing: devices trust what public certificate authorities say.
    None,
}

impl Config {
    /// True when the server speaks TLS itself.
    ///
    /// # Errors
    /// `Invalid` when the settings contradict each other.
    pub fn has_tls(&self) -> Result<bool, Error> {
        let (certificate, key) = (&self.tls.certificate, &self.tls.key);
        let is_given = !certificate.as_os_str().is_empty();
        if is_given == key.as_os_str().is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "tls.certificate 和 tls.key 必须同时设置",
                "tls.certificate and tls.key go together: set both or neither",
            ));
        }
        match self.listen.plain_http {
            PlainHttp::Always if is_given => Err(Error::new(
                ErrorKind::Invalid,
                "listen.plain_http 为 always 时不使用证书;请去掉其中一项",
                "listen.plain_http is always, which leaves no use for tls.certificate; remove one of them",
            )),
            PlainHttp::Always => Ok(false),
            PlainHttp::Never => Ok(true),
            PlainHttp::Loopback => Ok(is_given || !self.listen.address.ip().is_loopback()),
        }
    }

    /// Host names and addresses that a certificate made for the branch covers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let ip = self.listen.address.ip();
        if !ip.is_unspecified() {
            names.push(ip.to_string());
        }
        names.extend(host_of(&self.listen.public_url));
        names.extend(self.tls.names.split(',').map(|name| name.trim().to_owned()));
        names.retain(|name| !name.is_empty());
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// The address that enrolment links name, without a slash at the end.
    ///
    /// # Errors
    /// As [`Config::has_tls`].
    pub fn link_url(&self) -> Result<String, Error> {
        if !self.listen.public_url.is_empty() {
            return Ok(self.listen.public_url.trim_end_matches('/').to_owned());
        }
        Ok(format!("{}://{}", if self.has_tls()? { "https" } else { "http" }, self.listen.address))
    }
}

/// The host of a URL, without port and brackets.
fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
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
    /// Connections at the same time; who comes later waits for a place. `XUNYUAN_CONNECTIONS_MAX`, default
    /// 4096.
    pub connections_max: usize,
    /// Longest time for the handshake of TLS, seconds. `XUNYUAN_HANDSHAKE_TIMEOUT_S`, default 10.
    pub handshake_timeout_s: u64,
    /// Devices that may listen for pokes at the same time. `XUNYUAN_POKE_STREAMS_MAX`, default 2000.
    pub poke_streams_max: usize,
    /// Longest time for one request from its first byte to the head of the reply, seconds.
    /// `XUNYUAN_REQUEST_TIMEOUT_S`, default 60.
    pub request_timeout_s: u64,
    /// How long a stopping server waits for running requests, seconds. `XUNYUAN_STOP_GRACE_S`,
    /// default 20.
    pub stop_grace_s: u64,
    /// Files that are sent or fetched at the same time. `XUNYUAN_TRANSFERS_MAX`, default 32.
    pub transfers_max: usize,
    /// Days after which an upload ends of which nothing more came. `XUNYUAN_UPLOAD_DAYS`, default 7.
    pub upload_days: u64,
    /// Days for which a file stays that no record names any more. `XUNYUAN_LOOSE_FILE_DAYS`, default 30.
    pub loose_file_days: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: xunyuan_core::limits::REQUEST_BYTES_MAX,
            exchanges_max: 32,
            exchange_wait_ms: 5_000,
            connections_max: 4_096,
            handshake_timeout_s: 10,
            poke_streams_max: 2_000,
            request_timeout_s: 60,
            stop_grace_s: 20,
            transfers_max: 32,
            upload_days: 7,
            loose_file_days: 30,
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
                let is_secret =
                    key.ends_with("secret_key") && value.as_str().is_some_and(|key| !key.is_empty());
                let shown = if is_secret { "\"***\"".to_owned() } else { value.to_string() };
                (key, shown, origin)
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
        let source = [include_str!("mod.rs"), include_str!("files.rs"), include_str!("hooks.rs")].concat();
        for (variable, _) in VARIABLES {
            assert!(source.contains(&format!("`{variable}`")), "{variable} is not named in a field's doc");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let file = "[files]\nstore = \"s3\"\ns3_bucket = \"photos\"\ns3_secret_key = \"hush\"\n";
        let effective = Effective::lay(&[], none, file).unwrap();
        let listed = format!("{:?} {:?}", effective.listing().unwrap(), effective.config);
        assert!(!listed.contains("hush"), "{listed}");
        assert!(matches!(effective.config.files.vault(), crate::vault::VaultOptions::Bucket(_)));
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = Effective::read(&[], none, Some(Path::new("/nonexistent/x.toml"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
    }

    #[test]
    fn links_name_the_public_address() {
        let mut config = Config::default();
        assert_eq!(config.link_url().unwrap(), "http://127.0.0.1:7070");
        config.listen.plain_http = PlainHttp::Never;
        assert_eq!(config.link_url().unwrap(), "https://127.0.0.1:7070");
        config.listen.public_url = "https://sync.example.cn/".to_owned();
        assert_eq!(config.link_url().unwrap(), "https://sync.example.cn");
    }

    #[test]
    fn plain_http_is_for_loopback_or_for_who_asks_for_it() {
        let tls = |address: &str, plain_http, certificate: &str, key: &str| {
            let mut config = Config::default();
            (config.listen.address, config.listen.plain_http) = (address.parse().unwrap(), plain_http);
            (config.tls.certificate, config.tls.key) = (certificate.into(), key.into());
            config.has_tls().ok()
        };
        assert_eq!(tls("127.0.0.1:1", PlainHttp::Loopback, "", ""), Some(false));
        assert_eq!(tls("[::1]:1", PlainHttp::Loopback, "", ""), Some(false));
        assert_eq!(tls("0.0.0.0:1", PlainHttp::Loopback, "", ""), Some(true));
        assert_eq!(tls("127.0.0.1:1", PlainHttp::Loopback, "c", "k"), Some(true));
        assert_eq!(tls("127.0.0.1:1", PlainHttp::Never, "", ""), Some(true));
        assert_eq!(tls("0.0.0.0:1", PlainHttp::Always, "", ""), Some(false));
        assert_eq!(tls("0.0.0.0:1", PlainHttp::Always, "c", "k"), None);
        assert_eq!(tls("127.0.0.1:1", PlainHttp::Loopback, "c", ""), None);
    }

    #[test]
    fn a_made_certificate_names_every_host_that_the_settings_name() {
        let file = "[listen]\naddress = \"10.0.0.2:1\"\npublic_url = \"https://sync.example.cn:7443/x\"\n\
            [tls]\nnames = \"branch.lan, 10.0.0.2,\"\n";
        let config = Effective::lay(&[], none, file).unwrap().config;
        let named = ["localhost", "127.0.0.1", "::1", "10.0.0.2", "sync.example.cn", "branch.lan"];
        assert_eq!(config.names(), named);
        assert_eq!(host_of("https://[2001:db8::1]:7443"), Some("2001:db8::1".to_owned()));
    }
}
