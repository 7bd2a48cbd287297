//! `floundr upload`: uploads that are not finished.

use super::Failure;
use super::api::{self, bytes, confirm, done, moment, text};
use crate::args::{Ordered, UploadOrder};
use crate::client::encoded;
use crate::config::Resolved;
use crate::output::span;
use serde_json::Value;

const PATH: &str = "/api/v1/uploads";

const HEAD: [&str; 6] = [
    "UPLOAD",
    "REPOSITORY",
    "RECEIVED",
    "STARTED",
    "LAST WRITTEN",
    "EXPIRES IN",
];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<UploadOrder>) -> Result<(), Failure> {
    match &args.order {
        UploadOrder::List => {
            let uploads = api::list(resolved, &format!("{PATH}?"))?;
            api::show_list(args.json, &uploads, &HEAD, row);
        }
        UploadOrder::Cancel { id, asked } => {
            confirm(
                *asked,
                &format!("upload {id} will be given up, with what was received"),
            )?;
            let answer = api::delete(resolved, &format!("{PATH}/{}", encoded(id)))?;
            done(args.json, &answer, &format!("cancelled upload {id}"));
        }
    }
    Ok(())
}

fn row(upload: &Value) -> Vec<String> {
    let expires = match &upload["expires_in_ms"] {
        _ if upload["active"] == true => "(active)".to_owned(),
        Value::Null => "-".to_owned(),
        left => span(left),
    };
    vec![
        text(&upload["id"]),
        text(&upload["repository"]),
        bytes(&upload["offset_bytes"]),
        moment(&upload["started"]),
        moment(&upload["updated"]),
        expires,
    ]
}
