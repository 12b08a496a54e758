//! The parameters of a request, every one of them known.

use crate::asked::{Asked, FIELD};
use crate::problem::Problem;
use axum::http::Uri;

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text that is not empty.
    Text,
    /// `1`.
    Flag,
    /// Text that may be empty.
    MayBeEmpty,
}

/// A parameter of a route: its name, how it is written, and how the console calls it.
pub(super) type Param = (&'static str, Kind, &'static str);

/// Reads the query of an address; a parameter that is not among `known`, that comes twice or that is empty is refused.
///
/// # Errors
/// 400 naming the parameter.
pub(super) fn read(uri: &Uri, known: &[Param]) -> Result<Asked, Problem> {
    let query = uri.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| refused("query"))?;
    let mut read: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        // The prefix alone names no field.
        let wanted = if name.starts_with(FIELD) && name != FIELD { FIELD } else { name.as_str() };
        let param = known.iter().find(|(param, ..)| *param == wanted && name != FIELD);
        let Some((param, kind, called)) = param else { return Err(unknown(&name)) };
        let fits = match kind {
            Kind::Text => !value.trim().is_empty(),
            Kind::Flag => value == "1",
            Kind::MayBeEmpty => true,
        };
        let called = if *param == FIELD { name.clone() } else { (*called).to_owned() };
        if !fits || read.iter().any(|(before, _)| *before == called) {
            return Err(refused(&name));
        }
        read.push((called, value));
    }
    Asked::of(uri.path(), read)
}

/// The answer to a parameter that cannot be understood.
pub(super) fn refused(name: &str) -> Problem {
    bad(name, "看不懂参数", "cannot be understood; see /v1/openapi.json for what it may be")
}

fn unknown(name: &str) -> Problem {
    bad(name, "没有这个参数", "is no parameter here; see /v1/openapi.json for those that there are")
}

fn bad(name: &str, zh: &str, en: &str) -> Problem {
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    Problem::new(
        axum::http::StatusCode::BAD_REQUEST,
        "bad_parameter",
        format!("{zh}“{name}”;可用的参数见 /v1/openapi.json"),
        format!("\"{name}\" {en}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Param] = &[
        ("open", Kind::Flag, "open"),
        ("listed_from", Kind::Text, "since"),
        ("since", Kind::MayBeEmpty, "after"),
        (FIELD, Kind::Text, FIELD),
    ];

    fn of(query: &str) -> Result<Asked, Problem> {
        read(&format!("/v1/records?{query}").parse().unwrap(), KNOWN)
    }

    #[test]
    fn parameters_are_read_under_the_names_that_pages_use() {
        let asked = of("open=1&listed_from=2026-11-01&f.channel=phone").unwrap();
        assert!(asked.flag("open"));
        assert_eq!(asked.text("since"), Some("2026-11-01"));
        assert_eq!(asked.text("f.channel"), Some("phone"));
    }

    #[test]
    fn what_nobody_would_look_at_is_refused() {
        for (query, name) in [
            ("opne=1", "opne"),
            ("open=yes", "open"),
            ("open=1&open=1", "open"),
            ("listed_from=", "listed_from"),
            ("f.=a", "f."),
            ("page=2", "page"),
        ] {
            let problem = of(query).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (400, "bad_parameter"), "{query}");
            assert!(problem.sentence(true).contains(name), "{query}: {}", problem.sentence(true));
        }
    }
}
