//! The terminal client at a terminal: it begins, draws, ends, and leaves the terminal as it was.

use crate::support::{Home, PASSWORD};
use crate::terminal::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a key takes at most until it is seen.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What a program writes to get another screen, to give it back, and to show the cursor.
const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";
const CURSOR: &str = "\x1b[?25h";

/// The terminal client, with somebody before it.
struct Session {
    terminal: Terminal,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

// === impl Session ===

impl Session {
    fn start(home: &Home, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let terminal = Terminal::new();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal.person, size).unwrap();
        let mut command = home.command(args);
        command.envs(variables.iter().copied());
        command.stdin(terminal.program.try_clone().unwrap());
        command.stdout(terminal.program.try_clone().unwrap());
        command.stderr(terminal.program.try_clone().unwrap());
        let child = command.spawn().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (into, mut person) = (Arc::clone(&shown), terminal.person.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = person.read(&mut bytes) {
                into.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self {
            terminal,
            child,
            shown,
        }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown().contains(text) {
            assert!(Instant::now() < deadline, "{text:?}: {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn types(&mut self, keys: &str) {
        self.terminal.person.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a letter that is nowhere on the screen; how long it took to be there.
    #[track_caller]
    fn is_seen_after(&mut self, letter: char) -> Duration {
        let letter = letter.to_string();
        assert!(!self.shown().contains(&letter), "{letter}");
        let typed = Instant::now();
        self.types(&letter);
        self.sees(&letter);
        typed.elapsed()
    }

    /// Waits for its end, after which the terminal must be as it was.
    #[track_caller]
    fn ends_well(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {:?}",
                self.shown()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(0), "{:?}", self.shown());
        self.sees(LEFT);
        let shown = self.shown();
        let behind = shown.rsplit_once(LEFT).unwrap().1;
        assert!(behind.contains(CURSOR), "{behind:?}");
        let modes = tcgetattr(&self.terminal.program).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only matters when a test failed; a child that is gone is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_terminal_is_given_back_however_the_client_ends() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    let url = format!("http://{}", server.address);
    let key = format!("floundr_admin:{PASSWORD}");
    let variables = [("FLOUNDR_KEY", key.as_str()), ("LOG_LEVEL", "trace")];
    let start = || {
        let session = Session::start(&home, &["tui", "--url", &url], &variables);
        session.sees(ENTERED);
        session.sees("epositories ");
        let modes = tcgetattr(&session.terminal.program).unwrap().local_modes;
        assert!(!modes.intersects(LocalModes::ECHO | LocalModes::ICANON));
        session
    };
    let mut session = start();
    session.types(":q\r");
    session.ends_well();
    for signal in [Signal::TERM, Signal::HUP] {
        let session = start();
        kill_process(Pid::from_child(&session.child), signal).unwrap();
        session.ends_well();
    }
    server.stop();
}

/// The client looks up each second by itself: who waits for that sees a key when the second is over, and each
/// of these early in it.
#[test]
fn a_key_is_seen_at_once_after_nothing_has_happened_for_a_while() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    let url = format!("http://{}", server.address);
    let key = format!("floundr_admin:{PASSWORD}");
    let mut session = Session::start(&home, &["tui", "--url", &url], &[("FLOUNDR_KEY", &key)]);
    session.sees("epositories ");
    session.types(":");
    session.is_seen_after('\u{f8}');
    let typed = [
        (2_050, '\u{e4}'),
        (1_100, '\u{e9}'),
        (1_200, '\u{f1}'),
        (2_150, '\u{f6}'),
        (1_050, '\u{fc}'),
        (1_150, '\u{df}'),
        (1_100, '\u{e6}'),
    ];
    let mut took = typed.map(|(pause, letter)| {
        std::thread::sleep(Duration::from_millis(pause));
        session.is_seen_after(letter)
    });
    // A busy machine may hold up one of them, and an event bring one forward.
    took.sort_unstable();
    assert!(took[took.len() / 2] < AT_ONCE, "{took:?}");
    // Ctrl-c, twice.
    session.types("\x03\x03");
    session.ends_well();
    server.stop();
}

#[test]
fn the_first_start_asks_which_registry_it_is_and_can_be_left() {
    let home = Home::new();
    let mut session = Session::start(&home, &["tui"], &[]);
    session.sees("Which registry?");
    session.types("\x1b");
    session.ends_well();
}

#[test]
fn without_a_terminal_it_says_so_and_ends_with_code_2() {
    let home = Home::new();
    let mut command = home.command(&["tui"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("needs a terminal"), "{said}");
    assert!(output.stdout.is_empty());
}
