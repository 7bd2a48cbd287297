//! The `floundr` binary: arguments in, exit code out.
//!
//! Exit codes: 0 done, 1 failed while running, 2 asked for something that cannot be.

mod args;
mod client;
mod commands;
mod config;
mod log;
mod output;
mod profile;
mod secret_file;
mod terminal;
mod tui;

use clap::Parser as _;
use commands::Failure;
use std::process::ExitCode;

/// A small request is a few dozen allocations; see `docs/benchmarks.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
