//! [`Permission`]: what may be done with a repository; [`Permissions`]: a set of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// What may be done with a repository. None includes another.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Reading: pulls, listings.
    Pull,
    /// Writing: uploads, manifests, tags.
    Push,
    /// Deleting content and tags.
    Delete,
    /// Changing who may do what with it and how it behaves; on `**`: everything about the server.
    Administer,
}

/// A set of permissions. In JSON a list of words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct Permissions(u8);

/// Not a permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of pull, push, delete, administer")]
pub struct ParsePermissionError(pub String);

// === impl Permission ===

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::Administer];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Administer => "administer",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Pull => 1,
            Self::Push => 2,
            Self::Delete => 4,
            Self::Administer => 8,
        }
    }
}

impl FromStr for Permission {
    type Err = ParsePermissionError;

    fn from_str(text: &str) -> Result<Self, ParsePermissionError> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| ParsePermissionError(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Permissions ===

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// Every permission.
    pub const ALL: Self = Self(15);

    /// Whether `permission` is among them.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is the empty set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |one| self.contains(*one))
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Self {
        Self(permission.bit())
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let all = permissions.into_iter().map(Self::from);
        all.fold(Self::NONE, Self::or)
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(permissions: Vec<Permission>) -> Self {
        permissions.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(permissions: Permissions) -> Self {
        permissions.iter().collect()
    }
}

/// The words with commas between them.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, permission) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{permission}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_cut_and_listed() {
        let read: Permissions = Permission::Pull.into();
        let write: Permissions = [Permission::Push, Permission::Pull].into_iter().collect();
        assert_eq!(read.or(write), write);
        assert_eq!(read.and(write), read);
        assert_eq!(write.to_string(), "pull,push");
        assert!(!write.contains(Permission::Delete));
        assert_eq!(
            Permission::ALL.into_iter().collect::<Permissions>(),
            Permissions::ALL
        );
        assert!(Permissions::NONE.is_empty());
    }

    #[test]
    fn in_json_a_set_is_a_list_of_words() {
        let set: Permissions = serde_json::from_str(r#"["push","pull","pull"]"#).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["pull","push"]"#);
        assert!(serde_json::from_str::<Permissions>(r#"["all"]"#).is_err());
        assert!("all".parse::<Permission>().is_err());
        assert_eq!("delete".parse(), Ok(Permission::Delete));
    }
}
