//! [`Manager`]: serves the management API on a unix socket.
//!
//! Invariants:
//! 1. Only the user of the server can connect: the socket's file has the mode 0600 before it
//!    listens.
//! 2. A file of that name is replaced only if nobody listens on it: two servers that share a home
//!    directory are told apart, and the second is refused.
//! 3. The file is gone when serving ends; every task belongs to [`Manager::serve`].

use super::Management;
use super::call::collect;
use crate::body::Body;
use crate::server::{Stop, wait};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// Connections that wait to be accepted: commands are typed by people.
const BACKLOG: i32 = 16;

/// How long a client may take for a request's head: it is on this machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long accepting pauses when the process has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest path a socket's address holds.
const ADDRESS: usize = 100;

/// The management API on a bound socket.
#[derive(Debug)]
pub struct Manager {
    listener: UnixListener,
    management: Management,
    file: SocketFile,
}

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another server has the home directory.
    #[error("another server listens on {}", .0.display())]
    InUse(PathBuf),
    /// The system does not give it.
    #[error("cannot listen on {}: {source}", path.display())]
    Listen {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The socket's file, removed when this is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// A path that fits into a socket's address; it is one as long as this is there.
struct Reachable {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

// === impl Manager ===

impl Manager {
    /// Binds the socket `path`, in place of one that a killed server left. Its directory exists.
    ///
    /// # Errors
    /// [`SocketError`]; what was there is as it was, unless nobody listened on it.
    pub async fn bind(management: Management, path: &Path) -> Result<Self, SocketError> {
        let refused = |source| SocketError::Listen {
            path: path.to_owned(),
            source,
        };
        if connect(path).await.is_ok() {
            return Err(SocketError::InUse(path.to_owned()));
        }
        let listener = listen(path).map_err(refused)?;
        Ok(Self {
            listener,
            management,
            file: SocketFile(path.to_owned()),
        })
    }

    /// Serves until the stop signal, then lets requests in flight end.
    ///
    /// # Cancel safety
    /// A dropped call cuts all of them.
    pub(crate) async fn serve(self, mut stopped: Stop) {
        let mut connections = JoinSet::new();
        let stop = stopped.clone();
        let mut stopping = pin!(wait(&mut stopped));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(_ended) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    connections.spawn(converse(self.management.clone(), socket, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a management connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // From here on a command finds no server, and says that the store is in use.
        drop((self.listener, self.file));
        while connections.join_next().await.is_some() {}
    }
}

async fn converse(management: Management, socket: UnixStream, mut stop: Stop) {
    let service = service_fn(move |request| {
        let management = management.clone();
        async move { Ok::<_, Infallible>(answer(&management, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        // A client that has gone does not want its answer: a backup ends then.
        .half_close(false)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut stopping = pin!(wait(&mut stop));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = &mut stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a management connection broke");
    }
}

async fn answer(management: &Management, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match collect(body).await {
        Ok(body) => management.handle(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// Connects to the management socket `path`.
///
/// # Errors
/// The system's; "not found" or "connection refused" when no server listens.
///
/// # Cancel safety
/// Cancel safe.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let reachable = Reachable::new(path)?;
    UnixStream::connect(&reachable.path).await
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let reachable = Reachable::new(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&reachable.path)?)?;
    // Nobody can connect before it listens.
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(socket.into())
}

// === impl Reachable ===

impl Reachable {
    /// A path too long for an address is reached through its directory, opened.
    fn new(path: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= ADDRESS {
            return Ok(Self {
                path: path.to_owned(),
                _directory: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        let number = directory.as_raw_fd();
        Ok(Self {
            path: Path::new(&format!("/proc/self/fd/{number}")).join(name),
            _directory: Some(directory),
        })
    }
}

// === impl SocketFile ===

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the socket could not be removed");
        }
    }
}
