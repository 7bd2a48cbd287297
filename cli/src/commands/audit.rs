//! `floundr audit`: who did what to what, from where, and how it ended.

use super::api::{self, moment, text};
use super::{Failure, ask};
use crate::args::{AuditArgs, AuditOrder};
use crate::client::{Absent, Client};
use crate::config::{Resolved, values};
use crate::output;
use anyhow::{Result, anyhow};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/v1/audit";

const HEAD: [&str; 7] = ["AT", "WHO", "KEY", "FROM", "ACTION", "OBJECT", "RESULT"];

/// Records asked for at once.
const PAGE: usize = 500;

/// How often a follower asks for what is new.
const INTERVAL: Duration = Duration::from_secs(2);

/// The action of asking for the log, which is written down as well: a follower who was shown it would
/// see nothing else.
const READ: &str = "audit_read";

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &AuditArgs) -> Result<(), Failure> {
    match args.order {
        Some(AuditOrder::Verify) => verify(resolved, args.json),
        None => {
            let path = path(args).map_err(Failure::Usage)?;
            ask(resolved, Absent::Refuse, async |client| {
                let records = newest(client, &path, |seen, _| seen < args.limit).await?;
                if !args.follow {
                    show(args.json, &records);
                    return Ok(());
                }
                follow(client, &path, records, args.json).await
            })
        }
    }
}

fn verify(resolved: &Resolved, as_json: bool) -> Result<(), Failure> {
    let path = format!("{PATH}/verify");
    let answer = api::change(resolved, Method::POST, &path, &json!({}))?;
    let count = text(&answer["records"]);
    let broken = answer["broken_at"].as_u64();
    api::show(as_json, &answer, |_| match broken {
        None => output::line(&format!("{count} records follow from one another")),
        Some(at) => output::line(&format!(
            "{count} records follow from one another; record {at} does not: it, or one before it, \
             was changed or removed"
        )),
    });
    match broken {
        None => Ok(()),
        Some(at) => Err(Failure::Run(anyhow!(
            "the audit log is broken at record {at}"
        ))),
    }
}

fn path(args: &AuditArgs) -> Result<String> {
    let since = match &args.since {
        None => None,
        Some(text) => {
            let ago = values::duration(text);
            let ago = ago.map_err(|expected| anyhow!("--since is {text:?}: {expected}"))?;
            let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            Some(api::now().saturating_sub(ago).to_string())
        }
    };
    Ok(api::with_parameters(
        PATH,
        &[
            ("actor", args.actor.as_deref()),
            ("action", args.action.as_deref()),
            ("object", args.object.as_deref()),
            ("since", since.as_deref()),
        ],
    ))
}

/// The records, newest first, for as long as `more` wants another after so many and such a one.
async fn newest(
    client: &Client,
    path: &str,
    more: impl Fn(usize, &Value) -> bool,
) -> Result<Vec<Value>> {
    let mut records = Vec::new();
    let mut last = String::new();
    loop {
        let path = format!("{path}n={PAGE}{last}");
        let page = client.call(Method::GET, &path, None).await?;
        for record in api::entries(&page["items"]) {
            if !more(records.len(), record) {
                return Ok(records);
            }
            records.push(record.clone());
        }
        if page["next"].is_null() {
            return Ok(records);
        }
        last = format!("&last={}", text(&page["next"]));
    }
}

/// Prints what there is and what comes, until it is interrupted.
async fn follow(client: &Client, path: &str, mut records: Vec<Value>, as_json: bool) -> Result<()> {
    let mut seen = 0;
    loop {
        // Oldest first: what comes stands below what was.
        for record in records.iter().rev() {
            seen = record["sequence"].as_u64().unwrap_or(seen);
            if record["action"] == READ {
                continue;
            }
            let is_open = if as_json {
                output::try_line(&record.to_string())
            } else {
                output::try_line(&row(record).join("  "))
            };
            if !is_open {
                return Ok(());
            }
        }
        tokio::time::sleep(INTERVAL).await;
        let is_new = |_, record: &Value| record["sequence"].as_u64() > Some(seen);
        records = newest(client, path, is_new).await?;
    }
}

fn show(as_json: bool, records: &[Value]) {
    if as_json {
        output::json(&json!({ "items": records }));
        return;
    }
    let rows: Vec<_> = records.iter().rev().map(row).collect();
    output::left_table(&HEAD, &rows);
}

fn row(record: &Value) -> Vec<String> {
    vec![
        moment(&record["at"]),
        text(&record["actor"]),
        text(&record["key"]),
        text(&record["from"]),
        text(&record["action"]),
        text(&record["object"]),
        text(&record["result"]),
    ]
}
