//! [`query`]: records that fit a filter, newest first; [`verify`]: whether the chain holds.
//!
//! Both read line by line, in memory that does not depend on the log's size, and block: they are
//! called on a thread that may.

use super::event::Action;
use super::medium::Shelf;
use super::record::{Chain, Record};
use serde::Serialize;
use std::io;

/// Records of one page at most.
pub const MAX_PAGE: usize = 1000;

/// Bytes one query looks through at most. What is left is for the next page.
const MAX_SEARCH: usize = 64 * 1024 * 1024;

/// How often verifying begins anew because the oldest part was removed under it.
const TRIES: usize = 8;

/// Which records are wanted: those that fit everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Exactly this actor.
    pub actor: Option<String>,
    /// Exactly this action.
    pub action: Option<Action>,
    /// An object with this text in it.
    pub object: Option<String>,
    /// At this time or later, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// Earlier than this, likewise.
    pub until: Option<u64>,
}

/// A part of what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first. May be fewer than asked for, even none, when there is a `next`.
    pub records: Vec<Record>,
    /// What to ask for records before, to go on; `None` at the end.
    pub next: Option<u64>,
    /// Lines among them that are no records: see [`crate::audit::AuditLog::verify`].
    pub unreadable: u64,
}

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that follow from one another, from the oldest that is kept.
    pub records: u64,
    /// The first record that does not: it was changed or removed, or the one before it was.
    pub broken_at: Option<u64>,
}

/// How much one query may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Only records with a sequence below this.
    before: u64,
    /// Records on the page.
    limit: usize,
    /// Bytes that are looked through.
    search: usize,
}

// === impl Bounds ===

impl Bounds {
    pub(super) fn new(before: Option<u64>, limit: usize) -> Self {
        Self {
            before: before.unwrap_or(u64::MAX),
            limit: limit.clamp(1, MAX_PAGE),
            search: MAX_SEARCH,
        }
    }
}

// === impl Filter ===

impl Filter {
    /// Whether `record` is wanted.
    pub fn fits(&self, record: &Record) -> bool {
        let event = &record.event;
        let is_actor = |actor: &String| *actor == event.actor;
        self.actor.as_ref().is_none_or(is_actor)
            && self.action.is_none_or(|action| action == event.action)
            && (self.object.as_ref()).is_none_or(|object| event.object.contains(object))
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
    }
}

/// Records that fit `filter`, newest first, within `bounds`.
pub(super) fn query(shelf: &dyn Shelf, filter: &Filter, bounds: Bounds) -> io::Result<Page> {
    let Bounds {
        before,
        limit,
        search,
    } = bounds;
    let mut page = Page::default();
    let mut searched = 0;
    let mut parts = shelf.parts()?;
    parts.retain(|first| *first < before);
    for first in parts.into_iter().rev() {
        let lines = match shelf.backwards(first) {
            // The oldest ones are removed while others are written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            lines => lines?,
        };
        for line in lines {
            let line = line?;
            if Record::sequence(&line).is_some_and(|sequence| sequence >= before) {
                continue;
            }
            searched += line.len();
            let Some(record) = Record::read(&line) else {
                page.unreadable += 1;
                continue;
            };
            let fits = filter.fits(&record);
            if fits && page.records.len() == limit {
                page.next = page.records.last().map(|last| last.sequence);
                return Ok(page);
            }
            let sequence = record.sequence;
            page.records.extend(fits.then_some(record));
            if searched > search {
                page.next = (sequence > 1).then_some(sequence);
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// Whether every record follows from the one before, and `end` is what was written last, or shortly
/// before.
pub(super) fn verify(shelf: &dyn Shelf, end: &Chain) -> io::Result<Report> {
    let mut tries = 1..TRIES;
    loop {
        match verify_once(shelf, end) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries.next().is_some() => {}
            found => return found,
        }
    }
}

fn verify_once(shelf: &dyn Shelf, end: &Chain) -> io::Result<Report> {
    let mut records = 0;
    let mut chain: Option<Chain> = None;
    let broken = |records, sequence| {
        let broken_at = Some(sequence);
        Ok(Report { records, broken_at })
    };
    for first in shelf.parts()? {
        let expected = chain.as_ref().map_or(first, |chain| chain.sequence + 1);
        if expected != first {
            return broken(records, expected);
        }
        for line in shelf.forwards(first)? {
            let line = line?;
            let expected = chain.as_ref().map_or(first, |chain| chain.sequence + 1);
            let next = match &chain {
                Some(chain) => chain.follow(&line),
                None => Chain::anchor(first, &line),
            };
            match next {
                // Another one is being written just now.
                None if line.is_empty() && expected > end.sequence => break,
                None => return broken(records, expected),
                Some(next) if next.sequence == end.sequence && next != *end => {
                    return broken(records, expected);
                }
                next => chain = next,
            }
            records += 1;
        }
    }
    let last = chain.as_ref().map_or(0, |chain| chain.sequence);
    let broken_at = (last < end.sequence).then(|| match chain {
        Some(chain) => chain.sequence + 1,
        None => end.sequence,
    });
    Ok(Report { records, broken_at })
}

#[cfg(test)]
mod tests {
    use super::super::event::AuditEvent;
    use super::super::medium::{Medium as _, Memory};
    use super::*;

    #[test]
    fn a_long_search_is_cut_into_pages_that_may_be_empty() {
        let mut memory = Memory::default();
        let mut chain = Chain::new();
        for number in 0..5 {
            let event = AuditEvent::new(format!("user{number}"), Action::Login, "", 200);
            let (line, behind) = chain.next(0, event);
            memory.append(behind.sequence, &line).unwrap();
            chain = behind;
        }
        let filter = Filter {
            actor: Some("user1".to_owned()),
            ..Filter::default()
        };
        let mut bounds = Bounds::new(None, 10);
        bounds.search = 0;
        let mut found = Vec::new();
        for next in [Some(5), Some(4), Some(3), Some(2), None] {
            let page = query(&memory, &filter, bounds).unwrap();
            assert_eq!(page.next, next);
            found.extend(page.records.iter().map(|record| record.sequence));
            bounds.before = next.unwrap_or_default();
        }
        assert_eq!(found, [2]);
    }
}
