//! [`Manifest`]: one manifest, section by section.
//!
//! Invariants:
//! 1. What was shown stays while it is read anew, with the place in each section.

use super::deeds::Deeds;
use super::parts::{Section, Shown};
use super::{Asked, about, manifest_path, pull_command};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::short;
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::dialog::{Dialog, Notice};
use crate::tui::widgets::textview::TextView;
use crate::tui::widgets::{Browse, pane, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind("r", Action::Raw, "raw", "raw JSON"),
    bind(
        "y",
        Action::Copy,
        "copy",
        "copy digest, of the line or the manifest",
    ),
    bind("Y", Action::CopyOther, "copy-pull", "copy pull command"),
    bind("i n", Action::New, "new", "new tag, for this manifest"),
    bind(
        "e",
        Action::Edit,
        "move",
        "move tag, the one that one came by",
    ),
    bind(
        "d <del> D",
        Action::Delete,
        "delete",
        "delete it, with all its tags",
    ),
    bind("u", Action::Undo, "undo", "undo, the last change made here"),
    bind(
        "H",
        Action::History,
        "history",
        "history, of the tag one came by",
    ),
    bind(
        "t",
        Action::Trash,
        "deleted",
        "deleted, what can be restored here",
    ),
    bind(
        "w",
        Action::Why,
        "why",
        "why, what keeps the digest of the line",
    ),
];

/// From this width on the summary stands beside the other sections.
const ROOMY: u16 = 140;

/// One manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    repository: String,
    reference: String,
    digest: String,
    sections: Vec<(Section, TextView)>,
    focus: usize,
    raw: String,
    asked: Asked,
    failure: Option<String>,
    deeds: Deeds,
}

// === impl Manifest ===

impl Manifest {
    pub(super) fn new(repository: &str, reference: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            reference: reference.to_owned(),
            digest: String::new(),
            sections: Vec::new(),
            focus: 0,
            raw: String::new(),
            asked: Asked::default(),
            failure: None,
            deeds: Deeds::new(repository),
        }
    }

    /// The tag one came by, if it was one.
    fn tag(&self) -> Option<String> {
        let is_tag = !self.reference.contains(':');
        is_tag.then(|| self.reference.clone())
    }

    fn take(&mut self, shown: &Shown<'_>) {
        self.failure = None;
        self.digest = shown.digest();
        self.raw = shown.raw();
        let name = self
            .sections
            .get(self.focus)
            .map(|(section, _)| section.name);
        let mut before = std::mem::take(&mut self.sections);
        for mut section in shown.sections() {
            let lines = std::mem::take(&mut section.lines);
            let place = before.iter().position(|(old, _)| old.name == section.name);
            let mut view = place
                .map(|place| before.swap_remove(place).1)
                .unwrap_or_default();
            view.replace(lines);
            self.sections.push((section, view));
        }
        let focus = self
            .sections
            .iter()
            .position(|(section, _)| Some(section.name) == name);
        self.focus = focus.unwrap_or(0);
    }

    /// The digest of the line under the cursor, and whether it leads into a manifest.
    fn pointed(&self) -> Option<(&str, bool)> {
        let (section, view) = self.sections.get(self.focus)?;
        let digest = section.digests.get(view.selected()?)?.as_deref()?;
        Some((digest, section.leads_on && digest != self.digest))
    }

    fn turn(&mut self, steps: usize) {
        self.focus = (self.focus + steps) % self.sections.len().max(1);
    }

    fn open_line(&mut self, cx: &mut Context<'_>) {
        if let Some((digest, true)) = self.pointed() {
            let reference = digest.to_owned();
            let repository = self.repository.clone();
            return cx.enter(Place::Manifest {
                repository,
                reference,
            });
        }
        let Some((section, view)) = self.sections.get(self.focus) else {
            return;
        };
        // A line may be longer than the screen is wide.
        let line = view.line();
        if !line.is_empty() {
            cx.notice(Notice::new(section.name, vec![line.clone()]).with_copy(line));
        }
    }

    fn act_on(&mut self, action: Action, cx: &mut Context<'_>) {
        let pointed = self
            .pointed()
            .map_or(self.digest.as_str(), |(digest, _)| digest);
        match (action, self.tag()) {
            (Action::Copy, _) => cx.copy(pointed, "the digest"),
            (Action::Why, _) => cx.enter(Place::Why {
                digest: pointed.to_owned(),
            }),
            (Action::CopyOther, _) => {
                let command = pull_command(cx.registry, &self.repository, &self.reference);
                cx.copy(command, "the pull command");
            }
            (Action::New, _) => self.deeds.new_tag(self.digest.clone(), cx),
            (Action::Delete, _) => self.deeds.delete_manifest(self.digest.clone(), cx),
            (Action::Raw, _) => cx.enter(Place::Text {
                title: format!("raw {}", short(&self.digest)),
                text: self.raw.clone(),
            }),
            (Action::Edit, Some(tag)) => self.deeds.move_tag(tag, self.digest.clone(), cx),
            (Action::History, Some(tag)) => cx.enter(Place::History {
                repository: self.repository.clone(),
                tag,
            }),
            (Action::Edit | Action::History, None) => {
                cx.warn("one came here by digest, not by tag");
            }
            _ => {}
        }
    }

    /// The names of the sections, the one that is seen marked.
    fn names(&self, look: Look) -> Line<'static> {
        let names = self
            .sections
            .iter()
            .enumerate()
            .flat_map(|(place, (section, _))| {
                let count = section.count.map(|count| format!(" {count}"));
                let name = format!("{}{}", section.name, count.unwrap_or_default());
                let (text, tone) = if place == self.focus {
                    (format!("[{name}]"), Tone::Heading)
                } else {
                    (format!(" {name} "), Tone::Dim)
                };
                [span(look, &text, tone)]
            });
        Line::from(names.collect::<Vec<_>>())
    }
}

impl Screen for Manifest {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        let path = manifest_path(&self.repository, &self.reference);
        self.asked.ask(path, cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        let (_, view) = self.sections.get_mut(self.focus)?;
        Some(view)
    }

    fn act(&mut self, action: Action, count: Option<usize>, cx: &mut Context<'_>) {
        let all = self.sections.len();
        match action {
            Action::NextPane | Action::Right => self.turn(count.unwrap_or(1)),
            Action::PreviousPane => self.turn(all.saturating_sub(1)),
            Action::Left if self.focus > 0 => self.turn(all.saturating_sub(1)),
            Action::Left => cx.leave(),
            Action::Undo => self.deeds.undo(cx),
            Action::Trash => cx.enter(Place::Trash {
                repository: Some(self.repository.clone()),
            }),
            _ if self.digest.is_empty() => cx.warn("there is no manifest here"),
            Action::Open => self.open_line(cx),
            action => self.act_on(action, cx),
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        self.deeds.submitted(dialog, cx);
    }

    fn typed(&mut self, dialog: &mut Dialog, cx: &mut Context<'_>) {
        self.deeds.typed(dialog, cx);
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if !self.asked.is_answered(ticket) {
            self.deeds.answered(ticket, &reply, cx);
            return;
        }
        match reply {
            Ok(reply) => self.take(&Shown::read(&reply.body)),
            Err(failure) => {
                self.sections.clear();
                self.digest.clear();
                self.failure = Some(failure.to_string());
            }
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        self.deeds.changed(ticket, reply, cx);
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if about(event, &self.repository).is_some() {
            self.load(cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.asked.is_waiting()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        let title = pull_command("", &self.repository, &self.reference);
        let inside = pane(frame, area, &title, look, false);
        if let Some(failure) = &self.failure {
            return frame.render_widget(span(look, failure, Tone::Bad), inside);
        }
        let [head, body] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inside);
        frame.render_widget(self.names(look), head);
        let summary = self.sections.first().filter(|_| body.width >= ROOMY);
        match (summary, self.sections.get(self.focus.max(1))) {
            (Some((first, summary)), Some((section, view))) => {
                let halves = [Constraint::Length(80), Constraint::Fill(1)];
                let [left, right] = Layout::horizontal(halves).areas(body);
                let is_left = self.focus == 0;
                let left = pane(frame, left, first.name, look, is_left);
                let right = pane(frame, right, section.name, look, !is_left);
                summary.draw_beside(frame, left, look, is_left);
                view.draw_beside(frame, right, look, !is_left);
            }
            _ => {
                if let Some((_, view)) = self.sections.get(self.focus) {
                    view.draw(frame, body, look);
                }
            }
        }
    }
}
