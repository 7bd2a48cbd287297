//! `floundr tag`: tags and what they name.

use super::Failure;
use super::api::{self, bytes, confirm, done, moment, text};
use super::named::Named;
use super::repo;
use crate::args::{Ordered, TagOrder};
use crate::client::encoded;
use crate::config::Resolved;
use http::Method;
use serde_json::{Value, json};

const HEAD: [&str; 6] = ["TAG", "DIGEST", "SIZE", "TYPE", "UPDATED", "LAST PULL"];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<TagOrder>) -> Result<(), Failure> {
    match &args.order {
        TagOrder::List { repository, filter } => {
            let path = format!("{}/tags", repo::path_of(repository));
            let path = api::with_parameters(&path, &[("filter", filter.as_deref())]);
            api::show_list(args.json, &api::list(resolved, &path)?, &HEAD, row);
        }
        TagOrder::Set { tag, digest } => {
            let body = json!({ "digest": digest });
            let answer = api::change(resolved, Method::PUT, &path_of(tag)?, &body)?;
            done(args.json, &answer, &format!("{tag} names {digest}"));
        }
        TagOrder::Delete { tag, asked } => {
            let path = path_of(tag)?;
            confirm(*asked, &format!("tag {tag} will be deleted"))?;
            let answer = api::delete(resolved, &path)?;
            let text = format!("deleted tag {tag}; floundr undelete {tag} restores it");
            done(args.json, &answer, &text);
        }
        TagOrder::History { tag } => {
            // What is kept of a tag is bounded, and comes as a whole.
            let mut answer = api::get(resolved, &format!("{}/history", path_of(tag)?))?;
            let changes = answer["items"].as_array_mut().map(std::mem::take);
            let changes = changes.unwrap_or_default();
            api::show_list(args.json, &changes, &["AT", "EVENT", "DIGEST"], change_row);
        }
    }
    Ok(())
}

fn path_of(text: &str) -> Result<String, Failure> {
    let (repository, tag) = Named::tag(text).map_err(Failure::Usage)?;
    let tag = encoded(tag.as_str());
    Ok(format!("{}/tags/{tag}", repo::path_of(repository.as_str())))
}

fn row(tag: &Value) -> Vec<String> {
    vec![
        text(&tag["name"]),
        text(&tag["digest"]),
        bytes(&tag["size_bytes"]),
        text(&tag["media_type"]),
        moment(&tag["updated"]),
        moment(&tag["last_pull"]),
    ]
}

fn change_row(change: &Value) -> Vec<String> {
    vec![
        moment(&change["at"]),
        text(&change["event"]),
        text(&change["digest"]),
    ]
}
