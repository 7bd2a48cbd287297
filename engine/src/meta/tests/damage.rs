//! Damaging rows on purpose, for tests here and of the collector.

use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::Metadata;
use crate::meta::commit::Request;
use crate::meta::records::{CandidateRecord, LinkRecord};
use crate::meta::requests::Location;
use crate::meta::rows::{Rows, Scan};
use crate::meta::tables::Table;
use crate::meta::transaction::Transaction;
use crate::meta::{keys, lookup};
use crate::name::RepositoryName;

/// Flips a bit in the values of the rows of a table whose key contains some bytes, or flips it back.
#[derive(Debug, Clone)]
struct Damage {
    table: Table,
    key_part: Vec<u8>,
}

impl Request for Damage {
    type Answer = usize;
    type Refusal = StorageError;

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<usize, StorageError> {
        let mut keys = Vec::new();
        transaction.scan_any(self.table, &[], None, &mut |key, _| {
            let part = self.key_part.as_slice();
            if part.is_empty() || key.windows(part.len()).any(|window| window == part) {
                keys.push(key.to_vec());
            }
            Ok(Scan::Next)
        })?;
        for key in &keys {
            transaction.flip_bit(self.table, key)?;
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

    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        _placed: Option<Location>,
    ) -> Result<(), StorageError> {
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
