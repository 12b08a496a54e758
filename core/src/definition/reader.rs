//! JSON as typed values, with the place of whatever does not fit.
//!
//! One deserializer of one type over values that were parsed before. A general one that tracks paths wraps each
//! visitor in another type, and so each definition was compiled several times: more than a megabyte of an app.

use serde::de::value::{StrDeserializer, StringDeserializer};
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

    /// The same, told from outside, where it came up inside a part.
    fn below(mut self, part: Option<impl ToString>) -> Self {
        self.path.extend(part.map(|part| part.to_string()));
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

// What reads a part of some type is one function for all the types that have such a part: hence never inlined.
impl Reader {
    #[inline(never)]
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let Value::Number(number) = &self.0 else { return self.unfit(&visitor) };
        match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => visitor.visit_u64(number),
            (None, Some(number), _) => visitor.visit_i64(number),
            (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
        }
    }

    #[inline(never)]
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if let Value::String(text) = self.0 { visitor.visit_string(text) } else { self.unfit(&visitor) }
    }

    #[inline(never)]
    fn elements<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let Value::Array(elements) = self.0 else { return self.unfit(&visitor) };
        let length = elements.len();
        let mut access = Elements { rest: elements.into_iter(), next: 0, at: None };
        match visitor.visit_seq(&mut access) {
            Ok(read) if access.rest.len() == 0 => Ok(read),
            Ok(_) => Err(de::Error::invalid_length(length, &"fewer elements in array")),
            Err(unfit) => Err(unfit.below(access.at)),
        }
    }

    #[inline(never)]
    fn entries<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let Value::Object(object) = self.0 else { return self.unfit(&visitor) };
        let length = object.len();
        let mut access = Entries { rest: object.into_iter(), at: None };
        match visitor.visit_map(&mut access) {
            Ok(read) if access.rest.len() == 0 => Ok(read),
            Ok(_) => Err(de::Error::invalid_length(length, &"fewer elements in map")),
            Err(unfit) => Err(unfit.below(access.at.map(|(key, _)| key))),
        }
    }

    fn unfit<T>(&self, expected: &dyn Expected) -> Result<T, Unfit> {
        Err(de::Error::invalid_type(unexpected(&self.0), expected))
    }
}

/// Methods of a deserializer that all read one form of JSON.
macro_rules! read_as {
    ($form:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            self.$form(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match &self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.text(visitor),
            Value::Array(_) => self.elements(visitor),
            Value::Object(_) => self.entries(visitor),
        }
    }

    // A type says what it is read from: were it asked for every form of JSON, reading it would be compiled for all.

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if let Value::Bool(flag) = self.0 { visitor.visit_bool(flag) } else { self.unfit(&visitor) }
    }

    read_as! { number: deserialize_u8 deserialize_u32 deserialize_u64 deserialize_i64 deserialize_f64 }
    read_as! { text: deserialize_str deserialize_string }
    read_as! { elements: deserialize_seq }
    read_as! { entries: deserialize_map }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.elements(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.entries(visitor)
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
        i8 i16 i32 i128 u16 u128 f32 char bytes byte_buf unit unit_struct tuple_struct identifier
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
    /// The element that is being read.
    at: Option<usize>,
}

impl<'de> SeqAccess<'de> for &mut Elements {
    type Error = Unfit;

    #[inline(never)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        self.at = Some(self.next);
        self.next += 1;
        let read = seed.deserialize(Reader(value))?;
        self.at = None;
        Ok(Some(read))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries {
    rest: serde_json::map::IntoIter,
    /// The entry that is being read, its value until that is.
    at: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for &mut Entries {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unfit> {
        self.at = self.rest.next();
        let Some((key, _)) = &self.at else { return Ok(None) };
        let key: StrDeserializer<'_, Unfit> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    #[inline(never)]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unfit> {
        let value = self.at.as_mut().map(|(_, value)| std::mem::take(value));
        let value = value.ok_or_else(|| de::Error::custom("a value without its key"))?;
        let read = seed.deserialize(Reader(value))?;
        self.at = None;
        Ok(read)
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
            Some(value @ Value::Array(_)) => Reader(value).elements(visitor),
            _ => Err(de::Error::invalid_type(Unexpected::UnitVariant, &"tuple variant")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Some(value @ Value::Object(_)) => Reader(value).entries(visitor),
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
