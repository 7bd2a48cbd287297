//! Accounts: who may do what.

mod name;
mod permission;

pub use name::{GroupName, KeyId, KeyName, ParseKeyIdError, ParseNameError, RoleName, UserName};
pub use permission::{ParsePermissionError, Permission, Permissions};
