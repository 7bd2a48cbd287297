//! How a blob's bytes reach the socket.
//!
//! On plain HTTP/1.1 they are slices of a mapping of the file: hyper queues them and hands them to
//! `writev`, so that nothing copies them in this process. Elsewhere they are read into memory, one
//! piece ahead of the piece that is being sent.
//!
//! Invariants:
//! 1. A mapped byte is never read by this process. The kernel reads it inside `writev`, and a file
//!    that fails there makes the call fail with EFAULT; a read here would end the process with
//!    SIGBUS. So nothing in this file, in [`super::Body`] or in the access log looks into a frame,
//!    and the server keeps hyper's vectored writes on (flattening would copy).
//! 2. A piece that is not as long as it was asked for is an error.
//! 3. At most two pieces are in memory: the one being sent and the next.

use super::{BodyError, Transport};
use bytes::Bytes;
use floundr_engine::blob::BlobReader;
use floundr_engine::fault::StorageError;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::mem;
use std::ops::Range;
use std::task::{Context, Poll, ready};

/// Bytes given to hyper at once. Larger frames do not make a faster pull; smaller ones do make a
/// slower one.
const FRAME_BYTES: usize = 256 * 1024;

/// Bytes given to HTTP/2 at once. With its nine bytes of head such a frame is one TLS record; a frame
/// of the 16 KiB that most clients take would be two, the second with nine bytes in it.
const HTTP2_FRAME_BYTES: usize = 16 * 1024 - 9;

/// Bytes mapped at once: a hop to a blocking thread for each makes the pages resident, so there
/// should be few of them, and the client should not wait long for the first.
const WINDOW: u64 = 4 * 1024 * 1024;

/// Up to here a range is one read, mapped or not: a mapping costs more than copying this.
const SMALL: u64 = 64 * 1024;

/// A sequence of frames with a known total length.
pub(super) trait Frames: Send {
    /// The next frame. Not called again after an error or after the last byte.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>>;
}

/// Where the bytes come from. One implementation serves, the other tests.
trait Source: Clone + Send + 'static {
    fn read(&self, range: Range<u64>) -> impl Future<Output = Result<Bytes, StorageError>> + Send;

    fn mapped(
        &self,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send;
}

/// The frames of one range of one blob.
struct FileFrames<S> {
    source: S,
    /// What was not asked for yet.
    rest: Range<u64>,
    /// Bytes given at once.
    frame: usize,
    /// Whether pieces are mapped; false from the first that cannot be.
    map: bool,
    /// What was given and not sent yet.
    piece: Bytes,
    /// The piece after that, on its way or there.
    next: Next,
}

enum Next {
    NotAsked,
    Asked(BoxFuture<'static, Result<Piece, BodyError>>),
    Given(Result<Piece, BodyError>),
}

struct Piece {
    bytes: Bytes,
    mapped: bool,
}

/// The bytes of `range` of `blob` as frames.
pub(super) fn frames(blob: BlobReader, range: Range<u64>, transport: Transport) -> Box<dyn Frames> {
    Box::new(FileFrames::new(blob, range, transport))
}

// === impl FileFrames ===

impl<S: Source> FileFrames<S> {
    fn new(source: S, range: Range<u64>, transport: Transport) -> Self {
        let is_large = range.end.saturating_sub(range.start) > SMALL;
        let frame = match transport {
            Transport::Http2 => HTTP2_FRAME_BYTES,
            Transport::PlainHttp1 | Transport::Other => FRAME_BYTES,
        };
        Self {
            source,
            rest: range,
            frame,
            map: is_large && transport == Transport::PlainHttp1,
            piece: Bytes::new(),
            next: Next::NotAsked,
        }
    }

    /// Asks for the next piece, unless it was asked for or there is none, and sees whether it is
    /// there. Polling is what starts the read, so this is also called long before the piece is due.
    fn poll_next_piece(&mut self, cx: &mut Context<'_>) {
        if matches!(self.next, Next::NotAsked) && !self.rest.is_empty() {
            // Whole frames, so that none is cut short by a piece's end.
            let read = FRAME_BYTES / self.frame * self.frame;
            let size = if self.map { WINDOW } else { read as u64 };
            let end = self.rest.end.min(self.rest.start.saturating_add(size));
            let range = self.rest.start..end;
            self.rest.start = end;
            self.next = Next::Asked(Box::pin(fetch(self.source.clone(), range, self.map)));
        }
        if let Next::Asked(read) = &mut self.next
            && let Poll::Ready(piece) = read.as_mut().poll(cx)
        {
            self.next = Next::Given(piece);
        }
    }

    /// Makes the next piece the current one.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.poll_next_piece(cx);
        match mem::replace(&mut self.next, Next::NotAsked) {
            Next::Given(piece) => {
                let piece = piece?;
                self.map &= piece.mapped;
                self.piece = piece.bytes;
                Poll::Ready(Ok(()))
            }
            asked @ Next::Asked(_) => {
                self.next = asked;
                Poll::Pending
            }
            Next::NotAsked => Poll::Ready(Ok(())),
        }
    }
}

impl<S: Source> Frames for FileFrames<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        if self.piece.is_empty() {
            ready!(self.poll_advance(cx))?;
        }
        self.poll_next_piece(cx);
        // Splitting moves two pointers and touches no byte (invariant 1).
        let length = self.piece.len().min(self.frame);
        Poll::Ready(Ok(self.piece.split_to(length)))
    }
}

/// One piece, mapped if that is wanted and possible, else read.
async fn fetch<S: Source>(source: S, range: Range<u64>, map: bool) -> Result<Piece, BodyError> {
    let mapped = if map {
        source.mapped(range.clone()).await?
    } else {
        None
    };
    let is_mapped = mapped.is_some();
    let bytes = match mapped {
        Some(bytes) => bytes,
        None => source.read(range.clone()).await?,
    };
    let (got, expected) = (bytes.len() as u64, range.end - range.start);
    if got != expected {
        let offset = range.start;
        return Err(BodyError::Short {
            offset,
            expected,
            got,
        });
    }
    Ok(Piece {
        bytes,
        mapped: is_mapped,
    })
}

// === impl Source ===

impl Source for BlobReader {
    fn read(&self, range: Range<u64>) -> impl Future<Output = Result<Bytes, StorageError>> + Send {
        Self::read(self, range)
    }

    fn mapped(
        &self,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send {
        Self::mapped(self, range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_fn;
    use std::sync::{Arc, Mutex};

    const LENGTH: u64 = 9 * 1024 * 1024 + 5;

    /// Whether as a mapping, and for what.
    type Asked = (bool, Range<u64>);

    /// A blob in memory that notes how it was asked, and fails or falls short at an offset.
    #[derive(Clone, Default)]
    struct Fake {
        mappable: bool,
        short_at: Option<u64>,
        asked: Arc<Mutex<Vec<Asked>>>,
    }

    impl Fake {
        fn bytes(&self, range: &Range<u64>, mapped: bool) -> Bytes {
            self.asked.lock().unwrap().push((mapped, range.clone()));
            let cut = u64::from(self.short_at.is_some_and(|at| range.contains(&at)));
            (range.start..range.end - cut)
                .map(|at| at.to_le_bytes()[1])
                .collect()
        }
    }

    impl Source for Fake {
        async fn read(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
            Ok(self.bytes(&range, false))
        }

        async fn mapped(&self, range: Range<u64>) -> Result<Option<Bytes>, StorageError> {
            Ok(self.mappable.then(|| self.bytes(&range, true)))
        }
    }

    async fn collect(mut frames: FileFrames<Fake>, length: u64) -> Result<Vec<Bytes>, BodyError> {
        let mut all = Vec::new();
        let mut got = 0;
        while got < length {
            let frame = poll_fn(|cx| frames.poll_next(cx)).await?;
            assert!(!frame.is_empty() && frame.len() <= FRAME_BYTES);
            got += frame.len() as u64;
            all.push(frame);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn mapped_windows_are_sent_as_frames_without_a_copy() {
        let fake = Fake {
            mappable: true,
            ..Fake::default()
        };
        let frames = FileFrames::new(fake.clone(), 7..LENGTH, Transport::PlainHttp1);
        let all = collect(frames, LENGTH - 7).await.unwrap();
        assert_eq!(all.concat(), fake.bytes(&(7..LENGTH), false));
        // Neighbouring frames of one window lie side by side: they are slices of it.
        assert_eq!(all[0].as_ptr_range().end, all[1].as_ptr());
        let asked = fake.asked.lock().unwrap();
        assert_eq!(asked[0], (true, 7..7 + WINDOW));
        assert_eq!(asked[2], (true, 7 + 2 * WINDOW..LENGTH));
    }

    #[tokio::test]
    async fn a_store_that_cannot_map_is_read() {
        let fake = Fake::default();
        let frames = FileFrames::new(fake.clone(), 0..LENGTH, Transport::PlainHttp1);
        let all = collect(frames, LENGTH).await.unwrap();
        assert_eq!(all.concat(), fake.bytes(&(0..LENGTH), false));
        assert!(fake.asked.lock().unwrap().iter().all(|(mapped, _)| !mapped));
    }

    #[tokio::test]
    async fn tls_and_http2_never_see_a_mapping() {
        let fake = Fake {
            mappable: true,
            ..Fake::default()
        };
        let frames = FileFrames::new(fake.clone(), 0..LENGTH, Transport::Other);
        collect(frames, LENGTH).await.unwrap();
        assert!(fake.asked.lock().unwrap().iter().all(|(mapped, _)| !mapped));
    }

    #[tokio::test]
    async fn a_frame_of_http2_is_one_record_of_tls() {
        let fake = Fake::default();
        let frames = FileFrames::new(fake.clone(), 0..LENGTH, Transport::Http2);
        let all = collect(frames, LENGTH).await.unwrap();
        assert_eq!(all.concat(), fake.bytes(&(0..LENGTH), false));
        let (last, others) = all.split_last().unwrap();
        assert!(others.iter().all(|frame| frame.len() == HTTP2_FRAME_BYTES));
        assert!(last.len() <= HTTP2_FRAME_BYTES);
    }

    #[tokio::test]
    async fn a_small_range_is_one_read() {
        let fake = Fake {
            mappable: true,
            ..Fake::default()
        };
        let frames = FileFrames::new(fake.clone(), 10..100, Transport::PlainHttp1);
        assert_eq!(collect(frames, 90).await.unwrap().len(), 1);
        assert_eq!(*fake.asked.lock().unwrap(), [(false, 10..100)]);
    }

    #[tokio::test]
    async fn the_next_piece_is_asked_for_while_the_first_is_sent() {
        let fake = Fake::default();
        let mut frames = FileFrames::new(fake.clone(), 0..LENGTH, Transport::Other);
        poll_fn(|cx| frames.poll_next(cx)).await.unwrap();
        assert_eq!(fake.asked.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn content_shorter_than_its_record_is_an_error() {
        for mappable in [true, false] {
            let fake = Fake {
                mappable,
                short_at: Some(5 * 1024 * 1024),
                ..Fake::default()
            };
            let frames = FileFrames::new(fake, 0..LENGTH, Transport::PlainHttp1);
            let error = collect(frames, LENGTH).await.unwrap_err().to_string();
            assert!(error.starts_with("stored content gave "), "{error}");
        }
    }
}
