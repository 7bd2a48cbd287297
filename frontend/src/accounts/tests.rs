//! Accounts as a whole: what is allowed, what is refused, what a change ends, and that it is kept.

use super::{
    AccountError, Accounts, Grantee, KeyPatch, KeyScope, MemoryAccountStore, NewGrant, NewKey,
    NewUser, On, Permission, Permissions, Principal, Reason, RulePatch, TokenSecrets, UserName,
    UserPatch,
};
use floundr_engine::clock::Hands;
use std::collections::BTreeSet;
use std::sync::Arc;

async fn accounts() -> Accounts {
    let clock = Arc::new(Hands::default());
    let accounts = Accounts::open(MemoryAccountStore::default(), clock, TokenSecrets::Kept)
        .await
        .unwrap();
    let admin = "admin".parse().unwrap();
    let made = accounts
        .create_first_administrator(&admin, "a long password")
        .await;
    assert!(made.unwrap().is_some());
    accounts
}

fn on(text: &str) -> On {
    text.parse().unwrap()
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn user(text: &str) -> Principal {
    Principal::User {
        name: name(text),
        key: None,
    }
}

async fn make(accounts: &Accounts, text: &str, groups: &[&str]) {
    let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
    let new = NewUser {
        name: name(text),
        password: Some("a long password".to_owned()),
        must_change: false,
        groups,
    };
    accounts.create_user(new).await.unwrap();
}

async fn grant(accounts: &Accounts, to: Grantee, role: &str, pattern: &str) -> u64 {
    let role = role.parse().unwrap();
    let new = NewGrant {
        to,
        role,
        on: on(pattern),
    };
    accounts.create_grant(new).await.unwrap().id
}

fn key(text: &str, owner: Option<&str>, scopes: Option<Vec<KeyScope>>) -> NewKey {
    NewKey {
        name: text.parse().unwrap(),
        owner: owner.map(name),
        scopes,
        expires: None,
        made_by: None,
    }
}

fn may(accounts: &Accounts, principal: &Principal, repository: &str) -> String {
    let now = accounts.wall();
    accounts
        .directory()
        .permissions(principal, repository, now)
        .to_string()
}

#[tokio::test]
async fn a_user_may_what_grants_to_them_and_their_groups_allow_and_nothing_else() {
    let accounts = accounts().await;
    make(&accounts, "jo", &["team"]).await;
    assert_eq!(may(&accounts, &user("jo"), "team/app"), "");
    grant(&accounts, Grantee::User(name("jo")), "reader", "team/app").await;
    grant(
        &accounts,
        Grantee::Group("team".parse().unwrap()),
        "writer",
        "team/**",
    )
    .await;
    assert_eq!(may(&accounts, &user("jo"), "team/app"), "pull,push");
    assert_eq!(may(&accounts, &user("jo"), "team/other"), "pull,push");
    assert_eq!(may(&accounts, &user("jo"), "teams/app"), "");
    assert_eq!(
        may(&accounts, &user("admin"), "x"),
        "pull,push,delete,administer"
    );
    assert_eq!(may(&accounts, &Principal::Anonymous, "team/app"), "");
    let patch = UserPatch {
        groups: Some(BTreeSet::new()),
        ..UserPatch::default()
    };
    accounts
        .change_user(&name("jo"), patch, None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &user("jo"), "team/app"), "pull");
}

#[tokio::test]
async fn a_public_rule_lets_everybody_pull_and_nobody_push() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    let patch = RulePatch {
        public: Some(true),
        ..RulePatch::default()
    };
    accounts
        .change_rule(&on("public/**"), patch.clone(), None)
        .await
        .unwrap();
    for principal in [Principal::Anonymous, user("jo")] {
        assert_eq!(may(&accounts, &principal, "public/app"), "pull");
        assert_eq!(may(&accounts, &principal, "private/app"), "");
    }
    let patch = RulePatch {
        public: Some(false),
        ..patch
    };
    accounts
        .change_rule(&on("public/**"), patch, None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &Principal::Anonymous, "public/app"), "");
    assert!(
        accounts.directory().rule("public/**").is_none(),
        "it says nothing any more"
    );
}

#[tokio::test]
async fn a_key_allows_no_more_than_its_owner_and_its_scopes() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    grant(&accounts, Grantee::User(name("jo")), "writer", "team/**").await;
    let scope = |pattern: &str, permissions| KeyScope {
        on: on(pattern),
        permissions,
    };
    let scopes = vec![
        scope("team/app", Permission::Pull.into()),
        scope("x", Permissions::ALL),
    ];
    let mut new = key("ci", Some("jo"), Some(scopes));
    new.expires = Some(accounts.wall() + 1000);
    let (key, text) = accounts.create_key(new.clone()).await.unwrap();
    assert!(key.is(&text));
    let with = Principal::User {
        name: name("jo"),
        key: Some(key.id),
    };
    assert_eq!(may(&accounts, &with, "team/app"), "pull");
    assert_eq!(may(&accounts, &with, "team/other"), "");
    assert_eq!(may(&accounts, &with, "x"), "");
    let twice = accounts.create_key(new).await;
    assert!(matches!(twice, Err(AccountError::Exists { .. })));
    let patch = KeyPatch {
        scopes: Some(None),
        ..KeyPatch::default()
    };
    accounts
        .change_key(key.id, patch, None, None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &with, "team/other"), "pull,push");
    let later = accounts.wall() + 1000;
    let directory = accounts.directory();
    assert!(
        directory.permissions(&with, "team/app", later).is_empty(),
        "it has expired"
    );
    let stolen = Principal::User {
        name: name("admin"),
        key: Some(key.id),
    };
    assert_eq!(may(&accounts, &stolen, "x"), "");
    assert_eq!(may(&accounts, &Principal::Robot(key.id), "team/app"), "");
    accounts.revoke_key(key.id, None, None).await.unwrap();
    assert_eq!(may(&accounts, &with, "team/app"), "");
}

#[tokio::test]
async fn a_robot_may_what_its_scopes_say_and_needs_some() {
    let accounts = accounts().await;
    let mut new = key("robot", None, None);
    let refused = accounts.create_key(new.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("needs scopes"), "{refused}");
    new.scopes = Some(vec![KeyScope {
        on: on("team/**"),
        permissions: Permissions::ALL,
    }]);
    let (key, _) = accounts.create_key(new).await.unwrap();
    let robot = Principal::Robot(key.id);
    assert_eq!(
        may(&accounts, &robot, "team/app"),
        "pull,push,delete,administer"
    );
    assert_eq!(may(&accounts, &robot, "x"), "");
    assert!(
        !accounts
            .directory()
            .is_administrator(&robot, accounts.wall())
    );
}

#[tokio::test]
async fn disabling_or_removing_a_user_ends_everything_of_theirs() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    grant(&accounts, Grantee::User(name("jo")), "writer", "**").await;
    let (key, _) = accounts
        .create_key(key("ci", Some("jo"), None))
        .await
        .unwrap();
    let with = Principal::User {
        name: name("jo"),
        key: Some(key.id),
    };
    let disable = |disabled| UserPatch {
        disabled: Some(disabled),
        ..UserPatch::default()
    };
    let before = accounts.directory().user(&name("jo")).unwrap().epoch;
    accounts
        .change_user(&name("jo"), disable(true), None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &user("jo"), "x"), "");
    assert_eq!(may(&accounts, &with, "x"), "");
    accounts
        .change_user(&name("jo"), disable(false), None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &with, "x"), "pull,push");
    assert!(accounts.directory().user(&name("jo")).unwrap().epoch > before);
    accounts.delete_user(&name("jo"), None).await.unwrap();
    make(&accounts, "jo", &[]).await;
    assert_eq!(
        may(&accounts, &user("jo"), "x"),
        "",
        "another jo has nothing of the first"
    );
    assert_eq!(may(&accounts, &with, "x"), "");
    assert!(accounts.directory().user(&name("jo")).unwrap().epoch > before);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let accounts = accounts().await;
    let admin = name("admin");
    let only = accounts.directory().grants(None).next().unwrap().id;
    let last = |refused: Result<(), AccountError>| {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, AccountError::LastAdministrator(_)),
            "{error}"
        );
    };
    last(accounts.delete_user(&admin, None).await);
    last(accounts.delete_grant(only).await);
    let disable = UserPatch {
        disabled: Some(true),
        ..UserPatch::default()
    };
    let disabled = accounts.change_user(&admin, disable.clone(), None).await;
    last(disabled.map(|_user| ()));
    make(&accounts, "jo", &["root"]).await;
    grant(
        &accounts,
        Grantee::Group("root".parse().unwrap()),
        "administrator",
        "**",
    )
    .await;
    accounts.change_user(&admin, disable, None).await.unwrap();
    accounts.delete_user(&admin, None).await.unwrap();
    let leave = UserPatch {
        groups: Some(BTreeSet::new()),
        ..UserPatch::default()
    };
    let left = accounts.change_user(&name("jo"), leave, None).await;
    last(left.map(|_user| ()));
}

#[tokio::test]
async fn roles_change_for_everybody_who_has_them_and_built_in_ones_never() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    let pusher = "pusher".parse().unwrap();
    accounts
        .create_role(&pusher, Permission::Push.into())
        .await
        .unwrap();
    let id = grant(&accounts, Grantee::User(name("jo")), "pusher", "**").await;
    assert_eq!(may(&accounts, &user("jo"), "x"), "push");
    accounts
        .change_role(&pusher, Permissions::NONE, None)
        .await
        .unwrap();
    assert_eq!(may(&accounts, &user("jo"), "x"), "");
    let in_use = accounts.delete_role(&pusher, None).await.unwrap_err();
    assert!(
        matches!(in_use, AccountError::InUse { grants: 1, .. }),
        "{in_use}"
    );
    accounts.delete_grant(id).await.unwrap();
    accounts.delete_role(&pusher, None).await.unwrap();
    let reader = "reader".parse().unwrap();
    let refused = accounts.change_role(&reader, Permissions::ALL, None).await;
    assert!(matches!(refused, Err(AccountError::BuiltIn(_))));
    let refused = accounts.create_role(&reader, Permissions::ALL).await;
    assert!(matches!(refused, Err(AccountError::Exists { .. })));
    let unknown = NewGrant {
        to: Grantee::User(name("jo")),
        role: pusher,
        on: on("**"),
    };
    let unknown = accounts.create_grant(unknown).await;
    assert!(matches!(unknown, Err(AccountError::Unknown { .. })));
}

#[tokio::test]
async fn a_change_made_from_an_older_version_is_refused() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    let version = accounts.directory().user(&name("jo")).unwrap().version;
    let patch = UserPatch {
        must_change: Some(true),
        ..UserPatch::default()
    };
    accounts
        .change_user(&name("jo"), patch.clone(), Some(version))
        .await
        .unwrap();
    let late = accounts
        .change_user(&name("jo"), patch, Some(version))
        .await;
    assert!(matches!(late, Err(AccountError::Changed { .. })));
    assert_eq!(may(&accounts, &user("jo"), "x"), "");
}

#[tokio::test]
async fn an_explanation_agrees_with_what_is_allowed_and_says_why() {
    let accounts = accounts().await;
    make(&accounts, "jo", &[]).await;
    let explain = |principal: &Principal, permission, repository: &str| {
        let now = accounts.wall();
        accounts
            .directory()
            .explain(principal, permission, repository, now)
    };
    let jo = user("jo");
    let told = explain(&jo, Permission::Pull, "team/app");
    assert_eq!(told, (false, vec![Reason::NothingGrants]));
    let id = grant(&accounts, Grantee::User(name("jo")), "reader", "team/**").await;
    let (allowed, why) = explain(&jo, Permission::Pull, "team/app");
    assert!(allowed);
    let told = format!("grant {id} gives jo the role reader on team/**");
    assert_eq!(why[0].to_string(), told);
    assert!(!explain(&jo, Permission::Push, "team/app").0);
    let gone = explain(&user("gone"), Permission::Pull, "team/app");
    assert_eq!(gone, (false, vec![Reason::NoUser]));
    let new = key("ci", Some("jo"), Some(vec![]));
    let (key, _) = accounts.create_key(new).await.unwrap();
    let with = Principal::User {
        name: name("jo"),
        key: Some(key.id),
    };
    let cut = explain(&with, Permission::Pull, "team/app");
    assert_eq!(cut, (false, vec![Reason::KeyScopes]));
    let patch = RulePatch {
        public: Some(true),
        ..RulePatch::default()
    };
    accounts
        .change_rule(&on("team/app"), patch, None)
        .await
        .unwrap();
    let (allowed, why) = explain(&with, Permission::Pull, "team/app");
    assert!(
        allowed
            && why
                == [Reason::Public {
                    on: "team/app".to_owned()
                }],
        "{why:?}"
    );
    for principal in [
        &jo,
        &with,
        &Principal::Anonymous,
        &Principal::Operator,
        &user("admin"),
    ] {
        for permission in Permission::ALL {
            let (allowed, why) = explain(principal, permission, "team/app");
            let directory = accounts.directory();
            let permissions = directory.permissions(principal, "team/app", accounts.wall());
            assert_eq!(
                allowed,
                permissions.contains(permission),
                "{principal} {permission} {why:?}"
            );
        }
    }
}

#[tokio::test]
async fn uses_of_keys_are_written_down_and_those_of_revoked_ones_are_not() {
    let accounts = accounts().await;
    let new = |text: &str| key(text, Some("admin"), None);
    let (first, _) = accounts.create_key(new("a")).await.unwrap();
    let (second, _) = accounts.create_key(new("b")).await.unwrap();
    accounts.note_use(first.id);
    accounts.note_use(second.id);
    accounts.revoke_key(second.id, None, None).await.unwrap();
    accounts.settle().await.unwrap();
    assert_eq!(
        accounts.directory().last_used(first.id),
        Some(accounts.wall())
    );
    assert_eq!(accounts.directory().last_used(second.id), None);
    assert_eq!(accounts.last_used(first.id), Some(accounts.wall()));
}

#[tokio::test]
async fn an_own_password_is_changed_by_who_knows_it_and_ends_what_it_let_in() {
    let accounts = accounts().await;
    let admin = name("admin");
    let epoch = accounts.directory().user(&admin).unwrap().epoch;
    let wrong = accounts
        .change_own_password(&admin, "not it", "another password")
        .await;
    assert!(matches!(wrong, Err(AccountError::WrongPassword)));
    let short = accounts
        .change_own_password(&admin, "a long password", "short")
        .await;
    assert!(matches!(short, Err(AccountError::Password(_))));
    let right = accounts.change_own_password(&admin, "a long password", "another password");
    right.await.unwrap();
    assert!(accounts.directory().user(&admin).unwrap().epoch > epoch);
}

/// Who asked for a change and does not wait for it has made it all the same: durable and in place.
#[tokio::test]
async fn a_change_that_nobody_waits_for_is_in_place_when_it_is_committed() {
    let accounts = accounts().await;
    let slow = accounts.clone();
    let asked = tokio::spawn(async move {
        let role = "pusher".parse().unwrap();
        slow.create_role(&role, Permission::Push.into()).await
    });
    // It is polled once, which begins the commit, and then given up.
    tokio::task::yield_now().await;
    asked.abort();
    drop(asked.await);
    for _turn in 0..100 {
        tokio::task::yield_now().await;
    }
    let directory = accounts.directory();
    let stored = accounts.inner.store.revision().await.unwrap();
    assert_eq!(stored, directory.revision());
    make(&accounts, "jo", &[]).await;
}

#[tokio::test]
async fn names_of_nobody_in_particular_are_no_users() {
    let accounts = accounts().await;
    for name in ["operator", "anonymous", "anybody", "token"] {
        let new = NewUser {
            name: name.parse().unwrap(),
            password: None,
            must_change: false,
            groups: BTreeSet::new(),
        };
        let refused = accounts.create_user(new).await;
        assert!(matches!(refused, Err(AccountError::Invalid(_))), "{name}");
    }
}
