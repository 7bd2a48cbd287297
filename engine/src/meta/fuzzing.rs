//! Any bytes as the key and the value of a row (see [`crate::fuzzing`]).

use super::codec::Record;
use super::derive::{edge_parts, holder, in_repository};
use super::journal::{Change, Changes};
use super::keys;
use super::records::{
    BlobRecord, CandidateRecord, CollectorRecord, EdgeRecord, FileRecord, LinkRecord,
    ManifestRecord, NameRecord, RepositoryRecord, StateRecord, TagRecord,
};
use super::requests::BlockChecks;
use super::tables::Table;
use super::trash::{DeletedRecord, Drain, TrashItem, TrashRecord};
use super::{CheckRecord, Place};
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::fault::Corruption;
use crate::name::{RepositoryName, Tag};
use crate::repository::TagChange;

/// A row of the table that has this number, if one has: its key and the payload of its value.
pub fn row(table: u8, key: &[u8], payload: &[u8]) {
    let Some(&table) = Table::ALL.get(usize::from(table)) else {
        return;
    };
    let value = table.seal(key, payload);
    let opened = table.unseal(key, &value);
    assert_eq!(opened, Ok(payload), "what was sealed opens");
    // What does not fit is refused, which is as good.
    drop(this_key(table, key));
    drop(this_payload(table, payload));
}

/// A value as it stands in a table, its checksum with it.
pub fn sealed(table: u8, key: &[u8], value: &[u8]) {
    let Some(&table) = Table::ALL.get(usize::from(table)) else {
        return;
    };
    if let Ok(payload) = table.unseal(key, value) {
        assert_eq!(table.seal(key, payload), value);
    }
}

/// The rows of a record of the journal.
pub fn journal_rows(bytes: &[u8]) {
    if let Some(changes) = Change::parse(bytes) {
        assert_eq!(Changes::from_iter(changes).into_rows(), bytes);
    }
}

fn this_payload(table: Table, payload: &[u8]) -> Result<(), Corruption> {
    let same = |result: Result<Vec<u8>, Corruption>| {
        let encoded = result?;
        assert_eq!(encoded, payload, "{} is encoded otherwise", table.name());
        Ok(())
    };
    match table {
        Table::Settings => {
            drop(same(again::<CollectorRecord>(table, payload)));
            drop(same(again::<CheckRecord>(table, payload)));
            drop(same(again::<u64>(table, payload)));
            same(again::<StateRecord>(table, payload))
        }
        Table::RepositoryNames => same(again::<NameRecord>(table, payload)),
        Table::Repositories => same(again::<RepositoryRecord>(table, payload)),
        Table::Blobs => same(again::<BlobRecord>(table, payload)),
        Table::BlockChecks => same(again::<BlockChecks>(table, payload)),
        Table::BlobLinks => same(again::<LinkRecord>(table, payload)),
        Table::Holders | Table::ManifestHolders | Table::LinkTags | Table::EndedUploads => {
            same(again::<()>(table, payload))
        }
        Table::Edges => same(again::<EdgeRecord>(table, payload)),
        Table::Counts | Table::FileRanges | Table::Pulls => same(again::<u64>(table, payload)),
        Table::Manifests => same(again::<ManifestRecord>(table, payload)),
        Table::ManifestLinks => same(again::<Links>(table, payload)),
        Table::Contents => Ok(()), // kept as they came
        Table::Tags => same(again::<TagRecord>(table, payload)),
        Table::Candidates => same(again::<CandidateRecord>(table, payload)),
        Table::Unlinks => same(again::<Place>(table, payload)),
        Table::Drains => same(again::<Drain>(table, payload)),
        Table::Files => same(again::<FileRecord>(table, payload)),
        Table::Trash => same(again::<TrashRecord>(table, payload)),
        Table::TrashQueue => same(again::<TrashItem>(table, payload)),
        Table::TagHistory => same(again::<Vec<TagChange>>(table, payload)),
        Table::DeletedRepositories => same(again::<DeletedRecord>(table, payload)),
    }
}

/// The payload of the record that a payload is.
fn again<T: Record>(table: Table, payload: &[u8]) -> Result<Vec<u8>, Corruption> {
    Ok(T::from_payload(table, payload)?.to_payload())
}

fn this_key(table: Table, key: &[u8]) -> Result<(), Corruption> {
    let joined = match table {
        Table::Settings => return Ok(()), // names, which are only compared
        Table::RepositoryNames => {
            let name: RepositoryName = keys::last_text(table, key)?;
            name.as_str().as_bytes().to_vec()
        }
        Table::Repositories | Table::Unlinks | Table::Drains | Table::Files | Table::FileRanges => {
            keys::number(alone(table, key)?)
        }
        Table::Blobs | Table::BlockChecks | Table::Contents => {
            keys::last_digest(table, key)?.to_key()
        }
        Table::Holders | Table::ManifestHolders => {
            let (digest, repository) = holder(table, key)?;
            keys::holder(&digest, repository)
        }
        Table::Edges => return this_edge(key),
        Table::BlobLinks
        | Table::Counts
        | Table::Manifests
        | Table::ManifestLinks
        | Table::Trash
        | Table::Pulls => {
            let (repository, digest) = in_repository(table, key)?;
            keys::in_repository(repository, &digest)
        }
        Table::Tags | Table::TagHistory => {
            let (repository, text) = keys::split_number(table, key)?;
            let tag: Tag = keys::last_text(table, text)?;
            keys::tag(repository, tag.as_str())
        }
        Table::LinkTags => {
            let (repository, rest) = keys::split_number(table, key)?;
            let (link, text) = keys::split_number(table, rest)?;
            keys::link_tag(repository, link, &keys::last_text(table, text)?)
        }
        Table::Candidates => {
            let (due, rest) = keys::split_number(table, key)?;
            let (repository, digest) = in_repository(table, rest)?;
            keys::candidate(EngineTime(due), repository, &digest)
        }
        Table::EndedUploads => {
            let (expiry, upload) = keys::split_number(table, key)?;
            let upload = upload.try_into().ok();
            let upload = upload.ok_or_else(|| keys::malformed(table))?;
            keys::ended_upload(EngineTime(expiry), upload)
        }
        Table::TrashQueue => {
            let (due, number) = keys::split_number(table, key)?;
            keys::queued(EngineTime(due), alone(table, number)?)
        }
        Table::DeletedRepositories => {
            let (name, id) = keys::split_deleted_repository(key)?;
            keys::deleted_repository(&name, id)
        }
    };
    assert_eq!(joined, key, "a key of {} is joined otherwise", table.name());
    Ok(())
}

/// Both ways in which the key of an edge is split tell the same.
fn this_edge(key: &[u8]) -> Result<(), Corruption> {
    let (repository, target, kind, source) = edge_parts(key)?;
    let prefix = keys::in_repository(repository, &target);
    let rest = key.strip_prefix(prefix.as_slice());
    assert_eq!(
        keys::split_edge(rest.unwrap_or_default()),
        Ok((kind, source))
    );
    Ok(())
}

fn alone(table: Table, key: &[u8]) -> Result<u64, Corruption> {
    match keys::split_number(table, key)? {
        (number, []) => Ok(number),
        _ => Err(keys::malformed(table)),
    }
}
