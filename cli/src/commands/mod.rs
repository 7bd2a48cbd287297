//! One file per command; here, which one runs and what its failure means for the exit code.

pub(crate) mod accounts;
mod api;
mod audit;
mod backup;
mod check;
mod config;
mod du;
mod explain;
mod gc;
mod generated;
mod grant;
mod key;
mod manifest;
mod migrate_fresh;
mod named;
mod repo;
mod restore;
mod role;
mod rule;
mod serve;
pub(crate) mod store;
mod tag;
mod token;
mod tui;
mod undelete;
mod upload;
mod user;
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
    // These two come from the program alone: settings that cannot be used must not be in their way.
    match &args.command {
        Some(Command::Completions { shell }) => {
            generated::completions(*shell);
            return Ok(());
        }
        Some(Command::Man { directory }) => return generated::manual(directory),
        _ => {}
    }
    let resolved = resolve_here(args).map_err(Failure::Usage)?;
    match &args.command {
        None | Some(Command::Serve) => serve::run(&resolved),
        Some(Command::Tui(args)) => tui::run(&resolved, args),
        Some(Command::Config { json }) => {
            config::run(&resolved, *json);
            Ok(())
        }
        Some(Command::NewRepo { name, public, json }) => {
            repo::create(&resolved, name, *public, *json)
        }
        Some(Command::Gc(args)) => gc::run(&resolved, args),
        Some(Command::Why { digest, json }) => why::run(&resolved, digest, *json),
        Some(Command::Du { json }) => du::run(&resolved, *json),
        Some(Command::Check(args)) => check::run(&resolved, args),
        Some(Command::Undelete(args)) => undelete::run(&resolved, args),
        Some(Command::Backup(args)) => backup::run(&resolved, args),
        Some(Command::Restore(args)) => restore::run(&resolved, args),
        Some(command) => manage(&resolved, command),
    }
}

/// Runs a command about accounts or about what is stored.
fn manage(resolved: &Resolved, command: &Command) -> Result<(), Failure> {
    match command {
        Command::User(args) => user::run(resolved, args),
        Command::Role(args) => role::run(resolved, args),
        Command::Grant(args) => grant::run(resolved, args),
        Command::Key(args) => key::run(resolved, args),
        Command::Rule(args) => rule::run(resolved, args),
        Command::Repo(args) => repo::run(resolved, args),
        Command::Tag(args) => tag::run(resolved, args),
        Command::Manifest(args) => manifest::run(resolved, args),
        Command::Upload(args) => upload::run(resolved, args),
        Command::Audit(args) => audit::run(resolved, args),
        Command::Explain(args) => explain::run(resolved, args),
        Command::Token(args) => token::run(resolved, args),
        Command::NewUser(args) => user::run_predecessors(resolved, args),
        Command::GenKey(args) => key::run_predecessors(resolved, args),
        Command::MigrateFresh(args) => migrate_fresh::run(resolved, args),
        // Those that `run` knows.
        _ => Ok(()),
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
