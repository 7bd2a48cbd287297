//! `floundr completions SHELL` and `floundr man DIR`: what is generated from the definition of the
//! command line, so that it cannot differ from it.

use super::Failure;
use crate::args::Args;
use crate::output;
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions.
pub(crate) fn completions(shell: Shell) {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output::text(&script);
}

/// Writes a page for the program and one for each command.
pub(crate) fn manual(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .with_context(|| format!("cannot write into {}", directory.display()))
        .map_err(Failure::Run)
}
