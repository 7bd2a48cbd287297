//! [`Lines`]: log lines on their way to standard error.
//!
//! A line of the access log is one of tens of thousands a second, and a system call for each costs
//! as much as the rest of a small request. So those wait for one another, everything else does not.
//!
//! Invariants:
//! 1. Lines keep their order: a line that is written at once takes with it what waited before it.
//! 2. An access line waits at most [`PATIENCE`]; so many are lost when the process is killed. A
//!    panic and an orderly end lose none.
//! 3. At most [`BATCH`] bytes wait, and one line: who comes after that writes them all. Whoever
//!    reads the log slowly slows down the server, as with every write to a pipe; no line is dropped.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const PATIENCE: Duration = Duration::from_millis(100);

/// How many bytes may wait.
const BATCH: usize = 64 * 1024;

/// The target whose lines wait.
const ACCESS: &str = "floundr::access";

/// Where lines go. Clones share what waits.
#[derive(Debug)]
pub(crate) struct Lines<W = io::Stderr>(Arc<Shared<W>>);

#[derive(Debug)]
struct Shared<W> {
    pending: Mutex<Pending<W>>,
    /// Told when something begins to wait.
    waits: Condvar,
}

#[derive(Debug)]
struct Pending<W> {
    bytes: Vec<u8>,
    out: W,
}

/// One line being written.
#[derive(Debug)]
pub(crate) struct Line<'a, W: Write> {
    shared: &'a Shared<W>,
    waits: bool,
}

// === impl Lines ===

impl Lines {
    /// Lines to standard error, and the thread that writes those that waited long enough.
    pub(crate) fn start() -> io::Result<Self> {
        let lines = Self::to(io::stderr());
        let shared = Arc::clone(&lines.0);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.write_in_time())?;
        Ok(lines)
    }
}

impl<W: Write> Lines<W> {
    fn to(out: W) -> Self {
        let bytes = Vec::new();
        Self(Arc::new(Shared {
            pending: Mutex::new(Pending { bytes, out }),
            waits: Condvar::new(),
        }))
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        self.0.pending.lock().write_out();
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        self.0.line(false)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        self.0
            .line(meta.target() == ACCESS && *meta.level() >= Level::INFO)
    }
}

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// === impl Shared ===

impl<W: Write> Shared<W> {
    fn line(&self, waits: bool) -> Line<'_, W> {
        Line {
            shared: self,
            waits,
        }
    }

    fn write_in_time(&self) -> ! {
        loop {
            let mut pending = self.pending.lock();
            while pending.bytes.is_empty() {
                self.waits.wait(&mut pending);
            }
            MutexGuard::unlocked(&mut pending, || thread::sleep(PATIENCE));
            pending.write_out();
        }
    }
}

// === impl Pending ===

impl<W: Write> Pending<W> {
    fn write_out(&mut self) {
        // Standard error that takes nothing leaves nobody to tell.
        self.out.write_all(&self.bytes).ok();
        self.bytes.clear();
    }
}

// === impl Line ===

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut pending = self.shared.pending.lock();
        let was_empty = pending.bytes.is_empty();
        pending.bytes.extend_from_slice(line);
        if !self.waits || pending.bytes.len() >= BATCH {
            pending.write_out();
        } else if was_empty {
            self.shared.waits.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &Lines<Vec<u8>>) -> String {
        String::from_utf8(lines.0.pending.lock().out.clone()).unwrap()
    }

    fn line(lines: &Lines<Vec<u8>>, waits: bool, text: &str) {
        lines.0.line(waits).write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_that_cannot_wait_takes_with_it_what_waited_before() {
        let lines = Lines::to(Vec::new());
        line(&lines, true, "one\n");
        assert_eq!(written(&lines), "");
        line(&lines, false, "two\n");
        assert_eq!(written(&lines), "one\ntwo\n");
        line(&lines, true, "three\n");
        lines.flush();
        assert_eq!(written(&lines), "one\ntwo\nthree\n");
    }

    #[test]
    fn what_waits_is_bounded_and_nothing_of_it_is_lost() {
        let lines = Lines::to(Vec::new());
        let text = "x".repeat(999) + "\n";
        for count in 1..=200 {
            line(&lines, true, &text);
            let waiting = lines.0.pending.lock().bytes.len();
            assert!(waiting < BATCH);
            assert_eq!(written(&lines).len() + waiting, count * 1000);
        }
    }

    #[test]
    fn a_line_waits_no_longer_than_it_may() {
        let lines = Lines::to(Vec::new());
        let shared = Arc::clone(&lines.0);
        thread::spawn(move || shared.write_in_time());
        for text in ["one\n", "two\n"] {
            line(&lines, true, text);
            let begun = std::time::Instant::now();
            while !written(&lines).ends_with(text) {
                assert!(begun.elapsed() < Duration::from_secs(10), "{text} waits");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
