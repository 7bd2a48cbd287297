//! What goes into [`update`](super::app::App::update) and what comes out of it: the state asks for
//! effects and never has any itself.
//!
//! Invariants:
//! 1. Every question has a [`Ticket`] of its own, so that an answer is never taken for another one's.
//! 2. Nothing here can be printed with a secret in it.

use super::server::Server;
use crossterm::event::{KeyEvent, MouseEvent};
use http::Method;
use ratatui::layout::Size;
use serde_json::Value;
use std::fmt;

/// What happened.
#[derive(Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this size now.
    Resized(Size),
    /// Time has gone by: milliseconds since the epoch.
    Tick(u64),
    /// A question was answered.
    Answered(Ticket, Result<Reply, Failure>),
    /// Something happened on the server.
    Heard(Event),
    /// How the connection is.
    Link(Link),
    /// What an effect on this machine came to: a sentence, or what failed.
    Done(Result<String, String>),
}

/// What is to be done outside.
#[derive(PartialEq)]
pub(crate) enum Effect {
    /// Ask the server.
    Ask(Ticket, Request),
    /// The answer is not wanted any more.
    GiveUp(Ticket),
    /// Ask another server from now on, or the same as somebody else. What was asked before is given up.
    Connect(Box<Server>),
    /// Listen from now on to what the server tells by itself.
    Listen,
    /// Put a text into the clipboard of whoever looks at the terminal.
    Copy(String),
    /// Remember the servers in `floundr.yml`.
    Remember(Vec<Server>),
    /// Leave.
    Quit,
}

/// Which question an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// What is asked.
#[derive(Clone, PartialEq)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// The path below `/api/v1`, with its parameters.
    pub(crate) path: String,
    /// The JSON that goes with it.
    pub(crate) body: Option<Value>,
    /// Only if this is still the version there is.
    pub(crate) if_match: Option<String>,
}

/// What was answered.
#[derive(Default, Clone, PartialEq)]
pub(crate) struct Reply {
    /// The JSON; null when there is none.
    pub(crate) body: Value,
    /// The version of what was asked for.
    pub(crate) etag: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server could not be asked.
    Unreachable(String),
    /// The server would not.
    Refused {
        /// The status.
        status: u16,
        /// The server's own words.
        detail: String,
    },
}

/// What the server tells by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Its kind, such as `push`.
    pub(crate) kind: String,
    /// What there is to know.
    pub(crate) data: Value,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is being made.
    Connecting,
    /// Events come.
    Up,
    /// It is broken, and tried again at this time.
    Down {
        /// What is wrong.
        why: String,
        /// Milliseconds since the epoch.
        retry_at: u64,
    },
}

// === impl Request ===

impl Request {
    /// To see what is at `path`, which begins behind `/api/v1`.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            if_match: None,
        }
    }

    /// To have `body` done at `path`.
    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::get(path).with(Method::POST, Some(body))
    }

    /// To set what is at `path`.
    pub(crate) fn put(path: impl Into<String>, body: Value) -> Self {
        Self::get(path).with(Method::PUT, Some(body))
    }

    /// To change what is at `path`.
    pub(crate) fn patch(path: impl Into<String>, body: Value) -> Self {
        Self::get(path).with(Method::PATCH, Some(body))
    }

    /// To have what is at `path` deleted.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::get(path).with(Method::DELETE, None)
    }

    /// The same, only if this is still the version there is.
    pub(crate) fn only_if(mut self, etag: Option<String>) -> Self {
        self.if_match = etag;
        self
    }

    fn with(mut self, method: Method, body: Option<Value>) -> Self {
        self.method = method;
        self.body = body;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A body may have a password in it.
        write!(f, "{} {}", self.method, self.path)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A body may have the secret of a key in it.
        write!(f, "Reply({:?})", self.etag)
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ticket, request) => write!(f, "Ask({ticket:?}, {request:?})"),
            Self::GiveUp(ticket) => write!(f, "GiveUp({ticket:?})"),
            Self::Connect(server) => write!(f, "Connect({:?})", server.name),
            Self::Listen => f.write_str("Listen"),
            // What is copied may be a key.
            Self::Copy(_) => f.write_str("Copy"),
            Self::Remember(servers) => write!(f, "Remember({} servers)", servers.len()),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => f.write_str(why),
            Self::Refused { detail, .. } => f.write_str(detail),
        }
    }
}

impl Failure {
    /// The status, if the server answered.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Unreachable(_) => None,
            Self::Refused { status, .. } => Some(*status),
        }
    }

    /// When what is asked without the user's doing may be asked again: not at all where it was refused
    /// for want of a right, else after a while.
    pub(crate) fn again_at(&self, now: u64) -> u64 {
        const WHILE: u64 = 30_000;
        match self.status() {
            Some(401 | 403) => u64::MAX,
            _ => now.saturating_add(WHILE),
        }
    }
}
