//! One file per command; here, which one runs and what its failure means for the exit code.

mod config;
mod new_repo;
mod serve;
mod store;

use crate::args::{Args, Command};
use crate::config::{Resolved, Surroundings, resolve};
use anyhow::Context as _;

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
        Some(Command::NewRepo { name, public }) => new_repo::run(&resolved, name, *public),
    }
}

fn resolve_here(args: &Args) -> anyhow::Result<Resolved> {
    let directory = std::env::current_dir().context("cannot find the working directory")?;
    resolve(&args.settings, &Surroundings::of_process(&directory)?)
}
