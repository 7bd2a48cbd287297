//! The table of settings: the single source for names, variables, defaults and documentation.
//!
//! Invariants:
//! 1. Every [`Setting`] has exactly one row in [`SETTINGS`], at its own position.
//! 2. A setting's name in `floundr.toml` is its row's `name`; a flag has the same name with `-`.
//!
//! What the text of a value means is in `config`; flags are typed out in `args`.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Directory of `floundr.toml`.
    HomeDir,
    /// Directory of the store.
    StoragePath,
    /// The predecessor's name for a part of the store's place.
    DbPath,
    /// Where blobs are kept.
    Driver,
    /// When an answered write is on disk.
    Durability,
    /// How long a blob without links is kept.
    GcGrace,
    /// How often the collector looks for what became due.
    GcInterval,
    /// How long an answer "it exists" holds.
    Lease,
    /// How long a deletion can be undone.
    Undo,
    /// How many changes of a tag are remembered.
    TagHistory,
    /// Whether blobs that a manifest links can be deleted.
    RefuseReferenced,
    /// How often policies are gone through.
    PolicyInterval,
    /// How long an upload may rest.
    UploadLifetime,
    /// How fast the background check reads.
    CheckRate,
    /// Where to listen.
    Host,
    /// On which port.
    Port,
    /// Whether the registry is open on purpose.
    NoAuth,
    /// The address clients know the registry by.
    AppUrl,
    /// Whose word on a client's address is taken.
    TrustedProxies,
    /// What tokens are signed with.
    JwtSecretKey,
    /// What they were signed with before.
    JwtPreviousKey,
    /// How long a token is good.
    TokenLifetime,
    /// How long a refresh token is good.
    RefreshLifetime,
    /// The audience of tokens.
    Service,
    /// Requests a second of one principal or address.
    RateLimit,
    /// The administrator's password on the first start.
    AdminPassword,
    /// Whether to serve HTTPS.
    Ssl,
    /// The certificate chain.
    CertPath,
    /// The private key.
    KeyPath,
    /// The port for HTTPS.
    HttpsPort,
    /// Image manifests whose blobs are absent.
    MissingBlobs,
    /// Indexes whose children are absent.
    MissingChildren,
    /// The largest manifest.
    MaxManifestSize,
    /// The most connections at once.
    MaxConnections,
    /// How long a client may take for a request's head.
    HeaderTimeout,
    /// How long a body may stand still.
    BodyTimeout,
    /// How long a connection may wait for its next request.
    IdleTimeout,
    /// How long requests may go on after the stop signal.
    DrainTimeout,
    /// A server elsewhere that commands ask.
    Url,
    /// What they ask it with.
    Key,
    /// Which authority its certificate is from.
    CaFile,
    /// Which log lines are written.
    LogLevel,
    /// How they look.
    LogFormat,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Which setting.
    pub(crate) setting: Setting,
    /// Its name in `floundr.toml` and in `floundr config`.
    pub(crate) name: &'static str,
    /// Its variable in the environment and in `.env`.
    pub(crate) variable: &'static str,
    /// What it is when nothing says otherwise; `None` when that is computed, or nothing.
    pub(crate) default: Option<&'static str>,
    /// What kind of value it is, where that matters before its meaning does.
    pub(crate) kind: Kind,
}

/// What matters about a value before its meaning does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// A path: one in `floundr.toml` is relative to that file's directory.
    Path,
    /// Never printed.
    Secret,
}

/// Every setting, in the order in which they are printed.
pub(crate) const SETTINGS: &[Row] = &[
    path(Setting::HomeDir, "home_dir", "FLOUNDR_HOME"),
    path(Setting::StoragePath, "storage_path", "FLOUNDR_STORAGE_PATH"),
    path(Setting::DbPath, "db_path", "DB_PATH"),
    plain(Setting::Driver, "driver", "FLOUNDR_DRIVER", "local"),
    plain(
        Setting::Durability,
        "durability",
        "FLOUNDR_DURABILITY",
        "durable",
    ),
    plain(Setting::GcGrace, "gc_grace", "FLOUNDR_GC_GRACE", "1h"),
    plain(
        Setting::GcInterval,
        "gc_interval",
        "FLOUNDR_GC_INTERVAL",
        "10s",
    ),
    plain(Setting::Lease, "lease", "FLOUNDR_LEASE", "1h"),
    plain(Setting::Undo, "undo", "FLOUNDR_UNDO", "24h"),
    plain(
        Setting::TagHistory,
        "tag_history",
        "FLOUNDR_TAG_HISTORY",
        "20",
    ),
    plain(
        Setting::RefuseReferenced,
        "refuse_referenced",
        "FLOUNDR_REFUSE_REFERENCED",
        "false",
    ),
    plain(
        Setting::PolicyInterval,
        "policy_interval",
        "FLOUNDR_POLICY_INTERVAL",
        "1h",
    ),
    plain(
        Setting::UploadLifetime,
        "upload_lifetime",
        "FLOUNDR_UPLOAD_LIFETIME",
        "7d",
    ),
    plain(
        Setting::CheckRate,
        "check_rate",
        "FLOUNDR_CHECK_RATE",
        "4MiB",
    ),
    plain(Setting::Host, "host", "HOST", "127.0.0.1"),
    plain(Setting::Port, "port", "PORT", "8080"),
    plain(Setting::NoAuth, "no_auth", "FLOUNDR_NO_AUTH", "false"),
    unset(Setting::AppUrl, "app_url", "APP_URL", Kind::Plain),
    unset(
        Setting::TrustedProxies,
        "trusted_proxies",
        "FLOUNDR_TRUSTED_PROXIES",
        Kind::Plain,
    ),
    secret(Setting::JwtSecretKey, "jwt_secret_key", "JWT_SECRET_KEY"),
    secret(
        Setting::JwtPreviousKey,
        "jwt_previous_key",
        "FLOUNDR_JWT_PREVIOUS_KEY",
    ),
    plain(
        Setting::TokenLifetime,
        "token_lifetime",
        "FLOUNDR_TOKEN_LIFETIME",
        "1h",
    ),
    plain(
        Setting::RefreshLifetime,
        "refresh_lifetime",
        "FLOUNDR_REFRESH_LIFETIME",
        "30d",
    ),
    plain(Setting::Service, "service", "FLOUNDR_SERVICE", "floundr"),
    plain(Setting::RateLimit, "rate_limit", "FLOUNDR_RATE_LIMIT", "0"),
    secret(
        Setting::AdminPassword,
        "admin_password",
        "FLOUNDR_ADMIN_PASSWORD",
    ),
    plain(Setting::Ssl, "ssl", "FLOUNDR_SSL", "false"),
    path(Setting::CertPath, "cert_path", "FLOUNDR_CERT_PATH"),
    path(Setting::KeyPath, "key_path", "FLOUNDR_KEY_PATH"),
    plain(
        Setting::HttpsPort,
        "https_port",
        "FLOUNDR_HTTPS_PORT",
        "443",
    ),
    plain(
        Setting::MissingBlobs,
        "missing_blobs",
        "FLOUNDR_MISSING_BLOBS",
        "refuse",
    ),
    plain(
        Setting::MissingChildren,
        "missing_children",
        "FLOUNDR_MISSING_CHILDREN",
        "accept",
    ),
    plain(
        Setting::MaxManifestSize,
        "max_manifest_size",
        "FLOUNDR_MAX_MANIFEST_SIZE",
        "4MiB",
    ),
    plain(
        Setting::MaxConnections,
        "max_connections",
        "FLOUNDR_MAX_CONNECTIONS",
        "8192",
    ),
    plain(
        Setting::HeaderTimeout,
        "header_timeout",
        "FLOUNDR_HEADER_TIMEOUT",
        "30s",
    ),
    plain(
        Setting::BodyTimeout,
        "body_timeout",
        "FLOUNDR_BODY_TIMEOUT",
        "60s",
    ),
    plain(
        Setting::IdleTimeout,
        "idle_timeout",
        "FLOUNDR_IDLE_TIMEOUT",
        "90s",
    ),
    plain(
        Setting::DrainTimeout,
        "drain_timeout",
        "FLOUNDR_DRAIN_TIMEOUT",
        "30s",
    ),
    unset(Setting::Url, "url", "FLOUNDR_URL", Kind::Plain),
    secret(Setting::Key, "key", "FLOUNDR_KEY"),
    path(Setting::CaFile, "ca_file", "FLOUNDR_CA_FILE"),
    plain(Setting::LogLevel, "log_level", "LOG_LEVEL", "info"),
    plain(
        Setting::LogFormat,
        "log_format",
        "FLOUNDR_LOG_FORMAT",
        "text",
    ),
];

// === impl Setting ===

impl Setting {
    /// Its row.
    pub(crate) fn row(self) -> &'static Row {
        &SETTINGS[self as usize]
    }

    /// The setting that `floundr.toml` calls `name`. The home directory is none of them: the file
    /// lies in it.
    pub(crate) fn in_file(name: &str) -> Option<Self> {
        SETTINGS
            .iter()
            .find(|row| row.name == name && row.setting != Self::HomeDir)
            .map(|row| row.setting)
    }
}

const fn plain(
    setting: Setting,
    name: &'static str,
    variable: &'static str,
    default: &'static str,
) -> Row {
    Row {
        setting,
        name,
        variable,
        default: Some(default),
        kind: Kind::Plain,
    }
}

const fn path(setting: Setting, name: &'static str, variable: &'static str) -> Row {
    unset(setting, name, variable, Kind::Path)
}

const fn secret(setting: Setting, name: &'static str, variable: &'static str) -> Row {
    unset(setting, name, variable, Kind::Secret)
}

const fn unset(setting: Setting, name: &'static str, variable: &'static str, kind: Kind) -> Row {
    Row {
        setting,
        name,
        variable,
        default: None,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_finds_its_own_row_and_no_name_stands_twice() {
        for row in SETTINGS {
            assert_eq!(row.setting.row().name, row.name);
        }
        let names: BTreeSet<_> = SETTINGS.iter().map(|row| row.name).collect();
        let variables: BTreeSet<_> = SETTINGS.iter().map(|row| row.variable).collect();
        assert_eq!(names.len(), SETTINGS.len());
        assert_eq!(variables.len(), SETTINGS.len());
        assert_eq!(Setting::LogFormat as usize + 1, SETTINGS.len());
    }
}
