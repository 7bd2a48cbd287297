//! [`App`]: the terminal client's state, and [`App::update`], which changes it by what happens. No I/O.
//!
//! Invariants:
//! 1. Every tab has a stack of places, of which the first is the tab's own; a tab keeps its place while
//!    another one is looked at.
//! 2. An answer goes to the screen that asked, or nowhere when that is gone.
//! 3. A dialog takes all keys while it is there; `Esc` always takes it away.
//!
//! What keys mean is in `input`, logging in in `login`, who is asked first in `entry`, the line below in `prompt`, drawing in `draw`.

pub(crate) mod context;
mod dialogs;
mod draw;
mod entry;
mod input;
mod login;
pub(crate) mod place;
mod prompt;

use super::keys::{Reader, Tab};
use super::message::{Effect, Event, Failure, Link, Message, Reply, Request, Ticket};
use super::screens::{self, Screen};
use super::server::{Address, Server};
use super::theme::{Look, Paint, Tone};
use super::widgets::dialog::Dialog;
use context::{Asked, Context, Me, Order, Out};
use place::Place;
use prompt::Prompt;
use ratatui::layout::{Rect, Size};
use std::cell::Cell as Slot;
use std::collections::{BTreeMap, VecDeque};

/// How long something that was told is shown, in milliseconds.
const SAID_FOR: u64 = 8_000;

/// What the terminal client begins with.
#[derive(Debug)]
pub(crate) struct Start {
    /// The servers that are known.
    pub(crate) servers: Vec<Server>,
    /// Which of them to ask first; none: the user is asked.
    pub(crate) current: Option<usize>,
    /// How it looks.
    pub(crate) look: Look,
    /// The size of the terminal.
    pub(crate) size: Size,
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
}

/// The state of the terminal client.
pub(crate) struct App {
    size: Size,
    now: u64,
    look: Look,
    servers: Vec<Server>,
    /// Whom it asks.
    server: Option<Server>,
    link: Link,
    me: Me,
    /// The question who one is.
    who: Option<Ticket>,
    tab: Tab,
    /// The tab that was looked at before.
    tab_before: Tab,
    stacks: BTreeMap<usize, Vec<Open>>,
    dialog: Option<(Owner, Dialog)>,
    /// Dialogs that came while another one was answered.
    behind: VecDeque<(Owner, Dialog)>,
    prompt: Option<Prompt>,
    reader: Reader,
    said: Option<Said>,
    asked: BTreeMap<Ticket, (Owner, Option<String>)>,
    logins: login::Logins,
    entry: entry::Entry,
    /// The change that the dialog was sent with.
    sent: Option<Ticket>,
    out: Out,
    last_id: u64,
    /// Where the tabs were drawn.
    tabs_drawn: Slot<Rect>,
}

/// A place that is open.
struct Open {
    id: u64,
    place: Place,
    screen: Box<dyn Screen>,
}

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    App,
    Screen(u64),
}

/// What was told.
#[derive(Debug)]
struct Said {
    text: String,
    tone: Tone,
    at: u64,
}

// === impl App ===

impl App {
    /// The state at the beginning, and what is to be done first.
    pub(crate) fn new(start: Start) -> (Self, Vec<Effect>) {
        let mut app = Self {
            size: start.size,
            now: start.now,
            look: start.look,
            servers: start.servers,
            server: None,
            link: Link::Connecting,
            me: Me::default(),
            who: None,
            tab: Tab::Overview,
            tab_before: Tab::Overview,
            stacks: BTreeMap::new(),
            dialog: None,
            behind: VecDeque::new(),
            prompt: None,
            reader: Reader::default(),
            said: None,
            asked: BTreeMap::new(),
            logins: login::Logins::default(),
            entry: entry::Entry::default(),
            sent: None,
            out: Out::default(),
            last_id: 0,
            tabs_drawn: Slot::new(Rect::ZERO),
        };
        match start
            .current
            .and_then(|which| app.servers.get(which))
            .cloned()
        {
            Some(server) => app.connect(server),
            None => app.first_start(),
        }
        let effects = app.settle();
        (app, effects)
    }

    /// Changes the state by what happened; what is to be done outside because of it.
    pub(crate) fn update(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Key(key) => self.key(key),
            Message::Mouse(mouse) => self.mouse(mouse),
            Message::Paste(text) => self.paste(&text),
            Message::Resized(size) => self.size = size,
            Message::Tick(now) => self.tick(now),
            Message::Answered(ticket, reply) => self.answered(ticket, reply),
            Message::Heard(event) => self.heard(&event),
            Message::Link(link) => self.linked(link),
            Message::Done(Ok(text)) => self.say(text, Tone::Good),
            Message::Done(Err(text)) => self.say(text, Tone::Bad),
        }
        self.settle()
    }

    /// Goes to a place, as a screen would.
    #[cfg(test)]
    pub(crate) fn visit(&mut self, place: Place) -> Vec<Effect> {
        self.go(place);
        self.settle()
    }

    /// Whether something turns, and has to be drawn even if nothing happens.
    pub(crate) fn is_busy(&self) -> bool {
        let is_loading = self.here().is_some_and(|here| here.screen.is_loading());
        let is_linking = match &self.link {
            Link::Up => false,
            Link::Connecting => true,
            Link::Down { retry_at, .. } => *retry_at != entry::NEVER,
        };
        is_loading || !self.asked.is_empty() || is_linking
    }

    /// What everything is drawn with.
    fn paint(&self) -> Paint {
        Paint {
            look: self.look,
            now: self.now,
        }
    }

    /// Tells the user something.
    fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.said = Some(Said {
            text: text.into(),
            tone,
            at: self.now,
        });
    }

    // --- places ---

    /// The stack of the tab that is looked at; its first place is opened when there is none.
    fn stack(&mut self) -> &mut Vec<Open> {
        let tab = self.tab;
        let is_empty = self.stacks.get(&(tab as usize)).is_none_or(Vec::is_empty);
        if is_empty {
            self.push(Place::Tab(tab));
        }
        self.stacks.entry(tab as usize).or_default()
    }

    /// The place that is looked at.
    fn here(&self) -> Option<&Open> {
        self.stacks.get(&(self.tab as usize))?.last()
    }

    /// Opens a place on top of the tab's stack.
    fn push(&mut self, place: Place) {
        self.last_id += 1;
        let id = self.last_id;
        let screen = screens::open(&place);
        self.stacks
            .entry(self.tab as usize)
            .or_default()
            .push(Open { id, place, screen });
        self.with(id, |screen, cx| screen.load(cx));
    }

    /// Goes to a place of another tab: on top of its first.
    fn go(&mut self, place: Place) {
        let tab = place.tab();
        let is_other = tab != self.tab;
        let keys = self.here().map_or(&[][..], |here| here.screen.keys());
        if is_other {
            self.tab_before = self.tab;
        }
        self.tab = tab;
        if let (true, Some(open)) = (is_other, self.stack().last_mut()) {
            open.screen.entered_from(keys);
        }
        if let Place::Tab(_) = place {
            return;
        }
        if self.here().is_none_or(|here| here.place != place) {
            self.push(place);
        }
    }

    /// Back to where one came from; at the first place of a tab to the tab before.
    fn leave(&mut self) {
        let stack = self.stack();
        if stack.len() > 1 {
            let gone = stack.pop();
            if let Some(gone) = gone {
                self.forget(gone.id);
            }
            if let Some(id) = self.here().map(|here| here.id) {
                self.with(id, |screen, cx| screen.moved(cx));
            }
            return;
        }
        if self.tab != Tab::Overview {
            let before = std::mem::replace(&mut self.tab_before, Tab::Overview);
            self.tab = if before == self.tab {
                Tab::Overview
            } else {
                before
            };
            self.stack();
        }
    }

    /// Gives up what a screen that is gone asked for.
    fn forget(&mut self, id: u64) {
        let owner = Owner::Screen(id);
        let gone = self
            .asked
            .iter()
            .filter(|(_, (who, done))| *who == owner && done.is_none());
        let gone: Vec<_> = gone.map(|(ticket, _)| *ticket).collect();
        for ticket in gone {
            self.asked.remove(&ticket);
            self.out.effects.push(Effect::GiveUp(ticket));
        }
    }

    /// Tells a screen something and carries out what it wants.
    fn with(&mut self, id: u64, tell: impl FnOnce(&mut dyn Screen, &mut Context<'_>)) {
        let registry = self.registry();
        let open = self
            .stacks
            .values_mut()
            .flatten()
            .find(|open| open.id == id);
        let Some(open) = open else {
            return;
        };
        let mut cx = Context {
            now: self.now,
            me: &self.me,
            registry: &registry,
            servers: &self.servers,
            server: self.server.as_ref(),
            out: &mut self.out,
        };
        tell(open.screen.as_mut(), &mut cx);
        self.carry_out(Owner::Screen(id));
    }

    /// Shows the dialog that is open to the screen it is of.
    fn typed(&mut self) {
        let registry = self.registry();
        let Some((Owner::Screen(id), dialog)) = &mut self.dialog else {
            return;
        };
        let id = *id;
        let mut all = self.stacks.values_mut().flatten();
        if let Some(open) = all.find(|open| open.id == id) {
            let mut cx = Context {
                now: self.now,
                me: &self.me,
                registry: &registry,
                servers: &self.servers,
                server: self.server.as_ref(),
                out: &mut self.out,
            };
            open.screen.typed(dialog, &mut cx);
        }
        self.carry_out(Owner::Screen(id));
    }

    /// How the server is written where images are named.
    fn registry(&self) -> String {
        match self.server.as_ref().map(|server| &server.at) {
            Some(Address::Url(url)) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                rest.split('/').next().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }

    /// Carries out what came together.
    fn carry_out(&mut self, owner: Owner) {
        for Asked { ticket, done } in std::mem::take(&mut self.out.asked) {
            if done.is_some()
                && let Some((whose, dialog)) = &mut self.dialog
                && *whose == owner
            {
                dialog.sent();
                self.sent = Some(ticket);
            }
            self.asked.insert(ticket, (owner, done));
        }
        for order in std::mem::take(&mut self.out.orders) {
            match order {
                Order::Say(text, tone) => self.say(text, tone),
                Order::Copy(text, name) => self.copy(text.0, &name),
                Order::Dialog(dialog) => self.put_up(owner, dialog),
                Order::CloseDialog if self.is_dialog_of(owner) => self.close_dialog(),
                Order::CloseDialog => {}
                Order::Refuse(why) => match &mut self.dialog {
                    Some((whose, dialog)) if *whose == owner => dialog.refused(&why),
                    _ => self.say(why, Tone::Warning),
                },
                Order::Enter(place) => self.push(place),
                Order::Go(place) => self.go(place),
                Order::Leave => self.leave(),
                Order::Server(order) => self.server_order(order),
            }
        }
    }

    // --- the server ---

    /// Asks something for the application itself.
    fn ask(&mut self, request: Request, done: Option<String>) -> Ticket {
        self.out.last_ticket += 1;
        let ticket = Ticket(self.out.last_ticket);
        self.asked.insert(ticket, (Owner::App, done));
        self.out.effects.push(Effect::Ask(ticket, request));
        ticket
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>) {
        let Some(owner) = self.asked.get(&ticket).map(|(owner, _)| *owner) else {
            return;
        };
        if let Err(failure) = &reply
            && failure.status() == Some(401)
        {
            let is_known = self.server.as_ref();
            if owner != Owner::App && is_known.is_some_and(|server| server.login.is_some()) {
                // Whatever else is asked would count as another wrong password.
                self.shut(failure.clone());
            }
            self.unknown(&failure.to_string());
        }
        self.delivered(ticket, reply);
    }

    /// Gives an answer to whoever asked.
    fn delivered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>) {
        let Some((owner, done)) = self.asked.remove(&ticket) else {
            return;
        };
        match (owner, done) {
            (Owner::App, done) => self.own_answer(ticket, reply, done),
            (Owner::Screen(id), None) => {
                self.with(id, |screen, cx| screen.answered(ticket, reply, cx));
                self.typed();
            }
            (Owner::Screen(id), Some(done)) => match reply {
                Ok(reply) => {
                    if self.is_dialog_of_change(owner, ticket) {
                        self.close_dialog();
                    }
                    self.say(done, Tone::Good);
                    self.with(id, |screen, cx| screen.changed(ticket, &reply, cx));
                }
                // What is open by now may be another one, and knows nothing of it.
                Err(failure) if self.is_dialog_of_change(owner, ticket) => {
                    self.refused(owner, &failure);
                }
                Err(failure) => self.say(failure.to_string(), Tone::Bad),
            },
        }
    }

    fn heard(&mut self, event: &Event) {
        for id in self.open_ids() {
            self.with(id, |screen, cx| screen.heard(event, cx));
        }
    }

    fn open_ids(&self) -> Vec<u64> {
        self.stacks.values().flatten().map(|open| open.id).collect()
    }

    fn linked(&mut self, link: Link) {
        let was_down = matches!(self.link, Link::Down { .. });
        self.link = link;
        // While somebody logs in their answer comes first.
        if self.link == Link::Up && was_down && !self.logins.is_trying() {
            self.say("the server is back", Tone::Good);
            self.ask_who();
            self.refresh();
        }
    }

    /// Has everything that is open read anew.
    fn refresh(&mut self) {
        for id in self.open_ids() {
            self.with(id, |screen, cx| screen.load(cx));
        }
    }

    fn tick(&mut self, now: u64) {
        self.now = now;
        self.try_again();
        if self
            .said
            .as_ref()
            .is_some_and(|said| said.at + SAID_FOR <= now)
        {
            self.said = None;
        }
        for id in self.open_ids() {
            self.with(id, |screen, cx| screen.tick(cx));
        }
        self.typed();
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let here = self.here().map(|here| &here.place);
        f.debug_struct("App")
            .field("here", &here)
            .finish_non_exhaustive()
    }
}
