//! The resolved configuration: every value typed, and every value with where it came from.
//!
//! Order: flags, environment, `.env` of the working directory, `floundr.toml` of the home
//! directory, defaults. Invariants:
//! 1. [`Config`] holds only values that are valid, each by itself and all together; what is not is
//!    an error that names the setting, the value and its source.
//! 2. Secrets are never printed, in no error and no listing.
//! 3. Resolving reads files and changes nothing.
//!
//! The table of settings is in `settings`, `[[policy]]` in `policies`, reading the sources in `sources`, the meaning of a
//! value's text in `values`; what accounts and tokens need is in `accounts`, a server elsewhere in `remote`. What needs the network (does the host resolve, is the port free) is
//! found out by `commands::serve`.

mod accounts;
mod policies;
mod remote;
mod settings;
mod sources;
pub(crate) mod values;

pub(crate) use accounts::AccountsConfig;
pub(crate) use remote::{RemoteConfig, server_address};
pub(crate) use settings::{Kind, SETTINGS, Setting};
pub(crate) use sources::Surroundings;

use crate::args::{Driver, DurabilityChoice, LogFormat, MissingChoice, SettingFlags};
use anyhow::{Result, bail, ensure};
use floundr_engine::policy::Policy;
use sources::{SettingsFile, Source, look_up};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything the commands need, valid.
#[derive(Debug)]
pub(crate) struct Config {
    /// The home directory.
    pub(crate) home: PathBuf,
    /// The store.
    pub(crate) store: StoreConfig,
    /// The server.
    pub(crate) serve: ServeConfig,
    /// Accounts and tokens.
    pub(crate) accounts: AccountsConfig,
    /// The server that commands ask when it is not the one on this machine.
    pub(crate) remote: RemoteConfig,
    /// The logs.
    pub(crate) log: LogConfig,
}

/// What opening the store needs.
#[derive(Debug)]
pub(crate) struct StoreConfig {
    /// Its directory.
    pub(crate) root: PathBuf,
    /// When an answered write is on disk.
    pub(crate) durability: DurabilityChoice,
    /// How long a blob without links is kept.
    pub(crate) gc_grace: Duration,
    /// How often the collector looks for what became due.
    pub(crate) gc_interval: Duration,
    /// How long an answer "it exists" holds.
    pub(crate) lease: Duration,
    /// How long a deletion can be undone.
    pub(crate) undo: Duration,
    /// How many changes of a tag are remembered.
    pub(crate) tag_history: usize,
    /// Whether blobs that a manifest links can be deleted.
    pub(crate) refuse_referenced: bool,
    /// How long an upload may rest.
    pub(crate) upload_lifetime: Duration,
    /// What goes by itself; only `floundr.toml` has them.
    pub(crate) policies: Vec<Policy>,
    /// How often they are gone through.
    pub(crate) policy_interval: Duration,
}

/// What serving needs beyond the store.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    /// Bytes a second that the background check reads; 0: it is off.
    pub(crate) check_rate: u64,
    /// Address or name to listen on.
    pub(crate) host: String,
    /// The port for plain HTTP.
    pub(crate) port: u16,
    /// Whether the registry is open on purpose.
    pub(crate) no_auth: bool,
    /// HTTPS, when it is wanted.
    pub(crate) tls: Option<TlsConfig>,
    /// Image manifests whose blobs are absent.
    pub(crate) missing_blobs: MissingChoice,
    /// Indexes whose children are absent.
    pub(crate) missing_children: MissingChoice,
    /// Bytes of the largest manifest.
    pub(crate) max_manifest_size: u64,
    /// The most connections at once.
    pub(crate) max_connections: usize,
    /// How long a client may take for a request's head.
    pub(crate) header_timeout: Duration,
    /// How long a body may stand still.
    pub(crate) body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub(crate) idle_timeout: Duration,
    /// How long requests may go on after the stop signal.
    pub(crate) drain_timeout: Duration,
}

/// What HTTPS needs.
#[derive(Debug)]
pub(crate) struct TlsConfig {
    /// PEM file with the certificate chain.
    pub(crate) cert_path: PathBuf,
    /// PEM file with the private key.
    pub(crate) key_path: PathBuf,
    /// The port.
    pub(crate) port: u16,
}

/// What logging needs.
#[derive(Debug)]
pub(crate) struct LogConfig {
    /// A level, or directives such as `info,floundr::access=off`.
    pub(crate) level: String,
    /// How lines look.
    pub(crate) format: LogFormat,
}

/// The configuration together with how it came about.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What it came to.
    pub(crate) config: Config,
    /// Every setting with its source, in the table's order.
    pub(crate) entries: Vec<Entry>,
    /// Where `floundr.toml` is, or would be.
    pub(crate) file: PathBuf,
    /// Whether it is there.
    pub(crate) file_exists: bool,
    /// What the user should know about single settings.
    pub(crate) notes: Vec<String>,
}

/// A setting's value and where it came from.
pub(crate) struct Entry {
    /// Which setting.
    pub(crate) setting: Setting,
    /// Its text; `None` when it has none.
    pub(crate) value: Option<String>,
    /// Where that came from.
    pub(crate) source: Source,
}

/// The values by key while they are put together.
struct Values(Vec<Entry>);

/// Resolves the configuration (see the module).
///
/// # Errors
/// Whatever keeps a value from being read or used; the message names it.
pub(crate) fn resolve(flags: &SettingFlags, surroundings: &Surroundings) -> Result<Resolved> {
    let (home, source) = home_directory(flags, surroundings)?;
    let file = SettingsFile::read(&home)?;
    let mut values = Values::gather(flags, surroundings, &file);
    values.set(Setting::HomeDir, &home, source);
    let root = store_root(&values, &home)?;
    if values.get(Setting::StoragePath).value.is_none() {
        let source = values.get(Setting::DbPath).source.clone();
        values.set(Setting::StoragePath, &root, source);
    }
    let config = Config {
        home,
        store: StoreConfig {
            policies: file.policies,
            ..store(&values, root)?
        },
        serve: serve(&values)?,
        accounts: accounts::accounts(&values)?,
        remote: remote::remote(&values)?,
        log: LogConfig {
            level: values.parsed(Setting::LogLevel, log_level)?,
            format: values.parsed(Setting::LogFormat, values::choice)?,
        },
    };
    Ok(Resolved {
        config,
        notes: notes(&values, surroundings),
        entries: values.0,
        file: file.path,
        file_exists: file.exists,
    })
}

// === impl Resolved ===

impl Resolved {
    /// A setting's value and source.
    pub(crate) fn entry(&self, setting: Setting) -> &Entry {
        &self.entries[setting as usize]
    }
}

// === impl Entry ===

impl Entry {
    /// The value as it may be shown.
    pub(crate) fn shown(&self) -> Option<&str> {
        match (self.setting.row().kind, &self.value) {
            (Kind::Secret, Some(_)) => Some("********"),
            (_, value) => value.as_deref(),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Entry");
        shown.field("setting", &self.setting);
        shown.field("value", &self.shown());
        shown.field("source", &self.source).finish()
    }
}

// === impl Values ===

impl Values {
    fn gather(flags: &SettingFlags, surroundings: &Surroundings, file: &SettingsFile) -> Self {
        let entry = |row: &settings::Row| {
            let found = look_up(row.setting, flags, surroundings, file);
            let (value, source) = found.map_or((None, Source::Default), |(value, source)| {
                (Some(value), source)
            });
            Entry {
                setting: row.setting,
                value,
                source,
            }
        };
        Self(SETTINGS.iter().map(entry).collect())
    }

    fn get(&self, setting: Setting) -> &Entry {
        &self.0[setting as usize]
    }

    fn set(&mut self, setting: Setting, path: &Path, source: Source) {
        let entry = &mut self.0[setting as usize];
        entry.value = Some(path.display().to_string());
        entry.source = source;
    }

    fn path(&self, setting: Setting) -> Option<PathBuf> {
        self.get(setting).value.as_ref().map(PathBuf::from)
    }

    /// The value of a setting that has a default, with an error that names it and its source.
    fn parsed<T, E: fmt::Display>(
        &self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T> {
        let entry = self.get(setting);
        let value = entry.value.as_deref().unwrap_or_default();
        parse(value).or_else(|expected| {
            let (name, source) = (setting.row().name, &entry.source);
            match setting.row().kind {
                Kind::Secret => bail!("{name} ({source}) cannot be used: {expected}"),
                Kind::Plain | Kind::Path => bail!("{name} is {value:?} ({source}): {expected}"),
            }
        })
    }

    /// The same of a setting that may have no value.
    fn given<T, E: fmt::Display>(
        &self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>> {
        let there = self.get(setting).value.is_some();
        there.then(|| self.parsed(setting, parse)).transpose()
    }
}

fn home_directory(flags: &SettingFlags, surroundings: &Surroundings) -> Result<(PathBuf, Source)> {
    let none = SettingsFile::default();
    if let Some((home, source)) = look_up(Setting::HomeDir, flags, surroundings, &none) {
        return Ok((PathBuf::from(home), source));
    }
    let absolute = |name: &'static str| {
        let (path, _) = surroundings.variable(name)?;
        Path::new(&path).is_absolute().then(|| PathBuf::from(path))
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    match data {
        Some(data) => Ok((data.join("floundr"), Source::Default)),
        None => bail!(
            "there is no home directory: neither XDG_DATA_HOME nor HOME is an absolute path; \
             name one with --home-dir or FLOUNDR_HOME"
        ),
    }
}

/// The store's directory: `storage_path`, else `db_path`, else `storage` in the home directory.
fn store_root(values: &Values, home: &Path) -> Result<PathBuf> {
    let storage = values.path(Setting::StoragePath);
    let Some(db_path) = values.path(Setting::DbPath) else {
        return Ok(storage.unwrap_or_else(|| home.join("storage")));
    };
    let (source, shown) = (&values.get(Setting::DbPath).source, db_path.display());
    ensure!(
        !is_sqlite(&db_path),
        "db_path ({source}) names the SQLite file {shown}: the metadata lies in the store's \
         directory and no SQLite file is read; leave it out, or name a directory"
    );
    ensure!(
        !db_path.is_file(),
        "db_path ({source}) is {shown}, which is a file: it must be the store's directory"
    );
    if let Some(storage) = &storage {
        ensure!(
            *storage == db_path,
            "storage_path is {} ({}) and db_path is {shown} ({source}): metadata and blobs lie in \
             one directory, so give only one of them",
            storage.display(),
            values.get(Setting::StoragePath).source,
        );
    }
    Ok(db_path)
}

/// Whether a path is, or by its name would be, an `SQLite` database.
fn is_sqlite(path: &Path) -> bool {
    let named = path.extension().is_some_and(|ext| {
        ["sqlite", "sqlite3", "db", "db3"]
            .iter()
            .any(|name| ext == *name)
    });
    let mut head = [0; 15];
    let is_one = File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| &head == b"SQLite format 3");
    is_one || (named && !path.is_dir())
}

fn store(values: &Values, root: PathBuf) -> Result<StoreConfig> {
    if values.parsed(Setting::Driver, values::choice::<Driver>)? == Driver::S3 {
        bail!(
            "driver is \"s3\" ({}), which is not available yet: blobs are kept in local files; \
             leave it out or say local",
            values.get(Setting::Driver).source
        );
    }
    let at_least_a_second = |text: &str| match values::duration(text) {
        Ok(lease) if lease < Duration::from_secs(1) => Err("less than a second"),
        other => other,
    };
    let at_least_ten_millis = |text: &str| match values::duration(text) {
        Ok(interval) if interval < Duration::from_millis(10) => Err("less than 10ms"),
        other => other,
    };
    Ok(StoreConfig {
        root,
        durability: values.parsed(Setting::Durability, values::choice)?,
        gc_grace: values.parsed(Setting::GcGrace, values::duration)?,
        gc_interval: values.parsed(Setting::GcInterval, at_least_ten_millis)?,
        lease: values.parsed(Setting::Lease, at_least_a_second)?,
        policies: Vec::new(),
        policy_interval: values.parsed(Setting::PolicyInterval, at_least_a_second)?,
        undo: values.parsed(Setting::Undo, values::duration)?,
        tag_history: values.parsed(Setting::TagHistory, values::up_to(1000))?,
        refuse_referenced: values.parsed(Setting::RefuseReferenced, values::boolean)?,
        upload_lifetime: values.parsed(Setting::UploadLifetime, at_least_a_second)?,
    })
}

fn serve(values: &Values) -> Result<ServeConfig> {
    Ok(ServeConfig {
        check_rate: values.parsed(Setting::CheckRate, values::size)?,
        host: values.parsed(Setting::Host, values::not_empty)?,
        port: values.parsed(Setting::Port, values::port)?,
        no_auth: values.parsed(Setting::NoAuth, values::boolean)?,
        tls: tls(values)?,
        missing_blobs: values.parsed(Setting::MissingBlobs, values::choice)?,
        missing_children: values.parsed(Setting::MissingChildren, values::choice)?,
        max_manifest_size: values.parsed(Setting::MaxManifestSize, values::size)?,
        max_connections: values.parsed(Setting::MaxConnections, values::count)?,
        header_timeout: values.parsed(Setting::HeaderTimeout, values::duration)?,
        body_timeout: values.parsed(Setting::BodyTimeout, values::duration)?,
        idle_timeout: values.parsed(Setting::IdleTimeout, values::duration)?,
        drain_timeout: values.parsed(Setting::DrainTimeout, values::duration)?,
    })
}

fn tls(values: &Values) -> Result<Option<TlsConfig>> {
    let wanted = values.parsed(Setting::Ssl, values::boolean)?;
    let port = values.parsed(Setting::HttpsPort, values::port)?;
    match (
        wanted,
        values.path(Setting::CertPath),
        values.path(Setting::KeyPath),
    ) {
        (true, Some(cert_path), Some(key_path)) => Ok(Some(TlsConfig {
            cert_path,
            key_path,
            port,
        })),
        (true, cert, _) => {
            let missing = if cert.is_none() { "cert" } else { "key" };
            bail!(
                "ssl is on ({}) and {missing}_path is missing: HTTPS needs --cert-path and \
                 --key-path",
                values.get(Setting::Ssl).source
            )
        }
        (false, None, None) => Ok(None),
        (false, cert, _) => {
            let setting = if cert.is_some() {
                Setting::CertPath
            } else {
                Setting::KeyPath
            };
            let (name, source) = (setting.row().name, &values.get(setting).source);
            bail!("{name} is given ({source}) and ssl is off: add --ssl, or leave it out")
        }
    }
}

/// A level, or directives of `target=level` form. A bare word that is no level would otherwise be
/// taken for the name of a target, and silence everything else.
fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let fits = |part: &str| {
        let part = part.trim().to_ascii_lowercase();
        part.contains('=') || LEVELS.contains(&part.as_str())
    };
    if !text.split(',').all(fits) {
        return Err(format!(
            "not one of {}, nor directives such as info,floundr::access=off",
            LEVELS.join(", ")
        ));
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn notes(values: &Values, surroundings: &Surroundings) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((_, source)) = surroundings.variable("DATABASE_URL") {
        notes.push(format!(
            "{source} is ignored: no database server or file is used"
        ));
    }
    notes.extend(accounts::notes(values));
    if values.get(Setting::DbPath).value.is_some() {
        notes.push("db_path names the store's directory, like storage_path".to_owned());
    }
    notes
}
