//! [`Reservation`]: bytes that are about to be taken in, and count already.

use super::{Limit, Purpose, QuotaError, Shared, Short};
use floundr_engine::upload::UploadUuid;
use std::sync::Arc;

/// How much is reserved at once for a body whose length nobody said, if there is room.
const STEP: u64 = 8 * 1024 * 1024;

/// Bytes that are about to be taken in. What it does not commit is given back when it is dropped; of
/// an upload that is kept, all but what was covered.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Reservation {
    /// `None`: there is no limit.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    limits: Vec<Limit>,
    /// The upload it is for, and the number of this reservation.
    upload: Option<(UploadUuid, u64)>,
    /// The bytes that were covered are kept when it is dropped.
    is_kept: bool,
    reserved: u64,
    covered: u64,
}

// === impl Reservation ===

impl Reservation {
    /// Of a repository without limits.
    pub fn unlimited() -> Self {
        Self { held: None }
    }

    /// How many bytes are reserved.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> u64 {
        self.held.as_ref().map_or(u64::MAX, |held| held.reserved)
    }

    /// Of no bytes yet.
    pub(super) fn open(shared: Arc<Shared>, limits: &[Limit], purpose: Purpose) -> Self {
        let (start, is_kept) = match purpose {
            Purpose::Content => (None, false),
            Purpose::Whole(upload) => (Some((upload, 0)), false),
            Purpose::Chunk { upload, offset } => (Some((upload, offset)), true),
        };
        let upload = start.map(|(upload, offset)| {
            let mut state = shared.state.lock();
            let number = state.next();
            state.uploads.insert(upload, (offset, number));
            (upload, number)
        });
        Self {
            held: Some(Held {
                shared,
                limits: limits.to_vec(),
                upload,
                is_kept,
                reserved: 0,
                covered: 0,
            }),
        }
    }

    /// Reserves at least `least` and at most `most` bytes more.
    pub(super) async fn add(&mut self, least: u64, most: u64) -> Result<(), QuotaError> {
        let Some(held) = self.held.as_mut().filter(|_| most > 0) else {
            return Ok(());
        };
        let number = held.shared.state.lock().number;
        loop {
            let short = match held.shared.try_add(&held.limits, least, most) {
                Ok(granted) => {
                    held.reserved = held.reserved.saturating_add(granted);
                    return Ok(());
                }
                Err(short) => short,
            };
            let on = match short {
                Short::Unmeasured(on) => on,
                Short::Exceeded(exceeded) if held.shared.is_new(&exceeded.on, number) => {
                    return Err(exceeded.into());
                }
                Short::Exceeded(exceeded) => exceeded.on,
            };
            held.shared.measure(&on, number).await?;
        }
    }

    /// Sees to it that the first `bytes` bytes of a body are reserved, and reserves more, in steps,
    /// when they are not. To be called before they are taken in. Cheap while they are reserved.
    ///
    /// # Errors
    /// [`QuotaError`]; what was reserved before stays so.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn cover(&mut self, bytes: u64) -> Result<(), QuotaError> {
        let Some(held) = &self.held else {
            return Ok(());
        };
        let missing = bytes.saturating_sub(held.reserved);
        if missing > 0 {
            self.add(missing, missing.max(STEP)).await?;
        }
        if let Some(held) = &mut self.held {
            held.covered = bytes;
        }
        Ok(())
    }

    /// That `bytes` bytes of it are stored now; the rest is given back. To be called after they were.
    /// Bytes that were there already are none.
    pub fn commit(mut self, bytes: u64) {
        if let Some(held) = self.held.take() {
            held.end(bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let kept = if held.is_kept { held.covered } else { 0 };
            held.end(kept);
        }
    }
}

// === impl Held ===

impl Held {
    fn end(self, kept: u64) {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.state.lock();
        for limit in &self.limits {
            let tally = state.tally(&limit.on, now);
            tally.reserved = tally.reserved.saturating_sub(self.reserved);
            tally.added = tally.added.saturating_add(kept);
        }
        // A later request may have gone on with the upload.
        if let Some((upload, number)) = self.upload
            && state
                .uploads
                .get(&upload)
                .is_some_and(|&(_, last)| last == number)
        {
            state.uploads.remove(&upload);
        }
    }
}
