//! `floundr gc --dry-run`: what a run would remove now, blob by blob.

use super::run::show;
use crate::client::{Absent, Client};
use crate::commands::{Failure, ask};
use crate::config::Resolved;
use crate::output::{self, amount, span};
use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

/// Lists it, and sums it up. Nothing is removed.
pub(super) fn run(resolved: &Resolved, body: &Value, json: bool) -> Result<(), Failure> {
    let mut items = Vec::new();
    let report = ask(resolved, Absent::Refuse, async |client| {
        list(client, &body["grace_ms"], |item| {
            if json {
                items.push(item);
            } else {
                line(&item);
            }
        })
        .await?;
        client.call(Method::POST, "/api/v1/gc", Some(body)).await
    })?;
    if json {
        output::json(&json!({ "items": items, "report": report }));
        return Ok(());
    }
    output::line("this is what floundr gc would do now");
    show(&report);
    Ok(())
}

async fn list(client: &Client, grace: &Value, mut each: impl FnMut(Value)) -> Result<()> {
    let path = match grace.as_u64() {
        Some(grace) => format!("/api/v1/gc/plan?grace_ms={grace}&"),
        None => "/api/v1/gc/plan?".to_owned(),
    };
    let each_page = |mut page: Value| {
        let items = page["items"].as_array_mut().map(std::mem::take);
        items.unwrap_or_default().into_iter().for_each(&mut each);
    };
    client.pages(&path, each_page).await
}

/// One blob, in the order of the run: the list may be longer than memory would like.
fn line(item: &Value) {
    let repository = item["repository"].as_str();
    let repository = repository.unwrap_or("(a repository whose name cannot be read)");
    let why = match item["reason"].as_str() {
        Some("repository-deleted") => "the repository was deleted".to_owned(),
        _ => format!(
            "nothing has linked it for {}",
            span(&item["unlinked_for_ms"])
        ),
    };
    let rest = if item["frees"] == true {
        ""
    } else {
        ", other repositories keep it"
    };
    output::line(&format!(
        "{:>10}  {}  {repository}: {why}{rest}",
        amount(&item["size"]),
        item["digest"].as_str().unwrap_or_default(),
    ));
}
