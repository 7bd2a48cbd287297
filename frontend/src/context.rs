//! [`Context`]: what every handler may use.

use crate::access::Access;
use crate::config::Config;
use crate::manage::Management;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::services::Services;
use floundr_engine::Engine;
use std::sync::Arc;

/// The open engine, the configuration and the metrics. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub struct Context {
    shared: Arc<Shared>,
    management: Option<Management>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    config: Arc<Config>,
    access: Access,
    services: Services,
}

// === impl Context ===

impl Context {
    /// A context over an open engine, in which everybody may everything. `config` is expected to be
    /// valid, see [`Config::validate`].
    pub fn new(engine: Engine, config: Config) -> Self {
        let services = Services::plain(&engine);
        Self::with_access(engine, config, Access::open(), services)
    }

    /// A context in which `access` says who may what.
    pub fn with_access(engine: Engine, config: Config, access: Access, services: Services) -> Self {
        let shared = Shared {
            engine,
            config: Arc::new(config),
            access,
            services,
        };
        Self {
            shared: Arc::new(shared),
            management: None,
        }
    }

    /// The same with the management API, which is then served as well, under `/api/v1`.
    #[must_use]
    pub fn with_management(self, management: Management) -> Self {
        let management = Some(management);
        Self { management, ..self }
    }

    /// The store.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// What was configured.
    pub fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }

    /// The management API, if it is served.
    pub(crate) fn management(&self) -> Option<&Management> {
        self.management.as_ref()
    }

    /// What was counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.services.metrics
    }

    /// What it shares with the management API.
    pub fn services(&self) -> &Services {
        &self.shared.services
    }

    /// What the repositories of rules with a quota hold.
    pub fn quotas(&self) -> &Quotas {
        &self.shared.services.quotas
    }

    /// Who may what.
    pub fn access(&self) -> &Access {
        &self.shared.access
    }
}
