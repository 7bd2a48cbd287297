//! Rules: how the repositories behave that a pattern names.

use super::super::call::Call;
use super::super::etag::Condition;
use super::super::query::PageParameters;
use super::listing::{Filter, Listing};
use super::{Desk, demanded, done, made, thing};
use crate::accounts::{AccountError, Accounts, On, Rule, RulePatch, Thing};
use crate::manage::{Answer, json};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
struct Shown {
    /// The pattern of repositories' names; an exact name has the settings of one.
    #[schema(value_type = String)]
    on: On,
    /// Whether anybody may pull.
    public: bool,
    /// How many bytes the repositories may hold together; null for as many as there is room for.
    quota_bytes: Option<u64>,
    /// Patterns of tags that can be set once, and then neither moved nor deleted.
    #[schema(value_type = Vec<String>)]
    immutable_tags: Vec<On>,
}

/// A rule in a listing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedRule)]
struct Listed {
    #[serde(flatten)]
    rule: Shown,
    /// How many bytes the repositories hold together, as of at most a minute ago; null where there
    /// is no quota.
    used_bytes: Option<u64>,
}

/// What a rule is to say; what is absent it does not say.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RuleSettings)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    public: bool,
    quota_bytes: Option<u64>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    immutable_tags: Vec<On>,
}

/// Rules in the order of their patterns.
#[utoipa::path(
    get, path = "/api/v1/rules", operation_id = "rule_list", tag = "rules",
    params(
        ("filter" = Option<String>, Query, description = "A part of the pattern"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of rules", body = Listing<Listed>)),
)]
pub(super) async fn list(desk: Desk<'_>, call: Call) -> Answer {
    let mut query = call.query();
    let filter = Filter::of(&mut query)?;
    let page = query.page::<On>()?;
    let directory = desk.accounts.directory();
    let rules = directory.rules(page.after.as_ref().map(On::as_str));
    let rules = rules.filter(|rule| filter.fits(rule.on.as_str()));
    let position = |rule: &&Rule| rule.on.to_string();
    let listing = Listing::of(rules, page.limit, position, |rule: &Rule| rule);
    let mut used = Vec::new();
    for rule in listing.items() {
        used.push(match rule.quota {
            Some(_) => Some(desk.quotas.used(&rule.on.0).await?),
            None => None,
        });
    }
    let mut used = used.into_iter();
    let listed = |rule: &Rule| Listed {
        rule: Shown::from(rule),
        used_bytes: used.next().flatten(),
    };
    json(StatusCode::OK, &listing.map(listed))
}

/// Shows a rule.
#[utoipa::path(
    get, path = "/api/v1/rules/{pattern}", operation_id = "rule_show", tag = "rules",
    params(("pattern" = String, Path, description = "One segment: `team%2F**`")),
    responses((status = 200, description = "The rule", body = Shown), (status = 404, description = "There is none")),
)]
pub(super) fn show(accounts: &Accounts, on: &On, call: Call) -> Answer {
    call.plain()?;
    let directory = accounts.directory();
    let rule = directory.rule(on.as_str());
    let rule = rule.ok_or_else(|| AccountError::unknown(Thing::Rule, on))?;
    thing(rule.version, &Shown::from(rule))
}

/// Sets all that a rule says, at once. A rule that says nothing is none. Durable then.
#[utoipa::path(
    put, path = "/api/v1/rules/{pattern}", operation_id = "rule_set", tag = "rules",
    params(
        ("pattern" = String, Path, description = "One segment: `team%2F**`"),
        Condition,
    ),
    request_body = Settings,
    responses(
        (status = 200, body = Shown, description = "The rule, which was there"),
        (status = 201, description = "The rule, which was not there", body = Shown),
        (status = 204, description = "It says nothing, so there is none now"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn set(accounts: &Accounts, on: &On, call: Call) -> Answer {
    let present = accounts
        .directory()
        .rule(on.as_str())
        .map(|rule| rule.version);
    let version = demanded(&call, present)?;
    let settings: Settings = call.read()?;
    let patch = RulePatch {
        public: Some(settings.public),
        quota: Some(settings.quota_bytes),
        immutable_tags: Some(settings.immutable_tags),
    };
    let rule = accounts.change_rule(on, patch, version).await?;
    let shown = Shown::from(&rule);
    if rule.says_nothing() {
        return done();
    }
    if present.is_some() {
        return thing(rule.version, &shown);
    }
    let segment = utf8_percent_encode(on.as_str(), NON_ALPHANUMERIC);
    made(rule.version, &shown, &format!("/rules/{segment}"))
}

/// Removes a rule, at once. Durable then.
#[utoipa::path(
    delete, path = "/api/v1/rules/{pattern}", operation_id = "rule_delete", tag = "rules",
    params(
        ("pattern" = String, Path, description = "One segment: `team%2F**`"),
        Condition,
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn delete(accounts: &Accounts, on: &On, call: Call) -> Answer {
    let present = accounts
        .directory()
        .rule(on.as_str())
        .map(|rule| rule.version);
    let version = demanded(&call, present)?;
    call.plain()?;
    accounts.delete_rule(on, version).await?;
    done()
}

// === impl Shown ===

impl From<&Rule> for Shown {
    fn from(rule: &Rule) -> Self {
        Self {
            on: rule.on.clone(),
            public: rule.public,
            quota_bytes: rule.quota,
            immutable_tags: rule.immutable_tags.clone(),
        }
    }
}
