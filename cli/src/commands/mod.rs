//! One file per command; here, which one runs and what its failure means for the exit code.

mod backup;
mod check;
mod config;
mod du;
mod gc;
mod new_repo;
mod restore;
mod serve;
pub(crate) mod store;
mod undelete;
mod why;

use crate::args::{Args, Command};
use crate::client::{Absent, Client};
use crate::config::{Resolved, Surroundings, resolve};
use anyhow::{Context as _, Result};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user asked for something that cannot be: exit code 2.
    Usage(anyhow::Error),
    /// It went wrong while running: exit code 1.
    Run(anyhow::Error),
}

/// Resolves the configuration and runs the command.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let resolved = resolve_here(args).map_err(Failure::Usage)?;
    match &args.command {
        None | Some(Command::Serve) => serve::run(&resolved),
        Some(Command::Config { json }) => {
            config::run(&resolved, *json);
            Ok(())
        }
        Some(Command::NewRepo { name, public, json }) => {
            new_repo::run(&resolved, name, *public, *json)
        }
        Some(Command::Gc(args)) => gc::run(&resolved, args),
        Some(Command::Why { digest, json }) => why::run(&resolved, digest, *json),
        Some(Command::Du { json }) => du::run(&resolved, *json),
        Some(Command::Check(args)) => check::run(&resolved, args),
        Some(Command::Undelete(args)) => undelete::run(&resolved, args),
        Some(Command::Backup(args)) => backup::run(&resolved, args),
        Some(Command::Restore(args)) => restore::run(&resolved, args),
    }
}

/// Asks the running server, or the store when none runs.
///
/// # Errors
/// [`Failure::Run`].
fn ask<T>(
    resolved: &Resolved,
    absent: Absent,
    question: impl AsyncFnOnce(&Client) -> Result<T>,
) -> Result<T, Failure> {
    let asked = async {
        let client = Client::open(&resolved.config, absent).await?;
        let answer = question(&client).await;
        // Closing first: an error of the question is only reported once the store is whole again.
        client.close().await?;
        answer
    };
    let runtime = store::runtime().map_err(Failure::Run)?;
    let answer = runtime.block_on(asked);
    runtime.shutdown_background();
    answer.map_err(Failure::Run)
}

fn resolve_here(args: &Args) -> Result<Resolved> {
    let directory = std::env::current_dir().context("cannot find the working directory")?;
    resolve(&args.settings, &Surroundings::of_process(&directory)?)
}
