//! [`Activity`]: what one connection is waiting for, and until when.
//!
//! Invariants:
//! 1. A connection waits for one of these at any time: the next request (`idle`), the rest of a
//!    request's head (`headers`), its client to take bytes (`write`), or a handler, which has no
//!    limit here (a request's body has its own, see [`crate::RequestBody`]).
//! 2. Only inactivity counts: a transfer that goes on may take for ever.
//! 3. A timer is moved only when a limit comes nearer than it is set, so that requests in quick
//!    succession cost no timer operation.

use crate::config::Timeouts;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Shared by a connection's socket, its requests and the task that drives it.
#[derive(Debug)]
pub(crate) struct Activity {
    timeouts: Timeouts,
    /// HTTP/2: bytes that arrive between requests are not a head, and a client may stop taking
    /// one answer while the socket goes on.
    is_multiplexed: bool,
    state: Mutex<State>,
}

/// What a client did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Send the next request.
    Idle,
    /// Send the rest of a request's head.
    Headers,
    /// Take what was sent to it.
    Write,
}

/// One request in flight; over when this is dropped.
#[derive(Debug)]
#[must_use = "the request is over when this is dropped"]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    /// It counts among the answers that the client has to take.
    is_answering: bool,
}

#[derive(Debug)]
struct State {
    requests: usize,
    idle_since: Instant,
    /// When the first byte of a head came that is not whole yet.
    head_since: Option<Instant>,
    /// When the socket stopped taking bytes.
    blocked_since: Option<Instant>,
    /// A request was taken whose answer may not be with the socket entirely.
    owes_answer: bool,
    /// HTTP/2: answers that the client has to take, and when one of them last went on.
    answers: usize,
    progress: Instant,
}

// === impl Activity ===

impl Activity {
    /// A connection whose first bytes have come.
    pub(crate) fn new(timeouts: Timeouts, is_multiplexed: bool) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            requests: 0,
            idle_since: now,
            head_since: (!is_multiplexed).then_some(now),
            blocked_since: None,
            owes_answer: false,
            answers: 0,
            progress: now,
        };
        Arc::new(Self {
            timeouts,
            is_multiplexed,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self) {
        let mut state = self.state();
        // While the end of an answer is on its way nobody looks at the next head.
        let awaits_head = !self.is_multiplexed && !state.owes_answer;
        if awaits_head && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// The client took bytes, or (`false`) its socket is full.
    pub(crate) fn sent(&self, any: bool) {
        let mut state = self.state();
        if any {
            state.blocked_since = None;
            // The end of an answer may still be on its way when its request is over. (HTTP/2
            // sends without a request as well, such as pings.)
            if !self.is_multiplexed && state.requests == 0 {
                state.idle_since = Instant::now();
            }
        } else if state.blocked_since.is_none() {
            state.blocked_since = Some(Instant::now());
        }
    }

    /// hyper has handed all bytes that it holds to the socket.
    pub(crate) fn flushed(&self) {
        let mut state = self.state();
        state.owes_answer &= state.requests > 0;
    }

    /// Whether bytes of an answer may be on their way: from a request's head to the flush behind
    /// its answer. HTTP/1.1 only.
    pub(crate) fn owes_answer(&self) -> bool {
        self.state().owes_answer
    }

    /// A request's head is whole.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        state.requests += 1;
        state.owes_answer = true;
        state.head_since = None;
        InFlight {
            activity: Arc::clone(self),
            is_answering: false,
        }
    }

    /// The nearest limit: what it is about and when it is reached. `None` is a time to look again.
    fn due(&self) -> (Option<Expired>, Instant) {
        let state = self.state();
        let Timeouts {
            idle,
            headers,
            write,
            ..
        } = self.timeouts;
        let waiting = match (state.requests, state.head_since) {
            (0, Some(since)) => (Some(Expired::Headers), since + headers),
            (0, None) => (Some(Expired::Idle), state.idle_since + idle),
            _ => (None, Instant::now() + idle),
        };
        let blocked = state.blocked_since.map(|since| since + write);
        let stalled = (self.is_multiplexed && state.answers > 0).then(|| state.progress + write);
        [blocked, stalled]
            .into_iter()
            .flatten()
            .map(|at| (Some(Expired::Write), at))
            .chain([waiting])
            .min_by_key(|&(_, at)| at)
            .unwrap_or(waiting)
    }

    /// Ready when a limit was reached. `alarm` is the connection's one timer.
    pub(crate) fn poll_expired(
        &self,
        mut alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Expired> {
        loop {
            let (expired, at) = self.due();
            if at < alarm.deadline() {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match expired {
                Some(expired) if at <= Instant::now() => return Poll::Ready(expired),
                // It rang for a limit that has moved on since. At least a millisecond on: a
                // timer set to this very moment would be ready again at once.
                _ => alarm
                    .as_mut()
                    .reset(at.max(Instant::now() + Duration::from_millis(1))),
            }
        }
    }
}

// === impl InFlight ===

impl InFlight {
    /// Its answer begins to be sent.
    pub(crate) fn answering(mut self) -> Self {
        self.progressed(true);
        self
    }

    /// Another piece of its answer was asked for. If there is none yet (`has_some` is false), nobody
    /// waits for the client, until there is: events come when something happens.
    pub(crate) fn progressed(&mut self, has_some: bool) {
        if !self.activity.is_multiplexed {
            return;
        }
        let mut state = self.activity.state();
        state.progress = Instant::now();
        match (self.is_answering, has_some) {
            (false, true) => state.answers += 1,
            (true, false) => state.answers -= 1,
            _ => {}
        }
        drop(state);
        self.is_answering = has_some;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests -= 1;
        state.answers -= usize::from(self.is_answering);
        if state.requests == 0 {
            state.idle_since = Instant::now();
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "it sent no further request",
            Self::Headers => "it did not finish a request's head",
            Self::Write => "it did not take what was sent to it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::time::sleep_until;

    fn timeouts() -> Timeouts {
        Timeouts {
            headers: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(20),
            ..Timeouts::default()
        }
    }

    /// What the connection runs into if nothing more happens, and in how many seconds, rounded.
    fn expires(activity: &Activity) -> (Option<Expired>, u64) {
        let (expired, at) = activity.due();
        let left = at - Instant::now() + Duration::from_millis(500);
        (expired, left.as_secs())
    }

    /// Lets time pass for what the connection waits for now.
    fn age(activity: &Activity, by: Duration) {
        let mut state = activity.state();
        state.idle_since -= by;
        state.progress -= by;
        state.head_since = state.head_since.map(|since| since - by);
        state.blocked_since = state.blocked_since.map(|since| since - by);
    }

    #[test]
    fn a_head_must_be_whole_in_time_however_it_drips() {
        let activity = Activity::new(timeouts(), false);
        age(&activity, Duration::from_secs(4));
        activity.received();
        assert_eq!(expires(&activity), (Some(Expired::Headers), 6));
    }

    #[test]
    fn between_requests_the_longer_idle_limit_holds_until_a_byte_comes() {
        let activity = Activity::new(timeouts(), false);
        drop(activity.begin());
        assert_eq!(expires(&activity), (Some(Expired::Idle), 30));
        age(&activity, Duration::from_secs(29));
        // A client that sends on before it has read its answer is not late with a head.
        activity.received();
        assert_eq!(expires(&activity), (Some(Expired::Idle), 1));
        activity.flushed();
        activity.received();
        assert_eq!(expires(&activity), (Some(Expired::Headers), 10));
    }

    #[test]
    fn a_client_that_does_not_read_is_noticed_during_a_request() {
        let activity = Activity::new(timeouts(), false);
        let request = activity.begin();
        activity.sent(false);
        age(&activity, Duration::from_secs(5));
        activity.sent(false);
        assert_eq!(expires(&activity), (Some(Expired::Write), 15));
        activity.sent(true);
        assert_eq!(expires(&activity).0, None);
        drop(request);
    }

    #[test]
    fn a_handler_may_take_as_long_as_it_needs() {
        let activity = Activity::new(timeouts(), true);
        let request = activity.begin();
        age(&activity, Duration::from_secs(10_000));
        assert_eq!(expires(&activity).0, None);
        let request = request.answering();
        assert_eq!(expires(&activity), (Some(Expired::Write), 20));
        drop(request);
        assert_eq!(expires(&activity), (Some(Expired::Idle), 30));
    }

    #[test]
    fn an_answer_that_has_nothing_to_send_does_not_wait_for_its_client() {
        for is_multiplexed in [true, false] {
            let activity = Activity::new(timeouts(), is_multiplexed);
            let mut events = activity.begin().answering();
            events.progressed(false);
            age(&activity, Duration::from_secs(10_000));
            assert_eq!(expires(&activity).0, None);
            events.progressed(false);
            events.progressed(true);
            age(&activity, Duration::from_secs(5));
            let stalled = is_multiplexed.then_some(Expired::Write);
            assert_eq!(expires(&activity).0, stalled);
            drop(events);
            assert_eq!(activity.state().answers, 0);
        }
    }

    #[test]
    fn an_answer_is_owed_from_the_head_of_its_request_to_the_flush_behind_it() {
        let activity = Activity::new(timeouts(), false);
        activity.flushed();
        assert!(!activity.owes_answer());
        let request = activity.begin();
        // hyper flushes while the handler works, and between two pieces of its answer.
        activity.flushed();
        assert!(activity.owes_answer());
        drop(request.answering());
        assert!(activity.owes_answer());
        activity.flushed();
        assert!(!activity.owes_answer());
    }

    #[tokio::test]
    async fn a_limit_that_is_over_is_seen_at_once_and_one_that_moved_on_is_not() {
        let activity = Activity::new(timeouts(), false);
        let mut alarm = pin!(sleep_until(Instant::now()));
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        assert_eq!(activity.poll_expired(alarm.as_mut(), cx), Poll::Pending);
        age(&activity, Duration::from_secs(11));
        let expired = activity.poll_expired(alarm.as_mut(), cx);
        assert_eq!(expired, Poll::Ready(Expired::Headers));
    }
}
