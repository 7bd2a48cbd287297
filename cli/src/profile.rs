//! [`Profile`]: `floundr.yml` in the home directory, which says whom the terminal client asks, and as
//! whom. Its fields are the predecessor's.
//!
//! Invariants:
//! 1. Only its user can read what is written here (0600), and nothing is overwritten.
//! 2. No error shows a value of the file.

use crate::secret_file::SecretFile;
use anyhow::{Context as _, Result, anyhow, ensure};
use floundr_frontend::accounts::Secret;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of the largest file that is read: five short texts.
const MAX_BYTES: u64 = 64 * 1024;

/// Whom to ask, and as whom.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The server's address.
    pub(crate) url: Option<String>,
    /// The user's name.
    pub(crate) email: Option<String>,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// An API key, which is used instead.
    pub(crate) secret: Option<Secret>,
    /// The terminal client's colours.
    pub(crate) theme: Option<String>,
}

/// The fields as they stand in the file; what is not known is somebody else's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    theme: Option<String>,
}

// === impl Profile ===

impl Profile {
    /// The name of the file in the home directory.
    pub(crate) const FILE: &str = "floundr.yml";

    /// Reads the file in `home`. One that is not there says nothing.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let path = home.join(Self::FILE);
        let about = || format!("cannot use {}", path.display());
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(about),
        };
        let mut text = String::new();
        let mut file = file.take(MAX_BYTES + 1);
        let read = file.read_to_string(&mut text).with_context(about)?;
        ensure!(read as u64 <= MAX_BYTES, "{}: it is too long", about());
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let fields: Fields = yaml_serde::from_str(&text).map_err(|error| {
            // The parser's own words may quote a value.
            let line = error.location().map_or(1, |location| location.line());
            anyhow!("{}: line {line} is not a field and its text", about())
        })?;
        Ok(fields.into())
    }

    /// Writes the file into `home`, which exists, unless there is one; whether there was none.
    /// Durable when it returns.
    ///
    /// # Errors
    /// What the system says; a file that could not be written whole is removed.
    pub(crate) fn write_new(&self, home: &Path) -> Result<bool> {
        let shown = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
        let fields = Fields {
            url: self.url.clone(),
            email: self.email.clone(),
            password: shown(&self.password),
            secret: shown(&self.secret),
            theme: self.theme.clone(),
        };
        let text = yaml_serde::to_string(&fields).context("cannot write a profile")?;
        match SecretFile::create(&home.join(Self::FILE))? {
            Some(file) => file.fill(&text).map(|()| true),
            None => Ok(false),
        }
    }
}

impl From<Fields> for Profile {
    fn from(fields: Fields) -> Self {
        let text = |field: Option<String>| field.filter(|text| !text.is_empty());
        let secret = |field| text(field).map(Secret::from);
        Self {
            url: text(fields.url),
            email: text(fields.email),
            password: secret(fields.password),
            secret: secret(fields.secret),
            theme: text(fields.theme),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_predecessors_file_is_read() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Profile::read(home.path()).unwrap(), Profile::default());
        let text =
            "url: http://localhost:8080\nemail: a@b.c\npassword: 12345\nsecret: ''\nmore: 1\n";
        std::fs::write(home.path().join("floundr.yml"), text).unwrap();
        let expected = Profile {
            url: Some("http://localhost:8080".to_owned()),
            email: Some("a@b.c".to_owned()),
            password: Some("12345".to_owned().into()),
            ..Profile::default()
        };
        assert_eq!(Profile::read(home.path()).unwrap(), expected);
        for empty in ["", "\n", "---\n", "{}"] {
            std::fs::write(home.path().join("floundr.yml"), empty).unwrap();
            assert_eq!(Profile::read(home.path()).unwrap(), Profile::default());
        }
    }

    #[test]
    fn what_is_written_is_read_again_by_its_user_alone_and_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let profile = Profile {
            url: Some("https://r.example.com".to_owned()),
            email: Some("floundr_admin".to_owned()),
            password: Some("a: \"b\"\n#c 'd'".to_owned().into()),
            secret: None,
            theme: Some("dark".to_owned()),
        };
        assert!(profile.write_new(home.path()).unwrap());
        assert_eq!(Profile::read(home.path()).unwrap(), profile);
        let metadata = home.path().join("floundr.yml").metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(!Profile::default().write_new(home.path()).unwrap());
        assert_eq!(Profile::read(home.path()).unwrap(), profile);
    }

    #[test]
    fn a_file_that_is_none_is_refused_without_its_values() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("floundr.yml");
        for bad in [
            "swordfish",
            "url: a\npassword: [swordfish]",
            "a: b: swordfish\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = format!("{:#}", Profile::read(home.path()).unwrap_err());
            assert!(error.contains("floundr.yml: line "), "{error}");
            assert!(!error.contains("swordfish"), "{error}");
        }
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        let error = format!("{:#}", Profile::read(home.path()).unwrap_err());
        assert!(error.contains("too long"), "{error}");
    }
}
