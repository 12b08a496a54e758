//! What people see in the console, as JSON for their programs.
//!
//! Receives what an address asks for and what the token behind it may see; hands on lists that go on with `next`,
//! and one record whole. Values whose name ends in `_ms` are milliseconds since 1970. Forbids another way of
//! reading than the console's, and parameters that nobody looks at: a misspelt filter would look like an answer.

pub(crate) mod duties;
mod params;
pub(crate) mod records;
pub(crate) mod reports;

use xunyuan_core::report::Zone;

use crate::app::App;
use crate::asked::{Asked, Look};
use crate::hub::Sight;
use crate::problem::Problem;

/// Rows of an answer where nobody says how many.
const ROWS: u32 = 50;
/// Most rows of an answer.
const ROWS_MAX: u32 = 200;

/// A request of a program: what is asked for, and what it may see.
#[derive(Clone, Debug)]
struct Query {
    asked: Asked,
    sight: Sight,
    zone: Zone,
    now_ms: i64,
}

impl Query {
    fn new(app: &App, sight: Sight, asked: Asked) -> Self {
        Self { asked, zone: Zone::of(sight.catalog()), sight, now_ms: app.clock.now_ms() }
    }

    const fn look(&self) -> Look<'_> {
        Look { asked: &self.asked, sight: &self.sight, zone: &self.zone, now_ms: self.now_ms }
    }

    /// Rows to pass over, and rows to give.
    fn window(&self) -> Result<(u32, u32), Problem> {
        Ok((self.asked.parsed("cursor")?.unwrap_or(0), self.limit()?))
    }

    fn limit(&self) -> Result<u32, Problem> {
        let limit = self.asked.parsed("limit")?.unwrap_or(ROWS);
        if (1..=ROWS_MAX).contains(&limit) { Ok(limit) } else { Err(params::refused("limit")) }
    }
}

/// Where a list goes on after a page; nothing at its end.
fn next_of(offset: u32, rows: usize, limit: u32) -> Option<String> {
    let is_full = rows >= usize::try_from(limit).unwrap_or(usize::MAX);
    is_full.then(|| offset.saturating_add(limit).to_string())
}
