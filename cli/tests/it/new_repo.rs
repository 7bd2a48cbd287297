//! `floundr new-repo`.

use crate::support::Home;

#[test]
fn a_repository_is_created_once_and_listed_by_the_server() {
    let home = Home::new();
    let ran = home.run(&["new-repo", "team/app"]);
    assert_eq!(
        ran.stdout, "created repository team/app\n",
        "{}",
        ran.stderr
    );
    assert_eq!(ran.code, Some(0));

    let again = home.run(&["new-repo", "team/app", "--public"]);
    assert_eq!(
        again.stdout,
        "repository team/app exists already\nanyone may pull from it\n"
    );
    assert_eq!(again.code, Some(0));

    let listed = home.serve(&[]).request("GET", "/v2/_catalog");
    assert!(
        listed.ends_with("{\"repositories\":[\"team/app\"]}"),
        "{listed}"
    );
}

#[test]
fn a_name_outside_the_grammar_is_refused() {
    let ran = Home::new().run(&["new-repo", "Team"]);
    assert_eq!(ran.code, Some(2));
    let expected = "error: repository name \"Team\" does not match the specification's grammar\n";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn a_running_server_makes_the_repository() {
    let home = Home::new();
    let server = home.serve(&[]);
    let ran = home.run(&["new-repo", "team/app", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({ "name": "team/app", "created": true })
    );
    let listed = server.request("GET", "/v2/_catalog");
    assert!(
        listed.ends_with("{\"repositories\":[\"team/app\"]}"),
        "{listed}"
    );
    let again = home.run(&["new-repo", "team/app"]);
    assert_eq!(again.stdout, "repository team/app exists already\n");
}
