//! The commands about repositories, tags, manifests, uploads and the audit log against the real thing.

use crate::support::{Home, PASSWORD, sha256};
use serde_json::Value;

#[track_caller]
fn prints(home: &Home, line: &str, expected: &str) {
    let args: Vec<_> = line.split(' ').collect();
    let ran = home.run(&args);
    assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
    assert!(ran.stdout.contains(expected), "{line}: {}", ran.stdout);
}

fn json(home: &Home, line: &str) -> Value {
    let args: Vec<_> = line.split(' ').chain(["--json"]).collect();
    home.run(&args).json()
}

#[test]
fn repositories_tags_and_manifests_are_managed_with_and_without_a_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let layer = vec![3; 3000];
    let digest = sha256(&layer);
    server.push("team/app", &digest, &layer);
    let manifest = server.push_image("team/app", "v1", &[(&digest, layer.len())]);
    let named = format!("team/app@{manifest}");

    prints(&home, "repo list --filter app", "team/app");
    prints(&home, "repo list --filter nothing", "there are none");
    prints(
        &home,
        "repo create team/other",
        "created repository team/other",
    );
    prints(
        &home,
        &format!("tag set team/app:v2 {manifest}"),
        "team/app:v2 names sha256:",
    );
    prints(&home, "tag history team/app:v2", "set    sha256:");
    prints(&home, "tag list team/app --filter 2", "v2   sha256:");
    prints(&home, "manifest list team/app", "v1,v2");
    prints(&home, "manifest show team/app:v1", &digest);
    prints(&home, &format!("manifest show {named}"), "2.9 KiB");
    prints(
        &home,
        "tag delete team/app:v2 --yes",
        "deleted tag team/app:v2",
    );

    let (tags, manifests) = ("tag list team/app", "manifest list team/app");
    let before = [
        json(&home, tags),
        json(&home, manifests),
        json(&home, "repo show team/app"),
    ];
    server.stop();
    let after = [
        json(&home, tags),
        json(&home, manifests),
        json(&home, "repo show team/app"),
    ];
    assert_eq!(before, after, "the same handlers answer");

    prints(
        &home,
        &format!("manifest delete {named} --yes"),
        "restores it",
    );
    prints(&home, &format!("undelete {named}"), "restored");
    prints(
        &home,
        "repo delete team/app --yes",
        "deleted repository team/app",
    );
    prints(&home, "undelete team/app", "restored repository team/app");
    prints(&home, "tag list team/app", "v1");
    let ran = home.run(&["tag", "list", "team/nothing"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("team/nothing"), "{}", ran.stderr);
}

#[test]
fn a_repository_has_a_rule_of_its_own() {
    let home = Home::new();
    prints(
        &home,
        "new-repo team/app --public",
        "anyone may pull from it",
    );
    prints(
        &home,
        "repo show team/app",
        "public, no quota, no immutable tags",
    );
    prints(
        &home,
        "repo set team/app --quota 1MiB --immutable-tags v*",
        "quota 1.0 MiB, immutable tags v*",
    );
    prints(
        &home,
        "repo set team/app --private",
        "not public, quota 1.0 MiB",
    );
    prints(&home, "rule list", "team/app");
    prints(
        &home,
        "new-repo team/app --public",
        "exists already\nanyone may pull from it",
    );
    prints(&home, "repo list", "team/app    yes");
}

#[test]
fn an_unfinished_upload_is_listed_and_cancelled() {
    let home = Home::new();
    let server = home.serve(&[]);
    let started = server.request("POST", "/v2/team/app/blobs/uploads/");
    let location = started
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap();
    let answer = server.patch(location, b"0123456789");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let listed = json(&home, "upload list");
    let upload = &listed["items"][0];
    assert_eq!(upload["offset_bytes"], 10);
    prints(&home, "upload list", "10 B");
    let id = upload["id"].as_str().unwrap();
    prints(
        &home,
        &format!("upload cancel {id} --yes"),
        "cancelled upload",
    );
    prints(&home, "upload list", "there are none");
    let ran = home.run(&["upload", "cancel", id, "--yes"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(id), "{}", ran.stderr);
}

#[test]
fn the_audit_log_says_who_did_what_and_that_nothing_was_changed() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    let url = format!("http://{}", server.address);
    let key = format!("floundr_admin:{PASSWORD}");
    let args = [
        "new-user",
        "ann",
        "--password",
        "a good password",
        "--url",
        &url,
        "--key",
        &key,
    ];
    assert_eq!(home.run(&args).code, Some(0));
    prints(&home, "audit --actor floundr_admin --limit 5", "ann");
    prints(&home, "audit verify", "follow from one another");
    let records = json(&home, "audit --action user_create --since 1h");
    let record = &records["items"][0];
    assert!(
        record["from"].as_str().unwrap().starts_with("127."),
        "{record}"
    );
    assert!(!records.to_string().contains("good password"));
}
