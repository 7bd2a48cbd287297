//! `GET /api/v1/digests/<digest>`: who holds a digest, what leads to it there, or when it goes.

use super::gc::millis;
use super::query::{PageParameters, Query};
use super::{Answer, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::clock::EngineTime;
use floundr_engine::digest::Digest;
use floundr_engine::gc::{self, HolderState, Standing, StoredIn};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
struct Why {
    digest: String,
    /// Where its bytes lie; `null`: it is a manifest, whose bytes lie in the metadata.
    blob: Option<Stored>,
    holders: Vec<Holder>,
    next: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredBytes)]
struct Stored {
    size: u64,
    damaged: bool,
    /// The file under the store's directory by its number, and where in it.
    file: &'static str,
    number: u64,
    offset: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Holder {
    repository: String,
    /// The repository was deleted; what it holds goes when it cannot be restored any more.
    deleted: bool,
    /// The media type it has here as a manifest; a manifest stays until it is deleted.
    manifest: Option<String>,
    /// It was deleted as a manifest, and can be restored for so long.
    restorable_for_ms: Option<u64>,
    /// `null`: it is no blob here, or something keeps it.
    garbage: Option<Garbage>,
    edges_that_keep: u64,
    edges: Vec<Edge>,
    more_edges: bool,
    tags: Vec<Tag>,
    more_tags: bool,
}

/// Nothing here links it.
#[derive(Debug, Serialize, ToSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "a number in JSON has its unit in its name"
)]
struct Garbage {
    unlinked_for_ms: u64,
    leased_for_ms: u64,
    due_in_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Edge {
    source: String,
    reason: &'static str,
    target: String,
    keeps: bool,
    /// The manifest was deleted and its links still count.
    source_deleted: bool,
    /// For how long it can be restored; then its links go.
    source_restorable_for_ms: Option<u64>,
    damaged: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HoldingTag)]
struct Tag {
    tag: String,
    manifest: String,
}

/// Where the bytes of a digest lie, who holds it, and what keeps it there or when it goes.
#[utoipa::path(
    get,
    path = "/api/v1/digests/{digest}",
    operation_id = "why",
    tag = "store",
    params(
        ("digest" = String, Path, description = "Of a blob or a manifest"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "Where it lies, and a page of its holders", body = Why),
        (status = 404, description = "No repository holds it"),
    ),
)]
pub(super) async fn show(engine: &Engine, digest: &Digest, query: Query) -> Answer {
    let why = engine.why(digest, query.page()?).await?.ok_or_else(|| {
        let detail = format!("no repository holds {digest}, as a blob or as a manifest");
        Problem::new(ProblemCode::DigestUnknown, detail)
    })?;
    let last = why.holders.last().filter(|_| why.more_holders);
    let next = last.map(|holder| holder.position);
    let holders = why.holders.into_iter();
    let answer = Why {
        digest: why.digest.to_string(),
        blob: why.blob.map(Stored::from),
        holders: holders.map(|holder| Holder::new(holder, why.now)).collect(),
        next,
    };
    json(StatusCode::OK, &answer)
}

// === impl Holder ===

impl Holder {
    fn new(holder: gc::Holder, now: EngineTime) -> Self {
        let left = |until: Option<EngineTime>| until.map(|until| millis(now.until(until)));
        let garbage = match holder.blob {
            Some(Standing::Garbage {
                since,
                leased_until,
                due,
            }) => Some(Garbage {
                unlinked_for_ms: millis(since.until(now)),
                leased_for_ms: millis(now.until(leased_until)),
                due_in_ms: millis(now.until(due)),
            }),
            Some(Standing::Kept) | None => None,
        };
        Self {
            repository: holder.repository.to_string(),
            deleted: holder.state == HolderState::Deleted,
            manifest: holder.manifest.map(|media_type| media_type.to_string()),
            restorable_for_ms: left(holder.deleted_until),
            garbage,
            edges_that_keep: holder.edges_that_keep,
            edges: (holder.edges.into_iter())
                .map(|edge| Edge::new(&edge, left(edge.source_deleted_until)))
                .collect(),
            more_edges: holder.more_edges,
            tags: holder.tags.into_iter().map(Tag::from).collect(),
            more_tags: holder.more_tags,
        }
    }
}

impl From<gc::StoredBytes> for Stored {
    fn from(stored: gc::StoredBytes) -> Self {
        let (file, number, offset) = match stored.location {
            StoredIn::File { number } => ("blob", number, 0),
            StoredIn::Segment { number, offset } => ("segment", number, offset),
        };
        Self {
            size: stored.size,
            damaged: stored.damaged,
            file,
            number,
            offset,
        }
    }
}

impl Edge {
    fn new(edge: &gc::Edge, source_restorable_for_ms: Option<u64>) -> Self {
        Self {
            source: edge.source.to_string(),
            reason: edge.reason.as_str(),
            target: edge.target.to_string(),
            keeps: edge.reason.keeps(),
            source_deleted: !edge.source_is_visible,
            source_restorable_for_ms,
            damaged: edge.is_damaged,
        }
    }
}

impl From<(floundr_engine::name::Tag, Digest)> for Tag {
    fn from((tag, manifest): (floundr_engine::name::Tag, Digest)) -> Self {
        Self {
            tag: tag.to_string(),
            manifest: manifest.to_string(),
        }
    }
}
