//! `floundr serve`: opens the store, listens, and stops as it is told to.
//!
//! Invariants:
//! 1. Nothing is opened before what the user asked for is known to be allowed.
//! 2. The first SIGTERM or SIGINT lets requests end and closes the store: exit code 0. A second
//!    one ends the process at once; what was acknowledged is on disk all the same.
//! 3. A disk that failed a sync ends the server in the same way, with exit code 1: what it wrote
//!    since cannot be trusted, and only a new process reads what the medium has.
//!
//! The management API is served too, on a socket in the home directory; without one (another server
//! has it, or it cannot be made) the registry is served all the same.
//!
//! What a request does is `frontend`'s; what is kept is `engine`'s.

use super::{Failure, accounts, store};
use crate::args::MissingChoice;
use crate::config::{Config, Resolved, ServeConfig, Setting, TlsConfig};
use crate::output::{self, Welcome};
use crate::{allocator, client, log};
use anyhow::{Context as _, Result, anyhow, bail};
use floundr_engine::Engine;
use floundr_frontend as frontend;
use floundr_frontend::Services;
use floundr_frontend::manage::{Management, Manager};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

const IN_USE: &str = "stop the other one, or name another directory with --storage-path";

const NOT_CLOSED: &str = "cannot close the store";

const DISK_FAILED: &str = "the disk failed: look at it and start floundr again; what was answered \
                           with success before is kept";

/// The two signals that end a server.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// Serves until it is told to stop.
pub(crate) fn run(resolved: &Resolved) -> Result<(), Failure> {
    let config = checked_config(resolved).map_err(Failure::Usage)?;
    let _logging = log::start(&resolved.config.log).map_err(Failure::Usage)?;
    for note in &resolved.notes {
        tracing::warn!("{note}");
    }
    // A connection and a blob are a file each; the usual first limit is for programs that `select`.
    if let Err(error) = frontend::raise_open_file_limit() {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
    let runtime = store::runtime().map_err(Failure::Run)?;
    runtime.spawn(allocator::give_back_unused());
    let served = runtime.block_on(serve(resolved, config));
    // Threads that still wait for a client or the disk must not hold up the end.
    runtime.shutdown_background();
    served.map_err(Failure::Run)
}

async fn serve(resolved: &Resolved, config: frontend::Config) -> Result<()> {
    // Before anything is opened: a signal that comes while it is must find somebody listening.
    let mut signals = StopSignals::listen()?;
    let root = &resolved.config.store.root;
    let engine = store::open(&resolved.config.store, IN_USE).await?;
    let accounts = accounts::open(&resolved.config).await?;
    let first = if resolved.config.serve.no_auth {
        None
    } else {
        accounts::first_administrator(&accounts, &resolved.config).await?
    };
    let audit = accounts::open_audit(&resolved.config).await?;
    let services = Services::new(&engine, Some(accounts.clone()), audit);
    let root_name = client::canonical(root)?;
    let management = Management::new(engine.clone(), &root_name, services.clone());
    let served = served(&config.listen);
    let access = accounts::access(&accounts, &resolved.config, served);
    let context = frontend::Context::with_access(engine.clone(), config, access, services.clone());
    // Who reaches an open registry does not make accounts for a later start that has some.
    let mut reachable = services.clone();
    if resolved.config.serve.no_auth {
        reachable.accounts = None;
    }
    let reachable = Management::new(engine.clone(), &root_name, reachable);
    let registry = frontend::Registry::new(context.with_management(reachable));
    let mut server = frontend::Server::bind(registry)
        .await
        .map_err(|error| bind_error(error, &resolved.config.serve))?;
    match manager(management.clone(), &resolved.config).await {
        Ok(manager) => server = server.with_manager(manager),
        Err(error) => {
            tracing::warn!("commands such as floundr gc cannot reach this server: {error:#}");
        }
    }
    let addresses = output::Addresses {
        plain: server.local_addr(),
        tls: server.tls_addr(),
    };
    let welcome = match &first {
        _ if resolved.config.serve.no_auth => Welcome::Everybody,
        Some(first) => Welcome::First(first),
        None => Welcome::Accounts,
    };
    output::started(&addresses, root, &welcome);
    engine.set_check_rate(resolved.config.serve.check_rate);
    until_stopped(server, (engine, services, management), &mut signals).await
}

/// Host and port, for clients that say none.
fn served(listen: &frontend::Listen) -> String {
    let tls = listen.tls.as_ref().map(|tls| tls.address);
    let address = tls.or(listen.plain);
    address.map_or_else(|| "localhost".to_owned(), |address| address.to_string())
}

/// The management API on its socket in the home directory.
async fn manager(management: Management, config: &Config) -> Result<Manager> {
    let (home, socket) = (&config.home, client::socket(config));
    std::fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
    Ok(Manager::bind(management, &socket).await?)
}

async fn until_stopped(
    server: frontend::Server,
    (engine, services, management): (Engine, Services, Management),
    signals: &mut StopSignals,
) -> Result<()> {
    let events = Arc::clone(&services.events);
    let (stop, stopped) = oneshot::channel::<()>();
    // An error here means that `stop` was dropped, which ends the server as well.
    let shutdown = async move { drop(stopped.await) };
    let ending = async {
        // Whether requests were cut is the log's to say: it is no failure, they were told in time.
        let _all_finished = tokio::select! {
            all_finished = server.run(shutdown) => all_finished,
            () = services.keep() => true,
            () = management.keep() => true,
        };
        services.settle().await;
        engine.close().await
    };
    tokio::pin!(ending);
    let failure = tokio::select! {
        ended = &mut ending => return ended.context(NOT_CLOSED),
        name = signals.next() => {
            tracing::info!("{name}: letting requests end");
            None
        }
        failure = engine.failed() => {
            tracing::error!(error = %failure, "the disk failed: letting requests end");
            Some(failure)
        }
    };
    events.end();
    drop(stop);
    let ended = tokio::select! {
        ended = &mut ending => ended,
        name = signals.next() => bail!("ended at once by a second signal, {name}"),
    };
    match failure {
        // A store whose disk failed cannot be closed well: what counts is what the disk said.
        Some(failure) => Err(failure).context(DISK_FAILED),
        None => ended.context(NOT_CLOSED),
    }
}

// === impl StopSignals ===

impl StopSignals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one. Cancel safe: a signal is not lost.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// What the frontend is started with, known to be allowed and to fit together.
fn checked_config(resolved: &Resolved) -> Result<frontend::Config> {
    let config = frontend_config(&resolved.config.serve, listen_address(resolved)?);
    config
        .validate()
        .context("the settings do not fit together")?;
    Ok(config)
}

/// The address to listen on.
fn listen_address(resolved: &Resolved) -> Result<SocketAddr> {
    let config = &resolved.config.serve;
    let source = &resolved.entry(Setting::Host).source;
    let (host, port) = (config.host.as_str(), config.port);
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("host is {host:?} ({source}), which has no address"))?
        .collect();
    // A name may have addresses of both families; IPv4 is what `localhost` means to most clients.
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .ok_or_else(|| anyhow!("host is {host:?} ({source}), which has no address"))?;
    Ok(*address)
}

fn frontend_config(config: &ServeConfig, address: SocketAddr) -> frontend::Config {
    let defaults = frontend::Config::default();
    let tls_address = |port| SocketAddr::new(address.ip(), port);
    frontend::Config {
        listen: frontend::Listen {
            plain: Some(address),
            tls: config.tls.as_ref().map(|tls| {
                frontend::TlsListen::new(tls_address(tls.port), &tls.cert_path, &tls.key_path)
            }),
            ..defaults.listen
        },
        limits: frontend::Limits {
            manifest_bytes: config.max_manifest_size,
            connections: config.max_connections,
            ..defaults.limits
        },
        timeouts: frontend::Timeouts {
            first_byte: config.header_timeout,
            headers: config.header_timeout,
            body: config.body_timeout,
            write: config.body_timeout,
            idle: config.idle_timeout,
            drain: config.drain_timeout,
            ..defaults.timeouts
        },
        missing_blobs: missing(config.missing_blobs),
        missing_children: missing(config.missing_children),
        ..defaults
    }
}

fn missing(choice: MissingChoice) -> frontend::Missing {
    match choice {
        MissingChoice::Accept => frontend::Missing::Accept,
        MissingChoice::Refuse => frontend::Missing::Refuse,
    }
}

/// Says what to do when an address cannot be had.
fn bind_error(error: frontend::BindError, config: &ServeConfig) -> anyhow::Error {
    let frontend::BindError::Listen { address, source } = error else {
        return error.into();
    };
    let is_tls = |tls: &TlsConfig| tls.port == address.port() && config.port != tls.port;
    let flag = match &config.tls {
        Some(tls) if is_tls(tls) => "--https-port",
        _ => "--port",
    };
    match source.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "the address {address} is in use by another program: stop it, or choose another port \
             with {flag}"
        ),
        io::ErrorKind::PermissionDenied => anyhow!(
            "the address {address} is not allowed: ports below 1024 need privileges; choose \
             another port with {flag}"
        ),
        _ => anyhow!(source).context(format!("cannot listen on {address}")),
    }
}
