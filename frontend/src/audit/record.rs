//! [`Record`]: one line of the log; [`Chain`]: what ties it to the line before.
//!
//! Invariants:
//! 1. A line is a JSON object with a line feed behind it and none in it. It holds the SHA-256 of the
//!    line before, without its line feed, as hexadecimal digits; that of the first line ever is all
//!    zeros. So no line can be changed, removed or moved without the one behind it telling.
//! 2. Sequences begin at 1 and grow by one.

use super::event::AuditEvent;
use floundr_engine::digest::{Algorithm, Digest};
use serde::{Deserialize, Serialize};

/// No line is longer: every text in it is bounded, and escaping a clean one makes it at most twice as
/// long.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// How every line begins.
const BEGINNING: &[u8] = b"{\"sequence\":";

/// One event as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number: one more than that of the record before.
    pub sequence: u64,
    /// When it happened by the machine's clock, in milliseconds since the epoch.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// The SHA-256 of the line before, in hexadecimal digits.
    pub previous: String,
}

/// The end of the log, which the next line refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// The last line's sequence; 0 before the first.
    pub(super) sequence: u64,
    /// The last line's hash.
    pub(super) hash: String,
}

// === impl Record ===

impl Record {
    /// Reads a line, without its line feed; `None` if it is not one of ours.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The sequence alone, which costs much less than [`Self::read`].
    pub(super) fn sequence(line: &[u8]) -> Option<u64> {
        let rest = line.strip_prefix(BEGINNING)?;
        let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

// === impl Chain ===

impl Chain {
    /// Before the first line.
    pub(super) fn new() -> Self {
        Self {
            sequence: 0,
            hash: "0".repeat(64),
        }
    }

    /// Behind the line `line` with that number.
    pub(super) fn behind(sequence: u64, line: &[u8]) -> Self {
        Self {
            sequence,
            hash: Digest::of(Algorithm::Sha256, line).encoded(),
        }
    }

    /// The next line, without its line feed, and the chain behind it.
    pub(super) fn next(&self, at: u64, event: AuditEvent) -> (Vec<u8>, Self) {
        let record = Record {
            sequence: self.sequence + 1,
            at,
            event,
            previous: self.hash.clone(),
        };
        let line = serde_json::to_vec(&record).expect("texts and numbers are always JSON");
        let behind = Self::behind(record.sequence, &line);
        (line, behind)
    }

    /// The chain behind `line`, which may be the oldest that is kept and has the number `first`.
    pub(super) fn anchor(first: u64, line: &[u8]) -> Option<Self> {
        if first == 1 {
            return Self::new().follow(line);
        }
        let record = Record::read(line)?;
        (record.sequence == first).then(|| Self::behind(first, line))
    }

    /// The chain behind `line`, if that is its next one.
    pub(super) fn follow(&self, line: &[u8]) -> Option<Self> {
        let record = Record::read(line)?;
        let fits = record.sequence == self.sequence + 1 && record.previous == self.hash;
        fits.then(|| Self::behind(record.sequence, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;

    #[test]
    fn a_line_is_what_the_documentation_says() {
        let mut event = AuditEvent::new("jo", Action::Push, "team/app:1", 201);
        event.from = Some("::1".parse().unwrap());
        let (line, behind) = Chain::new().next(1234, event.clone());
        let zeros = "0".repeat(64);
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            format!(
                r#"{{"sequence":1,"at":1234,"actor":"jo","key":null,"from":"::1","action":"push","object":"team/app:1","result":201,"detail":null,"request_id":null,"previous":"{zeros}"}}"#
            )
        );
        assert_eq!(Record::read(&line).unwrap().event, event);
        assert_eq!(Record::sequence(&line), Some(1));
        assert_eq!(Chain::new().follow(&line), Some(behind.clone()));
        assert_eq!(behind.follow(&line), None);
    }

    #[test]
    fn the_longest_event_fits_into_a_line() {
        let worst = "\"\\".repeat(4096);
        let mut event = AuditEvent::new(worst.clone(), Action::LoginFailed, worst.clone(), 401);
        event.detail = Some(worst.clone());
        event.request_id = Some(worst);
        let (line, _) = Chain::new().next(u64::MAX, event.cleaned());
        assert!(line.len() < MAX_LINE, "{}", line.len());
    }
}
