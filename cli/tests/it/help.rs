//! The help as it is printed, kept in `help.txt`: a change of it shows in review.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p floundr` writes the file anew.

use crate::support::Home;

#[test]
fn the_help_is_the_one_in_the_file() {
    let home = Home::new();
    let mut all = String::new();
    for args in [
        &["--help"][..],
        &["config", "--help"],
        &["new-repo", "--help"],
        &["gc", "--help"],
        &["gc", "status", "--help"],
        &["why", "--help"],
        &["du", "--help"],
        &["check", "--help"],
        &["undelete", "--help"],
        &["backup", "--help"],
        &["restore", "--help"],
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, Some(0));
        all += &["$ floundr ", &args.join(" "), "\n", &ran.stdout, "\n"].concat();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/help.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &all).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert!(all == expected, "the help has changed to:\n{all}");
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
