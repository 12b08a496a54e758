//! Devices, and what was refused of their work.

use std::collections::BTreeSet;
use xunyuan_core::definition::RoleScope;
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, ScopeId, UserId};

use super::{COUNT_MAX, Page, Sight, unknown};
use crate::hub::devices::DeviceStatus;
use crate::hub::evidence::RefusedRun;
use crate::hub::store;
use crate::hub::store::refusal::Within;

impl Sight {
    /// True for a person with a role that reaches the whole branch, where all of it is looked at.
    #[must_use]
    pub fn reaches_branch(&self) -> bool {
        let roles = self.catalog.user_roles(&self.user);
        !self.is_part && roles.iter().any(|role| matches!(role.scope, RoleScope::Branch | RoleScope::Audit))
    }

    /// True when the person may know how somebody works: everybody at the branch, colleagues of the same
    /// project in a project.
    #[must_use]
    pub fn knows(&self, user: &UserId) -> bool {
        if self.reaches_branch() || *user == self.user {
            return true;
        }
        let project = |user: &UserId| self.catalog.user(user).and_then(|user| user.project.clone());
        project(user).is_some_and(|theirs| project(&self.user).as_ref() == Some(&theirs))
    }

    /// Devices of people whom the person knows, in the order of their codes.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn devices(&self) -> Result<Vec<DeviceStatus>, Error> {
        let mut devices = self.hub.devices()?;
        devices.retain(|device| !device.is_console && self.knows(&device.user));
        Ok(devices)
    }

    /// One device of somebody whom the person knows.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Storage` or `Corrupt` when reading fails.
    pub fn device(&self, id: DeviceId) -> Result<DeviceStatus, Error> {
        self.devices()?.into_iter().find(|device| device.id == id).ok_or_else(unknown)
    }

    /// What was refused in the person's scopes, newest first.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn refusals(&self, offset: u32, limit: u32) -> Result<Page<RefusedRun>, Error> {
        let within = self.refused_within();
        self.hub.inner.shared.read(|conn| {
            let count = store::refusal::count_in(conn, &within, COUNT_MAX + 1)?;
            let rows = store::refusal::list_in(conn, &within, offset, limit)?;
            let rows = rows.into_iter().map(RefusedRun::of_row).collect();
            Ok(Page { rows, count: count.min(COUNT_MAX), is_more: count > COUNT_MAX })
        })
    }

    /// A project sees its own scopes. The branch sees everything but the scopes that others alone hold: what
    /// names no scope of the organisation at all concerns it too.
    fn refused_within(&self) -> Within {
        if !self.reaches_branch() {
            return Within::Only(self.scopes.clone());
        }
        let Some(organisation) = self.catalog.organisation() else { return Within::Only(Vec::new()) };
        let units = organisation.projects.iter().map(|project| &project.id).chain([&organisation.branch.id]);
        let streams: BTreeSet<&String> = self.catalog.roles().iter().flat_map(|role| &role.streams).collect();
        let all = units.flat_map(|unit| streams.iter().map(move |stream| ScopeId::of(unit, stream)));
        Within::AllBut(all.filter(|scope| !self.holds(scope)).collect())
    }
}
