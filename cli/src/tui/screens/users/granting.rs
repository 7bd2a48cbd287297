//! [`Granting`]: making a grant, changing one and taking one back.
//!
//! A grant is never changed on the server: the new one is made, and then the old one is taken back. In
//! between somebody may more than they should, never less.
//!
//! Invariants:
//! 1. The old grant is taken back only when the new one is another one: the server answers with the one
//!    there is when it says the same.

use super::Remark;
use super::rows::{Grant, Grantee, Role};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::string;
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::form::{Field, Form};

/// The labels of the fields.
const TO: &str = "to a";
const NAME: &str = "name";
pub(super) const ROLE: &str = "role";
pub(super) const ON: &str = "pattern";

/// What may stand in [`ON`].
pub(super) const PATTERNS: &str = "of repositories: team/app, team/*, team/** or ** for all";

/// What comes of the grants that a user makes.
#[derive(Debug, Default)]
pub(super) struct Granting {
    /// The question for the roles, and what they are for.
    asked: Option<(Ticket, Wanted)>,
    /// What the dialog that was put up is for.
    wanted: Option<Wanted>,
    roles: Vec<Role>,
    /// The grants that are being made, in place of which old one.
    made: Option<(Ticket, Grant)>,
    /// The old grant that is being taken back, and what is true of the new one.
    taken: Option<(Ticket, Grant, String)>,
    pub(super) remark: Remark,
}

/// What is wanted.
#[derive(Debug, Clone)]
enum Wanted {
    /// A grant, to these if that is known.
    New(Option<Grantee>),
    /// Another one instead of this.
    Other(Grant),
    /// This one no more.
    Gone(Grant),
}

/// The field of a role, of those there are.
pub(super) fn role_field(mut options: Vec<String>, roles: &[Role], chosen: &str) -> Field {
    let before = options.len();
    options.extend(roles.iter().map(Role::label));
    let place = roles.iter().position(|role| role.name == chosen);
    let place = place.map_or(0, |place| place + before);
    Field::choice(ROLE, options, place, "space chooses")
}

/// The role that was chosen.
pub(super) fn chosen_role(form: &Form, roles: &[Role]) -> Option<String> {
    let label = form.text(ROLE);
    let role = roles.iter().find(|role| role.label() == label);
    role.map(|role| role.name.clone())
}

/// To whom, as it was filled in.
fn named(form: &Form) -> Grantee {
    let name = form.text(NAME).trim().to_owned();
    if form.text(TO) == "group" {
        Grantee::Group(name)
    } else {
        Grantee::User(name)
    }
}

// === impl Granting ===

impl Granting {
    /// Has a grant made, to these if that is known.
    pub(super) fn begin(&mut self, to: Option<Grantee>, cx: &mut Context<'_>) {
        self.ask(Wanted::New(to), cx);
    }

    /// Has a grant changed.
    pub(super) fn edit(&mut self, grant: &Grant, cx: &mut Context<'_>) {
        self.ask(Wanted::Other(grant.clone()), cx);
    }

    /// Has a grant taken back.
    pub(super) fn remove(&mut self, grant: &Grant, cx: &mut Context<'_>) {
        self.forget(cx);
        let Grant { to, role, on, .. } = grant;
        let text = format!("Shall {to} no longer be {role} on {on}? It acts at once.");
        self.wanted = Some(Wanted::Gone(grant.clone()));
        cx.question(Question::new("Take back a grant", text));
    }

    /// The roles are read before the form is shown: they are what can be chosen.
    fn ask(&mut self, wanted: Wanted, cx: &mut Context<'_>) {
        self.forget(cx);
        let ticket = cx.ask(Request::get("/roles?n=1000"));
        self.asked = Some((ticket, wanted));
    }

    /// Puts up no form any more that is still to come, as the user does something else.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>) {
        self.remark = Remark::default();
        self.wanted = None;
        if let Some((ticket, _)) = self.asked.take() {
            cx.give_up(ticket);
        }
    }

    /// Takes an answer if it is for this; whether it was, and something changed.
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) -> Option<bool> {
        if let Some((_, wanted)) = self.asked.take_if(|(asked, _)| *asked == ticket) {
            match reply {
                Ok(reply) => self.put_up(Role::all(&reply.body), wanted, cx),
                Err(failure) => cx.warn(failure.to_string()),
            }
            return Some(false);
        }
        let (_, old, told) = self.taken.take_if(|(taken, ..)| *taken == ticket)?;
        let before = format!("{} on {}", old.role, old.on);
        match reply {
            Ok(_) => cx.say(format!("{told}, no longer {before}")),
            Err(failure) => {
                let text = format!("{told}, and still {before}: {failure}");
                self.remark = Remark(Some(text));
            }
        }
        Some(true)
    }

    fn put_up(&mut self, roles: Vec<Role>, wanted: Wanted, cx: &mut Context<'_>) {
        let (mut fields, mut title) = (Vec::new(), "Grant a role".to_owned());
        let (mut role, mut on) = ("reader", "");
        match &wanted {
            Wanted::New(None) => {
                let kinds = vec!["user".to_owned(), "group".to_owned()];
                fields.push(Field::choice(TO, kinds, 0, "space switches"));
                fields.push(Field::text(NAME, "", "of the user or group"));
            }
            Wanted::New(Some(to)) => title = format!("Grant {to} a role"),
            Wanted::Other(grant) | Wanted::Gone(grant) => {
                title = format!("Change what {} may", grant.to);
                (role, on) = (&grant.role, &grant.on);
            }
        }
        fields.push(role_field(Vec::new(), &roles, role));
        fields.push(Field::text(ON, on, PATTERNS));
        cx.fill_in(Form::new(title, fields));
        self.roles = roles;
        self.wanted = Some(wanted);
    }

    /// Takes what was filled in.
    pub(super) fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        match (self.wanted.clone(), dialog) {
            (Some(Wanted::Gone(grant)), Dialog::Question(_)) => {
                let Grant { to, role, on, .. } = &grant;
                let done = format!("{to} is no longer {role} on {on}");
                cx.change(Request::delete(format!("/grants/{}", grant.id)), done);
            }
            (Some(Wanted::New(to)), Dialog::Form(form)) => {
                let to = to.unwrap_or_else(|| named(form));
                self.make(&to, form, cx);
            }
            (Some(Wanted::Other(grant)), Dialog::Form(form)) => {
                if let Some(ticket) = self.make(&grant.to, form, cx) {
                    self.made = Some((ticket, grant));
                }
            }
            _ => {}
        }
    }

    fn make(&self, to: &Grantee, form: &Form, cx: &mut Context<'_>) -> Option<Ticket> {
        let Some(role) = chosen_role(form, &self.roles) else {
            cx.refuse("there is no role to choose");
            return None;
        };
        let on = form.text(ON).trim();
        let done = format!("{to} is {role} on {on}");
        Some(cx.change(Request::post("/grants", to.grant(&role, on)), done))
    }

    /// A change was made: if it was a new grant in place of an old one, that one goes now.
    pub(super) fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        let Some((_, old)) = self.made.take_if(|(made, _)| *made == ticket) else {
            return;
        };
        if reply.body["id"].as_u64() == Some(old.id) {
            return;
        }
        let role = string(&reply.body["role"]);
        let told = format!("{} is {role} on {}", old.to, string(&reply.body["on"]));
        let ticket = cx.ask(Request::delete(format!("/grants/{}", old.id)));
        self.taken = Some((ticket, old, told));
    }
}
