//! Whom to ask, and as whom: the first start, logging in, changing servers, and a password that has to be
//! changed first.

use super::{App, Failure, Link, Me, Owner, Reply, Request, Ticket};
use crate::config::server_address;
use crate::tui::message::Effect;
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::Tone;
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::form::{Field, Form};
use serde_json::json;
use std::path::PathBuf;

/// What a dialog of the application itself is about is told by its first field.
const NEW_PASSWORD: &str = "new password";

// === impl App ===

impl App {
    /// Nobody has said which server it is.
    pub(super) fn first_start(&mut self) {
        self.ask_for_login("Which registry?", None, None);
    }

    /// Asks a server from now on.
    pub(super) fn connect(&mut self, server: Server) {
        self.stacks.clear();
        self.asked.clear();
        self.dialog = None;
        self.me = Me::default();
        self.link = Link::Connecting;
        self.server = Some(server.clone());
        self.out.effects.push(Effect::Connect(Box::new(server)));
        self.ask_who();
        self.stack();
    }

    pub(super) fn ask_who(&mut self) {
        self.who = Some(self.ask(Request::get("/whoami"), None));
    }

    /// Asks the server of this name.
    pub(super) fn switch_server(&mut self, name: &str) {
        match self
            .servers
            .iter()
            .find(|server| server.name == name)
            .cloned()
        {
            Some(server) => self.connect(server),
            None => self.say(format!("there is no server {name}"), Tone::Warning),
        }
    }

    /// The server does not know who asks.
    pub(super) fn unknown(&mut self, why: &str) {
        let is_asked = matches!(&self.dialog, Some((Owner::App, _)));
        if !is_asked {
            let server = self.server.clone();
            self.ask_for_login("Log in", server.as_ref(), Some(why));
        }
    }

    fn ask_for_login(&mut self, title: &str, server: Option<&Server>, why: Option<&str>) {
        let mut form = login_form(title, server);
        form.error = why.map(str::to_owned);
        self.dialog = Some((Owner::App, Dialog::Form(form)));
    }

    pub(super) fn login_cancelled(&mut self) {
        if self.server.is_none() {
            self.out.effects.push(Effect::Quit);
        }
    }

    pub(super) fn login_submitted(&mut self, dialog: &Dialog) {
        let Dialog::Form(form) = dialog else {
            return;
        };
        if let Some(new) = form.given(NEW_PASSWORD) {
            let body = json!({ "old": form.text("old password"), "new": new });
            let done = "the password was changed".to_owned();
            let request = Request::put("/whoami/password", body);
            self.ask(request, Some(done));
            if let Some((_, dialog)) = &mut self.dialog {
                dialog.sent();
            }
            return;
        }
        match filled_in(form) {
            Ok(server) => {
                let should_keep = form.is_on("remember");
                self.servers.retain(|known| known.name != server.name);
                self.servers.push(server.clone());
                if should_keep {
                    self.out
                        .effects
                        .push(Effect::Remember(self.servers.clone()));
                }
                self.connect(server);
            }
            Err(why) => {
                if let Some((_, dialog)) = &mut self.dialog {
                    dialog.refused(&why);
                }
            }
        }
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
                if self.me.kind == "anonymous" {
                    self.unknown("the server wants to know who asks");
                } else if self.me.must_change {
                    self.ask_for_new_password();
                }
            }
            Ok(_) => {
                self.dialog = None;
                if let Some(done) = done {
                    self.say(done, Tone::Good);
                }
            }
            Err(failure) => self.refused(Owner::App, &failure),
        }
    }

    fn ask_for_new_password(&mut self) {
        let form = Form::new(
            "The password has to be changed first",
            vec![
                Field::secret("old password", "the one you logged in with"),
                Field::secret(NEW_PASSWORD, "a new one"),
            ],
        );
        self.dialog = Some((Owner::App, Dialog::Form(form)));
    }
}

/// What has to be known of a server.
pub(super) fn login_form(title: &str, server: Option<&Server>) -> Form {
    let url = match server.map(|server| &server.at) {
        Some(Address::Url(url)) => url.as_str(),
        _ => "http://localhost:8080",
    };
    let name = server.map_or("", |server| server.name.as_str());
    let user = match server.and_then(|server| server.login.as_ref()) {
        Some(Login::Password { user, .. }) => user.as_str(),
        _ => "",
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
            Field::secret("password", "your password, or an API key (flr_...)"),
            Field::text(
                "CA file",
                &ca_file,
                "PEM file of its own authority, if it has one",
            ),
            Field::switch(
                "remember",
                false,
                "keep it in floundr.yml, which only you can read; space switches",
            ),
        ],
    );
    if server.is_some() {
        form.at("password")
    } else {
        form
    }
}

/// The server of a form that was filled in.
fn filled_in(form: &Form) -> Result<Server, String> {
    let url = server_address(form.text("server"))?;
    let password = form.text("password");
    let login = match (form.given("user"), password) {
        (_, "") => None,
        (_, key) if key.starts_with("flr_") => Some(Login::Key(key.to_owned().into())),
        (Some(user), password) => Some(Login::Password {
            user: user.to_owned(),
            password: password.to_owned().into(),
        }),
        (None, _) => return Err("whose password is it? or is the key misspelt?".to_owned()),
    };
    let name = form
        .given("name")
        .map_or_else(|| url.clone(), str::to_owned);
    Ok(Server {
        name,
        at: Address::Url(url),
        login,
        ca_file: form.given("CA file").map(PathBuf::from),
        is_remembered: form.is_on("remember"),
    })
}
