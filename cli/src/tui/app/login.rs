//! Whom to ask, and as whom: the first start, logging in, changing servers, and a password that has to be
//! changed first.
//!
//! Invariants:
//! 1. A form stays, with what was typed and the server's words, until the server knows who asks, or until
//!    `Esc`, which leads back to the server that was asked before.
//! 2. Who logs in again as the same user on the same server is where they were.

use super::context::ServerOrder;
use super::entry::Entry;
use super::{App, Failure, Link, Me, Owner, Reply, Request, Ticket};
use crate::config::server_address;
use crate::tui::keys::Tab;
use crate::tui::message::Effect;
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::Tone;
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::form::{Field, Form};
use floundr_frontend::accounts::Secret;
use serde_json::json;
use std::path::PathBuf;

/// Labels of fields that are asked for in more than one place.
const OLD_PASSWORD: &str = "old password";
const NEW_PASSWORD: &str = "new password";
const AGAIN: &str = "the same again";
const REMEMBER: &str = "remember";

/// Where logging in stands.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// A login that is not through.
    attempt: Option<Attempt>,
    /// The server the form is about, by its name; none: another one.
    editing: Option<String>,
    /// The password that is being changed, to what.
    changing: Option<(Ticket, Secret)>,
    /// What stood on the screen when the server did not know any more who asks.
    interrupted: Option<(Owner, Dialog)>,
    /// Whether the server wanted the form.
    is_wanted: bool,
    /// Whether the user would rather not log in.
    is_dismissed: bool,
}

/// A login that is not through.
#[derive(Debug)]
struct Attempt {
    /// The server that was asked before.
    before: Option<Server>,
}

// === impl Logins ===

impl Logins {
    /// Whether somebody waits to be let in.
    pub(super) fn is_trying(&self) -> bool {
        self.attempt.is_some()
    }
}

// === impl App ===

impl App {
    /// Nobody has said which server it is.
    pub(super) fn first_start(&mut self) {
        self.ask_for_login("Which registry?", None, None);
    }

    /// Asks a server from now on.
    pub(super) fn connect(&mut self, server: Server) {
        let before = self.server.take();
        self.logins = Logins::default();
        self.dialog = None;
        self.me = Me::default();
        self.begin(server);
        self.arrive(before.as_ref());
    }

    /// Asks a server who one is. Nothing that was asked of the one before is waited for any more.
    fn begin(&mut self, server: Server) {
        self.asked.clear();
        self.entry = Entry::default();
        self.link = Link::Connecting;
        self.server = Some(server.clone());
        self.out.effects.push(Effect::Connect(Box::new(server)));
        self.ask_who();
    }

    /// Shows what there is on this server: the same as before when it was this one, and nobody else asked.
    fn arrive(&mut self, before: Option<&Server>) {
        self.entry.is_fresh();
        // What screens waited for is asked anew, or wanted no more.
        self.asked.retain(|_, (owner, _)| *owner == Owner::App);
        let now = self.server.as_ref();
        if before
            .zip(now)
            .is_some_and(|(before, now)| before.is_same(now))
        {
            self.refresh();
        } else {
            self.stacks.clear();
            self.behind.clear();
            (self.tab, self.tab_before) = (Tab::Overview, Tab::Overview);
        }
        self.stack();
    }

    /// Asks the server of this name.
    pub(super) fn switch_server(&mut self, name: &str) {
        match self.server_named(name) {
            Some(server) => self.connect(server),
            None => self.say(format!("there is no server {name}"), Tone::Warning),
        }
    }

    fn server_named(&self, name: &str) -> Option<Server> {
        let found = self.servers.iter().find(|server| server.name == name);
        found.cloned()
    }

    pub(super) fn server_order(&mut self, order: ServerOrder) {
        match order {
            ServerOrder::Switch(name) => self.switch_server(&name),
            ServerOrder::Add => self.ask_for_login("Another registry", None, None),
            ServerOrder::Edit(name) => self.edit(&name, "Change it and log in"),
            ServerOrder::Forget(name) => self.forget_server(&name),
        }
    }

    /// Logs in anew where one is, perhaps as somebody else.
    pub(super) fn log_in(&mut self) {
        match self.server.as_ref().map(|server| server.name.clone()) {
            Some(name) => self.edit(&name, "Log in"),
            None => self.first_start(),
        }
    }

    fn edit(&mut self, name: &str, title: &str) {
        match self.server_named(name) {
            Some(server) if matches!(server.at, Address::Url(_)) => {
                self.ask_for_login(title, Some(&server), None);
            }
            Some(_) => self.say(
                "there is nothing to be said: on this machine one is the operator",
                Tone::Warning,
            ),
            None => self.say(format!("there is no server {name}"), Tone::Warning),
        }
    }

    fn forget_server(&mut self, name: &str) {
        let Some(server) = self.server_named(name) else {
            return;
        };
        self.servers.retain(|known| known.name != name);
        if server.is_remembered {
            self.remember();
        }
        self.say(format!("{name} was forgotten"), Tone::Good);
        let all: Vec<_> = self.open_ids();
        for id in all {
            self.with(id, |screen, cx| screen.tick(cx));
        }
    }

    fn remember(&mut self) {
        let kept = self.servers.iter().filter(|server| server.is_remembered);
        let kept = kept.cloned().collect();
        self.out.effects.push(Effect::Remember(kept));
    }

    /// The server does not know who asks.
    pub(super) fn unknown(&mut self, why: &str) {
        let is_asked = matches!(&self.dialog, Some((Owner::App, _)));
        if is_asked || self.logins.is_dismissed || self.logins.is_trying() {
            return;
        }
        let Some(server) = self.server.clone() else {
            return;
        };
        self.logins.interrupted = self.dialog.take();
        self.ask_for_login("Log in", Some(&server), Some(why));
        self.logins.is_wanted = true;
    }

    fn ask_for_login(&mut self, title: &str, server: Option<&Server>, why: Option<&str>) {
        self.logins.editing = server.map(|server| server.name.clone());
        self.logins.is_wanted = false;
        let mut form = login_form(title, server);
        form.error = why.map(str::to_owned);
        self.dialog = Some((Owner::App, Dialog::Form(form)));
    }

    /// `Esc`: back to what was before, without asking for a login again by itself.
    pub(super) fn login_cancelled(&mut self) {
        self.logins.changing = None;
        if let Some(attempt) = self.logins.attempt.take() {
            match attempt.before {
                Some(server) => {
                    self.begin(server);
                    self.refresh();
                }
                None => self.server = None,
            }
        }
        if self.server.is_none() {
            self.out.effects.push(Effect::Quit);
        }
        if self.logins.is_wanted {
            self.logins.is_dismissed = true;
            self.say("not logged in; gl logs in", Tone::Dim);
        }
        self.go_on();
    }

    /// Shows again what the login form stood over.
    fn go_on(&mut self) {
        if let Some((owner, mut dialog)) = self.logins.interrupted.take() {
            dialog.refused("the server did not know who asks; send it once more");
            let behind = self.dialog.replace((owner, dialog));
            self.behind.extend(behind);
        }
    }

    pub(super) fn login_submitted(&mut self, dialog: &Dialog) {
        let Dialog::Form(form) = dialog else {
            return;
        };
        let done = if form.given(AGAIN).is_some() || form.given(NEW_PASSWORD).is_some() {
            self.change_password(form)
        } else {
            self.try_login(form)
        };
        if let Some((_, dialog)) = &mut self.dialog {
            match done {
                Ok(()) => dialog.sent(),
                Err(why) => dialog.refused(&why),
            }
        }
    }

    fn try_login(&mut self, form: &Form) -> Result<(), String> {
        let known = self.logins.editing.clone();
        let known = known.and_then(|name| self.server_named(&name));
        let server = filled_in(form, known.as_ref())?;
        let is_taken = |other: &Server| {
            other.name == server.name && Some(&other.name) != self.logins.editing.as_ref()
        };
        if self.servers.iter().any(is_taken) {
            return Err(format!("another server is called {}", server.name));
        }
        if self.logins.attempt.is_none() {
            self.logins.attempt = Some(Attempt {
                before: self.server.clone(),
            });
        }
        self.logins.is_dismissed = false;
        self.begin(server);
        Ok(())
    }

    /// The server knows who logged in.
    fn logged_in(&mut self, before: Option<&Server>) {
        let Some(server) = self.server.clone() else {
            return;
        };
        self.dialog = None;
        let name = self.logins.editing.take().unwrap_or_default();
        let place = self.servers.iter().position(|known| known.name == name);
        let mut is_file_old = server.is_remembered;
        match place.and_then(|place| self.servers.get_mut(place)) {
            Some(known) => {
                is_file_old |= known.is_remembered;
                *known = server;
            }
            None => self.servers.push(server),
        }
        if is_file_old {
            self.remember();
        }
        self.arrive(before);
        self.go_on();
    }

    /// What the application asked for itself.
    pub(super) fn own_answer(
        &mut self,
        ticket: Ticket,
        reply: Result<Reply, Failure>,
        done: Option<String>,
    ) {
        match reply {
            Ok(reply) if self.who == Some(ticket) => {
                self.me = Me::read(&reply.body);
                if let Some(attempt) = self.logins.attempt.take() {
                    self.logged_in(attempt.before.as_ref());
                }
                if self.me.must_change {
                    self.shut(Failure::Refused {
                        status: 403,
                        detail: "the password has to be changed first".to_owned(),
                    });
                    self.ask_for_new_password();
                } else {
                    self.opened();
                }
            }
            Ok(_) => {
                self.dialog = None;
                if let Some(done) = done {
                    self.say(done, Tone::Good);
                }
                self.password_changed(ticket);
            }
            // A question behind a form that was put up meanwhile is no answer to that.
            Err(failure) if self.who == Some(ticket) && !self.logins.is_trying() => {
                self.shut(failure);
            }
            Err(failure) if self.who == Some(ticket) => {
                self.refused(Owner::App, &failure);
                self.shut(failure);
            }
            Err(failure) => self.refused(Owner::App, &failure),
        }
    }

    fn ask_for_new_password(&mut self) {
        let mut fields = vec![
            Field::secret(NEW_PASSWORD, "what you log in with from now on"),
            Field::secret(AGAIN, "so that it has no slip in it"),
        ];
        if self.password().is_none() {
            fields.insert(0, Field::secret(OLD_PASSWORD, "the one there is"));
        }
        let form = Form::new("The password has to be changed first", fields);
        self.dialog = Some((Owner::App, Dialog::Form(form)));
    }

    /// The password one is logged in with.
    fn password(&self) -> Option<&Secret> {
        match self.server.as_ref()?.login.as_ref()? {
            Login::Password { password, .. } => Some(password),
            Login::Key(_) => None,
        }
    }

    fn change_password(&mut self, form: &Form) -> Result<(), String> {
        let new = form.text(NEW_PASSWORD);
        if new != form.text(AGAIN) {
            return Err("the two are not the same".to_owned());
        }
        let known = self.password().map(|password| password.expose().to_owned());
        let old = known.unwrap_or_else(|| form.text(OLD_PASSWORD).to_owned());
        let body = json!({ "old": old, "new": new });
        let done = "the password was changed".to_owned();
        let ticket = self.ask(Request::put("/whoami/password", body), Some(done));
        self.logins.changing = Some((ticket, new.to_owned().into()));
        Ok(())
    }

    /// Logs in with the new password, and remembers it if the old one was.
    fn password_changed(&mut self, ticket: Ticket) {
        let changing = self.logins.changing.take_if(|(asked, _)| *asked == ticket);
        let Some((_, new)) = changing else {
            return;
        };
        let Some(mut server) = self.server.clone() else {
            return;
        };
        if let Some(Login::Password { password, .. }) = &mut server.login {
            *password = new;
        }
        let known = self.servers.iter_mut();
        for known in known.filter(|known| known.name == server.name) {
            known.clone_from(&server);
        }
        if server.is_remembered {
            self.remember();
        }
        self.connect(server);
    }
}

/// What has to be known of a server.
fn login_form(title: &str, server: Option<&Server>) -> Form {
    let url = match server.map(|server| &server.at) {
        Some(Address::Url(url)) => url.as_str(),
        _ => "http://localhost:8080",
    };
    let name = server.map_or("", |server| server.name.as_str());
    let user = match server.and_then(|server| server.login.as_ref()) {
        Some(Login::Password { user, .. }) => user.as_str(),
        _ => "",
    };
    let password = if server.is_some_and(|server| server.login.is_some()) {
        "password, or API key (flr_...); empty: the one that is known"
    } else {
        "your password, or an API key (flr_...)"
    };
    let ca_file = server.and_then(|server| server.ca_file.as_ref());
    let ca_file = ca_file
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let form = Form::new(
        title,
        vec![
            Field::text(
                "server",
                url,
                "its address, such as https://registry.example.com",
            ),
            Field::text("name", name, "what to call it here; empty: its address"),
            Field::text("user", user, "your name; empty with an API key"),
            Field::secret("password", password),
            Field::text(
                "CA file",
                &ca_file,
                "PEM file of its own authority, if it has one",
            ),
            Field::switch(
                REMEMBER,
                server.is_some_and(|server| server.is_remembered),
                "keep it in floundr.yml, which only you can read",
            ),
        ],
    );
    match server {
        Some(_) if user.is_empty() => form.at("user"),
        Some(_) => form.at("password"),
        None => form,
    }
}

/// The server of a form that was filled in; `known` is what it was before.
fn filled_in(form: &Form, known: Option<&Server>) -> Result<Server, String> {
    let url = server_address(form.text("server"))?;
    let user = form.given("user");
    let login = match form.given("password") {
        Some(password) if password.starts_with("flr_") => {
            Some(Login::Key(password.to_owned().into()))
        }
        Some(password) => {
            let user = user.ok_or("whose password is it? or is the key misspelt?")?;
            Some(Login::Password {
                user: user.to_owned(),
                password: password.to_owned().into(),
            })
        }
        None => kept_login(&url, user, known)?,
    };
    let name = form
        .given("name")
        .map_or_else(|| url.clone(), str::to_owned);
    Ok(Server {
        name,
        at: Address::Url(url),
        login,
        ca_file: form.given("CA file").map(PathBuf::from),
        is_remembered: form.is_on(REMEMBER),
    })
}

/// The login of a form without a password: the one that is known, if it is for the same server.
fn kept_login(
    url: &str,
    user: Option<&str>,
    known: Option<&Server>,
) -> Result<Option<Login>, String> {
    // A password is never sent to another server than the one it was typed for.
    let is_there = |known: &&Server| matches!(&known.at, Address::Url(there) if there == url);
    let login = known.filter(is_there).and_then(|known| known.login.clone());
    match (login, user) {
        (Some(Login::Key(key)), None) => Ok(Some(Login::Key(key))),
        (Some(Login::Password { user, password }), Some(same)) if user == same => {
            Ok(Some(Login::Password { user, password }))
        }
        (_, None) => Ok(None),
        (_, Some(user)) => Err(format!("what is the password of {user}?")),
    }
}
