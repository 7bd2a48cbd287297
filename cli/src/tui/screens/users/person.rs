//! One user: who they are, the grants that reach them, the keys they have, and what they may do and why.
//!
//! Invariants:
//! 1. The focus is on one of the three panes, and keys that act on a row act on a row of that pane.

use super::granting::Granting;
use super::people::about;
use super::reach::{Reach, words};
use super::rights::Rights;
use super::rows::{Grant, Grantee, Key, User};
use super::{forms, is_about};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, Tab, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::encoded;
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::listing::{Item as _, Listing};
use crate::tui::widgets::{Browse, pane, panel};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Paragraph, Wrap};

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind("w", Action::Explain, "explain", "what they may do, and why"),
    bind("i n", Action::New, "new-grant", "grant; a role to them"),
    bind(
        "e",
        Action::Edit,
        "edit-grant",
        "edit; another role or pattern",
    ),
    bind("d <del>", Action::Delete, "take-back", "take back"),
    bind("o", Action::Roles, "roles", "roles"),
    bind("y", Action::Copy, "copy", "copy the name"),
];

/// From which width on panes stand side by side: a reason has to fit into one.
const ROOMY: u16 = 160;

/// From which height on there is room for more than the pane with the focus.
const LOW: u16 = 14;

/// From which height on all panes are equally high when they stand one above the other.
const HIGH: u16 = 24;

/// How long it waits for more to happen before it reads anew, in milliseconds.
const PATIENCE: u64 = 300;

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Grants,
    Keys,
    Rights,
}

/// One user.
#[derive(Debug)]
pub(super) struct Person {
    name: String,
    user: Option<User>,
    failure: Option<String>,
    asked: Option<Ticket>,
    reach: Reach,
    keys: Listing<Key>,
    rights: Rights,
    granting: Granting,
    focus: Focus,
    /// Whether the form that was put up is about rights.
    is_asking_rights: bool,
    /// When to read anew, since something changed.
    stale_at: Option<u64>,
}

// === impl Focus ===

impl Focus {
    const ALL: [Self; 3] = [Self::Grants, Self::Keys, Self::Rights];

    /// The pane so many steps away; behind the last comes the first.
    fn away(self, steps: usize) -> Self {
        Self::ALL[(self as usize + steps) % Self::ALL.len()]
    }
}

// === impl Person ===

impl Person {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            user: None,
            failure: None,
            asked: None,
            reach: Reach::default(),
            keys: Listing::new(format!("/keys?owner={}&", encoded(name))),
            rights: Rights::default(),
            granting: Granting::default(),
            focus: Focus::Grants,
            is_asking_rights: false,
            stale_at: None,
        }
    }

    /// Reads anew all but the keys, which see to themselves.
    fn load_rights(&mut self, cx: &mut Context<'_>) {
        self.stale_at = None;
        if let Some(ticket) = self.asked.take() {
            cx.give_up(ticket);
        }
        self.asked = Some(cx.ask(Request::get(forms::path(&self.name))));
        self.rights.load(&self.name, cx);
    }

    /// Who they are is known, or why it is not; the grants follow, as groups may have some.
    fn known(&mut self, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        match reply {
            Ok(reply) => {
                self.user = User::read(&reply.body);
                self.failure = None;
            }
            Err(failure) => self.failure = Some(failure.to_string()),
        }
        let groups = self.user.as_ref().map(|user| user.groups.clone());
        self.reach.load(&self.name, &groups.unwrap_or_default(), cx);
    }

    /// The grant under the cursor, if that is what keys go to.
    fn grant(&self, cx: &mut Context<'_>) -> Option<Grant> {
        if self.focus != Focus::Grants {
            cx.warn("that is for grants; Tab goes to them");
            return None;
        }
        self.reach.list.selected().cloned()
    }

    /// What has the focus is opened.
    fn open(&self, cx: &mut Context<'_>) {
        match self.focus {
            Focus::Keys => cx.go(Place::Tab(Tab::Keys)),
            Focus::Grants if self.reach.list.len() > 0 => {
                cx.say("e: another role or pattern; d: take it back");
            }
            Focus::Grants | Focus::Rights => {}
        }
    }

    fn draw_facts(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        match (&self.user, &self.failure) {
            (_, Some(failure)) => words(frame, area, look, failure, Tone::Bad),
            (None, None) => {}
            (Some(user), None) => {
                // In two columns when that saves lines that lists can use.
                let lines = about(user, look);
                let half = lines.len().div_ceil(2);
                let (left, right) = lines.split_at(half);
                let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]);
                let [one, two] = halves.spacing(2).areas(area);
                let text = |lines: &[_]| Paragraph::new(lines.to_vec()).wrap(Wrap { trim: true });
                frame.render_widget(text(left), one);
                frame.render_widget(text(right), two);
            }
        }
    }

    /// Where the panes are: side by side, or one above the other, that with the focus the highest.
    fn panes(&self, area: Rect) -> [Rect; 3] {
        if area.width >= ROOMY {
            let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]);
            let [left, right] = halves.areas(area);
            let [above, below] =
                Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(left);
            return [above, below, right];
        }
        let height = |pane: Focus| match area.height {
            _ if self.focus == pane => Constraint::Fill(1),
            HIGH.. => Constraint::Fill(1),
            LOW..HIGH => Constraint::Length(4),
            _ => Constraint::Length(0),
        };
        Layout::vertical(Focus::ALL.map(height)).areas(area)
    }
}

impl Screen for Person {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.load_rights(cx);
        self.keys.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(match self.focus {
            Focus::Grants => &mut self.reach.list,
            Focus::Keys => &mut self.keys,
            Focus::Rights => &mut self.rights.view,
        })
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane => self.focus = self.focus.away(1),
            Action::Left if self.focus == Focus::Grants => cx.leave(),
            Action::PreviousPane | Action::Left => self.focus = self.focus.away(2),
            Action::Right if self.focus != Focus::Rights => self.focus = self.focus.away(1),
            Action::Open => self.open(cx),
            Action::Roles => cx.enter(Place::Roles),
            Action::Copy => cx.copy(self.name.as_str(), &self.name),
            Action::Explain => {
                self.granting.forget(cx);
                self.is_asking_rights = true;
                cx.fill_in(self.rights.form(&self.name));
            }
            Action::New => {
                self.is_asking_rights = false;
                let to = Grantee::User(self.name.clone());
                self.granting.begin(Some(to), cx);
            }
            Action::Edit | Action::Delete => {
                let Some(grant) = self.grant(cx) else {
                    return;
                };
                self.is_asking_rights = false;
                if action == Action::Edit {
                    self.granting.edit(&grant, cx);
                } else {
                    self.granting.remove(&grant, cx);
                }
            }
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        std::mem::replace(&mut self.focus, Focus::Grants) != Focus::Grants
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        match dialog {
            Dialog::Form(form) if self.is_asking_rights => {
                if self.rights.submitted(form) {
                    cx.close_dialog();
                    self.focus = Focus::Rights;
                    self.rights.load(&self.name, cx);
                } else {
                    cx.refuse("which repository?");
                }
            }
            dialog => self.granting.submitted(dialog, cx),
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.asked.take_if(|asked| *asked == ticket).is_some() {
            return self.known(reply, cx);
        }
        if self.rights.answered(ticket, &reply) || self.reach.answered(ticket, &reply, cx) {
            return;
        }
        match self.granting.answered(ticket, &reply, cx) {
            Some(true) => self.load_rights(cx),
            Some(false) => {}
            None => {
                self.keys.answered(ticket, &reply, cx);
            }
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        self.granting.changed(ticket, reply, cx);
        self.load_rights(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        // A rule makes repositories public, which is a right too.
        let is_about_rights = is_about(event, &["user", "grant", "role", "rule"]);
        if is_about_rights && self.stale_at.is_none() {
            self.stale_at = Some(cx.now + PATIENCE);
        }
        if is_about(event, &["key", "user"]) {
            self.keys.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.keys.tick(cx);
        if self.stale_at.is_some_and(|at| at <= cx.now) {
            self.load_rights(cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.asked.is_some()
            || self.reach.is_loading()
            || self.keys.is_loading()
            || self.rights.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        let facts = if area.height < LOW { 0 } else { 5 };
        let [above, below] =
            Layout::vertical([Constraint::Length(facts), Constraint::Min(0)]).areas(area);
        let inside = panel(frame, above, &self.name, look);
        self.draw_facts(frame, inside, paint);
        let [grants, keys, rights] = self.panes(below);
        let inside = pane(
            frame,
            grants,
            &self.reach.title(),
            look,
            self.focus == Focus::Grants,
        );
        let inside = self.granting.remark.draw(frame, inside, look);
        self.reach.draw(frame, inside, paint);
        let title = self.keys.title("Keys");
        let inside = pane(frame, keys, &title, look, self.focus == Focus::Keys);
        self.keys.draw(frame, inside, paint, "they have no key");
        let title = self.rights.title();
        let inside = pane(frame, rights, &title, look, self.focus == Focus::Rights);
        self.rights.draw(frame, inside, paint);
    }
}
