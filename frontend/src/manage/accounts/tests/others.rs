//! Roles, grants, rules, explanations, and the keys that sign tokens.

use super::*;
use floundr_engine::digest::Algorithm;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn roles_are_made_changed_and_removed_and_those_that_are_built_in_stay() {
    let office = Office::open().await;
    let new = json!({"name": "pusher", "permissions": ["push", "pull"]});
    let made = office.ask(office.admin(), "POST /roles", new.clone()).await;
    let expected = json!({"name": "pusher", "permissions": ["pull", "push"], "built_in": false});
    assert_eq!(made.json(201), expected);
    assert_eq!(made.headers["location"], "/api/v1/roles/pusher");
    office
        .ask(office.admin(), "POST /roles", new)
        .await
        .refused(409, "exists");
    let list = async |query: &str| {
        office
            .ask(
                office.user("jo"),
                &format!("GET /roles{query}"),
                Value::Null,
            )
            .await
    };
    let all = list("").await;
    assert_eq!(
        all.items("name"),
        ["administrator", "maintainer", "pusher", "reader", "writer"]
    );
    assert_eq!(all.items("built_in"), [true, true, false, true, true]);
    let page = list("?n=1&last=maintainer").await;
    assert_eq!(
        (page.items("name"), &page.json(200)["next"]),
        (vec![json!("pusher")], &json!("pusher"))
    );
    let put = json!({"permissions": ["delete"]});
    let changed = office
        .ask(office.admin(), "PUT /roles/pusher", put.clone())
        .await;
    assert_eq!(changed.json(200)["permissions"], json!(["delete"]));
    let shown = office
        .ask(office.user("jo"), "GET /roles/reader", Value::Null)
        .await;
    assert_eq!(
        (shown.json(200)["permissions"].clone(), shown.tag()),
        (json!(["pull"]), "\"0\"".to_owned())
    );
    office.grant("jo", "pusher", "a").await;
    let before = office.revision();
    for (request, body, status, code) in [
        ("PUT /roles/reader", put.clone(), 409, "built-in"),
        ("DELETE /roles/reader", Value::Null, 409, "built-in"),
        (
            "POST /roles",
            json!({"name": "reader", "permissions": []}),
            409,
            "exists",
        ),
        ("DELETE /roles/pusher", Value::Null, 409, "in-use"),
        ("GET /roles/none", Value::Null, 404, "unknown"),
        ("PUT /roles/none", put, 404, "unknown"),
        ("DELETE /roles/none", Value::Null, 404, "unknown"),
        (
            "PUT /roles/pusher",
            json!({"permissions": ["all"]}),
            400,
            "body-invalid",
        ),
        (
            "PUT /roles/pusher",
            json!({"permissions": [], "name": "x"}),
            400,
            "body-invalid",
        ),
        ("PUT /roles/pusher", json!({}), 400, "body-invalid"),
        (
            "POST /roles",
            json!({"name": "a b", "permissions": []}),
            400,
            "body-invalid",
        ),
        ("GET /roles/a%2Fb", Value::Null, 400, "name-invalid"),
    ] {
        office
            .ask(office.admin(), request, body)
            .await
            .refused(status, code);
    }
    assert_eq!(office.revision(), before);
    let grants = office
        .ask(office.admin(), "GET /grants?user=jo", Value::Null)
        .await
        .items("id");
    office
        .ask(
            office.admin(),
            &format!("DELETE /grants/{}", grants[0]),
            Value::Null,
        )
        .await
        .done();
    office
        .ask(office.admin(), "DELETE /roles/pusher", Value::Null)
        .await
        .done();
}

#[tokio::test]
async fn a_role_that_makes_the_last_administrator_keeps_what_it_needs() {
    let office = Office::open().await;
    let role = json!({"name": "chief", "permissions": ["administer"]});
    office
        .ask(office.admin(), "POST /roles", role)
        .await
        .json(201);
    office.grant("jo", "chief", "**").await;
    office
        .ask(office.user("jo"), "DELETE /users/admin", Value::Null)
        .await
        .done();
    let told = office
        .ask(
            office.user("jo"),
            "PUT /roles/chief",
            json!({"permissions": ["pull"]}),
        )
        .await;
    told.refused(409, "last-administrator");
}

#[tokio::test]
async fn grants_are_made_once_listed_and_taken_back() {
    let office = Office::open().await;
    let now = office.accounts.wall();
    let new = json!({"user": "jo", "role": "writer", "on": "team/**"});
    let made = office
        .ask(office.admin(), "POST /grants", new.clone())
        .await;
    let grant = made.json(201);
    let id = grant["id"].as_u64().unwrap();
    let expected =
        json!({"id": id, "user": "jo", "role": "writer", "on": "team/**", "created": now});
    assert_eq!(grant, expected);
    assert_eq!(made.headers["location"], format!("/api/v1/grants/{id}"));
    let again = office.ask(office.admin(), "POST /grants", new).await;
    assert_eq!(again.json(200), expected);
    let shown = office
        .ask(office.admin(), &format!("GET /grants/{id}"), Value::Null)
        .await;
    assert_eq!(shown.json(200), expected);
    let new = json!({"group": "ops", "role": "reader", "on": "**"});
    let group = office
        .ask(office.admin(), "POST /grants", new)
        .await
        .json(201);
    assert_eq!(
        (&group["group"], &group["user"]),
        (&json!("ops"), &Value::Null)
    );
    let list = async |query: &str| {
        let told = office
            .ask(office.admin(), &format!("GET /grants{query}"), Value::Null)
            .await;
        (told.items("role"), told.json(200)["next"].clone())
    };
    let roles = |roles: &[&str]| roles.iter().map(|role| json!(role)).collect::<Vec<_>>();
    assert_eq!(
        list("").await,
        (roles(&["administrator", "writer", "reader"]), Value::Null)
    );
    assert_eq!(list("?user=jo").await.0, roles(&["writer"]));
    assert_eq!(list("?group=ops").await.0, roles(&["reader"]));
    assert_eq!(list("?group=team").await.0, roles(&[]));
    assert_eq!(
        list("?n=2").await,
        (roles(&["administrator", "writer"]), json!(id.to_string()))
    );
    assert_eq!(list(&format!("?last={id}")).await.0, roles(&["reader"]));
    office
        .ask(office.admin(), &format!("DELETE /grants/{id}"), Value::Null)
        .await
        .done();
    for method in ["GET", "DELETE"] {
        let told = office
            .ask(
                office.admin(),
                &format!("{method} /grants/{id}"),
                Value::Null,
            )
            .await;
        told.refused(404, "unknown");
    }
}

#[tokio::test]
async fn what_cannot_be_a_grant_is_refused() {
    let office = Office::open().await;
    let before = office.revision();
    for (body, status, code) in [
        (
            json!({"user": "gone", "role": "reader", "on": "a"}),
            404,
            "unknown",
        ),
        (
            json!({"user": "jo", "role": "none", "on": "a"}),
            404,
            "unknown",
        ),
        (json!({"role": "reader", "on": "a"}), 400, "body-invalid"),
        (
            json!({"user": "jo", "group": "team", "role": "reader", "on": "a"}),
            400,
            "body-invalid",
        ),
        (json!({"user": "jo", "role": "reader"}), 400, "body-invalid"),
        (
            json!({"user": "jo", "role": "reader", "on": "a b"}),
            400,
            "body-invalid",
        ),
        (
            json!({"user": "jo", "role": "reader", "on": "a", "until": 7}),
            400,
            "body-invalid",
        ),
    ] {
        office
            .ask(office.admin(), "POST /grants", body)
            .await
            .refused(status, code);
    }
    for (request, code) in [
        ("GET /grants?user=jo&group=team", "parameter-invalid"),
        ("GET /grants?user=a%20b", "parameter-invalid"),
        ("GET /grants/x", "name-invalid"),
    ] {
        office
            .ask(office.admin(), request, Value::Null)
            .await
            .refused(400, code);
    }
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn rules_are_set_whole_and_one_that_says_nothing_is_none() {
    let office = Office::open().await;
    let path = "/rules/team%2F%2A%2A";
    let put = async |body| {
        office
            .ask(office.admin(), &format!("PUT {path}"), body)
            .await
    };
    let made = put(json!({"public": true, "quota_bytes": 1000, "immutable_tags": ["v*"]})).await;
    let expected =
        json!({"on": "team/**", "public": true, "quota_bytes": 1000, "immutable_tags": ["v*"]});
    assert_eq!(made.json(201), expected);
    let location = made.headers["location"].to_str().unwrap();
    let shown = location.strip_prefix("/api/v1").unwrap();
    let shown = office
        .ask(office.admin(), &format!("GET {shown}"), Value::Null)
        .await;
    assert_eq!((shown.json(200), shown.tag()), (expected, made.tag()));
    assert!(office.accounts.directory().is_public("team/app"));
    let changed = put(json!({"immutable_tags": ["v*"]})).await.json(200);
    assert_eq!(
        (&changed["public"], &changed["quota_bytes"]),
        (&json!(false), &Value::Null)
    );
    assert!(!office.accounts.directory().is_public("team/app"));
    put(json!({})).await.done();
    for method in ["GET", "DELETE"] {
        let told = office
            .ask(office.admin(), &format!("{method} {path}"), Value::Null)
            .await;
        told.refused(404, "unknown");
    }
    put(json!({"public": true})).await.json(201);
    office
        .ask(office.admin(), &format!("DELETE {path}"), Value::Null)
        .await
        .done();
    let before = office.revision();
    let many: Vec<_> = (0..101).map(|number| json!(format!("v{number}"))).collect();
    for body in [
        json!({"public": 1}),
        json!({"quota_bytes": -1}),
        json!({"immutable_tags": ["a b"]}),
        json!({"immutable_tags": many}),
        json!({"quota": 1}),
    ] {
        put(body).await.refused(400, "body-invalid");
    }
    let told = office
        .ask(office.admin(), "PUT /rules/a%20b", json!({"public": true}))
        .await;
    told.refused(400, "name-invalid");
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn rules_are_listed_by_page_and_by_a_part_of_their_pattern() {
    let office = Office::open().await;
    for pattern in ["a", "team%2F%2A%2A", "team%2Fapp"] {
        let request = format!("PUT /rules/{pattern}");
        office
            .ask(office.admin(), &request, json!({"public": true}))
            .await
            .json(201);
    }
    let list = async |query: &str| {
        office
            .ask(office.admin(), &format!("GET /rules{query}"), Value::Null)
            .await
    };
    assert_eq!(list("").await.items("on"), ["a", "team/**", "team/app"]);
    let page = list("?n=1&last=a").await;
    assert_eq!(
        (page.items("on"), &page.json(200)["next"]),
        (vec![json!("team/**")], &json!("team/**"))
    );
    assert_eq!(list("?last=team/**").await.items("on"), ["team/app"]);
    assert_eq!(list("?filter=app").await.items("on"), ["team/app"]);
}

#[tokio::test]
async fn a_listing_of_rules_tells_how_much_of_a_quota_is_used() {
    let office = Office::open().await;
    for (pattern, rule) in [
        ("a", json!({"public": true})),
        ("team%2F%2A%2A", json!({"quota_bytes": 100})),
        ("x", json!({"quota_bytes": 0})),
    ] {
        let request = format!("PUT /rules/{pattern}");
        let told = office.ask(office.admin(), &request, rule).await;
        assert!(told.status < 300, "{told:?}");
    }
    let repository = office.engine.repository(&"team/app".parse().unwrap());
    let blob = Bytes::from_static(b"seven b");
    repository.put_blob(Algorithm::Sha256, blob).await.unwrap();
    let listing = office.ask(office.admin(), "GET /rules", Value::Null).await;
    assert_eq!(
        listing.items("used_bytes"),
        [Value::Null, json!(7), json!(0)]
    );
}

#[tokio::test]
async fn why_somebody_may_something_is_told_to_them_and_to_administrators() {
    let office = Office::open().await;
    let id = office.grant("jo", "writer", "team/**").await;
    office
        .ask(office.admin(), "PUT /rules/open", json!({"public": true}))
        .await
        .json(201);
    let key = json!({"name": "ci", "scopes": [{"on": "**", "permissions": ["pull"]}]});
    let key = office.make_key(office.user("jo"), key).await;
    let robot =
        json!({"name": "ci", "owner": null, "scopes": [{"on": "b", "permissions": ["push"]}]});
    let robot = office.make_key(office.admin(), robot).await;
    let grant =
        json!([{"kind": "grant", "id": id, "user": "jo", "role": "writer", "on": "team/**"}]);
    for (caller, query, allowed, sources) in [
        (
            office.user("jo"),
            "action=push&repository=team/app",
            true,
            grant.clone(),
        ),
        (
            office.user("jo"),
            "user=jo&action=push&repository=team/app",
            true,
            grant.clone(),
        ),
        (
            office.admin(),
            "user=jo&action=push&repository=team/app",
            true,
            grant,
        ),
        (
            office.user("jo"),
            "action=delete&repository=team/app",
            false,
            json!([]),
        ),
        (
            office.user("jo"),
            "action=pull&repository=open",
            true,
            json!([{"kind": "public", "on": "open"}]),
        ),
        (
            office.key(&key),
            "action=push&repository=team/app",
            false,
            json!([]),
        ),
        (
            office.key(&key),
            "user=jo&action=push&repository=team/app",
            false,
            json!([]),
        ),
        (
            office.key(&robot),
            "action=push&repository=b",
            true,
            json!([{"kind": "key", "on": "b"}]),
        ),
        (
            Caller::operator(),
            "action=push&repository=b",
            true,
            json!([{"kind": "administrator"}]),
        ),
        (
            office.admin(),
            "user=gone&action=pull&repository=b",
            false,
            json!([]),
        ),
    ] {
        let told = office
            .ask(caller, &format!("GET /explain?{query}"), Value::Null)
            .await;
        let told = told.json(200);
        assert_eq!(
            (&told["allowed"], &told["sources"]),
            (&json!(allowed), &sources),
            "{query}"
        );
        assert!(!told["because"].as_array().unwrap().is_empty(), "{query}");
    }
    for query in ["user=admin", "user=gone"] {
        let request = format!("GET /explain?{query}&action=pull&repository=a");
        office
            .ask(office.user("jo"), &request, Value::Null)
            .await
            .refused(403, "forbidden");
    }
    for query in [
        "action=pull",
        "repository=a",
        "action=read&repository=a",
        "action=pull&repository=A",
        "action=pull&repository=a&x=1",
    ] {
        let told = office
            .ask(
                office.user("jo"),
                &format!("GET /explain?{query}"),
                Value::Null,
            )
            .await;
        told.refused(400, "parameter-invalid");
    }
}

#[tokio::test]
async fn token_keys_are_rotated_and_only_their_ids_told() {
    let office = Office::open().await;
    let rotate = async || {
        office
            .ask(office.admin(), "POST /token-keys/rotate", Value::Null)
            .await
            .json(200)
    };
    let (first, second) = (rotate().await, rotate().await);
    assert_eq!(first["current"], second["previous"]);
    assert_ne!(second["current"], second["previous"]);
    let told = office
        .ask(office.admin(), "POST /token-keys/rotate", json!({"x": 1}))
        .await;
    told.refused(400, "body-invalid");
}
