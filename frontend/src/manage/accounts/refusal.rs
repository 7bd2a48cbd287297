//! How a refused change of accounts is told.

use super::super::{Problem, ProblemCode};
use crate::accounts::{AccountError, AccountStoreError};
use http::header::{HeaderValue, RETRY_AFTER};

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let detail = error.to_string();
        let code = match error {
            AccountError::Exists { .. } => ProblemCode::Exists,
            AccountError::Unknown { .. } => ProblemCode::Unknown,
            AccountError::Changed { .. } => ProblemCode::Precondition,
            AccountError::LastAdministrator(_) => ProblemCode::LastAdministrator,
            AccountError::BuiltIn(_) => ProblemCode::BuiltIn,
            AccountError::InUse { .. } => ProblemCode::InUse,
            AccountError::Invalid(_) => ProblemCode::BodyInvalid,
            AccountError::BeyondKey(_) => ProblemCode::Forbidden,
            AccountError::Password(_) => ProblemCode::PasswordUnfit,
            AccountError::WrongPassword => ProblemCode::WrongPassword,
            AccountError::Busy(wait) => {
                let wait = HeaderValue::from(wait.as_secs().max(1));
                return Self::new(ProblemCode::TooMany, detail).with_header(RETRY_AFTER, wait);
            }
            AccountError::Store(AccountStoreError::Outdated { .. }) => ProblemCode::Unavailable,
            AccountError::Store(_) | AccountError::Hashing(_) | AccountError::Random(_) => {
                ProblemCode::Internal
            }
        };
        Self::new(code, detail)
    }
}
