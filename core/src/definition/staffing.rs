//! Staffing: how many people each post of a project asks for, and how many more an event does.

use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

use super::label::{Fault, SeedRef, Title, first_version};
use super::organisation::Project;

/// How many people a project needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staffing {
    /// Stable id.
    #[serde(default = "staffing_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// Facts of a project that the formulas use.
    pub inputs: Vec<String>,
    /// Posts.
    pub posts: Vec<Post>,
    /// Extra people for events.
    #[serde(default)]
    pub surge: Vec<Surge>,
    /// Examples with the expected numbers.
    #[serde(default)]
    pub examples: Vec<StaffingExample>,
}

fn staffing_id() -> String {
    "set.staffing".to_owned()
}

/// A post.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// How many.
    pub formula: PostFormula,
    /// Whether projects may share a person.
    pub share: Share,
    /// The roles whose people hold it; sets of an older version name none.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Households for each person.
#[derive(Clone, Debug, PartialEq)]
pub enum PerHouseholds {
    /// The same everywhere.
    Flat(f64),
    /// By the project's fee level.
    ByFeeLevel(BTreeMap<String, f64>),
}

/// How a quotient becomes people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Upwards.
    Ceil,
    /// Downwards.
    Floor,
}

/// How many people of a post.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostFormula {
    /// A fixed number.
    pub base: Option<u32>,
    /// Reserved: what the fixed number is per.
    pub per: Option<String>,
    /// At least.
    pub min: Option<u32>,
    /// Households for each person.
    pub per_households: Option<PerHouseholds>,
    /// How the quotient is rounded.
    pub round: Option<Rounding>,
    /// Factor for shifts.
    pub shift_factor: Option<f64>,
}

impl PostFormula {
    /// How many people of the post a project needs; `None` where a fact of the project that the formula
    /// uses is not known.
    #[must_use]
    pub fn people(&self, project: &Project) -> Option<u32> {
        let Some(per_households) = &self.per_households else { return self.base };
        let per = match per_households {
            PerHouseholds::Flat(per) => *per,
            PerHouseholds::ByFeeLevel(levels) => *levels.get(project.fee_level.as_deref()?)?,
        };
        let quotient = f64::from(project.households) / per * self.shift_factor.unwrap_or(1.0);
        let people = whole(quotient, self.round.unwrap_or(Rounding::Ceil));
        Some(self.base.unwrap_or(0) + people.max(self.min.unwrap_or(0)))
    }
}

/// Whether projects may share a person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// They may.
    pub allowed: bool,
    /// Most projects together.
    pub max_projects: Option<u32>,
    /// Most households together.
    pub max_households_total: Option<u32>,
}

/// Extra people for an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// Stable id.
    pub id: String,
    /// The input that calls for them.
    pub when: String,
    /// How many, Chinese.
    pub add_zh: String,
    /// How many people of each kind.
    pub formula: BTreeMap<String, SurgeFormula>,
    /// What the kinds are called; a kind without a name goes by its id.
    #[serde(default)]
    pub titles: BTreeMap<String, Title>,
    /// Where they come from.
    pub supply: String,
}

/// How many people of a kind an event needs: a number, or `ceil(input/number)`, `floor(input/number)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub enum SurgeFormula {
    /// So many.
    Fixed(u32),
    /// One for so many of an input.
    Quotient {
        /// The input.
        input: String,
        /// So many of it.
        per: f64,
        /// How the quotient becomes people.
        round: Rounding,
    },
}

impl TryFrom<serde_json::Value> for SurgeFormula {
    type Error = Fault;

    fn try_from(value: serde_json::Value) -> Result<Self, Fault> {
        let fixed = value.as_u64().and_then(|number| u32::try_from(number).ok()).map(Self::Fixed);
        fixed.or_else(|| Self::parse(value.as_str()?)).ok_or_else(|| {
            Fault::new(
                "人数公式应为整数,或 ceil(输入项/数)、floor(输入项/数)",
                "people are a whole number, or ceil(input/number), floor(input/number)",
            )
            .allowing(["3", "ceil(daily_units/12)"])
        })
    }
}

impl SurgeFormula {
    fn parse(text: &str) -> Option<Self> {
        let (round, rest) = match text.strip_prefix("ceil(") {
            Some(rest) => (Rounding::Ceil, rest),
            None => (Rounding::Floor, text.strip_prefix("floor(")?),
        };
        let (input, per) = rest.strip_suffix(')')?.split_once('/')?;
        let per: f64 = per.trim().parse().ok().filter(|per| *per > 0.0)?;
        Some(Self::Quotient { input: input.trim().to_owned(), per, round })
    }

    /// How many people a project needs; `None` where it does not say the input.
    #[must_use]
    pub fn people(&self, project: &Project) -> Option<u32> {
        match self {
            Self::Fixed(people) => Some(*people),
            Self::Quotient { input, per, round } => Some(whole(project.number_param(input)? / per, *round)),
        }
    }
}

/// A quotient as people.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people of one project")]
fn whole(quotient: f64, round: Rounding) -> u32 {
    let whole = match round {
        Rounding::Floor => quotient.floor(),
        Rounding::Ceil => quotient.ceil(),
    };
    whole.clamp(0.0, f64::from(u32::MAX)) as u32
}

/// An example of the formulas.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffingExample {
    /// The project.
    pub project: String,
    /// Its inputs.
    pub input: BTreeMap<String, serde_json::Value>,
    /// People by post.
    pub expect: BTreeMap<String, u32>,
    /// The calculation, Chinese.
    pub calc_zh: Option<String>,
}

impl<'de> Deserialize<'de> for PerHouseholds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;

        impl<'de> Visitor<'de> for NumberOrTable {
            type Value = PerHouseholds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a table by fee level")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<PerHouseholds, E> {
                Ok(PerHouseholds::Flat(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "households stay far below 2^53")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PerHouseholds, E> {
                Ok(PerHouseholds::Flat(number as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PerHouseholds, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(PerHouseholds::ByFeeLevel)
            }
        }

        deserializer.deserialize_any(NumberOrTable)
    }
}
