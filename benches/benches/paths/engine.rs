//! Uploads, commits and lookups, called as the frontend calls them.

use crate::store::{Operation, Store, TAGS, content, image_digest, tag};
use crate::table::PIECE;
use bytes::Bytes;
use floundr_engine::digest::Algorithm;
use floundr_engine::digest::hasher::Hasher;
use floundr_engine::name::Reference;
use floundr_engine::page::Page;
use futures_util::future::join_all;
use std::cell::Cell;
use std::hint::black_box;

const PAGE: usize = 100;
const SMALL: usize = 1024;

/// A manifest by one of many tags.
pub(crate) fn manifest_by_tag(store: &Store) -> Operation {
    lookup(store, Reference::Tag(tag(TAGS / 2)))
}

/// A manifest by its digest.
pub(crate) fn manifest_by_digest(store: &Store) -> Operation {
    lookup(store, Reference::Digest(image_digest()))
}

fn lookup(store: &Store, reference: Reference) -> Operation {
    let repository = store.repository();
    store.operation(async move || {
        let manifest = repository.manifest(&reference).await;
        black_box(manifest.expect("it was pushed"));
    })
}

/// A page from the middle of many tags.
pub(crate) fn tag_page(store: &Store) -> Operation {
    let repository = store.repository();
    let after = tag(TAGS / 2).to_string();
    store.operation(async move || {
        let page = Page {
            after: Some(after.clone()),
            limit: PAGE,
        };
        let listing = repository.tags(page).await.expect("the repository exists");
        assert_eq!(listing.items.len(), PAGE);
    })
}

/// Small blobs of 1 KiB, `together` at once: what a commit costs, with little content to hash.
pub(crate) fn commit(store: &Store, together: u64) -> Operation {
    let repository = store.repository();
    let next = Cell::new(0);
    store.operation(async move || {
        let first = next.replace(next.get() + together);
        let numbers = first..first + together;
        let puts = numbers.map(|n| repository.put_blob(Algorithm::Sha256, content(n, SMALL)));
        for put in join_all(puts).await {
            put.expect("the blob is stored");
        }
    })
}

/// An upload of `len` bytes in pieces, from its start to a blob. Each is another blob: its last
/// piece is, so that its digest takes no second hashing of the rest.
pub(crate) fn upload(store: &Store, algorithm: Algorithm, len: u64) -> Operation {
    let repository = store.repository();
    let piece_len = usize::try_from(PIECE).expect("a piece fits memory");
    let same: Bytes = vec![0x5a; piece_len].into();
    let pieces = len / PIECE - 1;
    let mut rest = Hasher::new(algorithm);
    (0..pieces).for_each(|_| rest.update(&same));
    let next = Cell::new(0);
    store.operation(async move || {
        let last = content(next.replace(next.get() + 1), piece_len);
        let mut hasher = rest.clone();
        hasher.update(&last);
        let session = repository.start_upload(algorithm);
        let mut session = session.expect("an upload starts");
        for _ in 0..pieces {
            let append = session.append(same.clone()).await;
            append.expect("the piece is taken in");
        }
        let append = session.append(last).await;
        append.expect("the last piece is taken in");
        let size = session.finish(&hasher.finish()).await;
        assert_eq!(size.expect("the digest is right"), len);
    })
}
