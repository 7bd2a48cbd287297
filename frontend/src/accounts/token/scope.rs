//! The scopes of the distribution specification, "Token Scope Documentation": what a client asks for.
//!
//! 1. What is not understood is not an error: it is left out, and the client gets the rest.
//! 2. However much is asked, [`MAX_RESOURCES`] scopes are looked at, and what is taken fits into a
//!    token ([`MAX_ACCESS_BYTES`]). The same repository is there once.

use crate::accounts::{Permission, Permissions};
use floundr_engine::name::RepositoryName;
use std::fmt;

/// Scopes that are looked at of one request; more are ignored.
const MAX_RESOURCES: usize = 100;

/// Bytes that what is asked may take in a token's JSON. The text of the token is a third longer,
/// and with everything else stays below what is taken back.
const MAX_ACCESS_BYTES: usize = 10_000;

/// Bytes of JSON around the name of a repository with every action.
const ACCESS_BYTES_AROUND_NAME: usize = 70;

/// What one scope names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Actions on a repository: pull, push, delete; no other permission is in a scope.
    Repository(RepositoryName, Permissions),
    /// Listing all repositories.
    Catalog,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// Repositories in the order in which they were named first, each once, none without an action.
    pub(crate) repositories: Vec<(RepositoryName, Permissions)>,
    /// Whether the list of repositories is asked for.
    pub(crate) catalog: bool,
}

/// The scopes of several values of `scope`, each of which may hold several between spaces.
pub(crate) fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Asked {
    let words = values
        .flat_map(|value| value.split(' '))
        .filter(|word| !word.is_empty());
    let mut asked = Asked::default();
    let mut bytes = 0;
    for scope in words.take(MAX_RESOURCES).filter_map(Scope::parse) {
        asked.add(scope, &mut bytes);
    }
    asked
}

// === impl Scope ===

impl Scope {
    /// One scope; nothing when it is not understood.
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        if kind == "registry" {
            return (name == "catalog" && actions == "*").then_some(Self::Catalog);
        }
        if !is_repository(kind) {
            return None;
        }
        let name = without_host(name)?.parse().ok()?;
        let permissions = actions
            .split(',')
            .map(action)
            .fold(Permissions::NONE, Permissions::or);
        (!permissions.is_empty()).then_some(Self::Repository(name, permissions))
    }
}

/// As a challenge has it and as [`parse`] reads it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(name, permissions) => {
                write!(f, "repository:{name}:{}", permissions.and(all_actions()))
            }
            Self::Catalog => f.write_str("registry:catalog:*"),
        }
    }
}

// === impl Asked ===

impl Asked {
    /// What of it is allowed: `on` says what may be done with a repository, `catalog` whether all may
    /// be listed. Repositories of which nothing is left are left out.
    #[must_use]
    pub(crate) fn cut(self, on: impl Fn(&RepositoryName) -> Permissions, catalog: bool) -> Self {
        let cut = |(name, asked): (RepositoryName, Permissions)| {
            let allowed = asked.and(on(&name));
            (!allowed.is_empty()).then_some((name, allowed))
        };
        Self {
            repositories: self.repositories.into_iter().filter_map(cut).collect(),
            catalog: self.catalog && catalog,
        }
    }

    fn add(&mut self, scope: Scope, bytes: &mut usize) {
        let Scope::Repository(name, permissions) = scope else {
            self.catalog = true;
            return;
        };
        let known = self.repositories.iter_mut().find(|(old, _)| *old == name);
        if let Some((_, all)) = known {
            *all = all.or(permissions);
            return;
        }
        let cost = ACCESS_BYTES_AROUND_NAME + name.as_str().len();
        if *bytes + cost <= MAX_ACCESS_BYTES {
            *bytes += cost;
            self.repositories.push((name, permissions));
        }
    }
}

/// The scopes with spaces between them, as the token endpoint tells what it granted.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repositories = self.repositories.iter();
        let scopes = repositories
            .map(|(name, permissions)| Scope::Repository(name.clone(), *permissions))
            .chain(self.catalog.then_some(Scope::Catalog));
        for (index, scope) in scopes.enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

/// `repository`, or one with a class such as `repository(plugin)`.
fn is_repository(kind: &str) -> bool {
    let Some(class) = kind.strip_prefix("repository") else {
        return false;
    };
    let inner = class
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let is_class = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !name.is_empty() && name.bytes().all(fits)
    };
    class.is_empty() || inner.is_some_and(is_class)
}

/// The name without `host:port/`, which the grammar allows before it. No repository's own name has
/// a colon, so what is before one can only be the address of a registry.
fn without_host(name: &str) -> Option<&str> {
    let Some((authority, path)) = name.split_once('/') else {
        return Some(name);
    };
    let Some((host, port)) = authority.rsplit_once(':') else {
        return Some(name);
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_host = !host.is_empty() && host.bytes().all(fits);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_host && is_port).then_some(path)
}

fn action(word: &str) -> Permissions {
    match word {
        "*" => all_actions(),
        "pull" => Permission::Pull.into(),
        "push" => Permission::Push.into(),
        "delete" => Permission::Delete.into(),
        _ => Permissions::NONE,
    }
}

/// What `*` means on a repository.
fn all_actions() -> Permissions {
    [Permission::Pull, Permission::Push, Permission::Delete]
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(values: &[&str]) -> String {
        parse(values.iter().copied()).to_string()
    }

    #[test]
    fn several_values_and_several_scopes_in_one_are_read() {
        let all = told(&[
            "repository:a/b:pull,push repository:c:delete",
            "registry:catalog:*",
            "  repository:d:pull  ",
        ]);
        let expected = "repository:a/b:pull,push repository:c:delete repository:d:pull \
            registry:catalog:*";
        assert_eq!(all, expected);
        assert_eq!(parse([""].into_iter()), Asked::default());
        assert_eq!(parse(std::iter::empty()), Asked::default());
    }

    #[test]
    fn a_star_is_every_action_and_a_class_changes_nothing() {
        assert_eq!(told(&["repository:a:*"]), "repository:a:pull,push,delete");
        let plugin = told(&["repository(plugin):a/b:pull"]);
        assert_eq!(plugin, "repository:a/b:pull");
    }

    #[test]
    fn the_same_repository_is_there_once_with_all_its_actions() {
        let merged = told(&["repository:a:pull repository:b:pull", "repository:a:push"]);
        assert_eq!(merged, "repository:a:pull,push repository:b:pull");
    }

    #[test]
    fn the_address_of_a_registry_before_the_name_is_no_part_of_it() {
        for text in [
            "repository:localhost:5000/a/b:pull",
            "repository:registry.example.org:443/a/b:pull",
        ] {
            assert_eq!(told(&[text]), "repository:a/b:pull", "{text}");
        }
        for text in [
            "repository:h:5000:pull",
            "repository:h:x/a:pull",
            "repository::1/a:pull",
        ] {
            assert_eq!(told(&[text]), "", "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_the_rest_is_taken() {
        for text in [
            "repository:../etc:pull",
            "repository:a/../b:pull",
            "repository:a%2Fb:pull",
            "repository:A/b:pull",
            "repository:*:*",
            "repository:a\r\nx:pull",
            "repository:a:administer",
            "repository:a:PULL",
            "repository:a:",
            "repository:a",
            "repository::pull",
            "repository(:a:pull",
            "repository():a:pull",
            "repository(A):a:pull",
            "repositoryx:a:pull",
            "registry:catalog:pull",
            "registry:other:*",
            "namespace:a:pull",
            "::",
            ":",
            "\u{e4}:\u{e4}:\u{e4}",
        ] {
            let both = told(&[text, "repository:ok:pull"]);
            assert_eq!(both, "repository:ok:pull", "{text:?}");
        }
        assert_eq!(told(&["repository:a:fly,pull,"]), "repository:a:pull");
    }

    #[test]
    fn what_is_granted_is_what_is_both_asked_and_allowed() {
        let text = "repository:a:pull,push repository:b:pull repository:c:* registry:catalog:*";
        let asked = parse([text].into_iter());
        let allowed = |name: &RepositoryName| match name.as_str() {
            "a" => Permission::Pull.into(),
            "b" => Permission::Push.into(),
            _ => Permissions::ALL,
        };
        let granted = asked.clone().cut(allowed, false).to_string();
        assert_eq!(granted, "repository:a:pull repository:c:pull,push,delete");
        assert_eq!(asked.clone().cut(|_| Permissions::ALL, true), asked);
    }

    #[test]
    fn of_ten_thousand_scopes_a_hundred_are_taken() {
        let scope = |index| format!("repository:r{index}:pull");
        let value: Vec<_> = (0..10_000).map(scope).collect();
        let asked = parse([value.join(" ").as_str()].into_iter());
        assert_eq!(asked.repositories.len(), MAX_RESOURCES);
        let many = parse(value.iter().map(String::as_str));
        assert_eq!(many, asked);
    }

    #[test]
    fn long_names_are_taken_as_long_as_they_fit_into_a_token() {
        let scope = |index| format!("repository:{}{index:03}:*", "a".repeat(252));
        let value: Vec<_> = (0..100).map(scope).collect();
        let asked = parse(value.iter().map(String::as_str));
        assert_eq!(asked.repositories.len(), 10_000 / (255 + 70));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_was_read_is_told_the_same_way(text in "[ -~:,/*a-z]{0,80}") {
            let asked = parse([text.as_str()].into_iter());
            prop_assert_eq!(&parse([asked.to_string().as_str()].into_iter()), &asked);
        }

        #[test]
        fn what_looks_like_a_scope_is_read_the_same_way_again(
            text in "(repository|registry)(\\([a-z]?\\))?:(h:1/)?[a-c./]{0,8}:(pull|push|\\*|,|x){0,4}"
        ) {
            let asked = parse([text.as_str()].into_iter());
            prop_assert_eq!(&parse([asked.to_string().as_str()].into_iter()), &asked);
        }
    }
}
