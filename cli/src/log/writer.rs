//! [`Lines`]: log lines on their way to standard error.
//!
//! A line of the access log is one of tens of thousands a second, and a system call for each costs
//! as much as the rest of a small request. So those wait for one another, everything else does not.
//!
//! Invariants:
//! 1. Lines keep their order: a line that is written at once takes with it what waited before it.
//! 2. An access line waits at most [`PATIENCE`]; so many are lost when the process is killed. A
//!    panic and an orderly end lose none: after [`Lines::finish`] no line waits.
//! 3. At most [`BATCH`] bytes wait, and one line: who comes after that writes them all. Whoever
//!    reads the log slowly slows down the server, as with every write to a pipe; no line is dropped.

use floundr_frontend::ACCESS_TARGET;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const PATIENCE: Duration = Duration::from_millis(100);

/// How soon a full pipe is tried again that does not block by itself.
const RETRY: Duration = Duration::from_millis(1);

/// How many bytes may wait.
const BATCH: usize = 64 * 1024;

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
    /// Whether the end has come, and nothing waits any more.
    is_ending: bool,
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
        let pending = Pending {
            bytes: Vec::new(),
            out,
            is_ending: false,
        };
        Self(Arc::new(Shared {
            pending: Mutex::new(pending),
            waits: Condvar::new(),
        }))
    }

    /// Writes what waits, and from now on every line at once.
    pub(crate) fn finish(&self) {
        let mut pending = self.0.pending.lock();
        pending.is_ending = true;
        pending.write_out();
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        self.0.line(false)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        self.0
            .line(meta.target() == ACCESS_TARGET && *meta.level() >= Level::INFO)
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
        let mut written = 0;
        while written < self.bytes.len() {
            match self.out.write(&self.bytes[written..]) {
                Ok(count) if count > 0 => written += count,
                // Another process that shares it made it so; it is to block all the same.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Standard error that takes nothing leaves nobody to tell.
                Ok(_) | Err(_) => break,
            }
        }
        self.bytes.clear();
    }
}

// === impl Line ===

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut pending = self.shared.pending.lock();
        let was_empty = pending.bytes.is_empty();
        pending.bytes.extend_from_slice(line);
        if !self.waits || pending.is_ending || pending.bytes.len() >= BATCH {
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
        lines.finish();
        assert_eq!(written(&lines), "one\ntwo\nthree\n");
        line(&lines, true, "four\n");
        assert!(written(&lines).ends_with("four\n"));
    }

    #[test]
    fn a_full_pipe_is_waited_for_and_tears_no_line() {
        /// Takes three bytes at a time, and nothing every other time.
        struct Slow(Vec<u8>, bool);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                let taken = bytes.iter().take(3 * usize::from(self.1));
                let count = taken.len();
                self.0.extend(taken);
                (count > 0)
                    .then_some(count)
                    .ok_or_else(|| io::ErrorKind::WouldBlock.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::to(Slow(Vec::new(), false));
        for text in ["one line\n", "another\n"] {
            lines.0.line(false).write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(lines.0.pending.lock().out.0, b"one line\nanother\n");
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
