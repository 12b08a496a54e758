//! Who answers to whom: the lines of the role book, drawn through the people of an organisation.

use super::{Catalog, Organisation, Role, RoleScope, User};
use crate::id::UserId;

impl Catalog {
    /// The people whom a person answers to: those who hold the role above the person's main role, in the
    /// same project where that role is one of a project. Where nobody holds it, those of the next one above.
    #[must_use]
    pub fn superiors(&self, user: &UserId) -> Vec<&User> {
        let Some(person) = self.user(user).filter(|person| !person.retired) else { return Vec::new() };
        let mut role = self.role(&person.role);
        // Lines that run in a circle are refused when roles are published; here they only end.
        for _ in self.roles() {
            let above = role.and_then(|role| role.reports_to.as_deref());
            let Some(above) = above.and_then(|id| self.role(id)) else { break };
            let found = self.holders(above, person);
            if !found.is_empty() {
                return found;
            }
            role = Some(above);
        }
        Vec::new()
    }

    /// The people who answer to a person.
    #[must_use]
    pub fn subordinates(&self, user: &UserId) -> Vec<&User> {
        let answers = |other: &&User| {
            self.superiors(&UserId::new(&other.id)).iter().any(|above| above.id == user.as_str())
        };
        self.people().filter(answers).collect()
    }

    fn holders(&self, role: &Role, below: &User) -> Vec<&User> {
        let is_near = |user: &&User| match role.scope {
            RoleScope::Branch | RoleScope::Audit => true,
            RoleScope::Project | RoleScope::Event => user.project == below.project,
            RoleScope::External => false,
        };
        let holds = |user: &&User| user.id != below.id && user.roles().any(|held| held == role.id);
        self.people().filter(holds).filter(is_near).collect()
    }

    fn people(&self) -> impl Iterator<Item = &User> {
        let users =
            self.organisation().map_or([].as_slice(), |organisation: &Organisation| &organisation.users);
        users.iter().filter(|user| !user.retired)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Definition, embedded, sample_organisation};
    use super::*;

    fn catalog(change: impl Fn(&str) -> String) -> Catalog {
        let mut all = embedded().to_vec();
        let text = String::from_utf8(sample_organisation().json.clone()).unwrap();
        all.push(Definition::parse(change(&text).as_bytes()).unwrap());
        Catalog::new(&all).unwrap()
    }

    fn ids(users: Vec<&User>) -> Vec<&str> {
        users.into_iter().map(|user| user.id.as_str()).collect()
    }

    #[test]
    fn lines_run_from_the_front_desk_to_the_general_manager() {
        let catalog = catalog(str::to_owned);
        let above = |user: &str| ids(catalog.superiors(&UserId::new(user)));
        assert_eq!(above("u.fd01"), ["u.csl01"]);
        assert_eq!(above("u.csl01"), ["u.bcm01"], "the branch leads the projects' customer-service leads");
        assert_eq!(above("u.eng01"), ["u.pm01"]);
        assert_eq!(above("u.bcm01"), ["u.gm01"]);
        assert!(above("u.gm01").is_empty() && above("u.nobody").is_empty());
        let below = |user: &str| ids(catalog.subordinates(&UserId::new(user)));
        assert_eq!(below("u.csl01"), ["u.fd01", "u.fd02", "u.pt01", "u.pt02"]);
        assert_eq!(below("u.pm01"), ["u.eng01", "u.sec01"]);
        assert!(below("u.fd01").is_empty());
    }

    #[test]
    fn a_post_that_nobody_holds_is_passed_over() {
        // Jiangwanli has neither a customer-service lead nor a manager yet.
        let shipped = catalog(str::to_owned);
        assert_eq!(ids(shipped.superiors(&UserId::new("u.hg01"))), ["u.bcm01"]);
        let alone = catalog(|text| text.replace(r#""id":"u.csl01""#, r#""retired":true,"id":"u.csl01""#));
        assert_eq!(ids(alone.superiors(&UserId::new("u.fd01"))), ["u.bcm01"]);
    }
}
