//! [`Prompt`]: the line below: `:` a command by its name, `/` a search, `f` a filter.
//!
//! Invariants:
//! 1. A search and a filter act with every letter; `Esc` takes back what they did.

use super::App;
use crate::tui::app::place::Place;
use crate::tui::keys::Action;
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::input::Input;
use crossterm::event::{KeyCode, KeyEvent};

/// The line below.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) kind: Kind,
    pub(super) input: Input,
    /// Where a search began, and what was searched or filtered before.
    from: usize,
    before: String,
    /// What completing goes through, and where it is.
    completions: Option<(Vec<String>, usize)>,
}

/// What a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Command,
    Search,
    Filter,
}

/// Commands that take a word, and what it is.
const WITH_A_WORD: [(&str, &str); 5] = [
    ("theme", "dark, light, terminal or none"),
    ("server", "the name of a server"),
    ("open", "a repository, or one with :TAG or @DIGEST"),
    ("user", "the name of a user"),
    ("why", "a digest, such as sha256:9f86d0..., in whole"),
];

// === impl Kind ===

impl Kind {
    /// What stands before what is typed.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Command => ":",
            Self::Search => "/",
            Self::Filter => "filter: ",
        }
    }
}

// === impl App ===

impl App {
    pub(super) fn open_prompt(&mut self, action: Action) {
        let kind = match action {
            Action::Search => Kind::Search,
            Action::Filter => Kind::Filter,
            _ => Kind::Command,
        };
        let mut before = String::new();
        let mut from = 0;
        if kind != Kind::Command {
            let Some(pane) = self.screen().focused() else {
                return self.say("there is nothing to look through here", Tone::Dim);
            };
            from = pane.cursor();
            let is_search = kind == Kind::Search;
            let now = if is_search {
                pane.searched()
            } else {
                pane.filtered()
            };
            now.clone_into(&mut before);
        }
        let input = if kind == Kind::Filter {
            Input::new(&before)
        } else {
            Input::default()
        };
        self.prompt = Some(Prompt {
            kind,
            input,
            from,
            before,
            completions: None,
        });
    }

    pub(super) fn prompt_paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.input.paste(text);
            self.prompt_changed();
        }
    }

    pub(super) fn prompt_key(&mut self, key: KeyEvent) {
        let Some(mut prompt) = self.prompt.take() else {
            return;
        };
        let is_empty = prompt.input.text().is_empty();
        match key.code {
            KeyCode::Esc => return self.take_back(&prompt),
            KeyCode::Backspace if is_empty => return self.take_back(&prompt),
            KeyCode::Enter if prompt.kind == Kind::Command => {
                return self.command(prompt.input.text());
            }
            KeyCode::Enter => return,
            KeyCode::Tab | KeyCode::BackTab if prompt.kind == Kind::Command => {
                self.complete(&mut prompt, key.code == KeyCode::Tab);
            }
            _ => {
                prompt.input.key(key);
                prompt.completions = None;
            }
        }
        self.prompt = Some(prompt);
        self.prompt_changed();
    }

    fn prompt_changed(&mut self) {
        let Some(prompt) = &self.prompt else {
            return;
        };
        let (kind, text, from) = (prompt.kind, prompt.input.text().to_owned(), prompt.from);
        match kind {
            Kind::Command => {}
            Kind::Search => self.browse(|pane| pane.search(&text, from)),
            Kind::Filter => self.browse(|pane| pane.filter(&text)),
        }
    }

    fn take_back(&mut self, prompt: &Prompt) {
        let before = prompt.before.clone();
        match prompt.kind {
            Kind::Command => {}
            Kind::Search => self.browse(|pane| {
                pane.search("", 0);
                pane.moved(crate::tui::widgets::Motion::First, Some(prompt.from + 1));
                pane.search(&before, prompt.from);
            }),
            Kind::Filter => self.browse(|pane| pane.filter("")),
        }
    }

    fn complete(&mut self, prompt: &mut Prompt, is_forward: bool) {
        let (all, place) = match prompt.completions.take() {
            Some((all, place)) => {
                let steps = if is_forward {
                    1
                } else {
                    all.len().saturating_sub(1)
                };
                let place = (place + steps) % all.len().max(1);
                (all, place)
            }
            None => (self.completions(prompt.input.text()), 0),
        };
        if let Some(text) = all.get(place) {
            prompt.input = Input::new(text);
            prompt.completions = Some((all, place));
        }
    }

    /// What a command that begins like this may be.
    pub(super) fn completions(&mut self, typed: &str) -> Vec<String> {
        if let Some((command, word)) = typed.split_once(' ') {
            let words: Vec<String> = match command {
                "theme" => Theme::NAMES
                    .iter()
                    .map(|(name, _)| (*name).to_owned())
                    .collect(),
                "server" => self
                    .servers
                    .iter()
                    .map(|server| server.name.clone())
                    .collect(),
                _ => Vec::new(),
            };
            let fitting = words.into_iter().filter(|known| known.starts_with(word));
            return fitting.map(|known| format!("{command} {known}")).collect();
        }
        let bindings = self.bindings();
        let named = bindings.iter().map(|binding| binding.command);
        let all = named.chain(WITH_A_WORD.iter().map(|(name, _)| *name));
        let mut fitting: Vec<_> = all
            .filter(|name| !name.is_empty() && name.starts_with(typed))
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        fitting.into_iter().map(str::to_owned).collect()
    }

    /// Does what a command says.
    fn command(&mut self, text: &str) {
        let text = text.trim();
        let (command, word) = text.split_once(' ').unwrap_or((text, ""));
        let word = word.trim();
        let is_known = WITH_A_WORD.iter().find(|(name, _)| *name == command);
        let is_of_screen = self.bindings().iter().any(|known| known.command == command);
        if let (Some((name, what)), "", false) = (is_known, word, is_of_screen) {
            return self.say(format!(":{name} needs {what}"), Tone::Warning);
        }
        match command {
            "" => {}
            "theme" => match Theme::named(word) {
                Some(theme) => self.look.theme = theme,
                None => self.say(format!("there is no theme {word}"), Tone::Warning),
            },
            "server" => self.switch_server(word),
            "open" => self.open_image(word),
            "user" => self.go(Place::User {
                name: word.to_owned(),
            }),
            "why" if !word.is_empty() => self.go(Place::Why {
                digest: word.to_owned(),
            }),
            row if row.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.act(Action::First, row.parse().ok());
            }
            name => {
                let found = self
                    .bindings()
                    .into_iter()
                    .find(|binding| binding.command == name);
                match found {
                    Some(binding) => self.act(binding.action, None),
                    None => self.say(
                        format!("there is no command {name} here; Tab completes"),
                        Tone::Warning,
                    ),
                }
            }
        }
    }

    /// Opens `NAME`, `NAME:TAG` or `NAME@DIGEST`.
    fn open_image(&mut self, image: &str) {
        let parts = image.split_once('@').or_else(|| image.rsplit_once(':'));
        let (name, reference) = parts.map_or((image, None), |(name, rest)| (name, Some(rest)));
        self.go(Place::Tags {
            repository: name.to_owned(),
        });
        if let Some(reference) = reference {
            self.go(Place::Manifest {
                repository: name.to_owned(),
                reference: reference.to_owned(),
            });
        }
    }
}
