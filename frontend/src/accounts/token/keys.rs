//! [`SigningKey`]: one secret that tokens are signed with (HS256: HMAC with SHA-256, RFC 7518).
//!
//! The secret is in no text that this gives; a key is called by its id, 16 hexadecimal digits of a
//! hash of the secret, which is in the head of every token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hkdf, hmac};
use std::fmt;

/// Bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 32;

/// The fewest bytes of a generated secret, RFC 7518, section 3.2.
const MIN_GENERATED: usize = 32;

/// The fewest bytes of a secret that the operator chose.
const MIN_CHOSEN: usize = 16;

/// Sets what is derived from a chosen secret apart from anything else it may be used for.
const SALT: &[u8] = b"floundr token key 1";

/// Why a secret cannot sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret that signs tokens has at least {least} bytes, and this has {bytes}")]
pub(crate) struct WeakSecret {
    /// The bytes it has.
    pub(crate) bytes: usize,
    /// The bytes it should have.
    pub(crate) least: usize,
}

/// A secret that signs tokens.
pub(crate) struct SigningKey {
    id: String,
    head: String,
    secret: hmac::Key,
}

// === impl SigningKey ===

impl SigningKey {
    /// The key of a secret that was generated.
    ///
    /// # Errors
    /// When it has less than 32 bytes.
    pub(crate) fn generated(secret: &[u8]) -> Result<Self, WeakSecret> {
        at_least(MIN_GENERATED, secret)?;
        Ok(Self::new(secret))
    }

    /// The key of a secret that the operator chose (`JWT_SECRET_KEY`), of any length: derived from it
    /// by HKDF with SHA-256 (RFC 5869).
    ///
    /// # Errors
    /// When it has less than 16 bytes.
    pub(crate) fn chosen(secret: &[u8]) -> Result<Self, WeakSecret> {
        at_least(MIN_CHOSEN, secret)?;
        let mut derived = [0; SIGNATURE_BYTES];
        hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
            .extract(secret)
            .expand(&[b"HS256"], hkdf::HKDF_SHA256)
            .and_then(|key| key.fill(&mut derived))
            .expect("as many bytes are asked for as one hash has");
        Ok(Self::new(&derived))
    }

    fn new(secret: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, secret);
        let mut id = [0; 8];
        id.iter_mut()
            .zip(hash.as_ref())
            .for_each(|(to, from)| *to = *from);
        let id = format!("{:016x}", u64::from_be_bytes(id));
        let head = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#);
        Self {
            head: URL_SAFE_NO_PAD.encode(head),
            id,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// What the key is called. Not a secret.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The head of every token that this key signs, as it stands in the token.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// The signature of a token's head and payload, as it stands in the token.
    pub(super) fn sign(&self, signed: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.secret, signed.as_bytes()))
    }

    /// Whether `signature` is this key's, in time that does not tell where it differs.
    pub(super) fn has_signed(&self, signed: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.secret, signed.as_bytes(), signature).is_ok()
    }
}

/// Without the secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SigningKey");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}

fn at_least(least: usize, secret: &[u8]) -> Result<(), WeakSecret> {
    let bytes = secret.len();
    if bytes < least {
        return Err(WeakSecret { bytes, least });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1: the key, and what is signed with it.
    const RFC_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75\
        aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const RFC_SIGNED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAi\
        OjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const RFC_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn the_signature_is_that_of_rfc_7515() {
        let key = SigningKey::generated(&URL_SAFE_NO_PAD.decode(RFC_KEY).unwrap()).unwrap();
        assert_eq!(key.sign(RFC_SIGNED), RFC_SIGNATURE);
        let mut signature = URL_SAFE_NO_PAD.decode(RFC_SIGNATURE).unwrap();
        assert!(key.has_signed(RFC_SIGNED, &signature));
        signature[31] ^= 1;
        assert!(!key.has_signed(RFC_SIGNED, &signature));
        assert!(!key.has_signed(RFC_SIGNED, &signature[..31]));
        assert!(!key.has_signed(RFC_SIGNED, &[]));
    }

    #[test]
    fn a_short_secret_is_refused_and_told_how_long_it_should_be() {
        let told = |made: Result<SigningKey, WeakSecret>| made.unwrap_err().to_string();
        assert_eq!(
            told(SigningKey::chosen(b"hunter2")),
            "a secret that signs tokens has at least 16 bytes, and this has 7"
        );
        assert!(told(SigningKey::generated(&[1; 31])).contains("at least 32 bytes"));
        assert!(SigningKey::generated(&[1; 32]).is_ok());
        assert!(SigningKey::chosen(&[b'a'; 16]).is_ok());
        assert!(SigningKey::chosen(&[b'a'; 1000]).is_ok());
    }

    #[test]
    fn a_chosen_secret_gives_the_same_key_every_time_and_is_not_the_key_itself() {
        let secret = b"a secret of the operator's, 32 b";
        let [one, same] = [(); 2].map(|()| SigningKey::chosen(secret).unwrap());
        assert_eq!((one.id(), one.sign("x")), (same.id(), same.sign("x")));
        let other = SigningKey::generated(secret).unwrap();
        assert_ne!(one.id(), other.id());
        assert_ne!(one.sign("x"), other.sign("x"));
    }

    #[test]
    fn a_key_is_called_by_its_hash_and_shows_nothing_else() {
        let key = SigningKey::generated(&[0; 32]).unwrap();
        // SHA-256 of 32 zeros begins with these bytes.
        assert_eq!(key.id(), "66687aadf862bd77");
        assert_eq!(
            format!("{key:?}"),
            r#"SigningKey { id: "66687aadf862bd77", .. }"#
        );
        let head = URL_SAFE_NO_PAD.decode(key.head()).unwrap();
        assert_eq!(
            head,
            br#"{"alg":"HS256","typ":"JWT","kid":"66687aadf862bd77"}"#
        );
    }
}
