//! Listings by page: repositories, tags, referrers.

use super::{Store, name, unguarded};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::page::Page;
use crate::repository::ReferrersQuery;

#[tokio::test]
async fn pages_joined_are_the_sorted_set() {
    let store = Store::new();
    let names = ["a", "a/b", "a-b", "a.b", "ab", "a0", "b", "a/b/c", "a__b"];
    for repository in names {
        store
            .put(
                repository,
                &names.map(|name| name.split('/').next().unwrap()),
                Links::default(),
            )
            .await;
    }
    store
        .meta
        .create_repository(&name("declared"))
        .await
        .unwrap();
    store
        .meta
        .delete_tag(unguarded(&name("b")), &"ab".parse().unwrap())
        .await
        .unwrap();
    let mut expected: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    expected.push("declared".to_owned());
    expected.sort();
    for limit in [1, 2, 3, 100] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = store.meta.repositories(&Page { after, limit }).unwrap();
            assert!(page.items.len() <= limit);
            all.extend(page.items.iter().map(ToString::to_string));
            after = all.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(all, expected);
    }
    let tags = |after: Option<&str>, limit| {
        let page = Page {
            after: after.map(str::to_owned),
            limit,
        };
        let listing = store.meta.tags(&name("b"), &page).unwrap().unwrap();
        let items: Vec<_> = listing.items.iter().map(ToString::to_string).collect();
        (items.join(" "), listing.more)
    };
    assert_eq!(tags(None, 9), ("a a-b a.b a0 a__b b".to_owned(), false));
    assert_eq!(tags(Some("a."), 2), ("a.b a0".to_owned(), true));
    assert_eq!(tags(Some("zz"), 2), (String::new(), false));
    assert_eq!(tags(None, 0), (String::new(), true));
    assert_eq!(
        store
            .meta
            .tags(
                &name("none"),
                &Page {
                    after: None,
                    limit: 1
                }
            )
            .unwrap(),
        None
    );
    store.finish();
}

#[tokio::test]
async fn referrers_are_listed_by_type_and_page_and_may_come_before_their_subject() {
    let store = Store::new();
    let subject = Digest::of(Algorithm::Sha512, b"not there yet");
    let mut digests = Vec::new();
    for index in 0..6 {
        let artifact_type = (index % 2 == 0).then(|| "text/even".to_owned());
        let annotations = vec![("index".to_owned(), index.to_string())];
        let links = Links {
            subject: Some(subject),
            artifact_type,
            annotations,
            ..Links::default()
        };
        digests.push(store.put("a", &[], links).await);
    }
    digests.sort();
    let list = |artifact_type: Option<&str>, after, limit| {
        let artifact_type = artifact_type.map(str::to_owned);
        let query = ReferrersQuery {
            artifact_type,
            page: Page { after, limit },
        };
        let listing = store.meta.referrers(&name("a"), &subject, &query).unwrap();
        let items: Vec<_> = listing
            .items
            .iter()
            .map(|referrer| referrer.digest)
            .collect();
        (items, listing.more)
    };
    assert_eq!(list(None, None, 100), (digests.clone(), false));
    assert_eq!(
        list(None, Some(digests[1]), 2),
        (digests[2..4].to_vec(), true)
    );
    assert_eq!(list(Some("text/even"), None, 100).0.len(), 3);
    assert_eq!(list(Some("text/odd"), None, 100).0.len(), 0);
    store
        .meta
        .delete_manifest(unguarded(&name("a")), &digests[0])
        .await
        .unwrap();
    assert_eq!(list(None, None, 100).0, digests[1..]);
    store.finish();
}
