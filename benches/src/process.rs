//! What processes cost, read from `/proc`: processor time and anonymous memory.
//!
//! 1. Processor time is the difference over the watched interval, in the kernel's ticks (10 ms as a rule).
//! 2. Memory is `RssAnon`, sampled every 10 ms by one thread: a shorter peak can be missed. Page cache and
//!    mapped files are not in it.
//! 3. With several ids, both are sums; a process that ends while it is watched is an error.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::units::KIB;

const INTERVAL: Duration = Duration::from_millis(10);

/// What the watched processes used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// The largest `RssAnon` seen, in bytes.
    pub peak_anonymous: u64,
}

/// Samples processes until it is [finished](Watch::finish) or dropped.
#[derive(Debug)]
pub struct Watch {
    pids: Vec<u32>,
    cpu_before: Duration,
    stop: Sender<()>,
    sampler: JoinHandle<Result<u64>>,
}

// === impl Watch ===

impl Watch {
    /// Begins to watch `pids`.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn start(pids: &[u32]) -> Result<Self> {
        let cpu_before = cpu(pids)?;
        let (stop, stopped) = mpsc::channel();
        let watched = pids.to_vec();
        let sampler = std::thread::spawn(move || {
            let mut peak = anonymous(&watched)?;
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(anonymous(&watched)?);
            }
            Ok(peak)
        });
        Ok(Self {
            pids: pids.to_vec(),
            cpu_before,
            stop,
            sampler,
        })
    }

    /// Ends watching.
    ///
    /// # Errors
    /// When a process could not be read any more.
    pub fn finish(self) -> Result<Usage> {
        let cpu_after = cpu(&self.pids);
        drop(self.stop);
        let sampled = self
            .sampler
            .join()
            .map_err(|_panic| anyhow!("the sampler panicked"))?;
        Ok(Usage {
            cpu: cpu_after?.saturating_sub(self.cpu_before),
            peak_anonymous: sampled?,
        })
    }
}

/// Processor time this program has used.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own_cpu() -> Result<Duration> {
    cpu(&[std::process::id()])
}

fn cpu(pids: &[u32]) -> Result<Duration> {
    let tick = Duration::from_secs(1).div_f64(ticks_per_second());
    let mut ticks = 0u32;
    for pid in pids {
        let stat = read(*pid, "stat")?;
        let used = stat_ticks(&stat).with_context(|| format!("/proc/{pid}/stat is malformed"))?;
        ticks = ticks.saturating_add(used);
    }
    Ok(tick * ticks)
}

fn ticks_per_second() -> f64 {
    crate::units::float(rustix::param::clock_ticks_per_second())
}

fn anonymous(pids: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let status = read(*pid, "status")?;
        sum += status_anonymous(&status)
            .with_context(|| format!("/proc/{pid}/status has no RssAnon: the process ended"))?;
    }
    Ok(sum)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

/// User and system ticks; the fields are counted behind the name, which may contain anything.
fn stat_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn status_anonymous(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_process_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 70 30 0 0 20 0 8 0 100";
        assert_eq!(stat_ticks(stat), Some(100));
        assert_eq!(stat_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn anonymous_memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     72 kB\nRssFile:\t 1 kB\n";
        assert_eq!(status_anonymous(status), Some(72 * 1024));
        assert_eq!(status_anonymous("Name:\tzombie\n"), None);
    }

    #[test]
    fn watching_this_process_sees_memory_it_touches() {
        let watch = Watch::start(&[std::process::id()]).unwrap();
        let touched = std::hint::black_box(vec![1u8; 32 << 20]);
        let peak = anonymous(&[std::process::id()]).unwrap();
        assert!(peak >= 32 << 20, "peak is {peak}");
        assert!(watch.finish().unwrap().peak_anonymous > 0);
        drop(touched);
    }

    #[test]
    fn watching_no_process_is_an_error() {
        assert!(Watch::start(&[u32::MAX]).is_err());
    }
}
