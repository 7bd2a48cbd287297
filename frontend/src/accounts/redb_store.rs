//! [`RedbAccountStore`]: accounts in a redb file of one process. The only file of the accounts that
//! knows redb.
//!
//! ```text
//! file       accounts.redb, mode 0600: it holds the keys that sign tokens
//! table      "accounts": the text of a row's key -> CRC-32C of key and JSON (4 bytes, little
//!            endian), then the row as JSON
//! table      "about": "format" -> 1, "revision" -> the number of commits
//! ```
//! Every commit is durable and sets quick repair, so that opening needs no walk over the file. Rows
//! carry checksums because redb has none for what it reads in use.

use super::store::{AccountStore, AccountStoreError, Change, Row, Rows};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use redb::{ReadTransaction, WriteTransaction};
use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("accounts");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The form this program writes.
const FORMAT: u64 = 1;

/// What redb may keep in memory: accounts are small, and all of them are held by the directory.
const CACHE: usize = 1024 * 1024;

/// Accounts in a redb file.
#[derive(Debug, Clone)]
pub struct RedbAccountStore(Arc<Database>);

// === impl RedbAccountStore ===

impl RedbAccountStore {
    /// Opens the file, or makes it; its directory exists. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountStoreError`]; also when another process has it open.
    ///
    /// # Cancel safety
    /// A cancelled call may have made the file.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, AccountStoreError> {
        let path = path.into();
        blocking(move || {
            let store = Self(Arc::new(open(&path)?));
            store.begin()?;
            Ok(store)
        })
        .await
    }

    /// Writes `rows` into a file of its own, in place of one that is there. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountStoreError`]; what was there is there still.
    ///
    /// # Cancel safety
    /// A cancelled call has replaced the file or not.
    pub async fn write_copy(rows: Rows, path: PathBuf) -> Result<(), AccountStoreError> {
        let aside = path.with_extension("new");
        let beside = aside.clone();
        let changes = rows.rows.values().cloned().map(Change::Put).collect();
        blocking(move || match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(AccountStoreError::failed(error))
            }
            _ => Ok(()),
        })
        .await?;
        let store = Self::open(&aside).await?;
        let made = store.clone();
        blocking(move || made.begin_at(rows.revision)).await?;
        store.commit(rows.revision, changes).await?;
        blocking(move || {
            drop(store);
            std::fs::rename(&aside, &path).map_err(AccountStoreError::failed)?;
            let directory = path.parent().map(std::fs::File::open).transpose();
            let directory = directory.map_err(AccountStoreError::failed)?;
            let synced = directory.map_or(Ok(()), |directory| directory.sync_all());
            synced.map_err(AccountStoreError::failed)
        })
        .await
    }

    /// Makes the tables of a new file, and refuses one of another form.
    fn begin(&self) -> Result<(), AccountStoreError> {
        let write = self.writer()?;
        let found = {
            let mut about = write.open_table(ABOUT)?;
            let found = about.get("format")?.map(|format| format.value());
            if found.is_none() {
                about.insert("format", FORMAT)?;
            }
            write.open_table(ROWS)?;
            found.unwrap_or(FORMAT)
        };
        if found > FORMAT {
            let known = FORMAT;
            return Err(AccountStoreError::NewerFormat { found, known });
        }
        Ok(write.commit()?)
    }

    /// Makes the revision of a new file go on from another's: ids that are made of it come once.
    fn begin_at(&self, revision: u64) -> Result<(), AccountStoreError> {
        let write = self.writer()?;
        write.open_table(ABOUT)?.insert("revision", revision)?;
        Ok(write.commit()?)
    }

    fn writer(&self) -> Result<WriteTransaction, AccountStoreError> {
        let mut write = self.0.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        write.set_quick_repair(true);
        Ok(write)
    }

    fn write(&self, base: u64, changes: &[Change]) -> Result<(), AccountStoreError> {
        let write = self.writer()?;
        advance(&write, base)?;
        for change in changes {
            apply(&write, change)?;
        }
        Ok(write.commit()?)
    }
}

impl AccountStore for RedbAccountStore {
    fn revision(&self) -> BoxFuture<'_, Result<u64, AccountStoreError>> {
        let store = self.clone();
        blocking(move || revision(&store.0.begin_read()?))
    }

    fn load(&self) -> BoxFuture<'_, Result<Rows, AccountStoreError>> {
        let store = self.clone();
        blocking(move || read(&store.0.begin_read()?))
    }

    fn commit(
        &self,
        base: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<(), AccountStoreError>> {
        let store = self.clone();
        blocking(move || store.write(base, &changes))
    }
}

fn open(path: &Path) -> Result<Database, AccountStoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(AccountStoreError::failed)?;
    // One that was there may have been copied in with another mode.
    let only_user = Permissions::from_mode(0o600);
    file.set_permissions(only_user)
        .map_err(AccountStoreError::failed)?;
    let backend = FileBackend::new(file)?;
    let mut builder = redb::Builder::new();
    Ok(builder.set_cache_size(CACHE).create_with_backend(backend)?)
}

fn revision(read: &ReadTransaction) -> Result<u64, AccountStoreError> {
    let about = read.open_table(ABOUT)?;
    let revision = about.get("revision")?;
    Ok(revision.map_or(0, |revision| revision.value()))
}

fn read(read: &ReadTransaction) -> Result<Rows, AccountStoreError> {
    let revision = revision(read)?;
    let table = read.open_table(ROWS)?;
    let mut rows = BTreeMap::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let row = decode(key.value(), value.value())?;
        rows.insert(row.key(), row);
    }
    Ok(Rows { revision, rows })
}

/// Makes the revision, which must be `base`, one larger.
fn advance(write: &WriteTransaction, base: u64) -> Result<(), AccountStoreError> {
    let mut about = write.open_table(ABOUT)?;
    let found = about.get("revision")?.map(|revision| revision.value());
    let found = found.unwrap_or(0);
    if found != base {
        let expected = base;
        return Err(AccountStoreError::Outdated { expected, found });
    }
    about.insert("revision", base + 1)?;
    Ok(())
}

fn apply(write: &WriteTransaction, change: &Change) -> Result<(), AccountStoreError> {
    let mut table = write.open_table(ROWS)?;
    match change {
        Change::Put(row) => {
            let key = row.key().to_string();
            table.insert(key.as_str(), encode(&key, row)?.as_slice())?;
        }
        Change::Remove(key) => {
            table.remove(key.to_string().as_str())?;
        }
    }
    Ok(())
}

fn checksum(key: &str, json: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(key.as_bytes()), json).to_le_bytes()
}

fn encode(key: &str, row: &Row) -> Result<Vec<u8>, AccountStoreError> {
    let json = serde_json::to_vec(row).map_err(AccountStoreError::failed)?;
    let mut value = checksum(key, &json).to_vec();
    value.extend_from_slice(&json);
    Ok(value)
}

fn decode(key: &str, value: &[u8]) -> Result<Row, AccountStoreError> {
    let damaged = |why: String| AccountStoreError::Damaged {
        row: key.chars().take(200).collect(),
        why,
    };
    let (sum, json) = value
        .split_first_chunk::<4>()
        .ok_or_else(|| damaged(format!("it has {} bytes", value.len())))?;
    let computed = checksum(key, json);
    if *sum != computed {
        return Err(damaged(format!(
            "its checksum is {:08x}, the checksum of its content {:08x}",
            u32::from_le_bytes(*sum),
            u32::from_le_bytes(computed)
        )));
    }
    let row: Row = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
    let expected = row.key().to_string();
    if expected != key {
        return Err(damaged(format!("it holds {expected}")));
    }
    Ok(row)
}

/// Runs what blocks on a thread that may. What redb panics on in a damaged file becomes an error.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccountStoreError> + Send + 'static,
) -> BoxFuture<'static, Result<T, AccountStoreError>> {
    async move {
        let worked = spawn_blocking(work).await;
        worked.unwrap_or_else(|error| Err(AccountStoreError::failed(error)))
    }
    .boxed()
}

/// Every kind of redb's errors is a failure of the database.
macro_rules! failures {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for AccountStoreError {
            fn from(error: redb::$error) -> Self {
                Self::failed(error)
            }
        })*
    };
}

failures!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::model::{Role, Rule};
    use crate::accounts::store::RowKey;

    fn rule(on: &str) -> Row {
        Row::Rule(Rule {
            on: on.parse().unwrap(),
            public: true,
            quota: Some(7),
            immutable_tags: vec!["v*".parse().unwrap()],
            version: 1,
        })
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_opening_again_and_nobody_else_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.redb");
        let store = RedbAccountStore::open(&path).await.unwrap();
        let role = Row::Role(Role {
            version: 1,
            ..Role::built_in()[0].clone()
        });
        let changes = vec![
            Change::Put(rule("a/**")),
            Change::Put(rule("b")),
            Change::Put(role),
        ];
        store.commit(0, changes).await.unwrap();
        let remove = vec![Change::Remove(RowKey::Rule("b".to_owned()))];
        store.commit(1, remove).await.unwrap();
        drop(store);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let store = RedbAccountStore::open(&path).await.unwrap();
        let rows = store.load().await.unwrap();
        assert_eq!(rows.revision, 2);
        assert_eq!(rows.rows.len(), 2);
        assert_eq!(rows.rows[&RowKey::Rule("a/**".to_owned())], rule("a/**"));
    }

    #[tokio::test]
    async fn a_commit_made_from_another_revision_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.redb");
        let store = RedbAccountStore::open(path).await.unwrap();
        store.commit(0, vec![Change::Put(rule("a"))]).await.unwrap();
        let refused = store.commit(0, vec![Change::Put(rule("b"))]).await;
        let told = "the accounts were changed meanwhile: they have revision 1, not 0";
        assert_eq!(refused.unwrap_err().to_string(), told);
        assert_eq!(store.load().await.unwrap().rows.len(), 1);
    }

    #[tokio::test]
    async fn a_copy_goes_on_from_the_revision_it_was_made_of_and_is_only_for_its_user() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.redb");
        std::fs::write(&path, "what was there before").unwrap();
        let mut rows = Rows::default().with(&[Change::Put(rule("a"))]);
        rows.revision = 41;
        RedbAccountStore::write_copy(rows.clone(), path.clone())
            .await
            .unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let store = RedbAccountStore::open(&path).await.unwrap();
        let copied = store.load().await.unwrap();
        assert_eq!(copied.rows, rows.rows);
        assert!(copied.revision > 41, "{}", copied.revision);
        assert_eq!(store.revision().await.unwrap(), copied.revision);
    }

    #[test]
    fn a_row_that_is_not_as_it_was_written_is_an_error() {
        let row = rule("a");
        let key = row.key().to_string();
        let value = encode(&key, &row).unwrap();
        assert_eq!(decode(&key, &value).unwrap(), row);
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 4;
            let error = decode(&key, &damaged).unwrap_err().to_string();
            assert!(
                error.starts_with("row \"rule a\" of the accounts is damaged: "),
                "{error}"
            );
        }
        assert!(decode("rule b", &value).is_err());
        assert!(decode(&key, &value[..3]).is_err());
    }
}
