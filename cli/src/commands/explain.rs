//! `floundr explain USER ACTION REPOSITORY`: whether somebody may do something, and why.

use super::Failure;
use super::api::{self, entries, text};
use crate::args::ExplainArgs;
use crate::config::Resolved;
use crate::output;

/// Asks and prints.
pub(crate) fn run(resolved: &Resolved, args: &ExplainArgs) -> Result<(), Failure> {
    let (user, action, repository) = (&args.user, &args.action, &args.repository);
    let path = api::with_parameters(
        "/api/v1/explain",
        &[
            ("user", Some(user)),
            ("action", Some(action)),
            ("repository", Some(repository)),
        ],
    );
    let answer = api::get(resolved, path.trim_end_matches('&'))?;
    api::show(args.json, &answer, |answer| {
        let may = if answer["allowed"] == true {
            "may"
        } else {
            "may not"
        };
        output::line(&format!("{user} {may} {action} {repository}"));
        for reason in entries(&answer["because"]) {
            output::line(&format!("  {}", text(reason)));
        }
    });
    Ok(())
}
