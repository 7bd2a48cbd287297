//! Any bytes as one of the files of a backup (see [`crate::fuzzing`]).

use super::records::{Manifest, Marker, with_check};

/// A marker or a manifest, without the line that has its checksum. What is read has a text that is read
/// as the same.
pub fn backup_file(body: &str) {
    let text = with_check(body);
    if let Ok(marker) = Marker::parse(text.as_bytes()) {
        assert_eq!(Marker::parse(marker.to_text().as_bytes()), Ok(marker));
    }
    if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
        assert_eq!(Manifest::parse(manifest.to_text().as_bytes()), Ok(manifest));
    }
}
