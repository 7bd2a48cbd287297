//! Connecting: what all sockets of the load have in common.
//!
//! 1. Nothing waits for more to send.
//! 2. What is sent is not paced by timers. Some systems use `bbr` unless told otherwise, which does that even over
//!    loopback: the client takes a fifth more of the kernel's time for a push, and wakes the server more often. The
//!    choice is made before connecting: a connection that `bbr` began stays paced under another one.
//! 3. All servers are met with the same sockets. What a server's own do is the server's matter.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, Error, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};
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
    connect_one(lookup_host(authority).await?).await
}

/// The same, for a thread that blocks.
///
/// # Errors
/// As of [`connect`].
pub(crate) fn connect_blocking(authority: &str) -> Result<std::net::TcpStream> {
    connect_one_blocking(authority.to_socket_addrs()?)
}

async fn connect_one(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream> {
    let mut failed = nowhere();
    for address in addresses {
        let socket = open(address)?;
        socket.set_nonblocking(true)?;
        match TcpSocket::from_std_stream(socket.into())
            .connect(address)
            .await
        {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

fn connect_one_blocking(
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<std::net::TcpStream> {
    let mut failed = nowhere();
    for address in addresses {
        let socket = open(address)?;
        match socket.connect(&address.into()) {
            Ok(()) => return Ok(socket.into()),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

fn nowhere() -> Error {
    anyhow!("the host has no address")
}

/// A socket that is ready to be connected to `address`.
fn open(address: SocketAddr) -> Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket
        .set_tcp_nodelay(true)
        .context("cannot set TCP_NODELAY")?;
    socket
        .set_tcp_congestion(CONTROL.as_bytes())
        .with_context(|| format!("cannot send by the congestion control {CONTROL:?}"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use socket2::SockRef;

    use super::*;

    fn expect_prepared(socket: &impl AsFd) {
        let socket = SockRef::from(socket);
        assert!(socket.tcp_nodelay().unwrap());
        let control = socket.tcp_congestion().unwrap();
        let control = control.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(control, CONTROL.as_bytes());
    }

    #[tokio::test]
    async fn a_connection_neither_waits_for_more_nor_is_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        expect_prepared(&connect(&address).await.unwrap());
        expect_prepared(&connect_blocking(&address).unwrap());
    }

    #[tokio::test]
    async fn the_next_address_of_a_host_is_tried_and_a_refusal_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listens = listener.local_addr().unwrap();
        let nobody = SocketAddr::new([127, 0, 0, 2].into(), listens.port());
        let both = || [nobody, listens].into_iter();
        let connected = connect_one(both()).await.unwrap();
        assert_eq!(connected.peer_addr().unwrap(), listens);
        let connected = connect_one_blocking(both()).unwrap();
        assert_eq!(connected.peer_addr().unwrap(), listens);
        let nobody = nobody.to_string();
        for refused in [
            connect(&nobody).await.err(),
            connect_blocking(&nobody).err(),
        ] {
            assert!(refused.unwrap().to_string().contains("refused"));
        }
    }
}
