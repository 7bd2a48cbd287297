//! Images: the tags and manifests of a repository, one manifest, what a tag named, and bytes as text.
//!
//! | file | what it is |
//! |---|---|
//! | `tags` | the screen of a repository: its tags or its manifests, and a pane about one |
//! | `rows` | their rows, small enough for 100,000 |
//! | `manifest` | the screen of one manifest, in sections |
//! | `parts` | what a manifest's answer says, as lines |
//! | `peek` | the pane about the manifest under the cursor |
//! | `deeds` | what is done to tags and manifests, and undone |
//! | `history`, `text` | what a tag named; a text |

mod deeds;
mod history;
mod manifest;
mod parts;
mod peek;
mod rows;
mod tags;
#[cfg(test)]
mod tests;
mod text;

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::Section;
use crate::tui::message::{Event, Request, Ticket};
use crate::tui::text::encoded;

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "Tags",
        bindings: tags::KEYS,
    },
    Section {
        name: "Manifest",
        bindings: manifest::KEYS,
    },
    Section {
        name: "History of a tag",
        bindings: history::KEYS,
    },
    Section {
        name: "Text",
        bindings: text::KEYS,
    },
];

/// The screen of one of their places.
pub(super) fn open(place: &Place) -> Box<dyn Screen> {
    match place {
        Place::Manifest {
            repository,
            reference,
        } => Box::new(manifest::Manifest::new(repository, reference)),
        Place::History { repository, tag } => Box::new(history::History::new(repository, tag)),
        Place::Tags { repository } => Box::new(tags::Tags::new(repository)),
        Place::Text { text, .. } => Box::new(text::Text::new(text)),
        other => Box::new(text::Text::new(&other.title())),
    }
}

/// A question of which only the last is waited for.
#[derive(Debug, Default)]
struct Asked(Option<Ticket>);

impl Asked {
    fn ask(&mut self, path: String, cx: &mut Context<'_>) {
        if let Some(ticket) = self.0.take() {
            cx.give_up(ticket);
        }
        self.0 = Some(cx.ask(Request::get(path)));
    }

    /// Whether this is its answer, which is waited for no more then.
    fn is_answered(&mut self, ticket: Ticket) -> bool {
        self.0.take_if(|asked| *asked == ticket).is_some()
    }

    const fn is_waiting(&self) -> bool {
        self.0.is_some()
    }
}

/// What an event is about in a repository: empty for the repository, else `:TAG` or `@DIGEST`.
fn about<'a>(event: &'a Event, repository: &str) -> Option<&'a str> {
    let rest = event.data["object"].as_str()?.strip_prefix(repository)?;
    let is_it = rest.is_empty() || rest.starts_with([':', '@']);
    is_it.then_some(rest)
}

/// Where a manifest is.
fn manifest_path(repository: &str, reference: &str) -> String {
    let (repository, reference) = (encoded(repository), encoded(reference));
    format!("/repositories/{repository}/manifests/{reference}")
}

/// Where a tag is.
fn tag_path(repository: &str, tag: &str) -> String {
    let (repository, tag) = (encoded(repository), encoded(tag));
    format!("/repositories/{repository}/tags/{tag}")
}

/// The condition that something still names this.
fn still(digest: &str) -> String {
    format!("\"{digest}\"")
}

/// How an image is pulled.
fn pull_command(registry: &str, repository: &str, reference: &str) -> String {
    let mark = if reference.contains(':') { '@' } else { ':' };
    let name = format!("{repository}{mark}{reference}");
    if registry.is_empty() {
        name
    } else {
        format!("docker pull {registry}/{name}")
    }
}
