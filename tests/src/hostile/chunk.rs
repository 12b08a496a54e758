//! A change chunk taken apart as the format describes it, and put together again after whatever was done
//! to its parts. Written from the format, not with the product's code: it writes what the product refuses.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The parts of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Hashes of the changes before.
    pub deps: Vec<[u8; 32]>,
    /// Author id.
    pub actor: Vec<u8>,
    /// Place among the author's changes.
    pub seq: u64,
    /// Counter of the first operation.
    pub start_op: u64,
    /// Time of the commit.
    pub time: i64,
    /// A message to people.
    pub message: Vec<u8>,
    /// Authors that the operations name.
    pub actors: Vec<Vec<u8>>,
    /// The operations: number and content of each column.
    pub columns: Vec<(u64, Vec<u8>)>,
    /// Bytes behind the last column.
    pub extra: Vec<u8>,
}

impl Chunk {
    /// Takes an honest chunk apart.
    ///
    /// # Panics
    /// When the bytes are no change chunk.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut rest = body(bytes);
        let rest = &mut rest;
        let deps = (0..number(rest)).map(|_| take(rest, 32).try_into().expect("32 bytes")).collect();
        let actor = sized(rest);
        let (seq, start_op, time) = (number(rest), number(rest), signed(rest));
        let message = sized(rest);
        let actors = (0..number(rest)).map(|_| sized(rest)).collect();
        let lengths: Vec<(u64, u64)> = (0..number(rest)).map(|_| (number(rest), number(rest))).collect();
        let columns = lengths
            .into_iter()
            .map(|(column, length)| (column, take(rest, usize::try_from(length).expect("small")).to_vec()))
            .collect();
        Self { deps, actor, seq, start_op, time, message, actors, columns, extra: rest.to_vec() }
    }

    /// Puts the chunk together, with right lengths and a right checksum.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_number(&mut body, self.deps.len() as u64);
        self.deps.iter().for_each(|dep| body.extend_from_slice(dep));
        put_sized(&mut body, &self.actor);
        put_number(&mut body, self.seq);
        put_number(&mut body, self.start_op);
        put_signed(&mut body, self.time);
        put_sized(&mut body, &self.message);
        put_number(&mut body, self.actors.len() as u64);
        self.actors.iter().for_each(|actor| put_sized(&mut body, actor));
        put_number(&mut body, self.columns.len() as u64);
        for (column, content) in &self.columns {
            put_number(&mut body, *column);
            put_number(&mut body, content.len() as u64);
        }
        self.columns.iter().for_each(|(_, content)| body.extend_from_slice(content));
        body.extend_from_slice(&self.extra);
        sealed(1, &body)
    }
}

/// A chunk of a type around a body, with a right length and a right checksum.
#[must_use]
pub fn sealed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut counted = vec![kind];
    put_number(&mut counted, body.len() as u64);
    counted.extend_from_slice(body);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend_from_slice(&Sha256::digest(&counted)[..4]);
    chunk.extend_from_slice(&counted);
    chunk
}

/// The body of an honest chunk.
///
/// # Panics
/// When the bytes are no chunk.
#[must_use]
pub fn body(chunk: &[u8]) -> &[u8] {
    let mut rest = &chunk[9..];
    number(&mut rest);
    rest
}

/// Writes an unsigned LEB128 number.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Writes a signed LEB128 number.
pub fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Bytes as lower-case hex, as fixtures hold them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Reads what [`hex`] wrote.
///
/// # Panics
/// When the text is no hex.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.trim().as_bytes()).expect("a fixture holds hex")
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    head
}

fn sized(rest: &mut &[u8]) -> Vec<u8> {
    let length = number(rest);
    take(rest, usize::try_from(length).expect("small")).to_vec()
}

fn number(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn signed(rest: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_i64, 0);
    loop {
        let byte = take(rest, 1)[0];
        value |= i64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return if byte & 0x40 != 0 && shift < 64 { value | (-1 << shift) } else { value };
        }
    }
}
