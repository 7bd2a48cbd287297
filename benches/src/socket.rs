//! Connecting: what all sockets of the load have in common.
//!
//! 1. Nothing waits for more to send.
//! 2. What is sent is not paced by timers. Some systems use `bbr` unless told otherwise, which does that even over
//!    loopback: the client takes a fifth more of the kernel's time for a push, and wakes the server more often. The
//!    choice is made before connecting: a connection that `bbr` began stays paced under another one.
//! 3. All servers are met with the same sockets. What a server's own do is the server's matter.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::AsFd;

use anyhow::{Context as _, Error, Result, anyhow};
use rustix::net::sockopt::{set_tcp_congestion, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// The congestion control that every Linux has.
const CONTROL: &str = "reno";

/// Connects to `authority`, a host and a port.
///
/// # Errors
/// When the host has no address, or none accepts the connection.
///
/// # Cancel safety
/// Dropping the future closes the socket.
pub(crate) async fn connect(authority: &str) -> Result<TcpStream> {
    let mut failed = nowhere();
    for address in lookup_host(authority).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        prepare(&socket)?;
        match socket.connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

/// The same, for a thread that blocks.
///
/// # Errors
/// As of [`connect`].
pub(crate) fn connect_blocking(authority: &str) -> Result<std::net::TcpStream> {
    let mut failed = nowhere();
    for address in authority.to_socket_addrs()? {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        prepare(&socket)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

fn nowhere() -> Error {
    anyhow!("the host has no address")
}

/// Prepares `socket` before it is connected.
fn prepare(socket: impl AsFd) -> Result<()> {
    let socket = socket.as_fd();
    set_tcp_nodelay(socket, true).context("cannot set TCP_NODELAY")?;
    set_tcp_congestion(socket, CONTROL)
        .with_context(|| format!("cannot send by the congestion control {CONTROL:?}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::sockopt::{tcp_congestion, tcp_nodelay};

    use super::*;

    fn expect_prepared(socket: impl AsFd) {
        let socket = socket.as_fd();
        assert!(tcp_nodelay(socket).unwrap());
        assert_eq!(tcp_congestion(socket).unwrap(), CONTROL);
    }

    #[tokio::test]
    async fn a_connection_neither_waits_for_more_nor_is_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        expect_prepared(connect(&address).await.unwrap());
        expect_prepared(connect_blocking(&address).unwrap());
    }

    #[tokio::test]
    async fn the_next_address_of_a_host_is_tried_and_a_refusal_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` may be ::1 first, where nobody listens.
        connect(&format!("localhost:{port}")).await.unwrap();
        connect_blocking(&format!("localhost:{port}")).unwrap();
        drop(listener);
        let address = format!("127.0.0.1:{port}");
        for refused in [
            connect(&address).await.err(),
            connect_blocking(&address).err(),
        ] {
            assert!(refused.unwrap().to_string().contains("refused"));
        }
    }
}
