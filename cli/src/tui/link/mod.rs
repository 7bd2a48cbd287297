//! [`Wire`]: carries out what the state asks for, a task each, over connections that are kept; so the
//! loop never waits for a server.
//!
//! | module | what it is |
//! |---|---|
//! | [`target`] | one server, its connections, and asking over them |
//! | [`events`] | what the server tells by itself, and connecting again |
//! | [`sse`] | server-sent events out of bytes |
//!
//! Invariants:
//! 1. Asking another server aborts all that was asked before.
//! 2. No answer is lost: who has one waits until the loop takes it.

mod events;
mod sse;
mod target;

use super::Carrier;
use super::message::{Effect, Failure, Message, Request, Ticket};
use super::server::Server;
use crate::profile;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use target::Limits;
use target::Target;
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

/// The world outside.
#[derive(Debug)]
pub(crate) struct Wire {
    out: Sender<Message>,
    /// Where `floundr.yml` is.
    home: PathBuf,
    limits: Limits,
    target: Option<Arc<Target>>,
    asked: BTreeMap<Ticket, AbortHandle>,
    events: Option<AbortHandle>,
    /// How often a file was to be written.
    last_written: Arc<AtomicU64>,
    /// Files are written one after the other.
    writing: Arc<tokio::sync::Mutex<()>>,
}

// === impl Wire ===

impl Wire {
    /// One that tells `out` what comes of things. It is used on a runtime.
    pub(crate) fn new(out: Sender<Message>, home: PathBuf) -> Self {
        Self {
            out,
            home,
            limits: Limits::default(),
            target: None,
            asked: BTreeMap::new(),
            events: None,
            last_written: Arc::default(),
            writing: Arc::default(),
        }
    }

    /// The same, of servers that may take so long.
    #[cfg(test)]
    pub(crate) fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn ask(&mut self, ticket: Ticket, request: Request) {
        let (out, target) = (self.out.clone(), self.target.clone());
        let task = tokio::spawn(async move {
            let reply = match target {
                Some(target) => target.ask(&request).await,
                None => Err(Failure::Unreachable("no server is chosen".to_owned())),
            };
            // Where nobody reads any more nothing is wanted.
            drop(out.send(Message::Answered(ticket, reply)).await);
        });
        self.asked.retain(|_, task| !task.is_finished());
        self.asked.insert(ticket, task.abort_handle());
    }

    fn connect(&mut self, server: Server) {
        self.give_all_up();
        let target = Arc::new(Target::new(server, self.limits));
        self.target = Some(target);
    }

    fn listen(&mut self) {
        let Some(target) = self.target.clone() else {
            return;
        };
        if let Some(before) = self.events.take() {
            before.abort();
        }
        let out = self.out.clone();
        let task = tokio::spawn(async move { events::follow(&target, out).await });
        self.events = Some(task.abort_handle());
    }

    fn give_all_up(&mut self) {
        let asked = std::mem::take(&mut self.asked).into_values();
        for task in asked.chain(self.events.take()) {
            task.abort();
        }
    }

    fn remember(&self, servers: &[Server]) {
        let known: Vec<_> = servers.iter().filter_map(Server::known).collect();
        let (out, home) = (self.out.clone(), self.home.clone());
        let (last, writing) = (Arc::clone(&self.last_written), Arc::clone(&self.writing));
        let number = last.fetch_add(1, Ordering::Relaxed) + 1;
        drop(tokio::spawn(async move {
            let turn = writing.lock_owned().await;
            if number < last.load(Ordering::Relaxed) {
                // What is known by now is written by who was told last, and must not be undone here.
                return;
            }
            let written = tokio::task::spawn_blocking(move || {
                let written = profile::remember(&home, &known);
                drop(turn);
                written
            });
            let done = match written.await {
                Ok(Ok(())) => Ok("floundr.yml was written".to_owned()),
                Ok(Err(error)) => Err(format!("{error:#}")),
                Err(error) => Err(format!("floundr.yml was not written: {error}")),
            };
            drop(out.send(Message::Done(done)).await);
        }));
    }
}

impl Carrier for Wire {
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(ticket, request) => self.ask(ticket, request),
            Effect::GiveUp(ticket) => {
                if let Some(task) = self.asked.remove(&ticket) {
                    task.abort();
                }
            }
            Effect::Connect(server) => self.connect(*server),
            Effect::Listen => self.listen(),
            Effect::Remember(servers) => self.remember(&servers),
            // The loop's own.
            Effect::Copy(_) | Effect::Quit => {}
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.give_all_up();
    }
}
