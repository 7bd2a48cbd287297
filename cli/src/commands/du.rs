//! `floundr du`: which repository takes how much space, and what the store takes as a whole.

use super::{Failure, ask};
use crate::client::Absent;
use crate::config::Resolved;
use crate::output::{self, amount, count};
use serde_json::{Value, json};

const HEAD: [&str; 7] = [
    "REPOSITORY",
    "BLOBS",
    "MANIFESTS",
    "TAGS",
    "OWN",
    "SHARED",
    "GARBAGE",
];

/// Asks and prints.
pub(crate) fn run(resolved: &Resolved, json: bool) -> Result<(), Failure> {
    let (mut store, mut repositories) = (Value::Null, Vec::new());
    ask(resolved, Absent::Refuse, async |client| {
        let each = |mut page: Value| {
            store = page["store"].take();
            let more = page["repositories"].as_array_mut().map(std::mem::take);
            repositories.extend(more.unwrap_or_default());
        };
        client.pages("/api/v1/usage?", each).await
    })?;
    if json {
        output::json(&json!({ "store": store, "repositories": repositories }));
        return Ok(());
    }
    output::table(&HEAD, &repositories.iter().map(row).collect::<Vec<_>>());
    output::line("");
    output::line("store");
    show(&store);
    let unreadable: u64 = repositories
        .iter()
        .filter_map(|repository| repository["unreadable"].as_u64())
        .sum();
    if unreadable > 0 {
        output::line(&format!(
            "{unreadable} rows could not be read and are in none of the sums; floundr gc status \
             names them"
        ));
    }
    Ok(())
}

fn row(repository: &Value) -> Vec<String> {
    vec![
        repository["name"].as_str().unwrap_or_default().to_owned(),
        count(&repository["blobs"]),
        count(&repository["manifests"]),
        count(&repository["tags"]),
        amount(&repository["own_bytes"]),
        amount(&repository["shared_bytes"]),
        amount(&repository["garbage_bytes"]),
    ]
}

fn show(store: &Value) {
    let mut pairs = vec![
        ("blobs, each counted once", amount(&store["stored_bytes"])),
        (
            "blobs, counted in each repository",
            amount(&store["logical_bytes"]),
        ),
        ("of these, nothing links", amount(&store["garbage_bytes"])),
        ("about to be given back", amount(&store["waiting_bytes"])),
        (
            "unfinished uploads",
            format!(
                "{} in {}",
                amount(&store["upload_bytes"]),
                count(&store["uploads"])
            ),
        ),
    ];
    if store["free_bytes"].is_u64() {
        pairs.push(("free on the disk", amount(&store["free_bytes"])));
    }
    output::pairs(&pairs);
}
