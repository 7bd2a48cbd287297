//! What a policy takes: judging tags and manifests, in pages from a snapshot, and once more in the
//! transaction that deletes them.
//!
//! Invariants:
//! 1. A tag or manifest is deleted only if the transaction itself judges it so: what was pushed,
//!    tagged, linked or pulled since it was looked at is safe.
//! 2. Never untagged garbage: what a link of an index leads to, be the index deleted and restorable;
//!    a manifest whose subject is there or restorable; what a fallback tag names while its subject
//!    is there or restorable.
//! 3. A page reads a bounded number of rows, and a transaction deletes what one page found.

use super::Metadata;
use super::codec::Record as _;
use super::commit::Request;
use super::keys;
use super::lookup;
use super::pulls::PULL_STEP;
use super::records::{EdgeKind, ManifestRecord, NameRecord, TagRecord};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use super::write_tags::{check_tag, delete_tag};
use super::write_trash::delete_manifest;
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::{Corruption, StorageError};
use crate::name::{RepositoryName, Tag};
use crate::policy::{FallbackSubject, Pattern};
use std::sync::Arc;

/// Rows a page looks at.
const PAGE: usize = 256;

/// What a policy says of one repository now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Untagged manifests go that were pushed or lost a tag by then.
    pub(crate) untagged_before: Option<EngineTime>,
    /// Referrers without a subject go that were pushed by then.
    pub(crate) orphans_before: Option<EngineTime>,
    /// What was used since then stays, whatever else holds.
    pub(crate) used_since: Option<EngineTime>,
    /// Tags go that this does not keep; `None`: all are kept.
    pub(crate) keep: Option<KeepRules>,
}

/// Which tags are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeepRules {
    /// Those from this one on, in the order of [`Age`].
    pub(crate) newest: Newest,
    /// Those that match.
    pub(crate) matching: Vec<Pattern>,
}

/// When a tag was set, and its name: the order in which tags are kept.
pub(crate) type Age = (EngineTime, Tag);

/// Where the tags begin that are kept for being new.
#[derive(Debug, Clone, Default)]
pub(crate) enum Newest {
    /// Nowhere: none is kept for that.
    #[default]
    None,
    /// There are no more than are kept.
    All,
    /// At this one.
    From(Age),
}

/// A page's tags or manifests that a policy takes, and where the next page begins; `None`: nowhere.
#[derive(Debug)]
pub(crate) struct Doomed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<T>,
}

/// What becomes of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stays,
    Goes,
    /// The manifest goes too, and with it all its tags.
    GoesWithManifest,
}

/// What was deleted of a page.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    pub(crate) tags: u64,
    pub(crate) manifests: u64,
    /// What could not be read; nothing behind it was judged.
    pub(crate) damage: Option<Corruption>,
}

/// Deletes those of a page that still deserve it.
#[derive(Debug, Clone)]
struct ApplyPolicy {
    repository: (RepositoryName, u64),
    rules: Arc<Rules>,
    tags: Vec<Tag>,
    manifests: Vec<Digest>,
}

// === impl Metadata ===

impl Metadata {
    /// A page of all names of repositories, with their numbers.
    pub(crate) fn policy_repositories(
        &self,
        after: Option<&RepositoryName>,
    ) -> Result<Vec<(RepositoryName, u64)>, StorageError> {
        const NAMES: Table = Table::RepositoryNames;
        let after = after.map(|after| after.as_str().as_bytes());
        self.database.read(|rows| {
            page(rows, NAMES, (&[], after), |key, payload| {
                let record = NameRecord::from_payload(NAMES, payload)?;
                Ok((keys::last_text(NAMES, key)?, record.id))
            })
        })
    }

    /// Goes on a page in finding the `limit` newest tags: adds to `best`, and answers behind which
    /// tag to go on.
    pub(crate) fn newest_tags(
        &self,
        repository: u64,
        after: Option<&Tag>,
        limit: usize,
        best: &mut Vec<Age>,
    ) -> Result<Option<Tag>, StorageError> {
        let page = self.database.read(|rows| tags(rows, repository, after))?;
        let next = page.get(PAGE - 1).map(|(tag, _)| tag.clone());
        let ordinary = page.into_iter().filter(|(tag, _)| !is_fallback(tag));
        best.extend(ordinary.map(|(tag, record)| (record.set, tag)));
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(limit);
        Ok(next)
    }

    /// The tags of a page that go.
    pub(crate) fn doomed_tags(
        &self,
        repository: u64,
        after: Option<&Tag>,
        rules: &Rules,
    ) -> Result<Doomed<Tag>, StorageError> {
        self.database.read(|rows| {
            let page = tags(rows, repository, after)?;
            let next = page.get(PAGE - 1).map(|(tag, _)| tag.clone());
            let goes = |tag: &Tag| {
                let (_, verdict) = judge_tag(rows, repository, tag, rules)?;
                Ok(verdict != Verdict::Stays)
            };
            let items = those(page.into_iter().map(|(tag, _)| tag), goes)?;
            Ok(Doomed { items, next })
        })
    }

    /// The manifests of a page that go.
    pub(crate) fn doomed_manifests(
        &self,
        repository: u64,
        after: Option<&Digest>,
        rules: &Rules,
    ) -> Result<Doomed<Digest>, StorageError> {
        const TABLE: Table = Table::Manifests;
        let after = after.map(|after| keys::in_repository(repository, after));
        let prefix = keys::number(repository);
        self.database.read(|rows| {
            let page = page(rows, TABLE, (&prefix, after.as_deref()), |key, _| {
                let (_, digest) = keys::split_number(TABLE, key)?;
                Ok(keys::last_digest(TABLE, digest)?)
            })?;
            let next = page.get(PAGE - 1).copied();
            let goes = |digest: &Digest| {
                let record = judge_manifest(rows, repository, digest, rules)?;
                Ok(record.is_some())
            };
            let items = those(page.into_iter(), goes)?;
            Ok(Doomed { items, next })
        })
    }

    /// Deletes those of a page that still deserve it; answers what went.
    pub(crate) async fn apply_policy(
        &self,
        repository: (RepositoryName, u64),
        rules: &Arc<Rules>,
        (tags, manifests): (Vec<Tag>, Vec<Digest>),
    ) -> Result<Deleted, StorageError> {
        if tags.is_empty() && manifests.is_empty() {
            return Ok(Deleted::default());
        }
        let rules = Arc::clone(rules);
        self.ask(ApplyPolicy {
            repository,
            rules,
            tags,
            manifests,
        })
        .await
    }
}

// === requests ===

impl Request for ApplyPolicy {
    type Answer = Deleted;
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Deleted, StorageError> {
        let (name, id) = &self.repository;
        let mut deleted = Deleted::default();
        if lookup::repository(transaction, name)? != Some(*id) {
            return Ok(deleted);
        }
        match self.delete(transaction, &mut deleted) {
            // What was deleted before it is whole, so the batch is.
            Err(StorageError::Corrupt(damage)) => deleted.damage = Some(damage),
            outcome => outcome?,
        }
        Ok(deleted)
    }
}

impl ApplyPolicy {
    /// Everything that a deletion reads is read before it writes.
    fn delete(
        &self,
        transaction: &mut Transaction<'_>,
        deleted: &mut Deleted,
    ) -> Result<(), StorageError> {
        let id = self.repository.1;
        for tag in &self.tags {
            match judge_tag(transaction, id, tag, &self.rules)? {
                (Some((record, manifest)), Verdict::Goes) => {
                    check_tag(transaction, id, tag)?;
                    delete_tag(transaction, id, tag, (&record, &manifest))?;
                    deleted.tags += 1;
                }
                (Some((record, manifest)), Verdict::GoesWithManifest) => {
                    delete_manifest(transaction, id, &record.digest, manifest)?;
                    deleted.tags += 1;
                    deleted.manifests += 1;
                }
                (_, Verdict::Stays) | (None, _) => {}
            }
        }
        for digest in &self.manifests {
            if let Some(manifest) = judge_manifest(transaction, id, digest, &self.rules)? {
                delete_manifest(transaction, id, digest, manifest)?;
                deleted.manifests += 1;
            }
        }
        Ok(())
    }
}

// === judging ===

/// Whether a manifest was pulled since `rules.used_since`.
fn is_used(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
    rules: &Rules,
) -> Result<bool, StorageError> {
    let Some(since) = rules.used_since else {
        return Ok(false);
    };
    let key = keys::in_repository(repository, digest);
    let last = rows.record::<u64>(Table::Pulls, &key)?;
    // Another pull within a step of a recorded one leaves no trace.
    Ok(last.is_some_and(|last| last.saturating_add(PULL_STEP) > since.0))
}

fn judge_tag(
    rows: &impl Rows,
    repository: u64,
    tag: &Tag,
    rules: &Rules,
) -> Result<(Option<(TagRecord, ManifestRecord)>, Verdict), StorageError> {
    let Some((record, manifest)) = lookup::tag(rows, repository, tag)? else {
        return Ok((None, Verdict::Stays));
    };
    let verdict = match FallbackSubject::of(tag) {
        Some(subject) => {
            let is_old = rules.orphans_before.is_some_and(|cut| record.set <= cut);
            if !is_old || is_there(rows, repository, &subject)? {
                Verdict::Stays
            } else if is_only_tag(rows, repository, manifest.link)? {
                Verdict::GoesWithManifest
            } else {
                Verdict::Goes
            }
        }
        None if is_kept(tag, &record, rules)
            || is_used(rows, repository, &record.digest, rules)? =>
        {
            Verdict::Stays
        }
        None => Verdict::Goes,
    };
    Ok((Some((record, manifest)), verdict))
}

fn is_kept(tag: &Tag, record: &TagRecord, rules: &Rules) -> bool {
    let Some(keep) = &rules.keep else {
        return true;
    };
    let is_new = match &keep.newest {
        Newest::None => false,
        Newest::All => true,
        Newest::From((set, name)) => (record.set, tag) >= (*set, name),
    };
    let matches = |pattern: &Pattern| pattern.matches(tag.as_str());
    is_new
        || keep.matching.iter().any(matches)
        || rules.used_since.is_some_and(|since| record.set > since)
}

/// The record of a manifest that goes.
fn judge_manifest(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
    rules: &Rules,
) -> Result<Option<ManifestRecord>, StorageError> {
    let Some(manifest) = lookup::manifest(rows, repository, digest)? else {
        return Ok(None);
    };
    let is_before = |cut: Option<EngineTime>| cut.is_some_and(|cut| manifest.since <= cut);
    if !is_before(rules.untagged_before) && !is_before(rules.orphans_before) {
        return Ok(None);
    }
    if rows.any(
        Table::LinkTags,
        &keys::tags_of_link(repository, manifest.link),
    )? || rows.any(
        Table::Edges,
        &keys::edges_to(repository, digest, EdgeKind::Manifest),
    )? || is_used(rows, repository, digest, rules)?
    {
        return Ok(None);
    }
    let key = keys::in_repository(repository, digest);
    let links: Links = rows.needed(Table::ManifestLinks, &key, "a manifest")?;
    let goes = match links.subject {
        None => is_before(rules.untagged_before),
        Some(subject) => {
            let is_here = lookup::manifest(rows, repository, &subject)?.is_some()
                || lookup::trashed(rows, repository, &subject)?.is_some();
            !is_here && is_before(rules.orphans_before)
        }
    };
    Ok(goes.then_some(manifest))
}

/// Whether the subject of a fallback tag is in the repository or can be restored.
fn is_there(
    rows: &impl Rows,
    repository: u64,
    subject: &FallbackSubject,
) -> Result<bool, StorageError> {
    let mut prefix = keys::number(repository);
    prefix.extend_from_slice(&subject.key_prefix());
    Ok(rows.any(Table::Manifests, &prefix)? || rows.any(Table::Trash, &prefix)?)
}

fn is_only_tag(rows: &impl Rows, repository: u64, link: u64) -> Result<bool, StorageError> {
    Ok(lookup::tags_of_link(rows, repository, (link, None), 2)?.len() < 2)
}

fn is_fallback(tag: &Tag) -> bool {
    FallbackSubject::of(tag).is_some()
}

/// A page of a repository's rows of tags, invisible ones too.
fn tags(
    rows: &impl Rows,
    repository: u64,
    after: Option<&Tag>,
) -> Result<Vec<(Tag, TagRecord)>, StorageError> {
    let after = after.map(|after| keys::tag(repository, after.as_str()));
    let prefix = keys::number(repository);
    page(
        rows,
        Table::Tags,
        (&prefix, after.as_deref()),
        |key, payload| {
            let (_, text) = keys::split_number(Table::Tags, key)?;
            let record = TagRecord::from_payload(Table::Tags, payload)?;
            Ok((keys::last_text(Table::Tags, text)?, record))
        },
    )
}

/// A page of a table's rows that begin with a prefix and lie behind a key.
fn page<T>(
    rows: &impl Rows,
    table: Table,
    (prefix, after): (&[u8], Option<&[u8]>),
    parse: impl Fn(&[u8], &[u8]) -> Result<T, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let mut page = Vec::new();
    rows.scan(table, prefix, after, &mut |key, payload| {
        page.push(parse(key, payload)?);
        Ok(if page.len() < PAGE {
            Scan::Next
        } else {
            Scan::Stop
        })
    })?;
    Ok(page)
}

/// Those items that go.
fn those<T>(
    items: impl Iterator<Item = T>,
    goes: impl Fn(&T) -> Result<bool, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let mut those = Vec::new();
    for item in items {
        if goes(&item)? {
            those.push(item);
        }
    }
    Ok(those)
}
