//! What a token says, and its JSON: RFC 7519 with the `access` of the distribution specification,
//! "Token Authentication Implementation".
//!
//! Reading is strict where it matters: a claim that is missing or of another type is an error. Claims
//! that are not known are ignored, and so are kinds of access and actions: a token only narrows.

use crate::accounts::{KeyId, Permission, Permissions, UserName};
use floundr_engine::name::RepositoryName;
use floundr_engine::random::Random;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::io;

/// Who a token was given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A user.
    User(UserName),
    /// A key without an owner.
    Robot(KeyId),
    /// Nobody who said who they are.
    Anonymous,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Requests to the registry.
    Access,
    /// Getting access tokens, and nothing else.
    Refresh,
}

/// The random name of one token, to tell it from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenId(u128);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Who it was given to.
    pub(crate) subject: Subject,
    /// The API key it was given for.
    pub(crate) key: Option<KeyId>,
    /// The subject's epoch when it was given; it is dead when that has grown.
    pub(crate) epoch: u64,
    /// What it may be used for at most. It fits when it comes from [`super::scope::Asked`].
    pub(crate) access: Vec<(RepositoryName, Permissions)>,
    /// Whether it may be used to list all repositories.
    pub(crate) catalog: bool,
    /// What it is for.
    pub(crate) kind: Kind,
    /// When it was given, in seconds since the Unix epoch.
    pub(crate) issued: u64,
    /// The first second at which it is not valid any more.
    pub(crate) expires: u64,
    /// Its name.
    pub(crate) id: TokenId,
}

/// Claims as they were read, with what is checked and then not needed.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) claims: Claims,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) not_before: u64,
}

/// A token's JSON.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    typ: Kind,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    access: Vec<Access<'a>>,
}

/// One resource in a token's JSON.
#[derive(Serialize, Deserialize)]
struct Access<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    actions: Vec<Cow<'a, str>>,
}

// === impl Subject ===

impl Subject {
    /// Reads what `Display` writes.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Anonymous);
        }
        match text.strip_prefix("robot:") {
            Some(id) => id.parse().ok().map(Self::Robot),
            None => text.parse().ok().map(Self::User),
        }
    }
}

/// As `sub` has it: a user's name, `robot:` and the key's id (no user's name has a colon), or
/// nothing for the anonymous, as docker's own tokens have it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => name.fmt(f),
            Self::Robot(id) => write!(f, "robot:{id}"),
            Self::Anonymous => Ok(()),
        }
    }
}

// === impl TokenId ===

impl TokenId {
    /// A random one.
    ///
    /// # Errors
    /// What the source of randomness answers.
    pub(crate) fn random(source: &dyn Random) -> io::Result<Self> {
        let mut bytes = [0; 16];
        source.fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fits = text.len() == 32 && text.bytes().all(is_digit);
        let number = fits.then(|| u128::from_str_radix(text, 16).ok())?;
        number.map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

// === impl Claims ===

impl Claims {
    /// What the token may be used for on this repository, at most.
    pub(crate) fn permissions_on(&self, name: &RepositoryName) -> Permissions {
        let entries = self.access.iter().filter(|(there, _)| there == name);
        entries.fold(Permissions::NONE, |all, (_, more)| all.or(*more))
    }

    /// The JSON of a token of this service, which is its issuer and its audience.
    pub(super) fn to_json(&self, service: &str) -> serde_json::Result<Vec<u8>> {
        let repositories = self.access.iter().map(|(name, permissions)| Access {
            kind: "repository".into(),
            name: name.as_str().into(),
            actions: permissions.iter().map(|one| one.as_str().into()).collect(),
        });
        let catalog = self.catalog.then(|| Access {
            kind: "registry".into(),
            name: "catalog".into(),
            actions: vec!["*".into()],
        });
        serde_json::to_vec(&Payload {
            iss: service.into(),
            aud: service.into(),
            sub: self.subject.to_string(),
            exp: self.expires,
            nbf: self.issued,
            iat: self.issued,
            jti: self.id.to_string(),
            typ: self.kind,
            epoch: self.epoch,
            key: self.key,
            access: repositories.chain(catalog).collect(),
        })
    }

    /// Reads the JSON of a token; nothing when it is none.
    pub(super) fn from_json(json: &[u8]) -> Option<Read> {
        let payload: Payload<'_> = serde_json::from_slice(json).ok()?;
        let mut access = Vec::new();
        let mut catalog = false;
        for entry in &payload.access {
            match &*entry.kind {
                "repository" => access.push((entry.name.parse().ok()?, permissions(entry))),
                "registry" if entry.name == "catalog" => {
                    catalog |= entry.actions.iter().any(|action| action == "*");
                }
                _ => {}
            }
        }
        let claims = Self {
            subject: Subject::parse(&payload.sub)?,
            key: payload.key,
            epoch: payload.epoch,
            access,
            catalog,
            kind: payload.typ,
            issued: payload.iat,
            expires: payload.exp,
            id: TokenId::parse(&payload.jti)?,
        };
        Some(Read {
            claims,
            issuer: payload.iss.into_owned(),
            audience: payload.aud.into_owned(),
            not_before: payload.nbf,
        })
    }
}

fn permissions(entry: &Access<'_>) -> Permissions {
    let actions = entry.actions.iter();
    let known = actions.filter_map(|action| action.parse::<Permission>().ok());
    known.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use floundr_engine::random::SystemRandom;
    use serde_json::{Value, json};

    /// A token of the user `jo` for pulling and pushing `a/b`, from second 1000 until 1300.
    pub(in crate::accounts::token) fn example() -> Claims {
        let write = [Permission::Pull, Permission::Push].into_iter().collect();
        Claims {
            subject: Subject::User("jo".parse().unwrap()),
            key: Some(KeyId::new(0xab)),
            epoch: 3,
            access: vec![("a/b".parse().unwrap(), write)],
            catalog: true,
            kind: Kind::Access,
            issued: 1000,
            expires: 1300,
            id: TokenId(7),
        }
    }

    fn json_of(claims: &Claims) -> Value {
        serde_json::from_slice(&claims.to_json("svc").unwrap()).unwrap()
    }

    fn read(value: &Value) -> Option<Read> {
        Claims::from_json(value.to_string().as_bytes())
    }

    #[test]
    fn the_json_is_what_dockers_tokens_have() {
        let expected = json!({
            "iss": "svc", "aud": "svc", "sub": "jo", "exp": 1300, "nbf": 1000, "iat": 1000,
            "jti": "00000000000000000000000000000007", "typ": "access", "epoch": 3,
            "key": "00000000000000ab",
            "access": [
                {"type": "repository", "name": "a/b", "actions": ["pull", "push"]},
                {"type": "registry", "name": "catalog", "actions": ["*"]},
            ],
        });
        assert_eq!(json_of(&example()), expected);
    }

    #[test]
    fn what_was_written_is_read() {
        let key = KeyId::new(1);
        for subject in [
            example().subject,
            Subject::Robot(key),
            Subject::Anonymous,
            Subject::User("0000000000000001".parse().unwrap()),
        ] {
            let claims = Claims {
                subject,
                kind: Kind::Refresh,
                key: None,
                catalog: false,
                id: TokenId::random(&SystemRandom).unwrap(),
                ..example()
            };
            let read = read(&json_of(&claims)).unwrap();
            assert_eq!(read.claims, claims);
            assert_eq!(
                (read.issuer.as_str(), read.audience.as_str()),
                ("svc", "svc")
            );
            assert_eq!(read.not_before, 1000);
        }
    }

    #[test]
    fn what_is_not_known_is_ignored() {
        let mut value = json_of(&example());
        value["extra"] = json!({"a": [1]});
        value["access"][0]["actions"] = json!(["pull", "fly"]);
        value["access"][1]["type"] = json!("cluster");
        let claims = read(&value).unwrap().claims;
        assert_eq!(
            claims.access,
            [("a/b".parse().unwrap(), Permission::Pull.into())]
        );
        assert!(!claims.catalog);
    }

    #[test]
    fn a_claim_that_is_missing_or_none_is_refused() {
        for claim in [
            "iss", "aud", "sub", "exp", "nbf", "iat", "jti", "typ", "epoch", "access",
        ] {
            let mut value = json_of(&example());
            value.as_object_mut().unwrap().remove(claim);
            assert!(read(&value).is_none(), "{claim} is missing");
        }
        for (claim, wrong) in [
            ("aud", json!(["svc"])),
            ("sub", json!("a b")),
            ("sub", json!("robot:x")),
            ("exp", json!("1300")),
            ("exp", json!(-1)),
            ("exp", json!(1.5)),
            ("jti", json!("+0000000000000000000000000000007")),
            ("typ", json!("id")),
            ("key", json!("x")),
            (
                "access",
                json!([{"type": "repository", "name": "../a", "actions": ["pull"]}]),
            ),
            ("access", json!([{"type": "repository", "name": "a"}])),
        ] {
            let mut value = json_of(&example());
            value[claim] = wrong;
            assert!(read(&value).is_none(), "{claim}: {value}");
        }
        assert!(Claims::from_json(br#"{"iss":"a","iss":"b"}"#).is_none());
    }

    #[test]
    fn a_token_allows_only_what_it_names() {
        let claims = example();
        let on = |name: &str| claims.permissions_on(&name.parse().unwrap());
        assert_eq!(on("a/b").to_string(), "pull,push");
        assert!(on("a").is_empty() && on("a/b/c").is_empty());
    }
}
