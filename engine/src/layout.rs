//! [`Layout`]: the only builder of paths under a store's root.
//!
//! ```text
//! LOCK                       held by the process that has the store open
//! FAILED                     files whose sync failed, for the next start; usually absent
//! RESERVE                    space that is given up when the disk is full
//! metadata.redb              records; `metadata.redb.new` while a store is made
//! metadata.journal           the last changes of them
//! blobs/<n / 4096>/<n>       one file per large blob, and per upload that has bytes
//! segments/<n / 4096>/<n>    many small blobs, one after another
//! uploads/<uuid>.session     how far an upload at rest is, in turns with `.session.odd`; `.session.synced` if
//!                            that survives a power cut, `.session.new` while that is replaced
//! ```
//! Numbers are lower-case hex without leading zeros, so that each has one name. Blob files and
//! segments share one sequence of numbers.

use std::path::{Path, PathBuf};

/// Files per directory: few enough for every file system, many enough that a store of a million
/// blobs has 250 directories.
const FILES_PER_DIRECTORY: u64 = 4096;

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// What a numbered file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileKind {
    /// One blob.
    Blob,
    /// Many small ones.
    Segment,
}

// === impl Layout ===

impl Layout {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    /// The marker of a failed sync.
    pub(crate) fn failure(&self) -> PathBuf {
        self.root.join("FAILED")
    }

    /// The space that is given up when the disk is full.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.root.join("RESERVE")
    }

    /// The records' file while it is made.
    pub(crate) fn new_metadata(&self) -> PathBuf {
        self.root.join("metadata.redb.new")
    }

    pub(crate) fn metadata(&self) -> PathBuf {
        self.root.join("metadata.redb")
    }

    /// The last changes of the records.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("metadata.journal")
    }

    /// The metadata while a restore makes it: as long as it is there, this is no store.
    pub(crate) fn restoring(&self) -> PathBuf {
        self.root.join("metadata.redb.restoring")
    }

    // --- a backup has the same files in the same places, and these ---

    /// Says that a directory is a backup, and of which store.
    pub(crate) fn backup_marker(&self) -> PathBuf {
        self.root.join("BACKUP")
    }

    /// What makes a backup complete.
    pub(crate) fn backup_manifest(&self) -> PathBuf {
        self.root.join("MANIFEST")
    }

    /// The metadata of one backup.
    pub(crate) fn backup_metadata(&self, number: u64) -> PathBuf {
        self.root.join(backup_metadata_name(number))
    }

    /// The directory of the directories of one kind of file.
    pub(crate) fn files(&self, kind: FileKind) -> PathBuf {
        self.root.join(match kind {
            FileKind::Blob => "blobs",
            FileKind::Segment => "segments",
        })
    }

    /// A directory of numbered files; see [`directory_of`].
    pub(crate) fn directory(&self, kind: FileKind, directory: u64) -> PathBuf {
        self.files(kind).join(format!("{directory:x}"))
    }

    /// A numbered file.
    pub(crate) fn file(&self, kind: FileKind, number: u64) -> PathBuf {
        self.directory(kind, directory_of(number))
            .join(format!("{number:x}"))
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Where record number `turn` of an upload goes, unless it is to survive a power cut.
    pub(crate) fn session(&self, upload: [u8; 16], turn: u64) -> PathBuf {
        let name = session_name(upload);
        let is_odd = turn % 2 == 1;
        self.uploads()
            .join(if is_odd { name + ".odd" } else { name })
    }

    /// The one that survives a power cut.
    pub(crate) fn synced_session(&self, upload: [u8; 16]) -> PathBuf {
        self.uploads().join(session_name(upload) + ".synced")
    }

    /// The name it is written under before it replaces the one before.
    pub(crate) fn new_session(&self, upload: [u8; 16]) -> PathBuf {
        self.uploads().join(session_name(upload) + ".new")
    }
}

/// The number of the directory that holds a numbered file.
pub(crate) fn directory_of(number: u64) -> u64 {
    number / FILES_PER_DIRECTORY
}

/// The number in a name made by [`Layout::directory`] or [`Layout::file`]; `None` for any other.
pub(crate) fn parse_number(name: &Path) -> Option<u64> {
    let text = name.to_str()?;
    let number = u64::from_str_radix(text, 16).ok()?;
    (format!("{number:x}") == text).then_some(number)
}

/// The number in a name made by [`Layout::backup_metadata`].
pub(crate) fn parse_backup_metadata(name: &Path) -> Option<u64> {
    let text = name.to_str()?;
    let hex = text.strip_prefix("metadata-")?.strip_suffix(".redb")?;
    parse_number(Path::new(hex))
}

/// What was listed under a name in a directory.
pub(crate) fn entry(directory: &Path, name: &Path) -> PathBuf {
    directory.join(name)
}

/// The name a file is written under before it gets its own.
pub(crate) fn new_name(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

fn backup_metadata_name(number: u64) -> String {
    format!("metadata-{number:x}.redb")
}

/// The upload in a name made by [`Layout::session`] and its kin.
pub(crate) fn parse_session(name: &Path) -> Option<[u8; 16]> {
    let text = name.to_str()?;
    let hex = text.split_once('.')?.0;
    let upload = u128::from_str_radix(hex, 16).ok()?.to_be_bytes();
    let expected = session_name(upload);
    (text.strip_prefix(expected.as_str()))
        .is_some_and(|rest| ["", ".odd", ".new", ".synced"].contains(&rest))
        .then_some(upload)
}

fn session_name(upload: [u8; 16]) -> String {
    format!("{:032x}.session", u128::from_be_bytes(upload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_not() {
        let layout = Layout::new("/store");
        for number in [0, 1, 10, 4095, 4096, 123_456_789, u64::MAX] {
            let path = layout.file(FileKind::Blob, number);
            let name = Path::new(path.file_name().unwrap());
            assert_eq!(parse_number(name), Some(number));
        }
        for other in ["", "01", "F", "+1", "x", "1.new", "lost+found"] {
            assert_eq!(parse_number(Path::new(other)), None, "{other:?}");
        }
        for number in [0, 26, u64::MAX] {
            let path = layout.backup_metadata(number);
            let name = Path::new(path.file_name().unwrap());
            assert_eq!(parse_backup_metadata(name), Some(number));
            assert_eq!(parse_backup_metadata(&new_name(name)), None);
        }
        assert_eq!(
            new_name(&layout.file(FileKind::Blob, 1)),
            Path::new("/store/blobs/0/1.new")
        );
        let upload = [7; 16];
        for path in [
            layout.session(upload, 6),
            layout.session(upload, 7),
            layout.synced_session(upload),
            layout.new_session(upload),
        ] {
            let name = Path::new(path.file_name().unwrap());
            assert_eq!(parse_session(name), Some(upload));
        }
        for other in ["", "x.session", ".session", "07.session", "lost+found"] {
            assert_eq!(parse_session(Path::new(other)), None, "{other:?}");
        }
    }

    #[test]
    fn a_directory_holds_4096_files() {
        let layout = Layout::new("/store");
        let path = |number| layout.file(FileKind::Segment, number);
        assert_eq!(path(4095), Path::new("/store/segments/0/fff"));
        assert_eq!(path(4096), Path::new("/store/segments/1/1000"));
    }
}
