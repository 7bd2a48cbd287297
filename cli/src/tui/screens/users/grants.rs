//! All grants: who has which role on which repositories.

use super::granting::Granting;
use super::is_about;
use super::rows::{Grant, Grantee};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Ticket};
use crate::tui::screens::Screen;
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::listing::Listing;
use crate::tui::widgets::{Browse, panel};
use ratatui::Frame;
use ratatui::layout::Rect;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind(
        "i n",
        Action::New,
        "new-grant",
        "grant; to a user or a group",
    ),
    bind(
        "e",
        Action::Edit,
        "edit-grant",
        "edit; another role or pattern",
    ),
    bind("d <del>", Action::Delete, "take-back", "take back"),
    bind("o", Action::Roles, "roles", "roles"),
    bind("y", Action::Copy, "copy", "copy the pattern"),
];

/// All grants.
#[derive(Debug)]
pub(super) struct Grants {
    listing: Listing<Grant>,
    granting: Granting,
}

// === impl Grants ===

impl Grants {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/grants?"),
            granting: Granting::default(),
        }
    }

    fn act_on(&mut self, action: Action, cx: &mut Context<'_>) {
        let Some(grant) = self.listing.selected() else {
            return;
        };
        match action {
            Action::Open | Action::Right => match &grant.to {
                Grantee::User(name) => cx.enter(Place::User { name: name.clone() }),
                Grantee::Group(name) => cx.warn(format!(
                    "{name} is a group; filter users by it to see who is in it"
                )),
            },
            Action::Edit => self.granting.edit(grant, cx),
            Action::Delete => self.granting.remove(grant, cx),
            Action::Copy => cx.copy(grant.on.as_str(), &grant.on),
            _ => {}
        }
    }
}

impl Screen for Grants {
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
        match action {
            Action::New => self.granting.begin(None, cx),
            Action::Roles => cx.enter(Place::Roles),
            Action::Left => cx.leave(),
            action => self.act_on(action, cx),
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        self.granting.submitted(dialog, cx);
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        match self.granting.answered(ticket, &reply, cx) {
            Some(true) => self.listing.load(cx),
            Some(false) => {}
            None => {
                self.listing.answered(ticket, &reply, cx);
            }
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        self.granting.changed(ticket, reply, cx);
        if let Some(id) = reply.body["id"].as_u64() {
            self.listing.select(&id.to_string());
        }
        self.listing.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        // Their grants go with users who are deleted.
        if is_about(event, &["grant", "user"]) {
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
        let inside = panel(frame, area, &self.listing.title("Grants"), paint.look);
        let inside = self.granting.remark.draw(frame, inside, paint.look);
        let none = "nothing is granted to anybody; i grants a role";
        self.listing.draw(frame, inside, paint, none);
    }
}
