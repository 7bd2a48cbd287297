//! [`Tags`]: what is in a repository: its tags or, by `m`, all its manifests, and a pane about the one
//! under the cursor.
//!
//! Invariants:
//! 1. An event about a tag has that tag read, not all of them; only when too much happens at once, or
//!    nobody can tell what, all is read anew.
//! 2. What was read of one tag while pages are still coming is read once more behind the last.

use super::deeds::{Changed, Deeds};
use super::peek::Peek;
use super::rows::{Listed, Tag};
use super::{about, manifest_path, pull_command};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::{encoded, strings};
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::listing::{Item as _, Listing};
use crate::tui::widgets::{Browse, pane};
use ratatui::Frame;
use ratatui::layout::Rect;
use std::collections::VecDeque;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind("i n", Action::New, "new", "new tag, for this manifest"),
    bind(
        "e",
        Action::Edit,
        "move",
        "move it, to a digest or what another tag names",
    ),
    bind(
        "d <del>",
        Action::Delete,
        "delete",
        "delete it, a tag alone or a manifest in its list",
    ),
    bind(
        "D",
        Action::DeleteManifest,
        "delete-manifest",
        "delete manifest, with all its tags",
    ),
    bind("u", Action::Undo, "undo", "undo, the last change made here"),
    bind("y", Action::Copy, "copy", "copy digest"),
    bind("Y", Action::CopyOther, "copy-pull", "copy pull command"),
    bind(
        "m",
        Action::Manifests,
        "manifests",
        "manifests or tags; manifests have those without a tag",
    ),
    bind(
        "H",
        Action::History,
        "history",
        "history, what the tag named before",
    ),
    bind(
        "t",
        Action::Trash,
        "deleted",
        "deleted, what can be restored here",
    ),
    bind("w", Action::Why, "why", "why, what keeps this digest"),
];

/// Tags that wait to be read; when there are more, all is read anew.
const WAITING: usize = 50;

/// From this width on the pane stands beside the list, and from this height on below it.
const ROOMY: (u16, u16) = (120, 16);

/// What is in a repository.
#[derive(Debug)]
pub(super) struct Tags {
    repository: String,
    list: Listing<Tag>,
    /// All manifests, while they are looked at.
    manifests: Option<Listing<Listed>>,
    peek: Peek,
    peek_has_focus: bool,
    deeds: Deeds,
    /// What is to be read of the server, and what is being read.
    stale: VecDeque<Stale>,
    asked: Option<(Ticket, Stale)>,
    /// To be read behind the last page.
    later: Vec<Stale>,
}

/// What may be another by now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stale {
    /// A tag.
    Tag(String),
    /// The tags of a manifest.
    Manifest(String),
}

// === impl Tags ===

impl Tags {
    pub(super) fn new(repository: &str) -> Self {
        let path = format!("/repositories/{}/tags?", encoded(repository));
        Self {
            repository: repository.to_owned(),
            list: Listing::new(path),
            manifests: None,
            peek: Peek::new(repository),
            peek_has_focus: false,
            deeds: Deeds::new(repository),
            stale: VecDeque::new(),
            asked: None,
            later: Vec::new(),
        }
    }

    /// The digest under the cursor.
    fn digest(&self) -> Option<String> {
        match &self.manifests {
            Some(manifests) => Some(manifests.selected()?.digest.to_string()),
            None => Some(self.list.selected()?.digest.to_string()),
        }
    }

    /// The tag under the cursor, while tags are looked at.
    fn tag(&self) -> Option<String> {
        let is_tags = self.manifests.is_none();
        let tag = self.list.selected().filter(|_| is_tags)?;
        Some(tag.name.to_string())
    }

    /// What goes on by itself: reading what is stale, and the pane.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if !self.list.is_loading() {
            self.stale.extend(self.later.drain(..));
        }
        if self.asked.is_none()
            && let Some(stale) = self.stale.pop_front()
        {
            let path = match &stale {
                Stale::Tag(tag) => one_tag(&self.repository, tag),
                Stale::Manifest(digest) => manifest_path(&self.repository, digest),
            };
            self.asked = Some((cx.ask(Request::get(path)), stale));
        }
        let digest = self.digest();
        self.peek.look_at(digest, cx);
    }

    /// Something may be another by now.
    fn is_stale(&mut self, what: Stale, cx: &Context<'_>) {
        if self.stale.contains(&what) {
            return;
        }
        if self.stale.len() >= WAITING {
            self.stale.clear();
            self.later.clear();
            self.list.changed(cx);
            return;
        }
        if self.list.is_loading() && self.later.len() < WAITING && !self.later.contains(&what) {
            self.later.push(what.clone());
        }
        self.stale.push_back(what);
    }

    /// Takes what the server says about something stale.
    fn refreshed(&mut self, stale: Stale, reply: &Result<Reply, Failure>, cx: &Context<'_>) {
        match (stale, reply) {
            (Stale::Tag(name), Ok(reply)) => {
                let tag = Tag::read(&reply.body["items"][0]).filter(|tag| *tag.name == *name);
                match tag {
                    Some(tag) => self.list.put(tag),
                    None => self.list.remove(|tag| *tag.name == *name),
                }
            }
            (Stale::Manifest(_), Ok(reply)) => {
                for tag in strings(&reply.body["tags"]) {
                    self.is_stale(Stale::Tag(tag), cx);
                }
                if reply.body["more_tags"] == true {
                    self.list.changed(cx);
                }
            }
            (Stale::Manifest(digest), Err(failure)) if failure.status() == Some(404) => {
                self.gone(&digest);
            }
            (_, Err(_)) => self.list.changed(cx),
        }
    }

    /// A manifest is there no more, nor are its tags.
    fn gone(&mut self, digest: &str) {
        let gone = super::rows::Digest::read(digest);
        self.list.remove(|tag| tag.digest == gone);
        if let Some(manifests) = &mut self.manifests {
            manifests.remove(|manifest| *manifest.digest == *digest);
        }
    }

    fn is_manifest_list_stale(&mut self, cx: &Context<'_>) {
        if let Some(manifests) = &mut self.manifests {
            manifests.changed(cx);
        }
    }

    /// Looks at the manifests instead of the tags, or the other way round.
    fn turn(&mut self, cx: &mut Context<'_>) {
        if let Some(mut manifests) = self.manifests.take() {
            manifests.give_up(cx);
        } else {
            let path = format!("/repositories/{}/manifests?", encoded(&self.repository));
            let mut manifests = Listing::new(path);
            manifests.load(cx);
            // The cursor stays with the manifest it is on.
            if let Some(tag) = self.list.selected() {
                manifests.select(&tag.digest.to_string());
            }
            self.manifests = Some(manifests);
        }
        self.settle(cx);
    }

    /// What acts on the manifest under the cursor.
    fn act_on(&mut self, action: Action, digest: String, cx: &mut Context<'_>) {
        let tag = self.tag();
        let reference = tag.clone().unwrap_or_else(|| digest.clone());
        match (action, tag) {
            (Action::Open | Action::Right, _) => cx.enter(Place::Manifest {
                repository: self.repository.clone(),
                reference,
            }),
            (Action::New, _) => self.deeds.new_tag(digest, cx),
            (Action::Copy, _) => cx.copy(digest, "the digest"),
            (Action::CopyOther, _) => {
                let command = pull_command(cx.registry, &self.repository, &reference);
                cx.copy(command, "the pull command");
            }
            (Action::Why, _) => cx.enter(Place::Why { digest }),
            (Action::Edit, Some(tag)) => self.deeds.move_tag(tag, digest, cx),
            (Action::Delete, Some(tag)) => self.deeds.delete_tag(tag, digest, cx),
            (Action::History, Some(tag)) => cx.enter(Place::History {
                repository: self.repository.clone(),
                tag,
            }),
            (Action::Delete | Action::DeleteManifest, _) => self.deeds.delete_manifest(digest, cx),
            (Action::Edit | Action::History, None) => cx.warn("this is of tags; m shows them"),
            _ => {}
        }
    }
}

/// Where one tag is read as it is listed: the first behind what comes right before it.
fn one_tag(repository: &str, tag: &str) -> String {
    let mut before = tag.to_owned();
    let last = before.pop().map_or(0, u32::from);
    if let Some(previous) = char::from_u32(last.saturating_sub(1)) {
        before.push(previous);
        // No tag has it in it, and it comes behind all that a tag may have.
        before.push('~');
    }
    let (repository, before) = (encoded(repository), encoded(&before));
    format!("/repositories/{repository}/tags?n=1&last={before}")
}

impl Screen for Tags {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.peek.forget(cx);
        self.stale.clear();
        self.later.clear();
        self.list.load(cx);
        if let Some(manifests) = &mut self.manifests {
            manifests.load(cx);
        }
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        if self.peek_has_focus
            && let Some(pane) = self.peek.browse()
        {
            return Some(pane);
        }
        Some(match &mut self.manifests {
            Some(manifests) => manifests,
            None => &mut self.list,
        })
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane | Action::PreviousPane => self.peek_has_focus = !self.peek_has_focus,
            Action::Left if self.peek_has_focus => self.peek_has_focus = false,
            Action::Left => cx.leave(),
            Action::Manifests => self.turn(cx),
            Action::Undo => self.deeds.undo(cx),
            Action::Trash => cx.enter(Place::Trash {
                repository: Some(self.repository.clone()),
            }),
            action => {
                if let Some(digest) = self.digest() {
                    self.act_on(action, digest, cx);
                }
            }
        }
    }

    fn retreats(&mut self) -> bool {
        std::mem::take(&mut self.peek_has_focus)
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        self.settle(cx);
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        self.deeds.submitted(dialog, cx);
    }

    fn typed(&mut self, dialog: &mut Dialog, cx: &mut Context<'_>) {
        self.deeds.typed(dialog, cx);
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        let stale = self.asked.take_if(|(asked, _)| *asked == ticket);
        let is_listed = match &mut self.manifests {
            Some(manifests) => manifests.answered(ticket, &reply, cx),
            None => false,
        };
        if let Some((_, stale)) = stale {
            self.refreshed(stale, &reply, cx);
        } else if !is_listed
            && !self.list.answered(ticket, &reply, cx)
            && !self.peek.answered(ticket, &reply)
        {
            self.deeds.answered(ticket, &reply, cx);
        }
        self.settle(cx);
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        match self.deeds.changed(ticket, reply, cx) {
            Some(Changed::Tag(tag)) => self.is_stale(Stale::Tag(tag), cx),
            Some(Changed::Gone(digest)) => self.gone(&digest),
            Some(Changed::Back(digest)) => self.is_stale(Stale::Manifest(digest), cx),
            None => {}
        }
        self.is_manifest_list_stale(cx);
        self.peek.forget(cx);
        self.settle(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if event.kind == "missed" {
            self.list.changed(cx);
            return self.is_manifest_list_stale(cx);
        }
        let Some(rest) = about(event, &self.repository) else {
            return;
        };
        if let Some(tag) = rest.strip_prefix(':') {
            self.is_stale(Stale::Tag(tag.to_owned()), cx);
        } else if let Some(digest) = rest.strip_prefix('@') {
            // Deleted or pushed: what tags it has now, the server knows.
            self.is_stale(Stale::Manifest(digest.to_owned()), cx);
        } else {
            self.list.changed(cx);
        }
        self.is_manifest_list_stale(cx);
        self.peek.forget(cx);
        self.settle(cx);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.list.tick(cx);
        if let Some(manifests) = &mut self.manifests {
            manifests.tick(cx);
        }
        self.settle(cx);
    }

    fn is_loading(&self) -> bool {
        self.list.is_loading() || self.peek.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let (list, peek) = split(area);
        let look = paint.look;
        let has_focus = !self.peek_has_focus && peek.is_some();
        if let Some(manifests) = &self.manifests {
            let inside = pane(frame, list, &manifests.title("Manifests"), look, has_focus);
            manifests.draw(frame, inside, paint, "nothing is here; push an image to it");
        } else {
            let inside = pane(frame, list, &self.list.title("Tags"), look, has_focus);
            let none = "no tags; push an image, or m: the manifests without a tag";
            self.list.draw(frame, inside, paint, none);
        }
        if let Some(area) = peek {
            self.peek.draw(frame, area, paint, self.peek_has_focus);
        }
    }
}

/// The room of the list, and of the pane if there is some for it.
fn split(area: Rect) -> (Rect, Option<Rect>) {
    if area.width >= ROOMY.0 {
        let left = (area.width / 8 * 5).min(110);
        let list = Rect {
            width: left,
            ..area
        };
        let peek = Rect {
            x: area.x + left,
            width: area.width - left,
            ..area
        };
        return (list, Some(peek));
    }
    if area.height < ROOMY.1 {
        return (area, None);
    }
    let above = area.height * 3 / 5;
    let list = Rect {
        height: above,
        ..area
    };
    let peek = Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    };
    (list, Some(peek))
}
