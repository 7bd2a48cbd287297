//! `floundr undelete`: what a client deleted comes back, with and without a server.

use crate::support::{Home, Server};
use serde_json::json;

fn has(server: &Server, reference: &str) -> bool {
    let path = format!("/v2/team/app/manifests/{reference}");
    server.request("HEAD", &path).starts_with("HTTP/1.1 200")
}

#[test]
fn a_deleted_manifest_comes_back_with_its_tags_and_a_tag_names_what_it_named() {
    let home = Home::new();
    let server = home.serve(&[]);
    let digest = server.push_image("team/app", "v1", &[]);
    let path = format!("/v2/team/app/manifests/{digest}");
    assert!(server.request("DELETE", &path).starts_with("HTTP/1.1 202"));
    assert!(!has(&server, "v1"));
    let listed = home.run(&["undelete", "--list", "team/app", "--json"]);
    let item = &listed.json()["items"][0];
    assert_eq!(
        (&item["digest"], &item["tags"]),
        (&json!(digest), &json!(["v1"]))
    );
    let text = home.run(&["undelete", "--list", "team/app"]).stdout;
    assert!(
        text.contains("RESTORABLE FOR") && text.contains(&digest),
        "{text}"
    );
    let restored = home.run(&["undelete", &format!("team/app@{digest}")]);
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    assert!(
        restored.stdout.contains("tag v1 names it"),
        "{}",
        restored.stdout
    );
    assert!(has(&server, "v1"));
    let tag = server.request("DELETE", "/v2/team/app/manifests/v1");
    assert!(tag.starts_with("HTTP/1.1 202"), "{tag}");
    server.stop();
    // Without a server.
    let restored = home.run(&["undelete", "team/app:v1", "--json"]).json();
    assert_eq!(restored["digest"], json!(digest));
    assert!(has(&home.serve(&[]), "v1"));
}

#[test]
fn what_cannot_be_restored_is_named() {
    let home = Home::new();
    assert_eq!(home.run(&["new-repo", "team/app"]).code, Some(0));
    let digest = format!("sha256:{}", "0".repeat(64));
    for what in ["team/app:v1", "team/other", &format!("team/app@{digest}")] {
        let ran = home.run(&["undelete", what]);
        assert_eq!(ran.code, Some(1), "{what}");
        let name = what.split([':', '@']).next().unwrap();
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    for what in ["Team", "team/app@sha256:12", "team/app:"] {
        let ran = home.run(&["undelete", what]);
        assert_eq!(ran.code, Some(2), "{what}");
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    }
    let none = home.run(&["undelete"]);
    assert_eq!(none.stdout, "nothing can be restored here\n");
}
