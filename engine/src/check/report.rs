//! [`CheckReport`]: what a check saw, found and did, in numbers and in words.

use crate::digest::Digest;
use std::fmt;

/// Findings a report has in words; more are only counted.
pub const MAX_FINDINGS: usize = 1000;

/// What a check saw, found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Rows of the metadata that were read.
    pub rows: u64,
    /// Blobs whose content was hashed.
    pub blobs: u64,
    /// The bytes of those.
    pub bytes: u64,
    /// Files under `blobs/` and `segments/` that were compared with the records.
    pub files: u64,
    /// What was found wrong, the findings that are not in words included.
    pub found: u64,
    /// How many of those are right now.
    pub repaired: u64,
    /// How many of those are content or rows that are not served and that a push heals.
    pub quarantined: u64,
    /// The first of what was found, in the order in which it was.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The blob or manifest it is about, if it is about one.
    pub digest: Option<Digest>,
    /// Where: a table and row, or a file and part of it.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What the check did about it.
    pub done: Done,
}

/// What a check did about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing but saying so.
    Reported,
    /// It is not served any more; pushing it again heals it.
    Quarantined,
    /// It was not served before the check, either: it waits to be pushed again.
    Known,
    /// It is what it must be.
    Repaired,
    /// It is gone: nothing needed it.
    Removed,
}

// === impl CheckReport ===

impl CheckReport {
    /// Whether everything is as it was put.
    pub fn is_clean(&self) -> bool {
        self.found == 0
    }

    /// Takes in what another part of the same check saw.
    pub(super) fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.files += other.files;
        self.found += other.found;
        self.repaired += other.repaired;
        self.quarantined += other.quarantined;
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let Finding {
            place, what, done, ..
        } = &finding;
        tracing::warn!(place, what, %done, "the check found something");
        self.found += 1;
        match finding.done {
            Done::Repaired | Done::Removed => self.repaired += 1,
            Done::Quarantined | Done::Known => self.quarantined += 1,
            Done::Reported => {}
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            blobs,
            bytes,
            files,
            found,
            repaired,
            quarantined,
            findings,
        } = self;
        writeln!(
            f,
            "read {rows} rows, {blobs} blobs of {bytes} bytes together, {files} files"
        )?;
        if self.is_clean() {
            return f.write_str("everything is as it was put");
        }
        write!(
            f,
            "found {found}, repaired {repaired}, not served {quarantined}"
        )?;
        for finding in findings {
            write!(f, "\n{finding}")?;
        }
        let more = found.saturating_sub(findings.len() as u64);
        if more > 0 {
            write!(f, "\nand {more} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            digest: _,
            place,
            what,
            done,
        } = self;
        write!(f, "{place}: {what}; {done}")
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reported => "nothing was done",
            Self::Quarantined => "it is not served any more, pushing it again heals it",
            Self::Known => "known before, pushing it again heals it",
            Self::Repaired => "repaired",
            Self::Removed => "removed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_bounded_and_counted_to_the_end() {
        let mut report = CheckReport::default();
        assert!(report.is_clean());
        assert!(report.to_string().ends_with("as it was put"));
        for number in 0..MAX_FINDINGS + 5 {
            report.add(Finding {
                digest: None,
                place: format!("file {number}"),
                what: "it is nobody's".to_owned(),
                done: Done::Removed,
            });
        }
        assert_eq!(report.findings.len(), MAX_FINDINGS);
        assert_eq!(report.found, report.repaired);
        let text = report.to_string();
        assert!(
            text.contains("\nfile 0: it is nobody's; removed\n"),
            "{text}"
        );
        assert!(text.ends_with("and 5 more"), "{text}");
    }
}
