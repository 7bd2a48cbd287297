//! That a body's bytes reach the socket without being copied, which is what makes mapped files
//! safe to send (invariant 1 of `body::file`) and fast; and how long the windows of HTTP/2 are.

use super::*;
use crate::body::Body;
use std::io::{self, IoSlice};
use std::sync::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that has one request to give and notes where in memory its answer lies.
struct Probe {
    request: &'static [u8],
    /// Addresses and lengths.
    written: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl AsyncRead for Probe {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let request = std::mem::take(&mut self.get_mut().request);
        if request.is_empty() {
            // The client waits for its answer.
            return Poll::Pending;
        }
        buf.put_slice(request);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Probe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices = bufs.iter().filter(|slice| !slice.is_empty());
        let places = slices.map(|slice| (slice.as_ptr().addr(), slice.len()));
        self.written.lock().unwrap().extend(places);
        Poll::Ready(Ok(bufs.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn http1_hands_the_body_to_writev_from_where_it_lies() {
    let content = Bytes::from(vec![b'x'; 256 * 1024]);
    let written = Arc::new(Mutex::new(Vec::new()));
    let probe = Probe {
        request: b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        written: Arc::clone(&written),
    };
    let activity = Activity::new(Config::default().timeouts, false);
    let gate = Gate::new(probe, Arc::clone(&activity));
    let (body, in_flight) = (content.clone(), Mutex::new(Vec::new()));
    let service = service_fn(move |_request: Request<Incoming>| {
        in_flight.lock().unwrap().push(activity.begin());
        let response = Response::new(Body::full(body.clone()));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    http1_builder(&Config::default())
        .serve_connection(TokioIo::new(gate), service)
        .await
        .unwrap();
    let written = written.lock().unwrap();
    // Through the gate, which would have swallowed them had no answer been owed.
    assert_eq!(written.len(), 2, "a head and a body: {written:?}");
    assert_eq!(written[1], (content.as_ptr().addr(), content.len()));
}

#[test]
fn windows_are_shorter_the_more_connections_there_are() {
    const MIB: u32 = 1024 * 1024;
    let of = |connections| window(MIB, connections);
    assert_eq!([of(0), of(1), of(16)], [MIB; 3]);
    assert_eq!([of(32), of(48)], [MIB / 2, MIB / 3]);
    assert_eq!([of(64), of(1000), of(usize::MAX)], [MIB / 4; 3]);
    let sum: u32 = (1..=64).map(of).sum();
    assert!(sum < 39 * MIB, "64 uploads: {sum}");
    // A short one that was asked for stays as it is.
    assert_eq!(window(64 * 1024, 1000), 64 * 1024);
    assert_eq!(window((1 << 31) - 1, 1), (1 << 31) - 1);
}
