//! One connection's life: which protocol it speaks, its requests, its end.
//!
//! Invariants:
//! 1. Every wait for the client has a limit: first byte, protocol and TLS handshake here, all later
//!    ones in `activity`.
//! 2. A client that is refused gets to read why: the socket is closed for writing first, and what
//!    the client still sends is read and thrown away for a moment (see [`end`]).
//!
//! How the protocols are set up is in [`http`]; how they are told apart in [`sniff`].

mod end;
mod http;
mod sniff;

#[cfg(any(test, feature = "test-util"))]
pub use http::fuzz_head;

use crate::activity::Activity;
use crate::error::{ApiError, ErrorCode};
use crate::log::RequestLine;
use crate::server::{Stop, wait};
use crate::service::{Handler, Registry};
use crate::stream::{Share, Socket, Stream};
use bytes::Bytes;
use sniff::Opening;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// What a listener's connections begin with.
#[derive(Clone)]
pub(crate) enum Security {
    Plain,
    Tls(TlsAcceptor),
}

/// Everything one connection needs beside its socket.
#[derive(Debug)]
pub(crate) struct Connection<H> {
    registry: Arc<Registry<H>>,
    peer: SocketAddr,
    security: Security,
    stop: Stop,
}

enum Protocol {
    Http1,
    Http2,
}

/// A connection that is ready for requests.
struct Opened {
    socket: Socket,
    protocol: Protocol,
    /// Read already.
    prefix: Bytes,
}

// === impl Connection ===

impl<H: Handler> Connection<H> {
    pub(crate) fn new(
        registry: Arc<Registry<H>>,
        peer: SocketAddr,
        security: Security,
        stop: Stop,
    ) -> Self {
        Self {
            registry,
            peer,
            security,
            stop,
        }
    }

    /// Serves `socket` until one side ends it, a limit is reached, or the server stops.
    pub(crate) async fn serve(mut self, socket: TcpStream) {
        let _open = self.registry.metrics().connection();
        let security = self.security.clone();
        let (registry, peer) = (Arc::clone(&self.registry), self.peer);
        let opening = async {
            match security {
                Security::Plain => open_plain(socket, &registry, peer).await,
                Security::Tls(acceptor) => open_tls(socket, acceptor, &registry, peer).await,
            }
        };
        let opened = tokio::select! {
            opened = opening => opened,
            () = wait(&mut self.stop) => return,
        };
        match opened {
            Ok(Some(opened)) => self.converse(opened).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, %peer, "a connection ended before a request"),
        }
    }

    async fn converse(self, opened: Opened) {
        let Opened {
            socket,
            protocol,
            prefix,
        } = opened;
        let timeouts = self.registry.config().timeouts.clone();
        let is_http2 = matches!(protocol, Protocol::Http2);
        let is_plain = matches!(socket, Socket::Plain(_));
        let activity = Activity::new(timeouts, is_http2);
        let share = Share {
            metrics: Arc::clone(self.registry.metrics()),
            total: self.registry.config().limits.read_total,
        };
        let stream = Stream::new(socket, prefix, Arc::clone(&activity), share);
        let conversation = http::Conversation {
            registry: self.registry,
            activity,
            peer: self.peer,
            is_plain,
        };
        match protocol {
            Protocol::Http1 => conversation.http1(stream, self.stop).await,
            Protocol::Http2 => conversation.http2(stream, self.stop).await,
        }
    }
}

/// Finds out what the client speaks on the plain port.
async fn open_plain<H: Handler>(
    mut socket: TcpStream,
    registry: &Registry<H>,
    peer: SocketAddr,
) -> io::Result<Option<Opened>> {
    let timeouts = &registry.config().timeouts;
    let (opening, prefix) = sniff::read_opening(&mut socket, timeouts).await?;
    let protocol = match opening {
        Opening::Http1 => Protocol::Http1,
        Opening::Http2 => Protocol::Http2,
        Opening::TlsHello => {
            tracing::info!(%peer, "a client began a TLS handshake on the plain HTTP port; \
                it was told so (docker: list this registry under insecure-registries)");
            refuse(socket, sniff::TLS_ON_PLAIN, registry, peer).await?;
            return Ok(None);
        }
    };
    let socket = Socket::Plain(socket);
    Ok(Some(Opened {
        socket,
        protocol,
        prefix,
    }))
}

/// Shakes hands; the client's offer decides about HTTP/2.
async fn open_tls<H: Handler>(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    registry: &Registry<H>,
    peer: SocketAddr,
) -> io::Result<Option<Opened>> {
    let timeouts = &registry.config().timeouts;
    let mut first = [0];
    let peeked = timeout(timeouts.first_byte, socket.peek(&mut first)).await??;
    if peeked > 0 && first[0] != sniff::TLS_HANDSHAKE {
        tracing::info!(%peer, "a client did not begin with a TLS handshake on the TLS port");
        refuse(socket, sniff::PLAIN_ON_TLS, registry, peer).await?;
        return Ok(None);
    }
    let socket = timeout(timeouts.headers, acceptor.accept(socket)).await??;
    let protocol = match socket.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let socket = Socket::Tls(Box::new(socket));
    Ok(Some(Opened {
        socket,
        protocol,
        prefix: Bytes::new(),
    }))
}

/// Tells a client that speaks another protocol than the port, and ends the connection.
async fn refuse<H: Handler>(
    socket: TcpStream,
    message: &str,
    registry: &Registry<H>,
    peer: SocketAddr,
) -> io::Result<()> {
    let error = ApiError::new(ErrorCode::ParameterInvalid, message);
    let answer = registry.refuse(&error, RequestLine::default(), peer);
    end::refuse(socket, answer, registry.config()).await
}

// === impl Security ===

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}
