//! Photos on printed reports: the thumbnail that lies here, or who has the photo.

use std::fs;
use xunyuan_core::error::{Error, Sentence};
use xunyuan_core::id::{FileHash, UserId};
use xunyuan_core::replica::{FileView, Replica};
use xunyuan_core::report::{Filling, Mark};
use xunyuan_core::store::files::FileState;
use xunyuan_core::time::civil;

use super::Shelf;

const SVG: &str = "image/svg+xml";

/// What comes into the places for photos of a report.
pub struct Printed<'p> {
    shelf: &'p Shelf,
    replica: &'p Replica,
    english: bool,
    utc_offset_min: i16,
    /// Bytes of pictures that may still be put in.
    left: u64,
}

impl<'p> Printed<'p> {
    /// The photos of a replica, in one language and local time; `most` bytes of pictures are put in.
    #[must_use]
    pub const fn new(
        shelf: &'p Shelf,
        replica: &'p Replica,
        english: bool,
        utc_offset_min: i16,
        most: u64,
    ) -> Self {
        Self { shelf, replica, english, utc_offset_min, left: most }
    }

    /// What comes into one place.
    ///
    /// # Errors
    /// Storage errors.
    pub fn filling(&mut self, mark: Mark) -> Result<Filling, Error> {
        match mark {
            Mark::File(hash) => self.file(hash),
            Mark::Counts(document) => {
                let counts = self.replica.file_counts(document)?;
                let said = counts.sentence(|user| self.name(user), |at_ms| self.time(at_ms));
                Ok(said.map_or(Filling::Nothing, |said| self.words(said)))
            }
        }
    }

    fn file(&mut self, hash: FileHash) -> Result<Filling, Error> {
        let found = self.replica.find_files(&hash.to_string())?;
        let view = found.first().map(|(view, _)| view);
        let is_drawing = view.is_some_and(|view| view.named.file.media_type == SVG);
        let picture = match fs::read(self.shelf.thumbnail(hash)) {
            Ok(bytes) => Some(("image/jpeg", bytes)),
            Err(_) if is_drawing => fs::read(self.shelf.original(hash)).ok().map(|bytes| (SVG, bytes)),
            Err(_) => None,
        };
        let Some((media_type, bytes)) = picture else {
            return Ok(self.words(view.map_or_else(unknown, |view| self.standing(view))));
        };
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Ok(self.words(Sentence::new(
                "照片太多,用 -o 写成文件才放得下",
                "too many photos: write the report to a file with -o",
            )));
        };
        self.left = left;
        Ok(Filling::Picture { media_type: media_type.to_owned(), bytes })
    }

    fn standing(&self, view: &FileView) -> Sentence {
        match &view.state {
            FileState::AtBranch => Sentence::new("在分公司,未取到本机", "at the branch, not fetched"),
            FileState::GivenUp | FileState::Elsewhere => {
                let who = self.name(&view.named.by);
                Sentence::new(format!("在{who}的手机上"), format!("on the device of {who}"))
            }
            FileState::Waiting
            | FileState::Partly(_)
            | FileState::Sent
            | FileState::Confirmed
            | FileState::Refused(_) => {
                let kind = &view.named.file.media_type;
                Sentence::new(format!("附件({kind})"), format!("a file ({kind})"))
            }
        }
    }

    fn words(&self, sentence: Sentence) -> Filling {
        Filling::Words(if self.english { sentence.en } else { sentence.zh })
    }

    fn name(&self, user: &UserId) -> String {
        self.replica.catalog().name_of(user)
    }

    fn time(&self, at_ms: i64) -> String {
        civil(at_ms, self.utc_offset_min).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn unknown() -> Sentence {
    Sentence::new("未到本机", "not on this device")
}
