//! Users and their own passwords.

use super::*;

#[tokio::test]
async fn a_user_is_made_shown_changed_and_removed() {
    let office = Office::open().await;
    let new = json!({"name": "Sam@Example.org", "password": "longer than that", "groups": ["team", "ops"], "must_change": true});
    let made = office.ask(office.admin(), "POST /users", new).await;
    let expected = json!({
        "name": "sam@example.org", "disabled": false, "must_change": true, "has_password": true,
        "groups": ["ops", "team"], "created": office.accounts.wall(), "administrator": false, "keys": 0,
    });
    assert_eq!(made.json(201), expected);
    let path = "/users/sam@example.org";
    assert_eq!(made.headers["location"], format!("/api/v1{path}"));
    let shown = office
        .ask(office.admin(), &format!("GET {path}"), Value::Null)
        .await;
    assert_eq!(shown.json(200), expected);
    assert_eq!(shown.tag(), made.tag());
    let patch = json!({"disabled": true, "must_change": false, "groups": []});
    let changed = office
        .ask(office.admin(), &format!("PATCH {path}"), patch)
        .await;
    assert_ne!(changed.tag(), made.tag());
    let changed = changed.json(200);
    assert_eq!(
        [
            &changed["disabled"],
            &changed["must_change"],
            &changed["groups"]
        ],
        [&json!(true), &json!(false), &json!([])]
    );
    office
        .ask(office.admin(), &format!("DELETE {path}"), Value::Null)
        .await
        .done();
    for request in ["GET", "PATCH", "DELETE"] {
        let told = office
            .ask(office.admin(), &format!("{request} {path}"), Value::Null)
            .await;
        told.refused(404, "unknown");
    }
}

#[tokio::test]
async fn a_password_is_made_when_none_is_given_and_shown_once() {
    let office = Office::open().await;
    let made = office
        .ask(office.admin(), "POST /users", json!({"name": "sam"}))
        .await;
    let password = made.json(201)["password"].as_str().unwrap().to_owned();
    let name = "sam".parse().unwrap();
    let change = office
        .accounts
        .change_own_password(&name, &password, PASSWORD);
    change.await.unwrap();
    let shown = office
        .ask(office.admin(), "GET /users/sam", Value::Null)
        .await;
    assert_eq!(shown.json(200)["password"], Value::Null);
    let new = json!({"name": "kim", "password": PASSWORD});
    let made = office.ask(office.admin(), "POST /users", new).await;
    assert_eq!(made.json(201)["password"], Value::Null);
}

#[tokio::test]
async fn users_are_listed_by_page_and_by_a_part_of_their_name() {
    let office = Office::open().await;
    for name in ["sam", "samira", "kim"] {
        office.make(name).await;
    }
    office
        .make_key(office.user("sam"), json!({"name": "a"}))
        .await;
    office
        .make_key(office.user("sam"), json!({"name": "b"}))
        .await;
    let list = async |query: &str| {
        office
            .ask(office.admin(), &format!("GET /users{query}"), Value::Null)
            .await
    };
    let all = list("").await;
    assert_eq!(all.items("name"), ["admin", "jo", "kim", "sam", "samira"]);
    assert_eq!(all.items("keys"), [0, 0, 0, 2, 0]);
    assert_eq!(
        all.items("administrator"),
        [true, false, false, false, false]
    );
    assert_eq!(all.json(200)["next"], Value::Null);
    let page = list("?n=2").await;
    assert_eq!(page.items("name"), ["admin", "jo"]);
    assert_eq!(page.json(200)["next"], "jo");
    let page = list("?n=2&last=kim").await;
    assert_eq!(page.items("name"), ["sam", "samira"]);
    assert_eq!(page.json(200)["next"], Value::Null);
    assert_eq!(list("?filter=AM").await.items("name"), ["sam", "samira"]);
    let page = list("?filter=am&n=1").await;
    assert_eq!(
        (page.items("name"), &page.json(200)["next"]),
        (vec![json!("sam")], &json!("sam"))
    );
    list("?last=!").await.refused(400, "parameter-invalid");
    list("?sort=name").await.refused(400, "parameter-invalid");
}

#[tokio::test]
async fn what_cannot_be_a_user_is_refused() {
    let office = Office::open().await;
    let before = office.revision();
    for (body, status, code) in [
        (json!({"name": "jo"}), 409, "exists"),
        (json!({"name": "JO"}), 409, "exists"),
        (json!({"name": "-x"}), 400, "body-invalid"),
        (
            json!({"name": "sam", "groups": ["a b"]}),
            400,
            "body-invalid",
        ),
        (json!({"name": "sam", "email": "x"}), 400, "body-invalid"),
        (json!({"password": PASSWORD}), 400, "body-invalid"),
        (
            json!({"name": "sam", "password": "short"}),
            400,
            "password-unfit",
        ),
        (
            json!({"name": "sam", "password": 12_345_678}),
            400,
            "body-invalid",
        ),
    ] {
        office
            .ask(office.admin(), "POST /users", body)
            .await
            .refused(status, code);
    }
    for (request, body, code) in [
        ("PATCH /users/jo", json!({"name": "sam"}), "body-invalid"),
        (
            "PATCH /users/jo",
            json!({"password": "short"}),
            "password-unfit",
        ),
        ("PATCH /users/a%20b", json!({}), "name-invalid"),
        ("GET /users/jo?x=1", Value::Null, "parameter-invalid"),
        ("DELETE /users/jo?x=1", Value::Null, "parameter-invalid"),
    ] {
        office
            .ask(office.admin(), request, body)
            .await
            .refused(400, code);
    }
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let office = Office::open().await;
    let before = office.revision();
    let grant = office
        .ask(office.admin(), "GET /grants", Value::Null)
        .await
        .items("id");
    let take_back = format!("DELETE /grants/{}", grant[0]);
    for (request, body) in [
        ("DELETE /users/admin", Value::Null),
        ("PATCH /users/admin", json!({"disabled": true})),
        (&take_back, Value::Null),
    ] {
        let told = office.ask(office.admin(), request, body).await;
        told.refused(409, "last-administrator");
    }
    assert_eq!(office.revision(), before);
    office.grant("jo", "administrator", "**").await;
    office
        .ask(office.admin(), "DELETE /users/admin", Value::Null)
        .await
        .done();
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_change_is_made_to_the_version_it_was_made_from_and_to_no_other() {
    let office = Office::open().await;
    office
        .ask(
            office.admin(),
            "POST /roles",
            json!({"name": "r", "permissions": ["pull"]}),
        )
        .await
        .json(201);
    office
        .ask(office.admin(), "PUT /rules/a", json!({"public": true}))
        .await
        .json(201);
    let key = office
        .make_key(office.user("jo"), json!({"name": "ci"}))
        .await;
    let grant = office.grant("jo", "reader", "a").await;
    let key = format!("/keys/{key}");
    let grant = format!("/grants/{grant}");
    for (path, method, body) in [
        ("/roles/r", "PUT", json!({"permissions": ["push"]})),
        ("/rules/a", "PUT", json!({"public": true, "quota_bytes": 7})),
        (&key, "PATCH", json!({"name": "cd"})),
        (&grant, "DELETE", Value::Null),
        // With the user go the grant and the key.
        ("/users/jo", "PATCH", json!({"groups": ["ops"]})),
    ] {
        let shown = office
            .ask(office.admin(), &format!("GET {path}"), Value::Null)
            .await;
        let seen = shown.tag();
        let number: u64 = seen.trim_matches('"').parse().unwrap();
        let before = office.revision();
        let others = format!("\"{}\", W/{seen}", number + 1);
        for method in [method, "DELETE"] {
            let request = format!("{method} {path}");
            let told = office
                .ask_if(office.admin(), &request, &others, body.clone())
                .await;
            told.refused(412, "precondition");
            let told = office
                .ask_if(office.admin(), &request, "x", body.clone())
                .await;
            told.refused(400, "header-invalid");
        }
        assert_eq!(office.revision(), before, "{path}");
        let request = format!("{method} {path}");
        let told = office
            .ask_if(office.admin(), &request, &seen, body.clone())
            .await;
        assert!([200, 204].contains(&told.status), "{told:?}");
        if method != "DELETE" {
            let told = office.ask_if(office.admin(), &request, &seen, body).await;
            told.refused(412, "precondition");
            let request = format!("DELETE {path}");
            office
                .ask_if(office.admin(), &request, "*", Value::Null)
                .await
                .done();
        }
    }
    let told = office
        .ask_if(office.admin(), "PUT /rules/b", "*", json!({"public": true}))
        .await;
    told.refused(412, "precondition");
}

#[tokio::test]
async fn who_asks_is_told_who_they_are() {
    let office = Office::open().await;
    let owned = office
        .make_key(office.admin(), json!({"name": "mine", "scopes": []}))
        .await;
    let robot = json!({"name": "ci", "owner": null, "scopes": [{"on": "**", "permissions": ["administer"]}]});
    let robot = office.make_key(office.admin(), robot).await;
    office.make("sam").await;
    let change = json!({"must_change": true});
    office
        .ask(office.admin(), "PATCH /users/sam", change)
        .await
        .json(200);
    for (caller, expected) in [
        (
            Caller::operator(),
            json!(["operator", null, null, false, true]),
        ),
        (
            office.caller(Principal::Anonymous),
            json!(["anonymous", null, null, false, false]),
        ),
        (office.admin(), json!(["user", "admin", null, false, true])),
        (office.user("jo"), json!(["user", "jo", null, false, false])),
        (
            office.user("sam"),
            json!(["user", "sam", null, true, false]),
        ),
        (
            office.key(&owned),
            json!(["user", "admin", owned, false, false]),
        ),
        (
            office.key(&robot),
            json!(["robot", "ci", robot, false, true]),
        ),
    ] {
        let told = office
            .ask(caller, "GET /whoami", Value::Null)
            .await
            .json(200);
        let found = ["kind", "name", "key", "must_change", "administrator"];
        let found: Vec<_> = found.iter().map(|name| told[*name].clone()).collect();
        assert_eq!(json!(found), expected);
    }
}

#[tokio::test]
async fn users_change_their_own_password_who_know_it() {
    let office = Office::open().await;
    let change = json!({"must_change": true});
    office
        .ask(office.admin(), "PATCH /users/jo", change)
        .await
        .json(200);
    let put = async |caller, old: &str, new: &str| {
        let body = json!({"old": old, "new": new});
        office.ask(caller, "PUT /whoami/password", body).await
    };
    let before = office.revision();
    put(office.user("jo"), "not that one", "another password")
        .await
        .refused(403, "wrong-password");
    put(office.user("jo"), PASSWORD, "short")
        .await
        .refused(400, "password-unfit");
    let told = office
        .ask(
            office.user("jo"),
            "PUT /whoami/password",
            json!({"old": PASSWORD}),
        )
        .await;
    told.refused(400, "body-invalid");
    put(office.caller(Principal::Anonymous), PASSWORD, "x")
        .await
        .refused(401, "unauthorized");
    put(Caller::operator(), PASSWORD, "x")
        .await
        .refused(403, "forbidden");
    assert_eq!(office.revision(), before);
    put(office.user("jo"), PASSWORD, "another password")
        .await
        .done();
    let told = office
        .ask(office.user("jo"), "GET /whoami", Value::Null)
        .await;
    assert_eq!(told.json(200)["must_change"], false);
    let key = office
        .make_key(office.user("jo"), json!({"name": "ci"}))
        .await;
    put(office.key(&key), "another password", PASSWORD)
        .await
        .refused(403, "forbidden");
    put(office.user("jo"), "another password", PASSWORD)
        .await
        .done();
}
