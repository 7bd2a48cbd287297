//! The requests of one HTTP/2 connection: they run in the connection's own task.
//!
//! An answer's bytes are made for the connection to send them. Were they made in another task, two threads
//! would wake each other for every frame. What reads a body, and hashes it, has a task of its own ([`apart`]).
//!
//! Invariant: requests belong to the connection; when it is cut, so are they.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinSet;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where hyper starts the requests of one connection. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Executor {
    started: Arc<Mutex<Vec<Running>>>,
}

/// The requests of one connection.
pub(super) struct Requests {
    executor: Executor,
    running: FuturesUnordered<Running>,
}

// === impl Executor ===

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        self.started.lock().push(Box::pin(request));
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

// === impl Requests ===

impl Requests {
    /// Those that `executor` is told to start.
    pub(super) fn of(executor: Executor) -> Self {
        Self {
            executor,
            running: FuturesUnordered::new(),
        }
    }

    /// Whether some were started that did not run yet.
    pub(super) fn has_new(&self) -> bool {
        !self.executor.started.lock().is_empty()
    }

    /// Lets all go on as far as they can.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_>) {
        let started = std::mem::take(&mut *self.executor.started.lock());
        self.running.extend(started);
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(cx) {}
    }
}

/// Answers one request: in the task of who waits for it, or in one of its own.
pub(super) async fn run<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    is_apart: bool,
) -> T {
    if is_apart {
        apart(work).await
    } else {
        work.await
    }
}

/// Runs `work` in a task of its own, which ends when nobody waits for it any more.
///
/// # Panics
/// As `work` does.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    // A set aborts its tasks when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(output)) => output,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and with it whoever waits here.
        Some(Err(_)) | None => pending().await,
    }
}
