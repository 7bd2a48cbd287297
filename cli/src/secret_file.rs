//! [`SecretFile`]: a file that only its user can read, made before what goes into it is.
//!
//! Invariant: nothing that was there is overwritten, and what is not filled is gone again.

use anyhow::{Context as _, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file that is there and empty.
#[derive(Debug)]
#[must_use = "the file is removed when this is dropped unfilled"]
pub(crate) struct SecretFile {
    path: PathBuf,
    file: Option<File>,
}

// === impl SecretFile ===

impl SecretFile {
    /// Makes the file, with the mode 0600; none when something of that name is there.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create(path: &Path) -> Result<Option<Self>> {
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Ok(Some(Self {
                path: path.to_owned(),
                file: Some(file),
            })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }

    /// Writes what it is for; on disk when it returns.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn fill(mut self, text: &str) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What kept it from being filled is told; an empty file that stays tells nothing.
            drop(std::fs::remove_file(&self.path));
        }
    }
}
