//! Where the blocking calls of a [`Disk`](super::Disk) run when async code needs them.

use crate::fault::StorageError;
use tokio::task::JoinHandle;

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
