//! Where the bytes of blobs lie: the trait `BlobStore` and what is built on it.
//!
//! Metadata says which blob lies where; this folder writes and reads the places. It knows digests
//! only to name them in errors.

mod content;
mod local;
mod reader;
mod segments;
pub(crate) mod store;
#[cfg(test)]
mod suite;

pub(crate) use local::LocalStore;
pub use reader::BlobReader;
pub(crate) use segments::SyncWhen;
