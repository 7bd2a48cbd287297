//! A server that has nothing to do, with or without connections that are kept open: what its memory is then.
//!
//! Every connection carries one request before the clock starts, and another one after it stopped: only
//! connections the server kept count.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::Repository;

/// How to be idle.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// How many connections are kept open.
    pub connections: u64,
    /// For how long.
    pub time: Duration,
}

// === impl Idle ===

impl Idle {
    /// Opens the connections and measures a round of leaving them alone. Nothing is counted.
    ///
    /// # Errors
    /// When a connection is not accepted, not answered, or not kept.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections.
    pub async fn run(&self, target: &Target) -> Result<Outcome> {
        let mut connections = target.connect(self.connections).await?;
        let asking = ask(&mut connections);
        target.within("using every connection", asking).await?;
        let time = self.time;
        let wait = async move {
            sleep(time).await;
            Ok(Tally::default())
        };
        let outcome = measure(target, vec![wait]).await?;
        let asking = ask(&mut connections);
        target
            .within("using every connection again", asking)
            .await?;
        Ok(outcome)
    }
}

async fn ask(connections: &mut [Repository]) -> Result<()> {
    for connection in connections {
        connection.base().await?;
    }
    Ok(())
}

/// Raises this process's limit of open files as far as it may, for itself and the servers it starts.
///
/// # Errors
/// When the system refuses.
pub fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_to_its_maximum() {
        raise_open_files().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
