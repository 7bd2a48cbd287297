//! Repositories: a tree by the parts of their names, and what can be done with one.

use super::super::Screen;
use super::details::{Details, path_of};
use super::pane::Pane;
use super::settings::Settings;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{bytes, counted, moment};
use crate::tui::theme::Paint;
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::{Browse, pane};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::{Value, json};

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[
    bind(
        "i n",
        Action::New,
        "new",
        "new; it is there before a push then",
    ),
    bind(
        "e",
        Action::Edit,
        "edit",
        "edit; public, quota, immutable tags",
    ),
    bind("p", Action::Public, "public", "public or not"),
    bind(
        "d <del>",
        Action::Delete,
        "delete",
        "delete; its name is asked for",
    ),
    bind(
        "u",
        Action::Undo,
        "undo",
        "undo; restores what was deleted here last",
    ),
    bind(
        "t",
        Action::Trash,
        "trash",
        "trash; what was deleted, to restore it",
    ),
    bind(
        "w",
        Action::Rules,
        "rules",
        "rules; public, quotas, tags by pattern",
    ),
    bind("y", Action::Copy, "copy", "copy the name"),
    bind("Y", Action::CopyOther, "copy-pull", "copy docker pull"),
    bind("zR", Action::OpenAll, "open-all", "open all prefixes"),
    bind("zM", Action::CloseAll, "close-all", "close all prefixes"),
];

/// The least width at which the details stand beside the tree.
const WIDE: u16 = 120;

/// The repositories.
#[derive(Debug)]
pub(super) struct Repositories {
    pane: Pane,
    details: Details,
    is_in_details: bool,
    /// What is asked before a form or a question can be put up.
    looked_up: Option<(Ticket, String, Action)>,
    /// What the dialog over the screen is about.
    about: Option<About>,
    /// Changes that are under way.
    sent: Vec<(Ticket, Change)>,
    /// What was deleted here and not restored, the last at the end.
    deleted: Vec<String>,
    /// The question until when the last one can be restored.
    until: Option<(Ticket, String)>,
}

/// What a dialog is about.
#[derive(Debug, Clone)]
enum About {
    New,
    Edit(Settings),
    Publish(Settings),
    Delete(Settings),
}

/// What was asked to be changed.
#[derive(Debug)]
enum Change {
    Created(String),
    /// Whether it should be public then.
    Set(Option<bool>),
    Deleted(String),
    Restored(String),
}

// === impl Repositories ===

impl Repositories {
    pub(super) fn new() -> Self {
        Self {
            pane: Pane::new(),
            details: Details::default(),
            is_in_details: false,
            looked_up: None,
            about: None,
            sent: Vec::new(),
            deleted: Vec::new(),
            until: None,
        }
    }

    /// The cursor is somewhere, maybe somewhere else than before.
    fn follow(&mut self, cx: &mut Context<'_>) {
        let name = self.pane.repository().map(|repository| &*repository.name);
        self.details.follow(name, cx);
        let is_other = |(_, wanted, _): &(Ticket, String, Action)| Some(&**wanted) != name;
        if self.looked_up.as_ref().is_some_and(is_other) {
            self.look_up_no_more(cx);
        }
        self.details.write(self.pane.selected());
    }

    /// Whether keys go to the details: not while there is no room for them.
    fn reads_details(&self) -> bool {
        self.is_in_details && self.details.is_seen()
    }

    fn look_up_no_more(&mut self, cx: &mut Context<'_>) {
        if let Some((ticket, ..)) = self.looked_up.take() {
            cx.give_up(ticket);
        }
    }

    fn send(&mut self, request: Request, said: String, change: Change, cx: &mut Context<'_>) {
        let ticket = cx.change(request, said);
        self.sent.push((ticket, change));
    }

    /// Does what is about the repository under the cursor.
    fn act_on(&mut self, action: Action, cx: &mut Context<'_>) {
        let Some(repository) = self.pane.repository() else {
            return cx.warn("that is done with one repository; put the cursor on one");
        };
        let name = repository.name.clone();
        match action {
            Action::CopyOther if cx.registry.is_empty() => {
                cx.warn("under which address it is pulled from is not known here");
            }
            Action::CopyOther => {
                let line = format!("docker pull {}/{name}", cx.registry);
                cx.copy(line.as_str(), &line);
            }
            // What is set has to be known before it is changed, or goes, with its version.
            _ => {
                let ticket = cx.ask(Request::get(path_of(&name)));
                self.looked_up = Some((ticket, name, action));
            }
        }
    }

    fn open(&mut self, cx: &mut Context<'_>) {
        if let Some(repository) = self.pane.repository() {
            let repository = repository.name.clone();
            cx.enter(Place::Tags { repository });
        } else if !self.pane.fold(true) {
            self.pane.fold(false);
        }
    }

    /// Puts up a form, or a question, about what was looked up.
    fn know(&mut self, settings: Settings, action: Action, cx: &mut Context<'_>) {
        if action == Action::Delete {
            self.ask_to_delete(settings, cx);
        } else if action == Action::Edit {
            let fields = settings.fields(cx.me.is_administrator);
            cx.fill_in(Form::new(format!("Edit {}", settings.name), fields));
            self.about = Some(About::Edit(settings));
        } else if settings.is_public {
            self.publish(&settings, cx);
        } else {
            let text = format!("Let anybody pull from {} without a login?", settings.name);
            cx.question(Question::new("Make it public", text));
            self.about = Some(About::Publish(settings));
        }
    }

    fn ask_to_delete(&mut self, settings: Settings, cx: &mut Context<'_>) {
        // Nothing is asked about a row that is not there any more.
        let Some(repository) = self.pane.repository() else {
            return;
        };
        let name = &settings.name;
        let text = format!(
            "Deletes {name} with all that is in it: {}, {}, {}. Until the undo period of the server has passed, u restores it.",
            counted(repository.tags, "tag"),
            counted(repository.manifests, "manifest"),
            bytes(repository.own_bytes)
        );
        cx.question(Question::typed("Delete a repository", text, name));
        self.about = Some(About::Delete(settings));
    }

    /// Makes a repository public that is not, and the other way round.
    fn publish(&mut self, settings: &Settings, cx: &mut Context<'_>) {
        let is_public = !settings.is_public;
        let request = Request::patch(path_of(&settings.name), json!({ "public": is_public }));
        let said = if is_public { "public" } else { "not public" };
        let said = format!("{} is {said} now", settings.name);
        let request = request.only_if(settings.etag.clone());
        self.send(request, said, Change::Set(Some(is_public)), cx);
    }

    fn edit(&mut self, before: &Settings, form: &Form, cx: &mut Context<'_>) {
        let after = match before.filled_in(form) {
            Ok(after) => after,
            Err(why) => return cx.refuse(why),
        };
        let changes = after.changes(before);
        if changes.is_empty() {
            cx.close_dialog();
            return cx.say("nothing was changed");
        }
        let wanted = changes.get("public").and_then(Value::as_bool);
        let request = Request::patch(path_of(&before.name), changes.into());
        let request = request.only_if(before.etag.clone());
        let said = format!("the settings of {} were changed", before.name);
        self.send(request, said, Change::Set(wanted), cx);
    }

    fn create(&mut self, form: &Form, cx: &mut Context<'_>) {
        let Some(name) = form.given("name") else {
            return cx.refuse("a name is needed");
        };
        let body = json!({ "name": name, "public": form.is_on("public") });
        let request = Request::post("/repositories", body);
        let change = Change::Created(name.to_owned());
        self.send(request, format!("{name} was created"), change, cx);
    }

    fn undo(&mut self, cx: &mut Context<'_>) {
        // Not asked for twice: what the server will not restore is not in the way of what was deleted before.
        let Some(name) = self.deleted.pop() else {
            return cx.warn("nothing was deleted here; t shows what can be restored");
        };
        let request = Request::post("/undelete", json!({ "repository": name }));
        let said = format!("{name} is restored with all that was in it");
        self.send(request, said, Change::Restored(name), cx);
    }

    /// The prefix that a new repository would have beside the cursor.
    fn prefix(&self) -> String {
        let row = self.pane.selected();
        let prefix = row.and_then(|row| match row.group {
            Some(_) => Some(row.figures.name.as_str()),
            None => row.figures.name.get(..row.label_at),
        });
        prefix.unwrap_or_default().to_owned()
    }
}

/// Tells how long what was deleted can be restored. That it was deleted is told already, and stays what is
/// told when this cannot be.
fn tell_until(name: &str, reply: &Result<Reply, Failure>, cx: &mut Context<'_>) {
    let items = reply.as_ref().ok().map(|reply| &reply.body["items"]);
    let mut items = items.and_then(Value::as_array).into_iter().flatten();
    let item = items.find(|item| item["repository"] == name);
    if let Some(left) = item.and_then(|item| item["restorable_for_ms"].as_u64()) {
        let until = moment(cx.now.saturating_add(left));
        cx.say(format!(
            "{name} was deleted; u restores it, until {until} UTC"
        ));
    }
}

impl Screen for Repositories {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.pane.load(cx);
        self.details.changed(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        if self.reads_details() {
            return Some(self.details.browse());
        }
        Some(&mut self.pane)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        self.look_up_no_more(cx);
        match action {
            Action::New => {
                let name = Field::text("name", &self.prefix(), "such as team/app");
                let public = Field::switch("public", false, "space: whether anybody may pull");
                cx.fill_in(Form::new("New repository", vec![name, public]));
                self.about = Some(About::New);
            }
            Action::Edit | Action::Public | Action::Delete | Action::CopyOther => {
                self.act_on(action, cx);
            }
            Action::Undo => self.undo(cx),
            Action::Trash => cx.enter(Place::Trash { repository: None }),
            Action::Rules => cx.enter(Place::Rules),
            Action::Copy => {
                if let Some(row) = self.pane.selected() {
                    cx.copy(row.figures.name.as_str(), &row.figures.name);
                }
            }
            Action::NextPane | Action::PreviousPane => {
                self.is_in_details = !self.reads_details() && self.details.is_seen();
            }
            Action::Left if self.reads_details() => self.is_in_details = false,
            Action::OpenAll => self.pane.fold_all(true),
            Action::CloseAll => self.pane.fold_all(false),
            Action::Right if self.pane.fold(true) => {}
            // Into what is open: the row below.
            Action::Right if self.pane.repository().is_none() => {
                self.pane.moved(crate::tui::widgets::Motion::By(1), None);
            }
            Action::Open | Action::Right => self.open(cx),
            Action::Left if !self.pane.fold(false) => self.pane.go_up(),
            _ => {}
        }
        self.follow(cx);
    }

    fn retreats(&mut self) -> bool {
        let was_there = self.reads_details();
        self.is_in_details = false;
        was_there
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        self.follow(cx);
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        // It stays known: after a refusal the same dialog is answered again.
        match (self.about.clone(), dialog) {
            (Some(About::New), Dialog::Form(form)) => self.create(form, cx),
            (Some(About::Edit(before)), Dialog::Form(form)) => self.edit(&before, form, cx),
            (Some(About::Publish(settings)), Dialog::Question(_)) => self.publish(&settings, cx),
            (Some(About::Delete(Settings { name, etag, .. })), Dialog::Question(_)) => {
                let request = Request::delete(path_of(&name)).only_if(etag);
                let said = format!("{name} was deleted; u restores it");
                self.send(request, said, Change::Deleted(name), cx);
            }
            _ => {}
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.pane.answered(ticket, &reply, cx) {
            return self.follow(cx);
        }
        if self.details.answered(ticket, &reply) {
            return self.details.write(self.pane.selected());
        }
        let is_asked = |asked: &mut (Ticket, String)| asked.0 == ticket;
        if let Some((_, name)) = self.until.take_if(is_asked) {
            return tell_until(&name, &reply, cx);
        }
        let is_it = |asked: &mut (Ticket, String, Action)| asked.0 == ticket;
        if let Some((_, name, action)) = self.looked_up.take_if(is_it) {
            match reply {
                Ok(reply) => self.know(Settings::read(&name, &reply), action, cx),
                Err(failure) => cx.warn(failure.to_string()),
            }
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        let place = self.sent.iter().position(|(sent, _)| *sent == ticket);
        match place.map(|place| self.sent.swap_remove(place).1) {
            Some(Change::Created(name)) => {
                if reply.body["created"] == false {
                    cx.warn(format!("{name} was there already"));
                }
                self.pane.select(&name);
            }
            Some(Change::Set(Some(false))) if reply.body["public"] == true => {
                cx.warn("it is still public: another rule says so; w shows the rules");
            }
            Some(Change::Deleted(name)) => {
                let ticket = cx.ask(Request::get("/deleted?n=1000"));
                self.until = Some((ticket, name.clone()));
                self.deleted.push(name);
            }
            Some(Change::Restored(name)) => self.pane.select(&name),
            Some(Change::Set(_)) | None => {}
        }
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if !matches!(
            &*event.kind,
            "repository" | "tag" | "push" | "delete" | "rule" | "missed"
        ) {
            return;
        }
        self.pane.changed(cx);
        let object = event.data["object"].as_str().unwrap_or_default();
        if event.data["action"] == "undelete" {
            self.deleted.retain(|deleted| deleted != object);
        }
        let here = self.pane.repository().map(|repository| &*repository.name);
        let is_here = here.is_some_and(|name| {
            let rest = object.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        });
        if is_here || event.kind == "rule" {
            self.details.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.pane.tick(cx);
        self.details.tick(cx);
        if self.details.is_misfit() {
            self.details.write(self.pane.selected());
        }
    }

    fn is_loading(&self) -> bool {
        self.pane.is_loading() || self.details.is_waiting()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let beside = if area.width >= WIDE {
            area.width / 3
        } else {
            0
        };
        let tree = Rect {
            width: area.width - beside.min(64),
            ..area
        };
        let inside = pane(
            frame,
            tree,
            &self.pane.title(),
            paint.look,
            !self.reads_details(),
        );
        self.pane.draw(frame, inside, paint);
        if beside == 0 {
            return self.details.hide();
        }
        let rest = Rect {
            x: tree.x + tree.width,
            width: area.width - tree.width,
            ..area
        };
        self.details
            .draw(frame, rest, paint.look, self.reads_details());
    }
}
