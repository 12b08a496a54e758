//! What the branch refused: from whom, what it was about, and why.

use axum::extract::State;
use axum::response::Response;
use xunyuan_core::definition::Title;
use xunyuan_core::id::DocumentId;

use super::grid::{Grid, GridCell, GridRow, Head};
use super::listing::address;
use super::nav::Area;
use super::plain::plain_page;
use super::tone::Tone;
use super::visit::Visit;
use crate::app::App;
use crate::hub::RefusedRun;
use crate::problem::Problem;

/// `GET /refusals`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let (offset, limit) = Grid::window(&visit.asked)?;
    let read = move |sight: &crate::hub::Sight| {
        let found = sight.refusals(offset, limit)?;
        // A refused record may exist all the same: somebody else's work on it was taken in.
        let known = found.rows.iter().map(|run| sight.holds_record(run.document));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        Ok((found, known))
    };
    let (found, known) = visit.read(&app, read).await?;
    let rows = found.rows.iter().zip(known).enumerate();
    let rows = rows.map(|(place, (run, is_known))| row(&visit, place, run, is_known)).collect();
    let title = Title { zh: "被拒的内容".to_owned(), en: "Refusals".to_owned() };
    let mut grid = Grid::plain(&visit, title, heads(), rows)?;
    (grid.count, grid.is_more) = (found.count, found.is_more);
    grid.nothing = visit.t("没有被拒的内容。", "Nothing was refused.").to_owned();
    let note = visit.t(
        "被拒的内容连同签名原样保存备查;作者的设备上留有草稿,可由本人重做或放弃。",
        "What was refused is kept as it came, with its signature; its author keeps it as a draft on the device and decides what becomes of it.",
    );
    grid.answer(&visit, |grid| plain_page(&visit, Area::Refusals, note, grid))
}

fn heads() -> Vec<Head> {
    vec![
        Head::time("at", "时间", "At"),
        Head::text("user", "人员", "Person"),
        Head::text("scope", "范围", "Scope"),
        Head::text("record", "记录", "Record"),
        Head::text("reason", "原因", "Reason"),
        Head::text("code", "代码", "Code"),
        Head::count("times", "次数", "Times"),
    ]
}

fn row(visit: &Visit, place: usize, run: &RefusedRun, is_known: bool) -> GridRow {
    let user = match &run.author {
        Some(author) => format!("{} ({})", visit.person(&author.user), visit.person(&run.user)),
        None => visit.person(&run.user),
    };
    let record = GridCell::text(short(run.document));
    let cells = vec![
        GridCell::time(visit, Some(run.at_ms)),
        GridCell::text(user),
        GridCell::text(format!("{} · {}", visit.unit(run.scope.unit()), run.scope.stream())),
        if is_known { record.to(address(run.document)) } else { record },
        GridCell::text(visit.lang.sentence(&run.refusal.sentence)),
        GridCell::badge(run.refusal.code.clone(), Tone::Quiet),
        GridCell::count(i64::try_from(run.times).unwrap_or(i64::MAX)),
    ];
    GridRow { key: format!("{}-{}-{place}", run.last_hash, run.refusal.code), href: None, cells }
}

fn short(document: DocumentId) -> String {
    document.to_string().chars().take(8).collect()
}
