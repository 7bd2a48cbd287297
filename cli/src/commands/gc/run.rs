//! `floundr gc`: collects what is due now.

use crate::client::Absent;
use crate::commands::{Failure, ask};
use crate::config::Resolved;
use crate::output::{self, amount, count};
use http::Method;
use serde_json::Value;

/// Collects, and says what came back.
pub(super) fn run(resolved: &Resolved, body: &Value, json: bool) -> Result<(), Failure> {
    let report = ask(resolved, Absent::Refuse, async |client| {
        client.call(Method::POST, "/api/v1/gc", Some(body)).await
    })?;
    if json {
        output::json(&report);
        return Ok(());
    }
    output::line("collected what was due");
    show(&report);
    if report["unlinked"] == 0 && report["removed"] == 0 {
        output::line(
            "A blob that nothing links stays for gc_grace and its lease first; floundr config \
             shows both.",
        );
    }
    Ok(())
}

/// Prints what a run did, or would do.
pub(super) fn show(report: &Value) {
    let mut pairs = vec![
        ("blobs removed", count(&report["removed"])),
        ("space given back", amount(&report["bytes"])),
        ("blobs that left a repository", count(&report["unlinked"])),
        (
            "uploads that had expired",
            count(&report["expired_uploads"]),
        ),
    ];
    for (name, field) in [
        ("deletions made final", "purged_manifests"),
        ("files without a record", "orphan_files"),
        ("rows that cannot be read", "damaged"),
        ("failed, to be tried again", "failed"),
    ] {
        if report[field] != 0 {
            pairs.push((name, count(&report[field])));
        }
    }
    output::pairs(&pairs);
    if report["held"] == true {
        output::line("A backup runs: the space comes back by itself when it has ended.");
    }
    if report["complete"] == false {
        output::line("It was paused in between; the rest goes after floundr gc resume.");
    }
}
