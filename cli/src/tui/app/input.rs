//! Keys and the mouse: to the dialog, to the line below, or by the table of keys to the screen.

use super::{App, Effect, Failure, Owner};
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, EVERYWHERE, LISTS, Read, SEARCHING, Tab};
use crate::tui::screens::Screen;
use crate::tui::theme::Tone;
use crate::tui::widgets::Motion;
use crate::tui::widgets::dialog::{Answer, Copied};
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

/// Bytes of the longest text that is copied: terminals ignore longer ones, or worse.
const MAX_COPIED: usize = 64 * 1024;

/// Rows that a step of the wheel moves.
const WHEEL: isize = 3;

/// The motion of an action that is one.
const fn motion(action: Action) -> Option<Motion> {
    Some(match action {
        Action::Up => Motion::By(-1),
        Action::Down => Motion::By(1),
        Action::First => Motion::First,
        Action::Last => Motion::Last,
        Action::HalfUp => Motion::Halves(-1),
        Action::HalfDown => Motion::Halves(1),
        Action::PageUp => Motion::Halves(-2),
        Action::PageDown => Motion::Halves(2),
        _ => return None,
    })
}

// === impl App ===

impl App {
    pub(super) fn key(&mut self, key: KeyEvent) {
        // No key means anything together with these; without them it may mean much.
        let foreign =
            KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META;
        if key.kind == KeyEventKind::Release || key.modifiers.intersects(foreign) {
            return;
        }
        let is_cancel =
            key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if is_cancel {
            return self.cancel();
        }
        if let Some((owner, dialog)) = &mut self.dialog {
            let owner = *owner;
            let answer = dialog.key(key);
            return self.dialog_answered(owner, answer);
        }
        if self.prompt.is_some() {
            return self.prompt_key(key);
        }
        if key.code == KeyCode::Esc && self.reader.is_waiting() {
            return self.reader.forget();
        }
        let bindings = self.bindings();
        match self.reader.read(key, &bindings.iter().copied()) {
            Read::Action(action, count) => self.act(action, count),
            Read::More => {}
            Read::Unknown => self.say("no such key here; ? shows all", Tone::Dim),
        }
    }

    /// The keys that count here, the first before the others.
    pub(super) fn bindings(&mut self) -> Vec<&'static Binding> {
        let screen = self.screen();
        let own = screen.keys();
        let is_searching = screen
            .focused()
            .is_some_and(|pane| !pane.searched().is_empty());
        let searching = if is_searching { SEARCHING } else { &[] };
        searching
            .iter()
            .chain(own)
            .chain(LISTS)
            .chain(EVERYWHERE)
            .collect()
    }

    pub(super) fn screen(&mut self) -> &mut dyn Screen {
        let stack = self.stack();
        // `stack` has opened one if there was none.
        stack
            .last_mut()
            .expect("a tab has its first place")
            .screen
            .as_mut()
    }

    /// The screen's number.
    fn here_id(&mut self) -> u64 {
        self.stack().last().map_or(0, |open| open.id)
    }

    fn dialog_answered(&mut self, owner: Owner, answer: Answer) {
        match answer {
            Answer::Within => self.typed(),
            Answer::Cancelled => {
                self.close_dialog();
                if owner == Owner::App {
                    self.login_cancelled();
                }
            }
            Answer::Copy(Copied(text)) => {
                self.copy(text, "it");
            }
            Answer::Submitted => {
                let Some((_, dialog)) = self.dialog.clone() else {
                    return;
                };
                match owner {
                    Owner::App => self.login_submitted(&dialog),
                    Owner::Screen(id) => self.with(id, |screen, cx| screen.submitted(&dialog, cx)),
                }
            }
        }
    }

    /// Puts a text into the clipboard, unless terminals would not take it.
    pub(super) fn copy(&mut self, text: String, name: &str) {
        if text.len() > MAX_COPIED {
            let sizes = (text.len() / 1024, MAX_COPIED / 1024);
            let text = format!(
                "{name} was not copied: it has {} KiB, terminals take {} KiB",
                sizes.0, sizes.1
            );
            return self.say(text, Tone::Warning);
        }
        self.out.effects.push(Effect::Copy(text));
        self.say(format!("copied {name}"), Tone::Good);
    }

    pub(super) fn act(&mut self, action: Action, count: Option<usize>) {
        let id = self.here_id();
        if let Some(motion) = motion(action) {
            return self.browse(|pane| pane.moved(motion, count));
        }
        match action {
            Action::Back | Action::Close => self.back(action == Action::Close),
            Action::Quit => self.out.effects.push(Effect::Quit),
            Action::Help => self.go(Place::Tab(Tab::Help)),
            Action::Go(tab) => self.go(Place::Tab(tab)),
            Action::NextScreen => self.go(Place::Tab(self.tab.away(1))),
            Action::PreviousScreen => self.go(Place::Tab(self.tab.away(-1))),
            Action::Command | Action::Search | Action::Filter => self.open_prompt(action),
            Action::NextMatch => self.browse(|pane| pane.next_match(true)),
            Action::PreviousMatch => self.browse(|pane| pane.next_match(false)),
            Action::Sort => self.browse(|pane| pane.sort(false)),
            Action::ReverseSort => self.browse(|pane| pane.sort(true)),
            Action::Refresh => self.ask_again(),
            Action::Cancel => self.cancel(),
            Action::Login => self.log_in(),
            action => self.with(id, |screen, cx| screen.act(action, count, cx)),
        }
    }

    /// Does something with the pane that has the focus, and tells the screen.
    pub(super) fn browse(&mut self, what: impl FnOnce(&mut dyn crate::tui::widgets::Browse)) {
        let id = self.here_id();
        if let Some(pane) = self.screen().focused() {
            what(pane);
        }
        self.with(id, |screen, cx| screen.moved(cx));
    }

    /// First a search or a filter goes, then the focus to the first pane, then one leaves the place.
    fn back(&mut self, may_quit: bool) {
        let pane = self.screen().focused();
        let is_searching = pane
            .as_ref()
            .is_some_and(|pane| !pane.searched().is_empty());
        let is_filtering = pane
            .as_ref()
            .is_some_and(|pane| !pane.filtered().is_empty());
        if !may_quit && is_searching {
            return self.browse(|pane| pane.search("", 0));
        }
        if !may_quit && is_filtering {
            return self.browse(|pane| pane.filter(""));
        }
        if self.screen().retreats() {
            return;
        }
        let is_first = self.tab == Tab::Overview && self.stack().len() == 1;
        match (is_first, may_quit) {
            (true, true) => self.out.effects.push(Effect::Quit),
            (true, false) => self.say("q leaves", Tone::Dim),
            (false, _) => self.leave(),
        }
    }

    /// Stops waiting for the server; when nothing is waited for, says how to leave, and leaves when it
    /// is pressed again.
    fn cancel(&mut self) {
        const AGAIN: &str = "Ctrl-c again leaves";
        const STOPPED: &str = "stopped waiting; R asks again, Ctrl-c again leaves";
        let is_told = |said: &super::Said| said.text == AGAIN || said.text == STOPPED;
        if self.said.as_ref().is_some_and(is_told) {
            return self.out.effects.push(Effect::Quit);
        }
        let stopped = Failure::Unreachable("stopped waiting for the server".to_owned());
        let asked = std::mem::take(&mut self.asked);
        if self.who.is_some_and(|who| asked.contains_key(&who)) {
            self.stop_asking_who(&stopped);
        }
        for (ticket, (owner, done)) in &asked {
            self.out.effects.push(Effect::GiveUp(*ticket));
            // A screen that was not told would wait for ever.
            if let (Owner::Screen(id), None) = (owner, done) {
                let stopped = stopped.clone();
                self.with(*id, |screen, cx| screen.answered(*ticket, Err(stopped), cx));
            }
        }
        if let Some((_, dialog)) = &mut self.dialog
            && !asked.is_empty()
        {
            dialog.refused("stopped waiting; whether the server did it is to be seen");
        }
        let text = if asked.is_empty() { AGAIN } else { STOPPED };
        self.say(text, Tone::Warning);
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some((_, dialog)) = &mut self.dialog {
            dialog.paste(text);
            self.typed();
        } else if self.prompt.is_some() {
            self.prompt_paste(text);
        }
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        if self.dialog.is_some() || self.prompt.is_some() {
            return;
        }
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollDown => self.browse(|pane| pane.moved(Motion::By(WHEEL), None)),
            MouseEventKind::ScrollUp => self.browse(|pane| pane.moved(Motion::By(-WHEEL), None)),
            MouseEventKind::Down(MouseButton::Left) => self.click(at),
            _ => {}
        }
    }

    fn click(&mut self, at: Position) {
        if let Some(tab) = self.tab_at(at) {
            return self.go(Place::Tab(tab));
        }
        let Some(pane) = self.screen().focused() else {
            return;
        };
        // A click on the row that has the cursor goes into it.
        let before = pane.cursor();
        let is_row = pane.click(at);
        if is_row && pane.cursor() == before {
            self.act(Action::Open, None);
        } else {
            self.browse(|_| {});
        }
    }
}
