//! Where users of other registries hurt: at least one test per line of that list. A test's name has
//! the line's number, its comment what must hold.
//!
//! Elsewhere: slow clients and early answers (part of 12) in `connections` and `pipeline`; ranges
//! of pulls (part of 25) in `blobs`; memory under large uploads (19) in `.ci/limits`; the cost of a
//! page (8) among the engine's tests of its metadata.
//!
//! With accounts, in `access`: a token that expires during an upload (13), requests at the token endpoint
//! (14), who may do what (22), the price of a password (23), a catalog of what one may see (of 8) and a
//! source one may not read (of 15). Quotas (21) are in `rules`.

mod machine; // a disk that a test holds, fails and counts; clocks that it moves

mod collection; // 1, 3 to 5: deleting, collecting, abandoned uploads
mod kept; // 2: content that must not go
mod listings; // 8 to 10, 20, 24: what is listed and served
mod pushes; // 11, 12, 15 to 19, 25: what is pushed
mod waiting; // 6, 7: who waits for whom
