//! Table keys: the one place that joins and splits them (see `tables` for which key a table has).

use super::records::EdgeKind;
use super::tables::Table;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::Corruption;
use crate::name::{RepositoryName, Tag};

/// A number alone: repository, sequence number, file number.
pub(super) fn number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Repository and digest: blob links, counts, manifests.
pub(super) fn in_repository(repository: u64, digest: &Digest) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + digest.key_len());
    key.extend_from_slice(&repository.to_be_bytes());
    digest.add_to_key(&mut key);
    key
}

/// Digest and repository: the reverse.
pub(super) fn holder(digest: &Digest, repository: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(digest.key_len() + 8);
    digest.add_to_key(&mut key);
    key.extend_from_slice(&repository.to_be_bytes());
    key
}

/// All edges of one kind that lead to a digest.
pub(super) fn edges_to(repository: u64, target: &Digest, kind: EdgeKind) -> Vec<u8> {
    let mut key = in_repository(repository, target);
    key.push(kind as u8);
    key
}

/// One edge.
pub(super) fn edge(repository: u64, target: &Digest, kind: EdgeKind, source: &Digest) -> Vec<u8> {
    let mut key = edges_to(repository, target, kind);
    source.add_to_key(&mut key);
    key
}

/// Splits what stands behind the target in the key of an edge: kind and source.
pub(super) fn split_edge(rest: &[u8]) -> Result<(u8, Digest), Corruption> {
    let (&kind, source) = rest.split_first().ok_or_else(|| malformed(Table::Edges))?;
    Ok((kind, last_digest(Table::Edges, source)?))
}

/// A tag; `text` may be any text, for places between tags.
pub(super) fn tag(repository: u64, text: &str) -> Vec<u8> {
    let mut key = number(repository);
    key.extend_from_slice(text.as_bytes());
    key
}

/// All tags set on one link of a manifest.
pub(super) fn tags_of_link(repository: u64, link: u64) -> Vec<u8> {
    let mut key = number(repository);
    key.extend_from_slice(&link.to_be_bytes());
    key
}

/// One tag set on a link of a manifest.
pub(super) fn link_tag(repository: u64, link: u64, tag: &Tag) -> Vec<u8> {
    let mut key = tags_of_link(repository, link);
    key.extend_from_slice(tag.as_str().as_bytes());
    key
}

/// A blob that leaves its repository when it is due.
pub(super) fn candidate(due: EngineTime, repository: u64, digest: &Digest) -> Vec<u8> {
    let mut key = number(due.0);
    key.extend_from_slice(&in_repository(repository, digest));
    key
}

/// An upload that ended before its id expired.
pub(super) fn ended_upload(expiry: EngineTime, upload: [u8; 16]) -> Vec<u8> {
    let mut key = number(expiry.0);
    key.extend_from_slice(&upload);
    key
}

/// What becomes due at a time, by its sequence number.
pub(super) fn queued(due: EngineTime, sequence: u64) -> Vec<u8> {
    let mut key = number(due.0);
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// All deleted repositories of a name. No name has a zero byte, so none begins with another.
pub(super) fn deleted_repositories(name: &RepositoryName) -> Vec<u8> {
    let mut key = name.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

/// A deleted repository.
pub(super) fn deleted_repository(name: &RepositoryName, repository: u64) -> Vec<u8> {
    let mut key = deleted_repositories(name);
    key.extend_from_slice(&repository.to_be_bytes());
    key
}

/// Splits a key of `DeletedRepositories`.
pub(super) fn split_deleted_repository(key: &[u8]) -> Result<(RepositoryName, u64), Corruption> {
    const TABLE: Table = Table::DeletedRepositories;
    let split = key.split_last_chunk::<8>();
    let (name, id) = split.ok_or_else(|| malformed(TABLE))?;
    match name.split_last() {
        Some((0, name)) => Ok((last_text(TABLE, name)?, u64::from_be_bytes(*id))),
        _ => Err(malformed(TABLE)),
    }
}

/// Splits a number off a key of `table`.
pub(super) fn split_number(table: Table, key: &[u8]) -> Result<(u64, &[u8]), Corruption> {
    key.split_first_chunk::<8>()
        .map(|(number, rest)| (u64::from_be_bytes(*number), rest))
        .ok_or_else(|| malformed(table))
}

/// The digest a key of `table` ends with.
pub(super) fn last_digest(table: Table, rest: &[u8]) -> Result<Digest, Corruption> {
    match Digest::split_key(rest) {
        Some((digest, [])) => Ok(digest),
        _ => Err(malformed(table)),
    }
}

/// Splits a digest off a key of `table`.
pub(super) fn split_digest(table: Table, key: &[u8]) -> Result<(Digest, &[u8]), Corruption> {
    Digest::split_key(key).ok_or_else(|| malformed(table))
}

/// The text a key of `table` ends with, parsed.
pub(super) fn last_text<T: std::str::FromStr>(table: Table, rest: &[u8]) -> Result<T, Corruption> {
    let text = std::str::from_utf8(rest).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| malformed(table))
}

/// The first key behind all that begin with `prefix`; `None` when there is none.
pub(super) fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// What is wrong with a key that is none of its table.
pub(super) const MALFORMED: &str = "its key is malformed";

pub(super) fn malformed(table: Table) -> Corruption {
    Corruption::Record {
        table: table.name(),
        why: MALFORMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_prefix_lies_the_next_one() {
        assert_eq!(behind(b"a"), Some(b"b".to_vec()));
        assert_eq!(behind(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(behind(&[255, 255]), None);
        assert_eq!(behind(b""), None);
    }
}
