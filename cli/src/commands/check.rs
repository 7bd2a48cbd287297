//! `floundr check`: reads everything that is stored and says what is not as it was put.

use super::store::{self, runtime};
use super::{Failure, ask};
use crate::args::CheckArgs;
use crate::client::Absent;
use crate::config::Resolved;
use crate::output::{self, amount, count};
use anyhow::{Context as _, anyhow, ensure};
use floundr_engine::{CheckOptions, check_offline};
use floundr_frontend::manage::CheckAnswer;
use http::Method;
use serde_json::{Value, json};

/// Checks and prints; what is wrong and stays so is a failure.
pub(crate) fn run(resolved: &Resolved, args: &CheckArgs) -> Result<(), Failure> {
    let report = if args.offline {
        offline(resolved, args.repair).map_err(Failure::Run)?
    } else {
        let body = json!({ "repair": args.repair });
        ask(resolved, Absent::Refuse, async |client| {
            client
                .call(Method::POST, "/api/v1/check", Some(&body))
                .await
        })?
    };
    if args.json {
        output::json(&report);
    } else {
        show(&report);
    }
    let left = report["found"].as_u64().unwrap_or_default()
        - report["repaired"].as_u64().unwrap_or_default();
    if left == 0 {
        return Ok(());
    }
    Err(Failure::Run(anyhow!(
        "{left} things are not as they were put: what is not served heals when it is pushed again, \
         and floundr check --repair writes anew what can be derived"
    )))
}

/// Without a server: the pages of the metadata file, too.
fn offline(resolved: &Resolved, repair: bool) -> anyhow::Result<Value> {
    let config = &resolved.config.store;
    ensure!(
        config.root.join("metadata.redb").exists(),
        "there is no store in {}: name its directory with --storage-path, or its home with \
         --home-dir",
        config.root.display()
    );
    let options = CheckOptions {
        repair,
        bytes_per_second: 0,
    };
    let checked = runtime()?.block_on(check_offline(store::options(config), options));
    let report = checked.context("cannot check the store; no server may have it open")?;
    Ok(serde_json::to_value(CheckAnswer::from(report))?)
}

fn show(report: &Value) {
    output::line(&format!(
        "read {} rows, {} blobs of {} together, and compared {} files",
        count(&report["rows"]),
        count(&report["blobs"]),
        amount(&report["bytes"]),
        count(&report["files"]),
    ));
    if report["clean"] == true {
        output::line("everything is as it was put");
        return;
    }
    output::line(&format!(
        "found {}, repaired {}, not served {}",
        count(&report["found"]),
        count(&report["repaired"]),
        count(&report["quarantined"]),
    ));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
    for finding in findings {
        let (place, what) = (text(&finding["place"]), text(&finding["what"]));
        let done = match text(&finding["done"]).as_str() {
            "quarantined" => "not served any more",
            "known" => "not served",
            "repaired" => "repaired",
            "removed" => "removed",
            _ => "left as it is",
        };
        output::line(&format!("  {place}: {what} ({done})"));
    }
    let more = report["found"].as_u64().unwrap_or_default() - findings.len() as u64;
    if more > 0 {
        output::line(&format!("  and {more} more"));
    }
}
