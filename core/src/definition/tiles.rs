//! What the branch's console shows at a glance, as data: tiles that count records, duties and devices.

use serde::Deserialize;

use super::label::{Title, first_version};

/// All tiles and charts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// Stable id.
    #[serde(default = "tiles_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The tiles in the order to show.
    pub tiles: Vec<Tile>,
}

fn tiles_id() -> String {
    "set.tiles".to_owned()
}

/// One tile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    /// Stable id, unique among the tiles.
    pub id: String,
    /// Its heading.
    pub title: Title,
    /// The page that it stands on.
    #[serde(default)]
    pub page: TilePage,
    /// What it shows.
    pub show: Show,
}

/// Where a tile stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TilePage {
    /// On the first page.
    #[default]
    Overview,
    /// Among the charts.
    Charts,
}

/// What a tile counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Show {
    /// Today's slots of a rule that watches a schedule, by project and by how they stand.
    Slots {
        /// The rule.
        rule: String,
    },
    /// Duties that are not settled, by how they stand.
    Duties {
        /// Of these rules; empty: of all.
        #[serde(default)]
        rules: Vec<String>,
    },
    /// Open entries of a ledger by how grave and how old they are.
    Ages {
        /// The ledger.
        of: String,
        /// Where one age ends and the next begins, days.
        days: Vec<u32>,
    },
    /// Records that began in the running month against the month before.
    Change {
        /// The ledger or checklist.
        of: String,
    },
    /// How many records are open, late and in dispute.
    Standing {
        /// The ledger or checklist.
        of: String,
    },
    /// Devices by how they stand.
    Fleet {},
    /// Records begun and ended per week.
    Trend {
        /// The ledger or checklist.
        of: String,
        /// How many weeks.
        weeks: u32,
    },
    /// How many entries of a ledger hold one thing and another.
    Matrix {
        /// The ledger.
        of: String,
        /// The field whose values are the rows.
        rows: String,
        /// The field whose values are the columns.
        columns: String,
        /// Only entries that are not ended.
        #[serde(default)]
        open: bool,
    },
    /// At which checkpoints sheets of a checklist say that somebody was, day by day.
    Coverage {
        /// The checklist.
        of: String,
        /// How many days.
        days: u32,
    },
}

impl Show {
    /// The ledger or checklist whose records it counts.
    #[must_use]
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::Ages { of, .. }
            | Self::Change { of }
            | Self::Standing { of }
            | Self::Trend { of, .. }
            | Self::Matrix { of, .. }
            | Self::Coverage { of, .. } => Some(of),
            Self::Slots { .. } | Self::Duties { .. } | Self::Fleet {} => None,
        }
    }
}
