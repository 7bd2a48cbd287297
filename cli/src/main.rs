//! The `floundr` binary: arguments in, exit code out.
//!
//! Exit codes: 0 done, 1 failed while running, 2 asked for something that cannot be.

mod allocator;
mod args;
mod client;
mod commands;
mod config;
mod log;
mod output;
mod profile;
mod secret_file;
mod terminal;
mod tui;

use clap::Parser as _;
use commands::Failure;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::set_up();
    let args = args::Args::parse_from(command_line(std::env::args_os()));
    let (error, code) = match commands::run(&args) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(error)) => (error, 1),
        Err(Failure::Usage(error)) => (error, 2),
    };
    output::error(&error);
    ExitCode::from(code)
}

/// What was typed; a program that is called `floundr-tui`, by a link, is the command `tui`.
fn command_line(mut typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let program = typed.next().unwrap_or_else(|| "floundr".into());
    let is_client = Path::new(&program).file_name() == Some("floundr-tui".as_ref());
    let command = is_client.then(|| OsString::from("tui"));
    [program].into_iter().chain(command).chain(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_other_name_is_a_command() {
        let typed = |words: &[&str]| command_line(words.iter().map(OsString::from));
        assert_eq!(
            typed(&["/usr/bin/floundr-tui", "--url", "x"]),
            ["/usr/bin/floundr-tui", "tui", "--url", "x"]
        );
        assert_eq!(typed(&["floundr", "du"]), ["floundr", "du"]);
        assert_eq!(typed(&[]), ["floundr"]);
    }
}
