//! Enrolment: a one-time invitation link becomes a device key, a token and a replica file.

use std::path::Path;

use super::{Replica, STEPS};
use crate::error::{Error, ErrorKind};
use crate::id::{DeviceId, hash_parts};
use crate::sqlite::FileKey;
use crate::store::Store;
use crate::store::identity::{self, Identity};
use crate::store::scopes::{self, ScopeRow};
use crate::time::Moment;
use crate::wire::certificate::Certificate;
use crate::wire::key::{Key, enroll_bytes};
use crate::wire::message::{EnrollReply, EnrollRequest, ReadmitReply, ReadmitRequest};
use crate::wire::pin::{Pin, Voucher};

/// A prepared enrolment: send `request` to `url`, then create the replica from the answer.
#[derive(Clone)]
pub struct Enrollment {
    /// Where to `POST` the request as JSON.
    pub url: String,
    /// The request.
    pub request: EnrollRequest,
    /// The one key that the server may show in TLS; `None` where public certificates are trusted.
    pub pin: Option<Pin>,
    server_url: String,
    seed: [u8; 32],
}

impl Enrollment {
    /// Reads an invitation link and makes the device key from the moment's entropy.
    ///
    /// Links: `xunyuan://enroll?server=<url>&code=<secret>&pin=<pin>` or `<url>/enroll#<secret>&pin=<pin>`, either
    /// without the pin where the server is trusted as public certificates are, or has no TLS.
    ///
    /// # Errors
    /// `Invalid` when the link is neither.
    pub fn prepare(link: &str, app: &str, moment: &Moment) -> Result<Self, Error> {
        let Link { server_url, secret, pin } = read_link(link.trim()).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "邀请链接无法识别;请完整复制分公司给出的链接",
                "this is not an invitation link; copy the whole link that the branch gave",
            )
        })?;
        let seed = hash_parts("xunyuan/device-seed/1", &[&moment.entropy]);
        let key = Key::from_seed(&seed);
        let request = EnrollRequest {
            proof: hex(&key.sign(&enroll_bytes(&secret))),
            invitation: secret,
            public_key: hex(&key.public()),
            app: app.to_owned(),
        };
        Ok(Self { url: format!("{server_url}/v1/enroll"), request, pin, server_url, seed })
    }
}

impl Replica {
    /// Creates the replica file of a freshly enrolled device.
    ///
    /// # Errors
    /// `Invalid` when the file is a replica already or the answer does not fit; storage errors.
    pub fn create(path: &Path, enrollment: &Enrollment, reply: &EnrollReply) -> Result<Self, Error> {
        Self::create_with(path, enrollment, reply, None)
    }

    /// As [`Replica::create`], for a file that is encrypted under `key` from its first byte.
    ///
    /// # Errors
    /// As [`Replica::create`].
    pub fn create_with(
        path: &Path,
        enrollment: &Enrollment,
        reply: &EnrollReply,
        key: Option<&FileKey>,
    ) -> Result<Self, Error> {
        let server_key = data_encoding::HEXLOWER
            .decode(reply.server_key.as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Protocol,
                    "分公司服务器的回复不完整",
                    "the branch server's answer is incomplete",
                )
            })?;
        let mut store = Store::open(path, &STEPS, key)?;
        if identity::load(store.reader()).is_ok() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "此文件已登记给一台设备;请换一个文件",
                "this file is enrolled already; name another file",
            ));
        }
        let identity = Identity {
            user: reply.user.clone(),
            device: DeviceId::of_key(&Key::from_seed(&enrollment.seed).public()),
            device_code: reply.device_code.clone(),
            seed: enrollment.seed,
            token: reply.token.clone(),
            server_url: enrollment.server_url.clone(),
            server_key,
            branch: reply.branch.clone(),
            clock_offset_ms: None,
            pin: enrollment.pin,
            pin_at_ms: reply.server_time_ms,
        };
        store.write(|connection| {
            identity::insert(connection, &identity)?;
            if let Some(certificate) = &reply.certificate {
                identity::put_certificate(connection, certificate)?;
            }
            for scope in &reply.grants {
                scopes::save(connection, &ScopeRow::new(scope.clone()))?;
            }
            Ok(())
        })?;
        Self::of_store(store)
    }

    /// What to `POST` as JSON to `/v1/readmit`, with the device's token, when the branch answers 401: a
    /// branch that was restored from a backup of before the enrolment takes the device in again for it.
    /// `None` for a device whose branch gave it no certificate; it must enrol again.
    ///
    /// # Errors
    /// Storage errors.
    pub fn readmission(&self) -> Result<Option<ReadmitRequest>, Error> {
        let kept = identity::certificate(self.store.reader())?;
        Ok(kept.map(|certificate| ReadmitRequest { certificate }))
    }

    /// Takes the branch's answer to a readmission.
    ///
    /// # Errors
    /// Storage errors.
    pub fn readmitted(&mut self, reply: &ReadmitReply) -> Result<(), Error> {
        let kept = identity::certificate(self.store.reader())?.and_then(|text| Certificate::of_hex(&text));
        if kept.is_none_or(|kept| kept.code != reply.device_code) {
            self.store.write(|connection| identity::set_device_code(connection, &reply.device_code))?;
            self.identity.device_code.clone_from(&reply.device_code);
        }
        Ok(())
    }

    /// Takes the branch's word for the key that its server has just shown in TLS instead of the pinned one;
    /// false when the word is not the branch's, is for another key, or is older than the one that is kept.
    ///
    /// # Errors
    /// Storage errors.
    pub fn take_voucher(&mut self, voucher: &Voucher, shown: Pin) -> Result<bool, Error> {
        let Identity { pin, pin_at_ms, server_key, .. } = &self.identity;
        if pin.is_none() || voucher.pin != shown || voucher.at_ms <= *pin_at_ms || !voucher.is_of(server_key)
        {
            return Ok(false);
        }
        self.store.write(|connection| identity::set_pin(connection, shown, voucher.at_ms))?;
        (self.identity.pin, self.identity.pin_at_ms) = (Some(shown), voucher.at_ms);
        Ok(true)
    }
}

/// What an invitation link says.
struct Link {
    server_url: String,
    secret: String,
    pin: Option<Pin>,
}

fn read_link(link: &str) -> Option<Link> {
    let (server, secret, pin) = if let Some(query) = link.strip_prefix("xunyuan://enroll?") {
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(percent_decoded)
        };
        let pin = match value("pin") {
            Some(pin) => Some(pin?),
            None => None,
        };
        (value("server")??, value("code")??, pin)
    } else {
        let (server, rest) = link.split_once("/enroll#")?;
        let (secret, pin) = match rest.split_once("&pin=") {
            Some((secret, pin)) => (secret, Some(pin.to_owned())),
            None => (rest, None),
        };
        (server.to_owned(), secret.to_owned(), pin)
    };
    let server_url = server.trim_end_matches('/').to_owned();
    let has_tls = server_url.starts_with("https://");
    let pin = match pin {
        // Without TLS there is nothing that a pin could be compared with: somebody took the `s` out.
        Some(text) if has_tls => Some(text.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    let is_web = has_tls || server_url.starts_with("http://");
    (is_web && !secret.is_empty()).then_some(Link { server_url, secret, pin })
}

/// Undoes `%XX`; `None` where it is malformed.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(link: &str) -> Result<Enrollment, Error> {
        let moment = Moment { unix_ms: 0, utc_offset_min: 480, entropy: [3; 32] };
        Enrollment::prepare(link, "test/1", &moment)
    }

    #[test]
    fn both_forms_of_link_are_read() {
        for link in [
            "xunyuan://enroll?server=http://127.0.0.1:7070&code=abc",
            "xunyuan://enroll?code=abc&server=http%3A%2F%2F127.0.0.1%3A7070%2F",
            " http://127.0.0.1:7070/enroll#abc\n",
        ] {
            let enrollment = prepared(link).unwrap();
            assert_eq!(enrollment.url, "http://127.0.0.1:7070/v1/enroll");
            assert_eq!(enrollment.request.invitation, "abc");
            assert_eq!(enrollment.pin, None);
        }
    }

    #[test]
    fn a_pin_comes_with_https_only_and_whole() {
        let pin = Pin::of_key(b"a key");
        for link in [
            format!("xunyuan://enroll?server=https://sync.example.cn&code=abc&pin={pin}"),
            format!("https://sync.example.cn/enroll#abc&pin={pin}"),
        ] {
            let enrollment = prepared(&link).unwrap();
            assert_eq!((enrollment.pin, enrollment.request.invitation.as_str()), (Some(pin), "abc"));
        }
        for link in [
            format!("xunyuan://enroll?server=http://sync.example.cn&code=abc&pin={pin}"),
            format!("http://sync.example.cn/enroll#abc&pin={pin}"),
            format!("xunyuan://enroll?server=https://sync.example.cn&code=abc&pin={pin}x"),
            "xunyuan://enroll?server=https://sync.example.cn&code=abc&pin=".to_owned(),
        ] {
            assert_eq!(prepared(&link).err().map(|e| e.kind()), Some(ErrorKind::Invalid), "{link}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for link in [
            "",
            "hello",
            "xunyuan://enroll?code=abc",
            "ftp://x/enroll#a",
            "http://x/enroll#",
            "xunyuan://enroll?server=http://x&code=%zz",
        ] {
            assert_eq!(prepared(link).err().map(|e| e.kind()), Some(ErrorKind::Invalid), "{link}");
        }
    }
}
