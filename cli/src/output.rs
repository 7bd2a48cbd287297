//! The only place that prints.
//!
//! Invariants:
//! 1. Results go to standard output; errors, and nothing else of ours, to standard error. (Log
//!    lines go there too, through `log`.)
//! 2. A closed standard output is no error: whoever closed it has read enough.

use crate::config::{Entry, Resolved};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Prints `text` and a line end.
pub(crate) fn line(text: &str) {
    // A reader that went away (`floundr config | head -1`) has what it wanted.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Prints an error with its causes on one line.
pub(crate) fn error(error: &anyhow::Error) {
    drop(writeln!(std::io::stderr(), "error: {error:#}"));
}

/// Prints the configuration as a table.
pub(crate) fn config(resolved: &Resolved) {
    let there = if resolved.file_exists {
        ""
    } else {
        " (not there)"
    };
    line(&format!(
        "settings file: {}{there}",
        resolved.file.display()
    ));
    line("");
    let value = |entry: &Entry| entry.shown().unwrap_or("-").to_owned();
    let entries = &resolved.entries;
    let names = entries.iter().map(|e| e.setting.row().name.len()).max();
    let values = entries.iter().map(|e| value(e).len()).max();
    let (names, values) = (names.unwrap_or(0), values.unwrap_or(0));
    for entry in entries {
        let (name, value, source) = (entry.setting.row().name, value(entry), &entry.source);
        line(&format!("{name:names$}  {value:values$}  {source}"));
    }
    if !resolved.notes.is_empty() {
        line("");
    }
    for note in &resolved.notes {
        line(&format!("note: {note}"));
    }
}

/// Prints the configuration as JSON.
pub(crate) fn config_json(resolved: &Resolved) {
    let settings: serde_json::Map<_, _> = resolved
        .entries
        .iter()
        .map(|entry| {
            let value = serde_json::json!({
                "value": entry.shown(),
                "source": entry.source.to_string(),
            });
            (entry.setting.row().name.to_owned(), value)
        })
        .collect();
    let whole = serde_json::json!({
        "settings_file": resolved.file.display().to_string(),
        "settings_file_exists": resolved.file_exists,
        "settings": settings,
        "notes": resolved.notes,
    });
    line(&format!("{whole:#}"));
}

/// Where a server listens.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// For plain HTTP.
    pub(crate) plain: Option<SocketAddr>,
    /// For HTTPS.
    pub(crate) tls: Option<SocketAddr>,
}

/// Prints where the server is, and on a store's first start what to type next.
pub(crate) fn started(addresses: &Addresses, root: &Path, first_start: bool) {
    let plain = addresses.plain.map(|address| format!("http://{address}"));
    let tls = addresses.tls.map(|address| format!("https://{address}"));
    let urls: Vec<_> = plain.into_iter().chain(tls).collect();
    let version = env!("CARGO_PKG_VERSION");
    line(&format!(
        "floundr {version} serves {}, data in {}",
        urls.join(" and "),
        root.display()
    ));
    line("There are no accounts yet: whoever reaches it may pull, push and delete.");
    let Some(address) = addresses.tls.or(addresses.plain) else {
        return;
    };
    if first_start {
        let registry = reachable_as(address);
        line("");
        line("Push a first image:");
        line("  docker pull hello-world");
        line(&format!("  docker tag hello-world {registry}/hello-world"));
        line(&format!("  docker push {registry}/hello-world"));
        line("See every setting and where it came from: floundr config");
    }
}

/// How a client on this machine names the address in an image's name.
fn reachable_as(address: SocketAddr) -> String {
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_on_this_machine_is_named_by_localhost() {
        for (address, name) in [
            ("127.0.0.1:8080", "localhost:8080"),
            ("0.0.0.0:5000", "localhost:5000"),
            ("[::]:5000", "localhost:5000"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable_as(address.parse().unwrap()), name);
        }
    }
}
