//! The screens: one file (or folder) each, state and drawing together, and their keys.
//!
//! A screen is told what happens through [`Screen`] and asks for things through
//! [`Context`]; it does no I/O and knows no other screen but by its
//! [`Place`].

mod api_keys;
mod audit;
mod help;
mod images;
mod overview;
mod repositories;
mod servers;
mod storage;
mod uploads;
mod users;

use super::app::context::Context;
use super::app::place::Place;
use super::keys::{Action, Section, Tab};
use super::message::{Event, Failure, Reply, Ticket};
use super::theme::Paint;
use super::widgets::Browse;
use super::widgets::dialog::Dialog;
use ratatui::Frame;
use ratatui::layout::Rect;

/// What is shown below the tabs.
pub(crate) trait Screen {
    /// Its own keys; the general ones count too.
    fn keys(&self) -> &'static [super::keys::Binding] {
        &[]
    }

    /// One came here from a screen with these keys.
    fn entered_from(&mut self, _keys: &'static [super::keys::Binding]) {}

    /// Asks for all it shows: when it is opened, when the server is back, when the user wants it.
    fn load(&mut self, cx: &mut Context<'_>);

    /// The pane that keys go to, if it can be moved about in. Moving, searching, filtering and sorting
    /// happen there without the screen's doing.
    fn focused(&mut self) -> Option<&mut dyn Browse> {
        None
    }

    /// A key of its own, or one of `Open`, `Left`, `Right`, `NextPane`, `PreviousPane`.
    fn act(&mut self, action: Action, count: Option<usize>, cx: &mut Context<'_>);

    /// Gives the focus back to the first of its panes; whether another had it. Back means that first.
    fn retreats(&mut self) -> bool {
        false
    }

    /// The cursor moved, or something was filtered.
    fn moved(&mut self, _cx: &mut Context<'_>) {}

    /// The form or question that the screen put up was answered; `dialog` holds what was filled in.
    /// It stays until a change that is asked for here succeeds, or until it is closed.
    fn submitted(&mut self, _dialog: &Dialog, _cx: &mut Context<'_>) {}

    /// A dialog of this screen is open, and a key was pressed in it, or something was answered, or time
    /// has gone by: the screen may ask the server for what helps to fill it in, and put it there.
    fn typed(&mut self, _dialog: &mut Dialog, _cx: &mut Context<'_>) {}

    /// A question of this screen was answered.
    fn answered(&mut self, _ticket: Ticket, _reply: Result<Reply, Failure>, _cx: &mut Context<'_>) {
    }

    /// A change of this screen was made, and that was told; reads all anew unless the screen knows
    /// better.
    fn changed(&mut self, _ticket: Ticket, _reply: &Reply, cx: &mut Context<'_>) {
        self.load(cx);
    }

    /// Something happened on the server.
    fn heard(&mut self, _event: &Event, _cx: &mut Context<'_>) {}

    /// Time has gone by: about ten times a second while something is waited for, else once.
    fn tick(&mut self, _cx: &mut Context<'_>) {}

    /// Whether something of it is still to come.
    fn is_loading(&self) -> bool {
        false
    }

    /// Draws it.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint);
}

/// The screen of a place.
pub(crate) fn open(place: &Place) -> Box<dyn Screen> {
    match place {
        Place::Tab(Tab::Overview) => overview::open(place),
        Place::Tab(Tab::Repositories) | Place::Trash { .. } | Place::Rules => {
            repositories::open(place)
        }
        Place::Tags { .. }
        | Place::Manifest { .. }
        | Place::Text { .. }
        | Place::History { .. } => images::open(place),
        Place::Tab(Tab::Users) | Place::User { .. } | Place::Roles | Place::Grants => {
            users::open(place)
        }
        Place::Tab(Tab::Keys) => api_keys::open(place),
        Place::Tab(Tab::Storage) | Place::Plan | Place::Why { .. } => storage::open(place),
        Place::Tab(Tab::Audit) => audit::open(place),
        Place::Tab(Tab::Servers) => servers::open(place),
        Place::Tab(Tab::Uploads) => Box::new(uploads::Uploads::new()),
        Place::Tab(Tab::Help) => Box::new(help::Help::new()),
    }
}

/// The keys of all screens.
pub(crate) fn sections() -> Vec<Section> {
    let all = [
        overview::SECTIONS,
        repositories::SECTIONS,
        images::SECTIONS,
        users::SECTIONS,
        api_keys::SECTIONS,
        uploads::SECTIONS,
        storage::SECTIONS,
        audit::SECTIONS,
        servers::SECTIONS,
    ];
    all.concat()
}
