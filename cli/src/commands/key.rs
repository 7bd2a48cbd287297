//! `floundr key` and `floundr gen-key`: what programs log in with.
//!
//! Invariant: a key whose secret could not be handed over is revoked again.

use super::api::{self, confirm, done, moment, text, texts};
use super::{Failure, ask};
use crate::args::{GenKeyArgs, KeyOrder, NewKeyArgs, Ordered};
use crate::client::{Absent, encoded};
use crate::config::{Resolved, values};
use crate::output;
use crate::secret_file::SecretFile;
use anyhow::{Context as _, Result, anyhow};
use http::Method;
use serde_json::{Value, json};
use std::path::Path;

const PATH: &str = "/api/v1/keys";

const HEAD: [&str; 7] = [
    "KEY",
    "NAME",
    "OWNER",
    "SCOPES",
    "CREATED",
    "EXPIRES",
    "LAST USED",
];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<KeyOrder>) -> Result<(), Failure> {
    match &args.order {
        KeyOrder::List { owner } => {
            let path = api::with_parameters(PATH, &[("owner", owner.as_deref())]);
            api::show_list(args.json, &api::list(resolved, &path)?, &HEAD, row);
            Ok(())
        }
        KeyOrder::Create(new) => {
            let is_somebody = resolved.config.remote.url.is_some();
            if !is_somebody && new.owner.is_none() && !new.robot {
                let why = anyhow!("say whose key it is: --owner USER, or --robot for nobody's");
                return Err(Failure::Usage(why));
            }
            let body = body(new).map_err(Failure::Usage)?;
            create(resolved, &body, new.output_file.as_deref(), args.json)
        }
        KeyOrder::Revoke { id, asked } => {
            let id = id.strip_prefix("flr_").unwrap_or(id);
            confirm(*asked, &format!("key {id} will let nobody in any more"))?;
            let answer = api::delete(resolved, &format!("{PATH}/{}", encoded(id)))?;
            done(args.json, &answer, &format!("revoked key {id}"));
            Ok(())
        }
    }
}

/// `floundr gen-key`.
pub(crate) fn run_predecessors(resolved: &Resolved, args: &GenKeyArgs) -> Result<(), Failure> {
    // The predecessor's keys had no names, and one owner's keys must not share one.
    let name = format!("gen-key-{}", api::now());
    let body = json!({ "name": name, "owner": args.owner });
    create(resolved, &body, args.output_file.as_deref(), args.json)
}

fn body(new: &NewKeyArgs) -> Result<Value> {
    let mut body = json!({ "name": new.name });
    if let Some(owner) = &new.owner {
        body["owner"] = owner.as_str().into();
    } else if new.robot {
        body["owner"] = Value::Null;
    }
    if !new.scopes.is_empty() {
        let scopes = new.scopes.iter().map(|scope| parse_scope(scope));
        body["scopes"] = scopes.collect::<Result<Vec<_>>>()?.into();
    }
    if let Some(text) = &new.expires {
        let expires = values::duration(text);
        let expires = expires.map_err(|expected| anyhow!("--expires is {text:?}: {expected}"))?;
        let millis = u64::try_from(expires.as_millis()).context("--expires is too long")?;
        body["expires_in_ms"] = millis.into();
    }
    Ok(body)
}

/// Reads `PATTERN=PERMISSIONS`.
fn parse_scope(text: &str) -> Result<Value> {
    let parts = text.rsplit_once('=');
    let (on, permissions) = parts.with_context(|| {
        format!("--scope is {text:?}, not PATTERN=PERMISSIONS such as team/**=pull,push")
    })?;
    let permissions: Vec<_> = permissions.split(',').collect();
    Ok(json!({ "on": on, "permissions": permissions }))
}

fn create(
    resolved: &Resolved,
    body: &Value,
    file: Option<&Path>,
    as_json: bool,
) -> Result<(), Failure> {
    // Before the key is made: its secret is shown once.
    let target = match file {
        Some(path) => Some(new_file(path)?),
        None => None,
    };
    let answer = ask(resolved, Absent::Create, async |client| {
        let mut answer = client.call(Method::POST, PATH, Some(body)).await?;
        let Some(target) = target else {
            return Ok(answer);
        };
        let secret = answer["secret"].take();
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("secret");
        }
        let filled = target.fill(&format!("{}\n", text(&secret)));
        if let Err(error) = filled {
            let path = format!("{PATH}/{}", encoded(&text(&answer["id"])));
            let revoked = client.call(Method::DELETE, &path, None).await;
            revoked.context("and the key that was made for it could not be revoked")?;
            return Err(error);
        }
        Ok(answer)
    })?;
    api::show(as_json, &answer, |answer| show(answer, file));
    Ok(())
}

fn new_file(path: &Path) -> Result<SecretFile, Failure> {
    let file = SecretFile::create(path).map_err(Failure::Run)?;
    file.ok_or_else(|| {
        let why = anyhow!("{} is there already: name another file", path.display());
        Failure::Usage(why)
    })
}

fn show(answer: &Value, file: Option<&Path>) {
    let (id, name) = (text(&answer["id"]), text(&answer["name"]));
    let whose = match answer["owner"].as_str() {
        Some(owner) => format!("of {owner}"),
        None => "of a robot".to_owned(),
    };
    let Some(path) = file else {
        output::line(&format!("created key {id} ({name}) {whose}"));
        output::line(&format!("  {}", text(&answer["secret"])));
        output::line("  (it is shown this once)");
        return;
    };
    let path = path.display();
    output::line(&format!(
        "created key {id} ({name}) {whose}, written to {path}"
    ));
}

fn row(key: &Value) -> Vec<String> {
    vec![
        text(&key["id"]),
        text(&key["name"]),
        match key["owner"].as_str() {
            Some(owner) => owner.to_owned(),
            None => "(robot)".to_owned(),
        },
        scopes(&key["scopes"]),
        moment(&key["created"]),
        moment(&key["expires"]),
        moment(&key["last_used"]),
    ]
}

fn scopes(scopes: &Value) -> String {
    if scopes.is_null() {
        return "all".to_owned();
    }
    let scope = |scope: &Value| {
        let permissions = texts(&scope["permissions"], ",");
        format!("{}={permissions}", text(&scope["on"]))
    };
    api::entries(scopes)
        .map(scope)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_pattern_and_permissions() {
        let scope = parse_scope("team/**=pull,push").unwrap();
        assert_eq!(
            scope,
            json!({ "on": "team/**", "permissions": ["pull", "push"] })
        );
        assert!(parse_scope("team/**").is_err());
    }
}
