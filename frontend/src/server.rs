//! [`Server`]: listens, and drives its connections until it is told to stop.
//!
//! Invariants:
//! 1. Every task belongs to [`Server::run`]: when it returns or is dropped, none is left.
//! 2. After the stop signal no connection is accepted, idle ones are closed, and requests in
//!    flight have the drain time to finish.
//!
//! One connection's life is in `connection`, what it answers in `service`.

use crate::config::{Config, ConfigError};
use crate::connection::{Connection, Security};
use crate::context::Context;
use crate::listener::{Accepted, Listener};
use crate::manage::Manager;
use crate::service::{Handler, Registry};
use crate::tls::{Certificate, CertificateError};
use futures_util::future::join3;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A registry that listens.
#[derive(Debug)]
pub struct Server<H = Context> {
    registry: Registry<H>,
    plain: Option<Listener>,
    tls: Option<TlsListener>,
    manager: Option<Manager>,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system does not give the address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate cannot be shown.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS cannot be set up.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// Reading the certificate was not finished: the runtime is ending.
    #[error("the certificate was not read: {0}")]
    Interrupted(#[from] JoinError),
}

struct TlsListener {
    listener: Listener,
    acceptor: TlsAcceptor,
    certificate: Certificate,
}

/// Tells connections to come to an end; a clone for each.
pub(crate) type Stop = watch::Receiver<bool>;

// === impl Server ===

impl<H: Handler> Server<H> {
    /// Binds the addresses of the registry's configuration. Clients can connect from then on, and
    /// are served once [`Server::run`] is called.
    ///
    /// # Errors
    /// [`BindError`]; nothing is bound then.
    ///
    /// # Cancel safety
    /// A cancelled call binds nothing.
    pub async fn bind(registry: Registry<H>) -> Result<Self, BindError> {
        let config = Arc::clone(registry.config());
        config.validate()?;
        let permits = Arc::new(Semaphore::new(config.limits.connections));
        let bind = |address| {
            Listener::bind(address, &config.listen, Arc::clone(&permits))
                .map_err(|source| BindError::Listen { address, source })
        };
        let plain = config.listen.plain.map(bind).transpose()?;
        let tls = match config.listen.tls.clone() {
            Some(listen) => {
                let listener = bind(listen.address)?;
                let certificate = spawn_blocking(|| Certificate::load(listen)).await??;
                let acceptor = TlsAcceptor::from(Arc::new(certificate.server_config()?));
                Some(TlsListener {
                    listener,
                    acceptor,
                    certificate,
                })
            }
            None => None,
        };
        Ok(Self {
            registry,
            plain,
            tls,
            manager: None,
        })
    }

    /// Serves the management API as well, beside the listeners and with the same end.
    #[must_use]
    pub fn with_manager(mut self, manager: Manager) -> Self {
        self.manager = Some(manager);
        self
    }

    /// The plain address, with the port the system chose if it was 0.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.plain.as_ref()?.local_addr().ok()
    }

    /// The TLS address, likewise.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.listener.local_addr().ok()
    }

    /// Serves until `shutdown` is ready, then drains: stops accepting, lets requests in flight
    /// finish within the drain time, cuts the rest. Whether all of them finished.
    ///
    /// # Cancel safety
    /// A dropped call cuts all connections at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        let config = Arc::clone(self.registry.config());
        let (stop, stopped) = watch::channel(false);
        let registry = Arc::new(self.registry);
        let plain = self.plain.map(|listener| (listener, Security::Plain));
        let (tls, certificate) = self
            .tls
            .map(|tls| ((tls.listener, Security::Tls(tls.acceptor)), tls.certificate))
            .unzip();
        let plain = listen(plain, Arc::clone(&registry), stopped.clone());
        let tls = listen(tls, registry, stopped.clone());
        let manager = async {
            if let Some(manager) = self.manager {
                manager.serve(stopped).await;
            }
        };
        let mut listening = pin!(join3(plain, tls, manager));
        let mut following = pin!(follow(certificate));
        tokio::select! {
            () = shutdown => {}
            _ = &mut listening => return true,
            () = &mut following => {}
        }
        stop.send_replace(true);
        drain(listening, &config).await
    }
}

async fn drain(connections: impl Future, config: &Config) -> bool {
    let limit = config.timeouts.drain;
    tracing::info!(?limit, "stopping: requests in flight may finish");
    let all_finished = timeout(limit, connections).await.is_ok();
    if !all_finished {
        tracing::warn!(
            ?limit,
            "requests that took longer than the drain time are cut"
        );
    }
    all_finished
}

async fn follow(certificate: Option<Certificate>) {
    match certificate {
        Some(certificate) => certificate.follow().await,
        None => pending().await,
    }
}

/// Accepts until the stop signal, then waits for the connections to end.
async fn listen<H: Handler>(
    listener: Option<(Listener, Security)>,
    registry: Arc<Registry<H>>,
    mut stopped: Stop,
) {
    let mut connections = JoinSet::new();
    if let Some((mut listener, security)) = listener {
        let stop = stopped.clone();
        let mut stopping = pin!(wait(&mut stopped));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(ended) = connections.join_next() => { report(ended); continue }
                accepted = listener.accept() => accepted,
            };
            let Accepted {
                socket,
                peer,
                permit,
            } = accepted;
            let connection =
                Connection::new(Arc::clone(&registry), peer, security.clone(), stop.clone());
            connections.spawn(async move {
                connection.serve(socket).await;
                drop(permit);
            });
        }
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Ready when the stop signal was given, or its sender is gone.
pub(crate) async fn wait(stop: &mut Stop) {
    // An error is a server that was dropped: that is a stop signal as well.
    drop(stop.wait_for(|stopped| *stopped).await);
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsListener")
            .field("listener", &self.listener)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
