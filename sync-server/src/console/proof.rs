//! The history of one record as the log proves it: every change with who, when and where it stands.

use axum::extract::{Path, State};
use axum::response::Response;
use xunyuan_core::definition::Title;
use xunyuan_core::id::DefinitionRef;
use xunyuan_core::rules::title;

use super::entry::plain;
use super::grid::{Grid, GridCell, GridRow, Head};
use super::listing::number_of;
use super::nav::Area;
use super::plain::plain_page;
use super::record::document_of;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::hub::{LoggedChange, Said};
use crate::problem::Problem;

/// `GET /records/{id}/proof`
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, Problem> {
    let document = document_of(&id)?;
    let read = move |sight: &crate::hub::Sight| Ok((sight.record(document)?.row, sight.history(document)?));
    let (row, changes) = visit.read(&app, read).await?;
    let lines: Vec<(&LoggedChange, &Said)> =
        changes.iter().flat_map(|change| change.said.iter().map(move |said| (change, said))).collect();
    let (lines, count) = Grid::cut(&visit.asked, lines)?;
    let rows = lines.iter().enumerate();
    let rows =
        rows.map(|(place, (change, said))| line(&visit, &row.definition, place, change, said)).collect();
    let number = number_of(&row);
    let title = Title { zh: format!("{number} 的流水凭据"), en: format!("Proof of {number}") };
    let mut grid = Grid::plain(&visit, title, heads(), rows)?;
    grid.count = count;
    let note = visit.t(
        "每一行都是流水中一次签名写入的内容。链值由该行之前的全部流水算出,改动任何一行都会被“立即核验”发现。",
        "Every line is part of a signed row of the log. The chain is computed over all rows before it; any change of a row is found by \"Verify now\".",
    );
    grid.answer(&visit, |grid| plain_page(&visit, Area::Audit, note, grid))
}

fn heads() -> Vec<Head> {
    vec![
        Head::count("seq", "行", "Row"),
        Head::text("what", "内容", "What"),
        Head::text("value", "值", "Value"),
        Head::text("user", "填写人", "By"),
        Head::text("device", "设备", "Device"),
        Head::time("at", "设备时间", "Device time"),
        Head::time("received", "分公司收到", "Received"),
        Head::text("scope", "范围", "Scope"),
        Head::text("chain", "链值", "Chain"),
        Head::text("hash", "变更", "Change"),
    ]
}

fn line(
    visit: &Visit,
    definition: &DefinitionRef,
    place: usize,
    change: &LoggedChange,
    said: &Said,
) -> GridRow {
    let catalog = visit.catalog();
    let what = match said.what.split_once('/') {
        Some(("event", kind)) => title::of_event(catalog, definition, kind),
        Some(("text", field)) => title::of_key(catalog, definition, &format!("field/{field}")),
        _ => title::of_key(catalog, definition, &said.what),
    };
    let data: Vec<String> =
        said.data.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let value = if data.is_empty() { plain(&said.value) } else { data.join(" ") };
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let device = change.device.clone().unwrap_or_else(|| visit.t("服务器", "server").to_owned());
    let is_off = change.skew_ms.is_some_and(|ms| ms.abs() > xunyuan_core::limits::CLOCK_SKEW_SUSPICIOUS_MS);
    let at = GridCell::time(visit, said.at_ms);
    let cells = vec![
        GridCell::count(i64::try_from(change.seq).unwrap_or(i64::MAX)),
        GridCell::text(visit.title(&what)),
        GridCell::text(value),
        GridCell::text(visit.person(&change.user)),
        GridCell::text(device),
        if is_off { at.toned(Tone::Bad) } else { at },
        GridCell::time(visit, Some(change.received_at_ms)),
        GridCell::text(change.scope.to_string()),
        GridCell::text(hex(&change.chain).chars().take(16).collect::<String>()),
        GridCell::text(change.hash.to_string().chars().take(16).collect::<String>()),
    ];
    GridRow { key: format!("{}-{place}", change.hash), href: None, cells }
}
