//! `floundr why DIGEST`: everything that keeps it, or when it goes.

use super::{Failure, ask};
use crate::client::Absent;
use crate::config::Resolved;
use crate::output::{self, amount, count, span};
use anyhow::Context as _;
use floundr_engine::digest::Digest;
use serde_json::Value;

/// Asks and prints.
pub(crate) fn run(resolved: &Resolved, text: &str, json: bool) -> Result<(), Failure> {
    let digest: Digest = text
        .parse()
        .with_context(|| format!("DIGEST is {text:?}"))
        .map_err(Failure::Usage)?;
    let mut why = Value::Null;
    ask(resolved, Absent::Refuse, async |client| {
        let path = format!("/api/v1/digests/{digest}?");
        client.pages(&path, |page| add(&mut why, page)).await
    })?;
    if json {
        output::json(&why);
    } else {
        show(&why);
    }
    Ok(())
}

/// Adds the holders of a page to those of the ones before.
fn add(why: &mut Value, mut page: Value) {
    match why["holders"].as_array_mut() {
        None => *why = page,
        Some(holders) => {
            let more = page["holders"].as_array_mut().map(std::mem::take);
            holders.extend(more.unwrap_or_default());
        }
    }
    if let Some(object) = why.as_object_mut() {
        object.remove("next");
    }
}

fn show(why: &Value) {
    let blob = &why["blob"];
    let what = if blob.is_null() {
        "a manifest, in the metadata".to_owned()
    } else {
        format!(
            "{} in {} file {}",
            amount(&blob["size"]),
            text(&blob["file"]),
            count(&blob["number"]),
        )
    };
    output::line(&format!("{}: {what}", text(&why["digest"])));
    if blob["damaged"] == true {
        output::line("  its bytes are damaged and not served; pushing it again heals it");
    }
    for holder in items(&why["holders"]) {
        show_holder(holder);
    }
}

fn show_holder(holder: &Value) {
    output::line(&format!(
        "{}: {}",
        text(&holder["repository"]),
        standing(holder)
    ));
    for edge in items(&holder["edges"]) {
        let (reason, target) = (text(&edge["reason"]), text(&edge["target"]));
        let mut line = format!("  {} has {target} as {reason}", text(&edge["source"]));
        if edge["keeps"] == false {
            line += ", which keeps nothing";
        }
        if let Some(left) = restorable(&edge["source_restorable_for_ms"]) {
            line += &left;
        } else if edge["source_deleted"] == true {
            line += " (it was deleted, and its rows are about to go)";
        }
        if edge["damaged"] == true {
            line += " (this row is damaged)";
        }
        output::line(&line);
    }
    if holder["more_edges"] == true {
        output::line("  and more manifests");
    }
    for tag in items(&holder["tags"]) {
        let (tag, manifest) = (text(&tag["tag"]), text(&tag["manifest"]));
        output::line(&format!("  tag {tag} names {manifest}"));
    }
    if holder["more_tags"] == true {
        output::line("  and more tags");
    }
}

fn standing(holder: &Value) -> String {
    if holder["deleted"] == true {
        return "the repository was deleted; what it holds goes when it cannot be restored any more".to_owned();
    }
    if let Some(media_type) = holder["manifest"].as_str() {
        return format!("stays until it is deleted, a manifest of type {media_type}");
    }
    if let Some(left) = restorable(&holder["restorable_for_ms"]) {
        return format!("a manifest{left}");
    }
    let garbage = &holder["garbage"];
    if garbage.is_null() {
        return match holder["edges_that_keep"].as_u64() {
            Some(1) => "kept by one manifest".to_owned(),
            _ => format!(
                "kept in {} places of manifests",
                count(&holder["edges_that_keep"])
            ),
        };
    }
    let goes = match garbage["due_in_ms"].as_u64() {
        Some(0) => "goes with the next collection".to_owned(),
        _ => format!("goes in {}", span(&garbage["due_in_ms"])),
    };
    let lease = if garbage["leased_for_ms"] == 0 {
        String::new()
    } else {
        let leased = span(&garbage["leased_for_ms"]);
        format!(" (clients may rely on it for {leased})")
    };
    let since = span(&garbage["unlinked_for_ms"]);
    format!("nothing has linked it for {since}; {goes}{lease}")
}

/// What is said of a manifest that was deleted and can still be restored.
fn restorable(left: &Value) -> Option<String> {
    let left = left.is_u64().then(|| span(left))?;
    Some(format!(" (it was deleted, and can be restored for {left})"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
