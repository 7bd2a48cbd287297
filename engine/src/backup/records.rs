//! The two small files of a backup, as text: what kind of directory it is, and what is in it.
//!
//! Invariants:
//! 1. The first line names the kind and the format's version; the last is a checksum over
//!    everything before it, so a file that is cut or changed is damaged and never misread.
//! 2. Every line has its place. A new one means a new format.

use crate::digest::{Algorithm, Digest};
use crate::meta::Counts;

/// The format this version writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

const MARKER: &str = "floundr backup directory";
const MANIFEST: &str = "floundr backup manifest";
const CHECK: &str = "check";

/// Which store a directory is a backup of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) store: [u8; 16],
}

/// What makes a backup complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// As in the marker: the manifest alone is enough to restore.
    pub(super) store: [u8; 16],
    /// When the rows were copied, and when it was complete; in milliseconds since the epoch.
    pub(super) began: u64,
    pub(super) finished: u64,
    /// The metadata file: its number, length and SHA-256.
    pub(super) metadata: u64,
    pub(super) metadata_bytes: u64,
    pub(super) metadata_digest: Digest,
    /// How much it has.
    pub(super) counts: Counts,
    /// Bytes of all blobs.
    pub(super) bytes: u64,
    /// Blobs whose content was damaged in the store and is not there.
    pub(super) damaged: u64,
}

/// Why a file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged,
    Newer(u32),
}

// === impl Marker ===

impl Marker {
    pub(super) fn to_text(self) -> String {
        write(MARKER, &[("store", hex(&self.store))])
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let [store] = read(text, MARKER, ["store"])?;
        Ok(Self {
            store: identity(store)?,
        })
    }
}

// === impl Manifest ===

impl Manifest {
    pub(super) fn to_text(&self) -> String {
        let Counts {
            blobs,
            manifests,
            repositories,
            tags,
        } = self.counts;
        write(
            MANIFEST,
            &[
                ("store", hex(&self.store)),
                ("began-ms", self.began.to_string()),
                ("finished-ms", self.finished.to_string()),
                ("metadata", self.metadata.to_string()),
                ("metadata-bytes", self.metadata_bytes.to_string()),
                ("metadata-digest", self.metadata_digest.to_string()),
                ("blobs", blobs.to_string()),
                ("manifests", manifests.to_string()),
                ("repositories", repositories.to_string()),
                ("tags", tags.to_string()),
                ("bytes", self.bytes.to_string()),
                ("damaged", self.damaged.to_string()),
            ],
        )
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let names = [
            "store",
            "began-ms",
            "finished-ms",
            "metadata",
            "metadata-bytes",
            "metadata-digest",
            "blobs",
            "manifests",
            "repositories",
            "tags",
            "bytes",
            "damaged",
        ];
        let [
            store,
            began,
            finished,
            metadata,
            metadata_bytes,
            metadata_digest,
            blobs,
            manifests,
            repositories,
            tags,
            bytes,
            damaged,
        ] = read(text, MANIFEST, names)?;
        Ok(Self {
            store: identity(store)?,
            began: number(began)?,
            finished: number(finished)?,
            metadata: number(metadata)?,
            metadata_bytes: number(metadata_bytes)?,
            metadata_digest: metadata_digest
                .parse()
                .map_err(|_malformed| Unreadable::Damaged)?,
            counts: Counts {
                blobs: number(blobs)?,
                manifests: number(manifests)?,
                repositories: number(repositories)?,
                tags: number(tags)?,
            },
            bytes: number(bytes)?,
            damaged: number(damaged)?,
        })
    }
}

fn write(kind: &str, fields: &[(&str, String)]) -> String {
    let line = |(name, value): &(&str, String)| format!("{name}: {value}\n");
    let lines: String = fields.iter().map(line).collect();
    with_check(&format!("{kind} {FORMAT}\n{lines}"))
}

/// Adds the last line.
pub(super) fn with_check(text: &str) -> String {
    let check = check(text);
    format!("{text}{CHECK}: {check}\n")
}

/// The values of the lines, which must be those of `names` in their order.
fn read<'t, const N: usize>(
    text: &'t [u8],
    kind: &str,
    names: [&str; N],
) -> Result<[&'t str; N], Unreadable> {
    let damaged = Unreadable::Damaged;
    let text = std::str::from_utf8(text).map_err(|_not_text| damaged)?;
    let (body, check_line) = text
        .strip_suffix('\n')
        .and_then(|text| text.rsplit_once('\n'))
        .ok_or(damaged)?;
    let body_len = body.len() + 1;
    let checked = text.get(..body_len).ok_or(damaged)?;
    let told = check_line
        .strip_prefix(CHECK)
        .and_then(value)
        .ok_or(damaged)?;
    if told != check(checked) {
        return Err(damaged);
    }
    let mut lines = body.split('\n');
    let head = lines.next().and_then(|head| head.strip_prefix(kind));
    let format: u32 = head
        .and_then(|rest| rest.strip_prefix(' ')?.parse().ok())
        .ok_or(damaged)?;
    if format > FORMAT {
        return Err(Unreadable::Newer(format));
    }
    let mut values = [""; N];
    for (slot, name) in values.iter_mut().zip(names) {
        let line = lines.next().and_then(|line| line.strip_prefix(name));
        *slot = line.and_then(value).ok_or(damaged)?;
    }
    match lines.next() {
        None => Ok(values),
        Some(_) => Err(damaged),
    }
}

fn value(rest: &str) -> Option<&str> {
    rest.strip_prefix(": ")
}

fn check(text: &str) -> String {
    Digest::of(Algorithm::Sha256, text.as_bytes()).to_string()
}

fn number(text: &str) -> Result<u64, Unreadable> {
    text.parse().map_err(|_no_number| Unreadable::Damaged)
}

fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn identity(text: &str) -> Result<[u8; 16], Unreadable> {
    let number = u128::from_str_radix(text, 16).map_err(|_no_number| Unreadable::Damaged)?;
    Ok(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            store: [7; 16],
            began: 1,
            finished: 2,
            metadata: 3,
            metadata_bytes: 4,
            metadata_digest: Digest::of(Algorithm::Sha256, b""),
            counts: Counts {
                blobs: 5,
                manifests: 6,
                repositories: 7,
                tags: 8,
            },
            bytes: 9,
            damaged: 0,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let marker = Marker { store: [0xab; 16] };
        assert_eq!(Marker::parse(marker.to_text().as_bytes()), Ok(marker));
        let manifest = manifest();
        assert_eq!(Manifest::parse(manifest.to_text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_changed_or_cut_file_is_damaged() {
        let text = manifest().to_text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::parse(&flipped), Err(Unreadable::Damaged), "{bit}");
        }
        for len in 0..text.len() {
            let cut = Manifest::parse(&text[..len]);
            assert_eq!(cut, Err(Unreadable::Damaged), "{len}");
        }
        assert!(Marker::parse(&text).is_err());
    }

    #[test]
    fn a_newer_format_is_named() {
        let body = format!("{MARKER} 2\nsomething: new\n");
        let text = format!("{body}{CHECK}: {}\n", check(&body));
        assert_eq!(Marker::parse(text.as_bytes()), Err(Unreadable::Newer(2)));
    }
}
