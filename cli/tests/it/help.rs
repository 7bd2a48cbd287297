//! The help of every command as it is printed, kept in `help.txt`: a change of it shows in review.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p floundr` writes the file anew.

use crate::support::Home;

#[test]
fn the_help_is_the_one_in_the_file() {
    let home = Home::new();
    let mut all = help(&home, &[]);
    let mut left: Vec<Vec<String>> = commands(&all, &[]);
    while let Some(command) = left.pop() {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        let whole = help(&home, &words);
        left.extend(commands(&whole, &words));
        // The options that every command has stand on the first page.
        let own = whole.split("\nStore:\n").next().unwrap_or_default();
        all += own;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/help.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &all).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert!(all == expected, "the help has changed to:\n{all}");
}

/// The page of a command.
fn help(home: &Home, words: &[&str]) -> String {
    let args = [words, &["--help"]].concat();
    let ran = home.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ["$ floundr ", &args.join(" "), "\n", &ran.stdout, "\n"].concat()
}

/// The commands that a page names, the last one first.
fn commands(page: &str, words: &[&str]) -> Vec<Vec<String>> {
    let list = page.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    // A description that goes on has its line indented further.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    let whole = |name: &str| {
        let words = words.iter().copied().chain([name]);
        words.map(str::to_owned).collect()
    };
    let mut found: Vec<_> = names.map(whole).collect();
    found.reverse();
    found
}

#[test]
fn the_version_is_one_line() {
    let ran = Home::new().run(&["-V"]);
    assert_eq!(
        ran.stdout,
        format!("floundr {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(ran.code, Some(0));
}

#[test]
fn an_unknown_flag_ends_with_code_2() {
    let ran = Home::new().run(&["--prot", "1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--prot"), "{}", ran.stderr);
}
