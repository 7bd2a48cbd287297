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
        /// How much is asked of it, and how it is.
        Status = "status" GET "/status",
        /// What happens, as it happens.
        Events = "events" GET "/events",
        /// Who did what, the newest first, by page.
        AuditList = "audit_list" GET "/audit",
        /// Whether anything of that was changed afterwards.
        AuditVerify = "audit_verify" POST "/audit/verify",
        /// Who asks.
        Whoami = "whoami" GET "/whoami",
    }
}

// === impl ServerRoute ===

impl ServerRoute {
    /// Who may ask.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::About | Self::Status | Self::Events => Need::LoggedIn,
            Self::AuditList | Self::AuditVerify => Need::Server,
            Self::OpenApi | Self::Whoami => Need::Anybody,
        }
    }
}
