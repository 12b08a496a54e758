//! Who owes a duty, and which people that means.

use super::{Owner, Record};
use crate::definition::{AssignMode, Catalog, RoleScope, Rule};
use crate::id::UserId;

/// What a rule calls whoever a slot, an item or a line is assigned to.
pub(super) const ASSIGNEE: &str = "assignee";

/// Who owes what a rule asks for in a unit: the first entry of its list that names somebody.
#[must_use]
pub fn owes(catalog: &Catalog, rule: &Rule, unit: &str, record: Option<&Record>) -> Vec<Owner> {
    owes_part(catalog, rule, unit, record, None)
}

/// The same for a part of a record, which has an owner of its own.
pub(super) fn owes_part(
    catalog: &Catalog,
    rule: &Rule,
    unit: &str,
    record: Option<&Record>,
    part: Option<&Owner>,
) -> Vec<Owner> {
    for id in &rule.owes {
        let owner = if catalog.role(id).is_some() {
            Some(Owner::Role(id.clone()))
        } else if let Some(named) = record.and_then(|record| record.text(id)) {
            Some(Owner::User(UserId::new(named)))
        } else if id == ASSIGNEE {
            part.cloned().or_else(|| assigned(catalog, rule))
        } else {
            None
        };
        let Some(owner) = owner else { continue };
        if !people(catalog, &owner, unit).is_empty() {
            return vec![owner];
        }
    }
    Vec::new()
}

/// The people whom an owner means in a unit: the person, or everyone who holds the role there.
///
/// A project has its own people; a role of the branch means the branch's people in every project.
#[must_use]
pub fn people(catalog: &Catalog, owner: &Owner, unit: &str) -> Vec<UserId> {
    match owner {
        Owner::User(user) => {
            let is_here = catalog.user(user).is_some_and(|person| !person.retired);
            if is_here { vec![user.clone()] } else { Vec::new() }
        }
        Owner::Role(role) => {
            let Some(scope) = catalog.role(role).map(|role| role.scope) else { return Vec::new() };
            let is_branch = catalog.organisation().is_some_and(|org| org.branch.id == unit);
            let all = catalog.organisation().map_or([].as_slice(), |organisation| &organisation.users);
            all.iter()
                .filter(|user| !user.retired)
                .filter(|user| match scope {
                    RoleScope::Project | RoleScope::Event if !is_branch => {
                        user.roles_at(unit).any(|held| held == role)
                    }
                    RoleScope::Branch | RoleScope::Audit | RoleScope::Project | RoleScope::Event => {
                        user.roles().any(|held| held == role)
                    }
                    RoleScope::External => false,
                })
                .map(|user| UserId::new(&user.id))
                .collect()
        }
    }
}

/// The role that a schedule's slots are assigned to.
fn assigned(catalog: &Catalog, rule: &Rule) -> Option<Owner> {
    let named = rule.applies_to.schedule.as_deref()?;
    let schedule = catalog.schedules().find(|schedule| schedule.id == named)?;
    match schedule.assign.mode {
        AssignMode::AnyOne | AssignMode::All => Some(Owner::Role(schedule.assign.role.clone())),
    }
}
