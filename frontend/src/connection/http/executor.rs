//! The tasks of one HTTP/2 connection: a request each.
//!
//! Invariant: they belong to the connection; when it is cut, so are they.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// Where hyper starts the requests of one connection. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Executor {
    tasks: Arc<Mutex<JoinSet<()>>>,
}

// === impl Executor ===

impl Executor {
    /// Ends all tasks.
    pub(super) fn abort(&self) {
        self.tasks
            .lock()
            .expect("nothing panics while it is held")
            .abort_all();
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = self.tasks.lock().expect("nothing panics while it is held");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}
