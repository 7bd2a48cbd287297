//! API keys: whose, and how much.

use super::*;

const DAY: u64 = 86_400_000;

fn scopes(on: &str, permissions: &[&str]) -> Value {
    json!([{"on": on, "permissions": permissions}])
}

#[tokio::test]
async fn a_key_is_made_shown_changed_and_revoked() {
    let office = Office::open().await;
    let scopes = scopes("team/**", &["pull"]);
    let new = json!({"name": "ci", "scopes": scopes, "expires_in_ms": DAY});
    let made = office.ask(office.user("jo"), "POST /keys", new).await;
    let now = office.accounts.wall();
    let mut shown = made.json(201);
    let secret = shown["secret"].take();
    shown.as_object_mut().unwrap().remove("secret");
    let id = shown["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": id, "name": "ci", "owner": "jo", "scopes": scopes, "made_by": null,
        "created": now, "expires": now + DAY, "last_used": null,
    });
    assert_eq!(shown, expected);
    assert_eq!(made.headers["location"], format!("/api/v1/keys/{id}"));
    let principal = office
        .accounts
        .principal_of_key(secret.as_str().unwrap(), Some("jo"));
    assert_eq!(&principal.unwrap(), office.key(&id).principal());
    office.accounts.note_use(id.parse().unwrap());
    let request = format!("GET /keys/{id}");
    let told = office.ask(office.user("jo"), &request, Value::Null).await;
    assert_eq!(told.json(200)["last_used"], now);
    let patch = json!({"name": "cd", "scopes": null, "expires": null});
    let changed = office
        .ask(office.user("jo"), &format!("PATCH /keys/{id}"), patch)
        .await;
    let changed = changed.json(200);
    assert_eq!(
        [&changed["name"], &changed["scopes"], &changed["expires"]],
        [&json!("cd"), &Value::Null, &Value::Null]
    );
    let changed = office
        .ask(office.user("jo"), &format!("PATCH /keys/{id}"), json!({}))
        .await;
    assert_eq!(changed.json(200)["name"], "cd");
    let request = format!("DELETE /keys/{id}");
    office
        .ask(office.user("jo"), &request, Value::Null)
        .await
        .done();
    assert!(
        office
            .accounts
            .principal_of_key(secret.as_str().unwrap(), None)
            .is_err()
    );
    office
        .ask(office.user("jo"), &request, Value::Null)
        .await
        .refused(404, "unknown");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn others_keys_are_not_there_but_for_administrators() {
    let office = Office::open().await;
    office.make("sam").await;
    let jos = office
        .make_key(office.user("jo"), json!({"name": "ci"}))
        .await;
    let sams = office
        .make_key(office.user("sam"), json!({"name": "ci"}))
        .await;
    let robot = json!({"name": "ci", "owner": null, "scopes": scopes("**", &["pull"])});
    let robot = office.make_key(office.admin(), robot).await;
    let before = office.revision();
    for (caller, id) in [
        (office.user("jo"), &sams),
        (office.user("jo"), &robot),
        (office.key(&jos), &sams),
        (office.key(&robot), &robot),
        (office.key(&robot), &jos),
    ] {
        for (method, body) in [
            ("GET", Value::Null),
            ("PATCH", json!({"name": "x"})),
            ("DELETE", Value::Null),
        ] {
            let told = office
                .ask(caller.clone(), &format!("{method} /keys/{id}"), body)
                .await;
            let problem = told.refused(404, "unknown").json(404);
            assert_eq!(problem["detail"], format!("there is no key {id}"));
        }
    }
    assert_eq!(office.revision(), before);
    let list = async |caller, query: &str| {
        let told = office
            .ask(caller, &format!("GET /keys{query}"), Value::Null)
            .await;
        let mut owners = told.items("owner");
        owners.sort_by_key(ToString::to_string);
        owners
    };
    assert_eq!(list(office.user("jo"), "").await, ["jo"]);
    assert_eq!(list(office.user("jo"), "?owner=sam").await, [""; 0]);
    assert_eq!(list(office.key(&robot), "").await, [""; 0]);
    assert_eq!(
        list(office.admin(), "").await,
        [json!("jo"), json!("sam"), Value::Null]
    );
    assert_eq!(list(office.admin(), "?owner=sam").await, ["sam"]);
    assert_eq!(list(office.admin(), "?filter=C").await.len(), 3);
    assert_eq!(list(office.admin(), "?filter=cd").await, [""; 0]);
    let page = office
        .ask(office.admin(), "GET /keys?n=2", Value::Null)
        .await;
    let first = page.items("id");
    let last = page.json(200)["next"].clone();
    assert_eq!(last, first[1]);
    let query = format!("GET /keys?n=2&last={}", last.as_str().unwrap());
    let page = office.ask(office.admin(), &query, Value::Null).await;
    assert_eq!(
        (page.items("id").len(), &page.json(200)["next"]),
        (1, &Value::Null)
    );
    office
        .ask(office.admin(), &format!("DELETE /keys/{jos}"), Value::Null)
        .await
        .done();
}

#[tokio::test]
async fn only_administrators_make_keys_that_are_not_their_own() {
    let office = Office::open().await;
    let robot = json!({"name": "ci", "owner": null, "scopes": scopes("**", &["pull", "push"])});
    let robot = office.make_key(office.admin(), robot).await;
    let before = office.revision();
    for owner in [json!("admin"), json!("gone"), Value::Null] {
        let new = json!({"name": "x", "owner": owner, "scopes": scopes("a", &["pull"])});
        let told = office.ask(office.user("jo"), "POST /keys", new).await;
        told.refused(403, "forbidden");
    }
    for new in [
        json!({"name": "x", "scopes": scopes("a", &["pull"])}),
        json!({"name": "x", "owner": null, "scopes": scopes("a", &["pull"])}),
        json!({"name": "x", "owner": "jo"}),
    ] {
        let told = office.ask(office.key(&robot), "POST /keys", new).await;
        told.refused(403, "forbidden");
    }
    for (caller, new, status, code) in [
        (
            office.admin(),
            json!({"name": "x", "owner": "gone"}),
            404,
            "unknown",
        ),
        (
            office.admin(),
            json!({"name": "x", "owner": null}),
            400,
            "body-invalid",
        ),
        (
            Caller::operator(),
            json!({"name": "x"}),
            400,
            "body-invalid",
        ),
    ] {
        office
            .ask(caller, "POST /keys", new)
            .await
            .refused(status, code);
    }
    assert_eq!(office.revision(), before);
    for caller in [office.user("jo"), office.admin(), Caller::operator()] {
        let name = caller.principal().to_string();
        let made = office
            .ask(caller, "POST /keys", json!({"name": name, "owner": "jo"}))
            .await;
        assert_eq!(made.json(201)["owner"], "jo");
    }
}

#[tokio::test]
async fn a_key_makes_changes_and_revokes_none_that_allows_more_than_itself() {
    let office = Office::open().await;
    office.grant("jo", "administrator", "**").await;
    let own = json!({"name": "narrow", "scopes": scopes("team/**", &["pull", "push"])});
    let own = office.make_key(office.user("jo"), own).await;
    let wide = office
        .make_key(office.user("jo"), json!({"name": "wide"}))
        .await;
    let before = office.revision();
    for scopes in [
        Value::Null,
        scopes("team/**", &["delete"]),
        scopes("**", &["pull"]),
        json!([{"on": "team/a", "permissions": ["pull"]}, {"on": "b", "permissions": ["pull"]}]),
    ] {
        let new = json!({"name": "x", "scopes": scopes});
        office
            .ask(office.key(&own), "POST /keys", new)
            .await
            .refused(403, "forbidden");
        let patch = json!({"scopes": scopes});
        let request = format!("PATCH /keys/{own}");
        office
            .ask(office.key(&own), &request, patch)
            .await
            .refused(403, "forbidden");
    }
    assert_eq!(office.revision(), before);
    let new = json!({"name": "x", "scopes": scopes("team/app", &["push"])});
    let made = office.make_key(office.key(&own), new.clone()).await;
    let patch = |scopes| json!({"scopes": scopes});
    let widened = patch(Value::Null);
    let request = format!("PATCH /keys/{made}");
    office
        .ask(office.user("jo"), &request, widened)
        .await
        .json(200);
    for request in [request.clone(), format!("DELETE /keys/{made}")] {
        let told = office
            .ask(office.key(&own), &request, json!({"name": "y"}))
            .await;
        told.refused(403, "forbidden");
    }
    let narrowed = patch(new["scopes"].clone());
    office
        .ask(office.user("jo"), &request, narrowed)
        .await
        .json(200);
    for request in [
        format!("DELETE /keys/{made}"),
        format!("DELETE /keys/{own}"),
    ] {
        office
            .ask(office.key(&own), &request, Value::Null)
            .await
            .done();
    }
    let made = office
        .make_key(office.key(&wide), json!({"name": "x"}))
        .await;
    office
        .ask(
            office.key(&made),
            &format!("DELETE /keys/{wide}"),
            Value::Null,
        )
        .await
        .done();
}

#[tokio::test]
async fn a_key_makes_none_that_outlives_it() {
    let office = Office::open().await;
    let own = office
        .make_key(
            office.user("jo"),
            json!({"name": "a", "expires_in_ms": DAY}),
        )
        .await;
    let request = format!("PATCH /keys/{own}");
    let before = office.revision();
    for expires in [Value::Null, json!(DAY + 1)] {
        let new = json!({"name": "x", "expires_in_ms": expires});
        office
            .ask(office.key(&own), "POST /keys", new)
            .await
            .refused(403, "forbidden");
    }
    let longer = office.accounts.wall() + DAY + 1;
    for expires in [Value::Null, json!(longer), json!(u64::MAX)] {
        let patch = json!({"expires": expires});
        office
            .ask(office.key(&own), &request, patch)
            .await
            .refused(403, "forbidden");
    }
    assert_eq!(office.revision(), before);
    office
        .make_key(office.key(&own), json!({"name": "x", "expires_in_ms": DAY}))
        .await;
    office
        .ask(office.user("jo"), &request, json!({"expires": longer}))
        .await
        .json(200);
    office.clock.pass(std::time::Duration::from_millis(DAY + 1));
    let told = office.ask(office.key(&own), "GET /keys", Value::Null).await;
    told.refused(403, "forbidden");
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused() {
    let office = Office::open().await;
    office
        .make_key(office.user("jo"), json!({"name": "ci"}))
        .await;
    let other = office
        .make_key(office.user("jo"), json!({"name": "cd"}))
        .await;
    let many: Vec<_> = (0..101)
        .map(|_| json!({"on": "a", "permissions": []}))
        .collect();
    let before = office.revision();
    for (body, status, code) in [
        (json!({"name": "ci"}), 409, "exists"),
        (json!({"name": "a/b"}), 400, "body-invalid"),
        (json!({"name": "x", "scopes": many}), 400, "body-invalid"),
        (
            json!({"name": "x", "scopes": scopes("a b", &["pull"])}),
            400,
            "body-invalid",
        ),
        (
            json!({"name": "x", "scopes": scopes("a", &["read"])}),
            400,
            "body-invalid",
        ),
        (
            json!({"name": "x", "scopes": [{"on": "a", "permissions": [], "to": "b"}]}),
            400,
            "body-invalid",
        ),
        (json!({"name": "x", "expires": 7}), 400, "body-invalid"),
        (
            json!({"name": "x", "expires_in_ms": -7}),
            400,
            "body-invalid",
        ),
    ] {
        office
            .ask(office.user("jo"), "POST /keys", body)
            .await
            .refused(status, code);
    }
    let request = format!("PATCH /keys/{other}");
    for (body, status, code) in [
        (json!({"name": "ci"}), 409, "exists"),
        (json!({"scopes": many}), 400, "body-invalid"),
        (json!({"owner": "admin"}), 400, "body-invalid"),
    ] {
        office
            .ask(office.user("jo"), &request, body)
            .await
            .refused(status, code);
    }
    office
        .ask(office.user("jo"), "GET /keys/ci", Value::Null)
        .await
        .refused(400, "name-invalid");
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn a_key_with_scopes_knows_itself_and_those_made_with_it_and_no_others() {
    let office = Office::open().await;
    let pull = scopes("a", &["pull"]);
    let own = json!({"name": "own", "scopes": pull});
    let own = office.make_key(office.user("jo"), own).await;
    let all = office.user("jo");
    let all = office.make_key(all, json!({"name": "all"})).await;
    let new = |name: &str| json!({"name": name, "scopes": pull});
    let made = office.make_key(office.key(&own), new("made")).await;
    let later = office.make_key(office.key(&made), new("later")).await;
    for (caller, expected) in [
        (office.user("jo"), vec!["all", "later", "made", "own"]),
        (office.key(&all), vec!["all", "later", "made", "own"]),
        (office.key(&own), vec!["later", "made", "own"]),
        (office.key(&made), vec!["later", "made"]),
        (office.key(&later), vec!["later"]),
    ] {
        let told = office.ask(caller, "GET /keys", Value::Null).await;
        let mut names = told.items("name");
        names.sort_by_key(ToString::to_string);
        assert_eq!(names, expected);
    }
    for (method, body) in [
        ("GET", Value::Null),
        ("PATCH", json!({"name": "x"})),
        ("DELETE", Value::Null),
    ] {
        let request = format!("{method} /keys/{own}");
        let told = office.ask(office.key(&made), &request, body).await;
        told.refused(404, "unknown");
    }
    let request = format!("GET /keys/{later}");
    let told = office.ask(office.key(&own), &request, Value::Null).await;
    assert_eq!(told.json(200)["made_by"], made);
    let request = format!("DELETE /keys/{own}");
    let told = office.ask(office.user("jo"), &request, Value::Null).await;
    told.done();
    let told = office
        .ask(office.user("jo"), "GET /keys", Value::Null)
        .await;
    assert_eq!(told.items("name"), ["all"]);
}

#[tokio::test]
async fn a_request_that_comes_with_a_key_as_it_is_revoked_makes_none() {
    let office = Office::open().await;
    let own = office
        .make_key(office.user("jo"), json!({"name": "own"}))
        .await;
    let caller = office.key(&own);
    let request = format!("DELETE /keys/{own}");
    let told = office.ask(office.user("jo"), &request, Value::Null).await;
    told.done();
    let before = office.revision();
    let told = office.ask(caller, "POST /keys", json!({"name": "x"})).await;
    told.refused(403, "forbidden");
    assert_eq!(office.revision(), before);
}
