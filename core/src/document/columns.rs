//! The columns of a change: how much they claim to hold, counted before Automerge reads it, and what they
//! hold where that is read without Automerge.
//!
//! The operations of a change travel as columns of run lengths, so a few bytes can claim 2^60 operations
//! or predecessors. Automerge would walk them one by one or reserve the memory for them, and neither a
//! walk without end nor a failed allocation can be caught. Here each column is walked run by run, which
//! costs what its bytes are; columns that the product does not make are refused.

use super::change::malformed;
use crate::error::Error;
use crate::limits::CHANGE_OPS_MAX;

/// Magic, checksum and chunk type before the length of the body.
const OPENING: usize = 9;
/// Most predecessors of all operations of a change together: as if sixteen authors had written every
/// register at once.
const PREDECESSORS_MAX: u64 = 16 * CHANGE_OPS_MAX;

/// How a column codes its values.
#[derive(Clone, Copy)]
enum Coding {
    /// Runs of unsigned numbers.
    Numbers,
    /// Runs of unsigned numbers, each saying how many rows of the next columns belong to it.
    Counts,
    /// Runs of signed differences.
    Differences,
    /// Lengths of runs of false and true in turn.
    Flags,
    /// Runs of texts.
    Texts,
    /// Bytes that another column measures.
    Bytes,
}

/// The columns of the operations that the product makes: their numbers in the format, in its order, and
/// how many rows each may hold.
const COLUMNS: [(u64, Coding, u64); 12] = [
    (0x01, Coding::Numbers, CHANGE_OPS_MAX),
    (0x02, Coding::Numbers, CHANGE_OPS_MAX),
    (0x11, Coding::Numbers, CHANGE_OPS_MAX),
    (0x13, Coding::Differences, CHANGE_OPS_MAX),
    (0x15, Coding::Texts, CHANGE_OPS_MAX),
    (0x34, Coding::Flags, CHANGE_OPS_MAX),
    (0x42, Coding::Numbers, CHANGE_OPS_MAX),
    (0x56, Coding::Numbers, CHANGE_OPS_MAX),
    (0x57, Coding::Bytes, CHANGE_OPS_MAX),
    (0x70, Coding::Counts, CHANGE_OPS_MAX),
    (0x71, Coding::Numbers, PREDECESSORS_MAX),
    (0x73, Coding::Differences, PREDECESSORS_MAX),
];

/// Walks the columns of an uncompressed change chunk.
///
/// # Errors
/// `Protocol` when the chunk is cut short, has another column than the product makes, or claims more
/// operations or predecessors than a change may hold.
pub(super) fn check(chunk: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::of_chunk(chunk)?;
    for _ in 0..reader.number()? {
        reader.take(32)?;
    }
    reader.sized()?;
    reader.number()?;
    reader.number()?;
    reader.difference()?;
    reader.sized()?;
    for _ in 0..reader.number()? {
        reader.sized()?;
    }
    let mut columns = Vec::new();
    for _ in 0..reader.number()? {
        columns.push((reader.number()?, reader.number()?));
    }
    let mut known = COLUMNS.iter();
    for (number, length) in columns {
        let Some((_, coding, most)) = known.find(|(column, ..)| *column == number) else {
            return Err(malformed(
                "变更包含约定之外的列",
                "the change holds a column that the product does not make",
            ));
        };
        let length = usize::try_from(length).map_err(|_| cut_short())?;
        Reader(reader.take(length)?).column(*coding, *most)?;
    }
    Ok(())
}

/// Reads forward through foreign bytes; every step can fail, none can panic.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A column.
    pub(super) const fn of(column: &'a [u8]) -> Self {
        Self(column)
    }

    /// The body of an uncompressed change chunk.
    pub(super) fn of_chunk(chunk: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self(chunk.get(OPENING..).ok_or_else(cut_short)?);
        let length = reader.number()?;
        if usize::try_from(length).ok() == Some(reader.0.len()) { Ok(reader) } else { Err(cut_short()) }
    }

    /// True at the end.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a column in exactly the runs that Automerge writes: equal neighbours as one run, those
    /// between them as they are, none left out; no more than a change may have operations.
    pub(super) fn rows<T: Copy + PartialEq>(
        &mut self,
        mut value: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        let mut was_literal = false;
        while !self.0.is_empty() {
            let length = self.difference()?;
            let is_literal = length < 0;
            let is_full = length.unsigned_abs() > CHANGE_OPS_MAX.saturating_sub(rows.len() as u64);
            if length == 0 || length == 1 || (is_literal && was_literal) || is_full {
                return Err(cut_short());
            }
            let count = usize::try_from(length.unsigned_abs()).map_err(|_| cut_short())?;
            let (values, times) = if is_literal { (count, 1) } else { (1, count) };
            for _ in 0..values {
                let value = value(self)?;
                if rows.last() == Some(&value) {
                    return Err(cut_short());
                }
                rows.extend(std::iter::repeat_n(value, times));
            }
            was_literal = is_literal;
        }
        Ok(rows)
    }

    /// A text behind its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.sized()?).map_err(|_| cut_short())
    }

    fn column(&mut self, coding: Coding, most: u64) -> Result<(), Error> {
        let (mut rows, mut counted) = (0_u64, 0_u64);
        while !self.0.is_empty() && !matches!(coding, Coding::Bytes) {
            let run = match coding {
                Coding::Flags => self.number()?,
                Coding::Numbers | Coding::Counts | Coding::Differences | Coding::Texts | Coding::Bytes => {
                    self.run(coding, &mut counted)?
                }
            };
            rows = rows.saturating_add(run);
            if rows > most || counted > PREDECESSORS_MAX {
                return Err(malformed(
                    "变更操作数超过上限",
                    "the change claims more operations than allowed",
                ));
            }
        }
        Ok(())
    }

    /// One run: a value so many times, so many values, or so many times none. `counted` adds up the values.
    fn run(&mut self, coding: Coding, counted: &mut u64) -> Result<u64, Error> {
        let length = self.difference()?;
        let rows = length.unsigned_abs();
        let (values, times) = match length {
            0 => return self.number(),
            1.. => (1, rows),
            _ => (rows, 1),
        };
        for _ in 0..values {
            match coding {
                Coding::Differences => {
                    self.difference()?;
                }
                Coding::Texts => {
                    self.sized()?;
                }
                Coding::Numbers | Coding::Counts | Coding::Flags | Coding::Bytes => {
                    let value = self.number()?;
                    if matches!(coding, Coding::Counts) {
                        *counted = counted.saturating_add(value.saturating_mul(times));
                    }
                }
            }
        }
        Ok(rows)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(cut_short)?;
        self.0 = tail;
        Ok(head)
    }

    /// Bytes behind their length.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.number()?).map_err(|_| cut_short())?;
        self.take(length)
    }

    /// An unsigned LEB128 number in its shortest form.
    pub(super) fn number(&mut self) -> Result<u64, Error> {
        let (value, bits, last) = self.leb128()?;
        if (last == 0 && bits > 7) || value > u128::from(u64::MAX) {
            return Err(cut_short());
        }
        u64::try_from(value).map_err(|_| cut_short())
    }

    /// A signed LEB128 number in its shortest form.
    pub(super) fn difference(&mut self) -> Result<i64, Error> {
        let (value, bits, last) = self.leb128()?;
        let mut value = i128::try_from(value).map_err(|_| cut_short())?;
        if last & 0x40 != 0 {
            value -= 1_i128 << bits;
        }
        // The shortest form has no last group that only repeats the sign of the one before.
        let shorter = 1_i128 << bits.saturating_sub(8);
        if bits > 7 && (-shorter..shorter).contains(&value) {
            return Err(cut_short());
        }
        i64::try_from(value).map_err(|_| cut_short())
    }

    /// Groups of seven bits, lowest first: the number, how many bits it was given in, the last group.
    fn leb128(&mut self) -> Result<(u128, u32, u8), Error> {
        let mut value = 0_u128;
        for place in 0..10_u32 {
            let byte = *self.take(1)?.first().ok_or_else(cut_short)?;
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((value, 7 * (place + 1), byte));
            }
        }
        Err(cut_short())
    }
}

pub(super) fn cut_short() -> Error {
    malformed("变更数据不完整或不规范", "the change is cut short or its numbers are not canonical")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(bytes: &[u8], coding: Coding) -> bool {
        Reader(bytes).column(coding, CHANGE_OPS_MAX).is_ok()
    }

    #[test]
    fn runs_are_counted_without_being_walked() {
        assert!(column(&[], Coding::Numbers));
        assert!(column(&[2, 7, 0x7e, 1, 2, 0, 5], Coding::Numbers), "two, two literal, five times none");
        assert!(column(&[0x80, 0x80, 0x02, 1], Coding::Numbers), "32,768 times");
        assert!(!column(&[0x81, 0x80, 0x02, 1], Coding::Numbers), "32,769 times");
        let huge = [&[0xff; 8][..], &[0x3f, 1]].concat();
        assert!(!column(&huge, Coding::Numbers), "2^62 times");
        assert!(!column(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f], Coding::Numbers), "2^32 times none");
        assert!(!column(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], Coding::Numbers));
        assert!(column(&[3, 5], Coding::Flags) && !column(&[0xff, 0xff, 0x03], Coding::Flags));
        assert!(column(&[0x7f, 2, b'a', b'b'], Coding::Texts) && !column(&[0x7f, 3, b'a'], Coding::Texts));
        assert!(column(&[2, 8], Coding::Counts) && !column(&[1, 0xff, 0xff, 0xff, 0x7f], Coding::Counts));
        assert!(!column(&[0x7c, 1, 1], Coding::Numbers), "fewer values than were said");
    }

    #[test]
    fn only_the_shortest_form_of_a_number_is_read() {
        for (bytes, value) in
            [(&[0x40_u8][..], -64_i64), (&[0xc0, 0], 64), (&[0xbf, 0x7f], -65), (&[0x3f], 63)]
        {
            assert_eq!(Reader(bytes).difference().unwrap(), value);
        }
        for bytes in [&[0xff, 0x7f][..], &[0x80, 0], &[0xc0, 0x7f], &[0x80, 0x80, 0], &[0x80]] {
            assert!(Reader(bytes).difference().is_err(), "{bytes:?}");
        }
        assert_eq!(Reader(&[0xff; 9]).number().map_err(|_| ()), Err(()));
        let most = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(Reader(&most).number().unwrap(), u64::MAX);
        let least = [&[0x80; 9][..], &[0x7f]].concat();
        assert_eq!(Reader(&least).difference().unwrap(), i64::MIN);
        let beyond = [&[0xff; 9][..], &[2]].concat();
        assert!(Reader(&beyond).number().is_err() && Reader(&[0x80, 0]).number().is_err());
    }
}
