//! What is found to be wrong.

use std::fmt;

/// In which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was acknowledged is not there.
    Lost,
    /// Other bytes, another size, another manifest, or there although deleted.
    Wrong,
    /// What nothing refers to stays, or counts do not fit.
    Orphan,
    /// A request failed that nothing should make fail.
    Refused,
}

/// Something wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    text: String,
}

/// Why a client stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server is gone; what was asked of it may have been done or not.
    Gone,
    Fault(Fault),
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Lost => "lost",
            Kind::Wrong => "wrong",
            Kind::Orphan => "orphan",
            Kind::Refused => "refused",
        };
        write!(to, "{kind}: {}", self.text)
    }
}

// === impl Stop ===

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
