//! The part of `heal` that is about what was deleted: repositories, the queue of deletions, and the
//! rows that policies read.

use super::codec::Record;
use super::derive::{Derived, derive, is_there};
use super::derive_deleted::{is_draining, queued_repository};
use super::heal::Mended;
use super::keys;
use super::records::RepositoryRecord;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::trash::{Drain, TrashItem};
use crate::clock::EngineTime;
use crate::fault::StorageError;
use crate::name::Tag;
use crate::repository::TagChange;

// === impl Transaction ===

impl Transaction<'_> {
    /// A repository's record. One that is not live was deleted, and can be restored, or waits for its
    /// rows to be removed: only where neither is on record they are.
    pub(super) fn mend_repository(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let mended = self.mend_derived(Table::Repositories, key)?;
        let record = self.undamaged::<RepositoryRecord>(Table::Repositories, key)?;
        let (Some(RepositoryRecord { live: false, name }), Ok((id, []))) =
            (record, keys::split_number(Table::Repositories, key))
        else {
            return Ok(mended);
        };
        let deleted = keys::deleted_repository(&name, id);
        let is_deleted = is_there(self, Table::DeletedRepositories, &deleted)?;
        if is_deleted || is_draining(self, id)? {
            return Ok(mended);
        }
        if queued_repository(self, &name, id)?.is_some() {
            return self.mend(Table::DeletedRepositories, &deleted);
        }
        self.enqueue(Table::Drains, &Drain::Repository(id))?;
        Ok(Mended::Rewritten)
    }

    /// A drain. The names may be left that it stood for.
    pub(super) fn mend_drain(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let mended = self.remove_damaged(Table::Drains, key)?;
        if mended == Mended::Removed {
            self.mend_names(&[])?;
        }
        Ok(mended)
    }

    /// The record of a manifest that was deleted. The names may be left that it had.
    pub(super) fn mend_trash(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let mended = self.mend_derived(Table::Trash, key)?;
        if mended == Mended::Removed {
            self.mend_names(key.get(..8).unwrap_or_default())?;
        }
        Ok(mended)
    }

    /// Makes the names of tags what they must be: a damaged row that is gone now kept them all.
    fn mend_names(&mut self, repository: &[u8]) -> Result<(), StorageError> {
        let mut names = Vec::new();
        self.scan_any(Table::LinkTags, repository, None, &mut |key, _| {
            names.push(key.to_vec());
            Ok(Scan::Next)
        })?;
        for key in names {
            self.mend_derived(Table::LinkTags, &key)?;
        }
        Ok(())
    }

    /// An item of the queue. One whose deletion is not known may have been that of a history.
    pub(super) fn mend_queue(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let mended = self.mend_derived(Table::TrashQueue, key)?;
        if mended == Mended::Removed {
            self.queue_histories()?;
        }
        Ok(mended)
    }

    /// Puts the histories into the queue that end with a deletion and are not there.
    fn queue_histories(&mut self) -> Result<(), StorageError> {
        let mut queued = Vec::new();
        self.scan_any(Table::TrashQueue, &[], None, &mut |_, payload| {
            let item = payload.map(|payload| TrashItem::from_payload(Table::TrashQueue, payload));
            if let Ok(Ok(item @ TrashItem::History { .. })) = item {
                queued.push(item);
            }
            Ok(Scan::Next)
        })?;
        let mut ended: Vec<(EngineTime, TrashItem)> = Vec::new();
        self.scan_any(Table::TagHistory, &[], None, &mut |key, payload| {
            if let Ok(payload) = payload {
                ended.extend(ended_history(key, payload)?);
            }
            Ok(Scan::Next)
        })?;
        ended.retain(|(_, item)| !queued.contains(item));
        for (time, item) in ended {
            self.enqueue_trash_of(time, &item)?;
        }
        Ok(())
    }

    /// When a manifest was last pulled; a time that is lost is now, so that no policy takes it for
    /// unused.
    pub(super) fn mend_pull(&mut self, key: &[u8]) -> Result<Mended, StorageError> {
        let table = Table::Pulls;
        let is_needed = derive(self, table, key)? == Derived::Primary;
        if !is_needed
            || self.undamaged::<u64>(table, key)?.is_some()
            || !is_there(self, table, key)?
        {
            return self.mend_derived(table, key);
        }
        let now = self.now.time.0;
        self.rewrite(table, key, &now.to_payload())
    }
}

/// When a tag was deleted whose history this is, and the item of the history.
fn ended_history(
    key: &[u8],
    payload: &[u8],
) -> Result<Option<(EngineTime, TrashItem)>, StorageError> {
    let table = Table::TagHistory;
    let Ok(changes) = Vec::<TagChange>::from_payload(table, payload) else {
        return Ok(None);
    };
    let Some(last) = changes.last().filter(|last| last.event.is_end()) else {
        return Ok(None);
    };
    let (repository, text) = keys::split_number(table, key)?;
    let tag: Tag = keys::last_text(table, text)?;
    let time = last.time;
    let item = TrashItem::History {
        repository,
        tag,
        time,
    };
    Ok(Some((time, item)))
}
