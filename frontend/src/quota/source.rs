//! [`Source`]: where quotas learn how much is held. The engine, but for tests.

use floundr_engine::Engine;
use floundr_engine::fault::StorageError;
use floundr_engine::page::Page;
use floundr_engine::policy::Pattern;
use floundr_engine::upload::UploadUuid;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;

/// How many uploads are read at once.
const UPLOADS: usize = 1_000;

/// Of the uploads that requests go on with now: how many bytes they had before.
pub type Starts = HashMap<UploadUuid, u64>;

/// A measure that is being made.
type Measuring<'m> = Pin<Box<dyn Future<Output = Result<u64, StorageError>> + Send + 'm>>;

/// Who knows how much the repositories of a pattern hold.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// How many bytes they hold, uploads included; of the uploads in `starts` only what they began
    /// with. Whatever was committed before the call is in it.
    ///
    /// # Errors
    /// [`StorageError`]: it could not be read.
    fn measure<'m>(&'m self, on: &'m Pattern, starts: Starts) -> Measuring<'m>;
}

// === impl Engine ===

impl Source for Engine {
    fn measure<'m>(&'m self, on: &'m Pattern, starts: Starts) -> Measuring<'m> {
        Box::pin(async move {
            // Uploads first: what becomes a blob meanwhile counts twice, and not never.
            let uploads = upload_bytes(self, on, &starts).await?;
            Ok(uploads.saturating_add(self.held_bytes(on).await?))
        })
    }
}

async fn upload_bytes(engine: &Engine, on: &Pattern, starts: &Starts) -> Result<u64, StorageError> {
    let (mut bytes, mut after) = (0_u64, None);
    loop {
        let page = Page {
            after,
            limit: UPLOADS,
        };
        let listing = engine.uploads(page).await?;
        for upload in &listing.items {
            let is_counted = (upload.repository.as_ref())
                .is_some_and(|repository| on.matches(repository.as_str()));
            if is_counted {
                let start = starts.get(&upload.uuid).copied();
                let counts = start.map_or(upload.offset, |start| start.min(upload.offset));
                bytes = bytes.saturating_add(counts);
            }
        }
        after = listing.items.last().map(|upload| upload.uuid);
        if !listing.more {
            return Ok(bytes);
        }
    }
}
