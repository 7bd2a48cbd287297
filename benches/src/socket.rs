//! What all sockets of the load have in common.
//!
//! 1. Nothing waits for more to send.
//! 2. What is sent is not paced by timers. Some systems use `bbr` unless told otherwise, which does that even over
//!    loopback: the client takes a fifth more of the kernel's time for a push, and wakes the server more often.
//! 3. All servers are met with the same sockets. What a server's own do is the server's matter.

use std::os::fd::AsFd;

use anyhow::{Context as _, Result};
use rustix::net::sockopt::{set_tcp_congestion, set_tcp_nodelay};

/// The congestion control that every Linux has and allows to everybody.
const CONTROL: &str = "reno";

/// Prepares a connected `socket` for its first request.
///
/// # Errors
/// When the system refuses.
pub(crate) fn prepare(socket: impl AsFd) -> Result<()> {
    let socket = socket.as_fd();
    set_tcp_nodelay(socket, true).context("cannot set TCP_NODELAY")?;
    set_tcp_congestion(socket, CONTROL)
        .with_context(|| format!("cannot send by the congestion control {CONTROL:?}"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::sockopt::{tcp_congestion, tcp_nodelay};

    use super::*;

    #[test]
    fn a_prepared_socket_neither_waits_nor_paces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!tcp_nodelay(&socket).unwrap());
        prepare(&socket).unwrap();
        assert!(tcp_nodelay(&socket).unwrap());
        assert_eq!(tcp_congestion(&socket).unwrap(), CONTROL);
    }
}
