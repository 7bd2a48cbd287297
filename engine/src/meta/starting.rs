//! The first commit of an open store.

use super::FORMAT_VERSION;
use super::database::{Database, UPLOAD_KEY};
use super::opening::FORMAT;
use super::outcomes::{Pending, Reach};
use super::rows::Rows as _;
use super::tables::Table;
use super::transaction::{Moment, Stay};
use super::trash::Undo;
use crate::fault::StorageError;
use crate::random::Random;

impl Database {
    /// The first commit of an open store: format, key, and file numbers of its own. Numbers of
    /// before that may be in use without a record stay in `FileRanges` to be compared.
    pub(super) fn start(&self, random: &dyn Random) -> Result<(), StorageError> {
        let moment = Moment {
            time: self.base,
            wall: 0,
            stay: Stay::default(),
            undo: Undo::default(),
        };
        self.commit(moment, Reach::File, |transaction| {
            if transaction.payload(Table::Settings, UPLOAD_KEY)?.is_none() {
                let mut key = [0; 32];
                random
                    .fill(&mut key)
                    .map_err(|error| StorageError::Metadata(format!("no random key: {error}")))?;
                transaction.put_payload(Table::Settings, UPLOAD_KEY, &key)?;
            }
            transaction.put(Table::Settings, FORMAT, &u64::from(FORMAT_VERSION))
        })?;
        // Of a store that says so itself, no version without one takes it for its own.
        let secret = self.upload_key()?;
        self.journal.lock().declare(&secret);
        Ok(())
    }

    /// A disk that is full takes nothing at the start either: the reserve's space is for that, and
    /// without it what is there is served all the same. Of a store that is not whole yet nothing is.
    pub(super) fn start_full(
        &self,
        error: StorageError,
        random: &dyn Random,
    ) -> Result<(), StorageError> {
        if !error.is_full() {
            return Err(error);
        }
        self.recover(&error, Pending::Keep);
        if self.store.reserve().spend() {
            match self.start(random) {
                Err(again) if again.is_full() => self.recover(&again, Pending::Keep),
                outcome => return outcome,
            };
        }
        match self.upload_key() {
            Ok(_) => Ok(()),
            Err(_) => Err(error),
        }
    }
}
