//! `floundr new-repo NAME`: an empty repository, made under the store's lock.

use super::{Failure, store};
use crate::config::Resolved;
use crate::output;
use anyhow::{Context as _, Result};
use floundr_engine::name::RepositoryName;

const IN_USE: &str = "a server is running on this store: push to the repository, which creates \
                      it, or stop the server first";

/// Creates the repository, durably.
pub(crate) fn run(resolved: &Resolved, name: &str, public: bool) -> Result<(), Failure> {
    let name: RepositoryName = name
        .parse()
        .map_err(|error| Failure::Usage(anyhow::Error::new(error)))?;
    let runtime = store::runtime().map_err(Failure::Run)?;
    let created = runtime
        .block_on(create(resolved, &name))
        .map_err(Failure::Run)?;
    output::line(&if created {
        format!("created repository {name}")
    } else {
        format!("repository {name} exists already")
    });
    if public {
        output::line("every repository is public until there are accounts");
    }
    Ok(())
}

async fn create(resolved: &Resolved, name: &RepositoryName) -> Result<bool> {
    let engine = store::open(&resolved.config.store, IN_USE).await?;
    let created = engine.repository(name).create().await;
    // Closing first: an error of the creation is only reported once the store is whole again.
    engine.close().await.context("cannot close the store")?;
    created.with_context(|| format!("cannot create repository {name}"))
}
