//! What the compiler and clippy cannot see of the style: file heads, sizes, who may use what, and
//! that the documentation names what there is.
//!
//! Every rule is a function over one file's path and lines; a failure names file and line. The
//! arrows between crates are `ARCHITECTURE.md`'s, "Who may use what". Documentation is compared in
//! both directions: what there is must be named, and what is named must be there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the linter knows only the tests themselves"
)]

use floundr_frontend::manage::ManageRoute;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have, its tests included.
const MAX_LINES: usize = 500;

/// A Rust file of the workspace.
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// What a file does that it may not, or nothing.
type Rule = fn(&Source) -> Vec<String>;

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    hold(|source| {
        let first = source.text.lines().next().unwrap_or_default();
        // A crate's head may be its README, so that the two cannot differ.
        if first.starts_with("//! ") || first.starts_with("#![doc = include_str!(") {
            return Vec::new();
        }
        vec![format!("{}:1: does not open with //!", source.path)]
    });
}

#[test]
fn sources_are_ascii() {
    hold(|source| source.lines_where("is not ASCII", |line| !line.is_ascii()));
}

#[test]
fn files_stay_short() {
    hold(|source| {
        let lines = source.text.lines().count();
        if lines <= MAX_LINES {
            return Vec::new();
        }
        vec![format!(
            "{}: has {lines} lines, more than {MAX_LINES}",
            source.path
        )]
    });
}

#[test]
fn no_test_is_ignored() {
    hold(|source| {
        let mark = concat!("#[ig", "nore");
        source.lines_where("ignores a test", |line| line.contains(mark))
    });
}

#[test]
fn what_is_left_to_do_has_an_issue_number() {
    hold(|source| {
        let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
        source.lines_where("has no issue number", |line| {
            let numbered = |mark: &&str| line.contains(&format!("{mark}(#"));
            marks
                .iter()
                .any(|mark| line.contains(mark) && !numbered(mark))
        })
    });
}

#[test]
fn the_engine_knows_no_http_and_no_json() {
    hold(|source| {
        if !source.path.starts_with("engine/") {
            return Vec::new();
        }
        let foreign = ["hyper::", "http::", "serde_json", "oci_spec"];
        source.code_with("is HTTP or JSON in the engine", &foreign)
    });
}

#[test]
fn only_the_disk_module_of_the_engine_calls_the_file_system() {
    hold(|source| {
        let allowed = source.path.starts_with("engine/src/disk/");
        if allowed || !source.path.starts_with("engine/src/") {
            return Vec::new();
        }
        source.product_code_with("goes around the Disk trait", &["std::fs", "fs::File"])
    });
}

#[test]
fn only_the_metadata_and_one_file_of_the_accounts_know_redb() {
    hold(|source| {
        // In `disk`: redb's storage backend, and the suite that runs a database on every disk.
        let places = [
            "engine/src/meta/",
            "engine/src/disk/",
            "frontend/src/accounts/redb_store.rs",
        ];
        if places.iter().any(|place| source.path.starts_with(place)) {
            return Vec::new();
        }
        source.code_with("knows redb", &["redb::"])
    });
}

#[test]
fn only_programs_parse_arguments() {
    hold(|source| {
        if source.path.starts_with("cli/") || source.path.starts_with("benches/") {
            return Vec::new();
        }
        source.code_with("parses arguments", &["clap::"])
    });
}

#[test]
fn the_terminal_client_opens_no_engine_and_its_state_does_no_input_or_output() {
    hold(|source| {
        let Some(file) = source.path.strip_prefix("cli/src/tui/") else {
            return Vec::new();
        };
        // The clock alone, and that in the loop.
        let mut faults =
            source.product_code_with("opens the engine", &["floundr_engine::Engine", "redb::"]);
        let does_io = ["mod.rs", "terminal.rs", "link/"]
            .iter()
            .any(|place| file.starts_with(place));
        if !does_io {
            let words = ["tokio::", "std::fs", "std::net", "std::io", "hyper::"];
            faults.extend(source.product_code_with("does I/O in the state", &words));
        }
        faults
    });
}

#[test]
fn the_frontend_names_no_file_but_certificates_its_socket_its_accounts_and_its_audit_log() {
    hold(|source| {
        let allowed = [
            "frontend/src/tls",
            "frontend/src/accounts/redb_store.rs",
            "frontend/src/manage/socket",
            "frontend/src/audit/file.rs",
        ]
        .iter()
        .any(|path| source.path.starts_with(path));
        if allowed || !source.path.starts_with("frontend/src/") {
            return Vec::new();
        }
        source.product_code_with("opens files in the frontend", &["std::fs", "tokio::fs"])
    });
}

#[test]
fn the_documentation_names_every_endpoint_and_no_other() {
    let page = read("docs/http-api.md");
    let (registry, management) = page.split_once("## The management API").unwrap();
    let documented = cells(registry, "## Parameters", 2);
    assert_same(&documented, &variants("frontend/src/route/mod.rs", "Route"));

    let operations = ManageRoute::all().map(|endpoint| endpoint.operation.to_owned());
    let documented = cells(management, "## Parameters", 3);
    assert_same(&documented, &operations.collect());
    let requests = ManageRoute::all();
    let requests = requests.map(|endpoint| format!("{} {}", endpoint.method, endpoint.path));
    let documented = cells(management, "## Parameters", 0).into_iter();
    let without_parameters = |request: String| request.split('?').next().map(str::to_owned);
    let documented = documented.filter_map(without_parameters).collect();
    assert_same(&documented, &requests.collect());
}

#[test]
fn the_documentation_names_every_kind_of_refusal_and_no_other() {
    let page = read("docs/http-api.md");
    let (_, refusals) = page.split_once("## Refusals").unwrap();
    let documented = cells(refusals, "\n### ", 0);
    let there_are = variants("frontend/src/error/mod.rs", "ErrorCode");
    assert_same(&documented, &there_are);
}

#[test]
fn the_documentation_names_every_command_and_no_other() {
    let page = read("docs/cli.md");
    let table = page.split("Options may stand").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let is_word = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    let documented = rows.filter_map(|row| row.split('`').next()).map(|typed| {
        let words: Vec<_> = typed.split(' ').take_while(is_word).collect();
        words.join(" ")
    });
    let mut documented: BTreeSet<_> = documented.collect();
    assert!(documented.remove("help"), "clap has it by itself");
    let typed = |variant: &String| {
        let mut name = String::new();
        for letter in variant.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    };
    let (main, accounts, content) = (
        "cli/src/args/mod.rs",
        "cli/src/args/accounts.rs",
        "cli/src/args/content.rs",
    );
    let mut commands: BTreeSet<_> = variants(main, "Command").iter().map(typed).collect();
    for (command, file, name, does_something_alone) in [
        ("gc", main, "GcOrder", true),
        ("user", accounts, "UserOrder", false),
        ("role", accounts, "RoleOrder", false),
        ("grant", accounts, "GrantOrder", false),
        ("key", accounts, "KeyOrder", false),
        ("rule", accounts, "RuleOrder", false),
        ("token", accounts, "TokenOrder", false),
        ("audit", accounts, "AuditOrder", true),
        ("repo", content, "RepoOrder", false),
        ("tag", content, "TagOrder", false),
        ("manifest", content, "ManifestOrder", false),
        ("upload", content, "UploadOrder", false),
    ] {
        assert!(
            does_something_alone || commands.remove(command),
            "{command}"
        );
        let orders = variants(file, name);
        commands.extend(
            orders
                .iter()
                .map(|order| format!("{command} {}", typed(order))),
        );
    }
    assert_same(&documented, &commands);
}

#[test]
fn the_documentation_names_every_setting_and_no_other() {
    let page = read("docs/cli.md");
    let (_, settings) = page.split_once("## Settings").unwrap();
    let rows = read("cli/src/config/settings.rs");
    let (_, rows) = rows.split_once("SETTINGS: &[Row]").unwrap();
    let (rows, _) = rows.split_once("\n];").unwrap();
    let literals: Vec<_> = rows.split('"').skip(1).step_by(2).collect();
    let is_variable = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'_'))
    };
    let variables: BTreeSet<_> = literals.iter().copied().filter(is_variable).collect();
    let names: BTreeSet<_> = (literals.windows(2))
        .filter(|pair| variables.contains(pair[1]))
        .map(|pair| pair[0])
        .collect();
    assert!(names.len() > 20, "only {names:?} found");
    let owned = |texts: BTreeSet<&str>| texts.into_iter().map(str::to_owned).collect();
    assert_same(&cells(settings, "\nDurations", 0), &owned(names));
    assert_same(&cells(settings, "\nDurations", 2), &owned(variables));
    let help = read("cli/tests/it/help.txt");
    for flag in cells(settings, "\nDurations", 1) {
        assert!(help.contains(&flag), "{flag} is documented and is no flag");
    }
}

#[test]
fn no_document_names_a_variable_that_nothing_reads() {
    let read_by = [
        "cli/src/config/settings.rs",
        "cli/tests/kill/main.rs",
        ".ci/lib.sh",
    ];
    let read_by = read_by.map(read);
    let known: BTreeSet<_> = read_by.iter().flat_map(|text| words(text)).collect();
    for path in documents() {
        let text = read(&path);
        let mut unknown = words(&text).filter(|word| !known.contains(word));
        let unknown = unknown.find(|word| word.starts_with("FLOUNDR_"));
        assert_eq!(unknown, None, "in {path}");
    }
}

#[test]
fn what_is_fuzzed_is_locked_with_all_that_it_depends_on() {
    let lock = read("fuzz/Cargo.lock");
    for name in ["engine", "frontend"] {
        let package = format!("name = \"floundr-{name}\"\n");
        let (_, package) = lock.split_once(&package).unwrap();
        let package = package.split("[[package]]").next().unwrap();
        let manifest = read(&format!("{name}/Cargo.toml"));
        let (_, needed) = manifest.split_once("\n[dependencies]\n").unwrap();
        let needed = needed.lines().take_while(|line| !line.starts_with('['));
        for line in needed.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let crate_name = line.split(['.', ' ', '=']).next().unwrap();
            // Alone, or with its version where there are several.
            let written = [format!(" \"{crate_name}\""), format!(" \"{crate_name} ")];
            assert!(
                written.iter().any(|name| package.contains(name)),
                "fuzz/Cargo.lock does not know {crate_name}: run `cargo metadata` in fuzz once"
            );
        }
    }
}

// === documentation ===

/// A file of the workspace, by its path under the root.
fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all documents.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for folder in ["", "docs"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let markdown = paths.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
        found.extend(markdown.map(|path| path.strip_prefix(root).unwrap().display().to_string()));
    }
    assert!(found.len() > 5, "only {found:?} found");
    found
}

/// The runs of letters, digits and underscores in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_')
}

/// The names of an enum's variants.
fn variants(path: &str, name: &str) -> BTreeSet<String> {
    let source = read(path);
    let (_, body) = source.split_once(&format!(" enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let starts = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let name_of = |line: &str| line.split(['(', ' ', ',', '{']).next().map(str::to_owned);
    starts.filter_map(name_of).collect()
}

/// What stands in backticks in one column of the tables in `text`, up to `end`.
fn cells(text: &str, end: &str, column: usize) -> BTreeSet<String> {
    let text = text.split(end).next().unwrap_or_default();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").nth(column));
    let quoted = |cell: &str| -> Vec<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    // The head of a table may quote a word too: it is the row above the dashes.
    let heads: BTreeSet<_> = ["Route", "floundr.toml"].map(str::to_owned).into();
    let found: BTreeSet<_> = cells.flat_map(quoted).collect();
    &found - &heads
}

#[track_caller]
fn assert_same(documented: &BTreeSet<String>, there_are: &BTreeSet<String>) {
    assert!(!there_are.is_empty(), "nothing to compare with was found");
    let missing: Vec<_> = there_are.difference(documented).collect();
    let unknown: Vec<_> = documented.difference(there_are).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not documented: {missing:?}; documented and not there: {unknown:?}"
    );
}

// === impl Source ===

impl Source {
    /// Complaints about the lines for which `is_bad` holds.
    fn lines_where(&self, complaint: &str, is_bad: impl Fn(&str) -> bool) -> Vec<String> {
        self.text
            .lines()
            .enumerate()
            .filter(|(_, line)| is_bad(line))
            .map(|(index, line)| {
                let line = line.trim();
                format!("{}:{}: {complaint}: {line}", self.path, index + 1)
            })
            .collect()
    }

    /// Complaints about lines that hold one of `words` and are no comment.
    fn code_with(&self, complaint: &str, words: &[&str]) -> Vec<String> {
        let is_comment = |line: &str| line.trim_start().starts_with("//");
        self.lines_where(complaint, |line| {
            !is_comment(line) && words.iter().any(|word| uses(line, word))
        })
    }

    /// The same without the tests: a `tests.rs`, or what stands below the test module's head.
    fn product_code_with(&self, complaint: &str, words: &[&str]) -> Vec<String> {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return Vec::new();
        }
        let product = self.text.split("#[cfg(test)]\nmod ").next();
        let product = Self {
            path: self.path.clone(),
            text: product.unwrap_or_default().to_owned(),
        };
        product.code_with(complaint, words)
    }
}

/// Whether `line` holds `word` at the beginning of a path, so that `my_http::` is not `http::`,
/// and outside a text.
fn uses(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.as_bytes().get(at.wrapping_sub(1));
        !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_:\"".contains(byte))
    })
}

/// Fails with every complaint of `rule` about any file.
fn hold(rule: Rule) {
    let complaints: Vec<_> = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in ["engine", "frontend", "cli", "benches", "fuzz"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "only {} files found", files.len());
    let source = |file: &PathBuf| Source {
        path: file.strip_prefix(root).unwrap().display().to_string(),
        text: fs::read_to_string(file).unwrap(),
    };
    files.iter().map(source).collect()
}

/// Adds the Rust files under `folder`; what cargo builds is left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if is_rust {
            files.push(path);
        }
    }
}

#[test]
fn a_word_counts_at_the_beginning_of_a_path_only() {
    assert!(uses("use http::Method;", "http::"));
    assert!(uses("fn f(m: &http::Method)", "http::"));
    assert!(!uses("use my_http::Method;", "http::"));
    assert!(!uses("use crate::http::Method;", "http::"));
}
