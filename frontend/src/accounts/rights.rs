//! Who may do what: [`Principal`], what a [`Directory`] allows it, and why.
//!
//! 1. Nothing is allowed that no grant, scope of a robot or public rule allows.
//! 2. A key never allows more than its owner may, nor more than its scopes say; what anybody may is
//!    allowed to every principal that may do anything at all.
//! 3. A user who is disabled or gone, and a key that has expired or is gone, allow nothing, whatever
//!    was issued to them before. Of a password that must be changed nothing is allowed either; the
//!    user's keys go on.
//!
//! Everything is computed from the directory of the moment: there is no second place to forget.

use super::directory::Directory;
use super::member::{Granted, Member};
use super::model::{ApiKey, Grantee, KeyScope, On, User};
use super::name::{KeyId, UserName};
use super::permission::{Permission, Permissions};
use std::fmt;

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Whoever runs the server: the management socket.
    Operator,
    /// Whoever reaches a registry that is open on purpose.
    Anybody,
    /// Nobody in particular.
    Anonymous,
    /// A user, by password or by one of their keys.
    User {
        /// Who.
        name: UserName,
        /// With which key.
        key: Option<KeyId>,
    },
    /// A key that belongs to no person.
    Robot(KeyId),
}

/// Why something is allowed, or what keeps it from being allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Whoever runs the server may everything.
    Operator,
    /// The registry is open to everybody.
    Open,
    /// A grant to the user, or to a group they are in.
    Grant {
        /// Its number.
        id: u64,
        /// To whom.
        to: Grantee,
        /// The role.
        role: String,
        /// On what.
        on: String,
    },
    /// A scope of a robot's key.
    Scope {
        /// On what.
        on: String,
    },
    /// A rule makes it public.
    Public {
        /// On what.
        on: String,
    },
    /// There is no such user.
    NoUser,
    /// The user is disabled.
    Disabled,
    /// The password must be changed first.
    MustChange,
    /// There is no such key.
    NoKey,
    /// The key has expired.
    KeyExpired,
    /// The key's scopes do not have it.
    KeyScopes,
    /// Nothing grants it.
    NothingGrants,
}

/// Why what was issued to somebody is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The user is gone, or what they log in with has ended since.
    Ended,
    /// What keeps the principal from doing anything at all.
    Hindered(Reason),
}

// === impl Principal ===

impl Principal {
    /// The key it came with.
    pub const fn key(&self) -> Option<KeyId> {
        match self {
            Self::User { key, .. } => *key,
            Self::Robot(key) => Some(*key),
            Self::Operator | Self::Anybody | Self::Anonymous => None,
        }
    }

    /// Whether it is somebody in particular.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }
}

/// As it is written down: `jo`, `robot:0123456789abcdef`, `anonymous`, `operator`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Anybody => f.write_str("anybody"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::User { name, .. } => write!(f, "{name}"),
            Self::Robot(key) => write!(f, "robot:{key}"),
        }
    }
}

// === impl Directory ===

impl Directory {
    /// What `principal` may do with `repository` at `now`, in milliseconds since the epoch.
    pub fn permissions(&self, principal: &Principal, repository: &str, now: u64) -> Permissions {
        let own = match self.standing(principal, now) {
            Ok(Standing::All) => return Permissions::ALL,
            Ok(Standing::Open) => return open(),
            Ok(Standing::Nobody) => Permissions::NONE,
            Ok(Standing::User(member, key)) => {
                let granted = member.permissions(repository);
                match key.and_then(|key| key.scopes.as_deref()) {
                    Some(scopes) => scoped(scopes, granted, |on| on.matches(repository)),
                    None => granted,
                }
            }
            Ok(Standing::Robot(key)) => {
                let scopes = key.scopes.as_deref().unwrap_or(&[]);
                scoped(scopes, Permissions::ALL, |on| on.matches(repository))
            }
            Err(_) => return Permissions::NONE,
        };
        if !own.contains(Permission::Pull) && self.is_public(repository) {
            return own.or(Permission::Pull.into());
        }
        own
    }

    /// Whether `principal` administers everything: the server itself.
    pub fn is_administrator(&self, principal: &Principal, now: u64) -> bool {
        let everything = |scopes: &[KeyScope]| {
            let mut scopes = scopes.iter().filter(|scope| scope.on.is_everything());
            scopes.any(|scope| scope.permissions.contains(Permission::Administer))
        };
        match self.standing(principal, now) {
            Ok(Standing::All) => true,
            Ok(Standing::Open | Standing::Nobody) | Err(_) => false,
            Ok(Standing::Robot(key)) => key.scopes.as_deref().is_some_and(everything),
            Ok(Standing::User(member, key)) => {
                let scopes = key.and_then(|key| key.scopes.as_deref());
                member.administers() && scopes.is_none_or(everything)
            }
        }
    }

    /// Whether a user of this directory, when nothing keeps them, administers everything.
    pub fn administers(&self, user: &User) -> bool {
        self.member(&user.name).is_some_and(Member::administers)
    }

    /// Whether `principal` is somebody who may do anything at all.
    ///
    /// # Errors
    /// What keeps them.
    pub fn check(&self, principal: &Principal, now: u64) -> Result<(), Reason> {
        self.standing(principal, now).map(|_standing| ())
    }

    /// Whether what was issued to `principal` is of use still: to a user, while their epoch was `epoch`.
    ///
    /// # Errors
    /// [`Spent`].
    pub(crate) fn check_issued(
        &self,
        principal: &Principal,
        epoch: u64,
        now: u64,
    ) -> Result<(), Spent> {
        let Principal::User { name, key } = principal else {
            return Ok(self.check(principal, now)?);
        };
        let member = self.member(name).filter(|member| member.epoch == epoch);
        let member = member.ok_or(Spent::Ended)?;
        self.standing_member((name, member), *key, now)?;
        Ok(())
    }

    /// The epoch of the user that a principal is, if it is one and there still.
    pub(crate) fn epoch(&self, principal: &Principal) -> Option<u64> {
        match principal {
            Principal::User { name, .. } => self.member(name).map(|member| member.epoch),
            _ => None,
        }
    }

    /// Whether something is allowed, and why, or why not.
    pub fn explain(
        &self,
        principal: &Principal,
        permission: Permission,
        repository: &str,
        now: u64,
    ) -> (bool, Vec<Reason>) {
        let standing = match self.standing(principal, now) {
            Ok(standing) => standing,
            Err(reason) => return (false, vec![reason]),
        };
        let mut why = match &standing {
            Standing::All => return (true, vec![Reason::Operator]),
            Standing::Open if open().contains(permission) => return (true, vec![Reason::Open]),
            Standing::Open => return (false, vec![Reason::NothingGrants]),
            Standing::Nobody => Vec::new(),
            Standing::User(member, _) => {
                let granted = member.granted().filter(|one| one.names(repository));
                let granted = granted.filter(|one| one.permissions.contains(permission));
                granted.map(Granted::reason).collect()
            }
            Standing::Robot(key) => {
                let scopes = key.scopes.iter().flatten();
                let scopes = scopes.filter(|scope| scope.on.matches(repository));
                let scopes = scopes.filter(|scope| scope.permissions.contains(permission));
                let reason = |scope: &KeyScope| Reason::Scope {
                    on: scope.on.to_string(),
                };
                scopes.map(reason).collect()
            }
        };
        let is_cut = match &standing {
            Standing::User(_, Some(key)) => {
                let names = |on: &On| on.matches(repository);
                let scopes = key.scopes.as_deref();
                scopes.is_some_and(|scopes| scoped(scopes, permission.into(), names).is_empty())
            }
            _ => false,
        };
        if is_cut && !why.is_empty() {
            why = vec![Reason::KeyScopes];
        }
        let allowed = !is_cut && !why.is_empty();
        if permission == Permission::Pull {
            let public = self.rules_of(repository).filter(|rule| rule.public);
            let public = public.map(|rule| Reason::Public {
                on: rule.on.to_string(),
            });
            let before = why.len();
            why.extend(public);
            if why.len() > before {
                why.retain(|reason| *reason != Reason::KeyScopes);
                return (true, why);
            }
        }
        if why.is_empty() {
            why.push(Reason::NothingGrants);
        }
        (allowed, why)
    }

    /// Who it is, when nothing keeps them.
    fn standing(&self, principal: &Principal, now: u64) -> Result<Standing<'_>, Reason> {
        match principal {
            Principal::Operator => Ok(Standing::All),
            Principal::Anybody => Ok(Standing::Open),
            Principal::Anonymous => Ok(Standing::Nobody),
            Principal::User { name, key } => {
                let member = self.member(name).ok_or(Reason::NoUser)?;
                self.standing_member((name, member), *key, now)
            }
            Principal::Robot(id) => {
                let key = self.live_key(*id, now)?;
                match key.owner {
                    None => Ok(Standing::Robot(key)),
                    Some(_) => Err(Reason::NoKey),
                }
            }
        }
    }

    fn standing_member<'a>(
        &'a self,
        (name, member): (&UserName, &'a Member),
        key: Option<KeyId>,
        now: u64,
    ) -> Result<Standing<'a>, Reason> {
        if member.disabled {
            return Err(Reason::Disabled);
        }
        match key {
            None if member.must_change => Err(Reason::MustChange),
            None => Ok(Standing::User(member, None)),
            Some(id) => {
                let key = self.live_key(id, now)?;
                let is_theirs = key.owner.as_ref() == Some(name);
                let key = is_theirs.then_some(key).ok_or(Reason::NoKey)?;
                Ok(Standing::User(member, Some(key)))
            }
        }
    }

    fn live_key(&self, id: KeyId, now: u64) -> Result<&ApiKey, Reason> {
        let key = self.key(id).ok_or(Reason::NoKey)?;
        if key.is_live(now) {
            Ok(key)
        } else {
            Err(Reason::KeyExpired)
        }
    }
}

/// Who a principal is in a directory.
enum Standing<'a> {
    All,
    Open,
    Nobody,
    User(&'a Member, Option<&'a ApiKey>),
    Robot(&'a ApiKey),
}

/// What whoever reaches an open registry may: everything but administer it.
fn open() -> Permissions {
    [Permission::Pull, Permission::Push, Permission::Delete]
        .into_iter()
        .collect()
}

/// What of `granted` the scopes have that a repository `is_named` by. Patterns cost time: no more of
/// them are asked than can add something.
fn scoped(
    scopes: &[KeyScope],
    granted: Permissions,
    mut is_named: impl FnMut(&On) -> bool,
) -> Permissions {
    let mut found = Permissions::NONE;
    for scope in scopes {
        if found == granted {
            break;
        }
        let all = found.or(scope.permissions.and(granted));
        if all != found && is_named(&scope.on) {
            found = all;
        }
    }
    found
}

// === impl Spent ===

impl From<Reason> for Spent {
    fn from(reason: Reason) -> Self {
        Self::Hindered(reason)
    }
}

// === impl Reason ===

/// In words, after "because".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("whoever runs the server may everything"),
            Self::Open => f.write_str("the registry is open to everybody"),
            Self::Grant {
                id,
                to: Grantee::User(user),
                role,
                on,
            } => {
                write!(f, "grant {id} gives {user} the role {role} on {on}")
            }
            Self::Grant {
                id,
                to: Grantee::Group(group),
                role,
                on,
            } => {
                write!(
                    f,
                    "grant {id} gives the group {group} the role {role} on {on}"
                )
            }
            Self::Scope { on } => write!(f, "the robot's key has it on {on}"),
            Self::Public { on } => write!(f, "rule {on} makes it public"),
            Self::NoUser => f.write_str("there is no such user"),
            Self::Disabled => f.write_str("the user is disabled"),
            Self::MustChange => f.write_str("the password must be changed first"),
            Self::NoKey => f.write_str("there is no such key"),
            Self::KeyExpired => f.write_str("the key has expired"),
            Self::KeyScopes => f.write_str("the owner may, but the key's scopes do not have it"),
            Self::NothingGrants => f.write_str("no grant and no rule gives it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_looked_at_only_while_one_can_add_something() {
        let scope = |on: &str, permissions: &str| KeyScope {
            on: on.parse().unwrap(),
            permissions: permissions.split(',').map(|p| p.parse().unwrap()).collect(),
        };
        let scopes = [
            scope("b", "pull,push"),
            scope("a", "pull"),
            scope("*", "pull"),
            scope("a*", "push,delete"),
            scope("**", "pull,push,delete,administer"),
        ];
        let all = "pull,push,delete,administer";
        for (granted, asked, allowed) in [
            ("", vec![], ""),
            ("pull", vec!["b", "a"], "pull"),
            ("pull,push", vec!["b", "a", "a*"], "pull,push"),
            (all, vec!["b", "a", "a*", "**"], all),
        ] {
            let granted = granted.split(',').filter(|word| !word.is_empty());
            let granted = granted.map(|p| p.parse::<Permission>().unwrap()).collect();
            let mut seen = Vec::new();
            let found = scoped(&scopes, granted, |on| {
                seen.push(on.to_string());
                on.matches("a")
            });
            assert_eq!(
                (found.to_string().as_str(), seen),
                (allowed, asked.iter().map(ToString::to_string).collect())
            );
        }
    }
}
