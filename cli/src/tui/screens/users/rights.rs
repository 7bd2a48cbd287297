//! [`Rights`]: what a user may do with a repository, and why, in the server's words.

use super::rows::PERMISSIONS;
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::{encoded, strings, wrapped};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::textview::{Parts, TextView};
use ratatui::Frame;
use ratatui::layout::Rect;

const REPOSITORY: &str = "repository";

/// Letters of a line of a reason.
const REASON: usize = 56;

/// What a user may do with a repository.
#[derive(Debug, Default)]
pub(super) struct Rights {
    pub(super) view: TextView,
    /// Which repository; empty before one was named.
    repository: String,
    asked: [Option<Ticket>; 4],
    answers: [Option<Result<Explained, String>>; 4],
}

/// Whether something is allowed, and why.
#[derive(Debug)]
struct Explained {
    is_allowed: bool,
    because: Vec<String>,
}

// === impl Rights ===

impl Rights {
    /// The form that asks for the repository.
    pub(super) fn form(&self, user: &str) -> Form {
        let hint = "its whole name, such as team/app; it need not exist";
        let field = Field::text(REPOSITORY, &self.repository, hint);
        Form::new(format!("What may {user} do?"), vec![field])
    }

    /// Takes what was filled in; whether there was anything.
    pub(super) fn submitted(&mut self, form: &Form) -> bool {
        let repository = form.text(REPOSITORY).trim();
        if repository.is_empty() {
            return false;
        }
        if repository != self.repository {
            repository.clone_into(&mut self.repository);
            self.answers = Default::default();
            self.tell();
        }
        true
    }

    /// Asks anew.
    pub(super) fn load(&mut self, user: &str, cx: &mut Context<'_>) {
        if self.repository.is_empty() {
            return;
        }
        for (place, action) in PERMISSIONS.iter().enumerate() {
            if let Some(ticket) = self.asked[place].take() {
                cx.give_up(ticket);
            }
            let path = format!(
                "/explain?user={}&action={action}&repository={}",
                encoded(user),
                encoded(&self.repository)
            );
            self.asked[place] = Some(cx.ask(Request::get(path)));
        }
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>) -> bool {
        let place = self.asked.iter().position(|asked| *asked == Some(ticket));
        let Some(place) = place else {
            return false;
        };
        self.asked[place] = None;
        let answer = match reply {
            Ok(reply) => Ok(Explained {
                is_allowed: reply.body["allowed"] == true,
                because: strings(&reply.body["because"]),
            }),
            Err(failure) => Err(failure.to_string()),
        };
        self.answers[place] = Some(answer);
        self.tell();
        true
    }

    /// Writes down what is known.
    fn tell(&mut self) {
        let lines = PERMISSIONS.iter().zip(&self.answers);
        let lines = lines.flat_map(|(action, answer)| told(action, answer.as_ref()));
        self.view.replace(lines.collect());
    }

    pub(super) fn is_loading(&self) -> bool {
        self.asked.iter().any(Option::is_some)
    }

    /// What stands above it: all in one line, for where there is no room for more.
    pub(super) fn title(&self) -> String {
        if self.repository.is_empty() {
            return "Rights".to_owned();
        }
        let answers = PERMISSIONS.iter().zip(&self.answers);
        let allowed = answers.filter(|(_, answer)| {
            matches!(
                answer,
                Some(Ok(Explained {
                    is_allowed: true,
                    ..
                }))
            )
        });
        let allowed: Vec<_> = allowed.map(|(action, _)| *action).collect();
        let allowed = match allowed.as_slice() {
            [] if self.answers.iter().any(Option::is_none) => "...".to_owned(),
            [] => "nothing".to_owned(),
            some => some.join(", "),
        };
        format!("Rights on {}: {allowed}", self.repository)
    }

    /// Draws it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        if self.repository.is_empty() {
            let text = "w asks what they may do with a repository, and why";
            super::reach::words(frame, area, paint.look, text, Tone::Dim);
            return;
        }
        self.view.draw(frame, area, paint.look);
    }
}

/// An answer in lines: the word first, and a reason in each.
fn told(action: &str, answer: Option<&Result<Explained, String>>) -> Vec<Parts> {
    let (word, tone, because) = match answer {
        None => ("...", Tone::Dim, Vec::new()),
        Some(Err(failure)) => ("refused", Tone::Bad, vec![failure.clone()]),
        Some(Ok(Explained {
            is_allowed,
            because,
        })) => {
            let (word, tone) = if *is_allowed {
                ("allowed", Tone::Good)
            } else {
                ("denied", Tone::Bad)
            };
            (word, tone, because.clone())
        }
    };
    let mut because = because.iter().flat_map(|reason| wrapped(reason, REASON));
    let first = vec![
        (format!("{action:12}"), Tone::Plain),
        (format!("{word:9}"), tone),
        (because.next().unwrap_or_default(), Tone::Plain),
    ];
    let mut lines = vec![first];
    lines.extend(because.map(|reason| vec![(" ".repeat(21), Tone::Plain), (reason, Tone::Plain)]));
    lines
}
