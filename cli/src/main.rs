//! The `floundr` binary: arguments in, exit code out.
//!
//! Exit codes: 0 done, 1 failed while running, 2 asked for something that cannot be.

mod args;
mod client;
mod commands;
mod config;
mod log;
mod output;

use clap::Parser as _;
use commands::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let (error, code) = match commands::run(&args) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(error)) => (error, 1),
        Err(Failure::Usage(error)) => (error, 2),
    };
    output::error(&error);
    ExitCode::from(code)
}
