//! API keys: whose they are, what they may, until when; new ones, which are shown once, and an end to old
//! ones.
//!
//! Invariants:
//! 1. The secret of a new key goes from the answer into the notice that shows it, and nowhere else.
//! 2. A key is changed only as it was shown: the form is made of what the server says when it is opened.

mod forms;
mod key;
#[cfg(test)]
mod tests;

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, Section, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{encoded, string};
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::{Dialog, Notice, Question};
use crate::tui::widgets::form::Form;
use crate::tui::widgets::list::List;
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::textview::TextView;
use crate::tui::widgets::{Browse, pane};
use key::Key;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use serde_json::Value;

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[Section {
    name: "API keys",
    bindings: KEYS,
}];

const KEYS: &[Binding] = &[
    bind("i n", Action::New, "create-key", "new key"),
    bind("e", Action::Edit, "edit-key", "edit; name, scopes, expiry"),
    bind(
        "d <del>",
        Action::Delete,
        "revoke-key",
        "revoke, with those made with it",
    ),
    bind("y", Action::Copy, "copy-key-id", "copy the id"),
];

/// The least width at which details stand beside the list.
const WIDE: u16 = 120;

/// The fewest and the most columns of the details beside the list.
const DETAILS: (u16, u16) = (44, 64);

/// Repositories that are asked for at once, to tell what a pattern matches.
const REPOSITORIES: usize = 100;

/// Users that are asked for at once.
const USERS: usize = 1000;

/// API keys.
#[derive(Debug)]
struct ApiKeys {
    listing: Listing<Key>,
    details: TextView,
    /// Whose details these are.
    detailed: String,
    /// Whether details stand below the list on a narrow screen.
    is_open: bool,
    is_in_details: bool,
    order: Option<Order>,
    /// The question for a key that is to be changed.
    wanted: Option<Ticket>,
    creating: Option<Ticket>,
    users: Users,
    lookup: Lookup,
}

/// What the dialog is about.
#[derive(Debug)]
enum Order {
    Create,
    Change(Box<Key>, Option<String>),
    Revoke(String, String),
}

/// Who may own a key.
#[derive(Debug, Default)]
struct Users {
    names: Vec<String>,
    asked: Option<Ticket>,
    /// Whether the form does not offer all of them yet.
    is_fresh: bool,
}

/// Which repositories there are, for a pattern that is being typed. One question at a time: what is typed
/// meanwhile waits for its answer.
#[derive(Debug, Default)]
struct Lookup {
    asked: Option<(Ticket, String)>,
    found: Option<(String, Vec<String>, bool)>,
}

/// The screen of one of their places.
pub(super) fn open(_place: &Place) -> Box<dyn Screen> {
    Box::new(ApiKeys {
        listing: Listing::with("/keys?", List::sorted(0, false)),
        details: TextView::default(),
        detailed: String::new(),
        is_open: false,
        is_in_details: false,
        order: None,
        wanted: None,
        creating: None,
        users: Users::default(),
        lookup: Lookup::default(),
    })
}

fn names(body: &Value) -> Vec<String> {
    let items = body["items"].as_array().into_iter().flatten();
    items.map(|item| string(&item["name"])).collect()
}

// === impl Users ===

impl Users {
    fn load(&mut self, cx: &mut Context<'_>) {
        if cx.me.is_administrator && self.asked.is_none() {
            self.names.clear();
            self.asked = Some(cx.ask(Request::get(format!("/users?n={USERS}"))));
        }
    }

    fn take(&mut self, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        self.asked = None;
        match reply {
            Ok(reply) => {
                self.names.extend(names(&reply.body));
                if let Some(last) = reply.body["next"].as_str() {
                    let last = encoded(last);
                    let request = Request::get(format!("/users?n={USERS}&last={last}"));
                    self.asked = Some(cx.ask(request));
                }
            }
            Err(failure) => cx.warn(format!("who there is is not known: {failure}")),
        }
        // Who was chosen may be on a page that is still to come.
        self.is_fresh = self.asked.is_none();
    }
}

// === impl Lookup ===

impl Lookup {
    fn ask(&mut self, filter: String, cx: &mut Context<'_>) {
        let path = match filter.as_str() {
            "" => format!("/repositories?n={REPOSITORIES}"),
            filter => format!("/repositories?filter={}&n={REPOSITORIES}", encoded(filter)),
        };
        self.asked = Some((cx.ask(Request::get(path)), filter));
    }

    /// Takes an answer if it is for this; whether it was.
    fn take(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>) -> bool {
        let Some((_, filter)) = self.asked.take_if(|(asked, _)| *asked == ticket) else {
            return false;
        };
        // Without an answer the form says of no repository that there is none.
        let (names, is_whole) = match reply {
            Ok(reply) => (names(&reply.body), reply.body["next"].is_null()),
            Err(_) => (Vec::new(), false),
        };
        self.found = Some((filter, names, is_whole));
        true
    }
}

// === impl ApiKeys ===

impl ApiKeys {
    fn detail(&mut self, now: u64) {
        let all = self.listing.rows();
        let Some(key) = self.listing.selected() else {
            self.details = TextView::default();
            self.detailed.clear();
            return;
        };
        let lines = key.details(all, now);
        if self.detailed == key.id {
            self.details.replace(lines);
        } else {
            self.detailed.clone_from(&key.id);
            self.details = TextView::new(lines);
        }
    }

    fn create(&mut self, cx: &mut Context<'_>) {
        self.forget(cx);
        if matches!(cx.me.kind.as_str(), "robot" | "anonymous") && !cx.me.is_administrator {
            return cx
                .warn("only users have keys, and administrators make those of robots; gl logs in");
        }
        cx.fill_in(forms::create(cx.me, &self.users.names));
        self.users.load(cx);
        self.order = Some(Order::Create);
    }

    /// Another dialog is put up: the answer that one waits for must not take its place, nor one for
    /// another pattern be taken for this.
    fn forget(&mut self, cx: &mut Context<'_>) {
        let lookup = std::mem::take(&mut self.lookup).asked;
        let lookup = lookup.map(|(ticket, _)| ticket);
        for ticket in self.wanted.take().into_iter().chain(lookup) {
            cx.give_up(ticket);
        }
    }

    /// Asks for a key, to change it as it is now.
    fn edit(&mut self, cx: &mut Context<'_>) {
        self.forget(cx);
        if let Some(key) = self.listing.selected() {
            let path = format!("/keys/{}", encoded(&key.id));
            self.wanted = Some(cx.ask(Request::get(path)));
        }
    }

    fn edited(&mut self, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return cx.warn(failure.to_string()),
        };
        let Some(key) = Key::read(&reply.body) else {
            return cx.warn("the server tells nothing of this key");
        };
        self.forget(cx);
        cx.fill_in(forms::edit(&key, cx.now));
        self.order = Some(Order::Change(Box::new(key), reply.etag));
    }

    fn revoke(&mut self, cx: &mut Context<'_>) {
        self.forget(cx);
        let Some(key) = self.listing.selected() else {
            return;
        };
        let made = key.made_with(self.listing.rows());
        let also = match made.len() {
            0 => "Keys made with it end too.".to_owned(),
            1 => format!("{}, which was made with it, ends too.", made[0].name),
            count => {
                let names: Vec<_> = made.iter().map(|key| key.name.as_str()).collect();
                format!("{count} keys made with it end too: {}.", names.join(", "))
            }
        };
        let (name, whose) = (&key.name, key.whose());
        let text = format!("Revoke {name} of {whose}? It lets nobody in any more, at once. {also}");
        cx.question(Question::new("Revoke a key", text));
        self.order = Some(Order::Revoke(key.id.clone(), key.name.clone()));
    }

    fn send(&mut self, form: Option<&Form>, cx: &mut Context<'_>) -> Result<(), String> {
        match (&self.order, form) {
            (Some(Order::Create), Some(form)) => {
                let body = forms::new_key(form)?;
                let done = format!("key {} was made", form.text("name"));
                self.creating = Some(cx.change(Request::post("/keys", body), done));
            }
            (Some(Order::Change(key, etag)), Some(form)) => {
                let body = forms::patch(form, key, cx.now)?;
                let path = format!("/keys/{}", encoded(&key.id));
                let request = Request::patch(path, body).only_if(etag.clone());
                cx.change(request, format!("key {} was changed", form.text("name")));
            }
            (Some(Order::Revoke(id, name)), None) => {
                let request = Request::delete(format!("/keys/{}", encoded(id)));
                cx.change(request, format!("key {name} was revoked"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is to be read about a key that was made.
fn secret_notice(key: &Value, registry: &str) -> Notice {
    let (name, secret) = (string(&key["name"]), string(&key["secret"]));
    let user = key["owner"].as_str().unwrap_or(&name).to_owned();
    let registry = if registry.is_empty() {
        "REGISTRY"
    } else {
        registry
    };
    let lines = vec![
        "This is the key. It is shown this once: when this is closed, nobody sees it again"
            .to_owned(),
        String::new(),
        secret.clone(),
        String::new(),
        "Programs log in with it as the password, here read from the standard input:".to_owned(),
        format!("docker login {registry} -u {user} --password-stdin"),
    ];
    Notice::new(format!("Key {name}"), lines).with_copy(secret)
}

impl Screen for ApiKeys {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.listing.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        if self.is_in_details {
            Some(&mut self.details)
        } else {
            Some(&mut self.listing)
        }
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::New => self.create(cx),
            Action::Edit => self.edit(cx),
            Action::Delete => self.revoke(cx),
            Action::Copy => {
                if let Some(key) = self.listing.selected() {
                    cx.copy(key.id.clone(), &format!("the id of {}", key.name));
                }
            }
            Action::Open | Action::Right if self.listing.selected().is_some() => {
                (self.is_open, self.is_in_details) = (true, true);
            }
            Action::NextPane | Action::PreviousPane => {
                self.is_in_details = !self.is_in_details;
                self.is_open |= self.is_in_details;
            }
            Action::Left => (self.is_open, self.is_in_details) = (false, false),
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        let was_in_details = self.is_in_details;
        if was_in_details {
            (self.is_open, self.is_in_details) = (false, false);
        }
        was_in_details
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        self.detail(cx.now);
    }

    fn typed(&mut self, dialog: &mut Dialog, cx: &mut Context<'_>) {
        let Dialog::Form(form) = dialog else {
            return;
        };
        if std::mem::take(&mut self.users.is_fresh) {
            form.offer("owner", forms::owners(cx.me, &self.users.names));
        }
        let Some(scopes) = form.focused_scopes() else {
            return;
        };
        if let Some((filter, names, is_whole)) = self.lookup.found.take() {
            scopes.know(filter, names, is_whole);
        }
        if let (None, Some(filter)) = (&self.lookup.asked, scopes.unknown()) {
            self.lookup.ask(filter, cx);
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        let form = match dialog {
            Dialog::Form(form) => Some(form),
            _ => None,
        };
        if let Err(why) = self.send(form, cx) {
            cx.refuse(why);
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.listing.answered(ticket, &reply, cx) {
            self.detail(cx.now);
        } else if self.wanted == Some(ticket) {
            self.wanted = None;
            self.edited(reply, cx);
        } else if self.users.asked == Some(ticket) {
            self.users.take(reply, cx);
        } else {
            self.lookup.take(ticket, &reply);
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        if self.creating == Some(ticket) {
            self.creating = None;
            self.listing.select(&string(&reply.body["id"]));
            cx.notice(secret_notice(&reply.body, cx.registry));
        }
        self.order = None;
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if matches!(event.kind.as_str(), "key" | "user" | "grant") {
            self.listing.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.listing.tick(cx);
    }

    fn is_loading(&self) -> bool {
        self.listing.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let is_wide = area.width >= WIDE;
        let [list, details] = if is_wide {
            let details = (area.width / 3).clamp(DETAILS.0, DETAILS.1);
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(details)]).areas(area)
        } else if self.is_open {
            Layout::vertical([Constraint::Fill(2), Constraint::Fill(3)]).areas(area)
        } else {
            [area, Rect::ZERO]
        };
        let look = paint.look;
        let title = self.listing.title("API keys");
        let inside = pane(frame, list, &title, look, !self.is_in_details);
        self.listing.draw(
            frame,
            inside,
            paint,
            "there is no key yet; i makes one, for programs to log in with",
        );
        if is_wide || self.is_open {
            let inside = pane(frame, details, "Details", look, self.is_in_details);
            self.details.draw(frame, inside, look);
        }
    }
}
