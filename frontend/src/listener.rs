//! [`Listener`]: a TCP address that gives connections.
//!
//! Invariants:
//! 1. A failed accept never ends the server: running out of file descriptors or memory pauses it,
//!    anything else concerns one connection.
//! 2. No connection is served beyond the limit: one waits here, the next ones in the kernel. The
//!    place is taken after the connection was accepted, so that a listener without clients holds
//!    none that another one could use.

use crate::config::Listen;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// How long accepting pauses when the process or the machine has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    permits: Arc<Semaphore>,
    paused_until: Option<Instant>,
    /// Accepted, waiting for its place.
    pending: Option<(TcpStream, SocketAddr)>,
}

/// A connection, and its place among those allowed.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: OwnedSemaphorePermit,
}

// === impl Listener ===

impl Listener {
    /// Binds `address`. `permits` has one for each connection allowed.
    pub(crate) fn bind(
        address: SocketAddr,
        listen: &Listen,
        permits: Arc<Semaphore>,
    ) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server takes its address over while old connections still time out.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(listen.backlog).unwrap_or(i32::MAX))?;
        Ok(Self {
            socket: TcpListener::from_std(socket.into())?,
            permits,
            paused_until: None,
            pending: None,
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection.
    ///
    /// # Cancel safety
    /// Cancel safe: no connection is lost, and a pause goes on in the next call.
    pub(crate) async fn accept(&mut self) -> Accepted {
        loop {
            if let Some(accepted) = self.admit().await {
                return accepted;
            }
            if let Some(until) = self.paused_until {
                sleep_until(until).await;
                self.paused_until = None;
            }
            match self.accept_one().await {
                Ok(accepted) => self.pending = Some(accepted),
                Err(error) if is_exhausted(&error) => {
                    tracing::warn!(%error, "no room for a connection; accepting pauses");
                    self.paused_until = Some(Instant::now() + PAUSE);
                }
                Err(error) => tracing::debug!(%error, "a connection could not be accepted"),
            }
        }
    }

    /// The connection that waits, once there is a place for it; nothing when none waits.
    async fn admit(&mut self) -> Option<Accepted> {
        self.pending.as_ref()?;
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let (socket, peer) = self.pending.take()?;
        Some(Accepted {
            socket,
            peer,
            permit,
        })
    }

    async fn accept_one(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.socket.accept().await?;
        // Answers are written whole; waiting for more to send only delays them.
        socket.set_nodelay(true)?;
        Ok((socket, peer))
    }
}

/// Raises this process's limit of open files to what it may raise it to, and gives the limit.
/// A registry holds one for each connection, transfer and stored file in use; the usual limit of
/// 1024 is for programs that call `select`.
///
/// # Errors
/// The system's, when it refuses; the old limit holds.
pub fn raise_open_file_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(getrlimit(Resource::Nofile).current)
}

fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const EXHAUSTED: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| EXHAUSTED.contains(&Errno::from_raw_os_error(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_files_pauses_and_a_lost_connection_does_not() {
        let error = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_exhausted(&error(rustix::io::Errno::MFILE)));
        assert!(!is_exhausted(&error(rustix::io::Errno::CONNABORTED)));
    }

    #[test]
    fn the_open_file_limit_becomes_the_maximum() {
        let limit = raise_open_file_limit().unwrap();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
    }
}
