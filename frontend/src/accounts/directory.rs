//! [`Directory`]: all accounts of one revision, in memory and immutable.
//!
//! Whoever asks what is allowed reads the directory of that moment, without a lock and without I/O;
//! a change makes the next one. What holds in every directory that is put in place:
//! 1. An owned key's owner, a grant's user and a grant's role exist.
//! 2. No two keys of one owner, and no two robots, have the same name.
//! 3. Roles that are built in are there, as they are.
//!
//! That an administrator is left is demanded of changes that take something away (`change`).

use super::model::{ApiKey, Grant, Grantee, Role, Rule, User};
use super::name::{GroupName, KeyId, KeyName, RoleName, UserName};
use super::permission::Permissions;
use super::store::{Row, RowKey, Rows, SigningKeys};
use floundr_engine::policy::Pattern;
use std::collections::{BTreeMap, HashMap};

/// All accounts of one revision.
#[derive(Debug, Default)]
pub struct Directory {
    rows: Rows,
    roles: BTreeMap<RoleName, Role>,
    to_users: HashMap<UserName, Vec<Granted>>,
    to_groups: HashMap<GroupName, Vec<Granted>>,
    public: Vec<Pattern>,
}

/// A grant with its role looked up.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) grant: Grant,
    pub(super) permissions: Permissions,
}

// === impl Directory ===

impl Directory {
    /// The directory of these rows.
    pub fn new(rows: Rows) -> Self {
        let mut directory = Self::default();
        for role in Role::built_in() {
            directory.roles.insert(role.name.clone(), role);
        }
        for row in rows.rows.values() {
            match row {
                Row::Role(role) => {
                    directory.roles.insert(role.name.clone(), role.clone());
                }
                Row::Rule(rule) if rule.public => directory.public.push(rule.on.0.clone()),
                _ => {}
            }
        }
        for row in rows.rows.values() {
            if let Row::Grant(grant) = row {
                directory.index(grant);
            }
        }
        directory.rows = rows;
        directory
    }

    fn index(&mut self, grant: &Grant) {
        let role = self.roles.get(&grant.role);
        let granted = Granted {
            grant: grant.clone(),
            permissions: role.map_or(Permissions::NONE, |role| role.permissions),
        };
        match &grant.to {
            Grantee::User(name) => self.to_users.entry(name.clone()).or_default().push(granted),
            Grantee::Group(name) => self
                .to_groups
                .entry(name.clone())
                .or_default()
                .push(granted),
        }
    }

    /// How many changes made it.
    pub const fn revision(&self) -> u64 {
        self.rows.revision
    }

    pub(super) const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// A user.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        match self.rows.rows.get(&RowKey::User(name.clone()))? {
            Row::User(user) => Some(user),
            _ => None,
        }
    }

    /// The users behind `after`, in the order of their names.
    pub fn users(&self, after: Option<&UserName>) -> impl Iterator<Item = &User> {
        let from = after.map(|name| RowKey::User(name.clone()));
        self.behind(from, |row| match row {
            Row::User(user) => Some(user),
            _ => None,
        })
    }

    /// A role, built in or not.
    pub fn role(&self, name: &RoleName) -> Option<&Role> {
        self.roles.get(name)
    }

    /// All roles in the order of their names.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// A grant.
    pub fn grant(&self, id: u64) -> Option<&Grant> {
        match self.rows.rows.get(&RowKey::Grant(id))? {
            Row::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    /// The grants behind `after`, oldest first.
    pub fn grants(&self, after: Option<u64>) -> impl Iterator<Item = &Grant> {
        self.behind(after.map(RowKey::Grant), |row| match row {
            Row::Grant(grant) => Some(grant),
            _ => None,
        })
    }

    /// An API key.
    pub fn key(&self, id: KeyId) -> Option<&ApiKey> {
        match self.rows.rows.get(&RowKey::Key(id))? {
            Row::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The keys behind `after`, in the order of their ids.
    pub fn keys(&self, after: Option<KeyId>) -> impl Iterator<Item = &ApiKey> {
        self.behind(after.map(RowKey::Key), |row| match row {
            Row::Key(key) => Some(key),
            _ => None,
        })
    }

    /// The key of an owner, or robot's, with this name.
    pub fn key_named(&self, owner: Option<&UserName>, name: &KeyName) -> Option<&ApiKey> {
        let mut keys = self.keys(None);
        keys.find(|key| key.owner.as_ref() == owner && key.name == *name)
    }

    /// When a key was used last, as far as that was written down.
    pub fn last_used(&self, id: KeyId) -> Option<u64> {
        match self.rows.rows.get(&RowKey::Used(id))? {
            Row::Used(_, at) => Some(*at),
            _ => None,
        }
    }

    /// The rule of a pattern.
    pub fn rule(&self, on: &str) -> Option<&Rule> {
        match self.rows.rows.get(&RowKey::Rule(on.to_owned()))? {
            Row::Rule(rule) => Some(rule),
            _ => None,
        }
    }

    /// The rules behind `after`, in the order of their patterns' text.
    pub fn rules(&self, after: Option<&str>) -> impl Iterator<Item = &Rule> {
        self.behind(
            after.map(|on| RowKey::Rule(on.to_owned())),
            |row| match row {
                Row::Rule(rule) => Some(rule),
                _ => None,
            },
        )
    }

    /// The rules whose patterns name `repository`.
    pub fn rules_of<'a>(&'a self, repository: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules(None)
            .filter(move |rule| rule.on.matches(repository))
    }

    /// Whether anybody may pull from `repository`.
    pub fn is_public(&self, repository: &str) -> bool {
        self.public.iter().any(|on| on.matches(repository))
    }

    pub(super) fn signing(&self) -> Option<&SigningKeys> {
        match self.rows.rows.get(&RowKey::Signing)? {
            Row::Signing(keys) => Some(keys),
            _ => None,
        }
    }

    pub(super) fn granted_to(&self, user: &User) -> impl Iterator<Item = &Granted> {
        let own = self.to_users.get(&user.name).into_iter().flatten();
        let groups = user
            .groups
            .iter()
            .filter_map(|group| self.to_groups.get(group));
        own.chain(groups.flatten())
    }

    /// The things of one kind behind a row; of all rows where there is none.
    fn behind<'a, T: 'a>(
        &'a self,
        after: Option<RowKey>,
        pick: impl Fn(&'a Row) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let rows = self.rows.rows.range((from, Unbounded));
        rows.filter_map(move |(_, row)| pick(row))
    }
}
