//! `floundr gc pause` and `floundr gc resume`.

use crate::client::Absent;
use crate::commands::{Failure, ask};
use crate::config::Resolved;
use crate::output;
use http::Method;

/// Stops all removal, durably.
pub(super) fn pause(resolved: &Resolved, json: bool) -> Result<(), Failure> {
    let said = "collection is paused, over restarts too, until floundr gc resume";
    give(resolved, "/api/v1/gc/pause", said, json)
}

/// Ends a pause, durably.
pub(super) fn resume(resolved: &Resolved, json: bool) -> Result<(), Failure> {
    let said = "collection goes on";
    give(resolved, "/api/v1/gc/resume", said, json)
}

fn give(resolved: &Resolved, path: &str, said: &str, json: bool) -> Result<(), Failure> {
    let status = ask(resolved, Absent::Refuse, async |client| {
        client.call(Method::POST, path, None).await
    })?;
    if json {
        output::json(&status);
    } else {
        output::line(said);
    }
    Ok(())
}
