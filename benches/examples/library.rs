//! What the engine takes and gives as a library, beside what the machine could do at best.
//!
//! ```sh
//! cargo run --release -p floundr-benches --example library -- FOLDER [ROUNDS]
//! ```
//! Each round: the limits of `floundr-bench compare` (hashing, writing), reading a file of 1 GiB that is in memory,
//! then 1 GiB into a new store in FOLDER, durable on return, and out of it. The last lines are medians, and the
//! ratio to the lower limit.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use floundr_benches::compare::limits;
use floundr_benches::content::{Content, Source};
use floundr_benches::memory;
use floundr_benches::stats::Summary;
use floundr_benches::units::{GIB, MIB, figure, float};
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::{Engine, Options};

/// Bytes asked of a blob at once.
const READ: u64 = MIB;

/// Megabytes a second of each measurement, by round.
#[derive(Default)]
struct Rates {
    hash: Vec<f64>,
    write: Vec<f64>,
    read: Vec<f64>,
    into: Vec<f64>,
    out: Vec<f64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("name a folder to measure in")?;
    let rounds = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let folder = Path::new(&folder);
    let mut source = Source::new()?;
    let mut rates = Rates::default();
    for round in 1..=rounds {
        let content = source.content(GIB);
        measure_limits(folder, round, &content, &mut rates)?;
        measure_engine(folder, &content, &mut rates).await?;
    }
    report(&rates)
}

fn measure_limits(folder: &Path, round: u32, content: &Content, rates: &mut Rates) -> Result<()> {
    memory::put_at_hand(GIB)?;
    for limit in limits::measure(folder, 1.0, round, content) {
        let figures = limit.result.map_err(|error| anyhow::anyhow!("{error}"))?;
        let rate = figures.megabytes_per_second.context("no rate")?;
        match limit.row {
            "limit-sha256" => rates.hash.push(rate),
            "limit-write" => rates.write.push(rate),
            _ => {}
        }
    }
    let mut file = tempfile::tempfile_in(folder)?;
    for piece in pieces(content) {
        file.write_all(&piece)?;
    }
    rates.read.push(timed(|| read_file(&file))?);
    Ok(())
}

fn read_file(file: &File) -> Result<()> {
    for at in (0..GIB).step_by(usize::try_from(READ)?) {
        let mut piece = vec![0; usize::try_from(READ)?];
        file.read_exact_at(&mut piece, at)?;
        black_box(piece);
    }
    Ok(())
}

async fn measure_engine(folder: &Path, content: &Content, rates: &mut Rates) -> Result<()> {
    let home = tempfile::tempdir_in(folder)?;
    let engine = Engine::open(Options::new(home.path())).await?;
    let repository = engine.repository(&"bench/library".parse()?);
    let digest: Digest = content.clone().hashed().digest.parse()?;
    memory::put_at_hand(GIB)?;

    let begin = Instant::now();
    let mut upload = repository.start_upload(Algorithm::Sha256)?;
    upload.announce(GIB);
    for piece in pieces(content) {
        upload.append(piece).await?;
    }
    let size = upload.finish(&digest).await?;
    rates.into.push(rate(begin));
    ensure!(size == GIB, "{size} bytes were stored");

    let begin = Instant::now();
    let blob = repository.blob(&digest).await?;
    for at in (0..GIB).step_by(usize::try_from(READ)?) {
        black_box(blob.read(at..at + READ).await?);
    }
    rates.out.push(rate(begin));
    engine.close().await?;
    Ok(())
}

fn pieces(content: &Content) -> impl Iterator<Item = bytes::Bytes> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let piece = (at < content.len()).then(|| content.piece(at, content.len()))?;
        at += piece.len() as u64;
        Some(piece)
    })
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    work()?;
    Ok(rate(begin))
}

fn rate(begin: Instant) -> f64 {
    float(GIB) / 1e6 / begin.elapsed().as_secs_f64()
}

fn report(rates: &Rates) -> Result<()> {
    let median = |values: &[f64]| Summary::of(values).map(|summary| summary.median);
    let median = |values| median(values).context("nothing was measured");
    let (hash, write, read) = (
        median(&rates.hash)?,
        median(&rates.write)?,
        median(&rates.read)?,
    );
    let (into, out) = (median(&rates.into)?, median(&rates.out)?);
    let mut text = std::io::stdout();
    for (title, value) in [("hash", hash), ("write", write), ("read", read)] {
        writeln!(text, "limit, {title}: {} MB/s", figure(value))?;
    }
    let lower = hash.min(write);
    let (into_ratio, out_ratio) = (into / lower, out / read);
    writeln!(
        text,
        "1 GiB in: {} MB/s, {into_ratio:.2} of the lower",
        figure(into)
    )?;
    writeln!(text, "1 GiB out: {} MB/s, {out_ratio:.2}", figure(out))?;
    Ok(())
}
