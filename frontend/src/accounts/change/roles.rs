//! Changes of roles.

use super::{AccountError, Thing, expect_version};
use crate::accounts::directory::Directory;
use crate::accounts::model::Role;
use crate::accounts::store::{Change, Row, RowKey};
use crate::accounts::{Accounts, Permissions, RoleName};

// === impl Accounts ===

impl Accounts {
    /// Makes a role. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: there is one of that name.
    ///
    /// # Cancel safety
    /// A cancelled call has made it or not.
    pub async fn create_role(
        &self,
        name: &RoleName,
        permissions: Permissions,
    ) -> Result<Role, AccountError> {
        self.change(|directory| {
            if directory.role(name).is_some() {
                return Err(AccountError::exists(Thing::Role, name));
            }
            let role = Role {
                name: name.clone(),
                permissions,
                version: directory.next_version(),
            };
            Ok((vec![Change::Put(Row::Role(role.clone()))], role))
        })
        .await
    }

    /// Changes what a role allows, at once and for everybody who has it; with `version`, only from
    /// that version. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: it is built in, or the last administrator would be none any more.
    ///
    /// # Cancel safety
    /// A cancelled call has changed it or not.
    pub async fn change_role(
        &self,
        name: &RoleName,
        permissions: Permissions,
        version: Option<u64>,
    ) -> Result<Role, AccountError> {
        self.change(|directory| {
            expect_own(directory, name, version)?;
            let role = Role {
                name: name.clone(),
                permissions,
                version: directory.next_version(),
            };
            Ok((vec![Change::Put(Row::Role(role.clone()))], role))
        })
        .await
    }

    /// Removes a role that no grant names. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has removed it or not.
    pub async fn delete_role(
        &self,
        name: &RoleName,
        version: Option<u64>,
    ) -> Result<(), AccountError> {
        self.change(|directory| {
            expect_own(directory, name, version)?;
            let grants = directory.grants(None).filter(|grant| grant.role == *name);
            let grants = grants.count();
            if grants > 0 {
                let role = name.to_string();
                return Err(AccountError::InUse { role, grants });
            }
            Ok((vec![Change::Remove(RowKey::Role(name.clone()))], ()))
        })
        .await
    }
}

/// That there is a role which is not built in, and has the version a change was made from.
fn expect_own(
    directory: &Directory,
    name: &RoleName,
    version: Option<u64>,
) -> Result<(), AccountError> {
    let role = directory.role(name);
    let role = role.ok_or_else(|| AccountError::unknown(Thing::Role, name))?;
    if role.is_built_in() {
        return Err(AccountError::BuiltIn(name.to_string()));
    }
    expect_version(Thing::Role, name, version, role.version)
}
