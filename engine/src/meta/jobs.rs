//! [`Request`]: one transaction in the words of the store, and [`Job`]: one that waits for its batch.

use super::transaction::Transaction;
use crate::digest::Digest;
use crate::fault::StorageError;
use bytes::Bytes;
use tokio::sync::oneshot;

/// One transaction in the words of the store.
pub(super) trait Request: Clone + Send + 'static {
    /// What it answers.
    type Answer: Send;
    /// Why it may be refused.
    type Refusal: From<StorageError> + Send;

    /// Whether it gives space back, or is needed for that. When the disk is full it is applied once
    /// more, in the reserve's space; all others are refused then.
    const GIVES_BACK: bool = false;

    /// The bytes that must be on the disk before it is applied.
    fn staged(&self) -> Staged {
        Staged::Nothing
    }

    /// Whether it asks for everything before it to be durable, relaxed or not.
    fn is_barrier(&self) -> bool {
        false
    }

    /// Bytes it adds to the metadata or a segment, roughly.
    fn size(&self) -> usize {
        0
    }

    /// Checks everything, then writes. `Transaction::placed` is where its small content was put.
    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Self::Answer, Self::Refusal>;
}

/// What a request is answered with.
type Answer<R> = Result<<R as Request>::Answer, <R as Request>::Refusal>;

/// Bytes that must be on the disk before a request is applied.
#[derive(Debug, Clone)]
pub(super) enum Staged {
    Nothing,
    /// Content for a segment file, and its digest: equal ones of a batch are put once.
    Small(Digest, Bytes),
    /// A synced file whose directory entry may not be durable yet.
    File(u64),
    /// None; what is written from here on goes into another segment than this one.
    Roll(u64),
}

/// A request that waits for its batch, without its types.
pub(super) trait Job: Send {
    fn staged(&self) -> Staged;
    fn size(&self) -> usize;
    fn is_barrier(&self) -> bool;
    /// Whether it can be applied once more after its batch failed, in the reserve's space.
    fn gives_back(&self) -> bool;
    /// Applies it and keeps what it answers until the batch is committed.
    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Applied;
    /// Answers what was kept if the batch succeeded, else why it failed.
    fn answer(self: Box<Self>, batch: Result<(), StorageError>);
}

/// Whether a request was answered or refused; both leave the batch whole if nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Done,
    Refused,
}

/// A request and who waits for it.
pub(super) struct Waiting<R: Request> {
    /// Also after it was applied, if it can be again.
    request: Option<R>,
    kept: Option<Answer<R>>,
    reply: oneshot::Sender<Answer<R>>,
}

// === impl Staged ===

impl Staged {
    /// Whether the request cannot go on without them.
    pub(super) fn has_bytes(&self) -> bool {
        match self {
            Self::Small(..) | Self::File(_) => true,
            Self::Nothing | Self::Roll(_) => false,
        }
    }
}

// === impl Waiting ===

impl<R: Request> Waiting<R> {
    pub(super) fn new(request: R) -> (Self, oneshot::Receiver<Answer<R>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                request: Some(request),
                kept: None,
                reply,
            },
            answer,
        )
    }
}

impl<R: Request> Job for Waiting<R> {
    fn staged(&self) -> Staged {
        self.request
            .as_ref()
            .map_or(Staged::Nothing, Request::staged)
    }

    fn size(&self) -> usize {
        self.request.as_ref().map_or(0, Request::size)
    }

    fn is_barrier(&self) -> bool {
        self.request.as_ref().is_some_and(Request::is_barrier)
    }

    fn gives_back(&self) -> bool {
        R::GIVES_BACK && self.request.is_some()
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Applied {
        let Some(request) = self.request.take() else {
            return Applied::Refused;
        };
        self.request = R::GIVES_BACK.then(|| request.clone());
        let outcome = request.apply(transaction);
        let applied = if outcome.is_ok() {
            Applied::Done
        } else {
            Applied::Refused
        };
        self.kept = Some(outcome);
        applied
    }

    fn answer(self: Box<Self>, batch: Result<(), StorageError>) {
        let answer = match (batch, self.kept) {
            (Ok(()), Some(kept)) => kept,
            (Ok(()), None) => Err(StorageError::Closed.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Whoever asked may have stopped waiting; the outcome stands all the same.
        drop(self.reply.send(answer));
    }
}
