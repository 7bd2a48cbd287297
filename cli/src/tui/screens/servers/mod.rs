//! Servers and logins: the registries that are known, and as whom they are asked. No secret is shown.

#[cfg(test)]
mod tests;

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, Section, bind};
use crate::tui::server::Server;
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, roomy};
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::list::{List, Row, contains};
use crate::tui::widgets::{Browse, Cell, cell, panel, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use std::cmp::Ordering;

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[Section {
    name: "Servers",
    bindings: KEYS,
}];

const KEYS: &[Binding] = &[
    bind("i n", Action::New, "add-server", "add a server"),
    bind(
        "e",
        Action::Edit,
        "edit-server",
        "change; address, name, user, password",
    ),
    bind(
        "d <del>",
        Action::Delete,
        "forget-server",
        "forget; in floundr.yml too",
    ),
];

/// The screen of one of their places.
pub(super) fn open(_place: &Place) -> Box<dyn Screen> {
    Box::new(Servers::default())
}

/// The servers that are known.
#[derive(Debug, Default)]
struct Servers {
    list: List<Known>,
    /// Which one the question is about.
    asked_about: Option<String>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    name: String,
    address: String,
    who: String,
    is_asked: bool,
    is_remembered: bool,
    can_be_forgotten: bool,
}

// === impl Servers ===

impl Servers {
    fn take(&mut self, cx: &Context<'_>) {
        let known = |server: &Server| Known {
            name: server.name.clone(),
            address: server.address(),
            who: server.who(),
            is_asked: cx.server.is_some_and(|asked| asked.name == server.name),
            is_remembered: server.is_remembered,
            can_be_forgotten: server.known().is_some(),
        };
        let rows: Vec<_> = cx.servers.iter().map(known).collect();
        if rows != self.list.rows() {
            self.list.replace(rows);
        }
    }
}

impl Screen for Servers {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.take(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.list)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        self.take(cx);
        if action == Action::New {
            return cx.add_server();
        }
        let Some(server) = self.list.selected() else {
            return;
        };
        match action {
            Action::Open => cx.switch_server(&server.name),
            Action::Edit => cx.edit_server(&server.name),
            Action::Delete if !server.can_be_forgotten => {
                cx.warn("the server on this machine is there as long as it runs");
            }
            Action::Delete => {
                self.asked_about = Some(server.name.clone());
                let text = format!(
                    "Forget {}, and how to log in there as {}?",
                    server.name, server.who
                );
                cx.question(Question::new("Forget a server", text));
            }
            _ => {}
        }
    }

    fn submitted(&mut self, _dialog: &Dialog, cx: &mut Context<'_>) {
        cx.close_dialog();
        if let Some(name) = self.asked_about.take() {
            cx.forget_server(&name);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.take(cx);
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let title = format!("Servers {}", self.list.len());
        let inside = panel(frame, area, &title, paint.look);
        if self.list.len() > 0 {
            return self.list.draw(frame, inside, paint);
        }
        let text = if self.list.rows().is_empty() {
            "no server is known; i adds one"
        } else {
            "nothing has this in it"
        };
        frame.render_widget(span(paint.look, text, Tone::Dim), inside);
    }
}

impl Row for Known {
    const COLUMNS: &'static [Column] = &[
        column("name", 16, 0),
        roomy("address", 28, 0),
        column("as", 20, 1),
        column("asked", 5, 0),
        column("remembered", 10, 2),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        let state = if self.is_asked { "now" } else { "" };
        let kept = if self.is_remembered { "yes" } else { "no" };
        vec![
            cell(self.name.as_str(), Tone::Accent),
            cell(self.address.as_str(), Tone::Plain),
            cell(self.who.as_str(), Tone::Plain),
            cell(state, Tone::Good),
            cell(kept, Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            1 => self.address.cmp(&other.address),
            2 => self.who.cmp(&other.who),
            3 => other.is_asked.cmp(&self.is_asked),
            _ => other.is_remembered.cmp(&self.is_remembered),
        }
    }

    fn matches(&self, text: &str) -> bool {
        [&self.name, &self.address, &self.who]
            .iter()
            .any(|part| contains(part, text))
    }
}
