//! The settings that may be given as flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{LogFormat, PlainHttp};

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
    /// 何时不用 TLS;只写此参数表示总是 · When HTTP is spoken without TLS; alone it means always [default: loopback]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "always")]
    pub plain_http: Option<PlainHttp>,
    /// 证书(PEM),缺省为分公司自建 · Certificate (PEM), by default one that is made for the branch
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// 证书的私钥(PEM) · Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// 自建证书的主机名和地址,逗号分隔 · Names and addresses for the certificate that is made, by commas
    #[arg(long, value_name = "NAMES")]
    pub tls_names: Option<String>,
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
        let plain_http = self.plain_http.map(|when| match when {
            PlainHttp::Loopback => "loopback".to_owned(),
            PlainHttp::Always => "always".to_owned(),
            PlainHttp::Never => "never".to_owned(),
        });
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        [
            ("listen.address", self.listen.map(|address| address.to_string())),
            ("listen.public_url", self.public_url.clone()),
            ("listen.plain_http", plain_http),
            ("tls.certificate", path(&self.tls_certificate)),
            ("tls.key", path(&self.tls_key)),
            ("tls.names", self.tls_names.clone()),
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
