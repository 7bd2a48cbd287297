//! The token endpoint, and the life of a token: what is granted, what ends it, what outlives it.

use super::{PASSWORD, World, basic};
use crate::registry::{OCI_MANIFEST, sha256, with_parameter};
use floundr_frontend::accounts::{Permission, UserPatch};
use serde_json::{Value, json};
use std::time::Duration;

impl World {
    async fn form(&self, form: &str) -> crate::registry::Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.registry
            .call("POST /auth/token", &headers, form.to_owned())
            .await
    }
}

/// The repositories and actions that a token is for.
fn access(answer: &Value) -> Value {
    use base64::Engine as _;
    let token = answer["token"].as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    payload["access"].clone()
}

#[tokio::test]
async fn what_is_granted_is_what_was_asked_and_is_allowed_and_asking_is_no_error() {
    let world = World::new().await;
    let query = "service=floundr&scope=repository:team/app:pull,push,delete&scope=\
                 repository:other:push%20repository:public/app:*%20plugin:x:y%20nonsense";
    let answer = world.token("writer", query).await;
    assert_eq!(answer["token"], answer["access_token"]);
    assert_eq!(answer["expires_in"], 3600);
    assert!(
        answer["issued_at"].as_str().unwrap().ends_with('Z'),
        "{answer}"
    );
    assert!(answer["refresh_token"].is_null());
    let expected = json!([
        {"type": "repository", "name": "team/app", "actions": ["pull", "push"]},
        {"type": "repository", "name": "public/app", "actions": ["pull"]},
    ]);
    assert_eq!(access(&answer), expected);
    let answer = world.token("", query).await;
    let expected = json!([{"type": "repository", "name": "public/app", "actions": ["pull"]}]);
    assert_eq!(access(&answer), expected);
    // docker login asks for nothing.
    let answer = world
        .token("other", "account=other&client_id=docker&offline_token=true")
        .await;
    assert_eq!(access(&answer), json!([]));
    assert!(answer["refresh_token"].is_string());
}

#[tokio::test]
async fn a_login_with_a_wrong_password_is_refused_by_both_methods() {
    let world = World::new().await;
    for (user, password) in [
        ("writer", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("a/b", "x"),
    ] {
        let query = "GET /auth/token?service=floundr&account=writer";
        let refused = world.call(&basic(user, password), query, "").await;
        let refused = refused.refused(401, "UNAUTHORIZED");
        let text = refused.json()["errors"][0]["message"].clone();
        assert_eq!(text, "the user name, password or key is not right");
        let form =
            format!("grant_type=password&username={user}&password={password}&service=floundr");
        let answer = world.form(&form).await;
        let is_whole = !user.is_empty();
        let (status, word) = if is_whole {
            (401, "invalid_grant")
        } else {
            (400, "invalid_request")
        };
        assert_eq!(answer.expect(status).json()["error"], word);
    }
    let unknown = world
        .form("grant_type=authorization_code&code=x")
        .await
        .expect(400);
    assert_eq!(unknown.json()["error"], "unsupported_grant_type");
    world
        .call("Basic !!!", "GET /auth/token", "")
        .await
        .refused(401, "UNAUTHORIZED");
    world
        .call("Digest x", "GET /v2/", "")
        .await
        .refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn containerd_gets_its_token_by_a_form_and_a_new_one_for_the_refresh_token() {
    let world = World::new().await;
    let password = "a+password%3A+with+colon";
    let form = format!(
        "grant_type=password&service=floundr&client_id=containerd-client&username=writer\
         &password={password}&access_type=offline&scope=repository:team/app:pull,push"
    );
    let answer = world
        .form(&form)
        .await
        .expect(200)
        .has("cache-control", "no-store")
        .json();
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    world
        .call(&bearer, "POST /v2/team/app/blobs/uploads/", "")
        .await
        .expect(202);
    let refresh = answer["refresh_token"].as_str().unwrap();
    world.clock.pass(Duration::from_hours(24));
    world
        .call(&bearer, "GET /v2/team/app/tags/list", "")
        .await
        .refused(401, "UNAUTHORIZED");
    let form = format!(
        "grant_type=refresh_token&service=floundr&refresh_token={refresh}\
         &scope=repository:team/app:pull"
    );
    let answer = world.form(&form).await.expect(200).json();
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    world
        .call(&bearer, "GET /v2/team/app/tags/list", "")
        .await
        .expect(200);
    world
        .call(&bearer, "POST /v2/team/app/blobs/uploads/", "")
        .await
        .refused(401, "UNAUTHORIZED");
    // A changed password ends the refresh token as well.
    let patch = UserPatch {
        password: Some("a new password".to_owned()),
        ..UserPatch::default()
    };
    world
        .accounts
        .change_user(&"writer".parse().unwrap(), patch, None)
        .await
        .unwrap();
    assert_eq!(
        world.form(&form).await.expect(401).json()["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn an_upload_that_began_with_a_valid_token_finishes_after_it_expired() {
    let world = World::new().await;
    let bearer = world
        .bearer("writer", "repository:team/app:pull,push")
        .await;
    let start = "POST /v2/team/app/blobs/uploads/";
    let session = world.call(&bearer, start, "").await.expect(202);
    let location = session.header("location").to_owned();
    world.clock.pass(Duration::from_hours(2));
    let sent = world
        .call(&bearer, &format!("PATCH {location}"), "content")
        .await;
    let location = sent.expect(202).header("location").to_owned();
    let digest = sha256(b"content").to_string();
    let finish = with_parameter(&location, &format!("digest={digest}"));
    world
        .call(&bearer, &format!("PUT {finish}"), "")
        .await
        .expect(201);
    // Nothing else is begun with it.
    let expired = world
        .call(&bearer, start, "")
        .await
        .refused(401, "UNAUTHORIZED");
    assert!(
        expired
            .header("www-authenticate")
            .contains("error=\"invalid_token\"")
    );
    // And nothing goes on for somebody who may not push any more.
    let session = world.admin(start, "").await.expect(202);
    let location = session.header("location");
    let patch = UserPatch {
        disabled: Some(true),
        ..UserPatch::default()
    };
    world
        .accounts
        .change_user(&"writer".parse().unwrap(), patch, None)
        .await
        .unwrap();
    let gone = world
        .call(&bearer, &format!("PATCH {location}"), "content")
        .await;
    gone.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_is_the_password_of_its_owner_its_name_and_token_and_a_bearer() {
    let world = World::new().await;
    let key = world.key(Some("writer"), "ci-key", None).await.reveal();
    let robot = world
        .key(None, "builder", Some(("team/**", Permission::Pull)))
        .await
        .reveal();
    let get = "GET /v2/team/app/manifests/v1";
    for user in ["writer", "ci-key", "token", "WRITER"] {
        world.call(&basic(user, &key), get, "").await.expect(200);
        world
            .call(&basic(user, &key), "GET /auth/token?service=floundr", "")
            .await
            .expect(200);
    }
    for user in ["builder", "token"] {
        world.call(&basic(user, &robot), get, "").await.expect(200);
    }
    world
        .call(&format!("Bearer {key}"), get, "")
        .await
        .expect(200);
    for user in ["reader", "", "ci"] {
        world
            .call(&basic(user, &key), get, "")
            .await
            .refused(401, "UNAUTHORIZED");
    }
    let pushed = world
        .call(
            &basic("builder", &robot),
            "POST /v2/team/app/blobs/uploads/",
            "",
        )
        .await;
    pushed.refused(403, "DENIED");
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_the_tokens_that_were_given_for_it() {
    let world = World::new().await;
    let key = world.key(Some("writer"), "ci", None).await;
    let login = basic("token", &key.reveal());
    let query = "GET /auth/token?service=floundr&scope=repository:team/app:pull&offline_token=true";
    let answer = world.call(&login, query, "").await.expect(200).json();
    let bearer = format!("Bearer {}", answer["token"].as_str().unwrap());
    let get = "GET /v2/team/app/manifests/v1";
    world.call(&bearer, get, "").await.expect(200);
    world
        .accounts
        .revoke_key(key.id(), None, None)
        .await
        .unwrap();
    for authorization in [&bearer, &login] {
        world
            .call(authorization, get, "")
            .await
            .refused(401, "UNAUTHORIZED");
    }
    let refresh = answer["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    world.form(&form).await.expect(401);
}

#[tokio::test]
async fn tokens_of_the_key_before_count_until_the_next_rotation() {
    use floundr_engine::clock::Hands;
    use floundr_frontend::AccessOptions;
    use floundr_frontend::accounts::{Accounts, MemoryAccountStore, TokenSecrets};
    let clock = std::sync::Arc::new(Hands::default());
    let store = MemoryAccountStore::default();
    let accounts = Accounts::open(store, clock, TokenSecrets::Kept)
        .await
        .unwrap();
    let registry =
        crate::registry::TestRegistry::start_by(accounts.clone(), AccessOptions::default());
    let registry = registry.await;
    let token = registry.get("/auth/token").await.expect(200).json()["token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let ask = async || {
        let headers = [("authorization", bearer.as_str()), ("accept", OCI_MANIFEST)];
        registry.call("GET /v2/", &headers, "").await.status
    };
    assert_eq!(ask().await, 200);
    let first = accounts.rotate_signing_keys().await.unwrap();
    assert_eq!(ask().await, 200);
    let second = accounts.rotate_signing_keys().await.unwrap();
    assert_eq!(second.previous, Some(first.current));
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn the_challenge_says_where_and_for_what_and_a_stranger_cannot_say_so_for_others() {
    let world = World::new().await;
    let headers = [
        ("host", "registry.example.org:5000"),
        ("x-forwarded-host", "evil.example.org"),
        ("x-forwarded-proto", "https"),
    ];
    let answer = world
        .registry
        .call("PUT /v2/team/app/manifests/x", &headers, "{}")
        .await;
    let expected = "Bearer realm=\"http://registry.example.org:5000/auth/token\",service=\"floundr\",\
                    scope=\"repository:team/app:pull,push\"";
    answer
        .refused(401, "UNAUTHORIZED")
        .has("www-authenticate", expected);
    let answer = world
        .registry
        .get("/v2/")
        .await
        .refused(401, "UNAUTHORIZED");
    assert!(!answer.header("www-authenticate").contains("scope"));
    let injected = [("host", "a\" ,evil=\"")];
    let answer = world.registry.call("GET /v2/", &injected, "").await;
    let expected = "Bearer realm=\"http://localhost/auth/token\",service=\"floundr\"";
    answer.expect(401).has("www-authenticate", expected);
}
