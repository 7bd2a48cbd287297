//! Where the blocking calls of a [`Disk`](super::Disk) run when async code needs them.

use crate::fault::StorageError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::runtime::{Handle, RuntimeFlavor, worker_index};
use tokio::task::{JoinHandle, block_in_place};

/// Runs `work` on a thread that may block. A panic in it goes on in the caller.
///
/// # Errors
/// What `work` answers; [`StorageError::Closed`] when the runtime shuts down before it ran.
///
/// # Cancel safety
/// A cancelled call leaves `work` running to its end.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    joined(&mut tokio::task::spawn_blocking(work)).await
}

/// The outcome of a task, as [`blocking`] answers it.
///
/// # Cancel safety
/// Cancel safe: the task runs on, and its outcome can be waited for again.
pub(crate) async fn joined<T: Send>(
    task: &mut JoinHandle<Result<T, StorageError>>,
) -> Result<T, StorageError> {
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(StorageError::Closed),
        },
    }
}

/// Runs `wait`, which waits for the medium, on the calling thread; again if it panicked. If that thread
/// serves other tasks of a runtime with several threads, another one takes them over: it costs tens of
/// microseconds, which is little beside what a medium takes.
pub(crate) fn wait_in_place<T>(mut wait: impl FnMut() -> T) -> T {
    if !serves_others() {
        return wait();
    }
    let waited = catch_unwind(AssertUnwindSafe(|| block_in_place(&mut wait)));
    // tokio panics where the system has no thread to give: then nobody takes over.
    waited.unwrap_or_else(|_refused| wait())
}

/// Whether this is one of several threads that serve the tasks of a runtime. In a `LocalSet`, and in
/// `block_on`, a thread serves what is its own and nobody else's.
fn serves_others() -> bool {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    matches!(flavor, Ok(RuntimeFlavor::MultiThread)) && worker_index().is_some()
}

#[cfg(test)]
mod tests {
    use super::wait_in_place;
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::task::LocalSet;

    /// Far more than a hand-over takes.
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn who_waits_in_place_does_not_hold_up_what_its_thread_served() {
        let (send, receive) = mpsc::channel();
        let waiting = tokio::spawn(async move { wait_in_place(|| receive.recv_timeout(LONG)) });
        // The only worker waits, so this runs on the one that took over.
        let sending = tokio::spawn(async move { send.send(7) });
        assert_eq!(waiting.await.unwrap(), Ok(7));
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn where_no_other_thread_can_take_over_it_waits_all_the_same() {
        assert_eq!(wait_in_place(|| 7), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_local_set_waits_itself() {
        let local = LocalSet::new();
        let waiting = local.spawn_local(async { wait_in_place(|| 7) });
        assert_eq!(local.run_until(waiting).await.unwrap(), 7);
    }

    #[test]
    fn without_a_runtime_it_waits() {
        assert_eq!(wait_in_place(|| 7), 7);
    }
}
