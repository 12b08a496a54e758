//! What every view needs: a page with its language, colour and width, and values for programs.

use serde_json::{Value as Json, json};
use xunyuan_core::definition::Title;
use xunyuan_core::document::model::{Stamped, Value};
use xunyuan_core::id::DefinitionRef;
use xunyuan_core::time::{civil, rfc3339};
use xunyuan_ffi::words::Words;

use crate::output::{Output, Tone};

/// A page to write on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'p> {
    /// Language, colour and width.
    pub(crate) output: &'p Output,
    /// Names, times and values in words.
    pub(crate) words: Words<'p>,
    /// Ids of the person's roles.
    pub(crate) roles: &'p [String],
    /// The device's time, milliseconds since 1970.
    pub(crate) now_ms: i64,
}

impl Page<'_> {
    /// The device's local day, `YYYY-MM-DD`.
    pub(crate) fn today(&self) -> String {
        civil(self.now_ms, self.words.utc_offset_min).date().to_string()
    }

    /// RFC 3339 with the device's offset.
    pub(crate) fn stamp(&self, at_ms: i64) -> Json {
        json!(rfc3339(at_ms, self.words.utc_offset_min))
    }

    /// `value, who, when` of one of several values under a key.
    pub(crate) fn signed_value(&self, reference: &DefinitionRef, key: &str, stamped: &Stamped) -> String {
        format!(
            "{} {}",
            self.words.key_value(reference, key, &stamped.value),
            self.faint(&format!("({} {})", self.words.person(&stamped.by), self.words.time(stamped.at_ms)))
        )
    }

    /// Less important text.
    pub(crate) fn faint(&self, text: &str) -> String {
        self.output.tone(Tone::Faint, text)
    }

    /// A value with author and time, for programs.
    pub(crate) fn stamped_json(&self, stamped: &Stamped) -> Json {
        json!({
            "value": value_json(&stamped.value),
            "by": stamped.by.as_str(),
            "at": self.stamp(stamped.at_ms),
        })
    }
}

/// A value for programs.
pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
    }
}

/// A title in both languages.
pub(crate) fn title_json(title: &Title) -> Json {
    json!({ "zh": title.zh, "en": title.en })
}

/// A definition version.
pub(crate) fn definition_json(reference: &DefinitionRef) -> Json {
    json!({ "id": reference.id, "version": reference.version, "hash": reference.hash.to_string() })
}
