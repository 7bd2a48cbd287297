//! `floundr new-repo NAME`: an empty repository.

use super::{Failure, ask};
use crate::client::Absent;
use crate::config::Resolved;
use crate::output;
use anyhow::Context as _;
use floundr_engine::name::RepositoryName;
use http::Method;
use serde_json::json;

/// Creates the repository, durably.
pub(crate) fn run(
    resolved: &Resolved,
    name: &str,
    public: bool,
    json: bool,
) -> Result<(), Failure> {
    let name: RepositoryName = name
        .parse()
        .map_err(|error| Failure::Usage(anyhow::Error::new(error)))?;
    let body = json!({ "name": name.as_str() });
    let answer = ask(resolved, Absent::Create, async |client| {
        let call = client.call(Method::POST, "/api/v1/repositories", Some(&body));
        call.await
            .with_context(|| format!("cannot create repository {name}"))
    })?;
    if json {
        output::json(&answer);
        return Ok(());
    }
    output::line(&if answer["created"] == true {
        format!("created repository {name}")
    } else {
        format!("repository {name} exists already")
    });
    if public {
        output::line("every repository is public until there are accounts");
    }
    Ok(())
}
