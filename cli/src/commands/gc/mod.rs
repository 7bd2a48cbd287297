//! `floundr gc`: one file per thing that can be asked of the collector.

mod order;
mod plan;
mod run;
mod status;

use super::Failure;
use crate::args::{GcArgs, GcOrder};
use crate::config::{Resolved, values};
use anyhow::anyhow;
use serde_json::json;

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &GcArgs) -> Result<(), Failure> {
    let Some(order) = args.order else {
        let body = json!({
            "grace_ms": grace(args)?,
            "empty_trash": args.empty_trash,
            "dry_run": args.dry_run,
        });
        return if args.dry_run {
            plan::run(resolved, &body, args.json)
        } else {
            run::run(resolved, &body, args.json)
        };
    };
    if args.dry_run || args.empty_trash || args.grace.is_some() {
        let why = "--dry-run, --empty-trash and --grace are for floundr gc alone";
        return Err(Failure::Usage(anyhow!(why)));
    }
    match order {
        GcOrder::Status => status::run(resolved, args.json),
        GcOrder::Pause => order::pause(resolved, args.json),
        GcOrder::Resume => order::resume(resolved, args.json),
    }
}

/// The grace period that was given, in milliseconds.
fn grace(args: &GcArgs) -> Result<Option<u64>, Failure> {
    let Some(text) = &args.grace else {
        return Ok(None);
    };
    let grace = values::duration(text)
        .map_err(|why| Failure::Usage(anyhow!("--grace is {text:?}: {why}")))?;
    Ok(Some(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)))
}
