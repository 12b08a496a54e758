//! The certificate that a branch makes for itself, and its key.
//!
//! Devices know the key by its pin, so the key stays and the certificate has no end; its names matter to
//! browsers only. It is made again, for the same key, when the settings name more than it does.

use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, date_time_ymd};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use xunyuan_core::error::{Error, ErrorKind};

use super::certificate::{Files, chain_of, parsed};

/// The certificate in the data directory.
const CERTIFICATE: &str = "tls-certificate.pem";
/// Its key.
const KEY: &str = "tls-key.pem";

/// Certificate and key of the branch, made where they are missing.
pub(super) fn files(dir: &Path, names: &[String]) -> Result<Files, Error> {
    let files = Files { certificate: dir.join(CERTIFICATE), key: dir.join(KEY) };
    std::fs::create_dir_all(dir).map_err(unwritable)?;
    if !files.key.exists() {
        let key = KeyPair::generate().map_err(unwritable)?;
        put(&files.key, &key.serialize_pem(), true)?;
    }
    let text = std::fs::read_to_string(&files.key).map_err(unwritable)?;
    let key = KeyPair::from_pem(&text).map_err(|cause| {
        Error::new(
            ErrorKind::Invalid,
            format!("私钥文件已损坏:{};移走它会生成新的私钥", files.key.display()),
            format!("the key file is damaged: {}; without it a new key is made", files.key.display()),
        )
        .caused_by(cause)
    })?;
    if !fits(&files.certificate, &key, names) {
        put(&files.certificate, &certificate(&key, names)?, false)?;
    }
    Ok(files)
}

/// True when the certificate in this file is for the key and covers every name.
fn fits(path: &Path, key: &KeyPair, names: &[String]) -> bool {
    let Ok(chain) = chain_of(path) else { return false };
    let Some(Ok(certificate)) = chain.first().map(|first| parsed(Ok(first))) else { return false };
    let covers = |name: &String| {
        ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    };
    *certificate.subject_public_key_info() == *key.subject_public_key_info() && names.iter().all(covers)
}

fn certificate(key: &KeyPair, names: &[String]) -> Result<String, Error> {
    let misnamed = |cause: rcgen::Error| {
        Error::new(
            ErrorKind::Invalid,
            "tls.names 中有无法写入证书的名称",
            "tls.names holds a name that no certificate can carry",
        )
        .caused_by(cause)
    };
    let mut params = CertificateParams::new(names).map_err(misnamed)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Xunyuan branch");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    Ok(params.self_signed(key).map_err(misnamed)?.pem())
}

/// Writes a file whole or not at all. A secret is for the owner only, and one that is there already stays:
/// a command beside the server may have made it in the same moment.
fn put(path: &Path, text: &str, is_secret: bool) -> Result<(), Error> {
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_secret { 0o600 } else { 0o644 });
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if !is_secret {
            return std::fs::rename(&part, path);
        }
        let linked = std::fs::hard_link(&part, path);
        std::fs::remove_file(&part)?;
        match linked {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    written.map_err(unwritable)
}

fn unwritable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Storage,
        "无法在数据目录中生成证书",
        "the certificate cannot be made in the data directory",
    )
    .caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_dir(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("xunyuan-made-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn the_key_stays_and_the_certificate_follows_the_names() {
        let dir = fresh_dir("names");
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = files(&dir, &names(&["localhost", "127.0.0.1"])).unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let (key, certificate) = (read(&made.key), read(&made.certificate));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(made.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        files(&dir, &names(&["127.0.0.1"])).unwrap();
        assert_eq!(read(&made.certificate), certificate, "it covers that already");
        files(&dir, &names(&["sync.example.cn", "10.0.0.2"])).unwrap();
        assert_ne!(read(&made.certificate), certificate);
        assert_eq!(read(&made.key), key);
        std::fs::remove_file(&made.key).unwrap();
        let certificate = read(&made.certificate);
        files(&dir, &names(&["127.0.0.1"])).unwrap();
        assert_ne!(read(&made.certificate), certificate, "a new key has a certificate of its own");
        assert!(files(&dir, &names(&["后台"])).is_err());
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_damaged_key_is_said_and_kept() {
        let dir = fresh_dir("damaged");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(KEY), "nonsense").unwrap();
        let error = files(&dir, &["localhost".to_owned()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(std::fs::read_to_string(dir.join(KEY)).unwrap(), "nonsense");
    }
}
