//! What is asked about accounts: who there is, who may what, and how repositories behave.

use super::Need;
use super::endpoint::{Segment, endpoints, parsed};
use crate::accounts::{KeyId, On, RoleName, UserName};
use crate::manage::{Problem, ProblemCode};

endpoints! {
    /// Users, roles, grants, API keys and rules.
    pub enum AccountRoute {
        /// Change the password of who asks.
        PasswordChange = "password_change" PUT "/whoami/password",
        /// Users, by page.
        UserList = "user_list" GET "/users",
        /// Make a user.
        UserCreate = "user_create" POST "/users",
        /// A user.
        UserShow(UserName) = "user_show" GET "/users/{user}",
        /// Change a user.
        UserChange(UserName) = "user_change" PATCH "/users/{user}",
        /// Remove a user.
        UserDelete(UserName) = "user_delete" DELETE "/users/{user}",
        /// Roles, by page.
        RoleList = "role_list" GET "/roles",
        /// Make a role.
        RoleCreate = "role_create" POST "/roles",
        /// A role.
        RoleShow(RoleName) = "role_show" GET "/roles/{role}",
        /// Change a role.
        RoleChange(RoleName) = "role_change" PUT "/roles/{role}",
        /// Remove a role.
        RoleDelete(RoleName) = "role_delete" DELETE "/roles/{role}",
        /// Grants, by page.
        GrantList = "grant_list" GET "/grants",
        /// Grant a role.
        GrantCreate = "grant_create" POST "/grants",
        /// A grant.
        GrantShow(u64) = "grant_show" GET "/grants/{grant}",
        /// Take a grant back.
        GrantDelete(u64) = "grant_delete" DELETE "/grants/{grant}",
        /// API keys, by page.
        KeyList = "key_list" GET "/keys",
        /// Make an API key.
        KeyCreate = "key_create" POST "/keys",
        /// An API key.
        KeyShow(KeyId) = "key_show" GET "/keys/{key}",
        /// Change an API key.
        KeyChange(KeyId) = "key_change" PATCH "/keys/{key}",
        /// Revoke an API key.
        KeyRevoke(KeyId) = "key_revoke" DELETE "/keys/{key}",
        /// Rules, by page.
        RuleList = "rule_list" GET "/rules",
        /// A rule.
        RuleShow(On) = "rule_show" GET "/rules/{pattern}",
        /// Set a rule.
        RuleSet(On) = "rule_set" PUT "/rules/{pattern}",
        /// Remove a rule.
        RuleDelete(On) = "rule_delete" DELETE "/rules/{pattern}",
        /// Why somebody may do something, or why not.
        Explain = "explain" GET "/explain",
        /// Sign tokens with a new key.
        TokenKeysRotate = "token_keys_rotate" POST "/token-keys/rotate",
    }
}

// === impl AccountRoute ===

impl AccountRoute {
    /// Who may ask. A password that must be changed allows nothing but to change it, so
    /// [`AccountRoute::PasswordChange`] asks itself; whose key it is, is asked where keys are.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::PasswordChange => Need::Anybody,
            Self::RoleList
            | Self::RoleShow(_)
            | Self::KeyList
            | Self::KeyCreate
            | Self::KeyShow(_)
            | Self::KeyChange(_)
            | Self::KeyRevoke(_)
            | Self::Explain => Need::LoggedIn,
            _ => Need::Server,
        }
    }
}

// === impl Segment ===

impl Segment for UserName {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for RoleName {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for KeyId {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

impl Segment for On {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}

/// The number of a grant.
impl Segment for u64 {
    fn read(text: &str) -> Result<Self, Problem> {
        parsed(text, ProblemCode::NameInvalid)
    }
}
