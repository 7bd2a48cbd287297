//! [`Client`]: asks the management API, of the running server or of the store itself.
//!
//! Invariants:
//! 1. A server is asked only if it has this very store open; another one that shares the home
//!    directory is left alone.
//! 2. Without a server the same handlers run here, under the store's lock: what a command does and
//!    answers does not depend on whether a server runs.

use crate::commands::store;
use crate::config::Config;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use floundr_engine::Engine;
use floundr_frontend::manage::{Management, connect};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

const IN_USE: &str = "a process has it open that cannot be asked; if it is a server, it must have \
                      been started with the same home directory";

/// Items asked for at once.
const PAGE: usize = 500;

/// Who answers.
#[derive(Debug)]
pub(crate) enum Client {
    /// The server that listens on this socket.
    Server(PathBuf),
    /// The store, opened here.
    Here {
        /// The store.
        engine: Engine,
        /// What a server would answer.
        management: Management,
    },
}

/// What becomes of a command whose store does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It makes the store.
    Create,
    /// It says that there is none: it is more likely that another directory was meant.
    Refuse,
}

/// The management socket of a home directory.
pub(crate) fn socket(config: &Config) -> PathBuf {
    config.home.join("manage.sock")
}

/// A store's directory by the one name that every process finds for it.
pub(crate) fn canonical(root: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(root).with_context(|| format!("cannot find {}", root.display()))
}

// === impl Client ===

impl Client {
    /// Finds the server, or opens the store.
    ///
    /// # Errors
    /// What keeps it from both, with what to do about it.
    pub(crate) async fn open(config: &Config, absent: Absent) -> Result<Self> {
        let socket = socket(config);
        if let Some(stream) = listening(&socket).await? {
            let about = answer(exchange(stream, request(&Method::GET, "/api/v1", None)?).await?)?;
            let root = canonical(&config.store.root).ok();
            let is_ours = |root: &Path| about["store"].as_str() == root.to_str();
            if root.as_deref().is_some_and(is_ours) {
                return Ok(Self::Server(socket));
            }
        }
        let root = &config.store.root;
        ensure!(
            absent == Absent::Create || root.join("metadata.redb").exists(),
            "there is no store in {}: name its directory with --storage-path, or its home with \
             --home-dir",
            root.display()
        );
        let engine = store::open(&config.store, IN_USE).await?;
        let management = Management::new(engine.clone(), root);
        Ok(Self::Here { engine, management })
    }

    /// Asks, and gives the answer's body.
    ///
    /// # Errors
    /// The refusal in its own words, or what kept the question from being answered.
    ///
    /// # Cancel safety
    /// A cancelled question is given up by who was to answer it.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let request = request(&method, path, body)?;
        let response = match self {
            Self::Server(socket) => {
                let stream = listening(socket).await?;
                let stream = stream.ok_or_else(|| anyhow!("the server has stopped"))?;
                exchange(stream, request).await?
            }
            Self::Here { management, .. } => {
                let (head, body) = management.handle(request).await.into_parts();
                let body = body.collect().await.context("the answer is not whole")?;
                Response::from_parts(head, body.to_bytes())
            }
        };
        answer(response)
    }

    /// Asks for a listing page by page; `each` sees every page. `path` ends in `?` or in parameters
    /// and `&`.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub(crate) async fn pages(&self, path: &str, mut each: impl FnMut(Value)) -> Result<()> {
        let mut last = String::new();
        loop {
            // What a page ends with is a number, a repository's name or hexadecimal: no such
            // character means anything else in a query.
            let path = format!("{path}n={PAGE}{last}");
            let page = self.call(Method::GET, &path, None).await?;
            last = match &page["next"] {
                Value::String(next) => format!("&last={next}"),
                Value::Number(next) => format!("&last={next}"),
                _ => String::new(),
            };
            each(page);
            if last.is_empty() {
                return Ok(());
            }
        }
    }

    /// Closes the store if it was opened here.
    ///
    /// # Errors
    /// What was not written at the end.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Here { engine, .. } => engine.close().await.context("cannot close the store"),
        }
    }
}

/// A connection to the server; none when no server listens.
async fn listening(socket: &Path) -> Result<Option<UnixStream>> {
    match connect(socket).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            io::ErrorKind::PermissionDenied => bail!(
                "{} belongs to another user: run this as the user the server runs as",
                socket.display()
            ),
            _ => Err(error).with_context(|| format!("cannot connect to {}", socket.display())),
        },
    }
}

fn request(method: &Method, path: &str, body: Option<&Value>) -> Result<Request<Bytes>> {
    let body = body.map(Value::to_string).unwrap_or_default();
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "floundr")
        .header(CONTENT_TYPE, "application/json")
        .body(body.into())
        .context("cannot put the question into a request")
}

async fn exchange(stream: UnixStream, request: Request<Bytes>) -> Result<Response<Bytes>> {
    const BROKEN: &str = "the server did not answer; its log says more";
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .context(BROKEN)?;
    let asked = async {
        let response = sender.send_request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::from_parts(head, body))
    };
    // Dropped together: a question that is given up closes its connection.
    tokio::pin!(connection, asked);
    tokio::select! {
        response = &mut asked => response.context(BROKEN),
        ended = &mut connection => {
            ended.context(BROKEN)?;
            asked.await.context(BROKEN)
        }
    }
}

/// The body of an answer, or the detail of a problem as an error.
fn answer(response: Response<Bytes>) -> Result<Value> {
    let (status, body) = (response.status(), response.into_body());
    let body: Value = serde_json::from_slice(&body)
        .with_context(|| format!("the server answered {status} and no JSON"))?;
    if status.is_success() {
        return Ok(body);
    }
    match body["detail"].as_str() {
        Some(detail) => bail!("{detail}"),
        None => bail!("the server answered {status}"),
    }
}
