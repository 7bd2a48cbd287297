//! What a user may type: clap's derive types and nothing else.
//!
//! Invariants:
//! 1. A flag that was not given is `None` (or `false`): defaults live in `config::settings`, so
//!    that a flag never hides the environment or the settings file.
//! 2. Every setting's flag is global: it may stand before or behind the command.
//!
//! What a value means and whether it fits the others is decided in `config`, not here.

use crate::config::Setting;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A container registry that one person can run and one engineer can understand.
///
/// Without a command it serves. Every value can also come from the environment, from `.env` in the
/// working directory or from `floundr.toml` in the home directory; `floundr config` shows which.
#[derive(Debug, Parser)]
#[command(name = "floundr", version, disable_help_subcommand = false)]
pub(crate) struct Args {
    /// Flags that set something, on every command.
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the registry (what happens without a command)
    Serve,
    /// Print every setting and where its value came from
    Config {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Create an empty repository; pushing to one that does not exist creates it too
    NewRepo {
        /// The repository's name, such as `team/app`
        name: String,
        /// Let anyone pull from it (every repository is public until there are accounts)
        #[arg(long)]
        public: bool,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Give the space back of what nothing needs any more; the server does so by itself, too
    Gc(GcArgs),
    /// Say why a blob or manifest is there: all that keeps it, or when it goes
    Why {
        /// Its digest, such as sha256:9f86d0...
        digest: String,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Say how much space the repositories take: of their own, shared, and not needed any more
    Du {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Read everything that is stored, and say what is not as it was put
    Check(CheckArgs),
    /// Restore what was deleted, or list what can be restored
    Undelete(UndeleteArgs),
    /// Copy the store into a directory while it is in use, or bring the copy there up to date
    Backup(BackupArgs),
    /// Make a store out of a backup, in the storage directory, which must be empty
    Restore(RestoreArgs),
}

/// `floundr gc`.
#[derive(Debug, ClapArgs)]
pub(crate) struct GcArgs {
    /// What else than to collect
    #[command(subcommand)]
    pub(crate) order: Option<GcOrder>,
    /// Remove nothing; list what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make all deletions final first, so that they cannot be undone any more
    #[arg(long)]
    pub(crate) empty_trash: bool,
    /// Take what nothing has linked for so long, such as 0s or 1d [default: --gc-grace]; what a client
    /// was told of less than a lease ago stays all the same
    #[arg(long, value_name = "DURATION")]
    pub(crate) grace: Option<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What else can be asked of the collector.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum GcOrder {
    /// Say where the collector stands
    Status,
    /// Remove nothing until it is resumed, over restarts too
    Pause,
    /// Go on after a pause
    Resume,
}

/// `floundr check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Write anew what follows from other rows, and remove what nothing needs
    #[arg(long)]
    pub(crate) repair: bool,
    /// Read the pages of the metadata file, too; no server may run
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr undelete`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UndeleteArgs {
    /// What to restore: NAME, NAME:TAG or NAME@DIGEST; without it, deleted repositories are listed
    #[arg(value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// List the deleted manifests of the repository NAME instead
    #[arg(long)]
    pub(crate) list: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr backup`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BackupArgs {
    /// Where to; an empty directory, or one with a backup of this store
    pub(crate) directory: PathBuf,
    /// Link large blobs instead of copying them: no space, but what damages one damages both
    #[arg(long)]
    pub(crate) hard_links: bool,
    /// Hash again what the directory has, and copy again what is damaged
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr restore`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreArgs {
    /// The directory of the backup
    pub(crate) backup: PathBuf,
    /// Link large blobs instead of copying them: no space, but what damages one damages both
    #[arg(long)]
    pub(crate) hard_links: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags that set something. `None` and `false` mean: not given.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct SettingFlags {
    /// Directory of floundr.toml and, unless set apart, of the store [default: floundr in the data
    /// directory of the user, usually ~/.local/share/floundr]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Store")]
    home_dir: Option<String>,
    /// Directory of the store: blobs and metadata [default: storage in the home directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Store")]
    storage_path: Option<String>,
    /// Another name for --storage-path: the metadata lies in the store as well
    #[arg(short, long, global = true, value_name = "DIR", help_heading = "Store")]
    db_path: Option<String>,
    /// Where blobs are kept; s3 is not available yet [default: local]
    #[arg(long, global = true, help_heading = "Store")]
    driver: Option<Driver>,
    /// When an answered write is on disk; relaxed may lose the last second [default: durable]
    #[arg(long, global = true, help_heading = "Store")]
    durability: Option<DurabilityChoice>,
    /// How long a blob that nothing links is kept, such as 90s, 1h or 7d [default: 1h]
    #[arg(long, global = true, value_name = "DURATION", help_heading = "Store")]
    gc_grace: Option<String>,

    /// Address or host name to listen on [default: 127.0.0.1]
    #[arg(long, global = true, help_heading = "Network")]
    host: Option<String>,
    /// Port to listen on; 0 lets the system choose [default: 8080]
    #[arg(short, long, global = true, help_heading = "Network")]
    port: Option<String>,
    /// Let anyone who reaches the address pull, push and delete; needed beyond loopback
    #[arg(long, global = true, help_heading = "Network")]
    no_auth: bool,
    /// Serve HTTPS too, on --https-port, with --cert-path and --key-path
    #[arg(long, global = true, help_heading = "Network")]
    ssl: bool,
    /// PEM file with the certificate chain
    #[arg(long, global = true, value_name = "FILE", help_heading = "Network")]
    cert_path: Option<String>,
    /// PEM file with the private key
    #[arg(long, global = true, value_name = "FILE", help_heading = "Network")]
    key_path: Option<String>,
    /// Port for HTTPS with --ssl [default: 443]
    #[arg(long, global = true, value_name = "PORT", help_heading = "Network")]
    https_port: Option<String>,

    /// An image manifest whose blobs are not there [default: refuse]
    #[arg(long, global = true, help_heading = "Rules")]
    missing_blobs: Option<MissingChoice>,
    /// An index whose manifests are not there [default: accept]
    #[arg(long, global = true, help_heading = "Rules")]
    missing_children: Option<MissingChoice>,

    /// Log what is done, not only what goes wrong: the log level debug
    #[arg(long, global = true, help_heading = "Logs")]
    debug: bool,
    /// How log lines look [default: text]
    #[arg(long, global = true, help_heading = "Logs")]
    log_format: Option<LogFormat>,
}

/// Where blobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// Files in the store's directory.
    Local,
    /// An object store; not there yet.
    S3,
}

/// When an answered write is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityChoice {
    /// Before the answer.
    Durable,
    /// Up to a second later.
    Relaxed,
}

/// What happens to a manifest that links something absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissingChoice {
    /// It is stored.
    Accept,
    /// It is refused.
    Refuse,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

// === impl SettingFlags ===

impl SettingFlags {
    /// The value a flag gave to `setting`, as text, with the flag as it is typed.
    pub(crate) fn given(&self, setting: Setting) -> Option<(String, &'static str)> {
        let text = |value: &Option<String>, flag| value.clone().map(|value| (value, flag));
        let on = |value: bool, flag| value.then(|| ("true".to_owned(), flag));
        match setting {
            Setting::HomeDir => text(&self.home_dir, "--home-dir"),
            Setting::StoragePath => text(&self.storage_path, "--storage-path"),
            Setting::DbPath => text(&self.db_path, "--db-path"),
            Setting::Driver => choice(self.driver, "--driver"),
            Setting::Durability => choice(self.durability, "--durability"),
            Setting::GcGrace => text(&self.gc_grace, "--gc-grace"),
            Setting::Host => text(&self.host, "--host"),
            Setting::Port => text(&self.port, "--port"),
            Setting::NoAuth => on(self.no_auth, "--no-auth"),
            Setting::Ssl => on(self.ssl, "--ssl"),
            Setting::CertPath => text(&self.cert_path, "--cert-path"),
            Setting::KeyPath => text(&self.key_path, "--key-path"),
            Setting::HttpsPort => text(&self.https_port, "--https-port"),
            Setting::MissingBlobs => choice(self.missing_blobs, "--missing-blobs"),
            Setting::MissingChildren => choice(self.missing_children, "--missing-children"),
            Setting::LogLevel => self.debug.then(|| ("debug".to_owned(), "--debug")),
            Setting::LogFormat => choice(self.log_format, "--log-format"),
            Setting::AppUrl
            | Setting::JwtSecretKey
            | Setting::GcInterval
            | Setting::Lease
            | Setting::Undo
            | Setting::TagHistory
            | Setting::RefuseReferenced
            | Setting::PolicyInterval
            | Setting::UploadLifetime
            | Setting::CheckRate
            | Setting::MaxManifestSize
            | Setting::MaxConnections
            | Setting::HeaderTimeout
            | Setting::BodyTimeout
            | Setting::IdleTimeout
            | Setting::DrainTimeout => None,
        }
    }
}

/// A given choice as the text a user types for it.
fn choice<T: ValueEnum>(value: Option<T>, flag: &'static str) -> Option<(String, &'static str)> {
    let value = value?.to_possible_value()?;
    Some((value.get_name().to_owned(), flag))
}
