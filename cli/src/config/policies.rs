//! The `[[policy]]` tables of `floundr.toml`: what goes by itself, per pattern of repositories.
//!
//! Invariant: whatever is wrong is an error that names the line, the key and the value. A key that
//! is unknown is one, and so is a table that says nothing: a typing error must not delete, nor seem
//! to.

use super::values;
use anyhow::{Result, anyhow, bail};
use floundr_engine::policy::{KeepTags, OrphanedReferrers, Pattern, Policy};
use std::fmt;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key of the tables.
pub(super) const KEY: &str = "policy";

/// The most tags `keep_last` may ask to keep.
const MOST_TAGS: usize = 10_000;

const KEYS: [&str; 6] = [
    "repositories",
    "untagged_after",
    "keep_last",
    "keep_tags",
    "keep_pulled",
    "orphaned_referrers",
];

/// One table in the making.
#[derive(Default)]
struct Table {
    repositories: Option<Pattern>,
    untagged_after: Option<Duration>,
    keep: KeepTags,
    orphaned_referrers: Option<OrphanedReferrers>,
}

/// The policies of the value under [`KEY`]. `line_of` tells the line of an offset.
pub(super) fn parse(
    value: &Spanned<DeValue<'_>>,
    line_of: &dyn Fn(usize) -> usize,
) -> Result<Vec<Policy>> {
    let DeValue::Array(tables) = value.get_ref() else {
        let line = line_of(value.span().start);
        bail!("line {line}: {KEY} must be tables, each under [[{KEY}]]");
    };
    let mut policies = Vec::new();
    for table in tables {
        let line = line_of(table.span().start);
        let DeValue::Table(table) = table.get_ref() else {
            bail!("line {line}: {KEY} must be tables, each under [[{KEY}]]");
        };
        policies.push(policy(table, line, line_of)?);
    }
    Ok(policies)
}

fn policy(table: &DeTable<'_>, line: usize, line_of: &dyn Fn(usize) -> usize) -> Result<Policy> {
    let mut read = Table::default();
    for (name, value) in table {
        let line = line_of(name.span().start);
        let name = name.get_ref().as_ref();
        set(&mut read, name, value.get_ref()).map_err(|error| anyhow!("line {line}: {error}"))?;
    }
    let Some(repositories) = read.repositories else {
        bail!("line {line}: policy has no repositories: say which it is for, \"**\" for all");
    };
    let keep_tags = Some(read.keep).filter(|keep| *keep != KeepTags::default());
    let says_nothing =
        read.untagged_after.is_none() && keep_tags.is_none() && read.orphaned_referrers.is_none();
    if says_nothing {
        bail!("line {line}: policy for {repositories} says nothing");
    }
    Ok(Policy {
        repositories,
        untagged_after: read.untagged_after,
        keep_tags,
        orphaned_referrers: read.orphaned_referrers.unwrap_or_default(),
    })
}

fn set(table: &mut Table, name: &str, value: &DeValue<'_>) -> Result<()> {
    let wrong = |why: &dyn fmt::Display| anyhow!("policy {name} is {}: {why}", shown(value));
    let text = || plain(value).ok_or_else(|| wrong(&"neither a text nor a whole number"));
    let age = |text: &str| match values::duration(text) {
        Ok(age) if age < Duration::from_secs(1) => Err("less than a second"),
        other => other,
    };
    match name {
        "repositories" => {
            table.repositories = Some(text()?.parse().map_err(|error| wrong(&error))?);
        }
        "untagged_after" => {
            table.untagged_after = Some(age(&text()?).map_err(|error| wrong(&error))?);
        }
        "keep_last" => {
            let last = values::up_to(MOST_TAGS)(&text()?).map_err(|error| wrong(&error))?;
            if last == 0 {
                return Err(wrong(&"it would keep none"));
            }
            table.keep.last = Some(last);
        }
        "keep_tags" => table.keep.matching = patterns(value).map_err(|error| wrong(&error))?,
        "keep_pulled" => {
            table.keep.pulled_within = Some(age(&text()?).map_err(|error| wrong(&error))?);
        }
        "orphaned_referrers" => {
            table.orphaned_referrers = Some(match text()?.as_str() {
                "keep" => OrphanedReferrers::Keep,
                "delete" => OrphanedReferrers::Delete,
                _ => return Err(wrong(&"not one of keep, delete")),
            });
        }
        _ => bail!(
            "there is no key {name:?} of a policy; there are {}",
            KEYS.join(", ")
        ),
    }
    Ok(())
}

/// A list of patterns, or one alone.
fn patterns(value: &DeValue<'_>) -> Result<Vec<Pattern>> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(text.parse::<Pattern>()?),
        other => bail!("{} is no text", shown(other)),
    };
    match value {
        DeValue::Array(list) if list.is_empty() => bail!("it would keep none"),
        DeValue::Array(list) => list.iter().map(|value| one(value.get_ref())).collect(),
        alone => Ok(vec![one(alone)?]),
    }
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// A value as it is shown in a complaint.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Array(list) => {
            let items: Vec<_> = list.iter().map(|item| shown(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::String(text) => format!("{text:?}"),
        other => plain(other).map_or_else(|| "no text".to_owned(), |text| format!("{text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Policy>, String> {
        let table = DeTable::parse(text).unwrap().into_inner();
        let (_, value) = table.iter().next().unwrap();
        let line_of = |offset: usize| 1 + text.get(..offset).unwrap().matches('\n').count();
        parse(value, &line_of).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_become_policies_in_their_order() {
        let policies = read(
            "[[policy]]\nrepositories = \"team/**\"\nuntagged_after = \"7d\"\nkeep_last = 10\n\
             keep_tags = [\"v*\", \"latest\"]\nkeep_pulled = \"30d\"\n\
             orphaned_referrers = \"delete\"\n\
             [[policy]]\nrepositories = \"**\"\nkeep_tags = \"v*\"\n",
        );
        let policies = policies.unwrap();
        assert_eq!(policies.len(), 2);
        let days = |days: u64| Some(Duration::from_hours(24 * days));
        let keep = policies[0].keep_tags.as_ref().unwrap();
        assert_eq!(policies[0].repositories.as_str(), "team/**");
        assert_eq!(policies[0].untagged_after, days(7));
        assert_eq!((keep.last, keep.pulled_within), (Some(10), days(30)));
        assert_eq!(keep.matching.len(), 2);
        assert_eq!(policies[0].orphaned_referrers, OrphanedReferrers::Delete);
        assert_eq!(policies[1].keep_tags.as_ref().unwrap().matching.len(), 1);
        assert_eq!(policies[1].orphaned_referrers, OrphanedReferrers::Keep);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_key_and_value() {
        for (key, expected) in [
            (
                "untagged_after = \"7\"",
                "line 3: policy untagged_after is \"7\": not a duration",
            ),
            ("untagged_after = \"0\"", "less than a second"),
            (
                "keep_last = -1",
                "line 3: policy keep_last is \"-1\": not a number between 0",
            ),
            (
                "keep_last = 0",
                "policy keep_last is \"0\": it would keep none",
            ),
            (
                "keep_tags = []",
                "policy keep_tags is []: it would keep none",
            ),
            (
                "keep_tags = [\"v*\", 1]",
                "is [\"v*\", \"1\"]: \"1\" is no text",
            ),
            ("keep_tags = [\"v[\"]", "pattern \"v[\" has '['"),
            (
                "keep_pulled = true",
                "policy keep_pulled is true: neither a text nor",
            ),
            (
                "orphaned_referrers = \"go\"",
                "is \"go\": not one of keep, delete",
            ),
            (
                "keep = 1",
                "line 3: there is no key \"keep\" of a policy; there are repositories",
            ),
            (
                "repositories = \"A!\"",
                "policy repositories is \"A!\": pattern \"A!\" has '!'",
            ),
        ] {
            let repositories = if key.starts_with("repositories") {
                "# none"
            } else {
                "repositories = \"**\""
            };
            let refused = read(&format!("[[policy]]\n{repositories}\n{key}\n")).unwrap_err();
            assert!(refused.contains(expected), "{key}: {refused}");
        }
    }

    #[test]
    fn what_is_no_policy_is_told_by_line() {
        for (text, expected) in [
            (
                "policy = 1",
                "line 1: policy must be tables, each under [[policy]]",
            ),
            (
                "policy = [1]",
                "line 1: policy must be tables, each under [[policy]]",
            ),
            ("[[policy]]\nkeep_last = 1\n", "policy has no repositories"),
            (
                "[[policy]]\nrepositories = \"a\"\n",
                "policy for a says nothing",
            ),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
