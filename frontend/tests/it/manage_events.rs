//! The management API's status, its events and the audit log.

use crate::manage_content::Cast;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::time::Duration;

/// A stream of events that somebody listens to.
struct Ear(http::Response<floundr_frontend::Answer>);

impl Ear {
    async fn of(cast: &Cast, who: &str) -> Self {
        let request = http::Request::builder()
            .uri("/api/v1/events")
            .header("authorization", cast.credentials(who))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = cast.0.registry.handle(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response)
    }

    /// The next event of one of these kinds; nothing when there is none for a while.
    async fn hears(&mut self, kinds: &[&str]) -> Option<(String, Value)> {
        loop {
            let next = tokio::time::timeout(Duration::from_millis(300), self.0.body_mut().frame());
            let frame = next.await.ok()??.unwrap().into_data().unwrap();
            let text = String::from_utf8(frame.to_vec()).unwrap();
            let field = |name: &str| {
                let lines = text.lines().filter_map(|line| line.strip_prefix(name));
                lines.map(str::to_owned).next()
            };
            let kind = field("event: ").unwrap();
            if kinds.contains(&&*kind) {
                return Some((
                    kind,
                    serde_json::from_str(&field("data: ").unwrap()).unwrap(),
                ));
            }
        }
    }
}

#[tokio::test]
async fn listeners_hear_of_what_they_may_pull_and_administrators_of_everything() {
    let cast = Cast::start().await;
    let (mut dev, mut admin) = (Ear::of(&cast, "dev").await, Ear::of(&cast, "admin").await);
    for name in ["other", "team/app"] {
        let body = json!({"name": name});
        cast.ask("admin", "POST /repositories", &body)
            .await
            .expect(201);
    }
    let user = json!({"name": "new", "password": "a long password"});
    cast.ask("admin", "POST /users", &user).await.expect(201);
    let kinds = ["repository", "user"];
    for expected in ["other", "team/app", "new"] {
        let (_, data) = admin.hears(&kinds).await.unwrap();
        assert_eq!(data["object"], expected);
        assert!(!data.to_string().contains("password"));
    }
    let (kind, data) = dev.hears(&kinds).await.unwrap();
    assert_eq!(
        (&*kind, &data["object"]),
        ("repository", &json!("team/app"))
    );
    assert_eq!(dev.hears(&kinds).await, None);
    let refused = cast.get("", "/events").await;
    refused.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_right_that_is_taken_back_is_heard_of_no_more() {
    let cast = Cast::start().await;
    let mut dev = Ear::of(&cast, "dev").await;
    cast.ask("admin", "PATCH /users/dev", &json!({"disabled": true}))
        .await
        .expect(200);
    let body = json!({"name": "team/app"});
    cast.ask("admin", "POST /repositories", &body)
        .await
        .expect(201);
    assert_eq!(dev.hears(&["repository", "user"]).await, None);
}

#[tokio::test]
async fn the_status_is_told_and_what_is_in_it_moves() {
    let cast = Cast::start().await;
    let before = cast.get("dev", "/status").await.expect(200).json();
    cast.push_image("team/app", "v1", "a").await;
    let after = cast.get("dev", "/status").await.expect(200).json();
    let moved = |member: &str| {
        let of = |status: &Value| status[member].as_u64().unwrap();
        of(&after) - of(&before)
    };
    assert_eq!(moved("requests_total"), 4);
    assert_eq!(
        moved("received_bytes"),
        after["store"]["stored_bytes"].as_u64().unwrap() + manifest()
    );
    assert!(moved("sent_bytes") > 0);
    let mut dev = Ear::of(&cast, "dev").await;
    let management = cast.0.management.clone();
    let told = tokio::select! {
        () = management.keep() => None,
        told = async {
            loop {
                if let Some(told) = dev.hears(&["status"]).await {
                    break Some(told);
                }
            }
        } => told,
    };
    assert_eq!(told.unwrap().1["version"], before["version"]);
}

/// Bytes of the manifest that is pushed above.
fn manifest() -> u64 {
    crate::registry::image("a").to_string().len() as u64
}

#[tokio::test]
async fn what_is_done_and_what_is_refused_is_written_down() {
    let cast = Cast::start().await;
    let body = json!({"name": "team/app"});
    cast.ask("dev", "POST /repositories", &body)
        .await
        .expect(201);
    cast.ask("dev", "DELETE /repositories/team%2Fapp", &Value::Null)
        .await
        .expect(403);
    let password = json!({"name": "x", "password": "correct horse"});
    cast.ask("admin", "POST /users", &password)
        .await
        .expect(201);
    let records = cast
        .get("admin", "/audit?actor=dev")
        .await
        .expect(200)
        .json();
    let records = records["items"].as_array().unwrap();
    let told: Vec<_> = records
        .iter()
        .map(|one| {
            (
                one["action"].as_str().unwrap(),
                one["result"].as_u64().unwrap(),
            )
        })
        .filter(|(action, _)| *action != "login")
        .collect();
    assert_eq!(told, [("denied", 403), ("repository_create", 201)]);
    assert!(records.iter().all(|one| one["request_id"].is_string()));
    let created = cast
        .get("admin", "/audit?action=user_create&n=1")
        .await
        .expect(200);
    let text = String::from_utf8_lossy(&created.body).into_owned();
    assert!(
        text.contains("\"object\":\"x\"") && !text.contains("horse"),
        "{text}"
    );
    let report = cast
        .ask("admin", "POST /audit/verify", &json!({}))
        .await
        .expect(200)
        .json();
    assert!(report["records"].as_u64().unwrap() > 5);
    assert!(report["broken_at"].is_null());
    let read = cast
        .get("admin", "/audit?action=audit_read")
        .await
        .expect(200)
        .json();
    assert!(!read["items"].as_array().unwrap().is_empty());
}
