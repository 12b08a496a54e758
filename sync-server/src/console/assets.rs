//! The files of the pages: style, script and pictures, compiled in.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::OnceLock;
use xunyuan_core::id::short_hash;

/// Name, media type and content.
const FILES: [(&str, &str, &str); 5] = [
    ("console.css", "text/css; charset=utf-8", include_str!("../../static/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("../../static/console.js")),
    ("htmx.min.js", "text/javascript; charset=utf-8", include_str!("../../static/htmx.min.js")),
    ("icons.svg", "image/svg+xml", include_str!("../../static/icons.svg")),
    ("icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")),
];

/// `GET /static/{name}`: a file that never changes under its address, because pages name its version.
pub(crate) async fn file(Path(name): Path<String>) -> Response {
    let Some((_, media_type, content)) = FILES.iter().find(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, *media_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, *content).into_response()
}

/// The version of all files together.
pub(super) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let parts: Vec<&[u8]> = FILES.iter().map(|(_, _, content)| content.as_bytes()).collect();
        data_encoding::HEXLOWER.encode(&short_hash("xunyuan/static/1", &parts)[..6])
    })
}
