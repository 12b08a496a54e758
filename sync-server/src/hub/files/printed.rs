//! Photos on printed reports: the thumbnail, or who still has the photo.

use xunyuan_core::error::{Error, Sentence};
use xunyuan_core::id::FileHash;
use xunyuan_core::media::{self, Class};
use xunyuan_core::projection;
use xunyuan_core::report::{Filling, Mark};

use super::Hub;
use super::store;
use crate::vault::Piece;

impl Hub {
    /// What comes into a place of a printed report, in one of the languages; `time` says how a time is shown.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn filling(&self, mark: Mark, english: bool, time: impl Fn(i64) -> String) -> Result<Filling, Error> {
        let words = |said: Sentence| Filling::Words(if english { said.en } else { said.zh });
        match mark {
            Mark::File(hash) => match self.printed(hash)? {
                Some(picture) => Ok(picture),
                None => self.standing_of(hash).map(words),
            },
            Mark::Counts(document) => {
                let catalog = self.catalog();
                let said = self.file_counts(document)?.sentence(|user| catalog.name_of(user), time);
                Ok(said.map_or(Filling::Nothing, words))
            }
        }
    }

    /// A file as a small picture, where it is one.
    fn printed(&self, hash: FileHash) -> Result<Option<Filling>, Error> {
        let row = self.inner.shared.read(|conn| store::file::find(conn, hash))?;
        let Some(kind) = row.and_then(|row| media::of_media_type(&row.media_type)) else { return Ok(None) };
        let (media_type, bytes) = if kind.class == Class::Drawing {
            (kind.media_type, self.inner.vault.whole(Piece::Original, hash)?)
        } else {
            ("image/jpeg", self.file_thumbnail(hash)?)
        };
        Ok(bytes.map(|bytes| Filling::Picture { media_type: media_type.to_owned(), bytes }))
    }

    fn standing_of(&self, hash: FileHash) -> Result<Sentence, Error> {
        let (row, uses) = self
            .inner
            .shared
            .read(|conn| Ok((store::file::find(conn, hash)?, projection::uses_of(conn, hash)?)))?;
        Ok(match (row, uses.first()) {
            (Some(row), _) => {
                let kind = row.media_type;
                Sentence::new(format!("附件({kind})"), format!("a file ({kind})"))
            }
            (None, Some(used)) => {
                let who = self.catalog().name_of(&used.by);
                Sentence::new(format!("在{who}的手机上"), format!("on the device of {who}"))
            }
            (None, None) => Sentence::new("未到分公司", "not at the branch"),
        })
    }
}
