//! `floundr backup DIR`: a backup, while the server runs or without one.

use super::{Failure, ask};
use crate::args::BackupArgs;
use crate::client::{Absent, Client};
use crate::config::Resolved;
use crate::output::{self, amount, count};
use anyhow::{Context as _, Result, anyhow};
use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const PATH: &str = "/api/v1/backup";

/// How often the progress is shown to somebody who watches.
const INTERVAL: Duration = Duration::from_secs(1);

/// Makes the backup, and says what is in it and how to get it back.
pub(crate) fn run(resolved: &Resolved, args: &BackupArgs) -> Result<(), Failure> {
    let directory = std::path::absolute(&args.directory)
        .with_context(|| format!("cannot use {}", args.directory.display()))
        .map_err(Failure::Usage)?;
    let body = json!({
        "directory": directory,
        "hard_links": args.hard_links,
        "verify": args.verify,
    });
    let report = ask(resolved, Absent::Refuse, async |client| {
        // Two questions at a time: too much for the stack of whoever asks.
        Box::pin(make(client, &body))
            .await
            .context("no backup was made")
    })?;
    if args.json {
        output::json(&report);
    } else {
        show(&report, &directory);
    }
    let damaged = report["damaged"].as_array().map_or(0, Vec::len);
    if damaged > 0 {
        return Err(Failure::Run(anyhow!(
            "{damaged} blobs are damaged in the store, and their content is not in the backup: \
             push them again, and repeat the backup"
        )));
    }
    Ok(())
}

/// Waits for the backup, and shows how far it is to who watches.
async fn make(client: &Client, body: &Value) -> Result<Value> {
    let backup = client.call(Method::POST, PATH, Some(body));
    tokio::pin!(backup);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.reset();
    let shown = output::Progress::new();
    loop {
        tokio::select! {
            report = &mut backup => return report,
            _ = ticks.tick(), if shown.is_watched() => {
                // It may have ended just now: its own answer says how.
                if let Ok(progress) = client.call(Method::GET, PATH, None).await {
                    shown.show(&progress);
                }
            }
        }
    }
}

fn show(report: &Value, directory: &Path) {
    output::line(&format!("backup in {} is complete", directory.display()));
    let mut pairs = vec![
        ("repositories", count(&report["repositories"])),
        ("tags", count(&report["tags"])),
        ("manifests", count(&report["manifests"])),
        ("blobs", count(&report["blobs"])),
        ("copied", amount(&report["copied_bytes"])),
        ("already there", amount(&report["kept_bytes"])),
        ("metadata", amount(&report["metadata_bytes"])),
    ];
    if report["linked_bytes"] != 0 {
        pairs.push(("linked", amount(&report["linked_bytes"])));
    }
    output::pairs(&pairs);
    for digest in report["damaged"].as_array().into_iter().flatten() {
        let digest = digest.as_str().unwrap_or_default();
        output::line(&format!("  damaged in the store: {digest}"));
    }
    output::line(&format!(
        "To make a store of it: floundr restore {} --home-dir NEW-HOME",
        directory.display()
    ));
}
