//! The keys that sign tokens. They are made by the registry and kept with the accounts, so that every
//! process over one store takes the others' tokens; an operator may choose them instead.
//!
//! The key before the present one counts until the next rotation, so that tokens which are out are
//! not lost with it. To end all tokens at once, rotate twice.

use super::change::AccountError;
use super::store::{AccountStore, AccountStoreError, Change, Row, RowKey, Rows, SigningKeys};
use super::token::credentials::Secret;
use super::token::keys::{SigningKey, WeakSecret};
use super::token::signer::TokenKeys;
use super::{Accounts, Directory};
use arc_swap::Guard;
use std::fmt;
use std::sync::Arc;

/// Bytes of a generated key: as many as the hash has, RFC 7518, section 3.2.
const BYTES: usize = 32;

/// Where the keys that sign tokens come from.
#[derive(Clone, Default)]
pub enum TokenSecrets {
    /// From the account store, where they are made at the first start.
    #[default]
    Kept,
    /// From the operator: texts of at least 16 bytes.
    Chosen {
        /// What signs.
        current: Secret,
        /// What signed before, whose tokens still count.
        previous: Option<Secret>,
    },
}

/// The ids of the keys after a rotation. Not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyIds {
    /// Of the key that signs.
    pub current: String,
    /// Of the key whose tokens still count.
    pub previous: Option<String>,
}

// === impl Accounts ===

impl Accounts {
    /// The keys of this moment. Not to be held for long.
    pub(crate) fn token_keys(&self) -> Guard<Arc<TokenKeys>> {
        self.inner.token_keys.load()
    }

    /// Makes a new key that signs tokens from now on. Those of the present one count until the next
    /// rotation. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: the keys are chosen by the operator, or the store failed.
    ///
    /// # Cancel safety
    /// A cancelled call has rotated or not.
    pub async fn rotate_signing_keys(&self) -> Result<SigningKeyIds, AccountError> {
        if let TokenSecrets::Chosen { .. } = self.inner.secrets {
            let text = "the key that signs tokens is set by JWT_SECRET_KEY: change it there, and put \
                        the old one into FLOUNDR_JWT_PREVIOUS_KEY";
            return Err(AccountError::Invalid(text.to_owned()));
        }
        let new = random()?;
        self.change(|directory| {
            let previous = directory.signing().map(|keys| keys.current.clone());
            let keys = SigningKeys {
                current: new.clone(),
                previous,
            };
            Ok((vec![Change::Put(Row::Signing(keys))], ()))
        })
        .await?;
        let keys = self.token_keys();
        Ok(SigningKeyIds {
            current: keys.current().to_owned(),
            previous: keys.previous().map(str::to_owned),
        })
    }
}

/// The rows with the first key, which is made where there is none.
pub(super) async fn ensured(
    store: &impl AccountStore,
    rows: Rows,
    secrets: &TokenSecrets,
) -> Result<Rows, AccountError> {
    let is_chosen = matches!(secrets, TokenSecrets::Chosen { .. });
    if is_chosen || rows.rows.contains_key(&RowKey::Signing) {
        return Ok(rows);
    }
    let keys = SigningKeys {
        current: random()?,
        previous: None,
    };
    let changes = vec![Change::Put(Row::Signing(keys))];
    match store.commit(rows.revision, changes).await {
        // Another process may have made it at this moment: then its key is there.
        Ok(()) | Err(AccountStoreError::Outdated { .. }) => Ok(store.load().await?),
        Err(error) => Err(error.into()),
    }
}

// === impl TokenSecrets ===

impl TokenSecrets {
    /// The keys, which are those that `directory` keeps unless they are chosen.
    pub(super) fn keys(&self, directory: &Directory) -> Result<TokenKeys, AccountError> {
        let weak = |error: WeakSecret| {
            AccountError::Invalid(format!("the key that signs tokens: {error}"))
        };
        let (current, previous) = match (self, directory.signing()) {
            (Self::Chosen { current, previous }, _) => {
                let chosen =
                    |text: &Secret| SigningKey::chosen(text.expose().as_bytes()).map_err(weak);
                (chosen(current)?, previous.as_ref().map(chosen).transpose()?)
            }
            (Self::Kept, Some(keys)) => {
                let kept = |bytes: &Vec<u8>| SigningKey::generated(bytes).map_err(weak);
                (
                    kept(&keys.current)?,
                    keys.previous.as_ref().map(kept).transpose()?,
                )
            }
            (Self::Kept, None) => {
                let text = "the accounts have no key that signs tokens";
                return Err(AccountError::Invalid(text.to_owned()));
            }
        };
        Ok(TokenKeys::new(current, previous))
    }
}

fn random() -> Result<Vec<u8>, AccountError> {
    let mut bytes = vec![0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Debug for TokenSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "Kept",
            Self::Chosen { .. } => "Chosen",
        })
    }
}
