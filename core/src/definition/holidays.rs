//! Public holidays and the make-up working days that pay for them, year by year, as the State Council
//! publishes them.

use jiff::civil::Date;
use serde::Deserialize;

use super::label::{Fault, first_version};

/// The public holidays of consecutive years.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holidays {
    /// Stable id.
    #[serde(default = "holidays_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// The years, one after the other.
    pub years: Vec<HolidayYear>,
}

fn holidays_id() -> String {
    "set.holidays".to_owned()
}

/// How final a year's days are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolidayStatus {
    /// As the year's notice arranges them.
    Published,
    /// Only the days that the law names; the notice with the make-up days is not out yet.
    Statutory,
}

/// One year.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolidayYear {
    /// The year.
    pub year: i16,
    /// How final it is.
    pub status: HolidayStatus,
    /// Where it is from, Chinese.
    pub source_zh: Option<String>,
    /// Days off.
    pub off: Vec<DaysOff>,
    /// Saturdays and Sundays on which people work instead.
    #[serde(default)]
    pub workdays: Vec<Day>,
}

/// A holiday.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaysOff {
    /// Its name, Chinese.
    pub name_zh: String,
    /// First day off.
    pub from: Day,
    /// Last day off.
    pub to: Day,
}

/// A calendar day that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(pub Date);

impl TryFrom<String> for Day {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse().ok().filter(|_| text.len() == 10).map(Self).ok_or_else(|| {
            Fault::new(format!("“{text}”不是日期"), format!("\"{text}\" is not a day"))
                .allowing(["YYYY-MM-DD"])
        })
    }
}

impl Holidays {
    /// Whether people work on this day; `None` for an ordinary day, which the week decides.
    #[must_use]
    pub fn works(&self, day: Date) -> Option<bool> {
        let is_off = |year: &HolidayYear| year.off.iter().any(|off| off.from.0 <= day && day <= off.to.0);
        if self.years.iter().any(|year| year.workdays.contains(&Day(day))) {
            return Some(true);
        }
        self.years.iter().any(is_off).then_some(false)
    }

    /// The last year that is known; deadlines beyond it count Mondays to Fridays.
    #[must_use]
    pub fn known_to(&self) -> Option<i16> {
        self.years.iter().map(|year| year.year).max()
    }
}
