//! Flags that set something, and the choices that some settings are.
//!
//! Invariant: every flag is global, and one that was not given is `None` or `false`.

use crate::config::Setting;
use clap::{Args as ClapArgs, ValueEnum};
use floundr_frontend::accounts::Secret;

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

    /// Ask the server there instead of the one on this machine
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Server elsewhere"
    )]
    url: Option<String>,
    /// What to ask it with: an API key, or USER:PASSWORD; others on this machine can see a command
    /// line, and cannot see a variable
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        help_heading = "Server elsewhere"
    )]
    key: Option<Secret>,
    /// PEM file of the authority that its certificate is from, beside those the system trusts
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Server elsewhere"
    )]
    ca_file: Option<String>,

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
            Setting::Url => text(&self.url, "--url"),
            Setting::Key => {
                let key = self.key.as_ref().map(Secret::expose);
                key.map(|key| (key.to_owned(), "--key"))
            }
            Setting::CaFile => text(&self.ca_file, "--ca-file"),
            Setting::AppUrl
            | Setting::TrustedProxies
            | Setting::JwtSecretKey
            | Setting::JwtPreviousKey
            | Setting::TokenLifetime
            | Setting::RefreshLifetime
            | Setting::Service
            | Setting::RateLimit
            | Setting::AdminPassword
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
