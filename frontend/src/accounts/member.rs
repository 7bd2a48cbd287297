//! [`Member`]: what a request needs to know of a user, found by one look at their name.
//!
//! Invariant: all of it is what the rows of its directory say. It is made with the directory and never
//! changes, and finding it writes nothing, no count of references either: requests on many cores read
//! one user at once.

use super::model::{Grant, Grantee, User};
use super::name::{GroupName, UserName};
use super::permission::{Permission, Permissions};
use super::rights::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// A grant with its role looked up.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) grant: Grant,
    pub(super) permissions: Permissions,
}

/// A user with all that is granted to them.
#[derive(Debug)]
pub(super) struct Member {
    /// As [`User::epoch`].
    pub(super) epoch: u64,
    /// As [`User::disabled`].
    pub(super) disabled: bool,
    /// As [`User::must_change`].
    pub(super) must_change: bool,
    own: Vec<Granted>,
    /// What their groups have, each once for all who are in it.
    groups: Vec<Arc<[Granted]>>,
}

/// The grants of one revision, by whom they are to.
#[derive(Debug, Default)]
pub(super) struct Grants {
    to_users: HashMap<UserName, Vec<Granted>>,
    to_groups: HashMap<GroupName, Vec<Granted>>,
}

/// The users of one revision, by their names. Strangers choose none of them, and every request asks for one:
/// hence a hash that is cheap and not made against chosen names.
#[derive(Debug, Default)]
pub(super) struct Members(HashMap<UserName, Member, foldhash::fast::RandomState>);

// === impl Grants ===

impl Grants {
    pub(super) fn add(&mut self, grant: &Grant, permissions: Permissions) {
        let granted = Granted {
            grant: grant.clone(),
            permissions,
        };
        let list = match &grant.to {
            Grantee::User(name) => self.to_users.entry(name.clone()).or_default(),
            Grantee::Group(name) => self.to_groups.entry(name.clone()).or_default(),
        };
        list.push(granted);
    }
}

// === impl Members ===

impl Members {
    /// These users with what is granted to them.
    pub(super) fn new<'a>(users: impl Iterator<Item = &'a User>, grants: Grants) -> Self {
        let Grants {
            mut to_users,
            to_groups,
        } = grants;
        let to_groups = to_groups.into_iter();
        let to_groups: HashMap<GroupName, Arc<[Granted]>> = to_groups
            .map(|(group, granted)| (group, granted.into()))
            .collect();
        let mut member = |user: &User| Member {
            epoch: user.epoch,
            disabled: user.disabled,
            must_change: user.must_change,
            own: to_users.remove(&user.name).unwrap_or_default(),
            groups: (user.groups.iter())
                .filter_map(|group| to_groups.get(group).cloned())
                .collect(),
        };
        Self(
            users
                .map(|user| (user.name.clone(), member(user)))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &UserName) -> Option<&Member> {
        self.0.get(name)
    }
}

// === impl Member ===

impl Member {
    /// Their own grants, then those of their groups.
    pub(super) fn granted(&self) -> impl Iterator<Item = &Granted> {
        self.own
            .iter()
            .chain(self.groups.iter().flat_map(|group| group.iter()))
    }

    /// What is granted to them on `repository`. Patterns cost time: only those are asked that add something.
    pub(super) fn permissions(&self, repository: &str) -> Permissions {
        let add = |found: Permissions, one: &Granted| {
            let all = found.or(one.permissions);
            if all != found && one.names(repository) {
                all
            } else {
                found
            }
        };
        self.granted().fold(Permissions::NONE, add)
    }

    /// Whether they administer everything, when nothing keeps them.
    pub(super) fn administers(&self) -> bool {
        self.granted().any(|one| {
            one.grant.on.is_everything() && one.permissions.contains(Permission::Administer)
        })
    }
}

// === impl Granted ===

impl Granted {
    pub(super) fn names(&self, repository: &str) -> bool {
        self.grant.on.matches(repository)
    }

    pub(super) fn reason(&self) -> Reason {
        Reason::Grant {
            id: self.grant.id,
            to: self.grant.to.clone(),
            role: self.grant.role.to_string(),
            on: self.grant.on.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, groups: &[&str]) -> User {
        User {
            name: name.parse().unwrap(),
            password: None,
            disabled: name == "ann",
            must_change: false,
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            created: 0,
            epoch: 7,
            version: 1,
        }
    }

    fn grant(id: u64, to: Grantee, on: &str) -> Grant {
        Grant {
            id,
            to,
            role: "some".parse().unwrap(),
            on: on.parse().unwrap(),
            created: 0,
        }
    }

    #[test]
    fn a_member_has_their_own_grants_and_those_of_their_groups_and_no_other() {
        let user_jo = Grantee::User("jo".parse().unwrap());
        let group = |name: &str| Grantee::Group(name.parse().unwrap());
        let mut grants = Grants::default();
        for (id, to, on, permission) in [
            (1, group("b"), "team/**", Permission::Pull),
            (2, user_jo.clone(), "team/app", Permission::Push),
            (3, group("a"), "**", Permission::Administer),
            (4, group("c"), "**", Permission::Delete),
            // The name of a user is not that of a group.
            (5, group("jo"), "**", Permission::Delete),
            (6, user_jo, "other", Permission::Delete),
        ] {
            grants.add(&grant(id, to, on), permission.into());
        }
        let users = [
            user("jo", &["a", "b", "none"]),
            user("ann", &["b"]),
            user("x", &[]),
        ];
        let members = Members::new(users.iter(), grants);
        let of = |name: &str| members.get(&name.parse().unwrap());
        let ids = |name: &str| -> Vec<u64> {
            let granted = of(name).unwrap().granted();
            granted.map(|one| one.grant.id).collect()
        };
        assert_eq!(ids("jo"), [2, 6, 3, 1]);
        assert_eq!(ids("ann"), [1]);
        assert!(ids("x").is_empty() && of("nobody").is_none());
        let (jo, ann) = (of("jo").unwrap(), of("ann").unwrap());
        let told = |member: &Member, on: &str| member.permissions(on).to_string();
        assert_eq!(told(jo, "team/app"), "pull,push,administer");
        assert_eq!(told(jo, "other"), "delete,administer");
        assert_eq!(
            (told(ann, "team/x"), told(ann, "x")),
            ("pull".into(), String::new())
        );
        assert!(jo.administers() && !ann.administers());
        assert!(ann.disabled && !jo.disabled && jo.epoch == 7);
    }
}
