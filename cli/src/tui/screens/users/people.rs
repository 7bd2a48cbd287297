//! The list of users, and what is done with them. Who is no administrator is told so by the server, and
//! sees who they are themselves.
//!
//! Invariants:
//! 1. A password that the server made is shown at once, whatever comes of what else was wanted.

use super::reach::words;
use super::rows::{Grantee, Role, User};
use super::{Remark, forms, is_about};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::{moment, string};
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::dialog::{Dialog, Notice, Question};
use crate::tui::widgets::form::Form;
use crate::tui::widgets::listing::{Item as _, Listing};
use crate::tui::widgets::{Browse, panel, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use serde_json::{Value, json};

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind(
        "i n",
        Action::New,
        "new-user",
        "new; with a first grant, if you like",
    ),
    bind(
        "e",
        Action::Edit,
        "edit-user",
        "edit; groups, and whether the password must change",
    ),
    bind("x", Action::Disable, "disable", "disable, or enable again"),
    bind("P", Action::Password, "password", "password; set a new one"),
    bind("d <del>", Action::Delete, "delete-user", "delete"),
    bind("o", Action::Roles, "roles", "roles"),
    bind("a", Action::Grants, "grants", "grants"),
    bind("y", Action::Copy, "copy", "copy; the name"),
];

/// From which width on there is room for a pane beside the list.
const ROOMY: u16 = 120;

/// The users.
#[derive(Debug)]
pub(super) struct Users {
    listing: Listing<User>,
    /// Who asks, and the question: for who may not see the users, with the words they were told so in.
    me: Option<Myself>,
    refusal: String,
    who: Option<Ticket>,
    /// What is read before a form is shown.
    opening: Option<(Ticket, Opening)>,
    asking: Option<Asking>,
    roles: Vec<Role>,
    /// A user who is being made, and what to grant them then.
    making: Option<(Ticket, String, forms::FirstGrant)>,
    /// A first grant that is being made: to whom, and in words.
    granting: Option<(Ticket, (String, String))>,
    remark: Remark,
}

/// Who asks.
#[derive(Debug)]
struct Myself {
    kind: String,
    name: String,
    key: String,
    is_administrator: bool,
    must_change: bool,
}

/// What a form needs to know.
#[derive(Debug, Clone, Copy)]
enum Opening {
    /// The roles there are.
    New,
    /// The user as they are.
    Edit,
}

/// What the dialog is for.
#[derive(Debug, Clone)]
enum Asking {
    New,
    /// This user, as they were in this version.
    Edit(String, Option<String>),
    Disable(String),
    Password(String),
    OwnPassword,
    Delete(String),
}

// === impl Users ===

impl Users {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/users?"),
            me: None,
            refusal: String::new(),
            who: None,
            opening: None,
            asking: None,
            roles: Vec::new(),
            making: None,
            granting: None,
            remark: Remark::default(),
        }
    }

    fn open(&mut self, opening: Opening, path: String, cx: &mut Context<'_>) {
        self.opening = Some((cx.ask(Request::get(path)), opening));
    }

    fn ask(&mut self, asking: Asking, form: Form, cx: &mut Context<'_>) {
        self.asking = Some(asking);
        cx.fill_in(form);
    }

    fn act_on(&mut self, action: Action, cx: &mut Context<'_>) {
        let shown = self.listing.selected().filter(|_| self.me.is_none());
        let Some(user) = shown.cloned() else {
            return self.act_on_me(action, cx);
        };
        let name = user.name.clone();
        match action {
            Action::Open | Action::Right => cx.enter(Place::User { name }),
            Action::Edit => self.open(Opening::Edit, forms::path(&name), cx),
            Action::Disable if user.switches.is_disabled => {
                let request = Request::patch(forms::path(&name), json!({ "disabled": false }));
                cx.change(request, format!("{name} is enabled"));
            }
            Action::Disable => {
                let text = format!(
                    "Disable {name}? Neither their password nor their keys let them in then, and what was issued to them ends."
                );
                self.asking = Some(Asking::Disable(name));
                cx.question(Question::new("Disable a user", text));
            }
            Action::Password => {
                self.ask(Asking::Password(name), forms::new_password(&user), cx);
            }
            Action::Delete => {
                let text = format!(
                    "Delete {name}, with their grants and {} keys? It cannot be undone.",
                    user.keys
                );
                cx.question(Question::typed("Delete a user", text, &name));
                self.asking = Some(Asking::Delete(name));
            }
            Action::Copy => cx.copy(name.as_str(), &name),
            _ => {}
        }
    }

    /// For who does not see the users, all there is to act on is themselves.
    fn act_on_me(&mut self, action: Action, cx: &mut Context<'_>) {
        let me = self.me.as_ref().filter(|me| me.kind == "user");
        let Some(name) = me.map(|me| me.name.clone()) else {
            return;
        };
        match action {
            Action::Open | Action::Right => cx.enter(Place::User { name }),
            Action::Password => self.ask(Asking::OwnPassword, forms::own_password(), cx),
            Action::Copy => cx.copy(name.as_str(), &name),
            _ => {}
        }
    }

    fn filled_in(&mut self, form: &Form, cx: &mut Context<'_>) -> Result<(), &'static str> {
        match self.asking.clone() {
            Some(Asking::New) => {
                let (request, name, grant) = forms::create(form, &self.roles)?;
                let ticket = cx.change(request, format!("{name} was made"));
                self.making = Some((ticket, name, grant));
            }
            Some(Asking::Edit(name, version)) => {
                let request = forms::change(form, &name, version);
                cx.change(request, format!("{name} was changed"));
            }
            Some(Asking::Password(name)) => {
                let request = forms::set_password(form, &name)?;
                cx.change(request, format!("{name} has a new password"));
            }
            Some(Asking::OwnPassword) => {
                let request = forms::change_own_password(form)?;
                cx.change(
                    request,
                    "your password was changed; log in with the new one",
                );
            }
            Some(Asking::Disable(_) | Asking::Delete(_)) | None => {}
        }
        Ok(())
    }

    fn agreed(&self, cx: &mut Context<'_>) {
        match &self.asking {
            Some(Asking::Disable(name)) => {
                let request = Request::patch(forms::path(name), json!({ "disabled": true }));
                cx.change(request, format!("{name} is disabled"));
            }
            Some(Asking::Delete(name)) => {
                let done = format!("{name} was deleted");
                cx.change(Request::delete(forms::path(name)), done);
            }
            _ => {}
        }
    }

    /// What a form needs to know is here.
    fn opened(&mut self, opening: Opening, reply: &Reply, cx: &mut Context<'_>) {
        match (opening, User::read(&reply.body)) {
            (Opening::New, _) => {
                self.roles = Role::all(&reply.body);
                self.ask(Asking::New, forms::new_user(&self.roles), cx);
            }
            (Opening::Edit, Some(user)) => {
                let asking = Asking::Edit(user.name.clone(), reply.etag.clone());
                self.ask(asking, forms::edit_user(&user), cx);
            }
            (Opening::Edit, None) => cx.warn("the server did not say who that is"),
        }
    }

    /// Shows a password that was made, and goes on to the first grant.
    fn made(
        &mut self,
        (name, grant): (String, forms::FirstGrant),
        made: &Value,
        cx: &mut Context<'_>,
    ) {
        self.listing.select(&name);
        if let Some(password) = made["password"].as_str() {
            let lines = vec![
                format!("The password of {name}; it is not shown again:"),
                String::new(),
                format!("  {password}"),
            ];
            let notice = Notice::new(format!("{name} was made"), lines);
            cx.notice(notice.with_copy(password));
        }
        let Some((role, on)) = grant else {
            return;
        };
        let told = format!("{role} on {on}");
        let body = Grantee::User(name.clone()).grant(&role, &on);
        // Not as a change: its success would take the password away from under the user's eyes.
        let ticket = cx.ask(Request::post("/grants", body));
        let text = format!("{name} was made; whether they are {told} is not known yet");
        self.remark = Remark(Some(text));
        self.granting = Some((ticket, (name, told)));
    }

    fn listed(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.who.take_if(|who| *who == ticket).is_some() {
            if let Ok(reply) = reply {
                self.me = Some(Myself::read(&reply.body));
            }
            return;
        }
        let is_mine = self.listing.answered(ticket, reply, cx);
        if !is_mine {
            return;
        }
        match reply {
            Ok(_) => self.me = None,
            Err(failure) if failure.status() == Some(403) => {
                self.refusal = failure.to_string();
                self.who = Some(cx.ask(Request::get("/whoami")));
            }
            Err(_) => {}
        }
    }

    fn draw_beside(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        let Some(user) = self.listing.selected() else {
            panel(frame, area, "", look);
            return;
        };
        let inside = panel(frame, area, &user.name, look);
        let mut lines = about(user, look);
        lines.push(Line::default());
        let more = "Enter: grants, keys and rights";
        lines.push(Line::from(span(look, more, Tone::Dim)));
        let text = Paragraph::new(lines).wrap(Wrap { trim: true });
        frame.render_widget(text, inside);
    }
}

/// One thing there is to know.
fn fact(look: Look, name: &str, what: &str, tone: Tone) -> Line<'static> {
    let name = span(look, &format!("{name:14}"), Tone::Dim);
    Line::from(vec![name, span(look, what, tone)])
}

/// What there is to know of a user, a line each.
pub(super) fn about(user: &User, look: Look) -> Vec<Line<'static>> {
    let (state, state_tone) = user.state();
    let (password, password_tone) = user.password();
    let (administers, tone) = if user.switches.is_administrator {
        ("yes, of all repositories and the server", Tone::Warning)
    } else {
        ("no", Tone::Plain)
    };
    let groups = if user.groups.is_empty() {
        "none".to_owned()
    } else {
        user.groups.join(", ")
    };
    let facts = [
        ("state", state.to_owned(), state_tone),
        ("password", password.to_owned(), password_tone),
        ("administrator", administers.to_owned(), tone),
        ("groups", groups, Tone::Plain),
        ("keys", user.keys.to_string(), Tone::Plain),
        ("made", moment(user.created), Tone::Plain),
    ];
    let lines = facts.into_iter();
    lines
        .map(|(name, what, tone)| fact(look, name, &what, tone))
        .collect()
}

impl Screen for Users {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.listing.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.listing)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        if let Some((ticket, _)) = self.opening.take() {
            cx.give_up(ticket);
        }
        if self.granting.is_none() {
            self.remark = Remark::default();
        }
        match action {
            Action::New => self.open(Opening::New, "/roles?n=1000".to_owned(), cx),
            Action::Roles => cx.enter(Place::Roles),
            Action::Grants => cx.enter(Place::Grants),
            action => self.act_on(action, cx),
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        let Dialog::Form(form) = dialog else {
            return self.agreed(cx);
        };
        if let Err(why) = self.filled_in(form, cx) {
            cx.refuse(why);
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if let Some((_, opening)) = self.opening.take_if(|(asked, _)| *asked == ticket) {
            match reply {
                Ok(reply) => self.opened(opening, &reply, cx),
                Err(failure) => cx.warn(failure.to_string()),
            }
        } else if let Some((_, (name, told))) = self.granting.take_if(|(asked, _)| *asked == ticket)
        {
            match reply {
                Ok(_) => {
                    self.remark = Remark::default();
                    cx.say(format!("{name} was made, and is {told}"));
                }
                Err(failure) => {
                    let text = format!("{name} was made, but is not {told}: {failure}");
                    self.remark = Remark(Some(text));
                }
            }
            // A grant may have made them an administrator.
            self.listing.load(cx);
        } else {
            self.listed(ticket, &reply, cx);
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        if let Some((_, name, grant)) = self.making.take_if(|(made, ..)| *made == ticket) {
            self.made((name, grant), &reply.body, cx);
        }
        self.listing.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        // Grants and roles make administrators, and keys are counted.
        if is_about(event, &["user", "grant", "role", "key"]) {
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
        let look = paint.look;
        if let Some(me) = &self.me {
            return self.draw_me(me, frame, area, look);
        }
        let beside = if area.width < ROOMY { 0 } else { 48 };
        let [left, right] =
            Layout::horizontal([Constraint::Min(0), Constraint::Length(beside)]).areas(area);
        let inside = panel(frame, left, &self.listing.title("Users"), look);
        let inside = self.remark.draw(frame, inside, look);
        let none = "there is no user; i makes one";
        self.listing.draw(frame, inside, paint, none);
        if beside > 0 {
            self.draw_beside(frame, right, look);
        }
    }
}

// === impl Myself ===

impl Myself {
    fn read(body: &Value) -> Self {
        Self {
            kind: string(&body["kind"]),
            name: string(&body["name"]),
            key: string(&body["key"]),
            is_administrator: body["administrator"] == true,
            must_change: body["must_change"] == true,
        }
    }
}

impl Users {
    /// Draws who asks, below what the server says to them.
    fn draw_me(&self, me: &Myself, frame: &mut Frame<'_>, area: Rect, look: Look) {
        let [above, below] =
            Layout::vertical([Constraint::Length(4), Constraint::Min(0)]).areas(area);
        let inside = panel(frame, above, "Users", look);
        words(frame, inside, look, &self.refusal, Tone::Bad);
        let inside = panel(frame, below, "You", look);
        let name = if me.name.is_empty() { "-" } else { &me.name };
        let came = if me.key.is_empty() {
            "with a password".to_owned()
        } else {
            format!("with the key {}", me.key)
        };
        let administers = if me.is_administrator { "yes" } else { "no" };
        let must_change = if me.must_change {
            "; the password must change"
        } else {
            ""
        };
        let facts = [
            ("name", name.to_owned()),
            ("kind", me.kind.clone()),
            ("came", format!("{came}{must_change}")),
            ("administrator", administers.to_owned()),
        ];
        let lines = facts.iter();
        let lines = lines.map(|(name, what)| fact(look, name, what, Tone::Plain));
        let mut lines: Vec<_> = lines.collect();
        if me.kind == "user" {
            lines.push(Line::default());
            let keys = "P: change your password   Enter: your keys, and what you may do";
            lines.push(Line::from(span(look, keys, Tone::Dim)));
        }
        let text = Paragraph::new(lines).wrap(Wrap { trim: true });
        frame.render_widget(text, inside);
    }
}
