//! The collector's queues: what is due, what is invisible, what can be freed; and its orders.

use super::codec::Record as _;
use super::garbage::{self, Candidate, DamagedRow, Gathering, Piece, is_damage};
use super::records::{CollectorRecord, Place, Totals};
use super::requests::Cut;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::write_collect::{self, Collected, ORDERS};
use super::write_drain::{DrainRows, Drained, Mark};
use super::{Metadata, keys};
use crate::clock::EngineTime;
use crate::fault::StorageError;
use crate::options::Durability;

/// What the collector was told and has not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Orders {
    /// Nothing is removed until it is resumed.
    pub(crate) paused: bool,
    /// A run with a grace of its own that has not ended.
    pub(crate) run: Option<Cut>,
}

// === impl Metadata ===

impl Metadata {
    // --- what is due ---

    /// A piece of the candidates that a run takes, checked: each can be removed as far as its rows
    /// tell now. `limit` is at least one. Blocks for as long as a few hundred reads take.
    pub(crate) fn due(
        &self,
        cut: &Cut,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Piece<Candidate>, StorageError> {
        let found = self
            .database
            .read(|rows| garbage::candidates(rows, cut, after, limit))?;
        let mut piece = Piece {
            items: Vec::with_capacity(found.items.len()),
            ..found
        };
        for candidate in found.items {
            // A read of its own: a page that cannot be read spoils this one alone. It sees a later
            // commit, perhaps, in which the candidate is none any more.
            let link = self
                .database
                .read(|rows| garbage::still_garbage(rows, cut, &candidate));
            match link {
                Ok(None) => {}
                Ok(Some(link)) => piece.items.push(Candidate {
                    size: link.size,
                    ..candidate
                }),
                Err(error) if is_damage(&error) => {
                    let key =
                        keys::candidate(candidate.due, candidate.repository, &candidate.digest);
                    piece
                        .damaged
                        .push(DamagedRow::new(Table::Candidates, &key, &error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(piece)
    }

    /// How many candidates a run takes, unchecked, from behind `after`; a bounded piece of the
    /// queue, and where the next begins.
    pub(crate) fn count_due(
        &self,
        cut: &Cut,
        after: Option<&[u8]>,
    ) -> Result<(u64, Option<Vec<u8>>), StorageError> {
        let piece = self
            .database
            .read(|rows| garbage::candidates(rows, cut, after, 4096))?;
        Ok((piece.items.len() as u64, piece.next))
    }

    /// Takes candidates out of their repositories, those that are still garbage.
    pub(crate) async fn remove_blobs(
        &self,
        cut: Cut,
        candidates: Vec<Candidate>,
    ) -> Result<(Collected, Vec<DamagedRow>), StorageError> {
        self.ask(write_collect::RemoveBlobs { cut, candidates })
            .await
    }

    /// Whether an ended upload can be forgotten.
    pub(crate) fn can_forget_uploads(&self) -> Result<bool, StorageError> {
        let now = self.now();
        self.database.read(|rows| {
            let mut first = None;
            rows.scan_any(Table::EndedUploads, &[], None, &mut |key, payload| {
                first = payload.is_ok().then(|| key.to_vec());
                Ok(Scan::while_true(first.is_none()))
            })?;
            let Some(first) = first else {
                return Ok(false);
            };
            let (expiry, _) = keys::split_number(Table::EndedUploads, &first)?;
            Ok(EngineTime(expiry) < now)
        })
    }

    /// Forgets a bounded number of ended uploads; answers whether there are more.
    pub(crate) async fn forget_uploads(&self) -> Result<bool, StorageError> {
        self.ask(write_collect::ForgetUploads).await
    }

    // --- what is invisible ---

    /// A piece of the drains: the keys of their rows.
    pub(crate) fn drains(&self, after: Option<&[u8]>) -> Result<Piece<Vec<u8>>, StorageError> {
        let found = self
            .database
            .read(|rows| garbage::drains(rows, after, 256))?;
        Ok(Piece {
            items: found.items.into_iter().map(|(key, _)| key).collect(),
            damaged: found.damaged,
            next: found.next,
        })
    }

    /// One bounded step of a drain.
    pub(crate) async fn drain(&self, key: Vec<u8>, from: Mark) -> Result<Drained, StorageError> {
        self.ask(DrainRows { key, from }).await
    }

    // --- what can be freed ---

    /// At most `limit` places whose bytes can go, with the numbers of their rows, from behind
    /// `after`. Places that cannot be read hold their bytes.
    pub(crate) fn places(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Piece<(u64, Place)>, StorageError> {
        self.database.read(|rows| places(rows, after, limit))
    }

    /// Makes everything that was answered before durable, where it is not by itself.
    pub(crate) async fn make_durable(&self) -> Result<(), StorageError> {
        match self.durability {
            Durability::Durable => Ok(()),
            Durability::Relaxed => self.ask(write_collect::MakeDurable).await,
        }
    }

    /// Forgets places whose bytes are gone.
    pub(crate) async fn forget_places(&self, numbers: Vec<u64>) -> Result<(), StorageError> {
        self.ask(write_collect::ForgetPlaces(numbers)).await
    }

    // --- time, orders, sums ---

    /// Writes the engine time down.
    pub(crate) async fn keep_time(&self) -> Result<(), StorageError> {
        self.ask(write_collect::KeepTime).await
    }

    /// The orders kept in the store.
    pub(crate) fn orders(&self) -> Result<Orders, StorageError> {
        self.database.read(|rows| {
            let record = rows.record::<CollectorRecord>(Table::Settings, ORDERS)?;
            let CollectorRecord { paused, run } = record.unwrap_or_default();
            Ok(Orders { paused, run })
        })
    }

    /// Keeps orders; on return they hold over a power cut.
    pub(crate) async fn keep_orders(&self, orders: Orders) -> Result<(), StorageError> {
        let Orders { paused, run } = orders;
        self.ask(write_collect::KeepOrders(CollectorRecord { paused, run }))
            .await
    }

    /// How many blob links nothing keeps, due or not, and how many places wait to be freed.
    pub(crate) fn queued(&self) -> Result<(u64, u64), StorageError> {
        let snapshot = self.database.snapshot()?;
        Ok((
            snapshot.len(Table::Candidates)?,
            snapshot.len(Table::Unlinks)?,
        ))
    }

    /// The sums over the store.
    pub(crate) fn totals(&self) -> Result<Totals, StorageError> {
        self.database.read(|rows| Ok(rows.state()?.totals))
    }
}

fn places(
    rows: &impl Rows,
    after: Option<u64>,
    limit: usize,
) -> Result<Piece<(u64, Place)>, StorageError> {
    let after = after.map(keys::number);
    let mut piece = Gathering::default();
    rows.scan_any(
        Table::Unlinks,
        &[],
        after.as_deref(),
        &mut |key, payload| {
            if piece.items.len() == limit {
                piece.is_full = true;
                return Ok(Scan::Stop);
            }
            piece.last = key.to_vec();
            let place = payload.and_then(|payload| {
                let (number, _) = keys::split_number(Table::Unlinks, key)?;
                Ok((number, Place::from_payload(Table::Unlinks, payload)?))
            });
            match place {
                Ok(place) => piece.items.push(place),
                Err(damage) => piece.set_aside(Table::Unlinks, key, &damage),
            }
            Ok(Scan::Next)
        },
    )?;
    Ok(piece.finish())
}

/// Whole runs without a collector, for the tests of the metadata alone.
#[cfg(test)]
impl Metadata {
    /// Takes every candidate that is due now.
    pub(crate) async fn collect_due(&self) -> Result<Collected, StorageError> {
        let cut = Cut {
            as_of: self.now(),
            grace: None,
        };
        let (mut collected, mut after) = (Collected::default(), None);
        loop {
            let piece = self.due(&cut, after.as_deref(), 256)?;
            let (more, _) = self.remove_blobs(cut, piece.items).await?;
            collected.add(more);
            after = piece.next;
            if after.is_none() {
                return Ok(collected);
            }
        }
    }

    /// Removes all rows that are invisible already.
    pub(crate) async fn drain_rows(&self) -> Result<Collected, StorageError> {
        let mut collected = Collected::default();
        for key in self.drains(None)?.items {
            let mut mark = Some(Mark::START);
            while let Some(from) = mark {
                let drained = self.drain(key.clone(), from).await?;
                collected.add(drained.collected);
                mark = drained.next;
            }
        }
        Ok(collected)
    }
}

#[cfg(test)]
impl Collected {
    fn add(&mut self, other: Self) {
        self.unlinked += other.unlinked;
        self.removed += other.removed;
        self.bytes += other.bytes;
    }
}
