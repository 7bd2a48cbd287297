//! [`ALL`]: every hot path, one row each.

use crate::store::{Operation, Store};
use crate::{digest, engine, frontend};
use floundr_benches::units::{KIB, MIB};
use floundr_engine::digest::Algorithm;

/// A path that is measured.
#[derive(Debug)]
pub(crate) struct Path {
    /// What it is called in results and in the baseline.
    pub(crate) name: &'static str,
    /// How many bytes of content one operation takes in, where that is what it is about.
    pub(crate) bytes: Option<u64>,
    /// How many operations are counted; `None`: counting says nothing, because it depends on when threads
    /// meet, or because another path says it better.
    pub(crate) counted: Option<u64>,
    /// Makes the operation.
    pub(crate) make: fn(&Store) -> Operation,
}

const HASHED: u64 = 16 * MIB;

/// All of them, the cheap ones first.
pub(crate) const ALL: &[Path] = &[
    path("route", Some(2000), |_| frontend::route()),
    path("range", Some(2000), |_| frontend::range()),
    path("manifest-by-tag", Some(500), engine::manifest_by_tag),
    path("manifest-by-digest", Some(500), engine::manifest_by_digest),
    path("tag-page", Some(50), engine::tag_page),
    path("get-manifest", Some(500), frontend::get_manifest),
    path(
        "get-manifest-token",
        Some(500),
        frontend::get_manifest_by_token,
    ),
    path("head-blob", Some(500), frontend::head_blob),
    path("get-tags", Some(200), frontend::get_tags),
    path("put-manifest", Some(100), frontend::put_manifest),
    path("commit-1", Some(100), |store| engine::commit(store, 1)),
    // How many of them come into one commit is chance: five counts were 6 % apart.
    path("commit-32", None, |store| engine::commit(store, 32)),
    // BLAKE3 is counted: of the instructions with SHA-256 nine in ten would be the hash's.
    sized("upload-1MiB-blake3", MIB, Some(10), |store| {
        engine::upload(store, Algorithm::Blake3, MIB)
    }),
    sized("upload-1MiB", MIB, None, |store| {
        engine::upload(store, Algorithm::Sha256, MIB)
    }),
    sized("upload-64MiB", 64 * MIB, None, |store| {
        engine::upload(store, Algorithm::Sha256, 64 * MIB)
    }),
    sized("digest-sha256", HASHED, Some(1), |_| {
        digest::stream(Algorithm::Sha256, HASHED)
    }),
    sized("digest-sha512", HASHED, Some(1), |_| {
        digest::stream(Algorithm::Sha512, HASHED)
    }),
    sized("digest-blake3", HASHED, Some(1), |_| {
        digest::stream(Algorithm::Blake3, HASHED)
    }),
];

/// The bytes that are handed over at a time, as hyper does.
pub(crate) const PIECE: u64 = 64 * KIB;

const fn path(name: &'static str, counted: Option<u64>, make: fn(&Store) -> Operation) -> Path {
    Path {
        name,
        bytes: None,
        counted,
        make,
    }
}

const fn sized(
    name: &'static str,
    bytes: u64,
    counted: Option<u64>,
    make: fn(&Store) -> Operation,
) -> Path {
    Path {
        name,
        bytes: Some(bytes),
        counted,
        make,
    }
}
