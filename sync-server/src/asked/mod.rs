//! What an address asks for, of a page or of the interface for programs.
//!
//! Receives the path and what stands behind the question mark; hands on values, filters over records and duties,
//! and requests for reports, or the refusal of what cannot be understood; writes the address again with one thing
//! changed. Pages and programs ask alike, so that both see the same. Forbids reading the branch.

mod look;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use jiff::civil::Date;
use std::str::FromStr;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::projection::Order;

use crate::problem::Problem;

pub(crate) use look::{FIELD, Look};

/// Rows on a page.
pub(crate) const ROWS: u32 = 50;
/// Longest value of a filter, characters.
const VALUE_CHARS_MAX: usize = 200;

/// The path and the pairs behind the question mark, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::read(parts.uri.path(), parts.uri.query().unwrap_or_default())
            .map_err(|problem| problem.into_response())
    }
}

impl Asked {
    /// Reads an address.
    pub(crate) fn read(path: &str, query: &str) -> Result<Self, Problem> {
        Self::of(path, serde_urlencoded::from_str(query).map_err(|_| refused("查询条件", "query"))?)
    }

    /// What the pairs of an address ask for.
    ///
    /// # Errors
    /// 400 where a value is longer than any filter.
    pub(crate) fn of(path: &str, pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = pairs
            .into_iter()
            .map(|(name, value)| (name, value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // Bytes that are no text are read as this sign.
        let is_bad = |value: &str| {
            value.chars().count() > VALUE_CHARS_MAX || value.contains(char::REPLACEMENT_CHARACTER)
        };
        match pairs.iter().find(|(_, value)| is_bad(value)) {
            Some((name, _)) => Err(refused(name, name)),
            None => Ok(Self { path: path.to_owned(), pairs }),
        }
    }

    /// A value; `None` where it is not given or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What is asked for, by name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// A value as it is, for a field of the filter form.
    pub(crate) fn shown(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// True where a box is ticked.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("1")
    }

    /// A value of some kind.
    ///
    /// # Errors
    /// 400 where it is none.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name).map(|text| text.parse().map_err(|_| refused(name, name))).transpose()
    }

    /// A day.
    ///
    /// # Errors
    /// 400 where it is none.
    pub(crate) fn day(&self, name: &str) -> Result<Option<Date>, Problem> {
        self.parsed(name)
    }

    /// One of several words.
    ///
    /// # Errors
    /// 400 where it is none of them.
    pub(crate) fn one_of<'a>(&'a self, name: &str, known: &[&str]) -> Result<Option<&'a str>, Problem> {
        match self.text(name) {
            Some(text) if !known.contains(&text) => Err(refused(name, name)),
            other => Ok(other),
        }
    }

    /// The page, from 1.
    ///
    /// # Errors
    /// 400 where it is no number from 1 on.
    pub(crate) fn page(&self) -> Result<u32, Problem> {
        match self.parsed::<u32>("page")? {
            Some(0) => Err(refused("page", "page")),
            page => Ok(page.unwrap_or(1)),
        }
    }

    /// The order, and whether it is the other way round: `?sort=due` or `?sort=-due`.
    ///
    /// # Errors
    /// 400 for an order that is not known.
    pub(crate) fn order(&self) -> Result<(Order, bool), Problem> {
        let Some(text) = self.text("sort") else { return Ok((Order::default(), false)) };
        let (name, reversed) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        Order::of(name).map(|order| (order, reversed)).ok_or_else(|| refused("sort", "sort"))
    }

    /// The address with one value changed, or taken away; a change of anything but the page begins at the first.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let keep = |key: &str| key != name && (name == "page" || key != "page");
        let mut pairs: Vec<(&str, &str)> =
            self.pairs.iter().filter(|(key, _)| keep(key)).map(|(k, v)| (k.as_str(), v.as_str())).collect();
        pairs.extend(value.map(|value| (name, value)));
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// The address as it is.
    pub(crate) fn address(&self) -> String {
        let query = serde_urlencoded::to_string(&self.pairs).unwrap_or_default();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// True where something beside page and order is asked for.
    pub(crate) fn is_filtered(&self) -> bool {
        self.pairs.iter().any(|(name, _)| !["page", "sort", "format"].contains(&name.as_str()))
    }
}

/// The answer to a filter that cannot be understood.
pub(crate) fn refused(zh: &str, en: &str) -> Problem {
    Problem::of(&Error::new(
        ErrorKind::Invalid,
        format!("看不懂网址中的筛选条件“{}”;请回到列表重新选择", short(zh)),
        format!(
            "the filter \"{}\" in the address cannot be understood; go back to the list and choose again",
            short(en)
        ),
    ))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_again() {
        let asked = Asked::read("/l", "q=%E6%BC%8F&state=&page=3&sort=-due").unwrap();
        assert_eq!((asked.text("q"), asked.text("state"), asked.page().unwrap()), (Some("漏"), None, 3));
        assert_eq!(asked.order().unwrap(), (Order::Due, true));
        assert_eq!(asked.with("page", Some("4")), "/l?q=%E6%BC%8F&sort=-due&page=4");
        assert_eq!(asked.with("state", Some("a b")), "/l?q=%E6%BC%8F&sort=-due&state=a+b");
        assert_eq!(asked.with("q", None), "/l?sort=-due");
        assert_eq!(Asked::read("/l", "").unwrap().address(), "/l");
        assert!(asked.is_filtered() && !Asked::read("/l", "page=2").unwrap().is_filtered());
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (query, name) in
            [("page=0", "page"), ("page=-1", "page"), ("page=1e9", "page"), ("sort=fly", "sort")]
        {
            let asked = Asked::read("/l", query).unwrap();
            let problem = asked.page().map(|_| ()).and_then(|()| asked.order().map(|_| ())).unwrap_err();
            assert_eq!(problem.status().as_u16(), 400);
            assert!(problem.sentence(true).contains(name), "{query}");
        }
        let asked = Asked::read("/l", "since=2026-13-40&state=x").unwrap();
        assert!(asked.day("since").is_err());
        assert!(asked.one_of("state", &["y"]).is_err());
        assert!(Asked::read("/l", &format!("q={}", "x".repeat(201))).is_err());
    }
}
