//! What accounts are made of: users, roles, grants, API keys and rules, as they are stored.
//!
//! Plain data. What must hold between them is [`super::Directory`]'s business; what they allow is in
//! `rights`. Times are milliseconds since the epoch by the wall clock. `version` grows with every
//! change of a thing, so that a change which was made from an older one can be refused.

use super::name::{GroupName, KeyId, KeyName, RoleName, UserName};
use super::password::PasswordHash;
use super::permission::{Permission, Permissions};
use floundr_engine::policy::{ParsePatternError, Pattern};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A pattern of repositories' names that is stored and sent as its text, see [`Pattern`]. Each is
/// compared with a name at every request, so it has at most [`On::MAX_LEN`] bytes and
/// [`On::MAX_WILDCARDS`] wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct On(pub Pattern);

/// Why a text is not a pattern that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseOnError {
    /// Comparing it would take too long.
    #[error(
        "the pattern has {bytes} bytes and {wildcards} wildcards; it may have {} and {}",
        On::MAX_LEN,
        On::MAX_WILDCARDS
    )]
    TooCostly {
        /// How long it is.
        bytes: usize,
        /// How many of `?`, `*` and `**` it has.
        wildcards: usize,
    },
    /// It is no pattern at all.
    #[error(transparent)]
    Pattern(#[from] ParsePatternError),
}

/// Somebody who logs in with a password or with API keys of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What they are called.
    pub name: UserName,
    /// Without one only keys let them in.
    pub password: Option<PasswordHash>,
    /// Whether nothing lets them in.
    pub disabled: bool,
    /// Whether the password has to be changed before it allows anything else.
    pub must_change: bool,
    /// Whose grants they have beside their own.
    pub groups: BTreeSet<GroupName>,
    /// When they were made.
    pub created: u64,
    /// Grows when tokens that were issued to them must not count any more.
    pub epoch: u64,
    /// See the module.
    pub version: u64,
}

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// What it is called.
    pub name: RoleName,
    /// What it allows.
    pub permissions: Permissions,
    /// See the module; 0 for those that are built in.
    pub version: u64,
}

/// To whom a role is granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grantee {
    /// One user.
    User(UserName),
    /// Every user in a group.
    Group(GroupName),
}

/// That somebody has a role on the repositories that a pattern names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number, given once.
    pub id: u64,
    /// Who has the role.
    pub to: Grantee,
    /// The role.
    pub role: RoleName,
    /// On which repositories.
    pub on: On,
    /// When it was made.
    pub created: u64,
}

/// A part of what a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyScope {
    /// On which repositories.
    pub on: On,
    /// What.
    pub permissions: Permissions,
}

/// A credential for programs. With an owner it allows at most what they may; without one it is a
/// robot's, which may what its scopes say.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The public half.
    pub id: KeyId,
    /// What its owner calls it; no two keys of one owner, and no two robots, have the same.
    pub name: KeyName,
    /// Whose it is; nobody's for a robot's.
    pub owner: Option<UserName>,
    /// SHA-256 of the secret half, which has 256 random bits: guessing it needs no slow hash.
    pub hash: [u8; 32],
    /// What it may; all that its owner may when absent.
    pub scopes: Option<Vec<KeyScope>>,
    /// With which key it was made, if with one: it is revoked with that.
    #[serde(default)]
    pub made_by: Option<KeyId>,
    /// When it was made.
    pub created: u64,
    /// From when on it lets nobody in.
    pub expires: Option<u64>,
    /// See the module.
    pub version: u64,
}

/// How the repositories behave that a pattern names. An exact name has the settings of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which repositories.
    pub on: On,
    /// Whether anybody may pull from them.
    pub public: bool,
    /// How many bytes all of them may hold together.
    pub quota: Option<u64>,
    /// Tags that can be set once and then neither moved nor deleted.
    pub immutable_tags: Vec<On>,
    /// See the module.
    pub version: u64,
}

/// The text of an API key: `flr_<id>_<secret>`, shown once. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText {
    id: KeyId,
    secret: [u8; 32],
}

/// Not the text of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text of a key is flr_, 16 hexadecimal digits, _, and 64 hexadecimal digits")]
pub struct ParseKeyTextError;

// === impl On ===

impl On {
    /// The most bytes one has: as many as a repository's name.
    pub const MAX_LEN: usize = 255;

    /// The most wildcards one has: each `?`, `*` and `**` counts.
    pub const MAX_WILDCARDS: usize = 8;

    /// Everything: `**`.
    ///
    /// # Panics
    /// Never: it is a pattern.
    pub fn everything() -> Self {
        Self("**".parse().expect("** is a pattern"))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it names `repository`.
    pub fn matches(&self, repository: &str) -> bool {
        self.0.matches(repository)
    }

    /// Whether it is `**`.
    pub fn is_everything(&self) -> bool {
        self.as_str() == "**"
    }
}

impl FromStr for On {
    type Err = ParseOnError;

    fn from_str(text: &str) -> Result<Self, ParseOnError> {
        let (bytes, wildcards) = (text.len(), wildcards(text));
        if bytes > Self::MAX_LEN || wildcards > Self::MAX_WILDCARDS {
            return Err(ParseOnError::TooCostly { bytes, wildcards });
        }
        Ok(Self(text.parse()?))
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for On {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How many of `?`, `*` and `**` a pattern has.
fn wildcards(text: &str) -> usize {
    // `**` is one.
    let text = text.replace("**", "*");
    text.bytes().filter(|byte| b"?*".contains(byte)).count()
}

// === impl Role ===

impl Role {
    /// The roles that are always there.
    ///
    /// # Panics
    /// Never: their names are names.
    pub fn built_in() -> [Self; 4] {
        use Permission::{Administer, Delete, Pull, Push};
        let role = |name: &str, permissions: &[Permission]| Self {
            name: name.parse().expect("the names of built-in roles are names"),
            permissions: permissions.iter().copied().collect(),
            version: 0,
        };
        [
            role("reader", &[Pull]),
            role("writer", &[Pull, Push]),
            role("maintainer", &[Pull, Push, Delete]),
            role("administrator", &[Pull, Push, Delete, Administer]),
        ]
    }

    /// Whether it is always there.
    pub fn is_built_in(&self) -> bool {
        self.version == 0
    }
}

// === impl ApiKey ===

impl ApiKey {
    /// Whether it lets somebody in at `now`.
    pub fn is_live(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether `text` is its text. Takes the same time whatever differs.
    pub fn is(&self, text: &KeyText) -> bool {
        let hash = text.hash();
        let difference = self.hash.iter().zip(&hash);
        let difference = difference.fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        self.id == text.id && std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("owner", &self.owner)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

// === impl KeyText ===

impl KeyText {
    /// A key nobody knows yet.
    ///
    /// # Errors
    /// The system's, when it has no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let id = KeyId::new(getrandom::u64()?);
        Ok(Self { id, secret })
    }

    /// The public half.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What is kept of the secret half.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.secret).as_ref());
        hash
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> String {
        use fmt::Write as _;
        let mut text = format!("flr_{}_", self.id);
        for byte in self.secret {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        text
    }

    /// Whether a password looks like a key, so that it is looked up as one.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("flr_")
    }
}

impl FromStr for KeyText {
    type Err = ParseKeyTextError;

    fn from_str(text: &str) -> Result<Self, ParseKeyTextError> {
        let halves = text
            .strip_prefix("flr_")
            .and_then(|rest| rest.split_once('_'));
        let (id, digits) = halves.ok_or(ParseKeyTextError)?;
        let id = id.parse().map_err(|_id| ParseKeyTextError)?;
        let mut secret = [0; 32];
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 64 || !digits.bytes().all(is_hex) {
            return Err(ParseKeyTextError);
        }
        for (index, byte) in secret.iter_mut().enumerate() {
            let pair = digits.get(2 * index..2 * index + 2);
            let pair = pair.ok_or(ParseKeyTextError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_digits| ParseKeyTextError)?;
        }
        Ok(Self { id, secret })
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText(flr_{}_..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_key_is_read_as_it_is_shown_and_hidden_otherwise() {
        let text = KeyText::random().unwrap();
        let shown = text.reveal();
        assert_eq!(shown.len(), 4 + 16 + 1 + 64);
        assert_eq!(shown.parse(), Ok(text.clone()));
        assert!(!format!("{text:?}").contains(shown.rsplit('_').next().unwrap()));
        for bad in [
            "",
            "flr_",
            "flr_x_y",
            shown.get(..84).unwrap(),
            &format!("{shown}0"),
            &shown.to_uppercase(),
        ] {
            assert_eq!(bad.parse::<KeyText>(), Err(ParseKeyTextError), "{bad}");
        }
    }

    #[test]
    fn a_pattern_that_costs_too_much_to_compare_is_none() {
        for good in [
            "a".repeat(255),
            "**/a".repeat(8),
            "?*?*?*?*".to_owned(),
            "*".repeat(16),
        ] {
            assert_eq!(good.parse::<On>().unwrap().as_str(), good);
        }
        for (bad, told) in [
            ("a".repeat(256), "256 bytes and 0 wildcards"),
            ("?*".repeat(250), "500 bytes and 500 wildcards"),
            ("?".repeat(9), "9 bytes and 9 wildcards"),
            ("*".repeat(17), "17 bytes and 9 wildcards"),
        ] {
            let told = format!("the pattern has {told}; it may have 255 and 8");
            assert_eq!(bad.parse::<On>().unwrap_err().to_string(), told);
            let json = serde_json::to_string(&bad).unwrap();
            assert!(serde_json::from_str::<On>(&json).is_err(), "{bad}");
        }
        let empty = ParseOnError::Pattern(ParsePatternError::Empty);
        assert_eq!("".parse::<On>(), Err(empty));
    }

    #[test]
    fn a_key_that_was_kept_before_keys_made_keys_was_made_with_none() {
        let kept = r#"{"id": "0123456789abcdef", "name": "ci", "owner": null, "hash": HASH,
            "scopes": null, "created": 0, "expires": null, "version": 1}"#;
        let hash = serde_json::to_string(&[0; 32]).unwrap();
        let key: ApiKey = serde_json::from_str(&kept.replace("HASH", &hash)).unwrap();
        assert_eq!(key.made_by, None);
    }

    #[test]
    fn a_key_knows_its_text_and_no_other_and_until_when_it_counts() {
        let text = KeyText::random().unwrap();
        let mut key = ApiKey {
            id: text.id(),
            name: "ci".parse().unwrap(),
            owner: None,
            hash: text.hash(),
            scopes: None,
            made_by: None,
            created: 0,
            expires: None,
            version: 1,
        };
        assert!(key.is(&text));
        let other = KeyText {
            secret: [0; 32],
            ..text.clone()
        };
        assert!(!key.is(&other));
        let other = KeyText {
            id: KeyId::new(1),
            ..text
        };
        assert!(!key.is(&other));
        assert!(key.is_live(u64::MAX));
        key.expires = Some(10);
        assert!(key.is_live(9) && !key.is_live(10));
        assert!(!format!("{key:?}").contains("hash"));
    }
}
