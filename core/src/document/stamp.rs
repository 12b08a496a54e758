//! How stamped values and events are coded inside a document: small CBOR arrays in byte registers.
//!
//! One register per value keeps value, author and time together: a clash then shows both values with
//! both authors, and one operation per answer keeps changes small. The layouts are fixed for ever;
//! a later field is appended to the array and older readers skip it.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;
use std::convert::Infallible;

use super::model::{Event, Stamped, Value};
use crate::error::{Error, ErrorKind};
use crate::id::UserId;

type Encoding = Result<(), minicbor::encode::Error<Infallible>>;
type Decoding<T> = Result<T, minicbor::decode::Error>;

/// Most events that one event may name as seen, and most data keys it may carry.
const EVENT_LIST_MAX: u64 = 64;

/// `[value, by, at_ms]`.
pub(super) fn encode_stamped(stamped: &Stamped) -> Vec<u8> {
    into_bytes(|e| {
        e.array(3)?;
        value(e, &stamped.value)?;
        e.str(stamped.by.as_str())?.i64(stamped.at_ms)?;
        Ok(())
    })
}

/// `[kind, by, at_ms, from, [after…], {data}]`; the id is the register's key.
pub(super) fn encode_event(event: &Event) -> Vec<u8> {
    into_bytes(|e| {
        e.array(6)?.str(&event.kind)?.str(event.by.as_str())?.i64(event.at_ms)?.str(&event.from)?;
        e.array(event.after.len() as u64)?;
        for id in &event.after {
            e.str(id)?;
        }
        e.map(event.data.len() as u64)?;
        for (key, item) in &event.data {
            e.str(key)?;
            value(e, item)?;
        }
        Ok(())
    })
}

/// Reads what [`encode_stamped`] wrote.
pub(super) fn decode_stamped(bytes: &[u8]) -> Result<Stamped, Error> {
    read(bytes, |d| {
        let length = array_of(d, 3)?;
        let stamped = Stamped { value: read_value(d)?, by: UserId::new(d.str()?), at_ms: d.i64()? };
        skip_rest(d, length, 3)?;
        Ok(stamped)
    })
}

/// Reads what [`encode_event`] wrote under the key `id`.
pub(super) fn decode_event(id: &str, bytes: &[u8]) -> Result<Event, Error> {
    read(bytes, |d| {
        let length = array_of(d, 6)?;
        let kind = d.str()?.to_owned();
        let by = UserId::new(d.str()?);
        let at_ms = d.i64()?;
        let from = d.str()?.to_owned();
        let seen = bounded(d.array()?)?;
        let after = (0..seen).map(|_| Ok(d.str()?.to_owned())).collect::<Decoding<_>>()?;
        let entries = bounded(d.map()?)?;
        let data = (0..entries)
            .map(|_| Ok((d.str()?.to_owned(), read_value(d)?)))
            .collect::<Decoding<BTreeMap<_, _>>>()?;
        skip_rest(d, length, 6)?;
        Ok(Event { id: id.to_owned(), kind, by, at_ms, from, after, data })
    })
}

fn into_bytes(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Encoding) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(48);
    write(&mut Encoder::new(&mut bytes)).expect("writing to memory does not fail");
    bytes
}

fn value(e: &mut Encoder<&mut Vec<u8>>, value: &Value) -> Encoding {
    match value {
        Value::Null => e.null()?,
        Value::Bool(flag) => e.bool(*flag)?,
        Value::Int(number) => e.i64(*number)?,
        Value::Number(number) => e.f64(*number)?,
        Value::Text(text) => e.str(text)?,
    };
    Ok(())
}

fn read_value(d: &mut Decoder<'_>) -> Decoding<Value> {
    let kind = d.datatype()?;
    if kind == Type::Null {
        d.null().map(|()| Value::Null)
    } else if kind == Type::Bool {
        d.bool().map(Value::Bool)
    } else if kind == Type::F64 {
        d.f64().map(Value::Number)
    } else if kind == Type::String {
        d.str().map(|text| Value::Text(text.to_owned()))
    } else {
        d.i64().map(Value::Int)
    }
}

fn array_of(d: &mut Decoder<'_>, least: u64) -> Decoding<u64> {
    let length = bounded(d.array()?)?;
    if length < least {
        return Err(minicbor::decode::Error::message("array too short"));
    }
    Ok(length)
}

fn bounded(length: Option<u64>) -> Decoding<u64> {
    length
        .filter(|length| *length <= EVENT_LIST_MAX)
        .ok_or_else(|| minicbor::decode::Error::message("length missing or too large"))
}

fn skip_rest(d: &mut Decoder<'_>, length: u64, read: u64) -> Decoding<()> {
    (read..length).try_for_each(|_| d.skip())
}

fn read<T>(bytes: &[u8], parse: impl FnOnce(&mut Decoder<'_>) -> Decoding<T>) -> Result<T, Error> {
    let mut decoder = Decoder::new(bytes);
    let parsed = parse(&mut decoder).and_then(|parsed| {
        if decoder.position() == bytes.len() {
            Ok(parsed)
        } else {
            Err(minicbor::decode::Error::message("bytes after the end"))
        }
    });
    parsed.map_err(|error| {
        Error::new(
            ErrorKind::Protocol,
            "记录中的一个值无法读取:格式不符",
            "a value inside the record cannot be read: it does not have the agreed form",
        )
        .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(value: Value) -> Stamped {
        Stamped { value, by: UserId::new("u.pt01"), at_ms: 1_795_309_560_000 }
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Int(24),
            Value::Number(0.08),
            Value::Text("南门香樟断枝悬挂".to_owned()),
        ] {
            let one = stamped(value);
            assert_eq!(decode_stamped(&encode_stamped(&one)).unwrap(), one);
        }
    }

    #[test]
    fn an_event_comes_back_and_later_fields_are_skipped() {
        let event = Event {
            id: "e1".to_owned(),
            kind: "assign".to_owned(),
            by: UserId::new("u.fd01"),
            at_ms: 7,
            from: "received".to_owned(),
            after: vec!["e0".to_owned()],
            data: BTreeMap::from([("note".to_owned(), Value::Text("急".to_owned()))]),
        };
        let mut bytes = encode_event(&event);
        assert_eq!(decode_event("e1", &bytes).unwrap(), event);
        bytes[0] = 0x87;
        bytes.push(0x01);
        assert_eq!(decode_event("e1", &bytes).unwrap(), event);
    }

    #[test]
    fn wrong_bytes_are_an_error() {
        for bytes in
            [&[][..], &[0x80], &[0x83, 0x01], &[0xff, 0xff], &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]]
        {
            assert!(decode_stamped(bytes).is_err());
            assert!(decode_event("e", bytes).is_err());
        }
        let mut trailing = encode_stamped(&stamped(Value::Int(1)));
        trailing.push(0);
        assert!(decode_stamped(&trailing).is_err());
    }
}
