//! What a store of a million blobs costs, beside one of ten thousand: opening, deleting and collecting,
//! reads while both and pushes go on, and pages anywhere in a list.
//!
//! `cargo run --release -p floundr-engine --example large_store -- FOLDER [BLOBS]`
//!
//! `BLOBS` is a million if not given, and a multiple of 10,000 above it. They lie in a hundredth as many
//! repositories, with a manifest each and as many tags, a tenth of those in one repository. The stores
//! stay in the folder; what is missing there is made first: all of a million takes four minutes of
//! processor time, 26 GB of writes and in the end 1.6 GB. Measuring leaves them as they were; if it is
//! interrupted, the next start puts back what was deleted. Numbers that mean something need two cores
//! of a machine that is quiet otherwise. All is measured with the system's page cache warm: the files
//! of the metadata are read once before.
//!
//! Prints what it does and measures line by line, at the end every bound and whether it holds; the
//! status says whether all do. `deleting`, `opening`, `pages` and `reads` say how each is measured.

mod deleting;
mod load;
mod opening;
mod pages;
mod reads;
mod store;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use store::Store;

/// What fails here is only told, so its kind does not matter.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Blobs of the store that costs are compared with.
const FEW: usize = 10_000;

/// A bound and what was measured.
struct Bound {
    what: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name a folder for the stores")?;
    let second = arguments.next();
    if folder == load::FOR_EVER {
        let root = second.ok_or("name the store")?;
        return load::run_for_ever(root.as_ref()).await;
    }
    let blobs = second.map_or(Ok(1_000_000), |blobs| blobs.parse())?;
    let bounds = measure(&PathBuf::from(folder), blobs).await?;
    say("")?;
    for bound in &bounds {
        say(&bound.verdict())?;
    }
    Ok(if bounds.iter().all(Bound::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(folder: &std::path::Path, blobs: usize) -> Result<Vec<Bound>, Failure> {
    if blobs <= FEW || !blobs.is_multiple_of(FEW) {
        return Err(format!("{blobs} is no multiple of {FEW} above it").into());
    }
    let large = Store::make(folder, "large", blobs).await?;
    let small = Store::make(folder, "small", FEW).await?;
    let mut bounds = Vec::new();
    let mut began = Instant::now();
    let mut took = |what: &str| {
        let elapsed = began.elapsed();
        began = Instant::now();
        say(&format!("  ({what} took {:.1} s)", elapsed.as_secs_f64()))
    };
    bounds.extend(opening::measure(&large).await?);
    took("measuring opening")?;
    bounds.extend(pages::measure(&large).await?);
    took("measuring pages")?;
    bounds.push(reads::measure(&large).await?);
    took("measuring reads")?;
    bounds.push(deleting::measure(&large, &small).await?);
    took("measuring deleting")?;
    Ok(bounds)
}

// === impl Bound ===

impl Bound {
    fn holds(&self) -> bool {
        self.measured <= self.limit
    }

    fn verdict(&self) -> String {
        let verdict = if self.holds() { "holds" } else { "EXCEEDED" };
        let Self {
            what,
            measured,
            limit,
            unit,
        } = self;
        format!("{verdict:8} {what}: {measured:.2} {unit}, at most {limit}")
    }
}

/// Numbers without an order, the same in every run.
fn scattered(index: usize) -> usize {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

/// The one that so many of a hundred do not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = times.len() * percent / 100;
    let last = times.len().saturating_sub(1);
    times.get(at.min(last)).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
