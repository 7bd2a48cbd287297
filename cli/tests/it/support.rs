//! A home directory of a test's own, commands run in it, and a server that ends with the test.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of `floundr_admin` at a server with accounts.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

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

    /// A server that is open to everybody, on a port the system chooses, once it has said where it is.
    pub(crate) fn serve(&self, args: &[&str]) -> Server {
        let args = [&["serve", "--port", "0", "--no-auth"], args].concat();
        let mut command = self.command(&args);
        Server::start(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))
    }

    /// The same for those who have an account; the administrator's password is [`PASSWORD`].
    pub(crate) fn serve_accounts(&self, args: &[&str]) -> Server {
        let args = [&["serve", "--port", "0"], args].concat();
        let mut command = self.command(&args);
        command.env("FLOUNDR_ADMIN_PASSWORD", PASSWORD);
        Server::start(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))
    }
}

// === impl Ran ===

impl Ran {
    /// The JSON that was printed by a command that went well.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The same without what changes from one moment to the next.
    #[track_caller]
    pub(crate) fn lasting_json(&self) -> Value {
        without_times(self.json())
    }
}

fn without_times(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let lasts =
                |name: &str| name != "free_bytes" && !name.split('_').any(|word| word == "ms");
            let fields = fields.into_iter().filter(|(name, _)| lasts(name));
            Value::Object(
                fields
                    .map(|(name, value)| (name, without_times(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_times).collect()),
        other => other,
    }
}

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

    /// The body of an answer.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        answer.split_off(end.unwrap() + 4)
    }

    /// Pushes a blob in one request; its digest is that of `content`, which the caller knows.
    pub(crate) fn push(&self, repository: &str, digest: &str, content: &[u8]) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = content.len();
        write!(
            stream,
            "POST /v2/{repository}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        stream.write_all(content).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    /// Pushes an image manifest of type OCI with an empty configuration, which is pushed as well, and
    /// layers of so many bytes; its digest.
    pub(crate) fn push_image(&self, name: &str, tag: &str, layers: &[(&str, usize)]) -> String {
        let config = sha256(b"{}");
        self.push(name, &config, b"{}");
        let layers: Vec<_> = layers
            .iter()
            .map(|(digest, size)| {
                json!({ "mediaType": "application/x", "digest": digest, "size": size })
            })
            .collect();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": { "mediaType": "application/x", "digest": config, "size": 2 },
            "layers": layers,
        })
        .to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = manifest.len();
        write!(
            stream,
            "PUT /v2/{name}/manifests/{tag} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{manifest}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        sha256(manifest.as_bytes())
    }

    /// Appends to an upload; the head and body of the answer.
    pub(crate) fn patch(&self, location: &str, content: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = content.len();
        write!(
            stream,
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        )
        .unwrap();
        stream.write_all(content).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends the server and waits for its end.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended().0.code(), Some(0));
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

/// The digest of `content`.
pub(crate) fn sha256(content: &[u8]) -> String {
    use floundr_engine::digest::{Algorithm, Digest};
    Digest::of(Algorithm::Sha256, content).to_string()
}

/// The files in the directories of a directory.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let inner = std::fs::read_dir(folder).into_iter().flatten();
    let files = inner.flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}
