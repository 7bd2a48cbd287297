//! The only place that prints.
//!
//! Invariants:
//! 1. Results go to standard output; errors, questions and progress, and nothing else of ours, to
//!    standard error. (Log lines go there too, through `log`.)
//! 2. A closed standard output is no error: whoever closed it has read enough.

use crate::commands::accounts::{ADMINISTRATOR, FirstAdministrator};
use crate::config::{Entry, Resolved};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Prints `text` and a line end.
pub(crate) fn line(text: &str) {
    // A reader that went away (`floundr config | head -1`) has what it wanted.
    let _is_read = try_line(text);
}

/// Prints `text` and a line end; whether somebody reads it still.
pub(crate) fn try_line(text: &str) -> bool {
    writeln!(std::io::stdout(), "{text}").is_ok()
}

/// Prints what somebody at a terminal is asked.
pub(crate) fn question(text: &str) {
    drop(write!(std::io::stderr(), "{text}"));
}

/// Prints a whole text as it is.
pub(crate) fn text(text: &[u8]) {
    drop(std::io::stdout().write_all(text));
}

/// Prints an error with its causes on one line.
pub(crate) fn error(error: &anyhow::Error) {
    drop(writeln!(std::io::stderr(), "error: {error:#}"));
}

/// Prints an answer as it is, for programs.
pub(crate) fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// Prints names and values, the values below one another.
pub(crate) fn pairs(pairs: &[(&str, String)]) {
    let width = pairs.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or(0);
    for (name, value) in pairs {
        line(&format!("  {name:width$}  {value}"));
    }
}

/// A number of an answer.
pub(crate) fn count(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

/// A number of bytes of an answer.
pub(crate) fn amount(value: &Value) -> String {
    bytes(value.as_u64().unwrap_or_default())
}

/// A time of an answer, which is in milliseconds.
pub(crate) fn span(value: &Value) -> String {
    time(value.as_u64().unwrap_or_default())
}

/// Milliseconds, in the two largest units that say something.
pub(crate) fn time(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let seconds = millis.div_ceil(1000);
    let Some(first) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else {
        return "0s".to_owned();
    };
    let (large, name) = UNITS[first];
    let (whole, rest) = (seconds / large, seconds % large);
    match UNITS.get(first + 1) {
        Some((small, small_name)) if rest >= *small => {
            format!("{whole}{name} {}{small_name}", rest / small)
        }
        _ => format!("{whole}{name}"),
    }
}

/// Prints rows below a head, each column as wide as it must be; the first to the left, numbers in
/// the others to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    print_table(head, rows, |column| column > 0);
}

fn print_table(head: &[&str], rows: &[Vec<String>], is_right: impl Fn(usize) -> bool) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let cells = cells.map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head[column].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| {
            if is_right(column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            }
        });
        let text = cells.collect::<Vec<_>>().join("  ");
        line(text.trim_end());
    }
}

/// The same of texts: every column to the left.
pub(crate) fn left_table(head: &[&str], rows: &[Vec<String>]) {
    print_table(head, rows, |_| false);
}

/// A moment as `2026-11-28 10:31:07`, in UTC; milliseconds since the epoch.
pub(crate) fn moment(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // A year that begins in March has its odd day at its end, and 400 years have as many days.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// A number of bytes, in the unit that shows three digits.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut whole, mut unit) = (number, 0);
    while whole >= 1024 * 1024 && unit + 1 < UNITS.len() {
        whole /= 1024;
        unit += 1;
    }
    let tenths = whole % 1024 * 10 / 1024;
    format!("{}.{tenths} {}", whole / 1024, UNITS[unit])
}

/// A line on a terminal that says how far something is; written over until it is done.
#[derive(Debug)]
pub(crate) struct Progress {
    is_watched: bool,
    width: AtomicUsize,
}

// === impl Progress ===

impl Progress {
    /// Shown only to a terminal.
    pub(crate) fn new() -> Self {
        Self {
            is_watched: std::io::stderr().is_terminal(),
            width: AtomicUsize::new(0),
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Shows what the management API says of a backup.
    pub(crate) fn show(&self, progress: &Value) {
        let text = format!(
            "{} of {} blobs, {} copied, {} already there",
            count(&progress["blobs"]),
            count(&progress["all_blobs"]),
            amount(&progress["moved_bytes"]),
            amount(&progress["kept_bytes"]),
        );
        self.overwrite(&text);
    }

    fn overwrite(&self, text: &str) {
        let width = self
            .width
            .swap(text.len(), Ordering::Relaxed)
            .max(text.len());
        drop(write!(std::io::stderr(), "\r{text:width$}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.width.load(Ordering::Relaxed) > 0 {
            self.overwrite("");
            drop(write!(std::io::stderr(), "\r"));
        }
    }
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

/// Who may reach a server that has started.
#[derive(Debug)]
pub(crate) enum Welcome<'a> {
    /// Everybody: `--no-auth`.
    Everybody,
    /// Who has an account.
    Accounts,
    /// The administrator, who was made just now.
    First(&'a FirstAdministrator),
}

/// Prints where the server is, and on a first start how to log in and what to type next.
pub(crate) fn started(addresses: &Addresses, root: &Path, welcome: &Welcome<'_>) {
    let plain = addresses.plain.map(|address| format!("http://{address}"));
    let tls = addresses.tls.map(|address| format!("https://{address}"));
    let urls: Vec<_> = plain.into_iter().chain(tls).collect();
    let version = env!("CARGO_PKG_VERSION");
    line(&format!(
        "floundr {version} serves {}, data in {}",
        urls.join(" and "),
        root.display()
    ));
    match welcome {
        Welcome::Everybody => {
            line(
                "WARNING: without accounts (--no-auth) whoever reaches it may pull, push and delete.",
            );
        }
        Welcome::Accounts => {}
        Welcome::First(first) => {
            let address = addresses.tls.or(addresses.plain);
            first_steps(first, &address.map(reachable_as).unwrap_or_default());
        }
    }
}

/// What to do with a registry that was made just now.
fn first_steps(first: &FirstAdministrator, registry: &str) {
    line("");
    line("This is the first start. Its administrator:");
    line(&format!("  user      {ADMINISTRATOR}"));
    match &first.made_up {
        Some(password) => {
            line(&format!(
                "  password  {}   (shown this once)",
                password.expose()
            ));
        }
        None => line("  password  as FLOUNDR_ADMIN_PASSWORD says"),
    }
    line(&match &first.profile {
        Some(profile) => format!(
            "  both are in {}, which only you can read",
            profile.display()
        ),
        None => "  neither was written down for the terminal client: see floundr.yml".to_owned(),
    });
    line("");
    line("Push a first image:");
    line(&format!("  docker login -u {ADMINISTRATOR} {registry}"));
    line("  docker pull hello-world");
    line(&format!("  docker tag hello-world {registry}/hello-world"));
    line(&format!("  docker push {registry}/hello-world"));
    line("Let others in: floundr user create, floundr grant add, floundr rule set --help");
    line("See every setting and where it came from: floundr config");
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
    fn bytes_have_a_unit_and_a_tenth() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_240 + 512, "10.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 * 1024 * 1024 * 1024 / 2, "2.5 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn a_time_has_two_units_at_most_and_is_never_too_short() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1s"),
            (59_000, "59s"),
            (60_000, "1m"),
            (61_001, "1m 2s"),
            (3_600_000, "1h"),
            (3_660_000, "1h 1m"),
            (3_601_000, "1h"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(time(millis), text, "{millis}");
        }
    }

    #[test]
    fn a_moment_is_a_day_and_a_time() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (1_795_861_867, "2026-11-28 10:31:07"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(moment(seconds * 1000 + 999), text, "{seconds}");
        }
        assert!(!moment(u64::MAX).is_empty());
    }

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
