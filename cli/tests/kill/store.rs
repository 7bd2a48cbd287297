//! The store opened without a server, when all that nothing holds is due: what there is, is what
//! the ledgers say, and every file has a record.

use crate::client::Client;
use crate::fault::{Fault, Kind};
use crate::ledger::{LEASE, UPLOAD_LIFETIME};
use floundr_engine::digest::Digest;
use floundr_engine::gc::GcReport;
use floundr_engine::page::Page;
use floundr_engine::{Collection, Engine, Options};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Collects what is left, and compares. Answers what that collection did.
pub(crate) fn check(root: &Path, clients: &[Client]) -> Result<GcReport, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| orphan(&error))?.block_on(async {
        let options = Options {
            grace: LEASE,
            lease: LEASE,
            undo: Duration::ZERO,
            upload_lifetime: UPLOAD_LIFETIME,
            collection: Collection::OnDemand,
            ..Options::new(root)
        };
        let engine = Engine::open(options)
            .await
            .map_err(|error| orphan(&error))?;
        let report = engine.collect().await.map_err(|error| orphan(&error))?;
        let violations = engine.audit().await.map_err(|error| orphan(&error))?;
        if !violations.is_empty() {
            return Err(orphan(&format!("the audit: {}", violations.join("; "))));
        }
        counts(&engine, clients).await?;
        files(&engine, root).await?;
        engine.close().await.map_err(|error| orphan(&error))?;
        Ok(report)
    })
}

fn orphan(what: &dyn Display) -> Fault {
    Fault::new(Kind::Orphan, what.to_string())
}

/// As many blobs, manifests and tags as the ledgers have.
async fn counts(engine: &Engine, clients: &[Client]) -> Result<(), Fault> {
    let ledgers = || clients.iter().map(|client| &client.ledger);
    let held: BTreeSet<Digest> = ledgers()
        .flat_map(|ledger| ledger.held().map(|(_, digest)| digest))
        .collect();
    let images = ledgers().flat_map(|ledger| ledger.images.values());
    let manifests = images.filter(|image| image.there == Some(true)).count();
    let tags = ledgers().flat_map(|ledger| ledger.tags.values());
    let tags = tags.filter(|names| !names.contains(&None)).count();
    let found = engine.statistics().await.map_err(|error| orphan(&error))?;
    let expected = [held.len(), manifests, tags].map(|count| count as u64);
    if expected == [found.blobs, found.manifests, found.tags] {
        return Ok(());
    }
    let known = ledgers().flat_map(|ledger| ledger.blobs.keys());
    let known: BTreeSet<Digest> = known.map(|(_, digest)| *digest).collect();
    let mut kept = Vec::new();
    for digest in known.difference(&held) {
        let page = Page {
            after: None,
            limit: 4,
        };
        kept.extend(
            engine
                .why(digest, page)
                .await
                .map_err(|error| orphan(&error))?,
        );
    }
    Err(orphan(&format!(
        "{found:?}, not {expected:?} blobs, manifests and tags; nothing holds {kept:?}"
    )))
}

/// No file without a record, and no record without a file. Where a record names an upload's file,
/// the upload is open.
async fn files(engine: &Engine, root: &Path) -> Result<(), Fault> {
    let [named, uploads] = engine.named_files().await.map_err(|error| orphan(&error))?;
    let mut files = BTreeSet::new();
    for folder in ["blobs", "segments"] {
        walk(&root.join(folder), &mut files)?;
    }
    let missing: Vec<_> = named.difference(&files).collect();
    if !missing.is_empty() {
        let text = format!("records without a file: {missing:?}");
        return Err(Fault::new(Kind::Lost, text));
    }
    let nobodys: Vec<_> = files.difference(&named).collect();
    let nobodys: Vec<_> = nobodys
        .iter()
        .filter(|file| !uploads.contains(**file))
        .collect();
    if nobodys.is_empty() {
        return Ok(());
    }
    Err(orphan(&format!("files without a record: {nobodys:?}")))
}

fn walk(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Fault> {
    let failed = |error| orphan(&format!("list {}: {error}", folder.display()));
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}
