//! [`Services`]: what the registry and its management API share beside the store.

use crate::accounts::Accounts;
use crate::audit::AuditLog;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use floundr_engine::Engine;
use floundr_engine::clock::SystemClock;
use std::sync::Arc;

/// What the registry and its management API share beside the store. Cheap to clone; every clone is
/// the same.
#[derive(Debug, Clone)]
pub struct Services {
    /// Who may what; none in a registry without accounts.
    pub accounts: Option<Accounts>,
    /// Who did what.
    pub audit: AuditLog,
    /// What happens, told as it happens.
    pub events: Arc<Events>,
    /// What the repositories of rules with a quota hold.
    pub quotas: Arc<Quotas>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
}

// === impl Services ===

impl Services {
    /// Of a registry over `engine`, with `accounts` if it has some; what is done is written to
    /// `audit`.
    pub fn new(engine: &Engine, accounts: Option<Accounts>, audit: AuditLog) -> Self {
        let clock = Arc::new(SystemClock::default());
        let mut metrics = Metrics::new();
        metrics.watch_check(engine.check_progress());
        if let Some(accounts) = &accounts {
            metrics.watch_accounts(accounts.clone());
        }
        metrics.watch_audit(audit.clone());
        Self {
            accounts,
            audit,
            events: Arc::default(),
            quotas: Arc::new(Quotas::new(Arc::new(engine.clone()), clock)),
            metrics: Arc::new(metrics),
        }
    }

    /// Of a registry without accounts, of which nothing is written down.
    pub fn plain(engine: &Engine) -> Self {
        Self::new(engine, None, AuditLog::none())
    }

    /// Keeps what is in memory only written down, for as long as it is polled.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn keep(&self) {
        match &self.accounts {
            Some(accounts) => accounts.keep().await,
            None => std::future::pending().await,
        }
    }

    /// Writes down what is in memory only, at the end. What cannot be written is in the log: nothing
    /// that was acknowledged is lost by it but the audit log's last records.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn settle(&self) {
        if let Some(accounts) = &self.accounts
            && let Err(error) = accounts.settle().await
        {
            tracing::warn!(%error, "when keys were used last could not be written down");
        }
        if let Err(error) = self.audit.flush().await {
            tracing::error!(%error, "the end of the audit log could not be written");
        }
    }
}
