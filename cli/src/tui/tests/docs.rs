//! The tables of keys in `docs/tui.md` are those of the program.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p floundr --bin floundr tui::tests::docs` writes them anew.

use crate::tui::keys::{Binding, sections};

const FROM: &str = "<!-- keys: written by a test, see cli/src/tui/tests/docs.rs -->\n";
const TO: &str = "<!-- end of keys -->\n";

/// One line of a table.
fn row(binding: &Binding) -> String {
    let keys: Vec<String> = binding
        .keys
        .split(' ')
        .map(|keys| format!("`{keys}`"))
        .collect();
    let command = match binding.command {
        "" => String::new(),
        command => format!("`:{command}`"),
    };
    format!("| {} | {command} | {} |\n", keys.join(" "), binding.help)
}

/// All tables.
fn tables() -> String {
    let mut text = String::new();
    for section in sections() {
        text += &["\n### ", section.name, "\n\n"].concat();
        text += "| keys | command | what it does |\n|---|---|---|\n";
        text.extend(section.bindings.iter().map(row));
    }
    text + "\n"
}

#[test]
fn the_keys_in_the_document_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tui.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(FROM).unwrap();
    let (_, behind) = rest.split_once(TO).unwrap();
    let expected = [before, FROM, &tables(), TO, behind].concat();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        document == expected,
        "the keys have changed; UPDATE_SNAPSHOTS=1 writes docs/tui.md anew:\n{}",
        tables()
    );
}
