//! `floundr repo` and `floundr new-repo`: repositories.

use super::api::{self, bytes, confirm, done, moment, text, texts};
use super::{Failure, ask, rule};
use crate::args::{Ordered, RepoOrder};
use crate::client::{Absent, encoded};
use crate::config::Resolved;
use crate::output;
use anyhow::Context as _;
use floundr_engine::name::RepositoryName;
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/repositories";

const HEAD: [&str; 8] = [
    "REPOSITORY",
    "PUBLIC",
    "TAGS",
    "MANIFESTS",
    "OWN",
    "SHARED",
    "LAST PUSH",
    "LAST PULL",
];

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<RepoOrder>) -> Result<(), Failure> {
    let as_json = args.json;
    match &args.order {
        RepoOrder::List { filter } => {
            let path = api::with_parameters(PATH, &[("filter", filter.as_deref())]);
            api::show_list(as_json, &api::list(resolved, &path)?, &HEAD, row);
        }
        RepoOrder::Show { repository } => {
            let answer = api::get(resolved, &path_of(repository))?;
            api::show(as_json, &answer, show);
        }
        RepoOrder::Create { repository, public } => {
            create(resolved, repository, *public, as_json)?;
        }
        RepoOrder::Set { repository, rule } => {
            let changes = rule::changes(rule).map_err(Failure::Usage)?;
            let path = path_of(repository);
            let answer = api::change(resolved, Method::PATCH, &path, &changes.into())?;
            let text = format!("repository {repository}: {}", rule::said(&answer));
            done(as_json, &answer, &text);
        }
        RepoOrder::Delete { repository, asked } => {
            confirm(*asked, &format!("repository {repository} will be deleted"))?;
            let answer = api::delete(resolved, &path_of(repository))?;
            let text = format!(
                "deleted repository {repository}; floundr undelete {repository} restores it"
            );
            done(as_json, &answer, &text);
        }
    }
    Ok(())
}

/// Creates a repository, durably.
pub(crate) fn create(
    resolved: &Resolved,
    name: &str,
    public: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let name: RepositoryName = name
        .parse()
        .map_err(|error| Failure::Usage(anyhow::Error::new(error)))?;
    let mut body = json!({ "name": name.as_str() });
    if public {
        body["public"] = true.into();
    }
    let answer = ask(resolved, Absent::Create, async |client| {
        let call = client.call(Method::POST, PATH, Some(&body));
        call.await
            .with_context(|| format!("cannot create repository {name}"))
    })?;
    api::show(as_json, &answer, |answer| {
        output::line(&if answer["created"] == true {
            format!("created repository {name}")
        } else {
            format!("repository {name} exists already")
        });
        if public {
            output::line("anyone may pull from it");
        }
    });
    Ok(())
}

/// The path of a repository, whose name is one segment.
pub(super) fn path_of(repository: &str) -> String {
    format!("{PATH}/{}", encoded(repository))
}

fn row(repository: &Value) -> Vec<String> {
    vec![
        text(&repository["name"]),
        text(&repository["public"]),
        text(&repository["tags"]),
        text(&repository["manifests"]),
        bytes(&repository["own_bytes"]),
        bytes(&repository["shared_bytes"]),
        moment(&repository["last_push"]),
        moment(&repository["last_pull"]),
    ]
}

fn show(repository: &Value) {
    output::line(&text(&repository["name"]));
    output::pairs(&[
        ("settings", rule::said(repository)),
        ("rules that match it", texts(&repository["rules"], " ")),
        ("tags", text(&repository["tags"])),
        ("manifests", text(&repository["manifests"])),
        ("bytes of its own", bytes(&repository["own_bytes"])),
        (
            "bytes that others have too",
            bytes(&repository["shared_bytes"]),
        ),
        ("last push", moment(&repository["last_push"])),
        ("last pull", moment(&repository["last_pull"])),
        ("you may", texts(&repository["permissions"], ", ")),
    ]);
}
