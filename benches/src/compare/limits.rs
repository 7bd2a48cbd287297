//! What the machine could do at best, measured in the same rounds as the registries.
//!
//! 1. Hashing: one core, the crate the product uses, 64 KiB at a time that stay in the cache. A stream that is
//!    hashed as it arrives cannot be faster.
//! 2. Writing: one new file in the comparison's data folder, whose pages are sent to the disk every 8 MiB while
//!    the next are written, and one sync at the end. No push that is durable can be much faster.
//! 3. A limit that cannot be measured is a failed measurement like any other.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256, Sha512};

use crate::compare::figures::Figures;
use crate::compare::lines::Missing;
use crate::compare::report::Measurement;
use crate::content::{Content, Source};
use crate::stats::Summary;
use crate::table::Table;
use crate::units::{GIB, MIB, figure, float, scaled};

/// What stands where a measurement names a registry.
pub const MACHINE: &str = "(machine)";
const HASHED_AT_ONCE: usize = 64 * 1024;
const WRITTEN_BEFORE_WRITEBACK: u64 = 8 * MIB;

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its short name, for the CSV.
    pub id: &'static str,
    /// What the table calls it.
    pub title: &'static str,
    /// What the chart calls it.
    pub short: &'static str,
    /// The rows it bounds.
    pub rows: &'static [&'static str],
}

/// All limits.
pub const LIMITS: [Limit; 3] = [
    Limit {
        id: "limit-sha256",
        title: "SHA-256 on one core, MB/s",
        short: "SHA-256",
        rows: &["push-1", "push-chunked"],
    },
    Limit {
        id: "limit-sha512",
        title: "SHA-512 on one core, MB/s",
        short: "SHA-512",
        rows: &["push-sha512"],
    },
    Limit {
        id: "limit-write",
        title: "write of a 1 GiB file and fsync, MB/s",
        short: "write",
        rows: &["push-1", "push-4", "push-chunked", "push-sha512"],
    },
];

/// Measures every limit once; the file is made in `dir`, and sizes and times are multiplied by `scale`. Blocks
/// for seconds.
pub fn measure(dir: &Path, scale: f64, round: u32, content: &Content) -> Vec<Measurement> {
    let time = Duration::from_secs(1)
        .mul_f64(scale)
        .clamp(Duration::from_millis(50), Duration::from_secs(5));
    let results = [
        Ok(hash(Sha256::new(), time)),
        Ok(hash(Sha512::new(), time)),
        write(dir, content),
    ];
    let of = |(limit, result): (Limit, Result<Figures>)| Measurement {
        row: limit.id,
        registry: MACHINE.to_owned(),
        round,
        result: result.map_err(|error| format!("{error:#}").as_str().into()),
    };
    LIMITS.into_iter().zip(results).map(of).collect()
}

/// The content of the file that is written: 1 GiB times `scale`.
pub fn content(source: &mut Source, scale: f64) -> Content {
    source.content(scaled(GIB, scale, MIB))
}

/// The table: a line for each limit, with what the first registry reaches of it in the rows it bounds.
pub fn table(first: &str, reached: impl Fn(&str) -> Option<f64>, all: &[Measurement]) -> Table {
    let header = ["limit", "median", "smallest", "largest"].map(str::to_owned);
    let mut table = Table::new(header.into_iter().chain([format!("{first} reaches")]));
    for limit in LIMITS {
        let mut cells = vec![limit.title.to_owned()];
        let Summary { median, min, max } = match limit.summary(all) {
            Some(Ok(summary)) => summary,
            missing => {
                cells.push(missing.map_or("-", |_| "failed").to_owned());
                table.row(cells);
                continue;
            }
        };
        cells.extend([median, min, max].map(figure));
        let shares = limit
            .rows
            .iter()
            .filter_map(|row| reached(row).map(|value| format!("{row} {:.2}", value / median)));
        cells.push(shares.collect::<Vec<_>>().join(", "));
        table.row(cells);
    }
    table
}

// === impl Limit ===

impl Limit {
    /// Its summary: `None` when it was not measured, an error when a measurement failed.
    pub fn summary(&self, measurements: &[Measurement]) -> Option<Result<Summary, Missing>> {
        let mut values = Vec::new();
        for one in measurements.iter().filter(|one| one.row == self.id) {
            let Ok(figures) = &one.result else {
                return Some(Err(Missing::Failed));
            };
            values.extend(figures.megabytes_per_second);
        }
        Summary::of(&values).map(Ok)
    }
}

fn hash(mut hash: impl Digest, time: Duration) -> Figures {
    let piece = vec![0x5a; HASHED_AT_ONCE];
    let begin = Instant::now();
    let mut bytes = 0;
    while begin.elapsed() < time {
        hash.update(black_box(&piece));
        bytes += piece.len() as u64;
    }
    black_box(hash.finalize());
    rate(bytes, begin.elapsed())
}

fn write(dir: &Path, content: &Content) -> Result<Figures> {
    let in_dir = || format!("in {}", dir.display());
    let folder = File::open(dir).with_context(in_dir)?;
    rustix::fs::syncfs(&folder).with_context(in_dir)?;
    let file = tempfile::tempfile_in(dir).with_context(in_dir)?;
    let begin = Instant::now();
    write_all(file, content).with_context(in_dir)?;
    Ok(rate(content.len(), begin.elapsed()))
}

fn write_all(mut file: File, content: &Content) -> io::Result<()> {
    let (mut at, mut started) = (0, 0);
    while at < content.len() {
        let piece = content.piece(at, content.len());
        file.write_all(&piece)?;
        at += piece.len() as u64;
        if let Some(behind) = NonZeroU64::new(at - started)
            && behind.get() >= WRITTEN_BEFORE_WRITEBACK
        {
            // Linux begins to write what is dirty there and does not wait: as `sync_file_range` would.
            fadvise(&file, started, Some(behind), Advice::DontNeed)?;
            started = at;
        }
    }
    file.sync_all()
}

fn rate(bytes: u64, elapsed: Duration) -> Figures {
    let seconds = elapsed.as_secs_f64();
    Figures::throughput(float(bytes) / 1e6 / seconds, seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_measured_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let content = content(&mut Source::new().unwrap(), 0.02);
        assert_eq!(content.len(), scaled(GIB, 0.02, 1));
        let measured = measure(dir.path(), 0.02, 3, &content);
        let ids: Vec<_> = measured.iter().map(|one| one.row).collect();
        assert_eq!(ids, LIMITS.map(|limit| limit.id));
        for one in &measured {
            let figures = one.result.as_ref().unwrap();
            assert!(figures.megabytes_per_second.unwrap() > 1.0, "{one:?}");
            assert_eq!((one.round, one.registry.as_str()), (3, MACHINE));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_fails_its_limit_alone() {
        let content = content(&mut Source::new().unwrap(), 0.001);
        let measured = measure(Path::new("/nowhere"), 0.001, 1, &content);
        let failed: Vec<_> = measured.iter().filter(|one| one.result.is_err()).collect();
        assert_eq!(failed.len(), 1);
        assert!(
            failed[0]
                .result
                .as_ref()
                .unwrap_err()
                .error
                .contains("/nowhere")
        );
    }

    #[test]
    fn the_table_says_what_share_of_each_limit_is_reached() {
        let of = |row, round, value| Measurement {
            row,
            registry: MACHINE.into(),
            round,
            result: Ok(Figures::throughput(value, 1.0)),
        };
        let all = [
            of("limit-sha256", 1, 800.0),
            of("limit-sha256", 2, 1200.0),
            of("limit-write", 1, 500.0),
        ];
        let failed = Measurement {
            result: Err("no space left".into()),
            ..of("limit-write", 2, 0.0)
        };
        let reached = |row: &str| (row == "push-1").then_some(400.0);
        let expected = "\
limit,median,smallest,largest,a reaches
\"SHA-256 on one core, MB/s\",\"1,000\",800,\"1,200\",push-1 0.40
\"SHA-512 on one core, MB/s\",-,,,
\"write of a 1 GiB file and fsync, MB/s\",500,500,500,push-1 0.80
";
        assert_eq!(table("a", reached, &all).csv(), expected);
        let with_failure = [all.as_slice(), &[failed]].concat();
        let table = table("a", reached, &with_failure).csv();
        assert!(table.ends_with(" and fsync, MB/s\",failed,,,\n"), "{table}");
    }
}
