//! What fuzzing feeds that is private: everything that is decoded from the bytes on the disk.
//!
//! Each function takes any bytes. They decode to a value that has the same bytes again, or are refused;
//! anything else is a panic. Checksums are made here, so that they keep nothing from the decoders behind
//! them. It is no interface: it is there with the feature `test-util` alone, and hidden.

pub use crate::backup::fuzzing::backup_file;
pub use crate::meta::fuzzing::{journal_rows, row, sealed};
pub use crate::upload::fuzzing::session;

use crate::layout::{Layout, parse_backup_metadata, parse_number, parse_session};
use std::path::{Path, PathBuf};

/// The name of a file in a directory of the store or of a backup: it is taken for one of ours only when
/// it is exactly the one that ours has.
pub fn file_name(text: &str) {
    let layout = Layout::new("");
    let name = Path::new(text);
    let is_named = |path: PathBuf| path.file_name() == Some(name.as_os_str());
    if let Some(number) = parse_number(name) {
        assert_eq!(format!("{number:x}"), text);
    }
    if let Some(number) = parse_backup_metadata(name) {
        assert!(is_named(layout.backup_metadata(number)));
    }
    if let Some(upload) = parse_session(name) {
        let kin = [
            layout.session(upload, 0),
            layout.session(upload, 1),
            layout.synced_session(upload),
            layout.new_session(upload),
        ];
        assert!(kin.into_iter().any(is_named));
    }
}
