//! Damaging rows on purpose, for tests here and of the collector.

use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::Metadata;
use crate::meta::commit::Request;
use crate::meta::outcomes::Reach;
use crate::meta::records::{CandidateRecord, LinkRecord};
use crate::meta::rows::{Rows, Scan, failed};
use crate::meta::tables::Table;
use crate::meta::transaction::{Moment, Stay, Transaction};
use crate::meta::trash::Undo;
use crate::meta::trees::Arrangement;
use crate::meta::{keys, lookup};
use crate::name::RepositoryName;
use redb::ReadableTable as _;

/// Flips a bit in the values of the rows of a table whose key contains some bytes, or flips it back.
#[derive(Debug, Clone)]
struct Damage {
    table: Table,
    key_part: Vec<u8>,
}

impl Request for Damage {
    type Answer = usize;
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<usize, StorageError> {
        let mut keys = Vec::new();
        transaction.scan_any(self.table, &[], None, &mut |key, _| {
            let part = self.key_part.as_slice();
            if part.is_empty() || key.windows(part.len()).any(|window| window == part) {
                keys.push(key.to_vec());
            }
            Ok(Scan::Next)
        })?;
        for key in &keys {
            flip_bit(transaction, self.table, key)?;
        }
        Ok(keys.len())
    }
}

impl Metadata {
    /// Damages the rows of the table of that name whose key contains `key_part`, or repairs them
    /// again; answers how many.
    pub(crate) async fn damage(&self, table: &str, key_part: &[u8]) -> usize {
        let table = named(table);
        let key_part = key_part.to_vec();
        self.ask(Damage { table, key_part }).await.unwrap()
    }
}

/// Makes a blob a candidate that is due at once, though it is linked.
#[derive(Debug, Clone)]
struct Forge {
    repository: RepositoryName,
    digest: Digest,
    /// Forgets the edges or the count that lead to it, whichever this table is not.
    but: Option<Table>,
}

impl Request for Forge {
    type Answer = ();
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let repository = lookup::repository(transaction, &self.repository)?.unwrap();
        let key = keys::in_repository(repository, &self.digest);
        if let Some(but) = self.but {
            let mut forgotten = transaction.keys(Table::Edges, &key, 9)?;
            forgotten.retain(|_| but != Table::Edges);
            for key in &forgotten {
                transaction.remove(Table::Edges, key)?;
            }
            return match but {
                Table::Counts => Ok(()),
                _ => transaction.remove(Table::Counts, &key),
            };
        }
        let since = transaction.now.time;
        let link: LinkRecord = transaction.needed(Table::BlobLinks, &key, "the test")?;
        let due = Some(since);
        transaction.put(Table::BlobLinks, &key, &LinkRecord { due, ..link })?;
        let key = keys::candidate(since, repository, &self.digest);
        let leased = since;
        transaction.put(Table::Candidates, &key, &CandidateRecord { since, leased })
    }
}

impl Metadata {
    /// Makes a blob a candidate that is due at once, though it is linked.
    pub(crate) async fn forge_candidate(&self, repository: &str, digest: &Digest) {
        self.forge(repository, digest, None).await;
    }

    /// Forgets that anything links a blob, but for the rows of one table, `edges` or `counts`.
    pub(crate) async fn forget_but(&self, table: &str, repository: &str, digest: &Digest) {
        self.forge(repository, digest, Some(named(table))).await;
    }

    async fn forge(&self, repository: &str, digest: &Digest, but: Option<Table>) {
        let (repository, digest) = (repository.parse().unwrap(), *digest);
        let forge = Forge {
            repository,
            digest,
            but,
        };
        self.ask(forge).await.unwrap();
    }
}

fn named(table: &str) -> Table {
    let is_named = |each: &Table| each.name() == table;
    Table::ALL.into_iter().find(is_named).unwrap()
}

/// Damages a row as a medium would, or repairs it again.
fn flip_bit(
    transaction: &mut Transaction<'_>,
    table: Table,
    key: &[u8],
) -> Result<(), StorageError> {
    let (tree, rows) = transaction.raw().of(table);
    let value = rows.get(&*tree.key(table, key));
    let value = value.map_err(|error| failed(&error.into()))?;
    let mut value = value.expect("the test names a row").value().to_vec();
    value[0] ^= 1;
    let put = transaction.raw().put(table, key, &value).map(drop);
    put.map_err(|error| failed(&error))
}

impl Metadata {
    /// The tables of all rows but the settings, under which keys they lie in their trees, and the values.
    pub(crate) fn stored_rows(&self) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
        let mut stored = Vec::new();
        for table in Table::ALL
            .into_iter()
            .filter(|&table| table != Table::Settings)
        {
            let snapshot = self.database.snapshot().unwrap();
            let scanned = snapshot.scan(table, &[], None, &mut |key, payload| {
                let lies_at = Arrangement::Shared.tree(table).key(table, key);
                stored.push((table.name(), lies_at.to_vec(), table.seal(key, payload)));
                Ok(Scan::Next)
            });
            scanned.unwrap();
        }
        stored
    }

    /// Replaces a row of a table's tree by bytes that no transaction wrote.
    pub(crate) fn plant_row(&self, table: &str, old: &[u8], (key, stored): (&[u8], &[u8])) {
        let moment = Moment {
            time: self.now(),
            wall: 0,
            stay: Stay::default(),
            undo: Undo::default(),
        };
        let committed = self.database.commit(moment, Reach::File, |transaction| {
            let rows = transaction.raw().tree_of(named(table));
            rows.remove(old).unwrap();
            rows.insert(key, stored).unwrap();
            Ok(())
        });
        committed.unwrap();
    }
}
