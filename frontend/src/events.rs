//! [`Events`]: what happens, told to whoever listens now; [`EventStream`]: it as an answer's body, in
//! the form of server-sent events (WHATWG HTML, 9.2).
//!
//! Invariants:
//! 1. Telling costs next to nothing while nobody listens, and never waits for one who does: a slow
//!    listener misses the oldest events and is told how many (`event: missed`).
//! 2. A listener gets what its filter lets through at that moment: the filter is asked at each event,
//!    so that a right that was lost acts at once.
//! 3. Memory is bounded: the last `HELD` events, shared by all listeners, and one event for each.
//! 4. A stream is never silent for longer than `QUIET`, and ends when it is told to stop, so that
//!    it neither looks dead nor holds up the end of a server.

use crate::server::{Stop, wait};
use bytes::Bytes;
use floundr_engine::name::RepositoryName;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use serde_json::Value;
use std::convert::Infallible;
use std::fmt;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

/// Events that a slow listener may be behind.
const HELD: usize = 1024;

/// After so long without an event a comment is sent: proxies end what looks dead, many after a
/// minute, some after 20 seconds.
const QUIET: Duration = Duration::from_secs(15);

/// A line that every reader of server-sent events ignores.
const COMMENT: &[u8] = b": still here\n\n";

/// What tells listeners what happens.
pub struct Events {
    channel: broadcast::Sender<Arc<Told>>,
    /// The number of the last event. Held while one is told, so that they come in order.
    last: Mutex<u64>,
    stop: watch::Sender<bool>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// The repository it happened in. Who may not read that should not hear of it.
    pub repository: Option<RepositoryName>,
    /// What is told: as a rule an object.
    pub data: Value,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A manifest was pushed.
    Push,
    /// A tag was set.
    Tag,
    /// Content or a tag was deleted.
    Delete,
    /// An upload began, went on or ended.
    Upload,
    /// A repository was created, changed or deleted.
    Repository,
    /// A user was created, changed or deleted.
    User,
    /// A grant was made or taken back.
    Grant,
    /// An API key was created, changed or revoked.
    Key,
    /// A role was created, changed or deleted.
    Role,
    /// A rule was set or deleted.
    Rule,
    /// The collector began or ended a run, or was paused.
    Gc,
    /// A check began or ended.
    Check,
    /// The state of the server.
    Status,
}

/// An event with the number and the text it is sent with.
#[derive(Debug)]
struct Told {
    event: Event,
    frame: Bytes,
}

/// One listener's events as the body of an answer with the type [`EventStream::CONTENT_TYPE`].
pub struct EventStream(BoxStream<'static, Bytes>);

struct Listener<F> {
    events: broadcast::Receiver<Arc<Told>>,
    fits: F,
    stop: Stop,
}

// === impl Events ===

impl Events {
    /// Tells everyone who listens that `event` happened. Never waits.
    pub fn publish(&self, event: Event) {
        let mut last = self.last.lock();
        // Counted for nobody as well: a listener sees by the numbers that it was away.
        *last += 1;
        if !self.is_heard() {
            return;
        }
        let frame = frame(*last, &event);
        // An error is a listener that has just gone.
        drop(self.channel.send(Arc::new(Told { event, frame })));
    }

    /// Whether anybody listens: for who would have to work to have something to tell.
    pub fn is_heard(&self) -> bool {
        self.channel.receiver_count() > 0
    }

    /// From now on, every event for which `fits` holds when it is sent. Ends at [`Self::end`].
    pub fn subscribe(&self, fits: impl FnMut(&Event) -> bool + Send + 'static) -> EventStream {
        self.subscribe_until(self.stop.subscribe(), fits)
    }

    /// The same, which ends at another signal.
    pub(crate) fn subscribe_until(
        &self,
        stop: Stop,
        fits: impl FnMut(&Event) -> bool + Send + 'static,
    ) -> EventStream {
        let listener = Listener {
            events: self.channel.subscribe(),
            fits,
            stop,
        };
        let frames = stream::unfold(listener, |mut listener| async move {
            let frame = listener.next().await?;
            Some((frame, listener))
        });
        EventStream(frames.fuse().boxed())
    }

    /// Ends every stream, those to come as well: the server stops.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            channel: broadcast::Sender::new(HELD),
            last: Mutex::new(0),
            stop: watch::Sender::new(false),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("listeners", &self.channel.receiver_count())
            .finish_non_exhaustive()
    }
}

// === impl EventKind ===

impl EventKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::Delete => "delete",
            Self::Upload => "upload",
            Self::Repository => "repository",
            Self::User => "user",
            Self::Grant => "grant",
            Self::Key => "key",
            Self::Role => "role",
            Self::Rule => "rule",
            Self::Gc => "gc",
            Self::Check => "check",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Listener ===

impl<F: FnMut(&Event) -> bool> Listener<F> {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let quiet_until = Instant::now() + QUIET;
        loop {
            let told = tokio::select! {
                biased;
                () = wait(&mut self.stop) => return None,
                told = self.events.recv() => told,
                // Behind the events: what the filter takes out is silence as well.
                () = sleep_until(quiet_until) => return Some(Bytes::from_static(COMMENT)),
            };
            match told {
                Ok(told) if (self.fits)(&told.event) => return Some(told.frame.clone()),
                Ok(_) if Instant::now() >= quiet_until => {
                    return Some(Bytes::from_static(COMMENT));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Some(missed_frame(missed)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn frame(number: u64, event: &Event) -> Bytes {
    let mut frame = format!("id: {number}\nevent: {}\n", event.kind);
    // JSON has no line feed of its own; in texts they are escaped.
    write!(frame, "data: {}\n\n", event.data).expect("writing to a string cannot fail");
    frame.into()
}

/// At most so many of the listener's events are missing: those it would not have got count as well.
fn missed_frame(missed: u64) -> Bytes {
    format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n").into()
}

// === impl EventStream ===

impl EventStream {
    /// The media type of the stream.
    pub const CONTENT_TYPE: &'static str = "text/event-stream";
}

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.get_mut().0.poll_next_unpin(cx);
        next.map(|frame| frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;
    use serde_json::json;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn push(repository: &str, data: Value) -> Event {
        Event {
            kind: EventKind::Push,
            repository: Some(repository.parse().unwrap()),
            data,
        }
    }

    async fn next(stream: &mut EventStream) -> Option<String> {
        let frame = stream.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(frame.to_vec()).unwrap())
    }

    /// What is there already.
    fn now(stream: &mut EventStream) -> Option<String> {
        next(stream).now_or_never().flatten()
    }

    #[tokio::test]
    async fn events_come_in_order_from_when_somebody_listens() {
        let events = Events::default();
        assert!(!events.is_heard());
        events.publish(push("a", json!(0)));
        let mut stream = events.subscribe(|_| true);
        assert!(events.is_heard());
        events.publish(push("a", json!({"tag": "1"})));
        events.publish(Event {
            kind: EventKind::Status,
            repository: None,
            data: json!(null),
        });
        let first = "id: 2\nevent: push\ndata: {\"tag\":\"1\"}\n\n";
        assert_eq!(next(&mut stream).await.unwrap(), first);
        let second = "id: 3\nevent: status\ndata: null\n\n";
        assert_eq!(next(&mut stream).await.unwrap(), second);
        assert_eq!(now(&mut stream), None);
        drop(stream);
        assert!(!events.is_heard());
    }

    #[tokio::test]
    async fn a_line_feed_in_a_text_makes_no_line() {
        let events = Events::default();
        let mut stream = events.subscribe(|_| true);
        events.publish(push("a", json!({"a\n\nid: 9": "b\r\n\nevent: forged\n\n"})));
        let frame = next(&mut stream).await.unwrap();
        assert_eq!(frame.matches(['\n', '\r']).count(), 4, "{frame}");
        assert!(frame.ends_with("\n\n"));
    }

    #[tokio::test]
    async fn the_filter_is_asked_at_each_event() {
        let events = Events::default();
        let may_read = Arc::new(AtomicBool::new(true));
        let rights = Arc::clone(&may_read);
        let mut stream = events.subscribe(move |event| {
            let is_a = |name: &RepositoryName| name.as_str() == "a";
            event.repository.as_ref().is_some_and(is_a) && rights.load(Ordering::SeqCst)
        });
        events.publish(push("b", json!(1)));
        events.publish(push("a", json!(2)));
        assert!(now(&mut stream).unwrap().contains("data: 2"));
        events.publish(push("a", json!(3)));
        may_read.store(false, Ordering::SeqCst);
        assert_eq!(now(&mut stream), None);
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_what_it_missed_and_goes_on() {
        let events = Events::default();
        let mut stream = events.subscribe(|_| true);
        for number in 0..HELD + 7 {
            events.publish(push("a", json!(number)));
        }
        let missed = "event: missed\ndata: {\"missed\":7}\n\n";
        assert_eq!(now(&mut stream).unwrap(), missed);
        assert!(now(&mut stream).unwrap().starts_with("id: 8\n"));
        for number in 9..=HELD + 7 {
            let frame = next(&mut stream).await.unwrap();
            assert!(frame.starts_with(&format!("id: {number}\n")), "{frame}");
        }
        assert_eq!(now(&mut stream), None);
    }

    async fn talk(events: Arc<Events>, until: Instant) {
        let mut often = tokio::time::interval(Duration::from_millis(100));
        while often.tick().await <= until {
            events.publish(push("a", json!(1)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_a_comment_even_if_others_hear_much() {
        let events = Arc::new(Events::default());
        let mut stream = events.subscribe(|event| event.repository.is_none());
        let started = Instant::now();
        let loud = Arc::clone(&events);
        let talk = tokio::spawn(talk(loud, started + 4 * QUIET));
        for comment in 1..=3 {
            assert_eq!(next(&mut stream).await.unwrap().as_bytes(), COMMENT);
            let waited = started.elapsed();
            assert!(
                waited < QUIET * comment + Duration::from_secs(1),
                "{waited:?}"
            );
            assert!(waited >= QUIET * comment, "{waited:?}");
        }
        assert!(!talk.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_it_is_told_to_and_when_nobody_is_left_to_tell() {
        let events = Events::default();
        let mut stream = events.subscribe(|_| true);
        let (stop, stopped) = watch::channel(false);
        let mut other = events.subscribe_until(stopped, |_| true);
        events.publish(push("a", json!(1)));
        events.end();
        assert_eq!(next(&mut stream).await, None);
        assert_eq!(next(&mut stream).await, None);
        assert!(next(&mut other).await.unwrap().contains("push"));
        assert_eq!(next(&mut events.subscribe(|_| true)).await, None);
        stop.send_replace(true);
        assert_eq!(next(&mut other).await, None);
        let events = Events::default();
        let mut stream = events.subscribe(|_| true);
        drop(events);
        assert_eq!(next(&mut stream).await, None);
    }
}
