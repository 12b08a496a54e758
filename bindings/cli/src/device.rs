//! One command's hold on a replica: the open file, the clock and the page to write on.

use std::path::{Path, PathBuf};
use xunyuan_core::projection::Row;
use xunyuan_core::replica::Replica;
use xunyuan_core::time::Moment;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::words::Words;

use crate::failure::Failure;
use crate::input::Reader;
use crate::key::KeyFile;
use crate::output::Output;
use crate::place;
use crate::show::Page;

/// The app name that the branch sees.
pub(crate) const APP: &str = concat!("xunyuan-cli/", env!("CARGO_PKG_VERSION"));

/// An open replica with everything that a command needs.
#[derive(Debug)]
pub(crate) struct Device<'d> {
    /// The replica file.
    pub(crate) file: PathBuf,
    /// The open replica.
    pub(crate) replica: Replica,
    /// Ids of the person's roles.
    roles: Vec<String>,
    /// The clock.
    pub(crate) clock: &'d Clock,
    /// Where results go.
    pub(crate) output: &'d Output,
}

impl<'d> Device<'d> {
    /// Opens the replica that the person means. A damaged file is set aside.
    ///
    /// # Errors
    /// A usage failure when none or several could be meant; a store failure when it cannot be opened.
    pub(crate) fn open(
        named: Option<&Path>,
        key: &KeyFile,
        clock: &'d Clock,
        output: &'d Output,
    ) -> Result<Self, Failure> {
        let file = place::replica_file(named)?;
        let replica = key.open(&file, clock)?;
        let roles = replica.catalog().user_roles(replica.user()).iter().map(|role| role.id.clone()).collect();
        Ok(Self { file, replica, roles, clock, output })
    }

    /// Passes a replica that holds work; one that the branch had erased only says so.
    ///
    /// # Errors
    /// A refusal when the device was revoked.
    pub(crate) fn in_service(&self) -> Result<(), Failure> {
        if self.replica.is_erased() { Err(Failure::erased()) } else { Ok(()) }
    }

    /// The time now with fresh randomness, for one action.
    ///
    /// # Errors
    /// As [`Clock::moment`].
    pub(crate) fn moment(&self) -> Result<Moment, Failure> {
        self.clock.moment()
    }

    /// The page to show records on.
    pub(crate) fn page(&self) -> Page<'_> {
        let (now_ms, utc_offset_min) = self.clock.read();
        let words = Words { lang: self.output.lang(), catalog: self.replica.catalog(), utc_offset_min };
        Page { output: self.output, words, roles: &self.roles, now_ms }
    }

    /// Reads what the person types.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::new(self.replica.catalog(), self.clock.read())
    }

    /// The record that a text names: a number, or the start of a document id.
    ///
    /// # Errors
    /// A usage failure when none or several could be meant.
    pub(crate) fn record(&self, text: &str) -> Result<Row, Failure> {
        let mut found = self.replica.find(text)?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Failure::invalid(
                "record_not_found",
                format!("本机没有这条记录:{text}(请给出编号,或文档编号的前 4 位以上;可能还没同步)"),
                format!(
                    "no such record on this device: {text} (give a number, or at least 4 digits of the document id; it may not be synced yet)"
                ),
            )),
            _ => {
                let names: Vec<String> =
                    found.iter().map(|row| format!("{} {}", row.document, row.name())).collect();
                let names = names.join("\n  ");
                Err(Failure::invalid(
                    "record_ambiguous",
                    format!("有多条记录符合,请写得更全:\n  {names}"),
                    format!("several records fit, say more of it:\n  {names}"),
                ))
            }
        }
    }
}
