//! The hot paths of engine and frontend: timed by Criterion, or run a number of times for a counter of instructions.
//!
//! - `cargo bench -p floundr-benches` times all of them, with a word behind `--` those whose name has it, and
//!   with `-- --test` runs each once.
//! - `--prepare FOLDER` makes the store that is counted on, `--counted` lists what is counted, and
//!   `--count NAME TIMES FOLDER` runs one path. `.ci/instructions` calls these.
//!
//! 1. A path is a row of `table`: what is timed and what is counted are the same code.
//! 2. No path has a socket in it; those are `floundr-bench`'s, which measures the whole.
//! 3. A failed operation ends the program: a figure only ever counts work that succeeded.

mod digest; // hashing as content arrives
mod engine; // uploads, commits and lookups
mod frontend; // parsing, and whole requests without a socket
mod store; // what the paths run on
mod table; // the list of them

use anyhow::{Context as _, Result, bail};
use criterion::{Criterion, SamplingMode, Throughput};
use std::path::Path as Folder;
use std::time::{Duration, Instant};
use store::{Operation, Store};
use table::{ALL, Path};
use tempfile::TempDir;

/// An operation and what it works on.
struct Made {
    operation: Operation,
    store: Store,
    folder: TempDir,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["--prepare", folder] => prepare(Folder::new(folder)),
        ["--counted"] => {
            list_counted();
            Ok(())
        }
        ["--count", name, times, folder] => count(name, times.parse()?, Folder::new(folder)),
        _ => time_all(),
    }
}

/// Prints each counted path with the number of its operations.
#[expect(
    clippy::print_stdout,
    reason = "the list that .ci/instructions goes through"
)]
fn list_counted() {
    for path in ALL {
        if let Some(times) = path.counted {
            println!("{} {times}", path.name);
        }
    }
}

/// Makes a store in `folder` that has what the paths read.
fn prepare(folder: &Folder) -> Result<()> {
    let store = Store::open(folder)?;
    store.fill()?;
    store.close()
}

/// Runs a path so many times on the store in `folder`. Whoever counts does it twice, with different
/// numbers, so that opening and closing cancel out.
fn count(name: &str, times: u64, folder: &Folder) -> Result<()> {
    let path = ALL.iter().find(|path| path.name == name);
    let Some(path) = path else {
        bail!("there is no path {name:?}");
    };
    let store = Store::open(folder)?;
    (path.make)(&store)(times);
    store.close()
}

fn time_all() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for path in ALL {
        time(&mut criterion, path)?;
    }
    criterion.final_summary();
    Ok(())
}

/// Times a path on a store of its own, which is gone afterwards.
fn time(criterion: &mut Criterion, path: &Path) -> Result<()> {
    let mut group = criterion.benchmark_group("paths");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    if let Some(bytes) = path.bytes {
        group.throughput(Throughput::Bytes(bytes));
    }
    // Criterion asks for the operation of the paths that are wanted alone, and of those for every sample.
    let mut made: Option<Result<Made>> = None;
    group.bench_function(path.name, |bencher| {
        if let Ok(made) = made.get_or_insert_with(|| make(path)) {
            bencher.iter_custom(|times| made.time(times));
        }
    });
    group.finish();
    match made {
        Some(made) => {
            let Made { store, folder, .. } = made?;
            store.close()?;
            Ok(folder.close()?)
        }
        None => Ok(()),
    }
}

fn make(path: &Path) -> Result<Made> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let store = Store::open(folder.path())?;
    store.fill()?;
    Ok(Made {
        operation: (path.make)(&store),
        store,
        folder,
    })
}

// === impl Made ===

impl Made {
    fn time(&mut self, times: u64) -> Duration {
        let started = Instant::now();
        (self.operation)(times);
        started.elapsed()
    }
}
