//! [`Context`]: what a screen may ask for while it is told something. Nothing of it happens at once: the
//! application carries it out when the screen is done.

use super::place::Place;
use crate::tui::message::{Effect, Request, Ticket};
use crate::tui::server::Server;
use crate::tui::theme::Tone;
use crate::tui::widgets::dialog::{Copied, Dialog, Notice, Question};
use crate::tui::widgets::form::Form;
use serde_json::Value;

/// Who asks, as the server knows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Me {
    /// `user`, `robot`, `anonymous` or `operator`.
    pub(crate) kind: String,
    /// Their name; empty when they have none.
    pub(crate) name: String,
    /// Whether they administer the server.
    pub(crate) is_administrator: bool,
    /// Whether their password has to be changed first.
    pub(crate) must_change: bool,
}

/// What a screen wants to happen.
#[derive(Debug)]
pub(super) enum Order {
    /// Tell the user something.
    Say(String, Tone),
    /// Put a text into the clipboard, under the name it has for the user.
    Copy(Copied, String),
    /// Put a dialog over the screen.
    Dialog(Dialog),
    /// Take it away.
    CloseDialog,
    /// Say in it why what was filled in will not do.
    Refuse(String),
    /// Show another place, from which `Esc` leads back.
    Enter(Place),
    /// Show a place of its own tab, from its beginning.
    Go(Place),
    /// Back to where one came from.
    Leave,
    /// Something about the servers that are known.
    Server(ServerOrder),
}

/// What is to happen with a server.
#[derive(Debug)]
pub(super) enum ServerOrder {
    /// Ask the one of this name from now on.
    Switch(String),
    /// Put up the form for another one.
    Add,
    /// Put up the form of the one of this name.
    Edit(String),
    /// Forget the one of this name.
    Forget(String),
}

/// What is asked for, and how.
#[derive(Debug)]
pub(super) struct Asked {
    /// Which question.
    pub(super) ticket: Ticket,
    /// What to tell when it was done, if it changes something.
    pub(super) done: Option<String>,
}

/// What came together while a screen was told something.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// The ticket that was given last.
    pub(super) last_ticket: u64,
    pub(super) asked: Vec<Asked>,
    pub(super) effects: Vec<Effect>,
    pub(super) orders: Vec<Order>,
}

/// What a screen may ask for.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
    /// Who asks.
    pub(crate) me: &'a Me,
    /// How the server is written where images are named, such as `localhost:8080`; empty: not known.
    pub(crate) registry: &'a str,
    /// The servers that are known.
    pub(crate) servers: &'a [Server],
    /// The one that is asked.
    pub(crate) server: Option<&'a Server>,
    pub(super) out: &'a mut Out,
}

// === impl Me ===

impl Me {
    /// Reads the answer of `/whoami`.
    pub(super) fn read(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            kind: text("kind"),
            name: text("name"),
            is_administrator: body["administrator"] == true,
            must_change: body["must_change"] == true,
        }
    }
}

// === impl Context ===

impl Context<'_> {
    /// Asks the server; the answer comes to the screen's `answered`.
    pub(crate) fn ask(&mut self, request: Request) -> Ticket {
        self.send(request, None)
    }

    /// Has the server change something. When it did, `done` is told, a dialog over the screen goes,
    /// and the screen's `changed` is called; a refusal is shown where the change came from.
    pub(crate) fn change(&mut self, request: Request, done: impl Into<String>) -> Ticket {
        self.send(request, Some(done.into()))
    }

    fn send(&mut self, request: Request, done: Option<String>) -> Ticket {
        self.out.last_ticket += 1;
        let ticket = Ticket(self.out.last_ticket);
        self.out.asked.push(Asked { ticket, done });
        self.out.effects.push(Effect::Ask(ticket, request));
        ticket
    }

    /// Does not want an answer any more.
    pub(crate) fn give_up(&mut self, ticket: Ticket) {
        self.out.effects.push(Effect::GiveUp(ticket));
    }

    /// Puts a text into the user's clipboard and says so, by the name it has for them.
    pub(crate) fn copy(&mut self, text: impl Into<String>, name: &str) {
        self.out
            .orders
            .push(Order::Copy(Copied(text.into()), name.to_owned()));
    }

    /// Tells the user something.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.out.orders.push(Order::Say(text.into(), Tone::Good));
    }

    /// Tells the user why something is not done.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.out.orders.push(Order::Say(text.into(), Tone::Warning));
    }

    /// Puts a form over the screen; what is filled in comes to the screen's `submitted`.
    pub(crate) fn fill_in(&mut self, form: Form) {
        self.out.orders.push(Order::Dialog(Dialog::Form(form)));
    }

    /// Asks the user; a yes comes to the screen's `submitted`.
    pub(crate) fn question(&mut self, question: Question) {
        self.out
            .orders
            .push(Order::Dialog(Dialog::Question(question)));
    }

    /// Shows something to be read.
    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.orders.push(Order::Dialog(Dialog::Notice(notice)));
    }

    /// Takes the dialog away.
    pub(crate) fn close_dialog(&mut self) {
        self.out.orders.push(Order::CloseDialog);
    }

    /// Says in the dialog why what was filled in will not do.
    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        self.out.orders.push(Order::Refuse(why.into()));
    }

    /// Shows another place, from which `Esc` leads back.
    pub(crate) fn enter(&mut self, place: Place) {
        self.out.orders.push(Order::Enter(place));
    }

    /// Shows a place of another tab.
    pub(crate) fn go(&mut self, place: Place) {
        self.out.orders.push(Order::Go(place));
    }

    /// Goes back to where one came from.
    pub(crate) fn leave(&mut self) {
        self.out.orders.push(Order::Leave);
    }

    /// Asks the server of this name from now on.
    pub(crate) fn switch_server(&mut self, name: &str) {
        self.server_order(ServerOrder::Switch(name.to_owned()));
    }

    /// Puts up the form for another server.
    pub(crate) fn add_server(&mut self) {
        self.server_order(ServerOrder::Add);
    }

    /// Puts up the form of the server of this name.
    pub(crate) fn edit_server(&mut self, name: &str) {
        self.server_order(ServerOrder::Edit(name.to_owned()));
    }

    /// Forgets the server of this name, in `floundr.yml` too.
    pub(crate) fn forget_server(&mut self, name: &str) {
        self.server_order(ServerOrder::Forget(name.to_owned()));
    }

    fn server_order(&mut self, order: ServerOrder) {
        self.out.orders.push(Order::Server(order));
    }
}
