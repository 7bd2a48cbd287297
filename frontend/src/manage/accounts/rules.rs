//! Rules: how the repositories behave that a pattern names.

use super::super::call::Call;
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
        ("filter" = Option<String>, Query, description = "a part of the pattern"),
        ("n" = Option<usize>, Query, description = "at most how many"),
        ("last" = Option<String>, Query, description = "the `next` of the page before"),
    ),
    responses((status = 200, body = Listing<Shown>)),
)]
pub(super) async fn list(desk: Desk<'_>, call: Call) -> Answer {
    let mut query = call.query();
    let filter = Filter::of(&mut query)?;
    let page = query.page::<On>()?;
    let directory = desk.accounts.directory();
    let rules = directory.rules(page.after.as_ref().map(On::as_str));
    let rules = rules.filter(|rule| filter.fits(rule.on.as_str()));
    let position = |rule: &&Rule| rule.on.to_string();
    json(
        StatusCode::OK,
        &Listing::of(rules, page.limit, position, Shown::from),
    )
}

/// A rule.
#[utoipa::path(
    get, path = "/api/v1/rules/{pattern}", operation_id = "rule_show", tag = "rules",
    params(("pattern" = String, Path, description = "one segment: `team%2F**`")),
    responses((status = 200, body = Shown), (status = 404, description = "`unknown`")),
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
        ("pattern" = String, Path, description = "one segment: `team%2F**`"),
        ("if-match" = Option<String>, Header, description = "the `ETag` it was made from"),
    ),
    request_body = Settings,
    responses(
        (status = 200, body = Shown, description = "there was one"),
        (status = 201, body = Shown),
        (status = 204, description = "it says nothing: there is none now"),
        (status = 412, description = "`precondition`"),
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
        ("pattern" = String, Path, description = "one segment: `team%2F**`"),
        ("if-match" = Option<String>, Header, description = "the `ETag` of what is to go"),
    ),
    responses(
        (status = 204),
        (status = 404, description = "`unknown`"),
        (status = 412, description = "`precondition`"),
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
