//! [`RowFault`]: something wrong with one row, and how that is said.

use super::keys;
use super::tables::Table;
use crate::digest::Digest;
use std::fmt;

/// Something wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowFault {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    wrong: Wrong,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    /// The value is not what was put there.
    Damaged(&'static str),
    /// It is found by walking and not by looking.
    Unreachable,
    /// Other rows need it, and it is not there.
    Missing,
    /// No other row needs it.
    Surplus,
    /// It says something else than the rows it follows from.
    Differs,
}

// === impl RowFault ===

impl RowFault {
    pub(super) fn new(table: Table, key: &[u8], wrong: Wrong) -> Self {
        let key = key.to_vec();
        Self { table, key, wrong }
    }

    /// The blob or manifest the row is about, where its key begins or ends with one.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let digest = |key| Digest::split_key(key).map(|(digest, _)| digest);
        match self.table {
            Table::Blobs
            | Table::BlockChecks
            | Table::Contents
            | Table::Holders
            | Table::ManifestHolders => digest(&self.key),
            Table::BlobLinks
            | Table::Counts
            | Table::Manifests
            | Table::ManifestLinks
            | Table::Trash
            | Table::Pulls
            | Table::Edges => digest(self.key.get(8..)?),
            Table::Candidates => digest(self.key.get(16..)?),
            _ => None,
        }
    }

    /// Whether what the row says is lost and comes back with a push of what it is about.
    pub(crate) fn needs_push(&self) -> bool {
        matches!(
            self.table,
            Table::Blobs
                | Table::BlockChecks
                | Table::Manifests
                | Table::Trash
                | Table::ManifestLinks
                | Table::Contents
        )
    }

    /// The table and key in words.
    pub(crate) fn place(&self) -> String {
        format!("table {}, row {}", self.table.name(), self.key_in_words())
    }

    fn key_in_words(&self) -> String {
        let (number, rest) = match keys::split_number(self.table, &self.key) {
            Ok((number, rest)) => (number, rest),
            Err(_) => (0, [].as_slice()),
        };
        match (self.table, self.digest()) {
            (Table::Settings | Table::RepositoryNames, _) => {
                String::from_utf8_lossy(&self.key).into_owned()
            }
            (Table::Tags | Table::TagHistory, _) => {
                let tag = String::from_utf8_lossy(rest);
                format!("repository {number}, tag {tag}")
            }
            (Table::Candidates, Some(digest)) => format!("due {number}, {digest}"),
            (
                Table::BlobLinks
                | Table::Counts
                | Table::Manifests
                | Table::ManifestLinks
                | Table::Trash
                | Table::Pulls
                | Table::Edges,
                Some(digest),
            ) => format!("repository {number}, {digest}"),
            (Table::DeletedRepositories, _) => match keys::split_deleted_repository(&self.key) {
                Ok((name, id)) => format!("{name}, repository {id}"),
                Err(_) => format!("{:02x?}", self.key),
            },
            (Table::TrashQueue, _) => match keys::split_number(self.table, rest) {
                Ok((item, _)) => format!("due {number}, number {item}"),
                Err(_) => format!("{:02x?}", self.key),
            },
            (_, Some(digest)) => digest.to_string(),
            _ if self.key.len() == 8 => number.to_string(),
            _ => format!("{:02x?}", self.key),
        }
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wrong {
            Wrong::Damaged(why) => write!(f, "the row is damaged: {why}"),
            Wrong::Unreachable => f.write_str("the row is not found under its key"),
            Wrong::Missing => f.write_str("the row is missing"),
            Wrong::Surplus => f.write_str("no other row needs it"),
            Wrong::Differs => f.write_str("it does not say what the rows it follows from say"),
        }
    }
}
