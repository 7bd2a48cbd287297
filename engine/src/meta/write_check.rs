//! The check's transactions: repairing rows, and keeping its position.

use super::codec::{Decoder, Encoder, Record};
use super::commit::Request;
use super::heal::Mended;
use super::tables::Table;
use super::transaction::Transaction;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;

/// The row of [`CheckRecord`] in `Settings`.
pub(super) const POSITION: &[u8] = b"check";

/// Makes rows what they must be. Answers what came of each, in their order.
#[derive(Debug, Clone)]
pub(super) struct MendRows(pub(super) Vec<(Table, Vec<u8>)>);

/// Writes down how far the background check is.
#[derive(Debug, Clone)]
pub(super) struct KeepPosition(pub(super) CheckRecord);

/// How far the background check is in its pass over the blobs, which it takes by digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CheckRecord {
    /// The last blob that was read; `None`: none yet.
    pub(crate) after: Option<Digest>,
    /// Blobs read in this pass.
    pub(crate) blobs: u64,
    /// The bytes of those.
    pub(crate) bytes: u64,
    /// Faults found in this pass.
    pub(crate) found: u64,
    /// Blobs found damaged in this pass that wait to be pushed again.
    pub(crate) quarantined: u64,
    /// When the pass began.
    pub(crate) started: EngineTime,
    /// The pass has ended.
    pub(crate) is_complete: bool,
}

// === requests ===

impl Request for MendRows {
    type Answer = Vec<Mended>;
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Vec<Mended>, StorageError> {
        let mend = |(table, key): (Table, Vec<u8>)| transaction.mend(table, &key);
        self.0.into_iter().map(mend).collect()
    }
}

impl Request for KeepPosition {
    type Answer = ();
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        transaction.put(Table::Settings, POSITION, &self.0)
    }
}

impl Record for CheckRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.option(self.after.as_ref(), Encoder::digest);
        encoder.u64(self.blobs);
        encoder.u64(self.bytes);
        encoder.u64(self.found);
        encoder.u64(self.quarantined);
        encoder.u64(self.started.0);
        encoder.bool(self.is_complete);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            after: decoder.option(Decoder::digest)?,
            blobs: decoder.u64()?,
            bytes: decoder.u64()?,
            found: decoder.u64()?,
            quarantined: decoder.u64()?,
            started: EngineTime(decoder.u64()?),
            is_complete: decoder.bool()?,
        })
    }
}
