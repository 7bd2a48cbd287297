//! `floundr migrate-fresh`.

use crate::support::{Home, sha256};

#[test]
fn what_was_there_is_gone_and_the_store_is_new() {
    let home = Home::new();
    let server = home.serve(&[]);
    let content = vec![7; 3_000_000];
    server.push("team/app", &sha256(&content), &content);
    let ran = home.run(&["migrate-fresh", "--yes"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("a server runs on"), "{}", ran.stderr);
    server.stop();

    let ran = home.run(&["migrate-fresh"]);
    assert_eq!(ran.code, Some(2), "there is nobody to ask");
    assert!(ran.stderr.contains("add --yes"), "{}", ran.stderr);

    let keepsake = home.write("storage/notes.txt", "not a store's");
    let ran = home.run(&["migrate-fresh", "--yes", "--json"]);
    let destroyed = &ran.json()["destroyed"];
    assert_eq!(destroyed["repositories"], 1);
    assert_eq!(destroyed["stored_bytes"], 3_000_000);
    assert!(keepsake.exists(), "only what a store consists of goes");
    let left = home.run(&["du", "--json"]).json();
    assert_eq!(left["repositories"], serde_json::json!([]));
    assert_eq!(left["store"]["stored_bytes"], 0);
}

#[test]
fn without_a_store_or_with_a_server_elsewhere_nothing_is_made_or_destroyed() {
    let home = Home::new();
    let ran = home.run(&["migrate-fresh", "--yes"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("there is no store in"),
        "{}",
        ran.stderr
    );
    assert!(!home.path().join("storage").exists());
    let ran = home.run(&["migrate-fresh", "--yes", "--url", "http://localhost:1"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("only what is on this machine"),
        "{}",
        ran.stderr
    );
}
