//! What is asked of the server itself.

use super::Need;
use super::endpoint::endpoints;

endpoints! {
    /// The program that runs.
    pub enum ServerRoute {
        /// Which program and which store.
        About = "about" GET "",
        /// What there is to be asked, as an OpenAPI document.
        OpenApi = "openapi" GET "/openapi.json",
        /// Who asks.
        Whoami = "whoami" GET "/whoami",
    }
}

// === impl ServerRoute ===

impl ServerRoute {
    /// Who may ask.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::About => Need::LoggedIn,
            Self::OpenApi | Self::Whoami => Need::Anybody,
        }
    }
}
