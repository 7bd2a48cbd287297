//! The command line. Parsing only: nothing here opens a file or a socket.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use floundr_benches::compare::rows::Load;
use floundr_benches::content::Algorithm;
use floundr_benches::endpoint::Endpoint;
use floundr_benches::load::manifest_read::{ManifestRead, Verb};
use floundr_benches::load::mixed::Mixed;
use floundr_benches::load::pull::Pull;
use floundr_benches::load::pull_range::PullRange;
use floundr_benches::load::push::Push;
use floundr_benches::load::small_push::{SmallPush, Until};
use floundr_benches::registry::Mode;
use floundr_benches::transport::Protocol;
use floundr_benches::units::{parse_seconds, parse_size};

/// Measures any OCI registry over HTTP/1.1 or HTTP/2, plain or over TLS, and compares several in one run.
#[derive(Debug, Parser)]
#[command(name = "floundr-bench", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Threads of the load generator; one for each core when not given.
    #[arg(long, global = true)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Push large blobs.
    Push(PushArguments),
    /// Pull one large blob, which is pushed first.
    Pull(PullArguments),
    /// Pull ranges of one large blob, which is pushed first.
    PullRange(PullRangeArguments),
    /// Push many small blobs.
    SmallPush(SmallPushArguments),
    /// Read a manifest by its tag, which is pushed first.
    ManifestGet(ManifestArguments),
    /// Ask for a manifest's length by its tag, which is pushed first.
    ManifestHead(ManifestArguments),
    /// Read and push as clients of a registry in use do: 95 % reads, many small blobs, few huge ones.
    Mixed(MixedArguments),
    /// Start several registries and compare them.
    Compare(CompareArguments),
}

/// What every single load needs.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Address of the registry, such as `http://127.0.0.1:8080` or `https://127.0.0.1:8443`.
    #[arg(long)]
    pub(crate) url: Endpoint,
    /// PEM file with the certificate to trust, the server's own or its issuer's; https needs it.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Speak HTTP/2, or fail when the registry does not.
    #[arg(long, requires = "ca")]
    pub(crate) http2: bool,
    /// Repository to push to and pull from.
    #[arg(long, default_value = "bench/load")]
    pub(crate) repository: String,
    /// Process id of the server, to measure the processor time and memory of it and its children; may be repeated.
    #[arg(long)]
    pub(crate) pid: Vec<u32>,
    /// How many times to measure.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Longest a preparation or measurement may take, in seconds.
    #[arg(long, value_parser = parse_seconds, default_value = "600")]
    pub(crate) limit: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Bytes of each blob.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) size: u64,
    /// How many blobs at once.
    #[arg(long, default_value_t = 1, value_parser = connections())]
    pub(crate) streams: u64,
    /// The requests by which a blob is pushed.
    #[arg(long, value_enum, default_value_t = ModeName::Monolithic)]
    pub(crate) mode: ModeName,
    /// Bytes of each chunk in chunked mode.
    #[arg(long, value_parser = some_bytes, default_value = "16MiB")]
    pub(crate) chunk: u64,
    /// What a blob is named by.
    #[arg(long, value_enum, default_value_t = AlgorithmName::Sha256)]
    pub(crate) algorithm: AlgorithmName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AlgorithmName {
    /// What every registry knows.
    Sha256,
    /// What a registry may refuse.
    Sha512,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ModeName {
    /// POST, then PUT with the content.
    Monolithic,
    /// POST, one PATCH with chunked transfer encoding, PUT.
    Streamed,
    /// POST, a PATCH with Content-Range for each chunk, PUT.
    Chunked,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Bytes of the blob.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) size: u64,
    /// How many connections pull it at once.
    #[arg(long, default_value_t = 1, value_parser = connections())]
    pub(crate) streams: u64,
}

#[derive(Debug, Args)]
pub(crate) struct PullRangeArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Bytes of the blob.
    #[arg(long, value_parser = some_bytes, default_value = "1GiB")]
    pub(crate) size: u64,
    /// Bytes of each range; of the whole blob when that is smaller.
    #[arg(long, value_parser = some_bytes, default_value = "1MiB")]
    pub(crate) range: u64,
    /// How many connections pull at once.
    #[arg(long, default_value_t = 8, value_parser = connections())]
    pub(crate) clients: u64,
    /// How many ranges of all clients together.
    #[arg(long, default_value_t = 4096, value_parser = value_parser!(u64).range(1..=10_000_000))]
    pub(crate) count: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SmallPushArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Bytes of each blob.
    #[arg(long, value_parser = parse_size, default_value = "10KiB")]
    pub(crate) size: u64,
    /// How many connections push at once.
    #[arg(long, default_value_t = 32, value_parser = connections())]
    pub(crate) clients: u64,
    /// How many blobs of all clients together.
    #[arg(long, default_value_t = 4096, value_parser = value_parser!(u64).range(1..), conflicts_with = "seconds")]
    pub(crate) count: u64,
    /// For how long, instead of a count.
    #[arg(long, value_parser = some_seconds)]
    pub(crate) seconds: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// How many connections read at once.
    #[arg(long, default_value_t = 64, value_parser = connections())]
    pub(crate) clients: u64,
    /// For how long.
    #[arg(long, value_parser = some_seconds, default_value = "5")]
    pub(crate) seconds: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct MixedArguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// About how many reads and pushes of all clients together; of fewer than 3,000 not 95 % would be reads.
    #[arg(long, default_value_t = 8000, value_parser = value_parser!(u64).range(3000..=1_000_000))]
    pub(crate) count: u64,
    /// How many connections work at once.
    #[arg(long, default_value_t = 16, value_parser = connections())]
    pub(crate) clients: u64,
    /// Bytes of the largest blobs.
    #[arg(long, value_parser = some_bytes, default_value = "128MiB")]
    pub(crate) largest: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// The file that says how each registry is started.
    pub(crate) file: PathBuf,
    /// Rounds; each measures every row of every registry once.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Factor for all sizes, counts and times.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) scale: f64,
    /// Folder for the registries' data: on a disk, or `/dev/shm` for a RAM disk.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) dir: PathBuf,
    /// Only these registries, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these rows, separated by commas; a wrong name lists all. `memory-64`, which needs 16 GiB of disk, is
    /// measured only when it is named here.
    #[arg(long, value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Also write the table to this file.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
    /// Also draw the medians into this file, as SVG.
    #[arg(long)]
    pub(crate) chart: Option<PathBuf>,
    /// Write every measurement to this file instead of behind the table.
    #[arg(long)]
    pub(crate) csv: Option<PathBuf>,
    /// Longest a preparation or measurement may take, in seconds.
    #[arg(long, value_parser = parse_seconds, default_value = "300")]
    pub(crate) limit: Duration,
}

// === impl Common ===

impl Common {
    /// The protocol the flags ask for.
    pub(crate) fn protocol(&self) -> Protocol {
        match (&self.ca, self.http2) {
            (_, true) => Protocol::Http2,
            (Some(_), false) => Protocol::Tls,
            (None, false) => Protocol::Plain,
        }
    }
}

// === impl PushArguments ===

impl PushArguments {
    pub(crate) fn load(&self) -> Load {
        let mode = match self.mode {
            ModeName::Monolithic => Mode::Monolithic,
            ModeName::Streamed => Mode::Streamed,
            ModeName::Chunked => Mode::Chunked(self.chunk),
        };
        let algorithm = match self.algorithm {
            AlgorithmName::Sha256 => Algorithm::Sha256,
            AlgorithmName::Sha512 => Algorithm::Sha512,
        };
        Load::Push(Push {
            size: self.size,
            streams: self.streams,
            mode,
            algorithm,
        })
    }
}

// === impl PullArguments ===

impl PullArguments {
    pub(crate) fn load(&self) -> Load {
        let (size, streams) = (self.size, self.streams);
        Load::Pull(Pull { size, streams })
    }
}

// === impl PullRangeArguments ===

impl PullRangeArguments {
    pub(crate) fn load(&self) -> Load {
        Load::PullRange(PullRange {
            size: self.size,
            range: self.range,
            clients: self.clients,
            count: self.count,
        })
    }
}

// === impl SmallPushArguments ===

impl SmallPushArguments {
    pub(crate) fn load(&self) -> Load {
        let count = Until::Count(self.count);
        Load::SmallPush(SmallPush {
            size: self.size,
            clients: self.clients,
            until: self.seconds.map_or(count, Until::Elapsed),
        })
    }
}

// === impl ManifestArguments ===

impl ManifestArguments {
    pub(crate) fn load(&self, verb: Verb) -> Load {
        Load::ManifestRead(ManifestRead {
            clients: self.clients,
            time: self.seconds,
            verb,
        })
    }
}

// === impl MixedArguments ===

impl MixedArguments {
    pub(crate) fn load(&self) -> Load {
        Load::Mixed(Mixed {
            count: self.count,
            clients: self.clients,
            largest: self.largest,
        })
    }
}

/// How many connections there may be from one address to another.
fn connections() -> RangedU64ValueParser {
    value_parser!(u64).range(1..=65_535)
}

/// A time that is neither 0 nor over a day.
fn some_seconds(text: &str) -> Result<Duration> {
    let time = parse_seconds(text)?;
    let is_some = !time.is_zero() && time <= Duration::from_hours(24);
    ensure!(is_some, "time {text:?} is not above 0 and up to a day");
    Ok(time)
}

/// A size that is not 0.
fn some_bytes(text: &str) -> Result<u64> {
    let size = parse_size(text)?;
    ensure!(size > 0, "size {text:?} is not above 0");
    Ok(size)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn chunked_pushes_take_their_chunk_size() {
        let line = "floundr-bench push --url http://x:1 --mode chunked --chunk 1MiB --threads 1";
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Push(push) = arguments.command else {
            panic!("not a push")
        };
        let Load::Push(load) = push.load() else {
            panic!("not a load that pushes")
        };
        assert_eq!(load.mode, Mode::Chunked(1 << 20));
        assert_eq!(arguments.threads, Some(1));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for (line, named) in [
            ("pull-range --range 0", "--range"),
            ("pull-range --size 0KiB", "--size"),
            ("push --chunk 0", "--chunk"),
            ("mixed --largest 0", "--largest"),
            ("mixed --count 2999", "--count"),
            ("pull-range --count 0", "--count"),
            ("small-push --count 0", "--count"),
            ("small-push --seconds 0", "--seconds"),
            ("manifest-head --seconds 1e19", "--seconds"),
            ("manifest-get --clients 0", "--clients"),
            ("mixed --clients 65536", "--clients"),
            ("pull --streams 0", "--streams"),
            ("push --rounds 0", "--rounds"),
        ] {
            let line = format!("floundr-bench {line} --url http://x:1");
            let refused = Arguments::try_parse_from(line.split(' ')).unwrap_err();
            assert!(refused.to_string().contains(named), "{line}: {refused}");
        }
    }

    #[test]
    fn the_flags_choose_the_protocol() {
        for (flags, protocol) in [
            ("", Protocol::Plain),
            (" --ca x.pem", Protocol::Tls),
            (" --ca x.pem --http2", Protocol::Http2),
        ] {
            let line = format!("floundr-bench pull --url https://x:1{flags}");
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            let Command::Pull(pull) = arguments.command else {
                panic!("not a pull")
            };
            assert_eq!(pull.common.protocol(), protocol, "{flags}");
        }
        let line = "floundr-bench pull --url https://x:1 --http2";
        assert!(Arguments::try_parse_from(line.split(' ')).is_err());
    }
}
