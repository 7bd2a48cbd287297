//! One registry, from an empty folder to its end.
//!
//! 1. A [`Server`] that is dropped, for whatever reason, stops its own process by its id: SIGTERM, and SIGKILL
//!    when that is not enough in time. Then its folder is deleted.
//! 2. It is ready when its address answers 200 without a login, and an error with the end of its log when it ends
//!    before, or does not answer in time.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::client::{Connection, Payload, expect_status};
use crate::compare::certificate::Certificate;
use crate::compare::file::{Contender, Places};
use crate::endpoint::Endpoint;
use crate::transport::{Protocol, Transport};

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
const POLL: Duration = Duration::from_millis(10);

/// A running registry with a data folder of its own.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    transport: Transport,
    static_root: Option<PathBuf>,
    child: Child,
    // Dropped, and so deleted, after `drop` has stopped the process that writes to it.
    folder: TempDir,
}

// === impl Server ===

impl Server {
    /// Starts `contender` on free ports with a fresh folder inside `parent`, and waits until it is ready, spoken to
    /// over `protocol`; it is to show `certificate`.
    ///
    /// # Errors
    /// When it cannot be started, ends early or is not ready in time.
    ///
    /// # Cancel safety
    /// Dropping the future stops the process and deletes the folder.
    pub async fn start(
        contender: &Contender,
        protocol: Protocol,
        certificate: &Certificate,
        parent: &Path,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("floundr-bench-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        let places = places(contender, certificate, folder.path())?;
        let static_root = contender.static_root.as_deref();
        let static_root = static_root.map(|root| places.fill_all(root)).transpose()?;
        let (endpoint, ready) = Endpoint::split(&places.fill_all(&contender.ready)?)?;
        let child = spawn(contender, &places, folder.path())?;
        let mut server = Self {
            endpoint,
            transport: certificate.transport(protocol)?,
            static_root: static_root.map(PathBuf::from),
            child,
            folder,
        };
        match timeout(READY_WITHIN, server.await_ready(&ready)).await {
            Ok(Ok(())) => Ok(server),
            Ok(Err(error)) => Err(server.explain(&error)),
            Err(_elapsed) => Err(server.explain(&anyhow!("not ready within {READY_WITHIN:?}"))),
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How it is spoken to.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The folder it serves, when it is a server of files.
    pub fn static_root(&self) -> Option<&Path> {
        self.static_root.as_deref()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `error` with the last lines the registry wrote behind it.
    pub fn explain(&self, error: &Error) -> Error {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<_> = text.lines().collect();
        let last = lines
            .iter()
            .skip(lines.len().saturating_sub(5))
            .copied()
            .collect::<Vec<_>>();
        match last.as_slice() {
            [] => anyhow!("{error:#} (its log is empty)"),
            lines => anyhow!("{error:#} (its log ends: {})", lines.join(" / ")),
        }
    }

    async fn await_ready(&mut self, target: &str) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait().context("cannot await the process")? {
                bail!("ended before it was ready: {status}");
            }
            match answers(&self.endpoint, &self.transport, target).await {
                Ok(()) => return Ok(()),
                Err(_not_yet) => sleep(POLL).await,
            }
        }
    }

    fn stop(&mut self) -> Result<()> {
        if self
            .child
            .try_wait()
            .context("cannot await the process")?
            .is_some()
        {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("cannot send SIGTERM")?;
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if self
                .child
                .try_wait()
                .context("cannot await the process")?
                .is_some()
            {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        // The whole group, so that no worker outlives it; its id is not free before the wait.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL)
            .context("cannot send SIGKILL")?;
        self.child
            .wait()
            .map(drop)
            .context("cannot await the process")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            crate::compare::progress(&format!("process {} may still run: {error:#}", self.pid()));
        }
    }
}

fn places(contender: &Contender, certificate: &Certificate, folder: &Path) -> Result<Places> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .context("the folder is not UTF-8")
    };
    let (data, config) = (folder.join("data"), folder.join("config"));
    fs::create_dir(&data).context("cannot make the data folder")?;
    let [port, tls_port] = free_ports()?;
    let places = Places {
        port,
        dir: text(&data)?,
        config: text(&config)?,
        tls_port,
        cert: text(&certificate.path())?,
        key: text(&certificate.key_path())?,
    };
    if let Some(template) = &contender.template {
        let filled = fs::read_to_string(template)
            .with_context(|| format!("cannot read {}", template.display()))?;
        fs::write(&config, places.fill(&filled)).context("cannot write the configuration")?;
    }
    Ok(places)
}

fn spawn(contender: &Contender, places: &Places, folder: &Path) -> Result<Child> {
    let program = contender
        .program()
        .context("its program is not installed")?;
    let mut command = Command::new(&program);
    for argument in contender.command.iter().skip(1) {
        command.arg(places.fill_all(argument)?);
    }
    for (name, value) in &contender.env {
        command.env(name, places.fill_all(value)?);
    }
    let log = File::create(folder.join("log")).context("cannot make the log")?;
    let errors = log.try_clone().context("cannot share the log")?;
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Two ports, free when this returns; both are held until then, so they differ.
fn free_ports() -> Result<[u16; 2]> {
    let hold = || TcpListener::bind("127.0.0.1:0").context("no free port");
    let port = |held: &TcpListener| Ok::<_, Error>(held.local_addr()?.port());
    let (one, other) = (hold()?, hold()?);
    Ok([port(&one)?, port(&other)?])
}

async fn answers(endpoint: &Endpoint, transport: &Transport, target: &str) -> Result<()> {
    let mut connection = Connection::open(endpoint, transport, None).await?;
    let request = connection
        .request(http::Method::GET, target)
        .body(Payload::none())?;
    let response = connection.send(request).await?;
    expect_status(&mut connection, response, 200)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Contender {
        Contender {
            name: "shell".into(),
            command: vec!["sh".into(), "-c".into(), script.into()],
            env: [("WORD".into(), "from {port}".into())].into(),
            ready: "http://127.0.0.1:{port}/".into(),
            ..Contender::default()
        }
    }

    async fn start(script: &str, parent: &Path) -> Result<Server> {
        let certificate = Certificate::make().unwrap();
        Server::start(&shell(script), Protocol::Plain, &certificate, parent).await
    }

    async fn until(reached: impl Fn() -> bool) {
        while !reached() {
            sleep(POLL).await;
        }
    }

    async fn written(file: &Path) {
        let text = || fs::read_to_string(file).unwrap_or_default();
        until(|| !text().trim().is_empty()).await;
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_reported_with_its_log() {
        let parent = tempfile::tempdir().unwrap();
        let error = start("echo $WORD; exit 3", parent.path())
            .await
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("its log ends: from ") && text.contains("exit status: 3"),
            "{text}"
        );
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn dropping_a_start_stops_the_process_and_deletes_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let pid_file = parent.path().join("pid");
        let script = format!("echo $$ >{}; exec sleep 600", pid_file.display());
        tokio::select! {
            started = start(&script, parent.path()) => panic!("{started:?}"),
            () = written(&pid_file) => (),
        }
        let pid = fs::read_to_string(&pid_file).unwrap();
        assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_worker_does_not_outlive_a_server_that_has_to_be_killed() {
        let parent = tempfile::tempdir().unwrap();
        let pid_file = parent.path().join("pid");
        let worker = format!("echo $$ >{}; sleep 600; true", pid_file.display());
        let script = format!("trap '' TERM; sh -c '{worker}'; true");
        tokio::select! {
            started = start(&script, parent.path()) => panic!("{started:?}"),
            () = written(&pid_file) => (),
        }
        let pid = fs::read_to_string(&pid_file).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        // Ended, even if whoever inherited it has not asked how.
        let ended = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        timeout(READY_WITHIN, until(ended)).await.unwrap();
    }
}
