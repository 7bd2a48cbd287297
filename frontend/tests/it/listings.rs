//! Tags and repositories by page.

use super::registry::{TestRegistry, image};

/// Every page of a listing, joined.
async fn pages(registry: &TestRegistry, first: &str, member: &str) -> (Vec<String>, usize) {
    let (mut items, mut count) = (Vec::new(), 0);
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let answer = registry
            .get(&path)
            .await
            .expect(200)
            .has("content-type", "application/json");
        items.extend(answer.strings(member));
        next = answer.next();
        count += 1;
    }
    (items, count)
}

async fn with_tags(tags: &[&str]) -> TestRegistry {
    let registry = TestRegistry::start().await;
    registry.push_image("a/b", tags[0], "x").await;
    for tag in &tags[1..] {
        registry.push("a/b", tag, &image("x")).await;
    }
    registry
}

#[tokio::test]
async fn tags_are_listed_in_byte_order_by_page() {
    let registry = with_tags(&["b", "a", "B", "_x", "a.1", "a-1", "10", "9"]).await;
    let sorted = ["10", "9", "B", "_x", "a", "a-1", "a.1", "b"];
    let answer = registry
        .get("/v2/a/b/tags/list")
        .await
        .expect(200)
        .has("link", None);
    assert_eq!(answer.json()["name"], "a/b");
    assert_eq!(answer.strings("tags"), sorted);
    for n in 1..=9 {
        let (tags, count) = pages(&registry, &format!("/v2/a/b/tags/list?n={n}"), "tags").await;
        assert_eq!(tags, sorted, "n={n}");
        assert_eq!(count, sorted.len().div_ceil(n), "n={n}");
    }
}

#[tokio::test]
async fn last_begins_behind_a_tag_that_need_not_exist_and_zero_asks_for_none() {
    let registry = with_tags(&["a", "b", "c"]).await;
    for (query, expected) in [
        ("last=a", vec!["b", "c"]),
        ("last=aa", vec!["b", "c"]),
        ("last=c", vec![]),
        ("n=1&last=a", vec!["b"]),
        ("n=0", vec![]),
        ("n=0&last=a", vec![]),
    ] {
        let answer = registry
            .get(&format!("/v2/a/b/tags/list?{query}"))
            .await
            .expect(200);
        assert_eq!(answer.strings("tags"), expected, "{query}");
        let more = query == "n=1&last=a";
        assert_eq!(answer.next().is_some(), more, "{query}");
    }
}

#[tokio::test]
async fn a_page_is_bounded_by_the_settings() {
    let registry = TestRegistry::start_with(|config| {
        config.limits.page_default = 2;
        config.limits.page_max = 3;
    })
    .await;
    registry.push_image("a", "t0", "x").await;
    for number in 1..7 {
        registry.push("a", &format!("t{number}"), &image("x")).await;
    }
    for (path, count) in [("/v2/a/tags/list", 4), ("/v2/a/tags/list?n=1000", 3)] {
        let (tags, pages) = pages(&registry, path, "tags").await;
        assert_eq!((tags.len(), pages), (7, count), "{path}");
    }
}

#[tokio::test]
async fn tags_of_a_repository_that_is_not_there_are_unknown() {
    let registry = TestRegistry::start().await;
    registry
        .get("/v2/none/tags/list")
        .await
        .refused(404, "NAME_UNKNOWN");
    registry
        .get("/v2/none/tags/list?n=0")
        .await
        .refused(404, "NAME_UNKNOWN");
    registry.push_blob("blobs-only", "x").await;
    let answer = registry.get("/v2/blobs-only/tags/list").await.expect(200);
    assert_eq!(answer.body, r#"{"name":"blobs-only","tags":[]}"#);
}

#[tokio::test]
async fn repositories_are_listed_in_byte_order_by_page() {
    let registry = TestRegistry::start().await;
    let sorted = ["a", "a-b", "a/b", "a/b/c", "ab", "b"];
    for name in ["b", "ab", "a/b/c", "a", "a/b", "a-b"] {
        registry.push_blob(name, "x").await;
    }
    assert_eq!(
        registry
            .get("/v2/_catalog")
            .await
            .expect(200)
            .strings("repositories"),
        sorted
    );
    for n in 1..=7 {
        let path = format!("/v2/_catalog?n={n}");
        assert_eq!(
            pages(&registry, &path, "repositories").await.0,
            sorted,
            "n={n}"
        );
    }
    let answer = registry
        .get("/v2/_catalog?n=0")
        .await
        .expect(200)
        .has("link", None);
    assert_eq!(answer.body, r#"{"repositories":[]}"#);
}
