//! What processes cost with all their descendants, read from `/proc`: processor time and anonymous memory.
//!
//! 1. Processor time is the difference over the watched interval, in the kernel's ticks (10 ms as a rule). That of
//!    a child that ended is in what its parent has waited for.
//! 2. Memory is `RssAnon`, sampled every 10 ms by one thread: a shorter peak can be missed. Page cache and
//!    mapped files are not in it, nor is a child that was started after watching began: to look for those costs
//!    more than to sample.
//! 3. With several processes, both are sums. One whose id was given must not end while it is watched; a
//!    descendant may.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};

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

/// Processes and their descendants.
#[derive(Debug)]
struct Tree {
    roots: Vec<u32>,
    descendants: Vec<u32>,
}

/// Processor time in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    own: u32,
    waited_for: u32,
}

// === impl Watch ===

impl Watch {
    /// Begins to watch `pids`.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn start(pids: &[u32]) -> Result<Self> {
        let tree = Tree::of(pids)?;
        let cpu_before = tree.cpu()?;
        let (stop, stopped) = mpsc::channel();
        let sampler = std::thread::spawn(move || {
            let mut peak = tree.anonymous()?;
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(tree.anonymous()?);
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
        let cpu_after = Tree::of(&self.pids).and_then(|tree| tree.cpu());
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

// === impl Tree ===

impl Tree {
    fn of(roots: &[u32]) -> Result<Self> {
        let parents = parents()?;
        let mut all = roots.to_vec();
        let mut next = 0;
        while let Some(&pid) = all.get(next) {
            let children = parents.iter().filter(|(_, parent)| *parent == pid);
            let children = children.map(|(child, _)| *child);
            let new: Vec<_> = children.filter(|child| !all.contains(child)).collect();
            all.extend(new);
            next += 1;
        }
        let descendants = all.split_off(roots.len());
        Ok(Self {
            roots: all,
            descendants,
        })
    }

    fn cpu(&self) -> Result<Duration> {
        let mut used = 0u32;
        for pid in &self.roots {
            let ticks = ticks(*pid)?.with_context(|| format!("process {pid} ended"))?;
            used = used.saturating_add(ticks.all());
        }
        for pid in &self.descendants {
            used = used.saturating_add(ticks(*pid)?.map_or(0, Ticks::all));
        }
        Ok(duration(used))
    }

    fn anonymous(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in &self.roots {
            let status = read(*pid, "status")?.with_context(|| format!("process {pid} ended"))?;
            sum += status_anonymous(&status)
                .with_context(|| format!("/proc/{pid}/status has no RssAnon: the process ended"))?;
        }
        for pid in &self.descendants {
            let status = read(*pid, "status")?;
            sum += status.as_deref().and_then(status_anonymous).unwrap_or(0);
        }
        Ok(sum)
    }
}

// === impl Ticks ===

impl Ticks {
    fn all(self) -> u32 {
        self.own.saturating_add(self.waited_for)
    }
}

/// Processor time this program has used, without its children.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own_cpu() -> Result<Duration> {
    let ticks = ticks(std::process::id())?.context("this process has no entry in /proc")?;
    Ok(duration(ticks.own))
}

fn duration(ticks: u32) -> Duration {
    let a_second = crate::units::float(rustix::param::clock_ticks_per_second());
    Duration::from_secs(1).div_f64(a_second) * ticks
}

fn ticks(pid: u32) -> Result<Option<Ticks>> {
    let Some(stat) = read(pid, "stat")? else {
        return Ok(None);
    };
    let ticks = stat_ticks(&stat).with_context(|| format!("/proc/{pid}/stat is malformed"))?;
    Ok(Some(ticks))
}

/// Every process with its parent.
fn parents() -> Result<Vec<(u32, u32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list /proc")? {
        let name = entry.context("cannot list /proc")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Some(stat) = read(pid, "stat")? else {
            continue;
        };
        let parent =
            stat_parent(&stat).with_context(|| format!("/proc/{pid}/stat is malformed"))?;
        parents.push((pid, parent));
    }
    Ok(parents)
}

/// A file of the process; `None` when the process has ended.
fn read(pid: u32, file: &str) -> Result<Option<String>> {
    let path = format!("/proc/{pid}/{file}");
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}

/// It may end before its file is opened, or between that and reading it.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The fields behind the name, which may contain anything; the first is the state.
fn stat_fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace())
}

fn stat_parent(stat: &str) -> Option<u32> {
    stat_fields(stat)?.nth(1)?.parse().ok()
}

fn stat_ticks(stat: &str) -> Option<Ticks> {
    let mut fields = stat_fields(stat)?.skip(11);
    // User and system, of the process and then of the children it has waited for.
    let mut sum = || {
        let user: u32 = fields.next()?.parse().ok()?;
        let system: u32 = fields.next()?.parse().ok()?;
        user.checked_add(system)
    };
    Some(Ticks {
        own: sum()?,
        waited_for: sum()?,
    })
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
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    #[test]
    fn ticks_and_parent_are_found_behind_any_process_name() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 1 2 3 4 70 30 5 6 20 0 8 0 100";
        let ticks = Ticks {
            own: 100,
            waited_for: 11,
        };
        assert_eq!(stat_ticks(stat), Some(ticks));
        assert_eq!(stat_parent(stat), Some(7));
        assert_eq!(stat_ticks("42 (short) S 1"), None);
    }

    /// Starts a shell whose child, `exec sh`, runs `script`, and waits until that has written a line.
    fn grandchild(script: &str) -> Child {
        let mut shell = Command::new("sh")
            .args(["-c", r#"sh -c "$1"; sleep 600"#, "sh", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = shell.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        shell
    }

    fn end(mut shell: Child) {
        let descendants = Tree::of(&[shell.id()]).unwrap().descendants;
        // The shell first: it would go on to its `sleep` when its child has ended, and nobody would end that.
        shell.kill().unwrap();
        for pid in descendants {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
        // Only now: waiting closes what the child reads from, by which it would end before it is killed.
        shell.wait().unwrap();
    }

    #[test]
    fn the_memory_of_a_child_counts_as_its_parents() {
        let shell = grandchild("x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo; read y");
        let peak = Watch::start(&[shell.id()]).unwrap().finish().unwrap();
        let alone = status_anonymous(&read(shell.id(), "status").unwrap().unwrap()).unwrap();
        end(shell);
        assert!(alone < 20_000_000, "alone {alone}");
        assert!(peak.peak_anonymous > 20_000_000, "{peak:?}");
    }

    #[test]
    fn the_processor_time_of_a_child_counts_even_when_it_has_ended() {
        let mut shell =
            grandchild("echo; read y; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done");
        let watch = Watch::start(&[shell.id()]).unwrap();
        drop(shell.stdin.take());
        let waited = || ticks(shell.id()).unwrap().unwrap().waited_for > 0;
        let begin = Instant::now();
        while !waited() && begin.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(INTERVAL);
        }
        let usage = watch.finish().unwrap();
        let own = duration(ticks(shell.id()).unwrap().unwrap().own);
        end(shell);
        assert!(usage.cpu > own + INTERVAL, "{usage:?}, {own:?}");
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
        let tree = Tree::of(&[std::process::id()]).unwrap();
        let peak = tree.anonymous().unwrap();
        assert!(peak >= 32 << 20, "peak is {peak}");
        assert!(watch.finish().unwrap().peak_anonymous > 0);
        drop(touched);
    }

    #[test]
    fn watching_no_process_is_an_error() {
        assert!(Watch::start(&[u32::MAX]).is_err());
    }
}
