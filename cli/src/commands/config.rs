//! `floundr config`: every setting and where its value came from.

use crate::config::Resolved;
use crate::output;

/// Prints the configuration, as a table or as JSON.
pub(crate) fn run(resolved: &Resolved, json: bool) {
    if json {
        output::config_json(resolved);
    } else {
        output::config(resolved);
    }
}
