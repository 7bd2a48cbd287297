//! [`Profile`]: `floundr.yml` in the home directory, which says whom the terminal client asks, and as
//! whom. The fields of its first server are the predecessor's; more servers are a list behind them.
//!
//! Invariants:
//! 1. Only its user can read what is written here (0600); a first start overwrites nothing.
//! 2. No error shows a value of the file.
//! 3. [`remember`] replaces the file in one step and keeps the fields that are not its own; a file that
//!    cannot be understood stays as it is.

use crate::secret_file::SecretFile;
use anyhow::{Context as _, Result, anyhow, ensure};
use floundr_frontend::accounts::Secret;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use yaml_serde::{Mapping, Value};

/// Bytes of the largest file that is read: a few short texts for each server.
const MAX_BYTES: u64 = 64 * 1024;

/// The list of all servers but the first.
const MORE: &str = "servers";

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
    /// What the server is called.
    pub(crate) name: Option<String>,
    /// PEM file of the authority its certificate is from.
    pub(crate) ca_file: Option<PathBuf>,
    /// The name of the server to begin with; none: the first.
    pub(crate) current: Option<String>,
    /// All servers but the first.
    pub(crate) more: Vec<Known>,
}

/// One server of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// What it is called; none: its address.
    pub(crate) name: Option<String>,
    /// Its address.
    pub(crate) url: String,
    /// The user's name.
    pub(crate) email: Option<String>,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// An API key, which is used instead.
    pub(crate) secret: Option<Secret>,
    /// PEM file of the authority its certificate is from.
    pub(crate) ca_file: Option<PathBuf>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "servers")]
    more: Vec<Self>,
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
        let fields: Option<Fields> = parsed(&home.join(Self::FILE))?;
        Ok(fields.unwrap_or_default().into())
    }

    /// All servers that have an address, the one of the predecessor's fields first.
    pub(crate) fn servers(self) -> Vec<Known> {
        let first = self.url.map(|url| Known {
            name: self.name,
            url,
            email: self.email,
            password: self.password,
            secret: self.secret,
            ca_file: self.ca_file,
        });
        first.into_iter().chain(self.more).collect()
    }

    /// Writes the file into `home`, which exists, unless there is one; whether there was none.
    /// Durable when it returns.
    ///
    /// # Errors
    /// What the system says; a file that could not be written whole is removed.
    pub(crate) fn write_new(&self, home: &Path) -> Result<bool> {
        let fields = Fields {
            url: self.url.clone(),
            email: self.email.clone(),
            password: shown(self.password.as_ref()),
            secret: shown(self.secret.as_ref()),
            theme: self.theme.clone(),
            ..Fields::default()
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
        let more = fields.more.into_iter().map(Self::from);
        let more = more.flat_map(Self::servers).collect();
        Self {
            url: given(fields.url),
            email: given(fields.email),
            password: given(fields.password).map(Secret::from),
            secret: given(fields.secret).map(Secret::from),
            theme: given(fields.theme),
            name: given(fields.name),
            ca_file: fields.ca_file.filter(|path| !path.as_os_str().is_empty()),
            current: given(fields.current),
            more,
        }
    }
}

// === impl Known ===

impl Known {
    /// Writes its fields over those of an entry, of which the others stay.
    fn put(&self, entry: &mut Mapping) {
        let ca_file = self.ca_file.as_ref();
        let fields = [
            ("name", self.name.clone()),
            ("url", Some(self.url.clone())),
            ("email", self.email.clone()),
            ("password", shown(self.password.as_ref())),
            ("secret", shown(self.secret.as_ref())),
            ("ca_file", ca_file.map(|path| path.display().to_string())),
        ];
        for (name, text) in fields {
            match text {
                Some(text) => drop(entry.insert(name.into(), text.into())),
                None => drop(entry.remove(name)),
            }
        }
    }

    /// Whether an entry of the file is about it.
    fn is_in(&self, entry: &Mapping) -> bool {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        match (&self.name, text("name")) {
            (Some(name), Some(there)) => name == there,
            _ => text("url") == Some(&self.url),
        }
    }
}

/// Writes these servers into the file in `home`, instead of those that stand there.
///
/// # Errors
/// A file that cannot be understood, or what the system says; the file is as it was then.
pub(crate) fn remember(home: &Path, servers: &[Known]) -> Result<()> {
    let path = home.join(Profile::FILE);
    let mut whole: Mapping = parsed(&path)?.unwrap_or_default();
    let before = match whole.remove(MORE) {
        Some(Value::Sequence(entries)) => entries,
        _ => Vec::new(),
    };
    let before: Vec<Mapping> = before
        .into_iter()
        .filter_map(|entry| match entry {
            Value::Mapping(entry) => Some(entry),
            _ => None,
        })
        .collect();
    let mut servers = servers.iter();
    match servers.next() {
        Some(first) => first.put(&mut whole),
        None => {
            for name in ["name", "url", "email", "password", "secret", "ca_file"] {
                drop(whole.remove(name));
            }
        }
    }
    let more: Vec<Value> = servers
        .map(|server| {
            let known = before.iter().find(|entry| server.is_in(entry));
            let mut entry = known.cloned().unwrap_or_default();
            server.put(&mut entry);
            Value::Mapping(entry)
        })
        .collect();
    if !more.is_empty() {
        drop(whole.insert(MORE.into(), Value::Sequence(more)));
    }
    let text = yaml_serde::to_string(&whole).context("cannot write a profile")?;
    ensure!(
        text.len() as u64 <= MAX_BYTES,
        "{} would be too long",
        path.display()
    );
    replace(home, &path, &text).with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a file in the place of another one, or where none is; on disk when it returns.
fn replace(home: &Path, path: &Path, text: &str) -> io::Result<()> {
    std::fs::create_dir_all(home)?;
    // What a link leads to is replaced, not the link.
    let path = match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        found => found?,
    };
    let directory = path.parent().unwrap_or(home);
    // Its mode is 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    File::open(directory)?.sync_all()
}

/// Reads a file; none when it is not there or empty.
fn parsed<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let about = || format!("cannot use {}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(about),
    };
    let mut text = String::new();
    let mut file = file.take(MAX_BYTES + 1);
    let read = file.read_to_string(&mut text).with_context(about)?;
    ensure!(read as u64 <= MAX_BYTES, "{}: it is too long", about());
    if text.trim().is_empty() {
        return Ok(None);
    }
    yaml_serde::from_str(&text).map_err(|error| {
        // The parser's own words may quote a value.
        let line = error.location().map_or(1, |location| location.line());
        anyhow!("{}: line {line} is not a field and its text", about())
    })
}

fn given(field: Option<String>) -> Option<String> {
    field.filter(|text| !text.is_empty())
}

fn shown(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
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
            ..Profile::default()
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

    fn known(name: &str, url: &str) -> Known {
        Known {
            name: Some(name.to_owned()),
            url: url.to_owned(),
            email: Some("ann".to_owned()),
            password: Some("swordfish".to_owned().into()),
            secret: None,
            ca_file: None,
        }
    }

    #[test]
    fn servers_are_remembered_in_one_step_and_fields_of_others_stay() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("floundr.yml");
        let text = "url: http://localhost:8080\nemail: a@b.c\npassword: old\ntheme: light\nmore: 1\n\
                    servers:\n- {name: far, url: 'https://far', note: mine}\n- {name: gone, url: x}\n";
        std::fs::write(&path, text).unwrap();
        let servers = [
            known("near", "http://localhost:8080"),
            known("far", "https://far"),
        ];
        remember(home.path(), &servers).unwrap();
        let profile = Profile::read(home.path()).unwrap();
        assert_eq!(profile.url.as_deref(), Some("http://localhost:8080"));
        assert_eq!(profile.theme.as_deref(), Some("light"));
        assert_eq!(profile.servers(), servers);
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.contains("more: 1"), "{written}");
        assert!(written.contains("note: mine"), "{written}");
        assert!(!written.contains("gone"), "{written}");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = std::fs::read_dir(home.path()).unwrap().count();
        assert_eq!(files, 1, "nothing else is left");

        remember(home.path(), &[]).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(!written.contains("swordfish"), "{written}");
        assert!(written.contains("theme: light"), "{written}");
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("floundr.yml");
        std::fs::write(&path, "swordfish").unwrap();
        let error = remember(home.path(), &[known("a", "b")]).unwrap_err();
        assert!(!format!("{error:#}").contains("swordfish"), "{error:#}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "swordfish");
    }
}
