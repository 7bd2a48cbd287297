//! `floundr migrate-fresh`: destroys the store with the accounts and the audit log, and begins anew.
//!
//! Invariants:
//! 1. Nothing is removed before somebody has been told what it is and has typed its name, or has said
//!    `--yes`.
//! 2. No server can have the store: while it is asked, this process has it, and it is removed under
//!    its lock.

use super::api::text;
use super::{Failure, accounts, ask, store};
use crate::args::MigrateFreshArgs;
use crate::client::{Absent, Client};
use crate::config::{Config, Resolved};
use crate::output::{self, amount};
use crate::terminal;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use floundr_engine::destroy;
use floundr_engine::disk::SystemDisk;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

/// Tells, asks, destroys and begins anew.
pub(crate) fn run(resolved: &Resolved, args: &MigrateFreshArgs) -> Result<(), Failure> {
    let config = &resolved.config;
    if config.remote.url.is_some() {
        let why = anyhow!("url is set, and this destroys only what is on this machine");
        return Err(Failure::Usage(why));
    }
    if !args.asked.yes && !terminal::is_there() {
        let why = anyhow!("there is nobody to ask whether to destroy it; add --yes");
        return Err(Failure::Usage(why));
    }
    let held = ask(resolved, Absent::Refuse, async |client| {
        ensure!(
            matches!(client, Client::Here { .. }),
            "a server runs on {}: stop it first",
            config.store.root.display()
        );
        let held = held(client).await?;
        if !args.asked.yes {
            agree(config, &held)?;
        }
        Ok(held)
    })?;
    begin_anew(config).map_err(Failure::Run)?;
    // Makes both, so that what is wrong with the settings shows now.
    ask(resolved, Absent::Create, async |_| Ok(()))?;
    if args.json {
        output::json(&json!({ "store": config.store.root, "destroyed": held }));
    } else {
        let root = config.store.root.display();
        output::line(&format!("destroyed {}", said(&held)));
        output::line(&format!(
            "the store in {root} is empty, and there are no accounts"
        ));
    }
    Ok(())
}

/// What is there, for who has to decide.
async fn held(client: &Client) -> Result<Value> {
    let (mut store, mut repositories) = (Value::Null, 0);
    let each = |mut page: Value| {
        store = page["store"].take();
        repositories += page["repositories"].as_array().map_or(0, Vec::len);
    };
    client.pages("/api/v1/usage?", each).await?;
    Ok(json!({ "repositories": repositories, "stored_bytes": store["stored_bytes"] }))
}

fn said(held: &Value) -> String {
    let repositories = text(&held["repositories"]);
    let bytes = amount(&held["stored_bytes"]);
    format!("{repositories} repositories with {bytes} of content, all accounts and the audit log")
}

/// Goes on only if the name of the directory is typed.
fn agree(config: &Config, held: &Value) -> Result<()> {
    let root = &config.store.root;
    let name = root.file_name().unwrap_or(root.as_os_str());
    let name = name.to_string_lossy();
    output::question(&format!(
        "This destroys the store in {}: {}. It cannot be undone.\n",
        root.display(),
        said(held)
    ));
    let typed = terminal::answer(&format!("To go on, type the directory's name, {name}: "))?;
    if typed.trim() == name {
        return Ok(());
    }
    bail!("nothing was destroyed")
}

fn begin_anew(config: &Config) -> Result<()> {
    let root = &config.store.root;
    let beside = accounts::directory(root);
    let first = move || match std::fs::remove_dir_all(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let destroyed = store::runtime()?.block_on(destroy(root, Arc::new(SystemDisk), first));
    destroyed.with_context(|| format!("the store in {} is not destroyed", root.display()))
}
