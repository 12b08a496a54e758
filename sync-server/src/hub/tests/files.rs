//! Files: who may give and read one, what is confirmed, what is missing, what is kept.

use super::*;
use crate::hub::FileFailure;
use crate::vault::{Piece, VaultOptions};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use xunyuan_core::id::FileHash;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::rules::keys;
use xunyuan_core::wire::offer::{self, Proof};

const ITEM: &str = "pp.green.02";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A file that begins like a JPEG.
fn jpeg(seed: u8, bytes: usize) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xe0];
    file.resize(bytes, seed);
    file
}

fn named(bytes: &[u8]) -> FileRef {
    FileRef {
        hash: FileHash(Sha256::digest(bytes).into()),
        bytes: bytes.len() as u64,
        media_type: "image/jpeg".to_owned(),
        taken_at_ms: None,
    }
}

impl Phone {
    /// A sheet that names files.
    fn sheet_with(&mut self, hub: &Hub, number: u8, files: &[&[u8]]) -> DocumentId {
        let sheet = self.open_sheet(hub, number);
        for bytes in files {
            let file = named(bytes);
            let edit = self.put(&keys::photo(ITEM, &file.hash.to_string()), file.element());
            self.edit(sheet, &[edit]);
        }
        self.sync_all(hub);
        sheet
    }

    fn upload(&self, hub: &Hub, bytes: &[u8]) -> Result<(), FileFailure> {
        let FileRef { hash, bytes: length, .. } = named(bytes);
        let upload = hub.begin_upload(&self.device, hash, length)?;
        if upload.received < length {
            let rest = &bytes[usize::try_from(upload.received).unwrap()..];
            hub.vault().part(self.device.id, hash, length).unwrap().write(rest).unwrap();
        }
        hub.finish_upload(&self.device, hash, length, None, NINE)
    }

    fn standing_of(&self, hub: &Hub, bytes: &[u8]) -> offer::Standing {
        hub.offer_files(&self.device, &[named(bytes).hash]).unwrap().files.remove(0)
    }

    fn reads(&self, hub: &Hub, bytes: &[u8]) -> bool {
        hub.readable_file(&self.device.user, named(bytes).hash).unwrap().is_some()
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, FileFailure>) -> String {
    match outcome.unwrap_err() {
        FileFailure::Refused(refusal) => refusal.code,
        FileFailure::Internal(error) => panic!("{error}"),
    }
}

#[test]
fn a_file_is_taken_once_a_record_names_it_and_counts_from_then_on() {
    let (_dir, hub) = branch();
    let (one, two) = (jpeg(1, 5_000), jpeg(2, 7_000));
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    assert_eq!(code(patrol.upload(&hub, &one)), "file_not_named");
    let sheet = patrol.sheet_with(&hub, 9, &[&one, &two]);
    assert_eq!(patrol.standing_of(&hub, &one), offer::Standing::Lacking { received: 0 });
    let counts = hub.file_counts(sheet).unwrap();
    assert_eq!((counts.all, counts.at_branch), (2, 0));
    assert_eq!((counts.still_with[0].user.as_str(), counts.still_with[0].count), ("u.pt01", 2));
    assert_eq!(counts.still_with[0].seen_ms, Some(NINE));
    patrol.upload(&hub, &one).unwrap();
    assert_eq!(patrol.standing_of(&hub, &one), offer::Standing::Here);
    assert!(patrol.reads(&hub, &one) && !patrol.reads(&hub, &two));
    let counts = hub.file_counts(sheet).unwrap();
    assert_eq!((counts.all, counts.at_branch), (2, 1));
    let waiting = hub.incomplete(10).unwrap();
    assert_eq!((waiting.len(), waiting[0].row.document), (1, sheet));
    patrol.upload(&hub, &two).unwrap();
    assert!(hub.file_counts(sheet).unwrap().is_complete());
    assert!(hub.incomplete(10).unwrap().is_empty());
    // Once more is no harm, and nothing is left behind.
    patrol.upload(&hub, &two).unwrap();
    assert!(hub.vault().parts_of(patrol.device.id).unwrap().is_empty());
    let stats = hub.stats().unwrap();
    assert_eq!((stats.files, stats.file_bytes, stats.files_missing), (2, 12_000, 0));
}

#[test]
fn an_upload_goes_on_where_it_was_and_in_another_process() {
    let (dir, hub) = branch();
    let bytes = jpeg(3, 10_000);
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    patrol.sheet_with(&hub, 9, &[&bytes]);
    let FileRef { hash, bytes: length, .. } = named(&bytes);
    assert_eq!(hub.begin_upload(&patrol.device, hash, length).unwrap().received, 0);
    hub.vault().part(patrol.device.id, hash, length).unwrap().write(&bytes[..6_000]).unwrap();
    hub.close().unwrap();
    let hub = open(&dir);
    assert_eq!(patrol.standing_of(&hub, &bytes), offer::Standing::Lacking { received: 6_000 });
    assert_eq!(hub.upload(&patrol.device, hash, length).unwrap().received, 6_000);
    patrol.upload(&hub, &bytes).unwrap();
    // Who lost the answer hears that all of it is here.
    assert_eq!(hub.upload(&patrol.device, hash, length).unwrap().received, length);
    assert_eq!(hub.vault().whole(Piece::Original, hash).unwrap(), Some(bytes));
}

#[test]
fn what_is_not_what_its_record_names_is_not_taken() {
    let (_dir, hub) = branch();
    let (html, bytes) = (b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), jpeg(4, 3_000));
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&html, &bytes]);
    assert_eq!(code(patrol.upload(&hub, &html)), "file_kind_unknown");
    // One byte flipped on the way.
    let FileRef { hash, bytes: length, .. } = named(&bytes);
    let mut flipped = bytes.clone();
    flipped[2_000] ^= 1;
    hub.begin_upload(&patrol.device, hash, length).unwrap();
    hub.vault().part(patrol.device.id, hash, length).unwrap().write(&flipped).unwrap();
    assert_eq!(code(hub.finish_upload(&patrol.device, hash, length, None, NINE)), "file_damaged");
    assert_eq!(patrol.standing_of(&hub, &bytes), offer::Standing::Lacking { received: 0 });
    assert_eq!(code(hub.begin_upload(&patrol.device, hash, 0)), "file_empty");
    assert_eq!(code(hub.begin_upload(&patrol.device, hash, 25 << 20)), "file_too_large");
    assert_eq!(hub.file_counts(sheet).unwrap().at_branch, 0);
    patrol.upload(&hub, &bytes).unwrap();
    assert_eq!(hub.file_counts(sheet).unwrap().at_branch, 1);
}

#[test]
fn naming_a_hash_opens_nothing_and_holding_the_bytes_does() {
    let (_dir, hub) = branch();
    let bytes = jpeg(5, 4_000);
    let hash = named(&bytes).hash;
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    patrol.sheet_with(&hub, 9, &[&bytes]);
    patrol.upload(&hub, &bytes).unwrap();
    let mut desk = Phone::enroll(&hub, "u.fd01", 2);
    assert_eq!(desk.standing_of(&hub, &bytes), offer::Standing::Unnamed);
    assert!(!desk.reads(&hub, &bytes));
    // Somebody who learned the hash names it in an entry of the own scope.
    let entry = desk.open_entry(&hub, 7);
    let edit = desk.put(&keys::set("photos", &hash.to_string()), named(&bytes).element());
    desk.edit(entry, &[edit]);
    desk.sync_all(&hub);
    assert!(!desk.reads(&hub, &bytes));
    assert_eq!(hub.file_counts(entry).unwrap().at_branch, 0);
    let offer::Standing::Prove { challenge } = desk.standing_of(&hub, &bytes) else {
        panic!("the bytes are to be shown")
    };
    let challenge = data_encoding::HEXLOWER.decode(challenge.as_bytes()).unwrap();
    let proof = |challenge: &[u8], bytes: &[u8]| {
        let mut proof = Proof::of(challenge);
        proof.add(bytes);
        proof.finish()
    };
    assert_eq!(code(hub.prove_file(&desk.device, hash, hash.0, NINE)), "proof_invalid");
    assert_eq!(code(hub.prove_file(&desk.device, hash, proof(&[0; 32], &bytes), NINE)), "proof_invalid");
    assert!(!desk.reads(&hub, &bytes));
    hub.prove_file(&desk.device, hash, proof(&challenge, &bytes), NINE).unwrap();
    assert!(desk.reads(&hub, &bytes));
    assert!(hub.file_counts(entry).unwrap().is_complete());
    assert_eq!(hub.stats().unwrap().files, 1);
}

#[test]
fn who_may_read_a_file_may_put_it_into_another_record() {
    let (_dir, hub) = branch();
    let bytes = jpeg(6, 4_000);
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    patrol.sheet_with(&hub, 9, &[&bytes]);
    patrol.upload(&hub, &bytes).unwrap();
    // The customer service lead reads patrols and keeps the desk's ledger.
    let mut lead = Phone::enroll(&hub, "u.csl01", 3);
    lead.sync_all(&hub);
    let entry = lead.open_entry(&hub, 8);
    let edit = lead.put(&keys::set("photos", &named(&bytes).hash.to_string()), named(&bytes).element());
    lead.edit(entry, &[edit]);
    lead.sync_all(&hub);
    assert!(hub.file_counts(entry).unwrap().is_complete());
    let desk = Phone::enroll(&hub, "u.fd01", 2);
    assert!(desk.reads(&hub, &bytes));
}

#[test]
fn a_device_that_was_revoked_gives_nothing_more() {
    let (_dir, hub) = branch();
    let bytes = jpeg(7, 4_000);
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&bytes]);
    let FileRef { hash, bytes: length, .. } = named(&bytes);
    hub.begin_upload(&patrol.device, hash, length).unwrap();
    hub.vault().part(patrol.device.id, hash, length).unwrap().write(&bytes).unwrap();
    hub.revoke(patrol.device.id, NINE).unwrap();
    assert_eq!(code(hub.finish_upload(&patrol.device, hash, length, None, NINE)), "device_revoked");
    assert_eq!(hub.file_counts(sheet).unwrap().at_branch, 0);
    assert_eq!(hub.stats().unwrap().files, 0);
}

#[test]
fn what_no_record_names_goes_after_its_time() {
    let (_dir, hub) = branch();
    let (stays, goes) = (jpeg(8, 3_000), jpeg(9, 3_000));
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&stays, &goes]);
    patrol.upload(&hub, &stays).unwrap();
    patrol.upload(&hub, &goes).unwrap();
    let withdrawn = patrol.put(&keys::photo(ITEM, &named(&goes).hash.to_string()), Value::Null);
    patrol.edit(sheet, &[withdrawn]);
    patrol.sync_all(&hub);
    let clear = |day: i64| {
        let now_ms = NINE + day * 24 * 60 * 60 * 1_000;
        let mut gone = 0;
        loop {
            let step = hub.clear_files(now_ms, 30 * DAY, 7 * DAY).unwrap();
            gone += step.files;
            if step.is_round {
                break gone;
            }
        }
    };
    assert_eq!([clear(1), clear(20), clear(40)], [0, 0, 1]);
    assert_eq!(hub.stats().unwrap().files, 1);
    assert_eq!(hub.vault().size(Piece::Original, named(&goes).hash).unwrap(), None);
    assert!(patrol.reads(&hub, &stays) && !patrol.reads(&hub, &goes));
}

#[test]
fn a_damaged_or_lost_file_is_found_and_asked_for_again() {
    let (dir, hub) = branch();
    let (sound, damaged, lost) = (jpeg(10, 3_000), jpeg(11, 3_000), jpeg(12, 3_000));
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&sound, &damaged, &lost]);
    for bytes in [&sound, &damaged, &lost] {
        patrol.upload(&hub, bytes).unwrap();
    }
    let place = |bytes: &[u8]| dir.0.join("files").join(Piece::Original.place(named(bytes).hash));
    std::fs::write(place(&damaged), b"other bytes").unwrap();
    std::fs::remove_file(place(&lost)).unwrap();
    let report = hub.verify_files(|_| ()).unwrap();
    assert_eq!((report.files, report.damaged.len(), report.missing.len()), (3, 1, 1));
    let counts = hub.file_counts(sheet).unwrap();
    assert_eq!((counts.all, counts.at_branch), (3, 1));
    assert_eq!(patrol.standing_of(&hub, &damaged), offer::Standing::Lacking { received: 0 });
    patrol.upload(&hub, &damaged).unwrap();
    patrol.upload(&hub, &lost).unwrap();
    assert!(hub.file_counts(sheet).unwrap().is_complete());
    let again = hub.verify_files(|_| ()).unwrap();
    assert_eq!((again.files, again.damaged.len(), again.missing.len()), (3, 0, 0));
}

#[test]
fn a_restored_list_knows_its_files_again_by_a_proof() {
    let (dir, hub) = branch();
    let bytes = jpeg(14, 3_000);
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&bytes]);
    let backup = super::dir();
    std::fs::create_dir_all(&backup.0).unwrap();
    hub.backup(&backup.0.join("branch.sqlite3"), |_| ()).unwrap();
    patrol.upload(&hub, &bytes).unwrap();
    let folder = backup.0.join("files");
    assert_eq!(hub.backup_files(&folder, |_| ()).unwrap(), 1);
    assert_eq!(hub.backup_files(&folder, |_| ()).unwrap(), 0);
    hub.close().unwrap();
    // The copied list is older than the copied files.
    let options = HubOptions { vault: VaultOptions::Directory, ..HubOptions::new([2; 32]) };
    let restored = Hub::open(&backup.0, &options).unwrap();
    assert_eq!(restored.file_counts(sheet).unwrap().at_branch, 0);
    let offer::Standing::Prove { challenge } = patrol.standing_of(&restored, &bytes) else {
        panic!("the bytes are there without a row")
    };
    let mut proof = Proof::of(&data_encoding::HEXLOWER.decode(challenge.as_bytes()).unwrap());
    proof.add(&bytes);
    restored.prove_file(&patrol.device, named(&bytes).hash, proof.finish(), NINE).unwrap();
    assert!(restored.file_counts(sheet).unwrap().is_complete());
    drop(dir);
}

#[test]
fn an_archive_holds_what_is_here_and_lists_what_is_not() {
    let (_dir, hub) = branch();
    let (here, missing) = (jpeg(15, 3_000), jpeg(16, 3_000));
    let mut patrol = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = patrol.sheet_with(&hub, 9, &[&here, &missing]);
    patrol.upload(&hub, &here).unwrap();
    let mut out = std::io::Cursor::new(Vec::new());
    let filter = xunyuan_core::projection::Filter { document: Some(sheet), ..Default::default() };
    let packed = hub.pack_files(&filter, (i64::MIN, i64::MAX), 480, &mut out, |_| ()).unwrap();
    assert_eq!((packed.records, packed.files, packed.missing), (1, 1, 1));
    let bytes = out.into_inner();
    assert!(bytes.windows(here.len()).any(|part| part == here));
}
