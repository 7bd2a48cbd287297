//! Uploads: what is being pushed, how far and how fast, and a way to end it.
//!
//! Invariants:
//! 1. It is read anew only while something is being pushed: an idle server is asked nothing, and one
//!    that would not answer is left in peace.

mod upload;

#[cfg(test)]
mod tests;

pub(super) use upload::{Paces, Stir, Upload, per_second, together};

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, Section, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{bytes, encoded};
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::listing::Listing;
use crate::tui::widgets::{Browse, panel};
use ratatui::Frame;
use ratatui::layout::Rect;

/// The keys of this screen.
pub(super) const SECTIONS: &[Section] = &[Section {
    name: "Uploads",
    bindings: KEYS,
}];

const KEYS: &[Binding] = &[bind(
    "d <del>",
    Action::Delete,
    "cancel-upload",
    "end the upload; its bytes go",
)];

/// What is being pushed.
#[derive(Debug)]
pub(super) struct Uploads {
    listing: Listing<Upload>,
    paces: Paces,
    stir: Stir,
    /// Nothing is read by itself before this time.
    not_before: u64,
    /// Which one the question is about.
    asked_about: Option<String>,
}

// === impl Uploads ===

impl Uploads {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/uploads?"),
            paces: Paces::default(),
            stir: Stir::default(),
            not_before: 0,
            asked_about: None,
        }
    }
}

impl Screen for Uploads {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.not_before = 0;
        self.listing.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.listing)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        let (Action::Delete, Some(upload)) = (action, self.listing.selected()) else {
            return;
        };
        self.asked_about = Some(upload.id.clone());
        let to = match upload.repository.as_str() {
            "" => format!("upload {}", upload.id),
            repository => format!("upload of {} to {repository}", bytes(upload.offset)),
        };
        let text = format!("End the {to}? Its client has to begin anew.");
        cx.question(Question::new("End an upload", text));
    }

    fn submitted(&mut self, _dialog: &Dialog, cx: &mut Context<'_>) {
        // It is still known after a refusal, when it is answered once more.
        if let Some(id) = self.asked_about.clone() {
            let request = Request::delete(format!("/uploads/{}", encoded(&id)));
            cx.change(request, format!("upload {id} was ended"));
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if !self.listing.answered(ticket, &reply, cx) {
            return;
        }
        self.not_before = match &reply {
            Ok(_) => 0,
            Err(failure) => failure.again_at(cx.now),
        };
        let paces = &mut self.paces;
        self.listing.each(|upload| paces.measure(upload, cx.now));
        if !self.listing.is_loading() {
            self.paces.keep(self.listing.rows().iter());
        }
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        let is_due = match event.kind.as_str() {
            "upload" => true,
            "status" => self.stir.is_felt(&event.data, self.listing.rows()),
            _ => false,
        };
        if is_due && cx.now >= self.not_before {
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
        let mut title = self.listing.title("Uploads");
        if let Some(pace) = together(self.listing.rows().iter()) {
            title = format!("{title}, {}", per_second(pace));
        }
        let inside = panel(frame, area, &title, paint.look);
        self.listing
            .draw(frame, inside, paint, "nothing is being pushed");
    }
}
