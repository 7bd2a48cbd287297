//! The accounts' part of the management API, asked without a socket.

mod keys;
mod others;
mod secrets;
mod users;

use crate::access::Caller;
use crate::accounts::{
    Accounts, Grantee, KeyId, MemoryAccountStore, NewGrant, NewUser, Principal, TokenSecrets,
};
use crate::audit::AuditLog;
use crate::manage::Management;
use crate::services::Services;
use bytes::Bytes;
use floundr_engine::clock::Hands;
use floundr_engine::disk::MemoryDisk;
use floundr_engine::{Engine, Options};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const PASSWORD: &str = "a long password";

/// Accounts and their API. There are `admin`, who administers the server, and `jo`, who may nothing.
struct Office {
    accounts: Accounts,
    management: Management,
    engine: Engine,
    clock: Arc<Hands>,
}

/// One answer.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
}

async fn engine() -> Engine {
    let mut options = Options::new("/store");
    options.disk = Arc::new(MemoryDisk::new());
    Engine::open(options).await.unwrap()
}

// === impl Office ===

impl Office {
    async fn open() -> Self {
        let clock = Arc::new(Hands::default());
        let store = MemoryAccountStore::default();
        let keeper: Arc<Hands> = Arc::clone(&clock);
        let accounts = Accounts::open(store, keeper, TokenSecrets::default());
        let accounts = accounts.await.unwrap();
        let admin = "admin".parse().unwrap();
        let made = accounts.create_first_administrator(&admin, PASSWORD).await;
        assert!(made.unwrap().is_some());
        let engine = engine().await;
        let store = Path::new("/store");
        let services = Services::new(&engine, Some(accounts.clone()), AuditLog::none());
        let management = Management::new(engine.clone(), store, services);
        let office = Self {
            accounts,
            management,
            engine,
            clock,
        };
        office.make("jo").await;
        office
    }

    async fn make(&self, name: &str) {
        let new = NewUser {
            name: name.parse().unwrap(),
            password: Some(PASSWORD.to_owned()),
            must_change: false,
            groups: ["team".parse().unwrap()].into(),
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

    fn caller(&self, principal: Principal) -> Caller {
        Caller::new(principal, self.accounts.directory(), self.accounts.wall())
    }

    /// By password.
    fn user(&self, name: &str) -> Caller {
        let name = name.parse().unwrap();
        self.caller(Principal::User { name, key: None })
    }

    fn admin(&self) -> Caller {
        self.user("admin")
    }

    /// By a key, of a user or a robot.
    fn key(&self, id: &str) -> Caller {
        let id: KeyId = id.parse().unwrap();
        let directory = self.accounts.directory();
        let owner = directory.key(id).unwrap().owner.clone();
        self.caller(match owner {
            Some(name) => Principal::User {
                name,
                key: Some(id),
            },
            None => Principal::Robot(id),
        })
    }

    /// `METHOD /path` below the API's own, with a body unless it is null.
    async fn ask(&self, caller: Caller, request: &str, body: Value) -> Told {
        self.ask_if(caller, request, "", body).await
    }

    /// With `If-Match`.
    async fn ask_if(&self, caller: Caller, request: &str, if_match: &str, body: Value) -> Told {
        let (method, path) = request.split_once(' ').unwrap();
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if !if_match.is_empty() {
            builder = builder.header("if-match", if_match);
        }
        let body = match body {
            Value::Null => Bytes::new(),
            body => body.to_string().into(),
        };
        let request = builder.body(body).unwrap();
        let response = self.management.handle_as(caller, request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Told {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Makes a key, and gives its id.
    async fn make_key(&self, caller: Caller, body: Value) -> String {
        let made = self.ask(caller, "POST /keys", body).await.json(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// What the accounts are: equal when nothing was changed.
    fn revision(&self) -> u64 {
        self.accounts.directory().revision()
    }
}

// === impl Told ===

impl Told {
    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// That it is a refusal of this kind.
    #[track_caller]
    fn refused(&self, status: u16, code: &str) -> &Self {
        let problem = self.json(status);
        let kind = format!("urn:floundr:problem:{code}");
        assert_eq!(problem["type"], kind, "{self:?}");
        self
    }

    /// That it is 204 and says nothing.
    #[track_caller]
    fn done(&self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""), "{self:?}");
    }

    fn tag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    /// The values of a member of each item of a listing.
    #[track_caller]
    fn items(&self, member: &str) -> Vec<Value> {
        let listing = self.json(200);
        let items = listing["items"].as_array().unwrap().iter();
        items.map(|item| item[member].clone()).collect()
    }
}

/// Every endpoint that is for administrators of the server alone, with a body it would take.
fn for_administrators() -> Vec<(&'static str, Value)> {
    let grant = json!({"group": "team", "role": "reader", "on": "**"});
    vec![
        ("GET /users", Value::Null),
        ("POST /users", json!({"name": "sam"})),
        ("GET /users/jo", Value::Null),
        ("PATCH /users/jo", json!({"disabled": true})),
        ("DELETE /users/jo", Value::Null),
        ("POST /roles", json!({"name": "r", "permissions": []})),
        ("PUT /roles/r", json!({"permissions": []})),
        ("DELETE /roles/r", Value::Null),
        ("GET /grants", Value::Null),
        ("POST /grants", grant),
        ("GET /grants/1", Value::Null),
        ("DELETE /grants/1", Value::Null),
        ("GET /rules", Value::Null),
        ("GET /rules/%2A%2A", Value::Null),
        ("PUT /rules/%2A%2A", json!({"public": true})),
        ("DELETE /rules/%2A%2A", Value::Null),
        ("POST /token-keys/rotate", json!({})),
    ]
}

#[tokio::test]
async fn what_is_for_administrators_is_refused_to_others_and_leaves_no_trace() {
    let office = Office::open().await;
    let robot = json!({"name": "ci", "owner": null, "scopes": [{"on": "**", "permissions": ["pull", "push", "delete"]}]});
    let robot = office.make_key(office.admin(), robot).await;
    office.grant("jo", "administrator", "team/**").await;
    let before = office.revision();
    for (request, body) in for_administrators() {
        let nobody = office.caller(Principal::Anonymous);
        let told = office.ask(nobody, request, body.clone()).await;
        told.refused(401, "unauthorized");
        assert!(told.headers.contains_key("www-authenticate"), "{request}");
        for caller in [office.user("jo"), office.key(&robot)] {
            let told = office.ask(caller, request, body.clone()).await;
            told.refused(403, "forbidden");
        }
    }
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn what_is_for_everybody_logged_in_is_refused_to_nobody_and_to_whom_something_keeps() {
    let office = Office::open().await;
    let change = json!({"must_change": true});
    office.make("sam").await;
    office.make("kim").await;
    office
        .ask(office.admin(), "PATCH /users/sam", change)
        .await
        .json(200);
    let change = json!({"disabled": true});
    office
        .ask(office.admin(), "PATCH /users/kim", change)
        .await
        .json(200);
    let before = office.revision();
    for (request, body) in [
        ("GET /roles", Value::Null),
        ("GET /roles/reader", Value::Null),
        ("GET /keys", Value::Null),
        ("POST /keys", json!({"name": "ci"})),
        ("GET /keys/0123456789abcdef", Value::Null),
        ("PATCH /keys/0123456789abcdef", json!({})),
        ("DELETE /keys/0123456789abcdef", Value::Null),
        ("GET /explain?action=pull&repository=a", Value::Null),
    ] {
        let nobody = office.caller(Principal::Anonymous);
        let told = office.ask(nobody, request, body.clone()).await;
        told.refused(401, "unauthorized");
        for (name, why) in [
            ("sam", "the password must be changed first"),
            ("kim", "the user is disabled"),
            ("gone", "there is no such user"),
        ] {
            let told = office.ask(office.user(name), request, body.clone()).await;
            let detail = format!("{name} may not do this: {why}");
            assert_eq!(told.refused(403, "forbidden").json(403)["detail"], detail);
        }
    }
    assert_eq!(office.revision(), before);
}

#[tokio::test]
async fn a_registry_without_accounts_tells_who_asks_and_has_none_of_the_rest() {
    let office = Office::open().await;
    let engine = engine().await;
    let services = Services::plain(&engine);
    let management = Management::new(engine, Path::new("/store"), services);
    let office = Office {
        management,
        ..office
    };
    let told = office
        .ask(Caller::operator(), "GET /users", Value::Null)
        .await;
    told.refused(404, "not-found");
    let told = office
        .ask(Caller::operator(), "GET /whoami", Value::Null)
        .await;
    assert_eq!(told.json(200)["kind"], "operator");
}
