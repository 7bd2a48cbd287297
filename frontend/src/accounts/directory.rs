//! [`Directory`]: all accounts of one revision, in memory and immutable.
//!
//! Whoever asks what is allowed reads the directory of that moment, without a lock and without I/O;
//! a change makes the next one. What holds in every directory that is put in place:
//! 1. An owned key's owner, a grant's user and a grant's role exist.
//! 2. No two keys of one owner, and no two robots, have the same name.
//! 3. Roles that are built in are there, as they are.
//!
//! That an administrator is left is demanded of changes that take something away (`change`).

use super::member::{Grants, Member, Members};
use super::model::{ApiKey, Grant, Role, Rule, User};
use super::name::{KeyId, KeyName, RoleName, UserName};
use super::permission::Permissions;
use super::store::{Row, RowKey, Rows, SigningKeys};
use floundr_engine::policy::Pattern;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{self, Excluded, Included, Unbounded};

/// All accounts of one revision.
#[derive(Debug, Default)]
pub struct Directory {
    rows: Rows,
    roles: BTreeMap<RoleName, Role>,
    members: Members,
    public: Vec<Pattern>,
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
        let mut grants = Grants::default();
        for row in rows.rows.values() {
            if let Row::Grant(grant) = row {
                let role = directory.roles.get(&grant.role);
                let permissions = role.map_or(Permissions::NONE, |role| role.permissions);
                grants.add(grant, permissions);
            }
        }
        directory.rows = rows;
        directory.members = Members::new(directory.users(None), grants);
        directory
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
        // Users are the first rows.
        let from = after.map_or(Unbounded, |name| Excluded(RowKey::User(name.clone())));
        self.of_kind(from, |row| match row {
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
        let first = Included(RowKey::Grant(0));
        let from = after.map_or(first, |id| Excluded(RowKey::Grant(id)));
        self.of_kind(from, |row| match row {
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
        let first = Included(RowKey::Key(KeyId::new(0)));
        let from = after.map_or(first, |id| Excluded(RowKey::Key(id)));
        self.of_kind(from, |row| match row {
            Row::Key(key) => Some(key),
            _ => None,
        })
    }

    /// The key of an owner, or robot's, with this name.
    pub fn key_named(&self, owner: Option<&UserName>, name: &KeyName) -> Option<&ApiKey> {
        let mut keys = self.keys(None);
        keys.find(|key| key.owner.as_ref() == owner && key.name == *name)
    }

    /// These keys with all that were made with one of them, or with one that was.
    pub(crate) fn made_with(&self, ids: impl IntoIterator<Item = KeyId>) -> BTreeSet<KeyId> {
        let mut made: HashMap<KeyId, Vec<KeyId>> = HashMap::new();
        for key in self.keys(None) {
            if let Some(maker) = key.made_by {
                made.entry(maker).or_default().push(key.id);
            }
        }
        let mut found = BTreeSet::new();
        let mut open: Vec<KeyId> = ids.into_iter().collect();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(made.get(&id).into_iter().flatten());
            }
        }
        found
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
        let first = Included(RowKey::Rule(String::new()));
        let from = after.map_or(first, |on| Excluded(RowKey::Rule(on.to_owned())));
        self.of_kind(from, |row| match row {
            Row::Rule(rule) => Some(rule),
            _ => None,
        })
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

    /// A user with what is granted to them.
    pub(super) fn member(&self, name: &UserName) -> Option<&Member> {
        self.members.get(name)
    }

    /// The things of one kind from a row of theirs on, to the first row of another kind: rows of a kind
    /// are next to each other.
    fn of_kind<'a, T: 'a>(
        &'a self,
        from: Bound<RowKey>,
        pick: impl Fn(&'a Row) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        let rows = self.rows.rows.range((from, Unbounded));
        rows.map_while(move |(_, row)| pick(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::model::ApiKey;
    use std::cell::Cell;

    fn key(id: u64, made_by: Option<u64>) -> Row {
        Row::Key(ApiKey {
            id: KeyId::new(id),
            name: format!("k{id}").parse().unwrap(),
            owner: None,
            hash: [0; 32],
            scopes: None,
            made_by: made_by.map(KeyId::new),
            created: 0,
            expires: None,
            version: 1,
        })
    }

    fn user() -> Row {
        Row::User(User {
            name: "jo".parse().unwrap(),
            password: None,
            disabled: false,
            must_change: false,
            groups: BTreeSet::new(),
            created: 0,
            epoch: 0,
            version: 1,
        })
    }

    fn directory(rows: impl IntoIterator<Item = Row>) -> Directory {
        let rows = rows.into_iter().map(|row| (row.key(), row)).collect();
        Directory::new(Rows { revision: 1, rows })
    }

    #[test]
    fn who_looks_for_one_kind_of_things_meets_no_other_kind() {
        let used = (0..50).map(|id| Row::Used(KeyId::new(id), 7));
        let rows = (0..50).map(|id| key(id, None)).chain(used);
        let directory = directory(rows.chain([user()]));
        let met = Cell::new(0);
        let users = directory.of_kind(Unbounded, |row| {
            met.set(met.get() + 1);
            matches!(row, Row::User(_)).then_some(())
        });
        // The one row behind them says that there are no more.
        assert_eq!((users.count(), met.get()), (1, 2));
        assert_eq!(directory.users(None).count(), 1);
        assert_eq!(directory.grants(None).count(), 0);
        assert_eq!(directory.keys(None).count(), 50);
        assert_eq!(directory.keys(Some(KeyId::new(9))).count(), 40);
        assert_eq!(directory.rules(None).count(), 0);
    }

    #[test]
    fn keys_made_with_keys_made_with_a_key_are_made_with_it() {
        let made = [
            (1, None),
            (2, Some(1)),
            (3, Some(2)),
            (4, Some(9)),
            (5, None),
        ];
        let directory = directory(made.map(|(id, by)| key(id, by)));
        let with = |ids: &[u64]| {
            let ids = ids.iter().copied().map(KeyId::new);
            directory.made_with(ids).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(with(&[1]), [1, 2, 3].map(KeyId::new));
        assert_eq!(with(&[2, 5]), [2, 3, 5].map(KeyId::new));
        assert_eq!(with(&[9]), [4, 9].map(KeyId::new));
    }
}
