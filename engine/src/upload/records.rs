//! [`Records`]: what uploads ask of the metadata, and no more.
//!
//! A trait, so that uploads can be tested without a database. Each method is the one of the same
//! name of [`Metadata`].

use super::UploadKey;
use crate::blob::store::Pending;
use crate::clock::{Calendar, EngineTime};
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::{CommitBlob, Metadata};
use std::fmt;

/// What uploads ask of the metadata.
pub(crate) trait Records: fmt::Debug + Send + Sync + 'static {
    fn upload_key(&self) -> &UploadKey;

    fn now(&self) -> EngineTime;

    /// Engine time by the wall clock.
    fn calendar(&self) -> Calendar;

    fn new_file_number(&self) -> Pending<'_, u64>;

    fn commit_blob(&self, commit: CommitBlob) -> Pending<'_, ()>;

    fn end_upload(&self, upload: [u8; 16], expiry: EngineTime) -> Pending<'_, ()>;

    fn is_upload_ended(&self, upload: [u8; 16], expiry: EngineTime) -> Result<bool, StorageError>;

    fn file_holder(&self, number: u64) -> Result<Option<Digest>, StorageError>;

    fn keep_time(&self) -> Pending<'_, ()>;

    /// Makes everything that was answered before durable, where it is not by itself.
    fn make_durable(&self) -> Pending<'_, ()>;

    /// Lets a store that was full look whether there is space again.
    fn look_for_space(&self) -> Pending<'_, ()>;
}

// === impl Metadata ===

impl Records for Metadata {
    fn upload_key(&self) -> &UploadKey {
        self.upload_key()
    }

    fn now(&self) -> EngineTime {
        self.now()
    }

    fn calendar(&self) -> Calendar {
        self.calendar()
    }

    fn new_file_number(&self) -> Pending<'_, u64> {
        Box::pin(self.new_file_number())
    }

    fn commit_blob(&self, commit: CommitBlob) -> Pending<'_, ()> {
        Box::pin(self.commit_blob(commit))
    }

    fn end_upload(&self, upload: [u8; 16], expiry: EngineTime) -> Pending<'_, ()> {
        Box::pin(self.end_upload(upload, expiry))
    }

    fn is_upload_ended(&self, upload: [u8; 16], expiry: EngineTime) -> Result<bool, StorageError> {
        self.is_upload_ended(upload, expiry)
    }

    fn file_holder(&self, number: u64) -> Result<Option<Digest>, StorageError> {
        self.file_holder(number)
    }

    fn keep_time(&self) -> Pending<'_, ()> {
        Box::pin(self.keep_time())
    }

    fn make_durable(&self) -> Pending<'_, ()> {
        Box::pin(self.make_durable())
    }

    fn look_for_space(&self) -> Pending<'_, ()> {
        // Every commit of the writer begins with a look.
        Box::pin(self.keep_time())
    }
}
