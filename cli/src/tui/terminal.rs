//! [`Screen`]: the terminal while it is ours: raw, on its other screen, with the mouse.
//!
//! Invariants:
//! 1. However the program ends, by an error and a panic too, the terminal is as it was before; a panic's
//!    text is told after that, so that it can be read.

use super::app::App;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{IsTerminal as _, Stdout, Write as _, stdout};
use std::sync::Once;

/// The terminal while it is ours; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

// === impl Screen ===

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn enter() -> Result<Self> {
        const NONE: &str = "the terminal client needs a terminal";
        anyhow::ensure!(stdout().is_terminal(), NONE);
        restore_on_panic();
        enable_raw_mode().context(NONE)?;
        // From here on dropping it gives the terminal back.
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        let screen = match terminal {
            Ok(terminal) => Self { terminal },
            Err(error) => {
                restore();
                return Err(error).context(NONE);
            }
        };
        execute!(
            stdout(),
            EnterAlternateScreen,
            // Not by `Terminal::clear`, which waits for the terminal to say where its cursor is: some
            // never do, and what they say is mixed up with what is typed.
            Clear(ClearType::All),
            EnableMouseCapture,
            EnableBracketedPaste
        )
        .context(NONE)?;
        Ok(screen)
    }

    /// Draws the state.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn draw(&mut self, app: &App) -> Result<()> {
        self.terminal
            .draw(|frame| app.draw(frame))
            .context("cannot draw on the terminal")?;
        Ok(())
    }

    /// Puts a text into the clipboard of whoever looks at the terminal, over ssh too (OSC 52).
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn copy(&mut self, text: &str) -> Result<()> {
        let out = self.terminal.backend_mut();
        write!(out, "\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text)).context("cannot copy")?;
        out.flush().context("cannot copy")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. There is nothing left to try where that fails.
fn restore() {
    let is_left = execute!(
        stdout(),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let is_cooked = disable_raw_mode();
    drop((is_left, is_cooked));
}

/// Has the terminal given back before a panic is told.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            told(panic);
        }));
    });
}
