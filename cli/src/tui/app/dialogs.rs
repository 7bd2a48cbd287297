//! Dialogs: which is open, which wait behind it, and whose answer closes it.
//!
//! Invariants:
//! 1. What is being typed is replaced by nothing that comes from another screen, nor by a notice.
//! 2. An answer closes the dialog that its change was sent with, and no other.

use super::{App, Failure, Owner, Ticket, Tone};
use crate::tui::widgets::dialog::Dialog;

// === impl App ===

impl App {
    pub(super) fn is_dialog_of(&self, owner: Owner) -> bool {
        self.dialog
            .as_ref()
            .is_some_and(|(whose, _)| *whose == owner)
    }

    /// Puts a dialog up; while somebody else's is answered, it waits behind that. So does what is only
    /// to be read: it may come while another form of the same screen is filled in.
    pub(super) fn put_up(&mut self, owner: Owner, dialog: Dialog) {
        let is_next = self.is_dialog_of(owner) && !matches!(dialog, Dialog::Notice(_));
        if self.dialog.is_none() || is_next {
            self.dialog = Some((owner, dialog));
        } else {
            self.behind.push_back((owner, dialog));
        }
    }

    /// Takes the dialog away, and shows the one behind it.
    pub(super) fn close_dialog(&mut self) {
        self.dialog = self.behind.pop_front();
    }

    /// Whether the dialog that is open is the one that a change was sent with.
    pub(super) fn is_dialog_of_change(&self, owner: Owner, ticket: Ticket) -> bool {
        let is_sent = |dialog: &Dialog| dialog.is_sent() && self.sent == Some(ticket);
        self.dialog
            .as_ref()
            .is_some_and(|(whose, dialog)| *whose == owner && is_sent(dialog))
    }

    /// Shows a refusal where the change came from.
    pub(super) fn refused(&mut self, owner: Owner, failure: &Failure) {
        match &mut self.dialog {
            Some((whose, dialog)) if *whose == owner => dialog.refused(&failure.to_string()),
            _ => self.say(failure.to_string(), Tone::Bad),
        }
    }
}
