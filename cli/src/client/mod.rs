//! [`Client`]: asks the management API, of a server elsewhere, of the running server on this machine,
//! or of the store itself.
//!
//! Invariants:
//! 1. With `url` only the server there is asked.
//! 2. A server on this machine is asked only if it has this very store open; another one that shares
//!    the home directory is left alone.
//! 3. Without a server the same handlers run here, under the store's lock: what a command does and
//!    answers does not depend on whether a server runs.
//!
//! One question over one connection is in `exchange`, a server elsewhere in `remote`.

mod exchange;
mod remote;

pub(crate) use exchange::{Answer, BROKEN, Refusal, whole};
pub(crate) use remote::{Credentials, Remote, Stream};

use crate::commands::{accounts, store};
use crate::config::Config;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use floundr_engine::Engine;
use floundr_frontend::Services;
use floundr_frontend::manage::{Management, connect};
use http::header::{CONTENT_TYPE, HOST, IF_MATCH};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

const IN_USE: &str = "a process has it open that cannot be asked; if it is a server, it must have \
                      been started with the same home directory";

/// Items asked for at once.
const PAGE: usize = 500;

/// What a path's segment and a parameter's value have as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who answers.
#[derive(Debug)]
pub(crate) enum Client {
    /// A server elsewhere.
    Elsewhere(Box<Remote>),
    /// The server that listens on this socket.
    Server(PathBuf),
    /// The store, opened here.
    Here {
        /// The store.
        engine: Engine,
        /// What a server would answer.
        management: Management,
        /// What it shares with a registry: accounts and audit log.
        services: Services,
    },
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The path, from `/api/v1` on, and the parameters.
    pub(crate) path: &'a str,
    /// The JSON that goes with it.
    pub(crate) body: Option<&'a Value>,
    /// Only if this is still the version there is.
    pub(crate) if_match: Option<&'a str>,
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
        if let Some(url) = &config.remote.url {
            return Ok(Self::Elsewhere(Box::new(Remote::new(url, config)?)));
        }
        let socket = socket(config);
        if let Some(stream) = listening(&socket).await? {
            let request = Question::get("/api/v1").request()?;
            let about = Answer::of(exchange::ask(stream, request).await?)?;
            let root = canonical(&config.store.root).ok();
            let is_ours = |root: &Path| about.body["store"].as_str() == root.to_str();
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
        let accounts = accounts::open(config).await?;
        let audit = accounts::open_audit(config).await?;
        let services = Services::new(&engine, Some(accounts), audit);
        let management = Management::new(engine.clone(), root, services.clone());
        Ok(Self::Here {
            engine,
            management,
            services,
        })
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
        let question = Question {
            method,
            path,
            body,
            if_match: None,
        };
        Ok(self.ask(question).await?.body)
    }

    /// Asks, and gives the whole answer.
    ///
    /// # Errors
    /// As of [`Self::call`].
    ///
    /// # Cancel safety
    /// As of [`Self::call`].
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let request = question.request()?;
        let response = match self {
            Self::Elsewhere(remote) => {
                // The greeting of TLS is large, and most commands ask on this machine.
                let response = Box::pin(remote.ask(request)).await?;
                return Answer::of(response).map_err(|error| remote.explained(error));
            }
            Self::Server(socket) => {
                let stream = listening(socket).await?;
                let stream = stream.ok_or_else(|| anyhow!("the server has stopped"))?;
                exchange::ask(stream, request).await?
            }
            Self::Here { management, .. } => {
                let (head, body) = management.handle(request).await.into_parts();
                let body = body.collect().await.context("the answer is not whole")?;
                Response::from_parts(head, body.to_bytes())
            }
        };
        Answer::of(response)
    }

    /// Asks for a listing page by page; `each` sees every page. `path` ends in `?` or in parameters
    /// and `&`.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub(crate) async fn pages(&self, path: &str, mut each: impl FnMut(Value)) -> Result<()> {
        let mut last = String::new();
        loop {
            let path = format!("{path}n={PAGE}{last}");
            let page = self.call(Method::GET, &path, None).await?;
            last = match &page["next"] {
                Value::String(next) => format!("&last={}", encoded(next)),
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
            Self::Elsewhere(_) | Self::Server(_) => Ok(()),
            Self::Here {
                engine, services, ..
            } => {
                services.settle().await;
                engine.close().await.context("cannot close the store")
            }
        }
    }
}

/// A connection to the server; none when no server listens.
///
/// # Errors
/// What else keeps it from being made.
pub(crate) async fn listening(socket: &Path) -> Result<Option<UnixStream>> {
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

/// A text as one segment of a path, or as a parameter's value.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

// === impl Question ===

impl<'a> Question<'a> {
    /// To see what is at `path`.
    pub(crate) const fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            if_match: None,
        }
    }

    /// The request that asks it.
    ///
    /// # Errors
    /// A path or version that cannot be sent.
    pub(crate) fn request(&self) -> Result<Request<Bytes>> {
        let mut request = Request::builder().method(&self.method).uri(self.path);
        if let Some(version) = self.if_match {
            request = request.header(IF_MATCH, version);
        }
        let body = self.body.map(Value::to_string).unwrap_or_default();
        request
            .header(HOST, "floundr")
            .header(CONTENT_TYPE, "application/json")
            .body(body.into())
            .context("cannot put the question into a request")
    }
}
