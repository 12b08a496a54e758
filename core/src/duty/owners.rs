//! Who owes a duty, and which people that means.

use super::{Owner, Record};
use crate::definition::{AssignMode, Catalog, RoleScope, Rule};
use crate::id::UserId;

/// Who owes what a rule asks for in a unit: the first entry of its list that names somebody.
#[must_use]
pub fn owes(catalog: &Catalog, rule: &Rule, unit: &str, record: Option<&Record>) -> Vec<Owner> {
    for id in &rule.owes {
        let owner = if catalog.role(id).is_some() {
            Some(Owner::Role(id.clone()))
        } else if let Some(named) = record.and_then(|record| record.text(id)) {
            Some(Owner::User(UserId::new(named)))
        } else {
            assigned(catalog, rule, id)
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
                .filter(|user| !user.retired && user.roles().any(|held| held == role))
                .filter(|user| match scope {
                    RoleScope::Branch | RoleScope::Audit => true,
                    RoleScope::Project | RoleScope::Event => {
                        is_branch || user.project.as_deref() == Some(unit)
                    }
                    RoleScope::External => false,
                })
                .map(|user| UserId::new(&user.id))
                .collect()
        }
    }
}

/// The role that a schedule's slots are assigned to.
fn assigned(catalog: &Catalog, rule: &Rule, id: &str) -> Option<Owner> {
    if id != "assignee" {
        return None;
    }
    let named = rule.applies_to.schedule.as_deref()?;
    let schedule = catalog.schedules().find(|schedule| schedule.id == named)?;
    match schedule.assign.mode {
        AssignMode::AnyOne | AssignMode::All => Some(Owner::Role(schedule.assign.role.clone())),
    }
}
