//! Uploads by the tus protocol, version 1.0.0: an interrupted one goes on where it broke off.
//!
//! Bytes are kept as they come, so that a broken connection loses at most what was under way; a part is on disk
//! before its answer leaves. The answer that says that all of a file is here is given only when its SHA-256 fits.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::Digest as _;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::FileHash;
use xunyuan_core::limits::PHOTO_BYTES_MAX;
use xunyuan_core::time::civil;

use super::{checksum_mismatch, failed, problem};
use crate::app::App;
use crate::auth::{Caller, revoked};
use crate::hub::{Device, Hub, Upload};
use crate::problem::Problem;
use crate::vault::{Part, PartFailure};

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const BYTES: &str = "application/offset+octet-stream";
/// Longest silence while bytes are awaited; what has come stays.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of a body that go to the disk together where they come as fast as that: waking its thread for each packet
/// costs more than writing it. On a slow line every packet goes at once, so that a break takes none of them back.
const TOGETHER_BYTES: usize = 128 * 1024;
/// How many of these wait for the disk.
const WAITING_MAX: usize = 4;

/// One upload of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    hash: FileHash,
    length: u64,
}

impl Named {
    /// Reads `<sha256>.<length>`.
    fn of(name: &str) -> Option<Self> {
        let (hash, length) = name.split_once('.')?;
        Some(Self { hash: hash.parse().ok()?, length: length.parse().ok()? })
    }

    fn location(self) -> String {
        format!("/v1/files/uploads/{}.{}", self.hash, self.length)
    }
}

/// `OPTIONS /v1/files`: what is spoken here.
pub(crate) async fn describe() -> Response {
    let extensions =
        HeaderValue::from_static("creation,creation-with-upload,checksum,termination,expiration");
    let headers = [
        (TUS_RESUMABLE, VERSION),
        (TUS_VERSION, VERSION),
        (TUS_EXTENSION, extensions),
        (TUS_MAX_SIZE, HeaderValue::from(PHOTO_BYTES_MAX)),
        (TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static("sha1,sha256")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// `POST /v1/files`: begins an upload, or goes on with it where the same device began it before.
pub(crate) async fn create(
    State(app): State<App>,
    Caller(device): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let made = begin(&app, device, &headers, body).await;
    made.map_err(|problem| problem.header(TUS_RESUMABLE, VERSION))
}

async fn begin(app: &App, device: Device, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    is_spoken(headers)?;
    let length = number(headers, &UPLOAD_LENGTH).ok_or_else(|| {
        malformed(
            "须写明 Upload-Length(不支持 Upload-Defer-Length)",
            "Upload-Length is needed; Upload-Defer-Length is not taken",
        )
    })?;
    let hash = named(headers).ok_or_else(|| {
        malformed(
            "Upload-Metadata 须含 sha256:文件内容的 SHA-256(64 位小写十六进制)",
            "Upload-Metadata must hold sha256: the SHA-256 of the file, 64 lower-case hexadecimal digits",
        )
    })?;
    let named = Named { hash, length };
    let mut upload = begun(app, &device, named).await?;
    if upload.received == length {
        settled(app, device.clone(), named, None).await?;
    } else if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == BYTES) {
        // The bytes begin at the first one: those that are here already are passed over.
        let skip = upload.received;
        upload = taken(app, device.clone(), named, headers, body, (upload.received, skip)).await?;
    }
    let mut response = (StatusCode::CREATED, [(header::LOCATION, value(&named.location()))]).into_response();
    response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(upload.received));
    finished(app, &device, named, &mut response);
    Ok(response)
}

/// `HEAD`: how far an upload is.
pub(crate) async fn status(
    State(app): State<App>,
    Caller(device): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let told = async {
        is_spoken(&headers)?;
        let named = Named::of(&name).ok_or_else(unknown)?;
        let asker = device.clone();
        let upload = app.call(move |hub, _| hub.upload(&asker, named.hash, named.length)).await?;
        let Upload { received, length } = upload.map_err(problem)?;
        let mut response = StatusCode::OK.into_response();
        response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(received));
        response.headers_mut().insert(UPLOAD_LENGTH, HeaderValue::from(length));
        finished(&app, &device, named, &mut response);
        Ok(response)
    };
    told.await.map_err(|problem: Problem| problem.header(TUS_RESUMABLE, VERSION))
}

/// `PATCH`: more bytes of an upload.
pub(crate) async fn append(
    State(app): State<App>,
    Caller(device): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let added = async {
        is_spoken(&headers)?;
        if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != BYTES) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                format!("请求应为 {BYTES}"),
                format!("the body must be {BYTES}"),
            ));
        }
        let named = Named::of(&name).ok_or_else(unknown)?;
        let offset = number(&headers, &UPLOAD_OFFSET)
            .ok_or_else(|| malformed("须写明 Upload-Offset", "Upload-Offset is needed"))?;
        let upload = begun(&app, &device, named).await?;
        if upload.received != offset {
            return Err(elsewhere(upload.received));
        }
        let upload = if upload.received == upload.length {
            settled(&app, device.clone(), named, None).await?
        } else {
            taken(&app, device.clone(), named, &headers, body, (offset, 0)).await?
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(upload.received));
        finished(&app, &device, named, &mut response);
        Ok(response)
    };
    added.await.map_err(|problem: Problem| problem.header(TUS_RESUMABLE, VERSION))
}

/// `DELETE`: an upload is given up.
pub(crate) async fn end(
    State(app): State<App>,
    Caller(device): Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ended = async {
        is_spoken(&headers)?;
        let Named { hash, length } = Named::of(&name).ok_or_else(unknown)?;
        let dropped = app.call(move |hub, _| {
            let is_begun = hub.vault().received(device.id, hash, length)?.is_some();
            hub.vault().drop_part(device.id, hash, length).map(|()| is_begun)
        });
        let is_begun = dropped.await?.map_err(|error| failed(&error))?;
        if !is_begun {
            return Err(unknown());
        }
        Ok((StatusCode::NO_CONTENT, [(TUS_RESUMABLE, VERSION)]).into_response())
    };
    ended.await.map_err(|problem: Problem| problem.header(TUS_RESUMABLE, VERSION))
}

async fn begun(app: &App, device: &Device, named: Named) -> Result<Upload, Problem> {
    let device = device.clone();
    app.call(move |hub, _| hub.begin_upload(&device, named.hash, named.length)).await?.map_err(problem)
}

/// Takes the bytes of a body: they go on at `offset` once `skip` of them are passed over. When all of the file is
/// here it is checked, and counts from then on.
async fn taken(
    app: &App,
    device: Device,
    named: Named,
    headers: &HeaderMap,
    body: Body,
    (offset, skip): (u64, u64),
) -> Result<Upload, Problem> {
    let check = headers.get(&UPLOAD_CHECKSUM).map(Check::of).transpose()?;
    let place = app.transfer().await?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let (hub, writer) = (app.hub.clone(), device.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let _place = place;
        written(&hub, &writer, named, (offset, skip), receiver)
    });
    let carried = carried(app, &device, body, check, sender).await;
    let Written { received, is_good, digest } = writing.await.map_err(Problem::internal)??;
    carried?;
    if !is_good {
        return Err(Problem::new(
            checksum_mismatch(),
            "checksum_mismatch",
            "这部分内容在传输中损坏,请重发",
            "this part was damaged on the way; send it again",
        ));
    }
    if received < named.length {
        return Ok(Upload { received, length: named.length });
    }
    settled(app, device, named, digest).await
}

/// All of an upload is here: it is checked, and is a file from then on.
async fn settled(
    app: &App,
    device: Device,
    named: Named,
    digest: Option<[u8; 32]>,
) -> Result<Upload, Problem> {
    let Named { hash, length } = named;
    let done = app.call(move |hub, now_ms| hub.finish_upload(&device, hash, length, digest, now_ms)).await?;
    done.map_err(problem)?;
    Ok(Upload { received: length, length })
}

/// Hands the pieces of a body on until its end, and hashes them while they are written; the device may be revoked
/// meanwhile.
async fn carried(
    app: &App,
    device: &Device,
    body: Body,
    mut check: Option<Check>,
    sender: mpsc::Sender<Piece>,
) -> Result<(), Problem> {
    let mut pieces = body.into_data_stream();
    let mut rights = app.hub.rights();
    let (mut together, mut bytes) = (Vec::new(), 0);
    loop {
        let piece = tokio::select! {
            biased;
            _ = rights.changed() => {
                let known = device.clone();
                let hears = app.call(move |hub, _| hub.hears(&known)).await?;
                hears.map_err(|error| Problem::of(&error))?.ok_or_else(revoked)?;
                continue;
            }
            piece = tokio::time::timeout(SILENCE, pieces.next()) => piece,
            // Nothing more is here yet: what came does not wait for it.
            () = std::future::ready(()), if !together.is_empty() => {
                bytes = 0;
                // The writer stops when it may not go on; it says why.
                if sender.send(Piece::Bytes(std::mem::take(&mut together))).await.is_err() {
                    return Ok(());
                }
                continue;
            }
        };
        match piece {
            Ok(Some(Ok(piece))) => {
                if let Some(check) = &mut check {
                    check.add(&piece);
                }
                bytes += piece.len();
                together.push(piece);
                if bytes < TOGETHER_BYTES {
                    continue;
                }
                bytes = 0;
                // Likewise.
                if sender.send(Piece::Bytes(std::mem::take(&mut together))).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => {
                // Likewise.
                let _ = sender.send(Piece::Bytes(together)).await;
                let (is_good, digest) = check.map_or((true, None), Check::outcome);
                let _ = sender.send(Piece::End { is_good, digest }).await;
                return Ok(());
            }
            Ok(Some(Err(_))) | Err(_) => {
                // What has come stays.
                let _ = sender.send(Piece::Bytes(together)).await;
                return Err(malformed("请求没有传完", "the request broke off before its end"));
            }
        }
    }
}

/// What of a body is handed on.
enum Piece {
    /// Bytes.
    Bytes(Vec<Bytes>),
    /// All of it came, with the checksum that its sender gave or not; without this it broke off.
    End { is_good: bool, digest: Option<[u8; 32]> },
}

/// What came of the bytes of a body.
struct Written {
    /// How much of the file is here.
    received: u64,
    /// Whether the bytes had the checksum that their sender gave; those of a body that broke off stay unchecked.
    is_good: bool,
    /// The SHA-256 of the file, where this body held all of it and its sender gave that sum.
    digest: Option<[u8; 32]>,
}

/// Writes pieces as they come, and waits for the disk at their end.
fn written(
    hub: &Hub,
    device: &Device,
    named: Named,
    (offset, mut skip): (u64, u64),
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Written, Problem> {
    let mut part = hub.vault().part(device.id, named.hash, named.length).map_err(|error| failed(&error))?;
    if part.received() != offset {
        return Err(elsewhere(part.received()));
    }
    let (mut outcome, mut sum) = (Ok(()), (true, None));
    while let Some(piece) = pieces.blocking_recv() {
        let together = match piece {
            Piece::Bytes(together) => together,
            Piece::End { is_good, digest } => {
                sum = (is_good, digest);
                break;
            }
        };
        outcome = together.iter().try_for_each(|piece| {
            let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            skip -= passed as u64;
            part.write(piece.get(passed..).unwrap_or_default())
        });
        if outcome.is_err() {
            break;
        }
    }
    if matches!(outcome, Err(PartFailure::TooLong)) {
        // Whoever sends more than the file has means another file.
        part.cut_back(offset).map_err(|failure| not_added(&part, failure))?;
    }
    outcome.map_err(|failure| not_added(&part, failure))?;
    part.keep().map_err(|error| not_added(&part, PartFailure::Disk(error)))?;
    let (is_good, digest) = sum;
    if !is_good {
        part.cut_back(offset).map_err(|failure| not_added(&part, failure))?;
    }
    Ok(Written { received: part.received(), is_good, digest: digest.filter(|_| offset == 0) })
}

fn not_added(part: &Part, failure: PartFailure) -> Problem {
    match failure {
        PartFailure::Overtaken => elsewhere(part.received()),
        PartFailure::TooLong => {
            malformed("内容超过 Upload-Length 所写的长度", "more bytes came than Upload-Length says")
        }
        PartFailure::Disk(error) => failed(&crate::vault::failed(&error)),
    }
}

/// A checksum that a sender gave with its bytes.
struct Check {
    wanted: Vec<u8>,
    sum: Sum,
}

enum Sum {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Check {
    /// Reads `<algorithm> <base64>`.
    fn of(value: &HeaderValue) -> Result<Self, Problem> {
        let text = value.to_str().unwrap_or_default();
        let (algorithm, sum) = text.split_once(' ').unwrap_or_default();
        let wanted = data_encoding::BASE64.decode(sum.trim().as_bytes());
        let sum = match algorithm {
            "sha1" => Some(Sum::Sha1(sha1::Sha1::new())),
            "sha256" => Some(Sum::Sha256(sha2::Sha256::new())),
            _ => None,
        };
        match (wanted, sum) {
            (Ok(wanted), Some(sum)) => Ok(Self { wanted, sum }),
            _ => Err(malformed(
                "Upload-Checksum 应为 sha1 或 sha256 加 base64",
                "Upload-Checksum must be sha1 or sha256 and the sum in base64",
            )),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        match &mut self.sum {
            Sum::Sha1(sum) => sum.update(bytes),
            Sum::Sha256(sum) => sum.update(bytes),
        }
    }

    /// Whether the bytes have the sum, and their SHA-256 where that is the sum.
    fn outcome(self) -> (bool, Option<[u8; 32]>) {
        match self.sum {
            Sum::Sha1(sum) => (sum.finalize().as_slice() == self.wanted, None),
            Sum::Sha256(sum) => {
                let digest = <[u8; 32]>::from(sum.finalize());
                (digest.as_slice() == self.wanted, Some(digest))
            }
        }
    }
}

/// The headers that end every good answer about an upload.
fn finished(app: &App, device: &Device, named: Named, response: &mut Response) {
    let life = Duration::from_secs(app.limits.upload_days * 24 * 60 * 60);
    let ends = app.hub.vault().part_ends(device.id, named.hash, named.length, life);
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, VERSION);
    if let Some(date) = ends.and_then(http_date) {
        headers.insert(UPLOAD_EXPIRES, date);
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let date =
        civil(i64::try_from(since.as_millis()).ok()?, 0).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&date).ok()
}

fn is_spoken(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(&TUS_RESUMABLE).is_some_and(|version| version == VERSION) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "tus_version",
        "请使用 tus 1.0.0(Tus-Resumable: 1.0.0)",
        "speak tus 1.0.0 (Tus-Resumable: 1.0.0)",
    )
    .header(TUS_VERSION, VERSION))
}

/// The hash among the metadata: pairs of a key and a value in base64.
fn named(headers: &HeaderMap) -> Option<FileHash> {
    let pairs = headers.get(&UPLOAD_METADATA)?.to_str().ok()?;
    let value = pairs.split(',').find_map(|pair| pair.trim().strip_prefix("sha256 "))?;
    let hex = data_encoding::BASE64.decode(value.trim().as_bytes()).ok()?;
    std::str::from_utf8(&hex).ok()?.parse().ok()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The answer to bytes for another place than where the upload is.
fn elsewhere(received: u64) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "offset_mismatch",
        "续传位置与已收到的内容不符,请先查询",
        "the upload is at another offset; ask for it first",
    )
    .header(UPLOAD_OFFSET, HeaderValue::from(received))
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "upload_unknown",
        "没有这次上传,或已过期",
        "there is no such upload, or it has ended",
    )
}

fn malformed(zh: &str, en: &str) -> Problem {
    Problem::malformed(&Error::new(ErrorKind::Invalid, zh, en))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_read_from_the_metadata() {
        let hash = FileHash([0xab; 32]);
        let sha = data_encoding::BASE64.encode(hash.to_string().as_bytes());
        let mut headers = HeaderMap::new();
        for good in [format!("sha256 {sha}"), format!("filename YS5qcGc=, sha256 {sha},filetype aQ==")] {
            headers.insert(UPLOAD_METADATA, value(&good));
            assert_eq!(named(&headers), Some(hash), "{good}");
        }
        for bad in ["", "sha256", "sha256 %%%", "sha256 YWJj", "filename ../../etc/passwd"] {
            headers.insert(UPLOAD_METADATA, value(bad));
            assert_eq!(named(&headers), None, "{bad}");
        }
    }

    #[test]
    fn an_upload_is_named_by_hash_and_length_alone() {
        let name = format!("{}.17", FileHash([1; 32]));
        assert_eq!(Named::of(&name), Some(Named { hash: FileHash([1; 32]), length: 17 }));
        for bad in ["", "17", "../../etc/passwd.17", "zz.17", &format!("{}.x", FileHash([1; 32]))] {
            assert_eq!(Named::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn sums_are_sha1_or_sha256() {
        let mut check = Check::of(&HeaderValue::from_static("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")).unwrap();
        check.add(b"abc");
        assert_eq!(check.outcome(), (true, None));
        let mut check = Check::of(&HeaderValue::from_static("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")).unwrap();
        check.add(b"abd");
        assert_eq!(check.outcome(), (false, None));
        let sum = data_encoding::BASE64.encode(&sha2::Sha256::digest(b"abc"));
        let mut check = Check::of(&value(&format!("sha256 {sum}"))).unwrap();
        check.add(b"abc");
        assert_eq!(check.outcome(), (true, Some(sha2::Sha256::digest(b"abc").into())));
        assert!(Check::of(&HeaderValue::from_static("md5 qZk+")).is_err());
        assert!(Check::of(&HeaderValue::from_static("sha1")).is_err());
    }

    #[test]
    fn dates_are_those_of_http() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(time).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
