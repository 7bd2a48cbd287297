//! `floundr undelete`: restores what was deleted, and lists what can be.

use super::api::{entries, text};
use super::named::Named;
use super::{Failure, ask};
use crate::args::UndeleteArgs;
use crate::client::Absent;
use crate::config::Resolved;
use crate::output::{self, amount, span};
use anyhow::anyhow;
use floundr_engine::name::RepositoryName;
use http::Method;
use serde_json::{Value, json};

/// Restores, or lists.
pub(crate) fn run(resolved: &Resolved, args: &UndeleteArgs) -> Result<(), Failure> {
    let named = args.what.as_deref().map(Named::parse).transpose();
    let named = named.map_err(Failure::Usage)?;
    match named {
        Some(named) if !args.list => restore(resolved, &named, args.json),
        Some(Named {
            reference: Some(_), ..
        }) => Err(Failure::Usage(anyhow!("--list takes a repository alone"))),
        named => {
            let repository = named.as_ref().map(|named| &named.repository);
            list(resolved, repository, args.json)
        }
    }
}

fn restore(resolved: &Resolved, named: &Named, json: bool) -> Result<(), Failure> {
    let body = json!({
        "repository": named.repository.as_str(),
        "reference": named.reference.as_ref().map(ToString::to_string),
    });
    let answer = ask(resolved, Absent::Refuse, async |client| {
        client
            .call(Method::POST, "/api/v1/undelete", Some(&body))
            .await
    })?;
    if json {
        output::json(&answer);
        return Ok(());
    }
    let name = &named.repository;
    match &answer["digest"] {
        Value::String(digest) => output::line(&format!("restored {name}@{digest}")),
        _ => output::line(&format!("restored repository {name}")),
    }
    for tag in texts(&answer["tags"]) {
        output::line(&format!("  tag {tag} names it"));
    }
    for tag in texts(&answer["taken_tags"]) {
        output::line(&format!(
            "  tag {tag} was set to something else since, and stays so"
        ));
    }
    for blob in texts(&answer["missing_blobs"]) {
        output::line(&format!("  {blob} was deleted by itself: push it again"));
    }
    Ok(())
}

fn list(
    resolved: &Resolved,
    repository: Option<&RepositoryName>,
    json: bool,
) -> Result<(), Failure> {
    let mut items = Vec::new();
    ask(resolved, Absent::Refuse, async |client| {
        let path = match repository {
            Some(name) => format!("/api/v1/deleted?repository={name}&"),
            None => "/api/v1/deleted?".to_owned(),
        };
        let each = |mut page: Value| {
            let more = page["items"].as_array_mut().map(std::mem::take);
            items.extend(more.unwrap_or_default());
        };
        client.pages(&path, each).await
    })?;
    if json {
        output::json(&json!({ "items": items }));
    } else if items.is_empty() {
        output::line("nothing can be restored here");
    } else if repository.is_some() {
        let head = ["MANIFEST", "SIZE", "TAGS", "RESTORABLE FOR"];
        let rows: Vec<_> = items.iter().map(manifest_row).collect();
        output::table(&head, &rows);
    } else {
        let row = |item: &Value| vec![text(&item["repository"]), span(&item["restorable_for_ms"])];
        let rows: Vec<_> = items.iter().map(row).collect();
        output::table(&["REPOSITORY", "RESTORABLE FOR"], &rows);
    }
    Ok(())
}

fn manifest_row(item: &Value) -> Vec<String> {
    vec![
        text(&item["digest"]),
        amount(&item["size"]),
        texts(&item["tags"]).collect::<Vec<_>>().join(" "),
        span(&item["restorable_for_ms"]),
    ]
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    entries(value).filter_map(Value::as_str)
}
