//! `floundr gc status`: where the collector stands.

use crate::client::Absent;
use crate::commands::{Failure, ask};
use crate::config::Resolved;
use crate::output::{self, amount, count, span};
use http::Method;
use serde_json::Value;

/// Asks and prints.
pub(super) fn run(resolved: &Resolved, json: bool) -> Result<(), Failure> {
    let status = ask(resolved, Absent::Refuse, async |client| {
        client.call(Method::GET, "/api/v1/gc", None).await
    })?;
    if json {
        output::json(&status);
    } else {
        show(&status);
    }
    Ok(())
}

fn show(status: &Value) {
    let mut pairs = vec![("state", state(status))];
    pairs.push((
        "blobs that nothing links, due or not",
        count(&status["candidates"]),
    ));
    pairs.push(("files about to be given back", count(&status["waiting"])));
    let mut pace = Vec::new();
    if let Some(blobs) = status["blobs_per_second"].as_u64() {
        pace.push(format!("{blobs} blobs"));
    }
    if status["bytes_per_second"].is_u64() {
        pace.push(amount(&status["bytes_per_second"]));
    }
    if !pace.is_empty() {
        pairs.push(("at most per second", pace.join(" and ")));
    }
    pairs.push(("last run that did something", last_run(&status["last_run"])));
    pairs.push((
        "files without a record",
        if status["orphans_searched"] == true {
            format!("{} removed since the start", count(&status["orphan_files"]))
        } else {
            "not looked for yet".to_owned()
        },
    ));
    if let Some(error) = status["last_error"].as_str() {
        pairs.push(("the last run failed", error.to_owned()));
    }
    if status["damaged"] != 0 {
        pairs.push(("rows that cannot be read", count(&status["damaged"])));
    }
    output::line("collector");
    output::pairs(&pairs);
    for row in status["damaged_rows"].as_array().into_iter().flatten() {
        let text = |field: &str| row[field].as_str().unwrap_or_default();
        output::line(&format!(
            "  damaged: {} {}: {}",
            text("table"),
            text("key"),
            text("why")
        ));
    }
}

fn state(status: &Value) -> String {
    if status["paused"] == true {
        return "paused; floundr gc resume ends that".to_owned();
    }
    let doing = match status["phase"].as_str() {
        Some("uploads") => "removing uploads that have expired",
        Some("trash") => "making deletions final",
        Some("rows") => "removing rows of what was deleted",
        Some("space") => "giving space back",
        Some("blobs") => {
            let (done, due) = (count(&status["done"]), count(&status["due"]));
            let rest = if status["eta_ms"].is_u64() {
                format!(", {} to go", span(&status["eta_ms"]))
            } else {
                String::new()
            };
            return format!("removing blobs, {done} of {due} done{rest}");
        }
        _ => "waiting for something to be due",
    };
    doing.to_owned()
}

fn last_run(run: &Value) -> String {
    if run.is_null() {
        return "none since the start".to_owned();
    }
    format!(
        "{} ago: {} blobs removed, {} given back",
        span(&run["ended_ms_ago"]),
        count(&run["report"]["removed"]),
        amount(&run["report"]["bytes"]),
    )
}
