//! [`Deeds`]: what is done to tags and manifests of a repository: set, moved, deleted, and undone.
//!
//! Invariants:
//! 1. A tag that names something is moved or deleted only if it still names what was shown.
//! 2. What is undone is the last that the server did from here and that was not undone yet; a refusal
//!    changes nothing.
//! 3. A new tag takes no name that one has already, and is not set when its form was thrown away.

use super::{manifest_path, still, tag_path};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::{short, strings};
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::form::{Field, Form};
use serde_json::json;

/// Tags that a question names.
const NAMED: usize = 12;

/// What is done.
#[derive(Debug)]
pub(super) struct Deeds {
    repository: String,
    /// What the dialog is about.
    asking: Option<Deed>,
    /// What the server was asked before something can be done.
    looked_up: Option<(Ticket, LookUp)>,
    /// A new tag whose name is free: it is set if its form is still there.
    is_free: Option<Deed>,
    /// What the server was told to do, and whether that undoes something.
    sent: Vec<(Ticket, Deed, bool)>,
    /// How what was done is undone, the last behind the others.
    undo: Vec<Deed>,
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq)]
enum Deed {
    /// A tag names a manifest.
    Set {
        tag: String,
        digest: String,
        /// What it named; none: nothing.
        before: Option<String>,
    },
    DeleteTag {
        tag: String,
        digest: String,
    },
    DeleteManifest {
        digest: String,
    },
    Restore {
        reference: String,
    },
}

#[derive(Debug)]
enum LookUp {
    /// What another tag names, for a form.
    Target {
        tag: String,
        before: String,
        form: Form,
    },
    /// Whether the name of a new tag is taken.
    Name { tag: String, digest: String },
    /// Which tags a manifest has.
    Tags { digest: String },
}

/// What is another now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// What a tag names.
    Tag(String),
    /// A manifest is there no more.
    Gone(String),
    /// A manifest is there again.
    Back(String),
}

// === impl Deeds ===

impl Deeds {
    pub(super) fn new(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            asking: None,
            looked_up: None,
            is_free: None,
            sent: Vec::new(),
            undo: Vec::new(),
        }
    }

    /// Asks for the name of another tag of a manifest.
    pub(super) fn new_tag(&mut self, digest: String, cx: &mut Context<'_>) {
        let hint = format!("will name {}", short(&digest));
        let form = Form::new("New tag", vec![Field::text("name", "", hint)]);
        self.asking = Some(Deed::Set {
            tag: String::new(),
            digest,
            before: None,
        });
        self.is_free = None;
        cx.fill_in(form);
    }

    /// Asks where a tag is to be moved.
    pub(super) fn move_tag(&mut self, tag: String, digest: String, cx: &mut Context<'_>) {
        let hint = format!("a digest or another tag; it names {} now", short(&digest));
        let form = Form::new(format!("Move {tag}"), vec![Field::text("to", "", hint)]);
        self.asking = Some(Deed::Set {
            tag,
            digest: String::new(),
            before: Some(digest),
        });
        self.is_free = None;
        cx.fill_in(form);
    }

    /// Asks whether a tag is to name this again; `before` is what it names now.
    pub(super) fn set_back(
        &mut self,
        tag: &str,
        digest: &str,
        before: Option<String>,
        cx: &mut Context<'_>,
    ) {
        let now = before.as_deref().map_or("nothing", short);
        let text = format!("Let {tag} name {}? It names {now} now.", short(digest));
        self.asking = Some(Deed::Set {
            tag: tag.to_owned(),
            digest: digest.to_owned(),
            before,
        });
        cx.question(Question::new("Set a tag back", text));
    }

    pub(super) fn delete_tag(&mut self, tag: String, digest: String, cx: &mut Context<'_>) {
        let text = format!(
            "Delete the tag {tag}? The manifest {} stays; u brings the tag back.",
            short(&digest)
        );
        self.asking = Some(Deed::DeleteTag { tag, digest });
        cx.question(Question::new("Delete a tag", text));
    }

    /// Finds out which tags a manifest has, then asks whether to delete them all.
    pub(super) fn delete_manifest(&mut self, digest: String, cx: &mut Context<'_>) {
        let path = manifest_path(&self.repository, &digest);
        let ticket = cx.ask(Request::get(path));
        self.looked_up = Some((ticket, LookUp::Tags { digest }));
    }

    /// Takes back what was done last.
    pub(super) fn undo(&mut self, cx: &mut Context<'_>) {
        let is_sent = |deed: &&Deed| {
            let mut sent = self.sent.iter();
            sent.any(|(_, sent, is_undoing)| *is_undoing && sent == *deed)
        };
        // One whose answer is still to come is left out, unless there is no other: it may have been refused.
        let waiting = self.undo.iter().rev().find(|deed| !is_sent(deed));
        match waiting.or(self.undo.last()).cloned() {
            Some(deed) => self.send(deed, true, cx),
            None => self.restore(cx),
        }
    }

    /// Nothing was done here that could be undone. What others deleted is restored by its name: no list
    /// has deleted tags.
    fn restore(&mut self, cx: &mut Context<'_>) {
        let hint = "nothing was done here to undo; t lists deleted manifests";
        let form = Form::new("Restore a deleted tag", vec![Field::text("name", "", hint)]);
        let reference = String::new();
        self.asking = Some(Deed::Restore { reference });
        self.is_free = None;
        cx.fill_in(form);
    }

    /// A dialog was answered.
    pub(super) fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        match (self.asking.clone(), dialog) {
            (
                Some(Deed::Set {
                    tag,
                    digest,
                    before,
                }),
                Dialog::Form(form),
            ) => match before {
                None => self.named(digest, form, cx),
                Some(before) => self.aimed(tag, before, form, cx),
            },
            (Some(Deed::Restore { .. }), Dialog::Form(form)) => match form.given("name") {
                None => again(form, "it needs a name", cx),
                Some(tag) => {
                    let reference = tag.to_owned();
                    self.send(Deed::Restore { reference }, true, cx);
                }
            },
            (Some(deed), _) => self.send(deed, false, cx),
            (None, _) => {}
        }
    }

    /// A new tag was given its name: it must not be one that names something already.
    fn named(&mut self, digest: String, form: &Form, cx: &mut Context<'_>) {
        let Some(tag) = form.given("name").map(str::to_owned) else {
            return again(form, "it needs a name", cx);
        };
        let path = manifest_path(&self.repository, &tag);
        let wanted = LookUp::Name { tag, digest };
        self.looked_up = Some((cx.ask(Request::get(path)), wanted));
    }

    /// A dialog is open, and something was answered.
    pub(super) fn typed(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        if let Dialog::Form(_) = dialog
            && let Some(deed) = self.is_free.take()
        {
            self.send(deed, false, cx);
        }
    }

    /// A tag was told where to go.
    fn aimed(&mut self, tag: String, before: String, form: &Form, cx: &mut Context<'_>) {
        match form.given("to") {
            None => again(form, "it needs a digest or a tag", cx),
            Some(digest) if digest.contains(':') => {
                let (digest, before) = (digest.to_owned(), Some(before));
                self.send(
                    Deed::Set {
                        tag,
                        digest,
                        before,
                    },
                    false,
                    cx,
                );
            }
            Some(other) => {
                let path = manifest_path(&self.repository, other);
                let form = form.clone();
                let wanted = LookUp::Target { tag, before, form };
                self.looked_up = Some((cx.ask(Request::get(path)), wanted));
            }
        }
    }

    fn send(&mut self, deed: Deed, is_undoing: bool, cx: &mut Context<'_>) {
        let (request, done) = match &deed {
            Deed::Set {
                tag,
                digest,
                before,
            } => {
                let path = tag_path(&self.repository, tag);
                let request = Request::put(path, json!({ "digest": digest }));
                let condition = before.as_deref().map(still);
                let done = format!("{tag} names {} now", short(digest));
                (request.only_if(condition), done)
            }
            Deed::DeleteTag { tag, digest } => {
                let request = Request::delete(tag_path(&self.repository, tag));
                (
                    request.only_if(Some(still(digest))),
                    format!("{tag} is deleted; u brings it back"),
                )
            }
            Deed::DeleteManifest { digest } => (
                Request::delete(manifest_path(&self.repository, digest)),
                format!("{} is deleted; u brings it back", short(digest)),
            ),
            Deed::Restore { reference } => {
                let body = json!({ "repository": self.repository, "reference": reference });
                (
                    Request::post("/undelete", body),
                    format!("{} is back", short(reference)),
                )
            }
        };
        self.sent.push((cx.change(request, done), deed, is_undoing));
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some((_, wanted)) = self.looked_up.take_if(|(asked, _)| *asked == ticket) else {
            return false;
        };
        match (wanted, reply) {
            (LookUp::Target { tag, before, .. }, Ok(reply)) => {
                let digest = reply.body["digest"].as_str().unwrap_or_default().to_owned();
                // Asked for once more: the form may have been thrown away meanwhile.
                let (from, to) = (short(&before).to_owned(), short(&digest));
                let text = format!("Move {tag} from {from} to {to}?");
                cx.question(Question::new("Move a tag", text));
                let before = Some(before);
                self.asking = Some(Deed::Set {
                    tag,
                    digest,
                    before,
                });
            }
            (LookUp::Target { form, .. }, Err(failure)) => again(&form, &failure.to_string(), cx),
            (LookUp::Name { tag, .. }, Ok(reply)) => {
                let present = reply.body["digest"].as_str().unwrap_or_default();
                let present = short(present);
                cx.refuse(format!("{tag} names {present} already; e on it moves it"));
            }
            (LookUp::Name { tag, digest }, Err(failure)) if failure.status() == Some(404) => {
                let before = None;
                self.is_free = Some(Deed::Set {
                    tag,
                    digest,
                    before,
                });
            }
            (LookUp::Name { .. }, Err(failure)) => cx.refuse(failure.to_string()),
            (LookUp::Tags { digest }, Ok(reply)) => {
                let tags = strings(&reply.body["tags"]);
                let has_more = reply.body["more_tags"] == true;
                let which = which(&tags, has_more);
                let text = format!(
                    "Delete the manifest {}{which}? u brings it back.",
                    short(&digest)
                );
                self.asking = Some(Deed::DeleteManifest { digest });
                cx.question(Question::new("Delete a manifest", text));
            }
            (LookUp::Tags { .. }, Err(failure)) => cx.warn(failure.to_string()),
        }
        true
    }

    /// A change was made: what is another now.
    pub(super) fn changed(
        &mut self,
        ticket: Ticket,
        reply: &Reply,
        cx: &mut Context<'_>,
    ) -> Option<Changed> {
        let place = self.sent.iter().position(|(sent, ..)| *sent == ticket)?;
        let (_, deed, is_undoing) = self.sent.remove(place);
        if is_undoing && let Some(place) = self.undo.iter().rposition(|undo| *undo == deed) {
            self.undo.remove(place);
        }
        let (changed, undo) = match deed {
            Deed::Set {
                tag,
                digest,
                before,
            } => {
                let previous = reply.body["previous"].as_str().map(str::to_owned);
                if let (None, Some(previous)) = (&before, &previous) {
                    cx.warn(format!("{tag} was moved: it named {}", short(previous)));
                }
                let undo = match previous {
                    Some(previous) => Deed::Set {
                        tag: tag.clone(),
                        digest: previous,
                        before: Some(digest),
                    },
                    None => Deed::DeleteTag {
                        tag: tag.clone(),
                        digest,
                    },
                };
                (Changed::Tag(tag), Some(undo))
            }
            Deed::DeleteTag { tag, .. } => {
                let reference = tag.clone();
                (Changed::Tag(tag), Some(Deed::Restore { reference }))
            }
            Deed::DeleteManifest { digest } => {
                let reference = digest.clone();
                (Changed::Gone(digest), Some(Deed::Restore { reference }))
            }
            Deed::Restore { reference } if reference.contains(':') => {
                (Changed::Back(reference), None)
            }
            Deed::Restore { reference } => (Changed::Tag(reference), None),
        };
        self.undo.extend(undo.filter(|_| !is_undoing));
        Some(changed)
    }
}

/// The same form, with what is wrong.
fn again(form: &Form, why: &str, cx: &mut Context<'_>) {
    let mut form = form.clone();
    form.error = Some(why.to_owned());
    cx.fill_in(form);
}

/// Which tags go along.
fn which(tags: &[String], has_more: bool) -> String {
    if tags.is_empty() {
        return ", which no tag names".to_owned();
    }
    let named: Vec<_> = tags.iter().take(NAMED).map(String::as_str).collect();
    let more = match tags.len().saturating_sub(NAMED) {
        0 if !has_more => String::new(),
        _ if has_more => " and more".to_owned(),
        left => format!(" and {left} more"),
    };
    let word = if tags.len() == 1 { "tag" } else { "tags" };
    format!(" and its {word} {}{more}", named.join(", "))
}
