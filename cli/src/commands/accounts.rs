//! Opening the accounts beside the store, and the first administrator.
//!
//! They lie in the store's directory, so that the store's lock is theirs as well: who has the store
//! open may open them.

use crate::config::{AccountsConfig, Config, ServeConfig};
use crate::profile::Profile;
use anyhow::{Context as _, Result};
use floundr_engine::clock::SystemClock;
use floundr_frontend::accounts::{
    AccountStore as _, Accounts, RedbAccountStore, RowKey, Rows, Secret, TokenSecrets, UserName,
};
use floundr_frontend::audit::{AuditLog, AuditOptions};
use floundr_frontend::{Access, AccessOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the first administrator is called, as the predecessor's users know it.
pub(crate) const ADMINISTRATOR: &str = "floundr_admin";

/// The accounts' file.
const FILE: &str = "accounts.redb";

/// Who was made at the first start.
#[derive(Debug)]
pub(crate) struct FirstAdministrator {
    /// Their password, if it was made up here: it is shown once.
    pub(crate) made_up: Option<Secret>,
    /// Where it was written down for the terminal client, if it was.
    pub(crate) profile: Option<PathBuf>,
}

/// The directory of the accounts in a store's.
pub(crate) fn directory(root: &Path) -> PathBuf {
    root.join("accounts")
}

/// Opens the accounts of a store that is open, or makes them.
///
/// # Errors
/// What keeps them from being opened.
pub(crate) async fn open(config: &Config) -> Result<Accounts> {
    let directory = directory(&config.store.root);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let path = directory.join(FILE);
    let opened = async {
        let store = RedbAccountStore::open(&path).await?;
        let clock = Arc::new(SystemClock::default());
        Accounts::open(store, clock, secrets(&config.accounts)).await
    };
    opened
        .await
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Between the revision of a backup and that of what is restored of it: more than the changes that can
/// have been made since, so that nothing which is numbered by it comes twice.
const APART: u64 = 1 << 32;

/// Reads the accounts of a backup, without the keys that signed tokens: what has been revoked since
/// does not come back with old tokens. Nothing when the backup has none.
///
/// # Errors
/// What keeps them from being read; a damaged file is not taken over.
pub(crate) async fn read_backup(backup: &Path) -> Result<Option<Rows>> {
    if !backup.exists() {
        return Ok(None);
    }
    let about = || format!("cannot read {}", backup.display());
    // The backup may lie where nothing can be written, and is left as it is.
    let aside = tempfile::Builder::new().prefix("floundr-").tempdir();
    let aside = aside.context("cannot make a directory for a while")?;
    let copy = aside.path().join(FILE);
    std::fs::copy(backup, &copy).with_context(about)?;
    let store = RedbAccountStore::open(&copy).await.with_context(about)?;
    let mut rows = store.load().await.with_context(about)?;
    rows.rows.remove(&RowKey::Signing);
    rows.revision += APART;
    Ok(Some(rows))
}

/// Puts accounts beside a store that was restored.
///
/// # Errors
/// What keeps them from being written.
pub(crate) async fn put_restored(rows: Rows, root: &Path) -> Result<()> {
    let directory = directory(root);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let written = RedbAccountStore::write_copy(rows, directory.join(FILE)).await;
    written.context("cannot write the accounts")
}

/// Opens the log of who did what, beside the accounts.
///
/// # Errors
/// What keeps it from being opened.
pub(crate) async fn open_audit(config: &Config) -> Result<AuditLog> {
    let directory = directory(&config.store.root).join("audit");
    let path = directory.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let clock = Arc::new(SystemClock::default());
        AuditLog::open(&path, &AuditOptions::default(), clock)
    });
    let opened = opened.await.context("the audit log was not opened")?;
    opened.with_context(|| format!("cannot open the audit log in {}", directory.display()))
}

fn secrets(config: &AccountsConfig) -> TokenSecrets {
    match &config.signing_key {
        None => TokenSecrets::Kept,
        Some(current) => TokenSecrets::Chosen {
            current: current.clone(),
            previous: config.previous_key.clone(),
        },
    }
}

/// Who may reach what: everybody everything with `--no-auth`, else as the accounts say.
pub(crate) fn access(accounts: &Accounts, config: &Config, served: String) -> Access {
    if config.serve.no_auth {
        return Access::open();
    }
    let settings = &config.accounts;
    let limit = u32::try_from(settings.rate_limit).unwrap_or(u32::MAX);
    let options = AccessOptions {
        service: settings.service.clone(),
        app_url: settings.app_url.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        token_lifetime: settings.token_lifetime,
        refresh_lifetime: settings.refresh_lifetime,
        requests_per_second: (limit > 0).then_some(limit),
        served,
    };
    Access::by(accounts.clone(), options)
}

/// Makes the administrator of a registry that has none, and writes down for the terminal client how
/// to log in; nothing when there is one.
///
/// # Errors
/// What keeps it from being made. That it could not be written down is none: it is shown as well.
pub(crate) async fn first_administrator(
    accounts: &Accounts,
    config: &Config,
) -> Result<Option<FirstAdministrator>> {
    let name: UserName = ADMINISTRATOR.parse().context("the administrator's name")?;
    let given = config.accounts.admin_password.clone();
    let made_up = match &given {
        Some(_) => None,
        None => Some(Secret::from(Accounts::random_password()?)),
    };
    let password = given.as_ref().or(made_up.as_ref());
    let password = password.map(Secret::expose).unwrap_or_default();
    let made = accounts.create_first_administrator(&name, password).await;
    let made = made.context("cannot make the first administrator")?;
    if made.is_none() {
        return Ok(None);
    }
    let profile = Profile {
        url: url(&config.serve),
        email: Some(ADMINISTRATOR.to_owned()),
        password: Some(Secret::from(password.to_owned())),
        ..Profile::default()
    };
    let written = profile.write_new(&config.home).unwrap_or_else(|error| {
        tracing::warn!("the terminal client will have to ask for the password: {error:#}");
        false
    });
    Ok(Some(FirstAdministrator {
        made_up,
        profile: written.then(|| config.home.join(Profile::FILE)),
    }))
}

/// The address at which a client on this machine reaches the server; none that is not known yet.
fn url(config: &ServeConfig) -> Option<String> {
    match &config.tls {
        Some(tls) => (tls.port != 0).then(|| format!("https://localhost:{}", tls.port)),
        None => (config.port != 0).then(|| format!("http://localhost:{}", config.port)),
    }
}
