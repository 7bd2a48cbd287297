//! What goes by policy, and above all what does not.

use crate::support::{Hands, manifest, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{Reference, Tag};
use floundr_engine::page::Page;
use floundr_engine::policy::{KeepTags, OrphanedReferrers, Policy};
use floundr_engine::{Engine, Repository};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);
const UNDO: Duration = Duration::from_hours(48);

struct Store {
    _folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
    repository: Repository,
}

impl Store {
    async fn new(policies: Vec<Policy>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut options = options(folder.path(), &hands);
        options.undo = UNDO;
        options.collect_interval = Duration::from_millis(1);
        options.policies = policies;
        // These tests say themselves when; one of them waits for the background.
        options.policy_interval = DAY * 1000;
        let engine = Engine::open(options).await.unwrap();
        engine.apply_policies().await.unwrap();
        let repository = engine.repository(&"team/app".parse().unwrap());
        Self {
            _folder: folder,
            hands,
            engine,
            repository,
        }
    }

    /// What a pass deletes: tags and manifests.
    async fn apply(&self) -> (u64, u64) {
        let report = self.engine.apply_policies().await.unwrap();
        assert_eq!(report.skipped, 0);
        (report.tags, report.manifests)
    }

    async fn put(&self, text: &str, tags: &[&str], links: Links) -> Digest {
        put(&self.repository, text, tags, links).await
    }

    async fn tags(&self) -> Vec<String> {
        let page = Page {
            after: None,
            limit: 1000,
        };
        let tags = self.repository.tags(page).await.unwrap().items;
        tags.iter().map(ToString::to_string).collect()
    }

    async fn has(&self, digest: &Digest) -> bool {
        let reference = Reference::Digest(*digest);
        self.repository.manifest(&reference).await.is_ok()
    }

    async fn finish(self) {
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}

async fn put(repository: &Repository, text: &str, tags: &[&str], links: Links) -> Digest {
    let put = manifest(text, tags, links);
    repository.put_manifest(put).await.unwrap().digest
}

fn tag_of(text: &str) -> Tag {
    text.parse().unwrap()
}

fn policy(pattern: &str) -> Policy {
    Policy {
        repositories: pattern.parse().unwrap(),
        untagged_after: None,
        keep_tags: None,
        orphaned_referrers: OrphanedReferrers::Keep,
    }
}

fn untagged(age: Duration) -> Policy {
    Policy {
        untagged_after: Some(age),
        ..policy("**")
    }
}

fn keeping(keep: KeepTags) -> Policy {
    Policy {
        keep_tags: Some(keep),
        ..policy("team/*")
    }
}

fn none() -> Links {
    Links::default()
}

fn about(subject: &Digest) -> Links {
    Links {
        subject: Some(*subject),
        ..Links::default()
    }
}

fn children(children: &[Digest]) -> Links {
    Links {
        manifests: children.to_vec(),
        ..Links::default()
    }
}

/// The fallback tag of a digest.
fn fallback(digest: &Digest, ending: &str) -> String {
    format!("{}{ending}", digest.to_string().replace(':', "-"))
}

#[tokio::test]
async fn untagged_manifests_go_when_they_are_old_and_can_be_restored() {
    let store = Store::new(vec![untagged(DAY * 10)]).await;
    let old = store.put("old", &[], none()).await;
    let tagged = store.put("tagged", &["t"], none()).await;
    let moved = store.put("moved", &["u"], none()).await;
    store.hands.pass(DAY * 9);
    // It becomes untagged only now; another one is pushed again.
    store.put("new", &["u"], none()).await;
    let again = store.put("old but used", &[], none()).await;
    store.hands.pass(DAY - SECOND);
    assert_eq!(store.apply().await, (0, 0));
    store.hands.pass(SECOND);
    assert_eq!(store.apply().await, (0, 1));
    assert!(!store.has(&old).await && store.has(&tagged).await && store.has(&moved).await);
    store.repository.restore_manifest(&old).await.unwrap();
    store.put("old but used", &[], none()).await;
    store.hands.pass(DAY * 9);
    assert_eq!(store.apply().await, (0, 2));
    assert!(!store.has(&old).await && !store.has(&moved).await);
    assert!(store.has(&tagged).await && store.has(&again).await);
    store.finish().await;
}

#[tokio::test]
async fn children_of_an_index_and_referrers_of_a_subject_are_never_untagged_garbage() {
    let store = Store::new(vec![untagged(DAY)]).await;
    let child = store.put("child", &[], none()).await;
    let grandchild = store.put("grandchild", &[], none()).await;
    let inner = store.put("inner", &[], children(&[grandchild])).await;
    let index = store.put("index", &["t"], children(&[child, inner])).await;
    let signature = store.put("signature", &[], about(&index)).await;
    let of_signature = store.put("of signature", &[], about(&signature)).await;
    // The referrers tag schema: an index under a fallback tag whose children name no subject.
    let listed = store.put("listed", &[], none()).await;
    store
        .put("list", &[&fallback(&index, "")], children(&[listed]))
        .await;
    let cosign = store
        .put("cosign", &[&fallback(&index, ".sig")], none())
        .await;
    store.hands.pass(DAY * 5);
    assert_eq!(store.apply().await, (0, 0));
    // Deleted, the index can be restored: what belongs to it stays as long.
    store.repository.delete_manifest(&index).await.unwrap();
    store.hands.pass(UNDO - SECOND);
    store.engine.collect().await.unwrap();
    assert_eq!(store.apply().await, (0, 0));
    store.repository.restore_manifest(&index).await.unwrap();
    for digest in [child, grandchild, signature, of_signature, listed, cosign] {
        assert!(store.has(&digest).await);
    }
    // Gone for good, its children go; what is inside the inner one goes with the next pass.
    store.repository.delete_manifest(&index).await.unwrap();
    store.hands.pass(UNDO);
    store.engine.collect().await.unwrap();
    assert_eq!(store.apply().await, (0, 2));
    assert!(!store.has(&child).await && store.has(&grandchild).await);
    // Referrers stay: nothing was said of orphans.
    assert!(store.has(&signature).await && store.has(&cosign).await && store.has(&listed).await);
    store.finish().await;
}

#[tokio::test]
async fn referrers_go_when_their_subject_is_gone_for_good_where_a_policy_says_so() {
    let orphans = Policy {
        orphaned_referrers: OrphanedReferrers::Delete,
        ..policy("**")
    };
    let store = Store::new(vec![orphans]).await;
    let image = store.put("image", &["t"], none()).await;
    let other = store.put("other", &["o"], none()).await;
    let signature = store.put("signature", &[], about(&image)).await;
    let tagged = store.put("tagged", &["mine"], about(&image)).await;
    let (sig, sbom) = (fallback(&image, ".sig"), fallback(&image, ".sbom"));
    let cosign = store.put("cosign", &[&sig], none()).await;
    let shared = store.put("shared", &[&sbom, "kept"], none()).await;
    let kept = fallback(&other, ".sig");
    store.put("of other", &[&kept], none()).await;
    store.hands.pass(DAY * 5);
    assert_eq!(store.apply().await, (0, 0));
    store.repository.delete_manifest(&image).await.unwrap();
    assert_eq!(store.apply().await, (0, 0));
    store.hands.pass(UNDO);
    store.engine.collect().await.unwrap();
    // The signature and cosign's manifest; the fallback tag of what another tag names too.
    assert_eq!(store.apply().await, (2, 2));
    assert!(!store.has(&signature).await && !store.has(&cosign).await);
    assert!(store.has(&tagged).await && store.has(&shared).await);
    let mut left = vec!["kept".to_owned(), "mine".to_owned(), "o".to_owned(), kept];
    left.sort();
    assert_eq!(store.tags().await, left);
    let restored = store.repository.restore_manifest(&cosign).await.unwrap();
    assert_eq!(restored.tags, [tag_of(&sig)]);
    store.finish().await;
}

#[tokio::test]
async fn a_referrer_may_come_a_day_before_its_subject() {
    let orphans = Policy {
        orphaned_referrers: OrphanedReferrers::Delete,
        ..policy("**")
    };
    let store = Store::new(vec![orphans]).await;
    let subject = Digest::of(Algorithm::Sha256, b"image");
    let signature = store.put("signature", &[], about(&subject)).await;
    store.hands.pass(DAY - SECOND);
    assert_eq!(store.apply().await, (0, 0));
    assert_eq!(store.put("image", &["t"], none()).await, subject);
    store.hands.pass(DAY);
    assert_eq!(store.apply().await, (0, 0));
    assert!(store.has(&signature).await);
    store.finish().await;
}

#[tokio::test]
async fn the_last_tags_are_kept_and_those_that_match() {
    let store = Store::new(vec![keeping(KeepTags {
        last: Some(2),
        matching: vec!["v*".parse().unwrap(), "latest".parse().unwrap()],
        pulled_within: None,
    })]);
    let store = store.await;
    let mut images = Vec::new();
    for tag in ["latest", "v1", "b", "a", "c", "e", "d"] {
        images.push(store.put(tag, &[tag], none()).await);
        store.hands.pass(SECOND);
    }
    let sig = fallback(&images[0], ".sig");
    store.put("signature", &[&sig], none()).await;
    // Set again, it is new.
    store.put("a", &["a"], none()).await;
    assert_eq!(store.apply().await, (3, 0));
    let expected = ["a", "d", "latest", &sig, "v1"];
    assert_eq!(store.tags().await, expected);
    assert!(store.has(&images[2]).await, "its manifest stays");
    store.repository.restore_tag(&tag_of("b")).await.unwrap();
    assert!(store.tags().await.contains(&"b".to_owned()));
    store.finish().await;
}

#[tokio::test]
async fn tags_are_kept_over_many_pages_and_a_policy_of_nothing_keeps_all() {
    let last = KeepTags {
        last: Some(300),
        ..KeepTags::default()
    };
    let store = Store::new(vec![keeping(last)]).await;
    let other = store.engine.repository(&"other/app".parse().unwrap());
    let tags: Vec<String> = (0..700).map(|index| format!("t{index:03}")).collect();
    for half in [&tags[350..], &tags[..350]] {
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        store.put("m", &half, none()).await;
        put(&other, "m", &half, none()).await;
        store.hands.pass(SECOND);
    }
    assert_eq!(store.apply().await, (400, 0));
    // Of equal age the last names are kept.
    assert_eq!(store.tags().await, tags[50..350]);
    let page = Page {
        after: None,
        limit: 1000,
    };
    assert_eq!(other.tags(page).await.unwrap().items.len(), 700);
    let store = Store::new(vec![keeping(KeepTags::default())]).await;
    store.put("m", &["t"], none()).await;
    store.hands.pass(DAY * 1000);
    assert_eq!(store.apply().await, (0, 0));
    store.finish().await;
}

#[tokio::test]
async fn what_was_pulled_is_kept_and_nothing_goes_before_pulls_were_recorded_that_long() {
    let keep = KeepTags {
        pulled_within: Some(DAY * 10),
        ..KeepTags::default()
    };
    let policy = Policy {
        untagged_after: Some(DAY),
        ..keeping(keep)
    };
    let store = Store::new(vec![policy]).await;
    let used = store.put("used", &["used", "alias"], none()).await;
    store.put("unused", &["unused"], none()).await;
    let by_digest = store.put("by digest", &[], none()).await;
    let untagged = store.put("untagged", &[], none()).await;
    store.hands.pass(DAY * 9);
    assert_eq!(store.apply().await, (0, 0));
    store.repository.note_pull(&used).unwrap();
    store.repository.note_pull(&by_digest).unwrap();
    // Nothing was waited for: what comes behind it is written behind it.
    store.put("new", &["new"], none()).await;
    store.hands.pass(DAY * 2);
    assert_eq!(store.apply().await, (1, 1));
    assert_eq!(store.tags().await, ["alias", "new", "used"]);
    assert!(store.has(&by_digest).await && !store.has(&untagged).await);
    store.hands.pass(DAY * 9);
    // All but what the last pass untagged a moment ago, and `new`, which was never pulled.
    assert_eq!(store.apply().await.0, 3);
    store.finish().await;
}

#[tokio::test]
async fn the_first_policy_that_matches_is_the_only_one() {
    let store = Store::new(vec![policy("team/app"), untagged(DAY)]).await;
    let other = store.engine.repository(&"team/other".parse().unwrap());
    store.put("m", &[], none()).await;
    put(&other, "m", &[], none()).await;
    store.hands.pass(DAY * 2);
    assert_eq!(store.apply().await, (0, 1));
    let page = Page {
        after: None,
        limit: 10,
    };
    assert_eq!(other.deleted(page).await.unwrap().items.len(), 1);
    store.finish().await;
}

#[tokio::test]
async fn policies_are_applied_in_the_background() {
    let store = Store::new(vec![untagged(DAY)]).await;
    let digest = store.put("m", &[], none()).await;
    store.hands.pass(DAY * 1001);
    let gone = async {
        while store.has(&digest).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .unwrap();
    store.finish().await;
}
