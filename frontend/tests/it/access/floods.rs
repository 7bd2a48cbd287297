//! What somebody tries who wants to be in the way: floods of logins and requests.

use super::{PASSWORD, World, basic};
use floundr_frontend::AccessOptions;

/// A flood of logins is refused with `Retry-After`, costs a bounded number of hashes, and does not keep
/// out who is let in already.
#[tokio::test]
async fn a_flood_of_logins_is_slowed_down() {
    let world = World::new().await;
    let authorization = basic("writer", PASSWORD);
    world.call(&authorization, "GET /v2/", "").await.expect(200);
    let before = world.accounts.password_verifications();
    let mut refused = 0;
    for n in 0..60 {
        let answer = world
            .call(&basic("writer", &format!("guess {n}")), "GET /v2/", "")
            .await;
        match answer.status {
            401 => {}
            429 => {
                let answer = answer.refused(429, "TOOMANYREQUESTS");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(refused >= 40, "{refused}");
    let hashes = world.accounts.password_verifications() - before;
    assert!(hashes <= 20, "{hashes}");
    world
        .call(&authorization, "GET /v2/team/app/manifests/v1", "")
        .await
        .expect(200);
    let bearer = format!(
        "Bearer {}",
        world.key(Some("writer"), "k", None).await.reveal()
    );
    world
        .call(&bearer, "GET /v2/team/app/manifests/v1", "")
        .await
        .expect(200);
}

/// Requests of one principal are limited where that is configured, and of others not with them.
#[tokio::test]
async fn requests_of_one_principal_are_limited_where_that_is_wanted() {
    let options = AccessOptions {
        requests_per_second: Some(2),
        ..AccessOptions::default()
    };
    let world = World::with(options).await;
    // What was pushed to make this world is a while ago.
    world.clock.pass(std::time::Duration::from_hours(1));
    let mut answers = Vec::new();
    for _ in 0..30 {
        let answer = world.call(&basic("reader", PASSWORD), "GET /v2/", "").await;
        answers.push(answer.status);
    }
    let allowed = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(allowed, 20, "{answers:?}");
    assert_eq!(answers.last(), Some(&429));
    world
        .call(&basic("writer", PASSWORD), "GET /v2/", "")
        .await
        .expect(200);
    world.clock.pass(std::time::Duration::from_secs(1));
    world
        .call(&basic("reader", PASSWORD), "GET /v2/", "")
        .await
        .expect(200);
}

/// One user's many pulls with a password cost one slow hash.
#[tokio::test]
async fn a_thousand_pulls_by_one_user_cost_one_verification() {
    let world = World::new().await;
    let before = world.accounts.password_verifications();
    let authorization = basic("reader", PASSWORD);
    for _ in 0..1000 {
        world
            .call(&authorization, "HEAD /v2/team/app/manifests/v1", "")
            .await
            .expect(200);
    }
    assert_eq!(world.accounts.password_verifications() - before, 1);
}
