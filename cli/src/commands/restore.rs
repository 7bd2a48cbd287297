//! `floundr restore BACKUP`: a store out of a backup, in the configured storage directory.

use super::{Failure, accounts, store};
use crate::args::RestoreArgs;
use crate::config::Resolved;
use crate::output::{self, bytes};
use anyhow::{Context as _, Error, anyhow};
use floundr_engine::backup::{RestoreError, RestoreOptions, RestoreReport, restore};
use floundr_frontend::manage::BACKED_UP_ACCOUNTS;
use serde_json::json;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Restores, and says what the store has.
pub(crate) fn run(resolved: &Resolved, args: &RestoreArgs) -> Result<(), Failure> {
    let root = &resolved.config.store.root;
    let options = RestoreOptions {
        hard_links: args.hard_links,
        ..RestoreOptions::default()
    };
    let runtime = store::runtime().map_err(Failure::Run)?;
    // First, so that a backup whose accounts cannot be read makes no store without them.
    let accounts = args.backup.join(BACKED_UP_ACCOUNTS);
    let accounts = runtime.block_on(accounts::read_backup(&accounts));
    let accounts = accounts
        .context("nothing was restored")
        .map_err(Failure::Run)?;
    let report = runtime
        .block_on(restore(&args.backup, root, options))
        .map_err(|error| Failure::Run(explained(error)))?;
    match accounts {
        Some(rows) => runtime
            .block_on(accounts::put_restored(rows, root))
            .context("the store is restored, its accounts are not")
            .map_err(Failure::Run)?,
        None => output::error(&anyhow!(
            "the backup has no accounts: the next start makes an administrator"
        )),
    }
    if args.json {
        show_json(&report, root);
    } else {
        show(&report, root);
    }
    Ok(())
}

fn show(report: &RestoreReport, root: &Path) {
    let began = httpdate::fmt_http_date(UNIX_EPOCH + report.began);
    let root = root.display();
    output::line(&format!("restored into {root}: the store as of {began}"));
    output::pairs(&[
        ("repositories", report.repositories.to_string()),
        ("tags", report.tags.to_string()),
        ("manifests", report.manifests.to_string()),
        ("blobs", report.blobs.to_string()),
        ("content", bytes(report.copied_bytes + report.linked_bytes)),
        ("metadata", bytes(report.metadata_bytes)),
    ]);
    for digest in &report.damaged {
        output::line(&format!(
            "  was damaged in the store already, push it again: {digest}"
        ));
    }
    output::line("Every byte was hashed. Start it: floundr serve");
}

fn show_json(report: &RestoreReport, root: &Path) {
    let damaged: Vec<_> = report.damaged.iter().map(ToString::to_string).collect();
    output::json(&json!({
        "store": root,
        "as_of_ms": u64::try_from(report.began.as_millis()).unwrap_or(u64::MAX),
        "repositories": report.repositories,
        "tags": report.tags,
        "manifests": report.manifests,
        "blobs": report.blobs,
        "copied_bytes": report.copied_bytes,
        "linked_bytes": report.linked_bytes,
        "metadata_bytes": report.metadata_bytes,
        "damaged": damaged,
    }));
}

/// The refusal with what to do about it.
fn explained(error: RestoreError) -> Error {
    let next = match &error {
        RestoreError::NotEmpty(_) => {
            "name another directory with --home-dir or --storage-path; nothing is overwritten"
        }
        RestoreError::InUse(_) => "stop the server or the backup that works on it",
        RestoreError::Incomplete(_) => "run floundr backup into it again, which goes on",
        RestoreError::NewerFormat { .. } => "install a newer floundr",
        RestoreError::Damaged { .. } => {
            "nothing was restored; floundr backup --verify into it heals it while the store lives"
        }
        RestoreError::OtherFileSystem(_) => "leave --hard-links out",
        RestoreError::NotABackup(_) => "name a directory that floundr backup made",
        RestoreError::Storage(_) => return Error::new(error).context("nothing was restored"),
    };
    anyhow!("{error}: {next}")
}
