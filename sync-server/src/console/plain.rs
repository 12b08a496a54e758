//! A page that is a list and nothing else.

use askama::Template;
use axum::response::{IntoResponse as _, Response};

use super::answer::Page;
use super::grid::{FilterPart, Grid};
use super::nav::Area;
use super::visit::Visit;

#[derive(Template)]
#[template(path = "plain.html")]
struct PlainPage<'v> {
    v: &'v Visit,
    area: Area,
    note: &'v str,
    grid: Grid,
}

/// The page of a list; `note` says what it is about, where the title does not.
pub(super) fn plain_page(visit: &Visit, area: Area, note: &str, grid: Grid) -> Response {
    Page(PlainPage { v: visit, area, note, grid }).into_response()
}
