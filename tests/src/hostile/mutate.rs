//! Damage to a change that its checksum does not show: bits, bytes, columns, counters, names, chunk types,
//! pieces of another change. The checksum is always made right again, or every mutant would end there.

use super::chunk::{Chunk, body, put_number, put_signed, sealed};
use super::operations;
use crate::seed::Seed;

/// What was done to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// Bits of the body flipped.
    Bits,
    /// Bytes of the body replaced, put in, taken out or doubled.
    Bytes,
    /// The body cut short.
    Cut,
    /// A column's content replaced, emptied, doubled, exchanged; its number or packing changed.
    Column,
    /// A column that claims long runs.
    Claim,
    /// Seq, operation counter, time or message changed.
    Counter,
    /// Authors exchanged, added, dropped, renamed.
    Author,
    /// Predecessors dropped, added, doubled, taken from elsewhere.
    Deps,
    /// Bytes put behind the last column.
    Extra,
    /// Another chunk type, also one that is packed.
    Chunk,
    /// Operations changed and coded again by Automerge itself: well formed, and not the product's.
    Operation,
    /// Columns or operations of another change put in.
    Splice,
}

/// Every kind of damage.
pub const DAMAGES: [Damage; 12] = [
    Damage::Bits,
    Damage::Bytes,
    Damage::Cut,
    Damage::Column,
    Damage::Claim,
    Damage::Counter,
    Damage::Author,
    Damage::Deps,
    Damage::Extra,
    Damage::Chunk,
    Damage::Operation,
    Damage::Splice,
];

/// A damaged copy of an honest change; `other` is another honest change to take pieces of.
#[must_use]
pub fn damaged(seed: &mut Seed, damage: Damage, honest: &[u8], other: &[u8]) -> Vec<u8> {
    let mut chunk = Chunk::read(honest);
    match damage {
        Damage::Bits | Damage::Bytes | Damage::Cut => {
            let mut body = body(honest).to_vec();
            for _ in 0..=seed.below(3) {
                bytes(seed, damage, &mut body);
            }
            return sealed(1, &body);
        }
        Damage::Column => column(seed, &mut chunk.columns),
        Damage::Claim => claim(seed, &mut chunk.columns),
        Damage::Counter => counter(seed, &mut chunk),
        Damage::Author => author(seed, &mut chunk, &Chunk::read(other)),
        Damage::Deps => deps(seed, &mut chunk, &Chunk::read(other)),
        Damage::Extra => chunk.extra = noise(seed, 9),
        Damage::Chunk => return packed(seed, honest),
        Damage::Operation => return operations::altered(seed, honest),
        Damage::Splice if seed.chance(50) => return operations::spliced(seed, honest, other),
        Damage::Splice => splice(seed, &mut chunk, &Chunk::read(other)),
    }
    chunk.bytes()
}

/// Damages bytes of any kind: bits, bytes or length.
pub fn anything(seed: &mut Seed, bytes_of: &mut Vec<u8>) {
    let damage = *seed.pick(&[Damage::Bits, Damage::Bytes, Damage::Bytes, Damage::Cut]);
    bytes(seed, damage, bytes_of);
}

fn bytes(seed: &mut Seed, damage: Damage, body: &mut Vec<u8>) {
    if body.is_empty() {
        return body.push(byte(seed));
    }
    let at = seed.below(body.len());
    match (damage, seed.below(5)) {
        (Damage::Bits, _) => body[at] ^= 1 << seed.below(8),
        (Damage::Cut, _) => body.truncate(at),
        (_, 0) => body[at] = byte(seed),
        (_, 1) => body.insert(at, byte(seed)),
        (_, 2) => drop(body.remove(at)),
        (_, 3) => {
            let end = at + seed.below(body.len() - at).min(24);
            let piece = body[at..end].to_vec();
            let to = seed.below(body.len());
            body.splice(to..to, piece);
        }
        _ => {
            let end = at + 1 + seed.below((body.len() - at).min(12));
            body.drain(at..end);
        }
    }
}

fn column(seed: &mut Seed, columns: &mut Vec<(u64, Vec<u8>)>) {
    if columns.is_empty() {
        return columns.push((0x42, noise(seed, 5)));
    }
    let at = seed.below(columns.len());
    let to = seed.below(columns.len());
    match seed.below(9) {
        0 => columns[at].1 = noise(seed, 12),
        1 => columns[at].1.clear(),
        2 => drop(columns.remove(at)),
        3 => {
            let again = columns[at].1.clone();
            columns[at].1.extend(again);
        }
        4 => {
            let content = std::mem::take(&mut columns[at].1);
            columns[at].1 = std::mem::replace(&mut columns[to].1, content);
        }
        5 => columns[at].0 ^= 0x08,
        6 => columns[at].0 = 16 * seed.below(12) as u64 + seed.below(8) as u64,
        7 => {
            let new = (16 * seed.below(12) as u64 + seed.below(8) as u64, noise(seed, 6));
            columns.insert(at, new);
        }
        _ => bytes(seed, Damage::Bytes, &mut columns[at].1),
    }
}

/// Runs that say far more, or a little more, than there is.
fn claim(seed: &mut Seed, columns: &mut [(u64, Vec<u8>)]) {
    let longest = seed.below(62);
    let length = 1_i64 << longest;
    for (number, content) in columns {
        if seed.chance(40) {
            continue;
        }
        let mut run = Vec::new();
        if *number & 7 == 4 {
            put_number(&mut run, length.unsigned_abs());
        } else {
            let nothing = seed.chance(20);
            put_signed(&mut run, if nothing { 0 } else { length });
            put_number(&mut run, if nothing { length.unsigned_abs() } else { seed.below(5) as u64 });
        }
        if seed.chance(50) {
            content.extend(run);
        } else {
            *content = run;
        }
    }
}

fn counter(seed: &mut Seed, chunk: &mut Chunk) {
    let odd =
        [0, 1, chunk.start_op + 1, chunk.start_op.saturating_sub(1), u64::from(u32::MAX), 1 << 40, u64::MAX];
    match seed.below(5) {
        0 => chunk.seq = chunk.seq.wrapping_add(1),
        1 => chunk.seq = *seed.pick(&odd),
        2 => chunk.start_op = *seed.pick(&odd),
        3 => chunk.time = *seed.pick(&[1, -1, i64::MAX, i64::MIN]),
        _ => chunk.message = noise(seed, 6),
    }
}

fn author(seed: &mut Seed, chunk: &mut Chunk, other: &Chunk) {
    let stranger: Vec<u8> = seed.bytes()[..16].to_vec();
    match seed.below(8) {
        0 => chunk.actor = other.actor.clone(),
        1 => chunk.actor = stranger,
        2 => chunk.actor = noise(seed, 20),
        3 => chunk.actors.push(stranger),
        4 => chunk.actors.push(chunk.actor.clone()),
        5 => drop(chunk.actors.pop()),
        6 => chunk.actors.reverse(),
        _ => {
            let at = seed.below(chunk.actors.len().max(1));
            if let Some(actor) = chunk.actors.get_mut(at) {
                *actor = if seed.chance(50) { stranger } else { chunk.actor.clone() };
            }
        }
    }
}

fn deps(seed: &mut Seed, chunk: &mut Chunk, other: &Chunk) {
    match seed.below(7) {
        0 => chunk.deps.clear(),
        1 => drop(chunk.deps.pop()),
        2 => chunk.deps.push(seed.bytes()),
        3 => chunk.deps.extend(other.deps.iter().copied()),
        4 => chunk.deps.clone_from(&other.deps),
        5 => chunk.deps.extend(chunk.deps.clone()),
        _ => {
            chunk.deps.extend(other.deps.iter().copied());
            chunk.deps.sort_unstable();
            chunk.deps.dedup();
            chunk.deps.reverse();
        }
    }
}

fn packed(seed: &mut Seed, honest: &[u8]) -> Vec<u8> {
    let kind = *seed.pick(&[0, 2, 2, 3, 4, 255]);
    let content = if seed.chance(50) {
        // A stored deflate block: packed bytes without a packer.
        let plain = body(honest);
        let length = u16::try_from(plain.len()).unwrap_or(u16::MAX);
        [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes()[..], plain].concat()
    } else {
        body(honest).to_vec()
    };
    sealed(kind, &content)
}

fn splice(seed: &mut Seed, chunk: &mut Chunk, other: &Chunk) {
    for (number, content) in &mut chunk.columns {
        if seed.chance(40)
            && let Some((_, theirs)) = other.columns.iter().find(|(theirs, _)| theirs == number)
        {
            content.clone_from(theirs);
        }
    }
    if seed.chance(30) {
        chunk.actors.clone_from(&other.actors);
    }
}

fn noise(seed: &mut Seed, most: usize) -> Vec<u8> {
    (0..=seed.below(most)).map(|_| byte(seed)).collect()
}

fn byte(seed: &mut Seed) -> u8 {
    seed.bytes()[0]
}
