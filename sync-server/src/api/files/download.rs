//! `GET /v1/files/<sha256>` and its thumbnail: whole, in part, or not at all when the reader has it already.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::io;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use xunyuan_core::media::of_media_type;

use super::{failed, hash_of};
use crate::app::App;
use crate::auth::Caller;
use crate::hub::{Device, FileInfo};
use crate::problem::Problem;
use crate::vault::Piece;

/// Blocks that wait for a slow reader.
const WAITING_MAX: usize = 2;
/// A file never changes under its hash.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// Hands a file out to a device whose person may read it.
pub(crate) async fn file(
    State(app): State<App>,
    Caller(device): Caller,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = readable(&app, device, &hash).await?;
    sent(&app, info, &headers).await
}

/// Hands the thumbnail of a file out.
pub(crate) async fn thumbnail(
    State(app): State<App>,
    Caller(device): Caller,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = readable(&app, device, &hash).await?;
    small(&app, info, &headers).await
}

async fn readable(app: &App, device: Device, hash: &str) -> Result<FileInfo, Problem> {
    let hash = hash_of(hash)?;
    let info = app.call(move |hub, _| hub.readable_file(&device.user, hash)).await?;
    info.map_err(|error| failed(&error))?.ok_or_else(unknown)
}

/// A file as a response, for whoever may read it.
pub(crate) async fn sent(app: &App, info: FileInfo, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", info.hash);
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, common(&info, &tag)).into_response());
    }
    let range = match wanted(headers, &tag, info.bytes) {
        Wanted::All => None,
        Wanted::Part(from, to) => Some((from, to)),
        Wanted::Nothing => {
            return Err(Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                "请求的范围超出文件",
                "the file has no such part",
            )
            .header(header::CONTENT_RANGE, value(&format!("bytes */{}", info.bytes))));
        }
    };
    let (from, to) = range.unwrap_or((0, info.bytes));
    let place = app.transfer().await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, io::Error>>(WAITING_MAX);
    let (hub, hash) = (app.hub.clone(), info.hash);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut hand_on = |block: Vec<u8>| sender.blocking_send(Ok(block.into())).is_ok();
        match hub.vault().read(Piece::Original, hash, (from, to), &mut hand_on) {
            Ok(true) => {}
            // The reader sees that the file breaks off, and comes back.
            Ok(false) => drop(sender.blocking_send(Err(io::ErrorKind::NotFound.into()))),
            Err(error) => drop(sender.blocking_send(Err(io::Error::other(error)))),
        }
    });
    let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
    response.headers_mut().extend(common(&info, &tag));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    if let Some((from, to)) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let part = format!("bytes {from}-{}/{}", to.saturating_sub(1), info.bytes);
        response.headers_mut().insert(header::CONTENT_RANGE, value(&part));
    }
    Ok(response)
}

/// The thumbnail of a file as a response, for whoever may read it.
pub(crate) async fn small(app: &App, info: FileInfo, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{}-s\"", info.hash);
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, value(&tag))]).into_response());
    }
    let place = app.transfer().await?;
    let hash = info.hash;
    let made = app
        .call(move |hub, _| {
            let _place = place;
            hub.file_thumbnail(hash)
        })
        .await?;
    let bytes = made.map_err(|error| failed(&error))?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no_thumbnail",
            "这个文件没有缩略图",
            "this file has no thumbnail",
        )
    })?;
    let jpeg = FileInfo { media_type: "image/jpeg".to_owned(), bytes: bytes.len() as u64, ..info };
    Ok((common(&jpeg, &tag), bytes).into_response())
}

/// What every answer says of a file. Whatever it holds, a browser runs nothing of it.
fn common(info: &FileInfo, tag: &str) -> HeaderMap {
    let extension = of_media_type(&info.media_type).map_or("bin", |kind| kind.extension);
    let name: String = info.hash.to_string().chars().take(12).collect();
    let pairs: [(HeaderName, HeaderValue); 7] = [
        (header::CONTENT_TYPE, value(&info.media_type)),
        (header::CONTENT_DISPOSITION, value(&format!("inline; filename=\"{name}.{extension}\""))),
        (header::ETAG, value(tag)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    pairs.into_iter().collect()
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "file_unknown",
        "没有这个文件,或还没有上传完",
        "there is no such file, it has not arrived yet, or you may not read it",
    )
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")
}

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// From a byte up to, and without, another.
    Part(u64, u64),
    Nothing,
}

/// Reads `Range`; one that is malformed or asks for several parts is as none.
fn wanted(headers: &HeaderMap, tag: &str, bytes: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Wanted::All;
    }
    let Some((first, last)) = text(header::RANGE)
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last && first < bytes => Wanted::Part(first, bytes.min(last + 1)),
        (Ok(first), Err(_)) if last.trim().is_empty() && first < bytes => Wanted::Part(first, bytes),
        (Err(_), Ok(count)) if first.trim().is_empty() && count > 0 => {
            Wanted::Part(bytes.saturating_sub(count), bytes)
        }
        (Ok(_), _) | (Err(_), Ok(0)) => Wanted::Nothing,
        (Err(_), _) => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_browsers_ask_for_them() {
        let asked = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
            wanted(&headers, "\"x\"", 100)
        };
        assert_eq!(asked("bytes=0-9"), Wanted::Part(0, 10));
        assert_eq!(asked("bytes=90-1000"), Wanted::Part(90, 100));
        assert_eq!(asked("bytes=40-"), Wanted::Part(40, 100));
        assert_eq!(asked("bytes=-10"), Wanted::Part(90, 100));
        assert_eq!(asked("bytes=-1000"), Wanted::Part(0, 100));
        assert_eq!(asked("bytes=100-"), Wanted::Nothing);
        assert_eq!(asked("bytes=-0"), Wanted::Nothing);
        for odd in ["bytes=a-b", "lines=0-9", "bytes=0-9,20-29x", "bytes=9"] {
            assert_ne!(asked(odd), Wanted::Part(0, 100), "{odd}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=1-2"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"old\""));
        assert_eq!(wanted(&headers, "\"x\"", 100), Wanted::All);
    }
}
