//! [`Entry`]: the server is asked who one is before it is asked anything else. What screens ask
//! meanwhile waits here, so that a password that is wrong is tried once and not by every screen.
//!
//! Invariants:
//! 1. While the server has not said who asks, nothing but that is asked for a screen.
//! 2. No screen waits for ever: when the server will not say it, all who wait are told why.

use super::{App, Failure, Link, Owner, Request, Ticket};
use crate::tui::message::Effect;
use crate::tui::theme::Tone;

/// The shortest and the longest pause before it is tried again, in milliseconds.
const PAUSES: (u64, u64) = (500, 10_000);

/// When nothing is tried again by itself.
pub(super) const NEVER: u64 = u64::MAX;

/// Whether the server knows who asks.
#[derive(Debug, Default)]
pub(super) struct Entry {
    is_open: bool,
    /// Why it is not, once that is known.
    why: Option<Failure>,
    /// What waits until it is.
    held: Vec<(Ticket, Request)>,
    /// Whether somebody who waited was told why not, and has to ask anew.
    is_stale: bool,
    /// When to ask again.
    again_at: Option<u64>,
    /// How long to wait before that, the next time.
    pause: u64,
}

// === impl Entry ===

impl Entry {
    /// All that is open was asked for anew.
    pub(super) const fn is_fresh(&mut self) {
        self.is_stale = false;
    }
}

// === impl App ===

impl App {
    /// Asks who one is; all else waits until that is answered.
    pub(super) fn ask_who(&mut self) {
        self.entry.is_open = false;
        self.entry.why = None;
        self.entry.again_at = None;
        self.who = Some(self.ask(Request::get("/whoami"), None));
    }

    fn is_asking_who(&self) -> bool {
        self.who.is_some_and(|who| self.asked.contains_key(&who))
    }

    /// Has everything that is open read anew, as the user wants it.
    pub(super) fn ask_again(&mut self) {
        if !self.entry.is_open && !self.is_asking_who() && self.server.is_some() {
            self.ask_who();
        }
        self.refresh();
    }

    /// The server knows who asks.
    pub(super) fn opened(&mut self) {
        let pause = std::mem::take(&mut self.entry.pause);
        self.entry.is_open = true;
        self.entry.why = None;
        if std::mem::take(&mut self.entry.is_stale) {
            self.refresh();
        }
        if self.link != Link::Up {
            if pause > 0 {
                self.say("the server is back", Tone::Good);
            }
            self.out.effects.push(Effect::Listen);
        }
    }

    /// The server did not say who asks, and will not be asked anything until it does.
    pub(super) fn shut(&mut self, failure: Failure) {
        let is_passing = match failure.status() {
            None | Some(429) => true,
            Some(status) => status >= 500,
        };
        let mut retry_at = NEVER;
        if is_passing && !self.logins.is_trying() {
            let pause = self.entry.pause.clamp(PAUSES.0, PAUSES.1);
            self.entry.pause = pause * 2;
            retry_at = self.now.saturating_add(pause);
            self.entry.again_at = Some(retry_at);
        }
        let why = match failure.status() {
            Some(401) => "not logged in".to_owned(),
            _ => failure.to_string(),
        };
        self.link = Link::Down { why, retry_at };
        self.entry.is_open = false;
        self.entry.why = Some(failure);
    }

    /// The user does not want to wait for it.
    pub(super) fn stop_asking_who(&mut self, stopped: &Failure) {
        if !self.entry.is_open {
            self.shut(stopped.clone());
            self.entry.again_at = None;
            let why = stopped.to_string();
            self.link = Link::Down {
                why,
                retry_at: NEVER,
            };
        }
    }

    /// Time has gone by.
    pub(super) fn try_again(&mut self) {
        if self.entry.again_at.is_some_and(|at| at <= self.now) && !self.is_asking_who() {
            self.link = Link::Connecting;
            self.ask_who();
        }
    }

    /// What is to be done outside; what has to wait is kept.
    pub(super) fn settle(&mut self) -> Vec<Effect> {
        let mut effects = self.let_through();
        if let (false, Some(why)) = (self.entry.is_open, self.entry.why.clone()) {
            for (ticket, _) in std::mem::take(&mut self.entry.held) {
                self.entry.is_stale = true;
                self.delivered(ticket, Err(why.clone()));
            }
            effects.extend(self.let_through());
        }
        effects
    }

    fn let_through(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for effect in std::mem::take(&mut self.out.effects) {
            match effect {
                Effect::GiveUp(ticket) => {
                    self.asked.remove(&ticket);
                    self.entry.held.retain(|(held, _)| *held != ticket);
                    effects.push(effect);
                }
                Effect::Ask(ticket, request) => match self.asked.get(&ticket) {
                    Some((Owner::App, _)) => effects.push(Effect::Ask(ticket, request)),
                    Some(_) => self.entry.held.push((ticket, request)),
                    // Nobody wants the answer any more.
                    None => {}
                },
                other => effects.push(other),
            }
        }
        if self.entry.is_open {
            let held = std::mem::take(&mut self.entry.held).into_iter();
            effects.extend(held.map(|(ticket, request)| Effect::Ask(ticket, request)));
        }
        effects
    }
}
