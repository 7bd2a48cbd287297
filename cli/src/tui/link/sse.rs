//! [`Lines`]: server-sent events out of bytes (WHATWG HTML, 9.2), however they are cut.
//!
//! Invariants:
//! 1. What is held of an event that is not whole is bounded.

use crate::tui::message::Event;
use serde_json::Value;

/// Bytes of the largest event.
const MAX: usize = 1 << 20;

/// What came of an event so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    kind: String,
    data: String,
    /// Whether the last byte was a carriage return, whose line feed is no line of its own.
    was_return: bool,
}

/// An event is larger than any that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

// === impl Lines ===

impl Lines {
    /// Takes bytes; the events that are whole with them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            let was_return = std::mem::replace(&mut self.was_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > MAX {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            let data = std::mem::take(&mut self.data);
            // Without data there is no event.
            return (!data.is_empty()).then(|| Event {
                kind,
                data: serde_json::from_str(&data).unwrap_or(Value::Null),
            });
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment has no name; the number is of no use to who reads all anew after a break.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "\
        : still here\n\nid: 1\nevent: push\ndata: {\"a\":\ndata: 1}\n\n\
        event:tag\r\ndata:{\"b\":\"\u{e9}\"}\r\n\r\nevent: nothing\n\nretry: 3\ndata: no json\n\n";

    #[test]
    fn events_are_the_same_however_their_bytes_are_cut() {
        let event = |kind: &str, data| Event {
            kind: kind.to_owned(),
            data,
        };
        let expected = [
            event("push", json!({"a": 1})),
            event("tag", json!({"b": "\u{e9}"})),
            event("", Value::Null),
        ];
        for size in 1..=TEXT.len() {
            let mut lines = Lines::default();
            let parts = TEXT.as_bytes().chunks(size);
            let events: Vec<_> = parts.flat_map(|part| lines.take(part).unwrap()).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut lines = Lines::default();
        assert!(lines.take(&vec![b'x'; MAX]).is_ok());
        assert_eq!(lines.take(b"x"), Err(TooLong));
        let mut lines = Lines::default();
        let line = [b"data: ", &[b'x'; 1000][..], b"\n"].concat();
        let taken: Result<Vec<_>, _> = (0..2000).map(|_| lines.take(&line)).collect();
        assert!(taken.is_err());
    }
}
