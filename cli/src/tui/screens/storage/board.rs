//! [`Board`]: the screen of the tab: collector, check and store above, the repositories by what they hold
//! below.
//!
//! Invariants:
//! 1. At most one question of a kind is out: events ask no faster than the server answers.

use super::jobs::{Jobs, Kind, collection};
use super::usage::{BY_SIZE, Usage, tell_all};
use super::works::Works;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::span as time_span;
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::columns::fitted;
use crate::tui::widgets::dialog::{Dialog, Notice, Question};
use crate::tui::widgets::list::List;
use crate::tui::widgets::listing::Listing;
use crate::tui::widgets::textview::Parts;
use crate::tui::widgets::{Browse, pane, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use serde_json::{Value, json};

/// What one looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pane {
    Usage,
    Collector,
    Check,
    Store,
}

/// What was asked of the user.
#[derive(Debug, Clone)]
enum Asked {
    Form(Kind),
    /// Whether to send this although it makes deletions final.
    Empty(Value),
}

/// What is out.
#[derive(Debug, Default)]
struct Tickets {
    collector: Option<Ticket>,
    check: Option<Ticket>,
    backup: Option<Ticket>,
}

/// How often the backup is asked how far it is, in milliseconds.
const POLL: u64 = 1_000;

/// Collection and storage.
#[derive(Debug)]
pub(super) struct Board {
    usage: Listing<Usage>,
    works: Works,
    jobs: Jobs,
    tickets: Tickets,
    polled_at: u64,
    /// Whoever asks may not: what the server tells by itself has nothing asked, as each refusal is in the
    /// audit log.
    is_refused: bool,
    focus: Pane,
    asked: Option<Asked>,
}

/// The word that is typed for it.
const EMPTY: &str = "empty";

/// What is asked before deletions become final.
const EMPTIES: &str = "Everything that was deleted and can still be restored becomes final, in all repositories, \
                       and what is due is collected. Nobody can undo that.";

impl Pane {
    const ALL: [Self; 4] = [Self::Usage, Self::Collector, Self::Check, Self::Store];

    /// What can be started that it shows.
    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Usage => None,
            Self::Collector => Some(Kind::Collection),
            Self::Check => Some(Kind::Check),
            Self::Store => Some(Kind::Backup),
        }
    }

    fn away(self, steps: isize) -> Self {
        let here = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let there = (here.cast_signed() + steps).rem_euclid(Self::ALL.len().cast_signed());
        Self::ALL[there.cast_unsigned()]
    }
}

// === impl Board ===

impl Board {
    pub(super) fn new() -> Self {
        Self {
            usage: Listing::with("/usage?", List::sorted(BY_SIZE, true)).of("repositories"),
            works: Works::default(),
            jobs: Jobs::default(),
            tickets: Tickets::default(),
            polled_at: 0,
            is_refused: false,
            focus: Pane::Usage,
            asked: None,
        }
    }

    fn ask_collector(&mut self, cx: &mut Context<'_>) {
        if self.tickets.collector.is_none() && !self.is_refused {
            self.tickets.collector = Some(cx.ask(Request::get("/gc")));
        }
    }

    fn ask_check(&mut self, cx: &mut Context<'_>) {
        if self.tickets.check.is_none() && !self.is_refused {
            self.tickets.check = Some(cx.ask(Request::get("/check")));
        }
    }

    fn ask_backup(&mut self, cx: &mut Context<'_>) {
        self.polled_at = cx.now;
        if self.tickets.backup.is_none() {
            self.tickets.backup = Some(cx.ask(Request::get("/backup")));
        }
    }

    /// Asks for what is to be filled in, unless one goes on.
    fn form(&mut self, kind: Kind, cx: &mut Context<'_>) {
        if self.jobs.is_running(kind) {
            cx.warn(format!(
                "a {} that was started here goes on; Ctrl-c ends it",
                kind.name()
            ));
            return;
        }
        self.asked = Some(Asked::Form(kind));
        self.jobs.ask_for(kind, cx);
    }

    fn ask_to_empty(&mut self, body: Value, cx: &mut Context<'_>) {
        self.asked = Some(Asked::Empty(body));
        cx.question(Question::typed("Empty the trash", EMPTIES, EMPTY));
    }

    fn pause(&mut self, cx: &mut Context<'_>) {
        if !self.works.collector.body.is_object() {
            cx.warn("whether collection is paused is not known yet");
        } else if self.works.is_paused() {
            cx.change(Request::post("/gc/resume", json!({})), "collection goes on");
        } else {
            let done = "collection is paused: nothing is removed until p resumes it";
            cx.change(Request::post("/gc/pause", json!({})), done);
        }
    }

    /// What `Enter` does in the pane that has the focus.
    fn open(&self, cx: &mut Context<'_>) {
        if self.focus == Pane::Usage {
            if let Some(usage) = self.usage.selected() {
                cx.enter(Place::Tags {
                    repository: usage.name.clone(),
                });
            }
            return;
        }
        let (title, _) = self.title(self.focus);
        // A notice has no look of its own: what is drawn from letters is ASCII in it.
        let look = Look {
            ascii: true,
            ..Look::default()
        };
        let lines = self.lines(self.focus, look, WIDE, cx.now);
        let mut lines: Vec<String> = lines.iter().map(flat).collect();
        if self.focus == Pane::Collector {
            lines.extend(self.works.damage());
        }
        if let Some(told) = self.focus.kind().and_then(|kind| self.jobs.told(kind)) {
            lines.extend(told.lines.iter().skip(1).cloned());
        }
        cx.notice(Notice::new(title, lines));
    }

    fn title(&self, pane: Pane) -> (&'static str, bool) {
        let title = match pane {
            Pane::Usage => "",
            Pane::Collector => "Collector",
            Pane::Check => "Check",
            Pane::Store => "Store",
        };
        (title, self.focus == pane)
    }

    /// What a pane says; what was started here comes first.
    fn lines(&self, pane: Pane, look: Look, width: u16, now: u64) -> Vec<Parts> {
        let mut lines = Vec::new();
        if let Some(kind) = pane.kind() {
            lines.extend(self.own_line(kind, look, now));
        }
        if pane == Pane::Store {
            lines.extend(self.works.backup_line());
        }
        lines.extend(match pane {
            Pane::Usage => Vec::new(),
            Pane::Collector => self.works.collector_lines(now),
            Pane::Check => self.works.check_lines(look, width),
            Pane::Store => self.works.store_lines(),
        });
        lines
    }

    /// How it is with what was started here.
    fn own_line(&self, kind: Kind, look: Look, now: u64) -> Option<Parts> {
        let name = match kind {
            Kind::Backup => "backup",
            Kind::Collection | Kind::Check => "yours",
        };
        let name = (format!("{name:<9}"), Tone::Dim);
        if let Some(since) = self.jobs.since(kind) {
            let turning = look.spinner(now);
            let passed = time_span(now.saturating_sub(since));
            let text = format!("{turning} goes on for {passed}; Ctrl-c ends it");
            return Some(vec![name, (text, Tone::Accent)]);
        }
        let told = self.jobs.told(kind)?;
        let mut text = told.lines.first().cloned().unwrap_or_default();
        if told.lines.len() > 1 {
            text += " ...";
        }
        Some(vec![name, (text, told.tone)])
    }

    fn draw_info(&self, frame: &mut Frame<'_>, area: Rect, which: Pane, paint: Paint) {
        let (title, has_focus) = self.title(which);
        let inside = pane(frame, area, title, paint.look, has_focus);
        let lines = self.lines(which, paint.look, inside.width, paint.now);
        let lines = lines.iter().take(usize::from(inside.height));
        let lines = lines.map(|parts| drawn(parts, inside.width, paint.look));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inside);
    }

    fn draw_usage(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let title = self.usage.title("Repositories");
        let has_focus = self.focus == Pane::Usage;
        let inside = pane(frame, area, &title, paint.look, has_focus);
        let has_foot = inside.height > 3;
        let [list, foot] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(u16::from(has_foot))])
                .areas(inside);
        let none = "there are no repositories; a first push makes one";
        self.usage.draw(frame, list, paint, none);
        if let Some(line) = self.summary(foot.width, paint.look) {
            frame.render_widget(line, foot);
        }
    }

    /// What there is to say of the repository under the cursor.
    fn summary(&self, width: u16, look: Look) -> Option<Line<'static>> {
        let mut text = self.usage.selected()?.summary();
        let unreadable: u64 = self.usage.rows().iter().map(Usage::unreadable).sum();
        if unreadable > 0 {
            text = format!("{unreadable} rows could not be read and are in no sum; {text}");
        }
        Some(Line::from(span(
            look,
            &fitted(&text, width, look),
            Tone::Dim,
        )))
    }
}

/// The width at which lines are written for a notice.
const WIDE: u16 = 60;

/// A line without its tones.
fn flat(parts: &Parts) -> String {
    parts.iter().map(|(text, _)| text.as_str()).collect()
}

/// A line, cut where the room ends.
fn drawn(parts: &Parts, width: u16, look: Look) -> Line<'static> {
    let mut left = width;
    let mut spans = Vec::new();
    for (text, tone) in parts {
        let text = fitted(text, left, look);
        let used = Span::raw(text.as_str()).width();
        left = left.saturating_sub(u16::try_from(used).unwrap_or(left));
        spans.push(span(look, &text, *tone));
    }
    Line::from(spans)
}

impl Screen for Board {
    fn keys(&self) -> &'static [Binding] {
        super::KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.is_refused = false;
        self.usage.load(cx);
        self.ask_collector(cx);
        self.ask_check(cx);
        self.ask_backup(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        (self.focus == Pane::Usage).then_some(&mut self.usage as &mut dyn Browse)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane => self.focus = self.focus.away(1),
            Action::PreviousPane => self.focus = self.focus.away(-1),
            Action::Open | Action::Right => self.open(cx),
            Action::Run => self.form(Kind::Collection, cx),
            Action::Check => self.form(Kind::Check, cx),
            Action::Backup => self.form(Kind::Backup, cx),
            Action::DryRun => cx.enter(Place::Plan),
            Action::Pause => self.pause(cx),
            Action::EmptyTrash => self.ask_to_empty(collection(None, true), cx),
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        std::mem::replace(&mut self.focus, Pane::Usage) != Pane::Usage
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        match (self.asked.clone(), dialog) {
            (Some(Asked::Form(kind)), Dialog::Form(form)) => {
                let Some(body) = self.jobs.read(kind, form, cx) else {
                    return;
                };
                if body["empty_trash"] == true {
                    self.ask_to_empty(body, cx);
                } else {
                    self.jobs.start(kind, body, cx);
                }
            }
            (Some(Asked::Empty(body)), Dialog::Question(_)) => {
                self.jobs.start(Kind::Collection, body, cx);
            }
            _ => {}
        }
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        mut reply: Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) {
        if let Some(kind) = self.jobs.answered(ticket, &reply, cx) {
            match kind {
                Kind::Collection => self.usage.changed(cx),
                Kind::Check => self.ask_check(cx),
                Kind::Backup => self.ask_backup(cx),
            }
            return self.ask_collector(cx);
        }
        let wanted = Some(ticket);
        if self.tickets.collector == wanted {
            self.tickets.collector = None;
            let failure = reply.as_ref().err();
            let status = failure.and_then(Failure::status);
            self.is_refused |= matches!(status, Some(401 | 403));
            self.works.collector_came(reply, cx.now);
        } else if self.tickets.check == wanted {
            self.tickets.check = None;
            self.works.check_came(reply, cx.now);
        } else if self.tickets.backup == wanted {
            self.tickets.backup = None;
            self.works.backup.take(reply);
        } else {
            if let Ok(reply) = &mut reply {
                tell_all(&mut reply.body);
            }
            let is_usage = self.usage.answered(ticket, &reply, cx);
            if let (true, Ok(reply)) = (is_usage, reply) {
                self.works.store = reply.body["store"].clone();
            }
        }
    }

    fn changed(&mut self, _ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        // Pausing and resuming are answered with the status.
        self.works.collector_came(Ok(reply.clone()), cx.now);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        match event.kind.as_str() {
            "status" => {
                self.works.beat(&event.data, cx.now);
                if self.works.is_collecting() {
                    self.ask_collector(cx);
                }
            }
            "gc" => {
                self.ask_collector(cx);
                self.usage.changed(cx);
            }
            "check" => self.ask_check(cx),
            "push" | "delete" | "repository" => self.usage.changed(cx),
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.usage.tick(cx);
        let is_due = self.polled_at + POLL <= cx.now;
        if is_due && (self.jobs.is_running(Kind::Backup) || self.works.backup_line().is_some()) {
            self.ask_backup(cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.usage.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        if area.height < 18 {
            // Too low for all: the one that is looked at.
            return match self.focus {
                Pane::Usage => self.draw_usage(frame, area, paint),
                which => self.draw_info(frame, area, which, paint),
            };
        }
        let is_wide = area.width >= 120;
        let (high, low) = if is_wide { (9, 0) } else { (6, 5) };
        let [above, between, below] = Layout::vertical([
            Constraint::Length(high),
            Constraint::Length(low),
            Constraint::Min(0),
        ])
        .areas(area);
        if is_wide {
            let thirds = [Constraint::Ratio(1, 3); 3];
            let [left, middle, right] = Layout::horizontal(thirds).areas(above);
            self.draw_info(frame, left, Pane::Collector, paint);
            self.draw_info(frame, middle, Pane::Check, paint);
            self.draw_info(frame, right, Pane::Store, paint);
        } else {
            let halves = [Constraint::Ratio(1, 2); 2];
            let [left, right] = Layout::horizontal(halves).areas(above);
            self.draw_info(frame, left, Pane::Collector, paint);
            self.draw_info(frame, right, Pane::Store, paint);
            self.draw_info(frame, between, Pane::Check, paint);
        }
        self.draw_usage(frame, below, paint);
    }
}
