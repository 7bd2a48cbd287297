//! Changes of rules. A rule that says nothing is none.

use super::{AccountError, Thing, expect_version};
use crate::accounts::Accounts;
use crate::accounts::model::{On, Rule};
use crate::accounts::store::{Change, Row, RowKey};

/// The most patterns of immutable tags in one rule.
const MAX_PATTERNS: usize = 100;

/// What is to become different about a rule; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct RulePatch {
    /// Whether anybody may pull.
    pub public: Option<bool>,
    /// Bytes that the repositories may hold together; `Some(None)`: as many as there is room for.
    pub quota: Option<Option<u64>>,
    /// Tags that can be set once.
    pub immutable_tags: Option<Vec<On>>,
}

// === impl Accounts ===

impl Accounts {
    /// Changes the rule of a pattern, or makes it; with `version`, only from that version, which is 0
    /// for one that is not there. What it says then. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has changed it or not.
    pub async fn change_rule(
        &self,
        on: &On,
        patch: RulePatch,
        version: Option<u64>,
    ) -> Result<Rule, AccountError> {
        self.change(|directory| {
            let present = directory.rule(on.as_str());
            let found = present.map_or(0, |rule| rule.version);
            expect_version(Thing::Rule, on, version, found)?;
            let mut rule = present.cloned().unwrap_or_else(|| Rule::nothing(on));
            rule.public = patch.public.unwrap_or(rule.public);
            rule.quota = patch.quota.unwrap_or(rule.quota);
            if let Some(tags) = &patch.immutable_tags {
                rule.immutable_tags.clone_from(tags);
            }
            if rule.immutable_tags.len() > MAX_PATTERNS {
                let patterns = rule.immutable_tags.len();
                return Err(AccountError::Invalid(format!(
                    "rule {on} would have {patterns} patterns of tags, more than {MAX_PATTERNS}"
                )));
            }
            if present == Some(&rule) {
                return Ok((Vec::new(), rule));
            }
            rule.version = directory.next_version();
            let change = if rule.says_nothing() {
                Change::Remove(RowKey::Rule(on.to_string()))
            } else {
                Change::Put(Row::Rule(rule.clone()))
            };
            Ok((vec![change], rule))
        })
        .await
    }

    /// Removes a rule. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has removed it or not.
    pub async fn delete_rule(&self, on: &On, version: Option<u64>) -> Result<(), AccountError> {
        self.change(|directory| {
            let rule = directory.rule(on.as_str());
            let rule = rule.ok_or_else(|| AccountError::unknown(Thing::Rule, on))?;
            expect_version(Thing::Rule, on, version, rule.version)?;
            Ok((vec![Change::Remove(RowKey::Rule(on.to_string()))], ()))
        })
        .await
    }
}

// === impl Rule ===

impl Rule {
    /// The rule that changes nothing.
    pub fn nothing(on: &On) -> Self {
        Self {
            on: on.clone(),
            public: false,
            quota: None,
            immutable_tags: Vec::new(),
            version: 0,
        }
    }

    /// Whether it is as good as none.
    pub fn says_nothing(&self) -> bool {
        !self.public && self.quota.is_none() && self.immutable_tags.is_empty()
    }
}
