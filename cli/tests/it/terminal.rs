//! What a person is asked at a terminal, and what it does not show.

use crate::support::{Home, Ran};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

/// A terminal, held by both ends.
pub(crate) struct Terminal {
    pub(crate) person: File,
    pub(crate) program: File,
}

// === impl Terminal ===

impl Terminal {
    pub(crate) fn new() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let mut options = OpenOptions::new();
        let program = options.read(true).write(true).open(path).unwrap();
        Self {
            person: OwnedFd::into(person),
            program,
        }
    }

    /// Runs `floundr ARGS` and types an answer after each question; how it ended, and what the terminal
    /// showed meanwhile.
    fn run(&mut self, home: &Home, args: &[&str], answers: &[(&str, &str)]) -> (Ran, String) {
        let mut command = home.command(args);
        command.stdin(self.program.try_clone().unwrap());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut said = String::new();
        for (question, answer) in answers {
            let mut byte = [0];
            while !said.ends_with(question) {
                assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{question}: {said}");
                said.push(byte[0].into());
            }
            writeln!(self.person, "{answer}").unwrap();
        }
        stderr.read_to_string(&mut said).unwrap();
        let mut ran = Ran::from(child.wait_with_output().unwrap());
        ran.stderr = said;
        (ran, self.shown())
    }

    /// What it has shown.
    fn shown(&mut self) -> String {
        // A last line of the test's own: reading up to it cannot wait for more.
        writeln!(self.program, "end").unwrap();
        let mut shown = String::new();
        let mut byte = [0];
        while !shown.ends_with("end\r\n") {
            self.person.read_exact(&mut byte).unwrap();
            shown.push(byte[0].into());
        }
        shown
    }

    fn shows_what_is_typed(&self) -> bool {
        let modes = tcgetattr(&self.program).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }
}

#[test]
fn a_typed_password_is_not_shown_and_has_to_be_typed_twice() {
    let home = Home::new();
    let mut terminal = Terminal::new();
    let (first, again) = ("made up): ", "The same again: ");
    let args = ["user", "create", "ann"];
    let answers = [(first, "swordfish"), (again, "swordfish")];
    let (ran, shown) = terminal.run(&home, &args, &answers);
    assert!(!shown.contains("swordfish"), "{shown}");
    assert!(!ran.stdout.contains("swordfish"), "{}", ran.stdout);
    assert!(terminal.shows_what_is_typed(), "it is as it was");

    let answers = [(first, "swordfish"), (again, "swordfsih")];
    let (ran, _) = terminal.run(&home, &args, &answers);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("not the same"), "{}", ran.stderr);
    assert!(terminal.shows_what_is_typed());
}

#[test]
fn a_store_is_destroyed_only_by_who_types_its_name() {
    let home = Home::new();
    let mut terminal = Terminal::new();
    assert_eq!(home.run(&["new-repo", "team/app"]).code, Some(0));
    let question = "type the directory's name, storage: ";
    let (ran, _) = terminal.run(&home, &["migrate-fresh"], &[(question, "yes")]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("1 repositories with 0 B"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.ends_with("error: nothing was destroyed\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        home.run(&["new-repo", "team/app"]).stdout,
        "repository team/app exists already\n"
    );

    let (ran, _) = terminal.run(&home, &["migrate-fresh"], &[(question, "storage")]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("is empty"), "{}", ran.stdout);
    assert_eq!(
        home.run(&["new-repo", "team/app"]).stdout,
        "created repository team/app\n"
    );
}
