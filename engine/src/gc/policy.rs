//! Going through the policies, in the background and in bounded steps.
//!
//! A pass goes through all repositories by name; of those that a policy is for it reads the tags,
//! then the manifests, page by page, and deletes what each page has. What is deleted can be
//! restored. The position is kept in memory only: a pass that was cut off begins anew, and finds
//! the rest. A damaged row ends the pass of its repository: nothing more of that is judged.

use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::{Age, Deleted, Doomed, KeepRules, Metadata, Newest, Rules};
use crate::name::{RepositoryName, Tag};
use crate::policy::{OrphanedReferrers, Policy};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a referrer may wait for a subject that never came.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

/// What policies deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyReport {
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Repositories that were left because of a damaged row; the log names it.
    pub skipped: u64,
}

/// The policies of a store, and how far the pass through them is.
#[derive(Debug)]
pub(crate) struct Policies {
    meta: Arc<Metadata>,
    list: Vec<Policy>,
    interval: Duration,
    pass: Mutex<Pass>,
}

#[derive(Debug, Default)]
struct Pass {
    /// When the next one begins by itself.
    next: EngineTime,
    /// The last name that was read.
    after: Option<RepositoryName>,
    /// Names that were read and not begun.
    waiting: VecDeque<(RepositoryName, u64)>,
    current: Option<Current>,
    report: PolicyReport,
}

/// The repository at hand.
#[derive(Debug)]
struct Current {
    repository: (RepositoryName, u64),
    rules: Arc<Rules>,
    /// How many of the newest tags are kept.
    last: Option<usize>,
    work: Work,
}

/// What is done in it, and behind what to go on.
#[derive(Debug)]
enum Work {
    Newest(Option<Tag>, Vec<Age>),
    Tags(Option<Tag>),
    Manifests(Option<Digest>),
}

// === impl Policies ===

impl Policies {
    pub(crate) fn new(meta: Arc<Metadata>, list: Vec<Policy>, interval: Duration) -> Self {
        Self {
            meta,
            list,
            interval,
            pass: Mutex::default(),
        }
    }

    /// Whether pulls must be recorded for them.
    pub(crate) fn need_pulls(&self) -> bool {
        self.list.iter().any(|policy| {
            let keep = policy.keep_tags.as_ref();
            keep.is_some_and(|keep| keep.pulled_within.is_some())
        })
    }

    /// Goes through all of them from the beginning.
    pub(crate) async fn run(&self) -> Result<PolicyReport, StorageError> {
        let mut pass = self.pass.lock().await;
        *pass = Pass::default();
        let outcome = loop {
            match self.step(&mut pass).await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => break Ok(pass.report),
                Err(error) => break Err(error),
            }
        };
        *pass = Pass {
            next: self.meta.now().after(self.interval),
            ..Pass::default()
        };
        outcome
    }

    /// The same if it is time for it: what the collector's turn calls.
    pub(crate) async fn run_if_due(&self) -> Result<PolicyReport, StorageError> {
        if self.list.is_empty() || self.pass.lock().await.next > self.meta.now() {
            return Ok(PolicyReport::default());
        }
        self.run().await
    }

    /// One page, or the beginning of a repository; answers whether there is more.
    async fn step(&self, pass: &mut Pass) -> Result<bool, StorageError> {
        let Some(current) = pass.current.take() else {
            return self.next_repository(pass);
        };
        let name = current.repository.0.clone();
        match self.page(current, &mut pass.report).await {
            Ok(current) => pass.current = current,
            Err(error @ StorageError::Corrupt(_)) => {
                tracing::error!(repository = %name, %error, "a policy was not applied to the end");
                pass.report.skipped += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn next_repository(&self, pass: &mut Pass) -> Result<bool, StorageError> {
        if self.list.is_empty() {
            return Ok(false);
        }
        if pass.waiting.is_empty() {
            let page = self.meta.policy_repositories(pass.after.as_ref())?;
            let Some((last, _)) = page.last() else {
                return Ok(false);
            };
            pass.after = Some(last.clone());
            pass.waiting = page.into();
        }
        while let Some(repository) = pass.waiting.pop_front() {
            let name = repository.0.as_str();
            let mut policies = self.list.iter();
            if let Some(policy) = policies.find(|policy| policy.repositories.matches(name)) {
                pass.current = Some(self.begin(repository, policy)?);
                break;
            }
        }
        Ok(true)
    }

    fn begin(
        &self,
        repository: (RepositoryName, u64),
        policy: &Policy,
    ) -> Result<Current, StorageError> {
        let rules = rules(policy, self.meta.now(), self.meta.pulls_since()?);
        let last = policy.keep_tags.as_ref().and_then(|keep| keep.last);
        let work = match last {
            Some(_) if rules.keep.is_some() => Work::Newest(None, Vec::new()),
            _ => Work::Tags(None),
        };
        Ok(Current {
            repository,
            rules: Arc::new(rules),
            last,
            work,
        })
    }

    /// Does a page; answers what is left of the repository.
    async fn page(
        &self,
        mut current: Current,
        report: &mut PolicyReport,
    ) -> Result<Option<Current>, StorageError> {
        let id = current.repository.1;
        let rules = &current.rules;
        let work = match &mut current.work {
            Work::Newest(after, best) => {
                let limit = current.last.unwrap_or(0);
                let next = self.meta.newest_tags(id, after.as_ref(), limit, best)?;
                let best = std::mem::take(best);
                if next.is_some() {
                    Work::Newest(next, best)
                } else {
                    current.rules = Arc::new(with_newest(rules, limit, best));
                    Work::Tags(None)
                }
            }
            Work::Tags(after) => {
                let Doomed { items, next } = self.meta.doomed_tags(id, after.as_ref(), rules)?;
                self.delete(&current, (items, Vec::new()), report).await?;
                match next {
                    Some(next) => Work::Tags(Some(next)),
                    None => Work::Manifests(None),
                }
            }
            Work::Manifests(after) => {
                let page = self.meta.doomed_manifests(id, after.as_ref(), rules)?;
                self.delete(&current, (Vec::new(), page.items), report)
                    .await?;
                match page.next {
                    Some(next) => Work::Manifests(Some(next)),
                    None => return Ok(None),
                }
            }
        };
        current.work = work;
        Ok(Some(current))
    }

    async fn delete(
        &self,
        current: &Current,
        doomed: (Vec<Tag>, Vec<Digest>),
        report: &mut PolicyReport,
    ) -> Result<(), StorageError> {
        let repository = current.repository.clone();
        let deleted = self.meta.apply_policy(repository, &current.rules, doomed);
        let Deleted {
            tags,
            manifests,
            damage,
        } = deleted.await?;
        report.tags += tags;
        report.manifests += manifests;
        if tags + manifests > 0 {
            let repository = &current.repository.0;
            tracing::info!(%repository, tags, manifests, "deleted by policy; it can be restored");
        }
        damage.map_or(Ok(()), |damage| Err(damage.into()))
    }
}

/// What a policy says now. Where pulls were not recorded for as long as it asks for, or the store is
/// younger, everything counts as pulled: then only orphans go.
fn rules(policy: &Policy, now: EngineTime, pulls_since: Option<EngineTime>) -> Rules {
    let orphans_before = match policy.orphaned_referrers {
        OrphanedReferrers::Keep => None,
        OrphanedReferrers::Delete => now.before(ORPHAN_AGE),
    };
    let keep = policy
        .keep_tags
        .as_ref()
        .filter(|keep| keep.says_anything());
    let used_since = match keep.and_then(|keep| keep.pulled_within) {
        None => None,
        Some(within) => {
            let since = now.before(within);
            let is_known = |since: &EngineTime| pulls_since.is_some_and(|begun| begun <= *since);
            let Some(since) = since.filter(is_known) else {
                return Rules {
                    orphans_before,
                    ..Rules::default()
                };
            };
            Some(since)
        }
    };
    Rules {
        untagged_before: policy.untagged_after.and_then(|age| now.before(age)),
        orphans_before,
        used_since,
        keep: keep.map(|keep| KeepRules {
            newest: Newest::None,
            matching: keep.matching.clone(),
        }),
    }
}

fn with_newest(rules: &Rules, limit: usize, mut best: Vec<Age>) -> Rules {
    let newest = match best.pop() {
        _ if limit == 0 => Newest::None,
        Some(oldest) if best.len() + 1 == limit => Newest::From(oldest),
        _ => Newest::All,
    };
    let mut rules = rules.clone();
    if let Some(keep) = &mut rules.keep {
        keep.newest = newest;
    }
    rules
}
