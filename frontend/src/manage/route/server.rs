//! What is asked of the server itself.

use super::Need;
use super::endpoint::endpoints;

endpoints! {
    /// The program that runs.
    pub enum ServerRoute {
        /// Which program and which store.
        About = "about" GET "",
    }
}

// === impl ServerRoute ===

impl ServerRoute {
    /// Who may ask.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::About => Need::LoggedIn,
        }
    }
}
