//! `floundr rule`: how repositories behave, by pattern; and the same of one, for `floundr repo set`.

use super::api::{self, bytes, done, text, texts};
use super::{Failure, ask};
use crate::args::{Ordered, RuleArgs, RuleOrder};
use crate::client::{Absent, Answer, Client, Question, Refusal, encoded};
use crate::config::{Resolved, values};
use anyhow::{Result, anyhow};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

const PATH: &str = "/api/v1/rules";

const HEAD: [&str; 5] = ["ON", "PUBLIC", "QUOTA", "USED", "IMMUTABLE TAGS"];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<RuleOrder>) -> Result<(), Failure> {
    match &args.order {
        RuleOrder::List { filter } => {
            let path = api::with_parameters(PATH, &[("filter", filter.as_deref())]);
            let rules = api::list(resolved, &path)?;
            api::show_list(args.json, &rules, &HEAD, row);
        }
        RuleOrder::Set { on, rule } => {
            let changes = changes(rule).map_err(Failure::Usage)?;
            let answer = ask(resolved, Absent::Create, async |client| {
                set(client, &path_of(on), &changes).await
            })?;
            let text = if answer.is_null() {
                format!("{on}: the rule says nothing any more, and is gone")
            } else {
                format!("{on}: {}", said(&answer))
            };
            done(args.json, &answer, &text);
        }
        RuleOrder::Delete { on } => {
            let answer = api::delete(resolved, &path_of(on))?;
            done(args.json, &answer, &format!("deleted the rule on {on}"));
        }
    }
    Ok(())
}

/// What the flags change, by the names of the fields.
///
/// # Errors
/// A value that is none.
pub(super) fn changes(rule: &RuleArgs) -> Result<Map<String, Value>> {
    let mut changes = Map::new();
    if rule.public || rule.private {
        changes.insert("public".to_owned(), rule.public.into());
    }
    if let Some(text) = &rule.quota {
        let bytes = values::size(text);
        let bytes = bytes.map_err(|expected| anyhow!("--quota is {text:?}: {expected}"))?;
        changes.insert("quota_bytes".to_owned(), bytes.into());
    } else if rule.no_quota {
        changes.insert("quota_bytes".to_owned(), Value::Null);
    }
    if !rule.immutable_tags.is_empty() || rule.no_immutable_tags {
        let tags = rule.immutable_tags.clone();
        changes.insert("immutable_tags".to_owned(), tags.into());
    }
    Ok(changes)
}

/// What a rule, or a repository, says.
pub(super) fn said(rule: &Value) -> String {
    let public = if rule["public"] == true {
        "public"
    } else {
        "not public"
    };
    let quota = match rule["quota_bytes"].as_u64() {
        Some(_) => format!("quota {}", bytes(&rule["quota_bytes"])),
        None => "no quota".to_owned(),
    };
    let tags = texts(&rule["immutable_tags"], " ");
    match tags.as_str() {
        "-" => format!("{public}, {quota}, no immutable tags"),
        tags => format!("{public}, {quota}, immutable tags {tags}"),
    }
}

/// Puts the rule with what is changed in it, if nobody else changes it meanwhile.
async fn set(client: &Client, path: &str, changes: &Map<String, Value>) -> Result<Value> {
    let present = match client.ask(Question::get(path)).await {
        Ok(answer) => answer,
        Err(error) if is_absent(&error) => Answer::default(),
        Err(error) => return Err(error),
    };
    let field = |name: &str, default: Value| {
        let given = changes.get(name).or_else(|| present.body.get(name));
        given.cloned().unwrap_or(default)
    };
    let rule = json!({
        "public": field("public", false.into()),
        "quota_bytes": field("quota_bytes", Value::Null),
        "immutable_tags": field("immutable_tags", json!([])),
    });
    let question = Question {
        method: Method::PUT,
        path,
        body: Some(&rule),
        if_match: present.etag.as_deref(),
    };
    Ok(client.ask(question).await?.body)
}

fn is_absent(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.is_some_and(|refusal| refusal.status == StatusCode::NOT_FOUND)
}

fn path_of(on: &str) -> String {
    format!("{PATH}/{}", encoded(on))
}

fn row(rule: &Value) -> Vec<String> {
    vec![
        text(&rule["on"]),
        text(&rule["public"]),
        bytes(&rule["quota_bytes"]),
        bytes(&rule["used_bytes"]),
        texts(&rule["immutable_tags"], " "),
    ]
}
