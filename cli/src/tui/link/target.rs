//! [`Target`]: one server as it is asked: over which connections, and as whom.
//!
//! A pool of its own rather than a library's: whether a request may be sent again depends on whether
//! its connection was used before, and dropping a question must close its connection.
//!
//! Invariants:
//! 1. A connection has one question at a time; one whose question was given up is closed, not kept.
//! 2. Only a GET is ever sent twice, only when the connection had been used before, and once.

use crate::client::{
    Answer, BROKEN, Credentials, Question, Refusal, Remote, Stream, listening, whole,
};
use crate::tui::message::{Failure, Reply, Request};
use crate::tui::server::{Address, Login, Server};
use anyhow::{Context as _, Error, Result, anyhow};
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For an answer.
    pub(crate) answer: Duration,
    /// Without saying that it is still there: in events by itself, and else when its system is asked.
    pub(crate) silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_mins(1),
            // A server says at least every 15 s that it is still there.
            silence: Duration::from_secs(40),
        }
    }
}

/// How long a connection is kept for the next question; servers keep theirs longer.
const KEPT_FOR: Duration = Duration::from_secs(45);

/// Connections that are kept.
const KEPT: usize = 8;

/// Requests that take as long as the work they ask for: their answers are not bounded, only the silence of the
/// machine that works is.
const WORK: [&str; 3] = ["/gc", "/check", "/backup"];

/// One server.
#[derive(Debug)]
pub(super) struct Target {
    server: Server,
    pub(super) limits: Limits,
    /// How it is reached: reading the system's authorities takes a while, and is done once.
    way: OnceCell<Result<Way, String>>,
    idle: Mutex<Vec<(Sender, Instant)>>,
}

type Sender = SendRequest<Full<Bytes>>;

#[derive(Debug)]
enum Way {
    Elsewhere(Box<Remote>),
    Here(PathBuf),
}

/// The way to a server, which is taken for gone after so long a silence. Reads files.
fn way(server: &Server, silence: Duration) -> Result<Way, String> {
    let url = match &server.at {
        Address::Socket(path) => return Ok(Way::Here(path.clone())),
        Address::Url(url) => url,
    };
    let credentials = server.login.as_ref().map(|login| match login {
        Login::Password { user, password } => Credentials::new(user, password),
        // Whose it is stands in the key.
        Login::Key(key) => Credentials::new("token", key),
    });
    let remote = Remote::with(url, server.ca_file.as_deref(), credentials);
    match remote {
        Ok(remote) => Ok(Way::Elsewhere(Box::new(remote.within(silence)))),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// A failure in the words of the state.
fn failure(error: &Error) -> Failure {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => Failure::Refused {
            status: refusal.status.as_u16(),
            detail: refusal.detail.clone(),
        },
        None => Failure::Unreachable(format!("{error:#}")),
    }
}

// === impl Target ===

impl Target {
    pub(super) fn new(server: Server, limits: Limits) -> Self {
        Self {
            server,
            limits,
            way: OnceCell::new(),
            idle: Mutex::default(),
        }
    }

    /// Asks, and reads the answer whole.
    ///
    /// # Cancel safety
    /// A cancelled question closes its connection.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, Failure> {
        let is_work = request.method == Method::POST && WORK.contains(&request.path.as_str());
        let asked = async {
            if is_work {
                return self.answer(request).await;
            }
            match timeout(self.limits.answer, self.answer(request)).await {
                Ok(answer) => answer,
                Err(_elapsed) => Err(anyhow!(
                    "{} has not answered for {} s",
                    self.server.address(),
                    self.limits.answer.as_secs()
                )),
            }
        };
        asked.await.map_err(|error| failure(&error))
    }

    async fn answer(&self, request: &Request) -> Result<Reply> {
        let (sender, response) = self.send(request).await?;
        let answer = Answer::of(whole(response).await?);
        self.keep(sender);
        let Answer { body, etag } = answer?;
        Ok(Reply { body, etag })
    }

    /// Begins an answer that goes on as long as the server likes, on a connection of its own.
    pub(super) async fn listen(&self, path: &str) -> Result<(Sender, Response<Incoming>), Failure> {
        let listening = async {
            let request = Request::get(path);
            let mut sender = self.connect().await?;
            let patience = self.limits.answer;
            let response = timeout(patience, self.try_once(&mut sender, &request)).await;
            let response = response.context(BROKEN)??;
            if response.status().is_success() {
                return Ok((sender, response));
            }
            Err(
                match Answer::of(timeout(patience, whole(response)).await.context(BROKEN)??) {
                    Err(refused) => refused,
                    Ok(_) => anyhow!(BROKEN),
                },
            )
        };
        listening.await.map_err(|error: Error| failure(&error))
    }

    async fn send(&self, request: &Request) -> Result<(Sender, Response<Incoming>)> {
        if let Some(mut sender) = self.kept().await {
            match self.try_once(&mut sender, request).await {
                Ok(response) => return Ok((sender, response)),
                // The server may have closed it just then.
                Err(_closed) if request.method == Method::GET => {}
                Err(error) => return Err(error),
            }
        }
        let mut sender = self.connect().await?;
        let response = self.try_once(&mut sender, request).await?;
        Ok((sender, response))
    }

    async fn try_once(&self, sender: &mut Sender, request: &Request) -> Result<Response<Incoming>> {
        let path = format!("/api/v1{}", request.path);
        let question = Question {
            method: request.method.clone(),
            path: &path,
            body: request.body.as_ref(),
            if_match: request.if_match.as_deref(),
        };
        let mut wire = question.request()?;
        if let Way::Elsewhere(remote) = self.way().await? {
            wire = remote.addressed(wire)?;
        }
        let response = sender.send_request(wire.map(Full::new)).await;
        response.with_context(|| format!("{} broke the connection off", self.server.address()))
    }

    async fn way(&self) -> Result<&Way> {
        let find = async || {
            let (server, silence) = (self.server.clone(), self.limits.silence);
            let found = tokio::task::spawn_blocking(move || way(&server, silence)).await;
            found.unwrap_or_else(|error| Err(error.to_string()))
        };
        let way = self.way.get_or_init(find).await;
        way.as_ref().map_err(|why| anyhow!(why.clone()))
    }

    async fn connect(&self) -> Result<Sender> {
        let stream: Stream = match self.way().await? {
            Way::Elsewhere(remote) => remote.open().await?,
            Way::Here(path) => {
                let stream = listening(path).await?;
                let none = || anyhow!("no server listens on {}", path.display());
                Box::new(stream.ok_or_else(none)?)
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context(BROKEN)?;
        // It ends when its sender is gone; what broke is told by the question it carried.
        drop(tokio::spawn(async move { drop(connection.await) }));
        Ok(sender)
    }

    /// A connection that was used before.
    async fn kept(&self) -> Option<Sender> {
        loop {
            let (mut sender, since) = self.idle.lock().pop()?;
            if since.elapsed() < KEPT_FOR && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock();
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < KEPT_FOR);
        if !sender.is_closed() && idle.len() < KEPT {
            idle.push((sender, Instant::now()));
        }
    }
}
