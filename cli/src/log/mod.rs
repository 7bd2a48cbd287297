//! Log lines: one subscriber for the process, to standard error.
//!
//! The access log is the target `floundr::access`, one line a request, written by the frontend;
//! `LOG_LEVEL=info,floundr::access=off` silences it. Its lines are written in batches, see
//! [`writer`].

mod writer;

use crate::args::LogFormat;
use crate::config::LogConfig;
use anyhow::{Context as _, Result, anyhow};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use writer::Lines;

/// Writes what is still held back when it is dropped.
#[derive(Debug)]
#[must_use = "access lines are written in batches, the last of them when this is dropped"]
pub(crate) struct Logging(Lines);

/// Starts logging as configured. Called once.
pub(crate) fn start(config: &LogConfig) -> Result<Logging> {
    let filter = EnvFilter::try_new(&config.level).context("cannot use log_level")?;
    let lines = Lines::start().context("cannot start the thread that writes the log")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours for eyes only: a log file would hold their escape codes.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(lines.clone());
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))?;
    Ok(Logging(lines))
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.finish();
    }
}
