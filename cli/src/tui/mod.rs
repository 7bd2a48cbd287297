//! The terminal client: a registry's management API on a screen, with vim's keys.
//!
//! One loop reads what happens, changes the state by it and draws the state; see `run`. The state
//! ([`app`]) has no I/O: it asks for effects ([`message::Effect`]), which are carried out here and in
//! `link`, and whose results come back as messages.
//!
//! | module | what it is |
//! |---|---|
//! | [`app`] | the state, and what changes it |
//! | [`keys`] | the one table of keys and commands |
//! | [`screens`] | what is shown, a file each |
//! | [`widgets`] | what screens are made of |
//! | [`link`] | the servers: asking, hearing, connecting again |
//! | [`message`] | what goes into the state and what comes out |
//! | [`server`] | whom to ask, and as whom |
//! | [`text`], [`theme`] | how things are written and how they look |

pub(crate) mod app;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod screens;
pub(crate) mod server;
mod terminal;
pub(crate) mod text;
pub(crate) mod theme;
pub(crate) mod widgets;

#[cfg(test)]
mod tests;

use anyhow::{Context as _, Result};
use app::{App, Start};
use crossterm::event::{Event as Input, EventStream};
use floundr_engine::clock::{Clock as _, SystemClock};
use futures_util::StreamExt as _;
use message::{Effect, Message};
use ratatui::layout::Size;
use std::time::Duration;
use terminal::Screen;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How often time goes by while something turns on the screen, and else.
const BEATS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Messages of effects that wait to be read.
const WAITING: usize = 256;

/// Carries out what the state asks for, somewhere else than in the loop, which never waits for it.
pub(crate) trait Carrier {
    /// Carries out an effect. What comes of it is sent to the loop.
    fn carry_out(&mut self, effect: Effect);
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    u64::try_from(SystemClock::default().wall().as_millis()).unwrap_or(u64::MAX)
}

/// Runs until the user leaves, or the process is told to end or that its terminal is gone.
///
/// # Errors
/// When the terminal cannot be used.
#[expect(
    clippy::future_not_send,
    reason = "it is the loop of the thread that has the terminal, and sent nowhere"
)]
pub(crate) async fn run(
    mut start: Start,
    carrier: impl FnOnce(mpsc::Sender<Message>) -> Box<dyn Carrier>,
) -> Result<()> {
    const DEAF: &str = "cannot listen for signals";
    let mut ended = signal(SignalKind::terminate()).context(DEAF)?;
    let mut hung_up = signal(SignalKind::hangup()).context(DEAF)?;
    let mut screen = Screen::enter()?;
    let (width, height) =
        crossterm::terminal::size().context("cannot find the size of the terminal")?;
    start.size = Size::new(width, height);
    start.now = now();
    let (sender, mut messages) = mpsc::channel(WAITING);
    let mut carrier = carrier(sender);
    let mut input = EventStream::new();
    let (mut app, mut effects) = App::new(start);
    loop {
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Copy(text) => screen.copy(&text)?,
                other => carrier.carry_out(other),
            }
        }
        screen.draw(&app)?;
        let beat = if app.is_busy() { BEATS.0 } else { BEATS.1 };
        let first = tokio::select! {
            input = input.next() => match input {
                Some(input) => translated(input.context("cannot read from the terminal")?),
                // Nobody is at the terminal any more.
                None => return Ok(()),
            },
            message = messages.recv() => message,
            _ = ended.recv() => return Ok(()),
            _ = hung_up.recv() => return Ok(()),
            () = tokio::time::sleep(beat) => None,
        };
        effects = app.update(Message::Tick(now()));
        if let Some(message) = first {
            effects.extend(app.update(message));
        }
        // What has come meanwhile is taken before the next picture. Of the terminal only by waiting for it:
        // its stream keeps the first waker it was asked with, and one that wakes nobody would be lost.
        for _ in 0..WAITING {
            let Ok(message) = messages.try_recv() else {
                break;
            };
            effects.extend(app.update(message));
        }
    }
}

/// What the terminal reports, in the words of the state.
fn translated(input: Input) -> Option<Message> {
    Some(match input {
        Input::Key(key) => Message::Key(key),
        Input::Mouse(mouse) => Message::Mouse(mouse),
        Input::Paste(text) => Message::Paste(text),
        Input::Resize(width, height) => Message::Resized(Size::new(width, height)),
        Input::FocusGained | Input::FocusLost => return None,
    })
}
