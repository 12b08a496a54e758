//! Photos on printed sheets: a page is written with marks where they belong, and filled in as it leaves.

use data_encoding::BASE64;
use std::io::{self, Write};
use std::str::FromStr as _;

use super::html::escaped;
use crate::error::{Error, ErrorKind};
use crate::id::{DocumentId, FileHash};

/// How a mark begins and ends. Every text of a page is escaped, so nothing else looks like one.
const MARK: (&str, &str) = ("<!--fill ", "-->");

/// A place on a page that is filled in when it is known what is where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A photo, or a drawn signature.
    File(FileHash),
    /// How many files of a record are at the branch, and who has the others.
    Counts(DocumentId),
}

/// What comes into such a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filling {
    /// A small picture.
    Picture {
        /// Its media type.
        media_type: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Words.
    Words(String),
    /// Nothing.
    Nothing,
}

impl Mark {
    pub(super) fn written(self) -> String {
        let said = match self {
            Self::File(hash) => format!("file {hash}"),
            Self::Counts(document) => format!("counts {document}"),
        };
        format!("{}{said}{}", MARK.0, MARK.1)
    }

    fn read(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("file", hash) => FileHash::from_str(hash).ok().map(Self::File),
            ("counts", document) => DocumentId::from_str(document).ok().map(Self::Counts),
            _ => None,
        }
    }
}

/// Writes a page with its places filled in, one after the other: no more than one picture is in memory.
///
/// # Errors
/// `Full` or `Storage` when writing fails; what `look` says.
pub fn fill(
    page: &str,
    out: &mut dyn Write,
    look: &mut dyn FnMut(Mark) -> Result<Filling, Error>,
) -> Result<(), Error> {
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(MARK.0) {
        let (said, after) = after.split_once(MARK.1).unwrap_or((after, ""));
        out.write_all(before.as_bytes()).map_err(unwritten)?;
        if let Some(mark) = Mark::read(said) {
            put(look(mark)?, out).map_err(unwritten)?;
        }
        rest = after;
    }
    out.write_all(rest.as_bytes()).map_err(unwritten)
}

fn put(filling: Filling, out: &mut dyn Write) -> io::Result<()> {
    match filling {
        Filling::Picture { media_type, bytes } => {
            let (media_type, bytes) = (escaped(&media_type), BASE64.encode(&bytes));
            write!(out, "<img alt=\"\" src=\"data:{media_type};base64,{bytes}\"/>")
        }
        Filling::Words(words) => write!(out, "<p>{}</p>", escaped(&words)),
        Filling::Nothing => Ok(()),
    }
}

fn unwritten(cause: io::Error) -> Error {
    let is_full = matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let kind = if is_full { ErrorKind::Full } else { ErrorKind::Storage };
    Error::new(kind, "报表没有写成", "the report was not written").caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_texts_are_not() {
        let (photo, missing) = (Mark::File(FileHash([1; 32])), Mark::File(FileHash([2; 32])));
        let counts = Mark::Counts(DocumentId([3; 16]));
        let [one, two, three] = [photo, missing, counts].map(Mark::written);
        let page = format!("<b>{one}</b>{two}{}{three}</html>", escaped(&one));
        let mut out = Vec::new();
        let mut look = |mark: Mark| {
            Ok(match mark {
                mark if mark == photo => {
                    Filling::Picture { media_type: "image/jpeg".to_owned(), bytes: b"abc".to_vec() }
                }
                Mark::File(_) => Filling::Words("在 <李四> 的手机上".to_owned()),
                Mark::Counts(_) => Filling::Nothing,
            })
        };
        fill(&page, &mut out, &mut look).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "<b><img alt=\"\" src=\"data:image/jpeg;base64,YWJj\"/></b><p>在 &lt;李四&gt; 的手机上</p>{}</html>",
                escaped(&one)
            )
        );
    }

    #[test]
    fn a_page_that_was_cut_is_written_as_far_as_it_goes() {
        let mut out = Vec::new();
        fill("<p>a</p><!--fill file 01", &mut out, &mut |_| Ok(Filling::Nothing)).unwrap();
        assert_eq!(out, b"<p>a</p>");
    }
}
