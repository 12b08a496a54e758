//! Grants: which scopes a person holds, by roles, project and loan.

use std::collections::BTreeSet;

use super::{Catalog, RoleScope};
use crate::id::{ScopeId, UserId};

/// The stream of the branch's definitions.
const DEFINITIONS: &str = "definitions";
/// The stream of notices and people, which projects share with their branch.
const PEOPLE: &str = "people";

impl Catalog {
    /// The scopes that a person holds, sorted.
    ///
    /// Branch and audit roles hold their streams in every project and at the branch; project and event
    /// roles in the person's project, and notices to people of the branch; a lent role where the person is
    /// lent to. Everyone with a grant holds the branch's definitions.
    #[must_use]
    pub fn grants(&self, id: &UserId) -> Vec<ScopeId> {
        let (Some(organisation), Some(user)) = (self.organisation(), self.user(id)) else {
            return Vec::new();
        };
        let branch = organisation.branch.id.as_str();
        let mut scopes = BTreeSet::new();
        for role in self.user_roles(id) {
            let mut units: Vec<&str> = match role.scope {
                RoleScope::Branch | RoleScope::Audit => {
                    organisation.projects.iter().map(|project| project.id.as_str()).chain([branch]).collect()
                }
                RoleScope::Project | RoleScope::Event => user.project.as_deref().into_iter().collect(),
                RoleScope::External => continue,
            };
            units.dedup();
            for stream in &role.streams {
                scopes.extend(units.iter().map(|unit| ScopeId::of(unit, stream)));
                if stream == PEOPLE {
                    scopes.insert(ScopeId::of(branch, PEOPLE));
                }
            }
            scopes.insert(ScopeId::of(branch, DEFINITIONS));
        }
        for posting in user.lent.iter().filter(|_| !user.retired) {
            let streams = self.role(&posting.role).map_or([].as_slice(), |role| &role.streams);
            scopes.extend(streams.iter().map(|stream| ScopeId::of(&posting.project, stream)));
        }
        scopes.into_iter().collect()
    }

    /// The scope in which the branch publishes definitions; `None` without an organisation.
    #[must_use]
    pub fn definitions_scope(&self) -> Option<ScopeId> {
        self.organisation().map(|organisation| ScopeId::of(&organisation.branch.id, DEFINITIONS))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Definition, embedded, sample_organisation};
    use super::*;

    fn shipped() -> Catalog {
        of(&String::from_utf8(sample_organisation().json.clone()).unwrap())
    }

    fn of(organisation: &str) -> Catalog {
        let mut all = embedded().to_vec();
        all.push(Definition::parse(organisation.as_bytes()).unwrap());
        Catalog::new(&all).unwrap()
    }

    fn grants(user: &str) -> Vec<String> {
        shipped().grants(&UserId::new(user)).into_iter().map(|scope| scope.0).collect()
    }

    #[test]
    fn a_patrol_officer_holds_the_streams_of_one_project() {
        assert_eq!(
            grants("u.pt01"),
            [
                "br.hz/definitions",
                "br.hz/people",
                "pj.lanyuan/finding",
                "pj.lanyuan/patrol",
                "pj.lanyuan/people",
            ]
        );
    }

    #[test]
    fn the_front_desk_sees_no_findings_and_an_event_role_holds_its_project() {
        assert_eq!(
            grants("u.fd01"),
            ["br.hz/definitions", "br.hz/people", "pj.lanyuan/desk", "pj.lanyuan/people",]
        );
        assert_eq!(
            grants("u.hg01"),
            [
                "br.hz/definitions",
                "br.hz/people",
                "pj.jiangwan/finding",
                "pj.jiangwan/handover",
                "pj.jiangwan/people",
            ]
        );
    }

    #[test]
    fn branch_and_audit_roles_reach_every_project_and_the_branch() {
        let manager = grants("u.gm01");
        assert_eq!(manager.len(), 4 * 7 + 1);
        assert!(manager.contains(&"pj.jiangwan/discipline".to_owned()));
        let auditor = grants("u.aud02");
        assert_eq!(auditor.len(), 4 * 3 + 1);
        assert!(!auditor.iter().any(|scope| scope.ends_with("/desk")));
        assert!(grants("u.nobody").is_empty());
    }

    #[test]
    fn a_person_who_is_lent_holds_the_scopes_of_that_role_there() {
        let text = String::from_utf8(sample_organisation().json.clone()).unwrap();
        let lent = r#""lent":[{"project":"pj.jiangwan","role":"role.handover_guide"}],"id":"u.pt01""#;
        let catalog = of(&text.replace(r#""id":"u.pt01""#, lent));
        let held = catalog.grants(&UserId::new("u.pt01"));
        let has = |scope: &str| held.iter().any(|one| one.0 == scope);
        assert!(has("pj.lanyuan/patrol") && has("pj.jiangwan/handover") && has("pj.jiangwan/finding"));
        assert!(!has("pj.jiangwan/patrol") && !has("pj.lanyuan/handover"), "{held:?}");
    }
}
