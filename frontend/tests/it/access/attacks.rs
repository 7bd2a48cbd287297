//! What somebody who means harm tries; each must come to nothing.

use super::{PASSWORD, World, altered, basic};
use crate::access_log::Log;
use crate::registry::{artifact, descriptor, sha256};
use floundr_frontend::accounts::{Permission, UserPatch};
use floundr_frontend::audit::Filter;
use serde_json::json;

/// User enumeration by text or by cost: an unknown user is the same refusal after the same slow hash.
#[tokio::test]
async fn an_unknown_user_costs_and_says_what_a_wrong_password_does() {
    let world = World::new().await;
    let patch = UserPatch {
        disabled: Some(true),
        ..UserPatch::default()
    };
    world
        .accounts
        .change_user(&"reader".parse().unwrap(), patch, None)
        .await
        .unwrap();
    let mut told = Vec::new();
    for user in [
        "writer",
        "unknown",
        "reader",
        "not a name/",
        "x".repeat(300).as_str(),
    ] {
        let before = world.accounts.password_verifications();
        let answer = world
            .call(&basic(user, "wrong password"), "GET /v2/", "")
            .await;
        let answer = answer.refused(401, "UNAUTHORIZED");
        let cost = world.accounts.password_verifications() - before;
        assert_eq!(cost, 1, "{user}");
        told.push((answer.body, answer.headers.get("www-authenticate").cloned()));
    }
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

/// A token with altered scope, subject or life is none.
#[tokio::test]
async fn an_altered_token_is_none() {
    let world = World::new().await;
    let bearer = world.bearer("reader", "repository:team/app:pull").await;
    let get = "GET /v2/team/app/manifests/v1";
    world.call(&bearer, get, "").await.expect(200);
    for change in [
        json!({"access": [{"type": "repository", "name": "team/app", "actions": ["push"]}]}),
        json!({"sub": "admin"}),
        json!({"exp": 99_999_999_999_u64}),
        json!({"typ": "refresh"}),
        json!({}),
    ] {
        let merge = |payload: &mut serde_json::Value| {
            let fields = payload.as_object_mut().unwrap();
            fields.extend(change.as_object().unwrap().clone());
            // What is not changed is written anew all the same, in another order of members.
            payload["more"] = json!(1);
        };
        let forged = altered(&bearer, None, merge);
        world
            .call(&forged, get, "")
            .await
            .refused(401, "UNAUTHORIZED");
    }
}

/// The key of a deleted user, also after another user got the name.
#[tokio::test]
async fn the_key_of_a_deleted_user_lets_nobody_in() {
    let world = World::new().await;
    let key = world.key(Some("writer"), "ci", None).await.reveal();
    let bearer = world.bearer("writer", "repository:team/app:pull").await;
    let writer = "writer".parse().unwrap();
    world.accounts.delete_user(&writer, None).await.unwrap();
    world.make_user("writer").await;
    world.grant("writer", "writer", "team/**").await;
    let get = "GET /v2/team/app/manifests/v1";
    for authorization in [basic("writer", &key), format!("Bearer {key}"), bearer] {
        world
            .call(&authorization, get, "")
            .await
            .refused(401, "UNAUTHORIZED");
    }
    world
        .call(&basic("writer", PASSWORD), get, "")
        .await
        .expect(200);
}

/// Scope strings that are none, and as many as a request holds (`token::scope` is given ten thousand).
#[tokio::test]
async fn scopes_that_are_none_are_left_out_and_many_cost_little() {
    let world = World::new().await;
    for scope in [
        "repository:..:pull",
        "repository:team%2Fapp%2F..%2Fx:pull",
        "repository:team%252Fapp:pull",
        "repository:team/app/../x:pull",
        "repository:TEAM/app:pull",
        "repository:team/app",
        "registry:catalog",
        ":::",
        "repository::pull",
        "%00",
    ] {
        let answer = world
            .token("admin", &format!("service=floundr&scope={scope}"))
            .await;
        let bearer = format!("Bearer {}", answer["token"].as_str().unwrap());
        let listed = world.call(&bearer, "GET /v2/team/app/tags/list", "").await;
        listed.refused(401, "UNAUTHORIZED");
    }
    let many = "&scope=repository:r1:*".repeat(2000);
    let form = format!("grant_type=password&username=admin&password=x{many}");
    let refused = world.registry.call("POST /auth/token", &[], form).await;
    refused.refused(401, "UNAUTHORIZED");
    let many: Vec<_> = (0..1500)
        .map(|n| format!("&scope=repository:r{n}:*"))
        .collect();
    let many = many.concat();
    let request = format!("GET /auth/token?service=floundr{many}");
    let started = std::time::Instant::now();
    let answer = world
        .call(&basic("admin", PASSWORD), &request, "")
        .await
        .expect(200);
    assert!(answer.body.len() < 64 * 1024, "{}", answer.body.len());
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

/// Privilege does not outlive a demotion, whatever was issued before.
#[tokio::test]
async fn a_demotion_counts_at_once_for_tokens_and_remembered_passwords() {
    let world = World::new().await;
    let grants = world.accounts.directory();
    let writer = floundr_frontend::accounts::Grantee::User("writer".parse().unwrap());
    let grant = grants
        .grants(None)
        .find(|grant| grant.to == writer)
        .unwrap()
        .id;
    let bearer = world
        .bearer("writer", "repository:team/app:pull,push")
        .await;
    let (start, basic) = (
        "POST /v2/team/app/blobs/uploads/",
        basic("writer", PASSWORD),
    );
    for authorization in [&bearer, &basic] {
        world.call(authorization, start, "").await.expect(202);
    }
    world.accounts.delete_grant(grant).await.unwrap();
    for authorization in [&bearer, &basic] {
        world
            .call(authorization, start, "")
            .await
            .refused(403, "DENIED");
    }
    let patch = UserPatch {
        password: Some("another password".to_owned()),
        ..UserPatch::default()
    };
    world
        .accounts
        .change_user(&"reader".parse().unwrap(), patch, None)
        .await
        .unwrap();
    let old = super::basic("reader", PASSWORD);
    world
        .call(&old, "GET /v2/", "")
        .await
        .refused(401, "UNAUTHORIZED");
}

/// A mount reads from its source: a private blob does not come along, and nobody learns that it is there.
#[tokio::test]
#[expect(clippy::excessive_nesting, reason = "every combination is tried")]
async fn a_mount_does_not_read_what_the_caller_may_not_pull() {
    let world = World::new().await;
    world.push_blob("secret/app", "the secret").await;
    world.grant("other", "writer", "mine/**").await;
    let (secret, absent) = (sha256(b"the secret"), sha256(b"absent"));
    let scope = "repository:mine/app:pull,push&scope=repository:secret/app:pull";
    for authorization in [basic("other", PASSWORD), world.bearer("other", scope).await] {
        for from in ["&from=secret/app", ""] {
            for digest in [&secret, &absent] {
                let request = format!("POST /v2/mine/app/blobs/uploads/?mount={digest}{from}");
                world.call(&authorization, &request, "").await.expect(202);
                let head = format!("HEAD /v2/mine/app/blobs/{digest}");
                world.call(&authorization, &head, "").await.expect(404);
            }
        }
    }
    world.grant("other", "reader", "secret/**").await;
    let request = format!("POST /v2/mine/app/blobs/uploads/?mount={secret}&from=secret/app");
    world
        .call(&basic("other", PASSWORD), &request, "")
        .await
        .expect(201);
}

/// Knowing a digest gives nobody access, and the refusals of what is there and what is not are alike.
#[tokio::test]
#[expect(clippy::excessive_nesting, reason = "every combination is tried")]
async fn what_exists_is_not_told_to_who_may_not_know() {
    let world = World::new().await;
    world.push_blob("team/app", "known").await;
    let there = sha256(b"known");
    for authorization in [String::new(), basic("other", PASSWORD)] {
        let mut told = Vec::new();
        for repository in ["team/app", "team/none"] {
            for (digest, tag) in [(there, "v1"), (sha256(b"unknown"), "none")] {
                for request in [
                    format!("GET /v2/{repository}/blobs/{digest}"),
                    format!("GET /v2/{repository}/manifests/{tag}"),
                    format!("GET /v2/{repository}/referrers/{digest}"),
                    format!("GET /v2/{repository}/tags/list"),
                ] {
                    let answer = world.call(&authorization, &request, "").await;
                    let text = String::from_utf8(answer.body.to_vec()).unwrap();
                    told.push((answer.status, text.replace(repository, "NAME")));
                }
            }
        }
        assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
    }
}

/// Referrers and the catalog do not leak names.
#[tokio::test]
async fn listings_show_what_the_caller_may_pull_and_links_name_nothing_else() {
    let world = World::new().await;
    for name in ["a/secret", "b/secret", "team/b", "z/secret"] {
        world.push_image(name, "v1").await;
    }
    let list = async |authorization: &str, query: &str| {
        let request = format!("GET /v2/_catalog{query}");
        world.call(authorization, &request, "").await.expect(200)
    };
    let reader = basic("reader", PASSWORD);
    let all = list(&reader, "").await.strings("repositories");
    assert_eq!(all, ["public/app", "team/app", "team/b"]);
    let page = list(&reader, "?n=1").await;
    assert_eq!(page.strings("repositories"), ["public/app"]);
    assert_eq!(page.next().unwrap(), "/v2/_catalog?n=1&last=public%2Fapp");
    let anonymous = world.bearer("", "registry:catalog:*").await;
    assert_eq!(
        list(&anonymous, "").await.strings("repositories"),
        ["public/app"]
    );
    assert_eq!(list(&anonymous, "?n=1").await.next(), None);
    let listed = world
        .call(&reader, "GET /api/v1/repositories", "")
        .await
        .expect(200);
    assert!(!String::from_utf8_lossy(&listed.body).contains("secret"));
    // A referrer in another repository is none here.
    let subject = world.push_image("team/app", "subject").await;
    let descriptor = descriptor(crate::registry::OCI_MANIFEST, &subject);
    world.push_blob("z/secret", "{}").await;
    let note = artifact("application/x.note", &descriptor, "secret note").to_string();
    world
        .admin("PUT /v2/z/secret/manifests/note", note)
        .await
        .expect(201);
    let digest = sha256(subject.as_bytes());
    let referrers = world
        .call(&reader, &format!("GET /v2/team/app/referrers/{digest}"), "")
        .await;
    assert_eq!(referrers.expect(200).json()["manifests"], json!([]));
}

/// No secret is in a log line, an error, the metrics, the audit log or the printed state.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "everything is written, then read")]
async fn no_secret_is_written_anywhere() {
    let (log, _guard) = Log::capture();
    let world = World::new().await;
    let key = world.key(Some("writer"), "ci", None).await.reveal();
    let scope = "repository:team/app:pull,push";
    let bearer = world.bearer("writer", scope).await;
    let refresh = world.token("writer", "offline_token=true").await["refresh_token"].clone();
    let refresh = refresh.as_str().unwrap();
    let mut answers = Vec::new();
    for authorization in [
        basic("writer", PASSWORD),
        basic("writer", "a wrong password"),
        basic("token", &key),
        format!("Bearer {key}"),
        format!("Bearer {key}x"),
        bearer.clone(),
        format!("{bearer}x"),
    ] {
        for request in [
            "GET /v2/team/app/tags/list",
            "GET /auth/token",
            "GET /api/v1/whoami",
        ] {
            answers.push(world.call(&authorization, request, "").await);
        }
    }
    let form = format!("grant_type=refresh_token&refresh_token={refresh}x");
    answers.push(world.registry.call("POST /auth/token", &[], form).await);
    world.registry.services.audit.flush().await.unwrap();
    let audit = world
        .registry
        .services
        .audit
        .query(Filter::default(), None, 1000)
        .await
        .unwrap();
    let metrics = world.registry.services.metrics.encode();
    let printed = format!("{world:?}", world = world.accounts);
    let token = bearer.strip_prefix("Bearer ").unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let told = answers.iter().map(|answer| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        // The token endpoint tells tokens: that is what it is for.
        if text.contains("access_token") {
            String::new()
        } else {
            format!("{:?}{text}", answer.headers)
        }
    });
    let mut texts: Vec<String> = told.collect();
    texts.extend([log.text(), format!("{:?}", audit.records), metrics, printed]);
    for secret in [
        PASSWORD,
        "a wrong password",
        key.as_str(),
        key.rsplit('_').next().unwrap(),
        signature,
        refresh.rsplit('.').next().unwrap(),
        "the same secret in every world",
        "$argon2id",
    ] {
        for text in &texts {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    // It is the right log that is clean.
    assert!(log.text().contains("/v2/team/app/tags/list"));
    assert!(format!("{:?}", audit.records).contains("LoginFailed"));
    let scoped = world.key(None, "r", Some(("a", Permission::Pull))).await;
    assert!(!format!("{scoped:?}").contains(scoped.reveal().rsplit('_').next().unwrap()));
}

/// Many guesses at once cost and say the same of a user there is and of one there is not.
#[tokio::test]
async fn many_equal_logins_at_once_do_not_tell_whether_the_user_exists() {
    let world = World::new().await;
    let mut costs = Vec::new();
    for user in ["writer", "unknown"] {
        let before = world.accounts.password_verifications();
        let authorization = basic(user, "a wrong password");
        let logins = (0..8).map(|_| world.call(&authorization, "GET /v2/", ""));
        for answer in futures_util::future::join_all(logins).await {
            answer.refused(401, "UNAUTHORIZED");
        }
        costs.push(world.accounts.password_verifications() - before);
    }
    assert_eq!(costs, [1, 1]);
}

/// Whoever keeps a request open does not keep their rights with it.
#[tokio::test]
async fn a_body_that_is_sent_slowly_does_not_outlive_the_right_to_send_it() {
    let world = World::new().await;
    let manifest = world.push_image("team/app", "slow").await;
    world.make_user("boss").await;
    let authorization = basic("boss", PASSWORD);
    let user = r#"{"name":"backdoor","password":"a long password"}"#;
    for (request, body) in [
        ("PUT /v2/team/app/manifests/late", manifest.as_str()),
        ("POST /api/v1/users", user),
    ] {
        let grant = world.grant("boss", "administrator", "**").await;
        let (first, rest) = body.split_at(10);
        let (send, pieces) = tokio::sync::mpsc::unbounded_channel();
        send.send(first.to_owned()).unwrap();
        let asked = world.registry.dribble(request, &authorization, pieces);
        tokio::pin!(asked);
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut asked).await;
        assert!(
            early.is_err(),
            "{request} was answered before its body was there"
        );
        world.accounts.delete_grant(grant).await.unwrap();
        send.send(rest.to_owned()).unwrap();
        drop(send);
        assert_eq!(asked.await.status, 403, "{request}");
    }
}

/// Whoever could not prove who they are is no actor, whatever they call themselves; a key that is used is
/// known to be.
#[tokio::test]
async fn the_audit_log_has_no_actor_who_only_claims_to_be_one() {
    let world = World::new().await;
    let key = world.key(Some("writer"), "ci", None).await;
    world
        .call(&basic("operator", "a guess"), "GET /v2/", "")
        .await
        .expect(401);
    let form = "grant_type=password&username=server:audit&password=guess";
    world
        .registry
        .call("POST /auth/token", &[], form)
        .await
        .expect(401);
    world
        .call(&basic("token", &key.reveal()), "GET /v2/", "")
        .await
        .expect(200);
    assert!(world.accounts.last_used(key.id()).is_some());
    let audit = &world.registry.services.audit;
    audit.flush().await.unwrap();
    let records = audit
        .query(Filter::default(), None, 10)
        .await
        .unwrap()
        .records;
    let failed: Vec<_> = records
        .iter()
        .filter(|record| record.event.object == "operator" || record.event.object == "server:audit")
        .collect();
    assert_eq!(failed.len(), 2, "{records:?}");
    assert!(
        failed
            .iter()
            .all(|record| record.event.actor == "anonymous"),
        "{failed:?}"
    );
}
