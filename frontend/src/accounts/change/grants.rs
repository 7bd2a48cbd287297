//! Changes of grants.

use super::{AccountError, Thing};
use crate::accounts::model::{Grant, Grantee, On};
use crate::accounts::store::{Change, Row, RowKey};
use crate::accounts::{Accounts, RoleName};

/// A grant to be made.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// To whom. A group needs no members yet.
    pub to: Grantee,
    /// The role.
    pub role: RoleName,
    /// On which repositories.
    pub on: On,
}

// === impl Accounts ===

impl Accounts {
    /// Grants a role; the grant that says so already, if there is one. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: there is no such user or role.
    ///
    /// # Cancel safety
    /// A cancelled call has granted it or not.
    pub async fn create_grant(&self, new: NewGrant) -> Result<Grant, AccountError> {
        let created = self.wall();
        self.change(|directory| {
            if let Grantee::User(name) = &new.to
                && directory.user(name).is_none()
            {
                return Err(AccountError::unknown(Thing::User, name));
            }
            if directory.role(&new.role).is_none() {
                return Err(AccountError::unknown(Thing::Role, &new.role));
            }
            let is_same =
                |grant: &&Grant| grant.to == new.to && grant.role == new.role && grant.on == new.on;
            if let Some(grant) = directory.grants(None).find(is_same) {
                return Ok((Vec::new(), grant.clone()));
            }
            let grant = Grant {
                id: directory.next_version(),
                to: new.to.clone(),
                role: new.role.clone(),
                on: new.on.clone(),
                created,
            };
            Ok((vec![Change::Put(Row::Grant(grant.clone()))], grant))
        })
        .await
    }

    /// Takes a grant back, at once. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: there is none, or it makes the last administrator.
    ///
    /// # Cancel safety
    /// A cancelled call has taken it back or not.
    pub async fn delete_grant(&self, id: u64) -> Result<(), AccountError> {
        self.change(|directory| {
            if directory.grant(id).is_none() {
                return Err(AccountError::unknown(Thing::Grant, id));
            }
            Ok((vec![Change::Remove(RowKey::Grant(id))], ()))
        })
        .await
    }
}
