//! The certificate that the server shows, and the key behind it: given or made, read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::wire::pin::Pin;

use super::made;
use crate::config::Config;

/// What a TLS server shows to devices, and where it is read from. Connections that are open keep the
/// certificate that they began with.
#[derive(Debug)]
pub struct Shown {
    files: Files,
    current: RwLock<Current>,
}

/// Where certificate and key lie, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The certificate, the ones that signed it after it.
    pub(super) certificate: PathBuf,
    /// Its private key.
    pub(super) key: PathBuf,
}

/// What is shown to who connects now.
#[derive(Clone, Debug)]
struct Current {
    certified: Arc<CertifiedKey>,
    pin: Pin,
    trace: Trace,
}

/// Size and time of both files: differs when somebody wrote.
type Trace = [Option<(u64, SystemTime)>; 2];

impl Shown {
    /// What the settings ask to show: `None` for plain HTTP; the given certificate, or one that is made for
    /// the branch in its data directory at the first start.
    ///
    /// # Errors
    /// `Invalid` when the given files cannot be read or do not fit each other; `Storage` when the data
    /// directory cannot be written.
    pub fn of(config: &Config) -> Result<Option<Arc<Self>>, Error> {
        if !config.has_tls()? {
            return Ok(None);
        }
        let files = match (&config.tls.certificate, &config.tls.key) {
            (certificate, key) if certificate.as_os_str().is_empty() && key.as_os_str().is_empty() => {
                made::files(&config.data.dir, &config.names())?
            }
            (certificate, key) => Files { certificate: certificate.clone(), key: key.clone() },
        };
        let current = RwLock::new(Current::read(&files)?);
        Ok(Some(Arc::new(Self { files, current })))
    }

    /// The pin of the key that is shown now.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.current.read().unwrap_or_else(PoisonError::into_inner).pin
    }

    /// Reads the files again, looking at them as often as `every`, when they changed and have been left alone
    /// since; what cannot be shown is said in the log, and the one before stays. `changed` hears of another
    /// key. Never ends by itself.
    pub async fn keep_fresh(self: Arc<Self>, every: Duration, changed: impl Fn(Pin) + Send + 'static) {
        let mut seen = self.current.read().unwrap_or_else(PoisonError::into_inner).trace;
        let mut settled = seen;
        loop {
            tokio::time::sleep(every).await;
            let now = self.files.trace();
            if now != seen {
                // Perhaps one file is written and the other is not yet.
                seen = now;
                continue;
            }
            if now == settled {
                continue;
            }
            settled = now;
            match Current::read(&self.files) {
                Ok(current) => {
                    let pin = current.pin;
                    let before = self.pin();
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
                    tracing::info!(%pin, same_key = pin == before, "the certificate was read again");
                    if pin != before {
                        changed(pin);
                    }
                }
                Err(error) => tracing::error!(%error, "the new certificate is not shown; the old one stays"),
            }
        }
    }

    /// The TLS settings of a server that shows this.
    pub(super) fn tls(self: &Arc<Self>) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|cause| {
            Error::new(ErrorKind::Storage, "无法启用 TLS", "TLS cannot be set up").caused_by(cause)
        })?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut tls = builder.with_no_client_auth().with_cert_resolver(resolver);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(tls)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.certified))
    }
}

impl Current {
    fn read(files: &Files) -> Result<Self, Error> {
        let trace = files.trace();
        let chain = chain_of(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| unreadable(&files.key, cause))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|cause| {
            Error::new(
                ErrorKind::Invalid,
                format!(
                    "证书 {} 与私钥 {} 不配套或无法使用",
                    files.certificate.display(),
                    files.key.display()
                ),
                format!(
                    "the certificate {} and the key {} do not fit each other, or cannot be used",
                    files.certificate.display(),
                    files.key.display()
                ),
            )
            .caused_by(cause)
        })?;
        let pin =
            parsed(certified.end_entity_cert()).map(|known| Pin::of_key(&known.subject_public_key_info()));
        let pin = pin.map_err(|cause| unreadable(&files.certificate, cause))?;
        Ok(Self { certified: Arc::new(certified), pin, trace })
    }
}

/// The certificates of a PEM file, at least one.
pub(super) fn chain_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(unreadable(path, std::io::Error::other("no CERTIFICATE in it"))),
        Ok(chain) => Ok(chain),
        Err(cause) => Err(unreadable(path, cause)),
    }
}

/// A certificate as far as its key and names can be asked for.
pub(super) fn parsed<'a>(
    certificate: Result<&'a CertificateDer<'a>, tokio_rustls::rustls::Error>,
) -> Result<ParsedCertificate<'a>, tokio_rustls::rustls::Error> {
    ParsedCertificate::try_from(certificate?)
}

impl Files {
    fn trace(&self) -> Trace {
        [&self.certificate, &self.key].map(|path| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.len(), about.modified().ok()?))
        })
    }
}

fn unreadable(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("无法读取证书或私钥(应为 PEM):{}", path.display()),
        format!("this certificate or key (PEM) cannot be read: {}", path.display()),
    )
    .caused_by(cause)
}
