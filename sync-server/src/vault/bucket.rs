//! Whole files in a bucket of an S3-compatible store.
//!
//! The store's protocol is `object_store`'s; bytes travel by the HTTP client that the product has anyway. Uploads
//! carry their SHA-256, so that the store itself refuses what was damaged on the way. A file is at most a few
//! megabytes and goes in one piece.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path as Key;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;
use ureq::Agent;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::FileHash;

use super::{BLOCK_BYTES, Piece, failed};

/// Longest wait for one request to the store.
const REQUEST: Duration = Duration::from_secs(120);
/// Largest answer that is taken in one piece, bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How a bucket is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BucketOptions {
    /// Address of the store, e.g. `https://s3.example.cn`; empty for that of the region.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Id of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

impl std::fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { endpoint, bucket, region, .. } = self;
        f.debug_struct("BucketOptions")
            .field("endpoint", endpoint)
            .field("bucket", bucket)
            .field("region", region)
            .finish_non_exhaustive()
    }
}

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    store: AmazonS3,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Bucket {
    pub(super) fn open(options: &BucketOptions) -> Result<Self, Error> {
        let BucketOptions { endpoint, bucket, region, access_key, secret_key } = options;
        let agent = Agent::config_builder().timeout_global(Some(REQUEST)).http_status_as_error(false).build();
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Carrier(agent.into()))
            .with_bucket_name(bucket)
            .with_region(if region.is_empty() { "us-east-1" } else { region })
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_allow_http(true);
        if !endpoint.is_empty() {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let store = builder.build().map_err(|cause| {
            Error::new(
                ErrorKind::Invalid,
                "对象存储的设置有误(files.s3_*)",
                "the settings of the object store are not usable (files.s3_*)",
            )
            .caused_by(cause)
        })?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        Ok(Self { store, runtime: Some(runtime) })
    }

    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> Result<Option<T>, Error> {
        let runtime = self.runtime.as_ref().expect("it is there until the bucket is dropped");
        match runtime.block_on(work) {
            Ok(value) => Ok(Some(value)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(Error::new(
                ErrorKind::Storage,
                "对象存储没有正常应答;稍后会重试",
                "the object store did not answer properly; it is tried again later",
            )
            .caused_by(cause)),
        }
    }

    fn key(piece: Piece, hash: FileHash) -> Key {
        Key::from(piece.place(hash))
    }

    pub(super) fn place(&self, part: &Path, hash: FileHash, length: u64) -> Result<(), Error> {
        let bytes = std::fs::read(part).map_err(|error| failed(&error))?;
        self.put(Piece::Original, hash, bytes)?;
        if self.size(Piece::Original, hash)? == Some(length) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Storage,
            "对象存储没有保存完整的文件;稍后会重试",
            "the object store did not keep the whole file; it is tried again later",
        ))
    }

    pub(super) fn put(&self, piece: Piece, hash: FileHash, bytes: Vec<u8>) -> Result<(), Error> {
        let key = Self::key(piece, hash);
        self.wait(self.store.put(&key, PutPayload::from(bytes)))?;
        Ok(())
    }

    pub(super) fn size(&self, piece: Piece, hash: FileHash) -> Result<Option<u64>, Error> {
        let key = Self::key(piece, hash);
        Ok(self.wait(self.store.head(&key))?.map(|about| about.size))
    }

    pub(super) fn read(
        &self,
        piece: Piece,
        hash: FileHash,
        (from, to): (u64, u64),
        block: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<bool, Error> {
        let key = Self::key(piece, hash);
        let mut at = from;
        while at < to {
            // A few blocks in one request: fewer waits, and still little memory.
            let end = to.min(at + 4 * BLOCK_BYTES as u64);
            let Some(bytes) = self.wait(self.store.get_range(&key, at..end))? else { return Ok(false) };
            if bytes.is_empty() {
                return Ok(false);
            }
            at += bytes.len() as u64;
            for part in bytes.chunks(BLOCK_BYTES) {
                if !block(part.to_vec()) {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }

    pub(super) fn remove(&self, piece: Piece, hash: FileHash) -> Result<(), Error> {
        let key = Self::key(piece, hash);
        self.wait(self.store.delete(&key)).map(|_| ())
    }

    pub(super) fn each(
        &self,
        one: &mut dyn FnMut(FileHash, SystemTime) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let prefix = Key::from(Piece::Original.folder());
        let mut listed = self.store.list(Some(&prefix));
        while let Some(about) = self.wait(async { listed.next().await.transpose() })?.flatten() {
            if let Some(hash) = about.location.filename().and_then(|name| name.parse().ok()) {
                let seconds = u64::try_from(about.last_modified.timestamp()).unwrap_or(0);
                one(hash, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
            }
        }
        Ok(())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // It may be dropped where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Carries the store's requests.
#[derive(Clone, Debug)]
struct Carrier(Agent);

impl HttpConnector for Carrier {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Carrier {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let carried = tokio::task::spawn_blocking(move || carry(&agent, head, &body));
        carried.await.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?
    }
}

fn carry(agent: &Agent, head: ureq::http::request::Parts, body: &[u8]) -> Result<HttpResponse, HttpError> {
    let response = if body.is_empty() {
        agent.run(ureq::http::Request::from_parts(head, ()))
    } else {
        agent.run(ureq::http::Request::from_parts(head, body))
    };
    let (head, body) = response.map_err(unreached)?.into_parts();
    let bytes = body.into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreached)?;
    Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "ureq's errors are open-ended")]
fn unreached(error: ureq::Error) -> HttpError {
    let kind = match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
