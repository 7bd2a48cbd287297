//! [`Stream`]: the bytes of one connection, plain or TLS, as hyper reads and writes them.
//!
//! Invariants:
//! 1. Bytes that were read to find out the protocol are read again first.
//! 2. Vectored writes of a plain connection reach the socket as they are: the slices of a mapped
//!    blob go to `writev` without being looked at (see `body::file`).
//! 3. A read takes at most its part of what all requests in flight may read at once. hyper sizes its
//!    next buffer by what a read gave, so this bounds the memory of many uploads, while a lone one
//!    reads much at a time.
//! 4. Every read and write is reported to the connection's [`Activity`].
//! 5. What was gathered (see [`Stream::for_http2`]) is sent at the latest when its writer, who flushes behind
//!    everything it writes, is asked again; and it is asked again at once.
//! 6. Who is told that there is nothing to read, though there is (see [`Pauses`]), was woken before.

mod gathering;
mod pauses;
mod pieces;

use self::gathering::Gathering;
use self::pauses::Pauses;
use self::pieces::Pieces;
use crate::activity::Activity;
use crate::metrics::Metrics;
use bytes::{Buf as _, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One connection's bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    /// Read already, to be given again.
    prefix: Bytes,
    activity: Arc<Activity>,
    share: Share,
    is_at_end: bool,
    pauses: Option<Pauses>,
    gathering: Option<Gathering>,
}

/// How much a connection may read at once.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) metrics: Arc<Metrics>,
    /// Of all requests in flight together.
    pub(crate) total: usize,
}

/// What lies under a connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(
        socket: Socket,
        prefix: Bytes,
        activity: Arc<Activity>,
        share: Share,
    ) -> Self {
        Self {
            socket,
            prefix,
            activity,
            share,
            is_at_end: false,
            pauses: None,
            gathering: None,
        }
    }

    /// The same for HTTP/2, which reads all there is before any of it is used: now and then it is told that
    /// there is nothing, and asked again at once (see [`Pauses`]). It writes and flushes each frame by itself:
    /// over TLS some of them are sent with one system call, which wakes the client once. They are encrypted one
    /// by one, without a copy.
    pub(crate) fn for_http2(mut self) -> Self {
        self.pauses = Some(Pauses::default());
        if let Socket::Tls(_) = self.socket {
            self.gathering = Some(Gathering::default());
        }
        self
    }

    /// Whether the client has said that it sends nothing more.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    fn report(&self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &write {
            Poll::Pending => self.activity.sent(false),
            Poll::Ready(Ok(_)) => self.activity.sent(true),
            Poll::Ready(Err(_)) => {}
        }
        write
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.prefix.is_empty() {
            let length = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..length]);
            this.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        if this.pauses.as_mut().is_some_and(Pauses::begin) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let has_room = buf.remaining() > 0;
        let share = this.share.bytes();
        let mut part = (&mut this.socket).take(share as u64);
        let read = Pin::new(&mut part).poll_read(cx, buf);
        let length = buf.filled().len() - before;
        if let Some(pauses) = &mut this.pauses {
            pauses.note(read.is_ready().then_some(length));
        }
        ready!(read)?;
        if length > 0 {
            this.activity.received();
        } else if has_room {
            this.is_at_end = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let write = match &mut this.gathering {
            Some(gathering) => gathering.poll_take(&mut this.socket, cx, bufs),
            None => Pin::new(&mut this.socket).poll_write_vectored(cx, bufs),
        };
        this.report(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(gathering) = &mut this.gathering
            && gathering.waits_for_more()
        {
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        let flush = Pin::new(&mut this.socket).poll_flush(cx);
        // TLS buffers: bytes it took may wait here for the socket.
        if flush.is_pending() {
            this.activity.sent(false);
        }
        flush
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

// === impl Share ===

impl Share {
    /// However many requests there are, a read is worth its system call. (A byte less than this is also
    /// enough to be hashed together with another upload's: `upload/pairs.rs` of the engine.)
    const LEAST: usize = 64 * 1024;

    /// hyper's buffers are powers of two; it takes a larger one when a read fills one, and a smaller
    /// one when less than half is filled. A byte less than a power of two keeps them at that.
    ///
    /// An idle connection keeps the buffer of its last upload, so open connections count as well. Of many, each
    /// has a part of its part: few need large reads to be fast, and when many end, buffers of every size
    /// between would be left of them.
    fn bytes(&self) -> usize {
        let (requests, connections) = self.metrics.load();
        let sharing = requests.max(connections / 4).max(1);
        let share = (self.total / sharing / sharing).max(Self::LEAST);
        (1 << share.ilog2()) - 1
    }
}

// === impl Socket ===

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, Pieces::of(bufs).get()),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Duration;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;
    use tokio::time::sleep;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// How often somebody was asked to come again.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn share(total: usize) -> Share {
        let metrics = Arc::default();
        Share { metrics, total }
    }

    #[test]
    fn requests_and_open_connections_share_what_may_be_read_at_once() {
        let share = share(4 * 1024 * 1024);
        assert_eq!(share.bytes(), 4 * 1024 * 1024 - 1);
        let connections: Vec<_> = (0..8).map(|_| share.metrics.connection()).collect();
        assert_eq!(share.bytes(), 1024 * 1024 - 1);
        let requests: Vec<_> = (0..4).map(|_| share.metrics.request()).collect();
        assert_eq!(share.bytes(), 256 * 1024 - 1);
        let more: Vec<_> = (0..24).map(|_| share.metrics.connection()).collect();
        assert_eq!(share.bytes(), Share::LEAST - 1, "32 connections");
        drop(more);
        assert_eq!(share.bytes(), 256 * 1024 - 1);
        let many: Vec<_> = (0..1000).map(|_| share.metrics.request()).collect();
        assert_eq!(share.bytes(), Share::LEAST - 1);
        drop((connections, requests, many));
        assert_eq!(share.bytes(), 4 * 1024 * 1024 - 1);
    }

    /// Both ends of a connection, the server's first.
    async fn plain() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, connected) = tokio::join!(listener.accept(), client);
        (accepted.unwrap().0, connected.unwrap())
    }

    /// The same over TLS.
    async fn tls() -> (
        TlsStream<TcpStream>,
        tokio_rustls::client::TlsStream<TcpStream>,
    ) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = pair.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth();
        let server = server.with_single_cert(vec![certificate.clone()], key);
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let (accepted, connected) = plain().await;
        let name = "localhost".try_into().unwrap();
        let (server, client) = tokio::join!(
            TlsAcceptor::from(Arc::new(server.unwrap())).accept(accepted),
            TlsConnector::from(Arc::new(client)).connect(name, connected)
        );
        (server.unwrap(), client.unwrap())
    }

    #[tokio::test]
    async fn what_is_gathered_is_sent_when_it_is_much_or_nothing_follows() {
        const FRAME: usize = 16 * 1024;
        let (server, mut client) = tls().await;
        let activity = Activity::new(Timeouts::default(), false);
        let socket = Socket::Tls(Box::new(server));
        let stream = Stream::new(socket, Bytes::new(), activity, share(1));
        let mut stream = stream.for_http2();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = &mut Context::from_waker(&waker);
        let mut write = |length: usize| {
            let written = Pin::new(&mut stream).poll_write(cx, &vec![7; length]);
            assert!(matches!(written, Poll::Ready(Ok(taken)) if taken == length));
            let waits = stream.gathering.as_ref().unwrap().bytes > 0;
            assert!(matches!(
                Pin::new(&mut stream).poll_flush(cx),
                Poll::Ready(Ok(()))
            ));
            let sent = stream.gathering.as_ref().unwrap().bytes == 0;
            (waits, sent, woken.0.load(Ordering::SeqCst))
        };
        // What is short goes at once.
        assert_eq!(write(100), (true, true, 0));
        // Who waits for more is asked again, and then it goes.
        assert_eq!(write(FRAME), (true, false, 1));
        assert_eq!(write(0), (true, true, 1));
        // So much goes by itself.
        assert_eq!(write(FRAME), (true, false, 2));
        assert_eq!(write(FRAME), (true, false, 3));
        assert_eq!(write(FRAME), (true, true, 3));
        let mut read = vec![0; 100 + 4 * FRAME];
        client.read_exact(&mut read).await.unwrap();
        assert!(read.iter().all(|&byte| byte == 7));
    }

    const LENGTH: usize = 1_000_000;

    /// Sends so many bytes, and that there are no more; then the client is given back, still connected.
    fn send<C>(mut client: C) -> JoinHandle<io::Result<C>>
    where
        C: AsyncWrite + Send + Unpin + 'static,
    {
        tokio::spawn(async move {
            client.write_all(&vec![7; LENGTH]).await?;
            client.shutdown().await?;
            Ok(client)
        })
    }

    /// Reads to the end with a buffer that is long enough for all of it; the longest read.
    async fn read_all(socket: Socket) -> usize {
        let activity = Activity::new(Timeouts::default(), false);
        let mut stream = Stream::new(socket, Bytes::new(), activity, share(1));
        let mut buffer = vec![0; 2 * LENGTH];
        let (mut got, mut longest) = (0, 0);
        while !stream.is_at_end() {
            // All that can come is there.
            sleep(Duration::from_millis(5)).await;
            let read = stream.read(&mut buffer).await.unwrap();
            (got, longest) = (got + read, longest.max(read));
        }
        assert_eq!(got, LENGTH);
        longest
    }

    #[tokio::test]
    async fn a_read_takes_no_more_than_its_share_and_all_of_it_comes() {
        let (socket, client) = plain().await;
        let sending = send(client);
        assert_eq!(read_all(Socket::Plain(socket)).await, Share::LEAST - 1);
        sending.await.unwrap().unwrap();
    }

    /// tokio-rustls gives as many records at once as there are.
    #[tokio::test]
    async fn the_same_holds_for_tls() {
        let (server, client) = tls().await;
        let sending = send(client);
        assert_eq!(
            read_all(Socket::Tls(Box::new(server))).await,
            Share::LEAST - 1
        );
        sending.await.unwrap().unwrap();
    }

    fn read_while_ready(stream: &mut Stream, cx: &mut Context<'_>, buffer: &mut [u8]) -> usize {
        let mut got = 0;
        let mut buf = ReadBuf::new(buffer);
        while let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            read.unwrap();
            got += buf.filled().len();
            buf.clear();
        }
        got
    }

    #[tokio::test]
    async fn http2_uses_what_came_before_it_reads_on() {
        let (socket, client) = plain().await;
        let sending = send(client);
        let activity = Activity::new(Timeouts::default(), true);
        let socket = Socket::Plain(socket);
        let stream = Stream::new(socket, Bytes::new(), activity, share(1));
        let mut stream = stream.for_http2();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = &mut Context::from_waker(&waker);
        let (mut got, mut pauses, mut buffer) = (0, 0, vec![0; 16 * 1024]);
        while got < LENGTH / 2 {
            // There is more than a read takes.
            sleep(Duration::from_millis(1)).await;
            let asked = woken.0.load(Ordering::SeqCst);
            let at_once = read_while_ready(&mut stream, cx, &mut buffer);
            assert!(at_once < 3 * 16 * 1024, "{at_once} bytes without a pause");
            let asked = woken.0.load(Ordering::SeqCst) - asked;
            assert_eq!(asked, usize::from(at_once >= 2 * 16 * 1024), "{at_once}");
            pauses += asked;
            got += at_once;
        }
        assert!(pauses > 0, "all reads were short");
        drop(stream);
        sending.abort();
    }
}
