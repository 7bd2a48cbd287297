//! Log lines: one subscriber for the process, to standard error.
//!
//! The access log is the target `floundr::access`, one line a request, written by the frontend;
//! `LOG_LEVEL=info,floundr::access=off` silences it.

use crate::args::LogFormat;
use crate::config::LogConfig;
use anyhow::{Context as _, Result, anyhow};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging as configured. Called once.
pub(crate) fn start(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.level).context("cannot use log_level")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours for eyes only: a log file would hold their escape codes.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))
}
