//! The work of a connection itself, run by whoever waits for something on it.
//!
//! 1. What HTTP/2 would spawn (the frames, a request's body) runs inside the same task as the requests, as all of
//!    HTTP/1.1 does, so no frame crosses threads. A [`Driver`] that is dropped drops all of it.
//! 2. A connection that ended is not run again; whatever waits on it is told.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll};

use anyhow::{Result, anyhow};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Main = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection's own work.
pub(crate) struct Driver {
    /// `None` once it has ended.
    main: Option<Main>,
    spawned: UnboundedReceiver<Job>,
    running: FuturesUnordered<Job>,
}

/// Hands what a connection spawns to its [`Driver`].
#[derive(Debug, Clone)]
pub(crate) struct Spawner(UnboundedSender<Job>);

/// What a [`Spawner`] was given, before there is a driver.
#[derive(Debug)]
pub(crate) struct Spawned(UnboundedReceiver<Job>);

/// A spawner and what it is given.
pub(crate) fn spawner() -> (Spawner, Spawned) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Spawner(sender), Spawned(receiver))
}

// === impl Spawner ===

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, job: F) {
        // Without a driver the connection is gone, and so is the reason for its work.
        self.0.send(Box::pin(job)).ok();
    }
}

// === impl Driver ===

impl Driver {
    /// Runs `main` and what is `spawned`.
    pub(crate) fn new(
        main: impl Future<Output = hyper::Result<()>> + Send + 'static,
        spawned: Spawned,
    ) -> Self {
        Self {
            main: Some(Box::pin(main)),
            spawned: spawned.0,
            running: FuturesUnordered::new(),
        }
    }

    /// Runs `work` and the connection together until `work` is done.
    ///
    /// # Errors
    /// When the connection fails or is closed before.
    ///
    /// # Cancel safety
    /// That of `work`: the connection's own work is kept.
    pub(crate) async fn run<F: Future + Send>(&mut self, work: F) -> Result<F::Output> {
        let mut work = pin!(work);
        poll_fn(|task: &mut Task<'_>| {
            if let Poll::Ready(output) = work.as_mut().poll(task) {
                return Poll::Ready(Ok(output));
            }
            let ended = self.poll(task);
            if let Poll::Ready(output) = work.as_mut().poll(task) {
                return Poll::Ready(Ok(output));
            }
            match ended {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(Err(anyhow!("connection was closed"))),
                Poll::Ready(Err(error)) => {
                    Poll::Ready(Err(anyhow::Error::new(error).context("connection failed")))
                }
            }
        })
        .await
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<hyper::Result<()>> {
        let ended = match &mut self.main {
            Some(main) => main.as_mut().poll(task),
            None => Poll::Ready(Ok(())),
        };
        if ended.is_ready() {
            self.main = None;
        }
        loop {
            while let Poll::Ready(Some(job)) = self.spawned.poll_recv(task) {
                self.running.push(job);
            }
            match self.running.poll_next_unpin(task) {
                Poll::Ready(Some(())) => (),
                Poll::Ready(None) | Poll::Pending => return ended,
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("ended", &self.main.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spawned_runs_in_the_task_that_waits() {
        let (spawner, spawned) = spawner();
        let mut driver = Driver::new(std::future::pending(), spawned);
        let (told, hears) = tokio::sync::oneshot::channel();
        let inner = spawner.clone();
        let tell = async move { told.send(tokio::task::try_id()).unwrap() };
        spawner.execute(async move { inner.execute(tell) });
        let ran_in = driver.run(hears).await.unwrap().unwrap();
        assert_eq!(ran_in, tokio::task::try_id());
    }

    #[tokio::test]
    async fn whoever_waits_on_a_connection_that_ended_is_told() {
        let (_spawner, spawned) = spawner();
        let mut driver = Driver::new(std::future::ready(Ok(())), spawned);
        for _ in 0..2 {
            let error = driver.run(std::future::pending::<()>()).await.unwrap_err();
            assert_eq!(error.to_string(), "connection was closed");
        }
        assert_eq!(driver.run(std::future::ready(7)).await.unwrap(), 7);
    }
}
