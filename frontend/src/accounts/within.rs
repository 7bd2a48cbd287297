//! Whether one key's scopes allow no more than another's, so that a key makes none that may more.
//!
//! The answer errs on the side of no: patterns whose relation cannot be told by looking at them do
//! not count as within.

use super::model::{KeyScope, On};
use super::permission::{Permission, Permissions};

/// Whether whatever `inner` allows, `outer` allows too, both of one owner's; no scopes at all are
/// all that the owner may.
pub(super) fn are_within(inner: Option<&[KeyScope]>, outer: Option<&[KeyScope]>) -> bool {
    let Some(outer) = outer else {
        return true;
    };
    let allows = |on: &On, permission: Permission| {
        let mut scopes = outer.iter();
        scopes.any(|scope| scope.permissions.contains(permission) && scope.on.covers(on))
    };
    let everything = [KeyScope {
        on: On::everything(),
        permissions: Permissions::ALL,
    }];
    let mut inner = inner.unwrap_or(&everything).iter();
    inner.all(|scope| {
        let mut permissions = scope.permissions.iter();
        permissions.all(|permission| allows(&scope.on, permission))
    })
}

// === impl On ===

impl On {
    /// Whether it names every repository that `inner` names, as far as that can be told.
    fn covers(&self, inner: &Self) -> bool {
        let is_exact = |text: &str| !text.contains(['*', '?']);
        let (outer, inner) = (self.as_str(), inner.as_str());
        if self.is_everything() || outer == inner {
            return true;
        }
        if is_exact(inner) {
            return self.matches(inner);
        }
        // `team/**` has all names below `team/`, and a pattern that begins so has no other.
        let below = outer.strip_suffix("**");
        below.is_some_and(|below| {
            below.ends_with('/') && is_exact(below) && inner.starts_with(below)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(list: &[(&str, &str)]) -> Vec<KeyScope> {
        let scope = |(on, permissions): &(&str, &str)| KeyScope {
            on: on.parse().unwrap(),
            permissions: permissions.split(',').map(|p| p.parse().unwrap()).collect(),
        };
        list.iter().map(scope).collect()
    }

    #[test]
    fn scopes_are_within_others_when_each_permission_is_on_as_much() {
        let outer = scopes(&[("team/**", "pull,push"), ("team/app", "delete")]);
        for (inner, expected) in [
            (vec![], true),
            (scopes(&[("team/app", "pull,push,delete")]), true),
            (scopes(&[("team/**", "pull")]), true),
            (scopes(&[("team/*", "push")]), true),
            (scopes(&[("team/a?p/**", "push")]), true),
            (scopes(&[("team/other", "delete")]), false),
            (scopes(&[("team/*", "delete")]), false),
            (scopes(&[("team/app", "administer")]), false),
            (scopes(&[("team/app", "pull"), ("other", "pull")]), false),
            (scopes(&[("teams/app", "pull")]), false),
            (scopes(&[("team*/**", "pull")]), false),
            (scopes(&[("**", "pull")]), false),
        ] {
            assert_eq!(
                are_within(Some(&inner), Some(&outer)),
                expected,
                "{inner:?}"
            );
        }
    }

    #[test]
    fn no_scopes_are_all_there_is() {
        let some = scopes(&[("**", "pull,push,delete")]);
        let all = scopes(&[("**", "pull,push,delete,administer")]);
        assert!(are_within(None, None));
        assert!(are_within(Some(&all), None));
        assert!(are_within(None, Some(&all)));
        assert!(!are_within(None, Some(&some)));
        assert!(are_within(Some(&some), Some(&all)));
    }
}
