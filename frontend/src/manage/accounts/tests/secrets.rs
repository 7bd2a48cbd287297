//! That secrets are told once, to who made them, and never again.

use super::*;
use crate::manage::route::AccountRoute;
use std::fmt::Write as _;

/// What every endpoint answers to each of `callers`, those that take something away last.
async fn every_answer(office: &Office, key: &str, callers: &[Caller]) -> Vec<Told> {
    let bodies = for_administrators();
    let mut endpoints = AccountRoute::ALL.to_vec();
    endpoints.sort_by_key(|endpoint| endpoint.method == "DELETE");
    let mut told = Vec::new();
    for endpoint in endpoints {
        let values = [
            ("{user}", "jo"),
            ("{role}", "reader"),
            ("{grant}", "1"),
            ("{key}", key),
            ("{pattern}", "a"),
        ];
        let path = endpoint.path.strip_prefix("/api/v1").unwrap().to_owned();
        let path = values
            .iter()
            .fold(path, |path, (form, value)| path.replace(form, value));
        let request = format!("{} {path}", endpoint.method);
        let body = bodies.iter().find(|(known, _)| *known == request);
        let body = body.map_or(json!({}), |(_, body)| body.clone());
        for caller in callers {
            told.push(office.ask(caller.clone(), &request, body.clone()).await);
        }
    }
    told
}

#[tokio::test]
async fn no_answer_has_a_password_a_hash_or_the_secret_of_a_key_but_the_first() {
    let office = Office::open().await;
    let made = office
        .ask(office.admin(), "POST /users", json!({"name": "made"}))
        .await
        .json(201);
    let password = made["password"].as_str().unwrap().to_owned();
    let made = office
        .ask(office.user("jo"), "POST /keys", json!({"name": "ci"}))
        .await
        .json(201);
    let text = made["secret"].as_str().unwrap();
    let (id, secret) = (
        made["id"].as_str().unwrap(),
        text.rsplit('_').next().unwrap(),
    );
    let directory = office.accounts.directory();
    let hash = &directory.key(id.parse().unwrap()).unwrap().hash;
    let hex = hash.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let list = serde_json::to_string(hash).unwrap();
    let secrets = [PASSWORD, &password, "$argon2", secret, &hex, &list];
    let callers = [
        Caller::operator(),
        office.admin(),
        office.user("jo"),
        office.key(id),
    ];
    let mut told = every_answer(&office, id, &callers).await;
    let shown = told
        .iter()
        .filter(|told| told.status < 300 && !told.text.is_empty());
    assert!(shown.count() > 20);
    // Refusals tell what was wrong, and not what was sent.
    for body in [
        json!({"old": PASSWORD, "new": "short!!"}),
        json!({"old": "not the one", "new": "another password"}),
        json!({"old": 1_234_567_890, "new": PASSWORD}),
        json!({"old": PASSWORD, "new": [PASSWORD]}),
    ] {
        told.push(
            office
                .ask(office.admin(), "PUT /whoami/password", body)
                .await,
        );
    }
    for answer in &told {
        for secret in secrets {
            assert!(!answer.text.contains(secret), "{secret}: {answer:?}");
        }
        for sent in ["short!!", "not the one", "another password", "1234567890"] {
            assert!(!answer.text.contains(sent), "{answer:?}");
        }
    }
}
