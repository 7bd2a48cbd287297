//! `floundr manifest`: what is in a manifest, and which there are.

use super::Failure;
use super::api::{self, bytes, confirm, done, entries, moment, text, texts};
use super::named::Named;
use super::repo;
use crate::args::{ManifestOrder, Ordered};
use crate::client::encoded;
use crate::config::Resolved;
use crate::output;
use serde_json::Value;

const HEAD: [&str; 5] = ["DIGEST", "TAGS", "SIZE", "TYPE", "PUSHED"];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<ManifestOrder>) -> Result<(), Failure> {
    match &args.order {
        ManifestOrder::List { repository } => {
            let path = format!("{}/manifests?", repo::path_of(repository));
            api::show_list(args.json, &api::list(resolved, &path)?, &HEAD, row);
        }
        ManifestOrder::Show { manifest } => {
            let (repository, reference) = Named::manifest(manifest).map_err(Failure::Usage)?;
            let path = path_of(repository.as_str(), &reference.to_string());
            let answer = api::get(resolved, &path)?;
            api::show(args.json, &answer, show);
        }
        ManifestOrder::Delete { manifest, asked } => {
            let (repository, digest) = Named::digest(manifest).map_err(Failure::Usage)?;
            confirm(
                *asked,
                &format!("manifest {manifest} and its tags will be deleted"),
            )?;
            let path = path_of(repository.as_str(), &digest.to_string());
            let answer = api::delete(resolved, &path)?;
            let text = format!("deleted {manifest}; floundr undelete {manifest} restores it");
            done(args.json, &answer, &text);
        }
    }
    Ok(())
}

fn path_of(repository: &str, reference: &str) -> String {
    let reference = encoded(reference);
    format!("{}/manifests/{reference}", repo::path_of(repository))
}

fn row(manifest: &Value) -> Vec<String> {
    vec![
        text(&manifest["digest"]),
        tags(manifest, ","),
        bytes(&manifest["size_bytes"]),
        text(&manifest["media_type"]),
        moment(&manifest["pushed"]),
    ]
}

/// The tags, of which an answer has the first ones.
fn tags(manifest: &Value, between: &str) -> String {
    let more = if manifest["more_tags"] == true {
        ".."
    } else {
        ""
    };
    let tags = texts(&manifest["tags"], between);
    format!("{tags}{more}")
}

fn show(manifest: &Value) {
    output::line(&text(&manifest["digest"]));
    let mut pairs = vec![
        ("type", text(&manifest["media_type"])),
        ("size", bytes(&manifest["size_bytes"])),
        ("pushed", moment(&manifest["pushed"])),
        ("tags", tags(manifest, ", ")),
    ];
    for (name, field) in [("artifact", "artifact_type"), ("subject", "subject")] {
        if !manifest[field].is_null() {
            pairs.push((name, text(&manifest[field])));
        }
    }
    if manifest["config"].is_object() {
        let config = &manifest["config"];
        let size = bytes(&config["size_bytes"]);
        pairs.push(("config", format!("{} ({size})", text(&config["digest"]))));
    }
    output::pairs(&pairs);
    section("platforms", &manifest["platforms"], |platform| {
        let size = bytes(&platform["size_bytes"]);
        let digest = text(&platform["digest"]);
        format!("{}  {digest}  {size}", text(&platform["platform"]))
    });
    section("layers", &manifest["layers"], |layer| {
        let shared = if layer["shared"] == true {
            ", shared"
        } else {
            ""
        };
        let size = bytes(&layer["size_bytes"]);
        let media_type = text(&layer["media_type"]);
        format!("{}  {size}{shared}  {media_type}", text(&layer["digest"]))
    });
    section("referrers", &manifest["referrers"], |referrer| {
        let artifact = text(&referrer["artifact_type"]);
        format!("{}  {artifact}", text(&referrer["digest"]))
    });
    if manifest["more_referrers"] == true {
        output::line("    and more");
    }
    let annotations = manifest["annotations"].as_object().into_iter().flatten();
    for (name, value) in annotations {
        output::line(&format!("  {name}: {}", text(value)));
    }
}

/// Prints entries below a heading, unless there are none.
fn section(heading: &str, list: &Value, entry: impl Fn(&Value) -> String) {
    for (index, item) in entries(list).enumerate() {
        if index == 0 {
            output::line(&format!("  {heading}"));
        }
        output::line(&format!("    {}", entry(item)));
    }
}
