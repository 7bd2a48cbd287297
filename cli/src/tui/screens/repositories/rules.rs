//! Rules: how the repositories behave that a pattern names: public, their quota, immutable tags.

use super::super::Screen;
use super::details::pair;
use super::settings::Settings;
use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{bytes, encoded};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, number, roomy, wide};
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::list::Row;
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::{Browse, Cell, cell, gauge, pane, panel};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};
use serde_json::Value;
use std::cmp::Ordering;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind(
        "i n",
        Action::New,
        "new",
        "new rule for a pattern of repositories",
    ),
    bind(
        "e",
        Action::Edit,
        "edit",
        "edit; public, quota, immutable tags",
    ),
    bind("d <del>", Action::Delete, "delete", "delete the rule"),
    bind("y", Action::Copy, "copy", "copy the pattern"),
];

/// Lines of what is told of the rule under the cursor, with its border.
const DETAILS: u16 = 7;

/// The least height at which there is room for them.
const ROOMY: u16 = 18;

/// The rules.
#[derive(Debug)]
pub(super) struct Rules {
    listing: Listing<Rule>,
    /// What is asked before the form can be put up.
    looked_up: Option<(Ticket, String, Action)>,
    about: Option<About>,
    /// The pattern of the rule that is being set, to find it in the list afterwards.
    set: Option<String>,
}

/// What a dialog is about.
#[derive(Debug, Clone)]
enum About {
    New,
    Edit(Settings),
    Delete(Settings),
}

/// A rule.
#[derive(Debug)]
struct Rule {
    settings: Settings,
    used: Option<u64>,
}

fn path_of(pattern: &str) -> String {
    format!("/rules/{}", encoded(pattern))
}

// === impl Rules ===

impl Rules {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/rules?"),
            looked_up: None,
            about: None,
            set: None,
        }
    }

    fn look_up_no_more(&mut self, cx: &mut Context<'_>) {
        if let Some((ticket, ..)) = self.looked_up.take() {
            cx.give_up(ticket);
        }
    }

    /// Sets a rule to what was filled in.
    fn put(&mut self, before: &Settings, form: &Form, cx: &mut Context<'_>) {
        match before.filled_in(form) {
            Ok(rule) => {
                let request = Request::put(path_of(&rule.name), rule.all());
                let said = format!("the rule on {} is set", rule.name);
                cx.change(request.only_if(before.etag.clone()), said);
                self.set = Some(rule.name);
            }
            Err(why) => cx.refuse(why),
        }
    }

    /// Puts up a form, or a question, about what was looked up.
    fn know(&mut self, rule: Settings, action: Action, cx: &mut Context<'_>) {
        let on = &rule.name;
        if action == Action::Delete {
            let text = format!(
                "Delete the rule on {on} ({})? The repositories stay; they behave by the other rules then.",
                rule.said()
            );
            cx.question(Question::new("Delete a rule", text));
            self.about = Some(About::Delete(rule));
        } else {
            cx.fill_in(Form::new(
                format!("Edit the rule on {on}"),
                rule.fields(true),
            ));
            self.about = Some(About::Edit(rule));
        }
    }

    fn make(&mut self, form: &Form, cx: &mut Context<'_>) {
        let Some(pattern) = form.given("pattern") else {
            return cx.refuse("a pattern is needed");
        };
        let is_it = |rule: &Rule| rule.settings.name == pattern;
        if self.listing.rows().iter().any(is_it) {
            let why = format!("there is a rule on {pattern}; e edits it");
            return cx.refuse(why);
        }
        let nothing = Settings::of(pattern, &Value::Null);
        self.put(&nothing, form, cx);
    }
}

impl Screen for Rules {
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
        self.look_up_no_more(cx);
        if action == Action::New {
            let hint = "names of repositories: team/app, team/*, team/**";
            let mut fields = vec![Field::text("pattern", "", hint)];
            fields.extend(Settings::default().fields(true));
            self.about = Some(About::New);
            return cx.fill_in(Form::new("New rule", fields));
        }
        let Some(rule) = self.listing.selected() else {
            return;
        };
        let on = rule.settings.name.clone();
        match action {
            // What it says has to be known before it is changed, or goes, with its version.
            Action::Edit | Action::Open | Action::Delete => {
                let ticket = cx.ask(Request::get(path_of(&on)));
                self.looked_up = Some((ticket, on, action));
            }
            Action::Copy => cx.copy(on.as_str(), &on),
            _ => {}
        }
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        self.look_up_no_more(cx);
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        match (self.about.clone(), dialog) {
            (Some(About::New), Dialog::Form(form)) => self.make(form, cx),
            (Some(About::Edit(before)), Dialog::Form(form)) => self.put(&before, form, cx),
            (Some(About::Delete(rule)), Dialog::Question(_)) => {
                let said = format!("the rule on {} was deleted", rule.name);
                cx.change(
                    Request::delete(path_of(&rule.name)).only_if(rule.etag),
                    said,
                );
            }
            _ => {}
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.listing.answered(ticket, &reply, cx) {
            return;
        }
        let is_it = |asked: &mut (Ticket, String, Action)| asked.0 == ticket;
        let Some((_, on, action)) = self.looked_up.take_if(is_it) else {
            return;
        };
        match reply {
            Ok(reply) => self.know(Settings::read(&on, &reply), action, cx),
            Err(failure) => cx.warn(failure.to_string()),
        }
    }

    fn changed(&mut self, _ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        self.load(cx);
        if let Some(on) = self.set.take() {
            if reply.body.is_null() {
                cx.warn(format!("the rule on {on} says nothing, so there is none"));
            } else {
                self.listing.select(&on);
            }
        }
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        // What is pushed and deleted counts in the quotas.
        if matches!(
            &*event.kind,
            "rule" | "repository" | "push" | "gc" | "missed"
        ) {
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
        let look = paint.look;
        let rule = self.listing.selected().filter(|_| area.height >= ROOMY);
        let below = if rule.is_some() { DETAILS } else { 0 };
        let list = Rect {
            height: area.height - below,
            ..area
        };
        let inside = pane(frame, list, &self.listing.title("Rules"), look, true);
        let none = "there is no rule yet; i makes one: public repositories, quotas, immutable tags";
        self.listing.draw(frame, inside, paint, none);
        let Some(rule) = rule else {
            return;
        };
        let rest = Rect {
            y: list.y + list.height,
            height: below,
            ..area
        };
        let inside = panel(frame, rest, &rule.settings.name, look);
        let public = if rule.settings.is_public {
            "yes, anybody may pull"
        } else {
            "not by this rule"
        };
        let tags = match rule.settings.immutable_tags.join(" ") {
            tags if tags.is_empty() => "none".to_owned(),
            tags => tags,
        };
        let lines = vec![
            pair(look, "public", public),
            pair(look, "quota", &rule.settings.quota_said()),
            pair(look, "used", &rule.used_said(paint)),
            pair(look, "immutable", &tags),
        ];
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
    }
}

// === impl Rule ===

impl Rule {
    /// What is held, and how much of the quota that is.
    fn used_said(&self, paint: Paint) -> String {
        match (self.used, self.settings.quota) {
            (Some(used), Some(quota)) => {
                let gauge = gauge(paint.look, used, quota, 30);
                format!("{gauge}  {} of {}", bytes(used), bytes(quota))
            }
            (Some(used), None) => bytes(used),
            (None, _) => "counted where there is a quota".to_owned(),
        }
    }

    fn share(&self) -> u64 {
        match (self.used, self.settings.quota) {
            (Some(used), Some(quota)) => used.saturating_mul(100) / quota.max(1),
            _ => 0,
        }
    }
}

impl Row for Rule {
    const COLUMNS: &'static [Column] = &[
        roomy("pattern", 20, 0),
        column("public", 6, 0),
        number("quota", 10, 0),
        number("used", 10, 1),
        column("share of the quota", 18, 2),
        wide("immutable tags", 0),
    ];

    fn key(&self) -> &str {
        &self.settings.name
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        self.drawn(Paint {
            now,
            ..Paint::default()
        })
    }

    fn drawn(&self, paint: Paint) -> Vec<Cell> {
        let Settings { name, quota, .. } = &self.settings;
        let tone = match self.share() {
            0..80 => Tone::Good,
            80..100 => Tone::Warning,
            _ => Tone::Bad,
        };
        let gauge = match (self.used, quota) {
            (Some(used), Some(quota)) => gauge(paint.look, used, *quota, 12),
            _ => String::new(),
        };
        let public = if self.settings.is_public {
            "public"
        } else {
            ""
        };
        vec![
            cell(name.as_str(), Tone::Accent),
            cell(public, Tone::Warning),
            cell(quota.map(bytes).unwrap_or_default(), Tone::Plain),
            cell(self.used.map(bytes).unwrap_or_default(), tone),
            cell(gauge, tone),
            cell(self.settings.immutable_tags.join(" "), Tone::Plain),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let (a, b) = (&self.settings, &other.settings);
        match column {
            1 => a.is_public.cmp(&b.is_public),
            2 => a.quota.cmp(&b.quota),
            3 => self.used.cmp(&other.used),
            4 => self.share().cmp(&other.share()),
            5 => a.immutable_tags.cmp(&b.immutable_tags),
            _ => a.name.cmp(&b.name),
        }
    }
}

impl Item for Rule {
    fn read(item: &Value) -> Option<Self> {
        let on = item["on"].as_str()?;
        Some(Self {
            settings: Settings::of(on, item),
            used: item["used_bytes"].as_u64(),
        })
    }
}
