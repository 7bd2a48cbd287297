//! Users, roles and grants as they are used, against a [`Server`] that keeps what it was told.

mod grants;
mod people;
mod person;
mod roles;

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page};
use crate::tui::theme::Theme;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// What a server has.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) users: Vec<Value>,
    pub(super) grants: Vec<Value>,
    pub(super) roles: Vec<Value>,
    pub(super) keys: Vec<Value>,
    /// What it refuses: the beginning of `METHOD /path`, the status, and its words.
    pub(super) refuses: Vec<(&'static str, u16, &'static str)>,
}

/// A server that keeps what it was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Server(pub(super) Rc<RefCell<State>>);

pub(super) fn user(name: &str, groups: &[&str]) -> Value {
    json!({
        "name": name, "disabled": false, "must_change": false, "has_password": true, "groups": groups,
        "created": NOW - 864_000_000, "administrator": false, "keys": 0, "ETag": "\"7\"",
    })
}

pub(super) fn grant(id: u64, (kind, name): (&str, &str), role: &str, on: &str) -> Value {
    json!({ "id": id, kind: name, "role": role, "on": on, "created": NOW - 3_600_000 })
}

pub(super) fn role(name: &str, permissions: &[&str], is_built_in: bool) -> Value {
    json!({ "name": name, "permissions": permissions, "built_in": is_built_in, "ETag": "\"3\"" })
}

fn key(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "owner": "jo", "made_by": null, "created": NOW - 86_400_000,
        "scopes": [{ "on": "team/**", "permissions": ["pull"] }], "expires": NOW + 864_000_000,
        "last_used": NOW - 120_000,
    })
}

fn refused(status: u16, detail: &str) -> Failure {
    let detail = detail.to_owned();
    Failure::Refused { status, detail }
}

// === impl Server ===

impl Server {
    /// One with a few users, grants and roles.
    pub(super) fn busy() -> Self {
        let server = Self::empty();
        let mut state = server.0.borrow_mut();
        let mut admin = user("floundr_admin", &[]);
        admin["administrator"] = json!(true);
        let mut jo = user("jo", &["ops", "web"]);
        (jo["keys"], jo["must_change"]) = (json!(2), json!(true));
        let mut robin = user("robin", &["web"]);
        robin["disabled"] = json!(true);
        let mut sam = user("sam", &[]);
        sam["has_password"] = json!(false);
        state.users = vec![admin, jo, robin, sam];
        state.grants = vec![
            grant(1, ("user", "floundr_admin"), "admin", "**"),
            grant(4, ("user", "jo"), "writer", "team/**"),
            grant(5, ("group", "ops"), "reader", "**"),
            grant(9, ("group", "qa"), "janitor", "qa/*"),
        ];
        state.keys = vec![
            key("0a1b2c3d4e5f6071", "laptop"),
            key("6a7b8c9d0e1f2031", "ci"),
        ];
        drop(state);
        server
    }

    /// One with the roles that are built in, and one more, and nothing else.
    pub(super) fn empty() -> Self {
        let all = ["pull", "push", "delete", "administer"];
        let roles = vec![
            role("admin", &all, true),
            role("janitor", &["pull", "delete"], false),
            role("reader", &all[..1], true),
            role("writer", &all[..2], true),
        ];
        let server = Self::default();
        server.0.borrow_mut().roles = roles;
        server
    }

    /// The same, which refuses what begins so.
    pub(super) fn refusing(self, what: &'static str, status: u16, detail: &'static str) -> Self {
        self.0.borrow_mut().refuses.push((what, status, detail));
        self
    }

    /// What it answers.
    pub(super) fn answers(&self) -> impl FnMut(&Request) -> Result<Value, Failure> + use<> {
        let state = Rc::clone(&self.0);
        move |request| state.borrow_mut().answer(request)
    }

    /// Somebody who looks at it.
    pub(super) fn pilot(&self) -> Pilot {
        Pilot::new(self.answers())
    }

    /// The same, with much room.
    pub(super) fn wide(&self) -> Pilot {
        Pilot::on((160, 40), Theme::Dark, self.answers())
    }
}

// === impl State ===

impl State {
    fn answer(&mut self, request: &Request) -> Result<Value, Failure> {
        let what = format!("{} {}", request.method, request.path);
        let refusal = self
            .refuses
            .iter()
            .find(|(begin, ..)| what.starts_with(begin));
        if let Some((_, status, detail)) = refusal {
            return Err(refused(*status, detail));
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let body = request.body.clone().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["users"]) => Ok(page(self.users.clone())),
            ("GET", ["roles"]) => Ok(page(self.roles.clone())),
            ("GET", ["keys"]) => Ok(page(self.keys.clone())),
            ("GET", ["grants"]) => Ok(page(self.granted(query))),
            ("GET", ["users", name]) => {
                let found = self.users.iter().find(|user| user["name"] == *name);
                found
                    .cloned()
                    .ok_or_else(|| refused(404, "there is no such user"))
            }
            ("GET", ["roles", name]) => {
                let found = self.roles.iter().find(|role| role["name"] == *name);
                found
                    .cloned()
                    .ok_or_else(|| refused(404, "there is no such role"))
            }
            ("GET", ["explain"]) => Ok(explained(query)),
            ("POST", ["users"]) => Ok(self.made(&body)),
            ("POST", ["grants"]) => Ok(self.grants_made(body)),
            ("DELETE", ["users", name]) => {
                self.users.retain(|user| user["name"] != *name);
                Ok(Value::Null)
            }
            ("DELETE", ["grants", id]) => {
                self.grants
                    .retain(|grant| grant["id"].as_u64() != id.parse().ok());
                Ok(Value::Null)
            }
            ("PATCH" | "PUT" | "POST" | "DELETE", _) => Ok(body),
            _ => not_there(request),
        }
    }

    fn granted(&self, query: &str) -> Vec<Value> {
        let to = query.split('&').find_map(|part| {
            let (kind, name) = part.split_once('=')?;
            (kind == "user" || kind == "group").then_some((kind, name))
        });
        let grants = self.grants.iter();
        let fitting = grants.filter(|grant| to.is_none_or(|(kind, name)| grant[kind] == name));
        fitting.cloned().collect()
    }

    fn made(&mut self, body: &Value) -> Value {
        let mut made = user(body["name"].as_str().unwrap(), &[]);
        self.users.push(made.clone());
        if body["password"].is_null() {
            made["password"] = json!("correct-horse");
        }
        made
    }

    fn grants_made(&mut self, mut body: Value) -> Value {
        let says_the_same = |grant: &&Value| {
            ["user", "group", "role", "on"]
                .iter()
                .all(|member| grant[*member] == body[*member])
        };
        if let Some(same) = self.grants.iter().find(says_the_same) {
            return same.clone();
        }
        (body["id"], body["created"]) = (json!(self.grants.len() + 40), json!(NOW));
        self.grants.push(body.clone());
        body
    }
}

fn explained(query: &str) -> Value {
    if query.contains("action=pull") {
        let because = [
            "grant 4 gives jo the role writer on team/**",
            "grant 5 gives the group ops the role reader on **",
        ];
        return json!({ "allowed": true, "because": because, "sources": [] });
    }
    if query.contains("action=push") {
        let because = ["grant 4 gives jo the role writer on team/**"];
        return json!({ "allowed": true, "because": because, "sources": [] });
    }
    json!({ "allowed": false, "because": ["no grant and no rule gives it"], "sources": [] })
}
