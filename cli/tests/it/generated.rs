//! `floundr completions` and `floundr man`.

use crate::support::Home;
use std::collections::BTreeSet;

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = home.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        for word in ["floundr", "undelete", "hard-links"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(home.run(&["completions", "cmd"]).code, Some(2));
}

#[test]
fn bash_completes_what_was_begun() {
    let home = Home::new();
    let script = home.run(&["completions", "bash"]).stdout;
    let script = home.write("floundr.bash", &script).display().to_string();
    let complete = |words: &str| {
        let ask = format!(
            "source {script}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _floundr floundr \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = std::process::Command::new("bash");
        let ran = bash.args(["-c", &ask]).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(complete("floundr unde"), "undelete\n");
    assert_eq!(complete("floundr gc pau"), "pause\n");
    assert_eq!(complete("floundr backup --hard"), "--hard-links\n");
    assert_eq!(complete("floundr user dis"), "disable\n");
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let ran = home.run(&["man", "share/man1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let written = std::fs::read_dir(home.path().join("share/man1")).unwrap();
    let written: BTreeSet<_> = written
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in [
        "floundr.1",
        "floundr-gc.1",
        "floundr-gc-pause.1",
        "floundr-man.1",
    ] {
        assert!(written.contains(page), "{page}: {written:?}");
    }
    let page = std::fs::read_to_string(home.path().join("share/man1/floundr-backup.1")).unwrap();
    assert!(page.contains("\\-\\-hard\\-links"), "{page}");
}

#[test]
fn settings_that_cannot_be_used_are_not_in_their_way() {
    let home = Home::new();
    home.write("floundr.toml", "port = true\n");
    assert_eq!(home.run(&["completions", "zsh"]).code, Some(0));
    assert_eq!(home.run(&["man", "pages"]).code, Some(0));
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let home = Home::new();
    home.write("file", "");
    let ran = home.run(&["man", "file/pages"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("cannot write into file/pages"),
        "{}",
        ran.stderr
    );
}
