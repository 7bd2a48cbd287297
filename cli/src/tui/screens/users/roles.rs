//! Roles: named sets of permissions, those that are built in and one's own.

use super::is_about;
use super::rows::{PERMISSIONS, Role};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::encoded;
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::listing::{Item as _, Listing};
use crate::tui::widgets::{Browse, panel};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::json;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind("i n", Action::New, "new-role", "new role"),
    bind(
        "e",
        Action::Edit,
        "edit-role",
        "edit; it acts on all who have the role",
    ),
    bind("d <del>", Action::Delete, "delete-role", "delete"),
    bind("a", Action::Grants, "grants", "grants"),
    bind("y", Action::Copy, "copy", "copy the name"),
];

const NAME: &str = "name";

/// The roles.
#[derive(Debug)]
pub(super) struct Roles {
    listing: Listing<Role>,
    /// The role that is read to be edited.
    opening: Option<Ticket>,
    asking: Option<Asking>,
}

/// What the dialog is for.
#[derive(Debug, Clone)]
enum Asking {
    New,
    /// This role, as it was in this version.
    Edit(String, Option<String>),
    Delete(String),
}

fn path(role: &str) -> String {
    format!("/roles/{}", encoded(role))
}

/// A switch for each permission.
fn switches(role: Option<&Role>) -> impl Iterator<Item = Field> {
    const WHAT: [&str; 4] = [
        "read images",
        "write images and tags",
        "delete images and tags",
        "delete, restore and publish repositories",
    ];
    PERMISSIONS.iter().zip(WHAT).map(move |(permission, what)| {
        let is_on = role.is_some_and(|role| role.allows(permission));
        Field::switch(permission, is_on, what)
    })
}

// === impl Roles ===

impl Roles {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/roles?"),
            opening: None,
            asking: None,
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.asking = Some(Asking::New);
        let mut fields = vec![Field::text(NAME, "", "what grants call it")];
        fields.extend(switches(None));
        cx.fill_in(Form::new("New role", fields));
    }

    fn act_on(&mut self, action: Action, cx: &mut Context<'_>) {
        let Some(role) = self.listing.selected() else {
            return;
        };
        let name = role.name.as_str();
        let changes = matches!(action, Action::Open | Action::Edit | Action::Delete);
        if changes && role.is_built_in {
            return cx.warn(format!(
                "{name} is built in, and stays as it is; i makes another"
            ));
        }
        match action {
            Action::Open | Action::Edit => {
                self.opening = Some(cx.ask(Request::get(path(name))));
            }
            Action::Delete => {
                self.asking = Some(Asking::Delete(name.to_owned()));
                let text = format!("Delete the role {name}?");
                cx.question(Question::new("Delete a role", text));
            }
            Action::Copy => cx.copy(name, name),
            _ => {}
        }
    }

    /// The role that is to be edited is here.
    fn edit(&mut self, reply: &Reply, cx: &mut Context<'_>) {
        let Some(role) = Role::read(&reply.body) else {
            return cx.warn("the server did not say what the role is");
        };
        cx.fill_in(Form::new(
            format!("What {} may", role.name),
            switches(Some(&role)).collect(),
        ));
        self.asking = Some(Asking::Edit(role.name, reply.etag.clone()));
    }
}

impl Screen for Roles {
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
        if let Some(ticket) = self.opening.take() {
            cx.give_up(ticket);
        }
        match action {
            Action::New => self.begin(cx),
            Action::Grants => cx.enter(Place::Grants),
            Action::Left => cx.leave(),
            action => self.act_on(action, cx),
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        let permissions = match dialog {
            Dialog::Form(form) => {
                let chosen = PERMISSIONS.iter().filter(|one| form.is_on(one));
                chosen.copied().collect::<Vec<_>>()
            }
            _ => Vec::new(),
        };
        match (self.asking.clone(), dialog) {
            (Some(Asking::New), Dialog::Form(form)) => {
                let name = form.text(NAME).trim();
                let body = json!({ "name": name, "permissions": permissions });
                self.listing.select(name);
                cx.change(
                    Request::post("/roles", body),
                    format!("role {name} was made"),
                );
            }
            (Some(Asking::Edit(name, etag)), Dialog::Form(_)) => {
                let body = json!({ "permissions": permissions });
                let request = Request::put(path(&name), body).only_if(etag);
                cx.change(request, format!("role {name} was changed"));
            }
            (Some(Asking::Delete(name)), Dialog::Question(_)) => {
                let done = format!("role {name} was deleted");
                cx.change(Request::delete(path(&name)), done);
            }
            _ => {}
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.opening.take_if(|opening| *opening == ticket).is_none() {
            self.listing.answered(ticket, &reply, cx);
            return;
        }
        match reply {
            Ok(reply) => self.edit(&reply, cx),
            Err(failure) => cx.warn(failure.to_string()),
        }
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if is_about(event, &["role"]) {
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
        let inside = panel(frame, area, &self.listing.title("Roles"), paint.look);
        let none = "there is no role; i makes one";
        self.listing.draw(frame, inside, paint, none);
    }
}
