//! `GET /api/v1/usage`: what the store takes, and which repository holds how much of it.

use super::query::{PageParameters, Query};
use super::{Answer, json};
use floundr_engine::Engine;
use floundr_engine::fault::StorageError;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    store: Store,
    repositories: Vec<Repository>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoreUsage)]
pub(super) struct Store {
    logical_bytes: u64,
    stored_bytes: u64,
    garbage_bytes: u64,
    waiting_bytes: u64,
    uploads: u64,
    upload_bytes: u64,
    free_bytes: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RepositoryUsage)]
struct Repository {
    name: String,
    blobs: u64,
    manifests: u64,
    tags: u64,
    own_bytes: u64,
    shared_bytes: u64,
    garbage_bytes: u64,
    unreadable: u64,
}

/// What the store takes, and what each repository holds.
#[utoipa::path(
    get,
    path = "/api/v1/usage",
    operation_id = "usage",
    tag = "store",
    params(
        PageParameters,
    ),
    responses(
        (status = 200, description = "The store, and a page of its repositories", body = Usage),
    ),
)]
pub(super) async fn show(engine: &Engine, query: Query) -> Answer {
    let listing = engine.usage(query.page()?).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|usage| usage.repository.to_string());
    let repositories = listing.items.into_iter();
    let repositories = repositories.map(|usage| Repository {
        name: usage.repository.to_string(),
        blobs: usage.blobs,
        manifests: usage.manifests,
        tags: usage.tags,
        own_bytes: usage.own_bytes,
        shared_bytes: usage.shared_bytes,
        garbage_bytes: usage.garbage_bytes,
        unreadable: usage.unreadable,
    });
    let answer = Usage {
        store: Store::read(engine).await?,
        repositories: repositories.collect(),
        next,
    };
    json(StatusCode::OK, &answer)
}

// === impl Store ===

impl Store {
    /// Uploads that are under way.
    pub(super) const fn uploads(&self) -> u64 {
        self.uploads
    }

    /// # Errors
    /// [`StorageError`].
    pub(super) async fn read(engine: &Engine) -> Result<Self, StorageError> {
        let store = engine.store_usage().await?;
        Ok(Self {
            logical_bytes: store.logical_bytes,
            stored_bytes: store.stored_bytes,
            garbage_bytes: store.garbage_bytes,
            waiting_bytes: store.waiting_bytes,
            uploads: store.uploads,
            upload_bytes: store.upload_bytes,
            free_bytes: store.free_bytes,
        })
    }
}
