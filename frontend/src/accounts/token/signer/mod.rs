//! [`TokenKeys`]: signs tokens and checks them. JWS compact form, RFC 7515, section 7.1.
//!
//! 1. The head of a token is byte for byte the one its key writes: no other algorithm, no `none`, no
//!    `crit`, no parameter that could be read in two ways.
//! 2. The signature is checked, in constant time, before anything of the payload is read.
//! 3. What is remembered of a token is its signature alone; times, audience and kind are judged at
//!    every check. Keys never change in a value: a rotation makes another, which
//!    remembers nothing.

use super::claims::{Claims, Kind};
use super::keys::{SIGNATURE_BYTES, SigningKey};
use super::remembered::{Remembered, Verified};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::sync::Arc;

/// Bytes that a token has at most. Claims within their bounds make shorter ones.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Seconds that the clocks of two servers may differ, where a token says from when it is valid.
const CLOCK_SKEW: u64 = 60;

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// Not a token as this server writes them.
    #[error("token is malformed: {0}")]
    Malformed(&'static str),
    /// Signed, or said to be, with a key that is not there any more, or is another server's.
    #[error("token is signed with a key that is not known")]
    UnknownKey,
    /// The signature is not that of the text.
    #[error("token has a wrong signature")]
    Forged,
    /// For another service.
    #[error("token is for another service")]
    WrongAudience,
    /// A refresh token in place of an access token, or the other way round.
    #[error("token is of another kind")]
    WrongKind,
    /// Not valid yet.
    #[error("token is not valid yet")]
    NotYet,
    /// Right in everything, and not valid any more.
    #[error("token has expired")]
    Expired(Arc<Claims>),
}

/// What a token must be to be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// What it must be for.
    pub(crate) kind: Kind,
    /// The service it must be of.
    pub(crate) service: &'a str,
    /// Seconds since the Unix epoch, by the wall clock.
    pub(crate) now: u64,
}

/// The keys that tokens are signed and checked with.
#[derive(Debug)]
pub(crate) struct TokenKeys {
    current: Arc<SigningKey>,
    previous: Option<Arc<SigningKey>>,
    remembered: Remembered,
}

/// A token's head, where it is not one that a known key writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    typ: String,
    #[serde(rename = "kid")]
    _kid: String,
}

// === impl TokenKeys ===

impl TokenKeys {
    /// Signs with `current`; tokens of `previous` are still taken.
    pub(crate) fn new(current: SigningKey, previous: Option<SigningKey>) -> Self {
        Self {
            current: Arc::new(current),
            previous: previous.map(Arc::new),
            remembered: Remembered::default(),
        }
    }

    /// The id of the key that signs.
    pub(crate) fn current(&self) -> &str {
        self.current.id()
    }

    /// The id of the key whose tokens are still taken.
    pub(crate) fn previous(&self) -> Option<&str> {
        self.previous.as_deref().map(SigningKey::id)
    }

    /// A token of this service that says `claims`.
    pub(crate) fn sign(&self, claims: &Claims, service: &str) -> String {
        let json = claims.to_json(service);
        let json = json.expect("texts, numbers and lists are JSON");
        let mut token = self.current.head().to_owned();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(json, &mut token);
        let signature = self.current.sign(&token);
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// What a token says, when it is one of this server's and as expected. It is valid until the
    /// second before its `exp`; when it was given may be [`CLOCK_SKEW`] in the future.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of [`TokenError`]: who gets `Expired` knows that
    /// everything else is right.
    pub(crate) fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<Arc<Claims>, TokenError> {
        if let Some(judged) = self.verify_known(token.as_bytes(), expected) {
            return judged;
        }
        let verified = self.verify_signature(token)?;
        let claims = expected.judge(&verified)?;
        self.remembered.put(token, verified);
        Ok(claims)
    }

    /// The same of a token that was verified before, whose text need not be one for that; nothing for any other.
    pub(crate) fn verify_known(
        &self,
        token: &[u8],
        expected: &Expected<'_>,
    ) -> Option<Result<Arc<Claims>, TokenError>> {
        self.remembered.find(token, |known| expected.judge(known))
    }

    fn verify_signature(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed("it is too long"));
        }
        let no_parts = TokenError::Malformed("it has not three parts");
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Err(no_parts);
        };
        let Some((head, payload)) = signed.split_once('.') else {
            return Err(no_parts);
        };
        if payload.contains('.') {
            return Err(no_parts);
        }
        let key = self.key_of(head)?;
        let signature = decoded(signature, "its signature is not base64url")?;
        if signature.len() != SIGNATURE_BYTES || !key.has_signed(signed, &signature) {
            return Err(TokenError::Forged);
        }
        let json = decoded(payload, "its payload is not base64url")?;
        let read = Claims::from_json(&json);
        let read = read.ok_or(TokenError::Malformed("its payload has not the claims"))?;
        Ok(Verified {
            claims: Arc::new(read.claims),
            issuer: read.issuer.into(),
            audience: read.audience.into(),
            not_before: read.not_before,
        })
    }

    /// The key that writes this head.
    fn key_of(&self, head: &str) -> Result<&SigningKey, TokenError> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        let mut keys = keys.into_iter().flatten();
        if let Some(key) = keys.find(|key| key.head() == head) {
            return Ok(key);
        }
        let json = decoded(head, "its head is not base64url")?;
        let head: Head = serde_json::from_slice(&json)
            .map_err(|_syntax| TokenError::Malformed("its head has not alg, typ and kid alone"))?;
        if head.alg != "HS256" || head.typ != "JWT" {
            return Err(TokenError::Malformed("it is no JWT signed with HS256"));
        }
        Err(TokenError::UnknownKey)
    }
}

// === impl Expected ===

impl Expected<'_> {
    /// What the token says, when it is as expected.
    fn judge(&self, verified: &Verified) -> Result<Arc<Claims>, TokenError> {
        let claims = &verified.claims;
        if *verified.audience != *self.service || *verified.issuer != *self.service {
            return Err(TokenError::WrongAudience);
        }
        if claims.kind != self.kind {
            return Err(TokenError::WrongKind);
        }
        if claims.issued.max(verified.not_before) > self.now.saturating_add(CLOCK_SKEW) {
            return Err(TokenError::NotYet);
        }
        if self.now >= claims.expires {
            return Err(TokenError::Expired(Arc::clone(claims)));
        }
        Ok(Arc::clone(claims))
    }
}

/// The bytes of base64url without padding, in their one form.
fn decoded(text: &str, otherwise: &'static str) -> Result<Vec<u8>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_syntax| TokenError::Malformed(otherwise))
}

#[cfg(test)]
mod tests;
