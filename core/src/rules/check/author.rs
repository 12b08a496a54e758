//! Who may write in a scope at all.

use super::Author;
use crate::definition::{Catalog, Role, RoleScope};
use crate::error::Refusal;
use crate::id::{ScopeId, UserId};
use crate::rules::codes;

/// The author's roles on the scope; empty for the server.
pub(super) fn authorise(
    catalog: &Catalog,
    scope: &ScopeId,
    author: &Author<'_>,
) -> Result<Vec<String>, Refusal> {
    if author.is_server {
        return Ok(Vec::new());
    }
    if catalog.user(author.user).is_none_or(|user| user.retired) {
        return Err(Refusal::new(
            codes::UNKNOWN_USER,
            "组织中没有这位作者,或已离职;请联系分公司",
            "the author is not, or no longer, a person of the organisation; ask the branch",
        ));
    }
    if !catalog.grants(author.user).contains(scope) {
        return Err(Refusal::new(
            codes::SCOPE_NOT_GRANTED,
            "您没有这个数据范围的权限;请联系分公司",
            "you hold no grant on this scope; ask the branch",
        ));
    }
    Ok(roles_on(catalog, scope, author.user))
}

/// A person's roles that reach a scope, in the order of the organisation's file.
#[must_use]
pub fn roles_on(catalog: &Catalog, scope: &ScopeId, user: &UserId) -> Vec<String> {
    let Some(person) = catalog.user(user) else { return Vec::new() };
    let reaches = |role: &Role| {
        let is_here = match role.scope {
            RoleScope::Branch | RoleScope::Audit => true,
            RoleScope::Project | RoleScope::Event => {
                person.project.as_deref() == Some(scope.unit())
                    || catalog.organisation().is_some_and(|org| org.branch.id == scope.unit())
            }
            RoleScope::External => false,
        };
        is_here && role.streams.iter().any(|stream| stream == scope.stream())
    };
    let held = person.roles().filter(|id| catalog.role(id).is_some_and(reaches));
    let lent = person.lent.iter().filter(|posting| posting.project == scope.unit());
    let carries = |id: &&str| {
        catalog.role(id).is_some_and(|role| role.streams.iter().any(|stream| stream == scope.stream()))
    };
    held.chain(lent.map(|posting| posting.role.as_str()).filter(carries)).map(str::to_owned).collect()
}

/// True when at least one of the roles may write anything: it is not for reading only.
#[must_use]
pub fn writes(catalog: &Catalog, roles: &[String]) -> bool {
    let is_writing = |role: &Role| role.can.iter().any(|ability| !ability.starts_with("read:"));
    roles.iter().any(|id| catalog.role(id).is_some_and(is_writing))
}
