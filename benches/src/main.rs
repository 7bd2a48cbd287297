//! The `floundr-bench` binary: reads the command line, runs one command, prints its table.
//!
//! 1. Ctrl-C and SIGTERM drop the running command, whose guards stop what it started, before the program ends.
//! 2. Figures go to standard output, progress and errors to standard error.

mod args;
mod single;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser as _;
use floundr_benches::compare::{self, Comparison, Options, file, rows};
use floundr_benches::load::manifest_read::Verb;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Arguments, Command, CompareArguments};

/// The system's allocator gives the memory of frames back to the kernel and takes it anew, in some runs and not in
/// others: a pull with HTTP/2 cost the client 0.4 or 0.8 seconds a gigabyte.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is closed as well.
            writeln!(std::io::stderr(), "floundr-bench: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<()> {
    let threads = arguments.threads.unwrap_or_else(cores).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(arguments.command) => result,
            result = interrupted() => result,
        }
    });
    // Hashing that an interrupt left behind is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(command: Command) -> Result<()> {
    let (common, load) = match &command {
        Command::Push(arguments) => (&arguments.common, arguments.load()),
        Command::Pull(arguments) => (&arguments.common, arguments.load()),
        Command::PullRange(arguments) => (&arguments.common, arguments.load()),
        Command::SmallPush(arguments) => (&arguments.common, arguments.load()),
        Command::ManifestGet(arguments) => (&arguments.common, arguments.load(Verb::Get)),
        Command::ManifestHead(arguments) => (&arguments.common, arguments.load(Verb::Head)),
        Command::Mixed(arguments) => (&arguments.common, arguments.load()),
        Command::Compare(arguments) => return compare(arguments).await,
    };
    print(&single::measure(common, load).await?.markdown())
}

async fn compare(arguments: &CompareArguments) -> Result<()> {
    let contenders = file::read(&arguments.file, &arguments.only)?;
    let rows = rows::rows(arguments.scale, &arguments.rows)?;
    let dir = arguments.dir.canonicalize();
    let dir = dir.with_context(|| format!("no folder {}", arguments.dir.display()))?;
    let options = Options {
        rounds: arguments.rounds,
        dir,
        limit: arguments.limit,
        scale: arguments.scale,
    };
    let comparison = compare::compare(contenders, rows, &options).await?;
    let text = format!(
        "Median (smallest..largest) of {} rounds at scale {}, data in {}.\n\n{}",
        arguments.rounds,
        arguments.scale,
        options.dir.display(),
        comparison.markdown()
    );
    print(&text)?;
    if let Some(path) = &arguments.markdown {
        write(path, &text)?;
    }
    if let Some(path) = &arguments.chart {
        write(path, &drawn(&comparison, arguments))?;
    }
    match &arguments.csv {
        Some(path) => write(path, &comparison.csv())?,
        None => print(&format!("\n{}", comparison.csv()))?,
    }
    let failures = comparison.failures();
    ensure!(
        failures == 0,
        "{failures} of {} failed",
        comparison.measurements.len()
    );
    Ok(())
}

fn drawn(comparison: &Comparison, arguments: &CompareArguments) -> String {
    let registries = comparison.registries.join(", ");
    let title = format!("{registries}: median of {} rounds", arguments.rounds);
    let scale = arguments.scale;
    let note = format!("Bars are shares of the longest, whiskers span the rounds. Scale {scale}.");
    comparison.chart(&title, &note)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print")
}

async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot await SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot await SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
