//! A home directory of a test's own, commands run in it, and a server that ends with the test.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A directory that is working directory and home of the commands of one test.
pub(crate) struct Home(TempDir);

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A server that is up.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Its first line.
    pub(crate) greeting: String,
    /// Its plain address.
    pub(crate) address: SocketAddr,
}

// === impl Home ===

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `floundr ARGS` with this as the working directory, and as the home directory through
    /// `FLOUNDR_HOME`; nothing else is in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floundr"));
        command
            .args(args)
            .env_clear()
            .env("FLOUNDR_HOME", self.path())
            .current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let variables = variables.iter().copied();
        Ran::from(self.command(args).envs(variables).output().unwrap())
    }

    /// A server on a port the system chooses, once it has said where it is.
    pub(crate) fn serve(&self, args: &[&str]) -> Server {
        let args = [&["serve", "--port", "0"], args].concat();
        let mut command = self.command(&args);
        Server::start(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))
    }
}

// === impl Ran ===

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

// === impl Server ===

impl Server {
    /// Starts `command`, whose standard output is piped, and waits until it says where it is.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).unwrap();
        let address = greeting
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split([',', ' ']).next())
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {greeting:?}"));
        Self {
            child,
            stdout,
            greeting,
            address,
        }
    }

    /// Sends a request without a body; the head and body of the answer.
    pub(crate) fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A connection in the middle of an upload: the head is sent, the body is not.
    pub(crate) fn unfinished_upload(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"
        )
        .unwrap();
        stream
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; the status and what was printed after the first line.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).unwrap();
        (status, printed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only matters when a test failed; a child that is gone is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
