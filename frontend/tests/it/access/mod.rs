//! Who may do what, over the whole pipeline: [`World`] is a registry with a user of each kind, and
//! with credentials that are none any more.
//!
//! `table` is every endpoint by every kind of caller; `attacks` and `floods` what somebody who means harm tries;
//! `tokens` the token endpoint and the life of a token.

mod attacks;
mod floods;
mod table;
mod tokens;

use crate::registry::{Answer, OCI_MANIFEST, TestRegistry, image, sha256};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use floundr_engine::clock::Hands;
use floundr_frontend::AccessOptions;
use floundr_frontend::accounts::{
    Accounts, Grantee, KeyScope, KeyText, MemoryAccountStore, NewGrant, NewKey, NewUser,
    Permission, RulePatch, TokenSecrets,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What every user of a [`World`] logs in with.
const PASSWORD: &str = "a password: with colon";

/// A registry with `team/app`, which is private, `public/app`, which is not, and the users `admin`,
/// `maintainer`, `writer` and `reader` (each on `team/**`), and `other`, who may nothing.
struct World {
    registry: TestRegistry,
    accounts: Accounts,
    clock: Arc<Hands>,
}

// === impl World ===

impl World {
    async fn new() -> Self {
        Self::with(AccessOptions::default()).await
    }

    async fn with(options: AccessOptions) -> Self {
        let clock = Arc::new(Hands::default());
        clock.pass(Duration::from_hours(500_000));
        let secrets = TokenSecrets::Chosen {
            current: "the same secret in every world".to_owned().into(),
            previous: None,
        };
        let store = MemoryAccountStore::default();
        let time: Arc<Hands> = Arc::clone(&clock);
        let accounts = Accounts::open(store, time, secrets).await.unwrap();
        let admin = "admin".parse().unwrap();
        accounts
            .create_first_administrator(&admin, PASSWORD)
            .await
            .unwrap()
            .unwrap();
        let registry = TestRegistry::start_by(accounts.clone(), options).await;
        let world = Self {
            registry,
            accounts,
            clock,
        };
        world.make_user("other").await;
        for role in ["reader", "writer", "maintainer"] {
            world.make_user(role).await;
            world.grant(role, role, "team/**").await;
        }
        let patch = RulePatch {
            public: Some(true),
            ..RulePatch::default()
        };
        let on = "public/**".parse().unwrap();
        world.accounts.change_rule(&on, patch, None).await.unwrap();
        world.push_image("team/app", "v1").await;
        world.push_image("public/app", "v1").await;
        world
    }

    async fn make_user(&self, name: &str) {
        let new = NewUser {
            name: name.parse().unwrap(),
            password: Some(PASSWORD.to_owned()),
            must_change: false,
            groups: BTreeSet::new(),
        };
        self.accounts.create_user(new).await.unwrap();
    }

    async fn grant(&self, user: &str, role: &str, on: &str) -> u64 {
        let new = NewGrant {
            to: Grantee::User(user.parse().unwrap()),
            role: role.parse().unwrap(),
            on: on.parse().unwrap(),
        };
        self.accounts.create_grant(new).await.unwrap().id
    }

    /// The text of a new key.
    async fn key(
        &self,
        owner: Option<&str>,
        name: &str,
        on: Option<(&str, Permission)>,
    ) -> KeyText {
        let scope = |(on, permission): (&str, Permission)| KeyScope {
            on: on.parse().unwrap(),
            permissions: permission.into(),
        };
        let new = NewKey {
            name: name.parse().unwrap(),
            owner: owner.map(|owner| owner.parse().unwrap()),
            scopes: on.map(|on| vec![scope(on)]),
            expires: None,
            made_by: None,
        };
        self.accounts.create_key(new).await.unwrap().1
    }

    /// Sends a request with this `Authorization`, if there is one.
    async fn call(&self, authorization: &str, request: &str, body: impl Into<Bytes>) -> Answer {
        let mut headers = vec![("content-type", OCI_MANIFEST)];
        if !authorization.is_empty() {
            headers.push(("authorization", authorization));
        }
        self.registry.call(request, &headers, body).await
    }

    /// The answer to an administrator.
    async fn admin(&self, request: &str, body: impl Into<Bytes>) -> Answer {
        self.call(&basic("admin", PASSWORD), request, body).await
    }

    async fn push_blob(&self, repository: &str, content: &str) {
        let digest = sha256(content.as_bytes());
        let request = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        self.admin(&request, content.to_owned()).await.expect(201);
    }

    /// Pushes an image of its own under a tag; the text of its manifest.
    async fn push_image(&self, repository: &str, tag: &str) -> String {
        let seed = format!("{repository} {tag}");
        self.push_blob(repository, &format!("config {seed}")).await;
        self.push_blob(repository, &format!("layer {seed}")).await;
        let manifest = image(&seed).to_string();
        let request = format!("PUT /v2/{repository}/manifests/{tag}");
        self.admin(&request, manifest.clone()).await.expect(201);
        manifest
    }

    /// The answer of the token endpoint.
    async fn token(&self, user: &str, query: &str) -> Value {
        let authorization = match user {
            "" => String::new(),
            user => basic(user, PASSWORD),
        };
        let request = format!("GET /auth/token?{query}");
        self.call(&authorization, &request, "")
            .await
            .expect(200)
            .json()
    }

    /// `Authorization` with a token for these scopes.
    async fn bearer(&self, user: &str, scope: &str) -> String {
        let answer = self
            .token(user, &format!("service=floundr&scope={scope}"))
            .await;
        format!("Bearer {}", answer["token"].as_str().unwrap())
    }
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}

/// A token with another payload under the signature it has, or under none.
fn altered(bearer: &str, head: Option<&str>, change: impl FnOnce(&mut Value)) -> String {
    let token = bearer.strip_prefix("Bearer ").unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
    let mut payload: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut payload);
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload.to_string());
    let (head, signature) = match head {
        Some(head) => (BASE64_URL_SAFE_NO_PAD.encode(head), ""),
        None => (parts[0].to_owned(), parts[2]),
    };
    format!("Bearer {head}.{payload}.{signature}")
}
