//! [`Server`]: repositories, deletions and rules that remember what was done to them.

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{ETAG, NOW, not_there, page};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR: u64 = 3_600_000;

/// The version of every rule.
const RULE: &str = "\"7\"";

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) repositories: BTreeMap<String, Value>,
    pub(super) deleted: BTreeMap<String, Value>,
    pub(super) rules: BTreeMap<String, Value>,
    pub(super) versions: BTreeMap<String, u64>,
    /// What every change is answered with instead of being made.
    pub(super) refusal: Option<(u16, String)>,
    /// What the rules are answered with.
    pub(super) rules_refusal: Option<(u16, String)>,
    /// The name that is not restored, since there is another one of it.
    pub(super) is_taken: Option<String>,
    /// Whether rules of others make everything public.
    pub(super) is_always_public: bool,
}

/// A repository; `size` makes its figures.
pub(super) fn repository(name: &str, size: u64) -> Value {
    json!({
        "name": name, "public": false, "manifests": size * 3, "tags": size, "own_bytes": size << 28,
        "shared_bytes": size << 20, "last_push": NOW - size * HOUR, "last_pull": null,
        "quota_bytes": null, "immutable_tags": [], "rules": ["**"],
        "permissions": ["pull", "push"],
    })
}

fn refused((status, detail): &(u16, String)) -> Failure {
    Failure::Refused {
        status: *status,
        detail: detail.clone(),
    }
}

fn deleted(name: &str) -> Value {
    json!({
        "repository": name, "digest": null, "media_type": null, "size": null, "tags": [],
        "deleted": NOW - HOUR, "restorable_for_ms": 23 * HOUR,
    })
}

fn values(map: &BTreeMap<String, Value>) -> Value {
    page(map.values().cloned().collect())
}

// === impl Server ===

impl Server {
    /// A registry as one has it in the first week.
    pub(super) fn small() -> Self {
        let mut server = Self::default();
        for (name, size) in [
            ("library/alpine", 3),
            ("library/debian", 5),
            ("team/app", 12),
            ("team/web/api", 2),
            ("team/web/front", 8),
            ("tools", 1),
        ] {
            server
                .repositories
                .insert(name.to_owned(), repository(name, size));
        }
        let app = server.repositories.get_mut("team/app").unwrap();
        app["quota_bytes"] = json!(10_u64 << 30);
        app["immutable_tags"] = json!(["v*"]);
        app["rules"] = json!(["**", "team/**", "team/app"]);
        server.repositories.get_mut("tools").unwrap()["public"] = json!(true);
        for name in ["old/app", "team/gone"] {
            server.deleted.insert(name.to_owned(), deleted(name));
        }
        for (on, rule) in [
            (
                "**",
                json!({ "on": "**", "public": false, "quota_bytes": 100_u64 << 30, "immutable_tags": ["v*", "release-*"], "used_bytes": 92_u64 << 30 }),
            ),
            (
                "team/**",
                json!({ "on": "team/**", "public": false, "quota_bytes": 10_u64 << 30, "immutable_tags": [], "used_bytes": 3_u64 << 30 }),
            ),
            (
                "tools",
                json!({ "on": "tools", "public": true, "quota_bytes": null, "immutable_tags": [], "used_bytes": null }),
            ),
        ] {
            server.rules.insert(on.to_owned(), rule);
        }
        server
    }

    /// As something that answers.
    pub(super) fn fake(mut self) -> impl FnMut(&Request) -> Result<Value, Failure> + 'static {
        move |request| self.answer(request)
    }

    fn version(&mut self, name: &str) -> &mut u64 {
        self.versions.entry(name.to_owned()).or_insert(1)
    }

    pub(super) fn answer(&mut self, request: &Request) -> Result<Value, Failure> {
        let path = request.path.split('?').next().unwrap().to_owned();
        let path = path.replace("%2F", "/").replace("%2A", "*");
        let body = request.body.clone().unwrap_or_default();
        let method = request.method.as_str();
        if method != "GET"
            && let Some(refusal) = &self.refusal
        {
            return Err(refused(refusal));
        }
        if path.starts_with("/rules")
            && let Some(refusal) = &self.rules_refusal
        {
            return Err(refused(refusal));
        }
        let at = |prefix: &str| path.strip_prefix(prefix).map(str::to_owned);
        match (method, path.as_str()) {
            ("GET", "/repositories") => Ok(values(&self.repositories)),
            ("POST", "/repositories") => {
                let name = body["name"].as_str().unwrap();
                let is_new = !self.repositories.contains_key(name);
                self.repositories
                    .entry(name.to_owned())
                    .or_insert_with(|| repository(name, 0));
                Ok(json!({ "name": name, "created": is_new }))
            }
            ("GET", "/deleted") if request.path.contains("repository=") => Ok(page(vec![json!({
                "repository": "team/app", "digest": format!("sha256:{}", "ab".repeat(32)),
                "media_type": "application/vnd.oci.image.manifest.v1+json", "size": 1234,
                "tags": ["1.0", "latest"], "deleted": NOW - HOUR, "restorable_for_ms": HOUR,
            })])),
            ("GET", "/deleted") => Ok(values(&self.deleted)),
            ("POST", "/undelete") if body["reference"].is_string() => {
                Ok(json!({ "taken_tags": ["latest"], "missing_blobs": [] }))
            }
            ("POST", "/undelete") => {
                let name = body["repository"].as_str().unwrap();
                if self.is_taken.as_deref() == Some(name) {
                    return Err(refused(&(
                        409,
                        format!("there is a repository {name} by now"),
                    )));
                }
                self.deleted.remove(name);
                self.repositories
                    .insert(name.to_owned(), repository(name, 1));
                Ok(json!({ "repository": name }))
            }
            ("GET", "/rules") => Ok(values(&self.rules)),
            (method, path) if path.starts_with("/rules/") => {
                self.rule(method, &at("/rules/").unwrap(), body, request)
            }
            (method, path) if path.starts_with("/repositories/") => {
                self.one(method, &at("/repositories/").unwrap(), &body, request)
            }
            _ => not_there(request),
        }
    }

    fn one(
        &mut self,
        method: &str,
        name: &str,
        body: &Value,
        request: &Request,
    ) -> Result<Value, Failure> {
        if matches!(method, "DELETE" | "PATCH") {
            let seen = format!("\"{}\"", self.version(name));
            if request.if_match.as_ref() != Some(&seen) {
                return Err(refused(&(412, format!("{name} is {seen} by now"))));
            }
        }
        if method == "DELETE" {
            self.repositories.remove(name);
            self.deleted.insert(name.to_owned(), deleted(name));
            return Ok(Value::Null);
        }
        if method == "PATCH" {
            *self.version(name) += 1;
        }
        let version = *self.version(name);
        let Some(shown) = self.repositories.get_mut(name) else {
            return not_there(request);
        };
        for (field, value) in body.as_object().into_iter().flatten() {
            shown[field] = value.clone();
        }
        if self.is_always_public {
            shown["public"] = json!(true);
        }
        let mut shown = shown.clone();
        shown[ETAG] = json!(format!("\"{version}\""));
        Ok(shown)
    }

    fn rule(
        &mut self,
        method: &str,
        on: &str,
        mut body: Value,
        request: &Request,
    ) -> Result<Value, Failure> {
        if matches!(method, "PUT" | "DELETE") {
            let seen = self.rules.contains_key(on).then(|| RULE.to_owned());
            if request.if_match != seen {
                return Err(refused(&(412, format!("{on} is {seen:?} by now"))));
            }
        }
        match method {
            "PUT" => {
                let says_nothing = body["public"] == false
                    && body["quota_bytes"].is_null()
                    && body["immutable_tags"] == json!([]);
                self.rules.remove(on);
                if says_nothing {
                    return Ok(Value::Null);
                }
                body["on"] = json!(on);
                body["used_bytes"] = json!(0);
                self.rules.insert(on.to_owned(), body.clone());
                Ok(body)
            }
            "DELETE" => {
                self.rules.remove(on);
                Ok(Value::Null)
            }
            _ => match self.rules.get(on) {
                Some(rule) => {
                    let mut rule = rule.clone();
                    rule[ETAG] = json!(RULE);
                    Ok(rule)
                }
                None => not_there(request),
            },
        }
    }
}
