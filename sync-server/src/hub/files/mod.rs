//! Files that records name: taking them in, and who may read them.
//!
//! A file is taken only from a device whose person may read a record that names it, and confirmed only when its bytes
//! are on disk and have its hash. It may be read in a scope once somebody there has shown to hold the bytes, or
//! could read them elsewhere: naming a hash opens nothing.

mod keep;
mod printed;
mod standing;
mod zip;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::id::{DocumentId, FileHash, ScopeId, UserId, hash_parts};
use xunyuan_core::limits::PHOTO_BYTES_MAX;
use xunyuan_core::media::{self, Class, Kind};
use xunyuan_core::projection;
use xunyuan_core::rules::file::NamedFile;
use xunyuan_core::wire::offer::{OfferReply, PersonSeen, Proof, Standing};

use super::Hub;
use super::devices::Device;
use super::shared::{Identity, locked};
use super::store::file::{FileRow, MissingRow, Thumbnail};
use super::store::{self};
use super::writer::Writer;
use crate::vault::{Piece, Vault};

pub use keep::{Cleared, FilesReport};
pub use standing::{FileShown, Incomplete};
pub use zip::Packed;

/// Most files that one device sends at a time.
const PARTS_MAX: usize = 64;
/// Bytes at the beginning of a file by which almost every kind is told.
const HEAD_BYTES: u64 = 512 * 1024;
/// Bytes by which most are.
const SHORT_HEAD_BYTES: u64 = 32 * 1024;

/// Why the branch does not do what was asked about a file.
#[derive(Debug)]
pub enum FileFailure {
    /// The file, or the device, is not to be.
    Refused(Refusal),
    /// The branch itself failed.
    Internal(Error),
}

impl From<Error> for FileFailure {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Bytes that are here.
    pub received: u64,
    /// Bytes of the whole file.
    pub length: u64,
}

/// A file that is here, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// Size, bytes.
    pub bytes: u64,
    /// Media type, told by the bytes.
    pub media_type: String,
}

impl Hub {
    /// The bytes of files.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// Which of these files are here for a device, and when the people were last heard of who have the others.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn offer_files(&self, device: &Device, hashes: &[FileHash]) -> Result<OfferReply, Error> {
        let grants = self.catalog().grants(&device.user);
        let mut reply = OfferReply::default();
        let mut people = BTreeSet::new();
        self.inner.shared.read(|conn| {
            for hash in hashes {
                let (standing, users) = self.standing(conn, device, &grants, *hash)?;
                reply.files.push(standing);
                people.extend(users);
            }
            Ok(())
        })?;
        let seen = self.people_seen()?;
        let of = |user: UserId| Some(PersonSeen { seen_ms: *seen.get(&user)?, user });
        reply.people = people.into_iter().filter_map(of).collect();
        Ok(reply)
    }

    /// How a file stands for a device; for one that is missing also who put it into records.
    fn standing(
        &self,
        conn: &Connection,
        device: &Device,
        grants: &[ScopeId],
        hash: FileHash,
    ) -> Result<(Standing, Vec<UserId>), Error> {
        let uses = projection::uses_of(conn, hash)?;
        let uses = uses.into_iter().filter(|used| holds(grants, &used.scope));
        let users: Vec<UserId> = uses.map(|used| used.by).collect();
        if users.is_empty() {
            return Ok((Standing::Unnamed, Vec::new()));
        }
        let (row, scopes) = (store::file::find(conn, hash)?, store::file::scopes(conn, hash)?);
        if row.is_some() && scopes.iter().any(|scope| holds(grants, scope)) {
            return Ok((Standing::Here, Vec::new()));
        }
        // Bytes without a row are those of a branch whose list was restored from an older backup.
        if row.is_some() || self.inner.vault.size(Piece::Original, hash)?.is_some() {
            let challenge = challenge(&self.inner.shared.identity, device, hash);
            return Ok((Standing::Prove { challenge: data_encoding::HEXLOWER.encode(&challenge) }, users));
        }
        let mut received = 0;
        for (begun, length) in self.inner.vault.parts_of(device.id)? {
            if begun == hash {
                received = self.inner.vault.received(device.id, hash, length)?.unwrap_or(0);
            }
        }
        Ok((Standing::Lacking { received }, users))
    }

    /// Begins to take a file in, or goes on with it.
    ///
    /// # Errors
    /// `Refused` for a file that is empty or too large, that no record names which the device may read, or when
    /// the device has too many under way; `Internal`.
    pub fn begin_upload(&self, device: &Device, hash: FileHash, length: u64) -> Result<Upload, FileFailure> {
        if length == 0 {
            return Err(FileFailure::Refused(refusal("file_empty")));
        }
        if length > PHOTO_BYTES_MAX {
            return Err(FileFailure::Refused(refusal("file_too_large")));
        }
        let grants = self.catalog().grants(&device.user);
        let (standing, _) = self.inner.shared.read(|conn| self.standing(conn, device, &grants, hash))?;
        match standing {
            Standing::Unnamed => return Err(FileFailure::Refused(refusal("file_not_named"))),
            Standing::Here => return Ok(Upload { received: length, length }),
            Standing::Lacking { .. } | Standing::Prove { .. } => {}
        }
        let begun = self.inner.vault.parts_of(device.id)?;
        if begun.len() >= PARTS_MAX && !begun.contains(&(hash, length)) {
            return Err(FileFailure::Refused(refusal("too_many_uploads")));
        }
        let part = self.inner.vault.part(device.id, hash, length)?;
        Ok(Upload { received: part.received(), length })
    }

    /// How far an upload is; all of it is here once the file was confirmed for the device.
    ///
    /// # Errors
    /// `Refused` where nothing of the kind was begun; `Internal`.
    pub fn upload(&self, device: &Device, hash: FileHash, length: u64) -> Result<Upload, FileFailure> {
        if let Some(received) = self.inner.vault.received(device.id, hash, length)? {
            return Ok(Upload { received, length });
        }
        match self.readable_file(&device.user, hash)? {
            Some(info) if info.bytes == length => Ok(Upload { received: length, length }),
            _ => Err(FileFailure::Refused(refusal("upload_unknown"))),
        }
    }

    /// Makes a complete upload a file: its bytes are on disk, have its hash and are of a kind that is taken. What
    /// is not so is taken away. One that is a file already stays one. `digest` is that of all its bytes where they
    /// were hashed as they came.
    ///
    /// # Errors
    /// `Refused` with the reason; `Internal`, and then the upload stays complete and can be finished again.
    pub fn finish_upload(
        &self,
        device: &Device,
        hash: FileHash,
        length: u64,
        digest: Option<[u8; 32]>,
        now_ms: i64,
    ) -> Result<(), FileFailure> {
        let vault = &self.inner.vault;
        if vault.received(device.id, hash, length)?.is_none() {
            let known = self.readable_file(&device.user, hash)?.filter(|info| info.bytes == length);
            return known.map(|_| ()).ok_or_else(|| FileFailure::Refused(refusal("upload_unknown")));
        }
        let digest = digest.map_or_else(|| vault.part_digest(device.id, hash, length), Ok)?;
        if digest != hash.0 {
            vault.drop_part(device.id, hash, length)?;
            return Err(FileFailure::Refused(refusal("file_damaged")));
        }
        let mut kind = None;
        for bytes in [SHORT_HEAD_BYTES, HEAD_BYTES, length] {
            let head = vault.part_head(device.id, hash, length, bytes)?;
            kind = media::sniff(&head);
            // Whether boxes hold a moving picture is said somewhere behind.
            let is_behind = bytes < HEAD_BYTES || head.get(4..8) == Some(b"ftyp");
            if kind.is_some() || bytes >= length || !is_behind {
                break;
            }
        }
        let Some(kind) = kind else {
            vault.drop_part(device.id, hash, length)?;
            return Err(FileFailure::Refused(refusal("file_kind_unknown")));
        };
        vault.place(device.id, hash, length)?;
        self.admit_file(device, hash, length, kind, now_ms)?;
        vault.drop_part(device.id, hash, length)?;
        Ok(())
    }

    /// A device shows that it holds the bytes of a file that is here: SHA-256 over its challenge and the bytes.
    ///
    /// # Errors
    /// `Refused` when the proof is not good, or the file is not here; `Internal`.
    pub fn prove_file(
        &self,
        device: &Device,
        hash: FileHash,
        proof: [u8; 32],
        now_ms: i64,
    ) -> Result<(), FileFailure> {
        let vault = &self.inner.vault;
        let Some(length) = vault.size(Piece::Original, hash)? else {
            return Err(FileFailure::Refused(refusal("upload_unknown")));
        };
        let mut wanted = Proof::of(&challenge(&self.inner.shared.identity, device, hash));
        let (mut digest, mut head) = (Sha256::new(), Vec::new());
        vault.read(Piece::Original, hash, (0, length), &mut |block| {
            wanted.add(&block);
            digest.update(&block);
            if (head.len() as u64) < HEAD_BYTES {
                head.extend_from_slice(&block);
            }
            true
        })?;
        if <[u8; 32]>::from(digest.finalize()) != hash.0 {
            self.file_is_damaged(hash)?;
            return Err(FileFailure::Refused(refusal("upload_unknown")));
        }
        if wanted.finish() != proof {
            return Err(FileFailure::Refused(refusal("proof_invalid")));
        }
        let known = self.inner.shared.read(|conn| store::file::find(conn, hash))?;
        let named = known.and_then(|row| media::of_media_type(&row.media_type));
        let Some(kind) = named.or_else(|| media::sniff(&head)) else {
            return Err(FileFailure::Refused(refusal("file_kind_unknown")));
        };
        self.admit_file(device, hash, length, kind, now_ms)
    }

    /// Notes that a file is here and that the device's person holds it, where a record that the person may read
    /// names it and the device is still in service.
    fn admit_file(
        &self,
        device: &Device,
        hash: FileHash,
        bytes: u64,
        kind: Kind,
        now_ms: i64,
    ) -> Result<(), FileFailure> {
        let device = device.clone();
        let admitted = self.write(move |writer| {
            let row = store::device::find(&writer.conn, device.id)?;
            if row.is_none_or(|row| row.revoked_at_ms.is_some()) {
                return Ok(Err(refusal("device_revoked")));
            }
            let grants = writer.catalog.grants(&device.user);
            let uses = projection::uses_of(&writer.conn, hash)?;
            if !uses.iter().any(|used| holds(&grants, &used.scope)) {
                return Ok(Err(refusal("file_not_named")));
            }
            let row = FileRow {
                hash,
                bytes,
                media_type: kind.media_type.to_owned(),
                received_at_ms: now_ms,
                device: device.id,
                thumbnail: Thumbnail::Unmade,
            };
            store::file::insert(&writer.conn, &row)?;
            store::file::put_holder(&writer.conn, hash, &device.user)?;
            open_scopes(&writer.conn, &writer.catalog, hash, Some(&device.user))?;
            Ok(Ok(()))
        });
        match admitted {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => Err(FileFailure::Refused(refusal)),
            Err(failure) => Err(FileFailure::Internal(failure.into())),
        }
    }

    /// A file that a person may read; `None` where there is none.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn readable_file(&self, user: &UserId, hash: FileHash) -> Result<Option<FileInfo>, Error> {
        self.file_in(&self.catalog().grants(user), hash)
    }

    /// A file that may be read in one of these scopes.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn file_in(&self, scopes: &[ScopeId], hash: FileHash) -> Result<Option<FileInfo>, Error> {
        let (row, opened) = self
            .inner
            .shared
            .read(|conn| Ok((store::file::find(conn, hash)?, store::file::scopes(conn, hash)?)))?;
        let row = row.filter(|_| opened.iter().any(|scope| scopes.contains(scope)));
        Ok(row.map(|row| FileInfo { hash, bytes: row.bytes, media_type: row.media_type }))
    }

    /// The thumbnail of a file that is here, a small JPEG, made when it is first asked for; `None` where the file has
    /// none. One is made at a time: pictures are large while they are decoded.
    ///
    /// # Errors
    /// `Storage` or `Corrupt`.
    pub fn file_thumbnail(&self, hash: FileHash) -> Result<Option<Vec<u8>>, Error> {
        if let Some(known) = self.made_thumbnail(hash)? {
            return Ok(known);
        }
        let _one = locked(&self.inner.thumbnails);
        if let Some(known) = self.made_thumbnail(hash)? {
            return Ok(known);
        }
        let vault = &self.inner.vault;
        let row = self.inner.shared.read(|conn| store::file::find(conn, hash))?;
        let kind = row.and_then(|row| media::of_media_type(&row.media_type));
        let kind = kind.filter(|kind| kind.class == Class::Picture);
        let bytes = match kind {
            Some(_) => vault.whole(Piece::Original, hash)?,
            None => None,
        };
        let made = match (kind, bytes) {
            (Some(kind), Some(bytes)) => media::thumbnail(&bytes, kind).ok(),
            _ => None,
        };
        if let Some(thumbnail) = &made {
            vault.put(Piece::Thumbnail, hash, thumbnail.clone())?;
        }
        let state = if made.is_some() { Thumbnail::Made } else { Thumbnail::None };
        self.write(move |writer| store::file::put_thumbnail(&writer.conn, hash, state))?;
        Ok(made)
    }

    /// The thumbnail, where it is known whether there is one.
    fn made_thumbnail(&self, hash: FileHash) -> Result<Option<Option<Vec<u8>>>, Error> {
        let row = self.inner.shared.read(|conn| store::file::find(conn, hash))?;
        match row.map(|row| row.thumbnail) {
            None | Some(Thumbnail::None) => Ok(Some(None)),
            Some(Thumbnail::Unmade) => Ok(None),
            // One that was lost is made again.
            Some(Thumbnail::Made) => Ok(self.inner.vault.whole(Piece::Thumbnail, hash)?.map(Some)),
        }
    }
}

/// Notes which files a document names, after its rows were written: what is not here is missing.
pub(super) fn note(
    writer: &Writer,
    scope: &ScopeId,
    document: DocumentId,
    named: &[NamedFile],
) -> Result<(), Error> {
    let conn = &writer.conn;
    let waited = store::file::missing_of(conn, document)?;
    for row in &waited {
        if !named.iter().any(|named| named.file.hash == row.hash) {
            store::file::drop_missing(conn, document, row.hash)?;
        }
    }
    for NamedFile { file, by, at_ms, .. } in named {
        let hash = file.hash;
        if store::file::find(conn, hash)?.is_some() {
            open_scopes(conn, &writer.catalog, hash, None)?;
            if store::file::scopes(conn, hash)?.contains(scope) {
                continue;
            }
        }
        if !waited.iter().any(|row| row.hash == hash) {
            let (scope, user) = (scope.clone(), by.clone());
            store::file::put_missing(conn, &MissingRow { hash, document, scope, user, since_ms: *at_ms })?;
        }
    }
    Ok(())
}

/// Lets a file be read in every scope where a record names it and somebody answers for that: whoever put it there
/// holds the bytes or may read them elsewhere, or `giver`, who has just shown them, belongs there.
fn open_scopes(
    conn: &Connection,
    catalog: &Catalog,
    hash: FileHash,
    giver: Option<&UserId>,
) -> Result<(), Error> {
    let uses = projection::uses_of(conn, hash)?;
    let mut opened = store::file::scopes(conn, hash)?;
    let given: Vec<ScopeId> = giver.map(|user| catalog.grants(user)).unwrap_or_default();
    loop {
        let before = opened.len();
        for used in &uses {
            if opened.contains(&used.scope) {
                continue;
            }
            let answers = holds(&given, &used.scope) || store::file::is_holder(conn, hash, &used.by)? || {
                let reads = catalog.grants(&used.by);
                opened.iter().any(|scope| holds(&reads, scope))
            };
            if answers {
                store::file::put_scope(conn, hash, &used.scope)?;
                opened.push(used.scope.clone());
            }
        }
        if opened.len() == before {
            break;
        }
    }
    store::file::settle(conn, hash)
}

/// True when a scope is among the grants of a person, which are sorted.
fn holds(grants: &[ScopeId], scope: &ScopeId) -> bool {
    grants.binary_search(scope).is_ok()
}

/// What a device hashes before the bytes of a file: nobody else's answer fits it.
fn challenge(identity: &Identity, device: &Device, hash: FileHash) -> [u8; 32] {
    let epoch = identity.epoch().to_be_bytes();
    let parts: [&[u8]; 4] = [&identity.seed, &epoch, device.id.as_bytes(), hash.as_bytes()];
    hash_parts("xunyuan/file-challenge/1", &parts)
}

/// The refusals of this room by their codes.
fn refusal(code: &str) -> Refusal {
    let mebibytes = PHOTO_BYTES_MAX / (1024 * 1024);
    let (zh, en) = match code {
        "file_empty" => {
            ("文件是空的(0 字节),分公司不接收".to_owned(), "the file is empty (0 bytes)".to_owned())
        }
        "file_too_large" => (
            format!("文件超过 {mebibytes} MB,分公司不接收;请缩小后再添加"),
            format!("the file is larger than {mebibytes} MB; make it smaller and add it again"),
        ),
        "file_not_named" => (
            "分公司还没有引用此文件的记录;请先同步记录".to_owned(),
            "the branch has no record for you that names this file; sync the record first".to_owned(),
        ),
        "file_damaged" => (
            "文件在传输中损坏(校验不符),将重新上传".to_owned(),
            "the file was damaged on the way (its hash does not fit); it has to be sent again".to_owned(),
        ),
        "file_kind_unknown" => (
            "文件内容不是可接收的照片、PDF、录音或手写签名".to_owned(),
            "the file's content is no picture, PDF, sound or drawn signature that is taken".to_owned(),
        ),
        "too_many_uploads" => (
            format!("这台设备有 {PARTS_MAX} 个文件正在上传;请等其中一些完成"),
            format!("this device has {PARTS_MAX} uploads under way; let some of them end first"),
        ),
        "device_revoked" => {
            ("此设备已被分公司停用".to_owned(), "the branch has revoked this device".to_owned())
        }
        "proof_invalid" => (
            "持有证明不符,请直接上传文件".to_owned(),
            "the proof of holding the file is not good; send the file itself".to_owned(),
        ),
        _ => ("没有这次上传,或已过期".to_owned(), "there is no such upload, or it has ended".to_owned()),
    };
    Refusal::new(code, zh, en)
}

impl From<Refusal> for FileFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
