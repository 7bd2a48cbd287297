//! [`ToEnd`]: work that must not stop half-way, done by whoever waits for it.
//!
//! A task of its own for such work costs a caller two hand-overs between threads, every time, for
//! the rare one that goes away. So it runs as a part of the caller, and only what a caller leaves
//! becomes a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// Work that goes on in the background when it is dropped before its end. Work that panicked is
/// over.
pub(super) struct ToEnd<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    runtime: Handle,
}

// === impl ToEnd ===

impl<F: Future<Output: Send> + Send + 'static> ToEnd<F> {
    /// `work`, which goes on in `runtime`.
    pub(super) fn new(runtime: Handle, work: F) -> Self {
        Self {
            work: Some(Box::pin(work)),
            runtime,
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for ToEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out, so that a panic drops it: it cannot go on.
        let mut work = self.work.take().expect("not polled after its end");
        let outcome = work.as_mut().poll(cx);
        if outcome.is_pending() {
            self.work = Some(work);
        }
        outcome
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToEnd<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            drop(self.runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_a_caller_leaves_goes_on_and_what_it_waits_for_is_answered() {
        let runtime = Handle::current();
        assert_eq!(ToEnd::new(runtime.clone(), async { 7 }).await, 7);

        let (go, gone) = oneshot::channel::<()>();
        let (done, end) = oneshot::channel();
        let mut work = Box::pin(ToEnd::new(runtime, async move {
            gone.await.unwrap();
            done.send(8).unwrap();
        }));
        let begun = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx)));
        assert!(begun.await.is_pending());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(end.await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_panic_reaches_the_caller_and_ends_the_work() {
        let failing = ToEnd::new(Handle::current(), async { panic!("as told") });
        let ended = tokio::spawn(failing).await;
        assert!(ended.unwrap_err().is_panic());
    }
}
