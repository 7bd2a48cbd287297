//! What a person types: answers to questions, and secrets, which are not shown.
//!
//! Invariants:
//! 1. Nobody is asked unless standard input is a terminal: a script must not hang, nor have what it
//!    pipes in taken for an answer.
//! 2. A secret is not echoed, and the terminal is as it was when the question is over.

use crate::output;
use anyhow::{Context as _, Result, ensure};
use floundr_frontend::accounts::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Read as _, Stdin, stdin};

/// Bytes of the longest line that is read.
const MAX_LINE: u64 = 64 * 1024;

/// Whether there is somebody to ask.
pub(crate) fn is_there() -> bool {
    stdin().is_terminal()
}

/// What somebody answers to a question.
///
/// # Errors
/// When nothing can be read.
pub(crate) fn answer(question: &str) -> Result<String> {
    output::question(question);
    line()
}

/// What somebody types without its being shown.
///
/// # Errors
/// When nothing can be read, or the terminal cannot be kept from showing it.
pub(crate) fn secret(question: &str) -> Result<Secret> {
    let silence = Silence::new()?;
    output::question(question);
    let line = line();
    drop(silence);
    // The line end that was typed was not shown either.
    output::question("\n");
    line.map(Secret::from)
}

/// A line of standard input, without its end.
///
/// # Errors
/// When it cannot be read, has ended, or is too long.
pub(crate) fn line() -> Result<String> {
    let mut line = String::new();
    let mut input = stdin().lock().take(MAX_LINE);
    let read = input
        .read_line(&mut line)
        .context("cannot read from standard input")?;
    ensure!(read > 0, "standard input has ended");
    ensure!(
        line.ends_with('\n') || (read as u64) < MAX_LINE,
        "the line on standard input is too long"
    );
    let line = line.trim_end_matches(['\n', '\r']);
    Ok(line.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence {
    before: Termios,
    input: Stdin,
}

// === impl Silence ===

impl Silence {
    fn new() -> Result<Self> {
        const FAILED: &str = "cannot keep the terminal from showing what is typed";
        let input = stdin();
        let before = tcgetattr(&input).context(FAILED)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead was shown, and is no answer to this.
        tcsetattr(&input, OptionalActions::Flush, &silent).context(FAILED)?;
        Ok(Self { before, input })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nothing left to try when this fails, and the shell sets its own modes.
        let _is_restored = tcsetattr(&self.input, OptionalActions::Now, &self.before).is_ok();
    }
}
