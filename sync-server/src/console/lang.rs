//! The language of a page: Chinese, or English where the person switched.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use xunyuan_core::definition::Title;
use xunyuan_core::error::Sentence;

use crate::auth::cookie_of;

/// The cookie that remembers the switch.
pub(super) const COOKIE: &str = "xunyuan_lang";

/// Chinese, or English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lang {
    /// True for English.
    pub(crate) english: bool,
}

impl Lang {
    /// The language that the browser remembers; Chinese without one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { english: cookie_of(headers, COOKIE).as_deref() == Some("en") }
    }

    /// One of two texts.
    pub(crate) const fn t<'t>(self, zh: &'t str, en: &'t str) -> &'t str {
        if self.english { en } else { zh }
    }

    /// A title.
    pub(crate) fn title(self, title: &Title) -> &str {
        title.text(self.english)
    }

    /// A sentence.
    pub(crate) fn sentence(self, sentence: &Sentence) -> &str {
        if self.english { &sentence.en } else { &sentence.zh }
    }

    /// The tag that browsers and screen readers know it by.
    pub(crate) const fn code(self) -> &'static str {
        self.t("zh-CN", "en")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
