//! Byte ranges: `Range` of a pull, `Content-Range` of a chunk, and what answers say about them.
//!
//! 1. A `Range` that cannot be read, names another unit, or asks for several ranges counts as not
//!    sent: the whole content is always a right answer (RFC 9110, 14.2).
//! 2. `first > last` is unsatisfiable rather than unreadable, because the conformance program of
//!    the specification demands 416 there.
//! 3. Empty content has no range to refuse: it is answered whole, since clients ask `bytes=0-` first.
//!
//! A chunk's `Content-Range` is `a-b` in the specification; `bytes a-b/size` is taken too.

use crate::error::{ApiError, ErrorCode};
use http::HeaderValue;
use std::ops::Range;

/// What a pull's `Range` header comes to for content of a known size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything, answered 200.
    Whole,
    /// These bytes, never none of them, answered 206.
    Part(Range<u64>),
    /// No byte of the content, answered 416.
    Unsatisfiable,
}

/// The place of a chunk in its blob: first and last byte, both inclusive, `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRange {
    first: u64,
    last: u64,
}

// === impl Selection ===

impl Selection {
    /// What `header`, the value of `Range`, selects of `size` bytes.
    pub fn of(header: &str, size: u64) -> Self {
        match parse_single(header) {
            Some(spec) if size > 0 => spec.resolve(size),
            _ => Self::Whole,
        }
    }
}

/// `Content-Range` of a 206: `bytes first-last/size`. The part must not be empty.
pub fn content_range(part: &Range<u64>, size: u64) -> HeaderValue {
    let last = part.end.saturating_sub(1);
    ascii(format!("bytes {}-{last}/{size}", part.start))
}

/// `Content-Range` of a 416: `bytes */size`.
pub fn unsatisfied_range(size: u64) -> HeaderValue {
    ascii(format!("bytes */{size}"))
}

/// `Range` of an upload session that holds `offset` bytes: `0-<last byte>`.
///
/// The header cannot tell no byte from one byte: both are `0-0`, which every registry sends and
/// the conformance program expects.
pub fn session_range(offset: u64) -> HeaderValue {
    ascii(format!("0-{}", offset.saturating_sub(1)))
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits, letters and dashes are a header value")
}

/// One `byte-range-spec`.
enum Spec {
    From(u64),
    Closed(u64, u64),
    Suffix(u64),
}

impl Spec {
    fn resolve(&self, size: u64) -> Selection {
        let part = match *self {
            Self::From(first) => first..size,
            Self::Closed(first, last) => first..last.saturating_add(1).min(size),
            Self::Suffix(length) => size.saturating_sub(length)..size,
        };
        if part.is_empty() {
            Selection::Unsatisfiable
        } else {
            Selection::Part(part)
        }
    }
}

/// The range of `bytes=<one range>`; nothing for any other text.
fn parse_single(header: &str) -> Option<Spec> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", length) => digits(length).map(Spec::Suffix),
        (first, "") => digits(first).map(Spec::From),
        (first, last) => Some(Spec::Closed(digits(first)?, digits(last)?)),
    }
}

/// A decimal number of digits only; one beyond `u64` is as good as the largest.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

// === impl ChunkRange ===

impl ChunkRange {
    /// Reads the `Content-Range` of a chunk: `a-b`, also as `bytes a-b`, `bytes=a-b` and with `/size`.
    ///
    /// # Errors
    /// `BLOB_UPLOAD_INVALID` when it is none of these or ends before it starts.
    pub fn parse(header: &str) -> Result<Self, ApiError> {
        Self::read(header).ok_or_else(|| {
            let shown: String = header.chars().take(100).collect();
            ApiError::new(
                ErrorCode::BlobUploadInvalid,
                format!("content-range {shown:?} is not of the form first-last"),
            )
        })
    }

    fn read(header: &str) -> Option<Self> {
        let text = header.trim();
        let range = match text.get(..5) {
            Some(unit) if unit.eq_ignore_ascii_case("bytes") => {
                text.get(5..)?.trim_start_matches([' ', '='])
            }
            _ => text,
        };
        let (range, size) = range.split_once('/').unwrap_or((range, "*"));
        if size != "*" && digits(size).is_none() {
            return None;
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (exact(first)?, exact(last)?);
        (first <= last && last < u64::MAX).then_some(Self { first, last })
    }

    /// The first byte's place.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// How many bytes the chunk has: at least one.
    pub const fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

fn exact(text: &str) -> Option<u64> {
    let text = text.trim();
    digits(text)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_select_what_rfc_9110_says() {
        use Selection::{Part, Unsatisfiable, Whole};
        for (header, size, expected) in [
            ("bytes=500-1499", 2048, Part(500..1500)),
            ("bytes=500-", 2048, Part(500..2048)),
            ("bytes=-500", 2048, Part(1548..2048)),
            ("bytes=2000-5000", 2048, Part(2000..2048)),
            ("bytes=0-", 2048, Part(0..2048)),
            ("bytes=0-0", 2048, Part(0..1)),
            ("bytes=-5000", 2048, Part(0..2048)),
            ("Bytes = 1-2", 2048, Part(1..3)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=500-0", 2048, Unsatisfiable),
            ("bytes=5000-10000", 2048, Unsatisfiable),
            ("bytes=2048-", 2048, Unsatisfiable),
            ("bytes=-0", 2048, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=0-1,3-4", 2048, Whole),
            ("bytes=", 2048, Whole),
            ("bytes=-", 2048, Whole),
            ("bytes=a-b", 2048, Whole),
            ("bytes=1-2-3", 2048, Whole),
            ("bytes=+1-2", 2048, Whole),
            ("items=0-5", 2048, Whole),
            ("0-5", 2048, Whole),
            ("", 2048, Whole),
            ("bytes=0-", 0, Whole),
        ] {
            assert_eq!(Selection::of(header, size), expected, "{header:?}");
        }
    }

    #[test]
    fn chunk_ranges_come_in_the_forms_clients_send() {
        for (header, first, length) in [
            ("0-0", 0, 1),
            ("0-1023", 0, 1024),
            ("bytes 1024-2047/4096", 1024, 1024),
            ("bytes 1024-2047/*", 1024, 1024),
            ("bytes=5-6", 5, 2),
            (" 7 - 8 ", 7, 2),
        ] {
            let range = ChunkRange::parse(header).unwrap();
            assert_eq!(
                (range.first(), range.length()),
                (first, length),
                "{header:?}"
            );
        }
        for bad in [
            "",
            "-",
            "5",
            "5-",
            "-5",
            "6-5",
            "a-b",
            "0--1",
            "bytes",
            "bytes */5",
            "1-2/x",
            "+1-2",
            "0-18446744073709551615",
            "0-18446744073709551616",
            "b\u{fc}tes 1-2",
        ] {
            let refused = ChunkRange::parse(bad).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::BlobUploadInvalid, "{bad:?}");
        }
    }

    #[test]
    fn answers_name_inclusive_ends() {
        assert_eq!(content_range(&(500..1500), 2048), "bytes 500-1499/2048");
        assert_eq!(unsatisfied_range(2048), "bytes */2048");
        assert_eq!(session_range(0), "0-0");
        assert_eq!(session_range(1), "0-0");
        assert_eq!(session_range(1024), "0-1023");
    }

    proptest! {
        #[test]
        fn any_range_header_selects_bytes_that_exist(header in ".{0,40}", size in any::<u64>()) {
            if let Selection::Part(part) = Selection::of(&header, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn well_formed_ranges_stay_within_the_content(
            first in "[0-9]{0,22}", last in "[0-9]{0,22}", size in any::<u64>()
        ) {
            if let Selection::Part(part) = Selection::of(&format!("bytes={first}-{last}"), size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn any_content_range_is_read_or_refused(header in "(bytes[ =])?.{0,20}-?.{0,20}(/.{0,5})?") {
            if let Ok(range) = ChunkRange::parse(&header) {
                prop_assert!(range.length() >= 1);
            }
        }
    }
}
