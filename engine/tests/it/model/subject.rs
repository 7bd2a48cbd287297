//! [`Subject`]: the operations of the model on a real store, and what can be seen of it compared.

use super::undo::{HISTORY, UNDO};
use super::{
    Contents, EMPTY, Model, Operation, Outcome, REPOSITORIES, SIZES, SMALL_LIMIT, Shape, TAGS,
    blob_content, digest_of, known, subject, upload_content,
};
use crate::support::{Hands, open, options};
use bytes::Bytes;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::page::Page;
use floundr_engine::repository::{
    BlobError, ManifestError, Missing, Naming, PutManifest, ReferrersQuery, RestoreError,
    TagCondition,
};
use floundr_engine::upload::{UploadError, UploadId};
use floundr_engine::{Engine, Options, Repository};
use proptest::test_runner::Config;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Subject {
    runtime: Runtime,
    folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
    uploads: BTreeMap<usize, (UploadId, usize)>,
    before: Model,
}

impl Subject {
    fn repository(&self, repository: usize) -> Repository {
        self.engine.repository(&name(repository))
    }

    fn options(&self) -> Options {
        let mut options = options(self.folder.path(), &self.hands);
        options.small_blob_limit = SMALL_LIMIT;
        options.undo = UNDO;
        options.tag_history = HISTORY;
        // The background collector only follows deletions, so what is due goes when it is told.
        options.collect_interval = Duration::from_secs(100_000);
        options
    }

    async fn run(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Push { repository, blob } => {
                let repository = self.repository(*repository);
                let content = blob_content(*blob);
                let digest = repository
                    .put_blob(Algorithm::Sha256, content.clone())
                    .await
                    .unwrap();
                assert_eq!(digest, digest_of(&content));
                Outcome::Done
            }
            Operation::Mount {
                repository,
                source,
                blob,
            } => {
                let digest = digest_of(&blob_content(*blob));
                of_blob(
                    self.repository(*repository)
                        .mount(&digest, &name(*source))
                        .await
                        .map(drop),
                )
            }
            Operation::DeleteBlob { repository, blob } => {
                let digest = digest_of(&blob_content(*blob));
                of_blob(self.repository(*repository).delete_blob(&digest).await)
            }
            Operation::Put {
                repository,
                manifest,
                tags,
                accept,
            } => {
                let put = put_of(manifest, tags, *accept);
                of_manifest(
                    self.repository(*repository)
                        .put_manifest(put)
                        .await
                        .map(drop),
                )
            }
            Operation::DeleteManifest {
                repository,
                manifest,
            } => {
                let digest = manifest.digest();
                let repository = self.repository(*repository);
                of_manifest(repository.delete_manifest(&digest).await)
            }
            Operation::DeleteTag { repository, tag } => {
                of_manifest(self.repository(*repository).delete_tag(&tag_of(*tag)).await)
            }
            Operation::DeleteRepository { repository } => {
                known(self.repository(*repository).delete().await.is_ok())
            }
            Operation::RestoreManifest {
                repository,
                manifest,
            } => {
                let repository = self.repository(*repository);
                let restored = repository.restore_manifest(&manifest.digest()).await;
                of_restore(restored.map(drop))
            }
            Operation::RestoreTag { repository, tag } => {
                let restored = self
                    .repository(*repository)
                    .restore_tag(&tag_of(*tag))
                    .await;
                of_restore(restored.map(drop))
            }
            Operation::RestoreRepository { repository } => {
                of_restore(self.engine.restore_repository(&name(*repository)).await)
            }
            Operation::Append { repository, len } => self.append(*repository, *len).await,
            Operation::Finish { repository } => self.finish(*repository).await,
            Operation::Cancel { repository } => match self.uploads.remove(repository) {
                None => Outcome::Unknown,
                Some((id, _)) => {
                    let repository = self.repository(*repository);
                    repository
                        .resume_upload(&id)
                        .await
                        .unwrap()
                        .cancel()
                        .await
                        .unwrap();
                    let status = repository.upload_status(&id).await;
                    assert!(matches!(status, Err(UploadError::Unknown(_))), "{status:?}");
                    Outcome::Done
                }
            },
            Operation::Pass { time } => {
                // Histories of the tags of deleted manifests are written now, not later.
                self.engine.collect().await.unwrap();
                self.hands.pass(*time);
                self.engine.collect().await.unwrap();
                Outcome::Done
            }
            Operation::Reopen => {
                self.engine.close().await.unwrap();
                self.engine = Engine::open(self.options()).await.unwrap();
                Outcome::Done
            }
        }
    }

    async fn append(&mut self, index: usize, len: usize) -> Outcome {
        let repository = self.repository(index);
        let mut session = match self.uploads.get(&index) {
            Some((id, _)) => repository.resume_upload(id).await.unwrap(),
            None => repository.start_upload(Algorithm::Sha256).unwrap(),
        };
        let id = session.id();
        let (_, offset) = self.uploads.get(&index).copied().unwrap_or((id, 0));
        assert_eq!(session.offset(), offset as u64);
        let all = upload_content(index, offset + len);
        for piece in all.slice(offset..).chunks(100_000) {
            session.append(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let rest = session.suspend().await.unwrap();
        assert_eq!(rest, (offset + len) as u64);
        self.uploads.insert(index, (id, offset + len));
        Outcome::Done
    }

    async fn finish(&mut self, index: usize) -> Outcome {
        let Some((id, len)) = self.uploads.remove(&index) else {
            return Outcome::Unknown;
        };
        let repository = self.repository(index);
        let content = upload_content(index, len);
        let session = repository.resume_upload(&id).await.unwrap();
        let digest = digest_of(&content);
        assert_eq!(session.finish(&digest).await.unwrap(), len as u64);
        let blob = repository.blob(&digest).await.unwrap();
        assert_eq!(blob.read(0..blob.size()).await.unwrap(), content);
        // An empty upload is the empty blob of the model; every other is none of its blobs and is
        // taken out again, so that the model need not know it.
        let contents = self.before.repositories.get(&index);
        if len > 0 || !contents.is_some_and(|contents| contents.blobs.contains_key(&EMPTY)) {
            repository.delete_blob(&digest).await.unwrap();
        }
        Outcome::Done
    }

    /// Everything that can be seen is what the model says.
    async fn check(&self, model: &Model) {
        let mut listed = Vec::new();
        for index in 0..REPOSITORIES.len() {
            let contents = model.repositories.get(&index).cloned().unwrap_or_default();
            if contents.exists() {
                listed.push(name(index));
            }
            self.check_repository(index, &contents).await;
        }
        let page = Page {
            after: None,
            limit: 100,
        };
        let repositories = self.engine.repositories(page).await.unwrap();
        listed.sort();
        assert_eq!(repositories.items, listed);
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }

    async fn check_repository(&self, index: usize, contents: &Contents) {
        let repository = self.repository(index);
        for blob in 0..SIZES.len() {
            let expected = blob_content(blob);
            match repository.blob(&digest_of(&expected)).await {
                Ok(found) => {
                    assert!(contents.blobs.contains_key(&blob), "blob {blob} in {index}");
                    assert_eq!(found.read(0..found.size()).await.unwrap(), expected);
                }
                Err(BlobError::Unknown { .. }) => {
                    assert!(
                        !contents.blobs.contains_key(&blob),
                        "blob {blob} in {index}"
                    );
                }
                Err(error) => panic!("{error}"),
            }
        }
        for tag in 0..TAGS.len() {
            let found = repository.manifest(&Reference::Tag(tag_of(tag))).await.ok();
            let expected = contents.tags.get(&tag);
            assert_eq!(
                found.map(|manifest| manifest.content),
                expected.map(Shape::content)
            );
        }
        let page = Page {
            after: None,
            limit: 100,
        };
        let tags = repository
            .tags(page)
            .await
            .map(|tags| tags.items)
            .unwrap_or_default();
        let mut expected: Vec<Tag> = contents.tags.keys().map(|&tag| tag_of(tag)).collect();
        expected.sort();
        assert_eq!(tags, expected);
        let page = Page {
            after: None,
            limit: 100,
        };
        let query = ReferrersQuery {
            artifact_type: None,
            page,
        };
        let referrers = repository.referrers(&subject(), query).await.unwrap();
        let found: BTreeSet<Digest> = referrers.items.into_iter().map(|r| r.digest).collect();
        let of_subject = contents
            .manifests
            .iter()
            .filter(|manifest| manifest.subject);
        assert_eq!(found, of_subject.map(Shape::digest).collect());
        self.check_undo(&repository, contents).await;
        for manifest in &contents.manifests {
            let found = repository
                .manifest(&Reference::Digest(manifest.digest()))
                .await
                .unwrap();
            assert_eq!(found.content, manifest.content());
        }
    }
}

impl Subject {
    /// What can be undone is what the model says.
    async fn check_undo(&self, repository: &Repository, contents: &Contents) {
        let page = Page {
            after: None,
            limit: 100,
        };
        let deleted = repository.deleted(page).await.unwrap().items;
        let found: BTreeMap<Digest, BTreeSet<Tag>> = deleted
            .into_iter()
            .map(|deleted| (deleted.digest, deleted.tags.into_iter().collect()))
            .collect();
        let trash = contents.trash.iter().map(|(shape, trashed)| {
            let tags = trashed.tags.iter().map(|&tag| tag_of(tag)).collect();
            (shape.digest(), tags)
        });
        assert_eq!(found, trash.collect());
        for (tag, name) in TAGS.iter().enumerate() {
            let changes = repository.tag_history(&tag_of(tag)).await.unwrap();
            let found: Vec<_> = changes.iter().map(|c| (c.event, c.digest)).collect();
            let events = contents.histories.get(&tag).into_iter().flatten();
            let expected: Vec<_> = events.map(|e| (e.what, e.manifest.digest())).collect();
            assert_eq!(found, expected, "history of {name}");
        }
    }
}

fn of_restore(result: Result<(), RestoreError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(RestoreError::ManifestGone { .. } | RestoreError::Exists(_)) => Outcome::Gone,
        Err(RestoreError::Storage(error)) => panic!("{error}"),
        Err(_) => Outcome::Unknown,
    }
}

fn put_of(manifest: &Shape, tags: &[usize], accept: bool) -> PutManifest {
    PutManifest {
        content: manifest.content(),
        media_type: "application/vnd.example+json".parse().unwrap(),
        links: manifest.links(),
        naming: Naming::Claimed(manifest.digest()),
        tags: tags.iter().map(|&tag| tag_of(tag)).collect(),
        condition: TagCondition::Always,
        missing_blobs: if accept {
            Missing::Accept
        } else {
            Missing::Refuse
        },
        missing_children: Missing::Accept,
    }
}

fn name(repository: usize) -> RepositoryName {
    REPOSITORIES[repository].parse().unwrap()
}

fn tag_of(tag: usize) -> Tag {
    TAGS[tag].parse().unwrap()
}

fn of_blob(result: Result<(), BlobError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(BlobError::Unknown { .. }) => Outcome::Unknown,
        Err(error) => panic!("{error}"),
    }
}

fn of_manifest(result: Result<(), ManifestError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(ManifestError::Unknown { .. }) => Outcome::Unknown,
        Err(ManifestError::MissingBlobs(_)) => Outcome::Missing,
        Err(error) => panic!("{error}"),
    }
}

impl StateMachineTest for Subject {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut subject = Self {
            engine: runtime.block_on(open(&folder.path().join("unused"), &hands)),
            runtime,
            folder,
            hands,
            uploads: BTreeMap::new(),
            before: Model::default(),
        };
        subject.engine = subject
            .runtime
            .block_on(Engine::open(subject.options()))
            .unwrap();
        subject
    }

    fn apply(mut subject: Self, model: &Model, operation: Operation) -> Self {
        let runtime = subject.runtime.handle().clone();
        let expected = subject.before.clone().apply(&operation);
        let outcome = runtime.block_on(subject.run(&operation));
        assert_eq!(outcome, expected, "{operation:?}");
        runtime.block_on(subject.check(model));
        subject.before = model.clone();
        subject
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 32, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_store_does_what_the_model_does(sequential 1..60 => Subject);
}
