//! JSON as typed values, with the place of whatever does not fit.
//!
//! One deserializer of one type over values that were parsed before. A general one that tracks paths wraps each
//! visitor in another type, and so each definition was compiled several times: more than a megabyte of an app.

use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use std::fmt;

/// A value that does not fit its type.
#[derive(Debug)]
pub(super) struct Unfit {
    /// What serde says.
    pub(super) text: String,
    /// Where, innermost first.
    path: Vec<String>,
}

impl Unfit {
    /// The JSON pointer to it.
    pub(super) fn pointer(&self) -> String {
        let escaped = self.path.iter().rev().map(|step| step.replace('~', "~0").replace('/', "~1"));
        escaped.flat_map(|step| ["/".to_owned(), step]).collect()
    }

    fn below(mut self, step: impl ToString) -> Self {
        self.path.push(step.to_string());
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unfit {}

impl de::Error for Unfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { text: text.to_string(), path: Vec::new() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if found == Unexpected::Unit {
            return Self::custom(format_args!("invalid type: null, expected {expected}"));
        }
        Self::custom(format_args!("invalid type: {found}, expected {expected}"))
    }
}

/// A JSON value being read.
pub(super) struct Reader(pub(super) Value);

impl<'de> Deserializer<'de> for Reader {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(elements) => {
                let length = elements.len();
                let mut access = Elements { rest: elements.into_iter(), next: 0 };
                let read = visitor.visit_seq(&mut access)?;
                if access.rest.len() == 0 {
                    Ok(read)
                } else {
                    Err(de::Error::invalid_length(length, &"fewer elements in array"))
                }
            }
            Value::Object(object) => {
                let length = object.len();
                let mut access = Entries { rest: object.into_iter(), value: None };
                let read = visitor.visit_map(&mut access)?;
                if access.rest.len() == 0 {
                    Ok(read)
                } else {
                    Err(de::Error::invalid_length(length, &"fewer elements in map"))
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Named { name, content: None }),
            Value::Object(object) if object.len() == 1 => {
                let mut entries = object.into_iter();
                let (name, content) = entries.next().unwrap_or_default();
                visitor.visit_enum(Named { name, content: Some(content) })
            }
            Value::Object(_) => Err(de::Error::invalid_value(Unexpected::Map, &"map with a single key")),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
                Err(de::Error::invalid_type(unexpected(&other), &"string or map"))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, Unfit> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements {
    rest: std::vec::IntoIter<Value>,
    next: usize,
}

impl<'de> SeqAccess<'de> for &mut Elements {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let place = self.next;
        self.next += 1;
        seed.deserialize(Reader(value)).map(Some).map_err(|unfit| unfit.below(place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries {
    rest: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for &mut Entries {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unfit> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let read: Result<_, Unfit> = seed.deserialize(StringDeserializer::new(key.clone()));
        let read = read.map_err(|unfit| unfit.below(&key))?;
        self.value = Some((key, value));
        Ok(Some(read))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unfit> {
        let (key, value) = self.value.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(Reader(value)).map_err(|unfit| unfit.below(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A variant by its name, with what it holds.
struct Named {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Named {
    type Error = Unfit;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Unfit> {
        let read: Result<_, Unfit> = seed.deserialize(StringDeserializer::new(self.name));
        Ok((read?, Content(self.content)))
    }
}

struct Content(Option<Value>);

impl<'de> VariantAccess<'de> for Content {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        match self.0 {
            None | Some(Value::Null) => Ok(()),
            Some(other) => Err(de::Error::invalid_type(unexpected(&other), &"unit variant")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        match self.0 {
            Some(value) => seed.deserialize(Reader(value)),
            None => Err(de::Error::invalid_type(Unexpected::UnitVariant, &"newtype variant")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Some(value @ Value::Array(_)) => Reader(value).deserialize_any(visitor),
            _ => Err(de::Error::invalid_type(Unexpected::UnitVariant, &"tuple variant")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Some(value @ Value::Object(_)) => Reader(value).deserialize_any(visitor),
            _ => Err(de::Error::invalid_type(Unexpected::UnitVariant, &"struct variant")),
        }
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Unexpected::Unsigned(number),
            (None, Some(number)) => Unexpected::Signed(number),
            (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        parts: Vec<Part>,
        #[serde(default)]
        maybe: Option<u8>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Part {
        Bare,
        Held(i64),
        Wide { a: f64 },
    }

    fn read(value: Value) -> Result<Outer, (String, String)> {
        Outer::deserialize(Reader(value)).map_err(|unfit| (unfit.pointer(), unfit.text))
    }

    #[test]
    fn values_are_read_into_their_types() {
        let json = json!({"name": "x", "parts": ["bare", {"held": -3}, {"wide": {"a": 1}}], "maybe": null});
        let parts = vec![Part::Bare, Part::Held(-3), Part::Wide { a: 1.0 }];
        assert_eq!(read(json), Ok(Outer { name: "x".into(), parts, maybe: None }));
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let at = |json: Value| read(json).unwrap_err();
        assert_eq!(at(json!({"name": 5, "parts": []})).0, "/name");
        assert_eq!(
            at(json!({"name": null, "parts": []})),
            ("/name".into(), "invalid type: null, expected a string".into())
        );
        assert_eq!(at(json!({"name": "x", "parts": ["bare", {"held": "y"}]})).0, "/parts/1");
        assert_eq!(at(json!({"name": "x", "parts": [{"wide": {"a": "y"}}]})).0, "/parts/0/a");
        assert_eq!(at(json!({"name": "x", "parts": [], "a/b~c": 1})).0, "/a~1b~0c");
        assert!(at(json!({"parts": []})).1.starts_with("missing field `name`"));
        assert_eq!(at(json!({"name": "x", "parts": [], "maybe": 300})).0, "/maybe");
    }
}
