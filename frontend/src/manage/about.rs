//! `GET /api/v1`: which program this is, and which store it has open.

use super::call::Call;
use super::{Answer, Management, json};
use http::StatusCode;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, Serialize)]
struct About<'a> {
    version: &'static str,
    /// The store's directory, so that a command can tell whether it is the one it means.
    store: &'a Path,
}

pub(super) fn show(management: &Management, call: Call) -> Answer {
    call.plain()?;
    let store = management.store();
    let version = env!("CARGO_PKG_VERSION");
    json(StatusCode::OK, &About { version, store })
}
