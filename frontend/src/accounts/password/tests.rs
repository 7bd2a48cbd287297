//! Tests of hashing and verifying, of turns and places, and of new passwords. Hashes are cheap here.

use super::*;
use floundr_engine::random::SystemRandom;
use std::sync::mpsc;
use tokio::sync::OwnedSemaphorePermit;

/// The least that Argon2 takes.
pub(in crate::accounts) const CHEAP: HasherOptions = HasherOptions {
    cost: Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    },
    at_once: 2,
    waiting: 32,
};

const PASSWORD: &str = "correct horse";

fn hasher(options: HasherOptions) -> PasswordHasher {
    PasswordHasher::new(options, &SystemRandom).unwrap()
}

/// Takes a turn from `hasher`, but no place: who comes meanwhile waits.
pub(in crate::accounts) async fn hold_turn(hasher: &PasswordHasher) -> OwnedSemaphorePermit {
    Arc::clone(&hasher.0.turns).acquire_owned().await.unwrap()
}

/// Lets every task that can go on do so.
async fn settle() {
    for _turn in 0..10 {
        task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hash_is_of_its_password_alone() {
    let hasher = hasher(CHEAP);
    let hash = hasher.hash(PASSWORD).await.unwrap();
    assert!(hasher.verify(PASSWORD, Some(&hash)).await.unwrap());
    assert!(!hasher.verify("correct horsf", Some(&hash)).await.unwrap());
    assert!(!hasher.verify("", Some(&hash)).await.unwrap());
    assert_ne!(hash, hasher.hash(PASSWORD).await.unwrap(), "each its salt");
    assert_eq!(hasher.verifications(), 3);
}

#[tokio::test]
async fn new_hashes_have_the_cost_that_is_recommended() {
    let hash = hasher(HasherOptions::default())
        .hash(PASSWORD)
        .await
        .unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
}

#[tokio::test]
async fn who_does_not_exist_costs_one_verification_of_the_same_cost_and_is_refused() {
    let hasher = hasher(CHEAP);
    assert!(!hasher.verify(PASSWORD, None).await.unwrap());
    assert!(!hasher.verify("", None).await.unwrap());
    assert_eq!(hasher.verifications(), 2);
    assert!(!hasher.needs_rehash(&hasher.0.dummy));
}

#[tokio::test]
async fn a_hash_of_another_cost_still_verifies_and_asks_to_be_made_anew() {
    let mut dearer = CHEAP;
    dearer.cost.passes = 2;
    let old = hasher(CHEAP).hash(PASSWORD).await.unwrap();
    let new = hasher(dearer);
    assert!(new.verify(PASSWORD, Some(&old)).await.unwrap());
    assert!(!new.verify("wrong", Some(&old)).await.unwrap());
    assert!(new.needs_rehash(&old));
    assert!(!new.needs_rehash(&new.hash(PASSWORD).await.unwrap()));
}

#[tokio::test]
async fn a_stored_hash_is_read_back_and_one_too_dear_or_of_another_kind_is_refused() {
    let hash = hasher(CHEAP).hash(PASSWORD).await.unwrap();
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(json, format!("{:?}", hash.as_str()));
    assert_eq!(serde_json::from_str::<PasswordHash>(&json).unwrap(), hash);

    let dear = hash.as_str().replace("m=8,", "m=65537,");
    let error = dear.parse::<PasswordHash>().unwrap_err();
    assert!(matches!(error, ParseHashError::Cost(_)));
    let text = error.to_string();
    assert!(text.contains("65537") && text.contains("65536"), "{text}");
    let (whole, without_output) = (hash.as_str(), hash.as_str().rsplit_once('$').unwrap().0);
    for text in [
        "",
        "correct horse",
        without_output,
        &whole.replace("argon2id", "argon2i"),
        &whole.replace("v=19", "v=20"),
        &whole.replace("m=8,", "m=1,"),
        "$2b$12$abcdefghijklmnopqrstuv",
    ] {
        assert_eq!(
            text.parse::<PasswordHash>(),
            Err(ParseHashError::Form),
            "{text}"
        );
    }
}

#[tokio::test]
async fn who_finds_every_place_taken_is_told_when_to_come_back() {
    let hasher = hasher(HasherOptions {
        at_once: 1,
        waiting: 1,
        ..CHEAP
    });
    let turn = hold_turn(&hasher).await;
    let others = [(); 2].map(|()| {
        let hasher = hasher.clone();
        tokio::spawn(async move { hasher.verify(PASSWORD, None).await })
    });
    settle().await;
    let refused = hasher.verify(PASSWORD, None).await.unwrap_err();
    assert!(matches!(refused, HasherError::Busy(wait) if !wait.0.is_zero()));
    assert_eq!(hasher.verifications(), 0, "none without a turn");
    drop(turn);
    for other in others {
        assert!(!other.await.unwrap().unwrap());
    }
    assert!(!hasher.verify(PASSWORD, None).await.unwrap());
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_its_place() {
    let hasher = hasher(HasherOptions {
        at_once: 1,
        waiting: 0,
        ..CHEAP
    });
    let turn = hold_turn(&hasher).await;
    let waiting = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.verify(PASSWORD, None).await }
    });
    settle().await;
    assert!(hasher.verify(PASSWORD, None).await.is_err());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    drop(turn);
    assert!(hasher.verify(PASSWORD, None).await.is_ok());
}

#[tokio::test]
async fn a_hash_whose_caller_is_gone_keeps_its_turn_until_it_is_done() {
    let hasher = hasher(HasherOptions {
        at_once: 1,
        ..CHEAP
    });
    let (end, ended) = mpsc::channel::<()>();
    let computing = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.compute(move |_shared| Ok(ended.recv())).await }
    });
    settle().await;
    computing.abort();
    assert!(computing.await.unwrap_err().is_cancelled());
    assert_eq!(hasher.0.turns.available_permits(), 0);
    end.send(()).unwrap();
    assert!(!hasher.verify(PASSWORD, None).await.unwrap());
}

#[tokio::test]
async fn debugging_shows_neither_hash_nor_password() {
    let hasher = hasher(CHEAP);
    let hash = hasher.hash(PASSWORD).await.unwrap();
    assert_eq!(format!("{hash:?}"), "PasswordHash");
    let shown = format!("{hasher:?}");
    assert!(
        !shown.contains(hasher.0.dummy.as_str()) && !shown.contains('$'),
        "{shown}"
    );
}

#[test]
fn a_new_password_has_8_to_1024_characters_and_no_control_characters() {
    assert_eq!(check_new_password(&"a".repeat(8)), Ok(()));
    assert_eq!(check_new_password(&"a".repeat(1024)), Ok(()));
    assert_eq!(check_new_password("p\u{e4}ss:w\u{f6}rd #1"), Ok(()));
    for length in [0, 7, 1025] {
        let error = check_new_password(&"a".repeat(length)).unwrap_err();
        assert_eq!(error, UnfitPassword::Length(length));
        let text = error.to_string();
        assert!(
            text.contains("8 to 1024") && text.ends_with(&length.to_string()),
            "{text}"
        );
    }
    for text in [
        "12345678\n",
        "1234\u{0}5678",
        "12345678\u{7f}",
        "12345678\u{85}",
    ] {
        assert_eq!(check_new_password(text), Err(UnfitPassword::Control));
    }
}

#[test]
fn a_made_up_password_is_new_each_time_and_could_be_chosen() {
    let (one, other) = (
        make_up_password(&SystemRandom),
        make_up_password(&SystemRandom),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one, other);
    assert_eq!(one.len(), 24);
    assert_eq!(check_new_password(&one), Ok(()));
    assert!(!one.contains(['0', '1', 'l', 'o']), "{one}");
}

#[test]
fn a_cost_that_argon2_does_not_take_is_said_at_once() {
    let mut options = CHEAP;
    options.cost.memory_kib = 1;
    let refused = PasswordHasher::new(options, &SystemRandom);
    assert!(matches!(refused, Err(HasherError::Argon2(_))));
}
