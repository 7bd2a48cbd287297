//! temp
use serde::{Deserialize, Serialize};
use std::time::Duration;
/// temp
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(pub String);
/// temp
#[derive(Debug, Default)]
pub struct Hasher;
/// temp
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct PasswordError;
/// temp
#[derive(Debug)]
pub enum HasherError {
    Busy(Duration),
    Failed(String),
}
pub fn check(p: &str) -> Result<(), PasswordError> {
    if p.len() < 8 {
        Err(PasswordError)
    } else {
        Ok(())
    }
}
impl Hasher {
    pub async fn hash(&self, p: &str) -> Result<PasswordHash, HasherError> {
        Ok(PasswordHash(p.to_owned()))
    }
    pub async fn verify(&self, p: &str, h: Option<&PasswordHash>) -> Result<bool, HasherError> {
        Ok(h.is_some_and(|h| h.0 == p))
    }
}
