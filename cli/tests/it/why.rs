//! `floundr why`.

use crate::support::{Home, sha256};
use serde_json::{Value, json};

/// Who holds a layer of one manifest in `a` that is in `b` as well, without the times.
fn holders(digest: &str, manifest: &str) -> Value {
    json!([
        {
            "repository": "a",
            "deleted": false,
            "manifest": null,
            "garbage": null,
            "edges_that_keep": 1,
            "edges": [{
                "source": manifest,
                "reason": "layer",
                "target": digest,
                "keeps": true,
                "source_deleted": false,
                "damaged": false,
            }],
            "more_edges": false,
            "tags": [{ "tag": "v1", "manifest": manifest }],
            "more_tags": false,
        },
        {
            "repository": "b",
            "deleted": false,
            "manifest": null,
            "garbage": {},
            "edges_that_keep": 0,
            "edges": [],
            "more_edges": false,
            "tags": [],
            "more_tags": false,
        },
    ])
}

#[test]
fn it_names_what_keeps_a_blob_and_says_when_the_rest_goes() {
    let home = Home::new();
    let layer = vec![1; 100_000];
    let digest = sha256(&layer);
    let server = home.serve(&[]);
    server.push("a", &digest, &layer);
    server.push("b", &digest, &layer);
    let manifest = server.push_image("a", "v1", &[(&digest, layer.len())]);

    let there = home.run(&["why", &digest, "--json"]);
    let blob = &there.json()["blob"];
    assert_eq!(
        (&blob["size"], &blob["file"]),
        (&json!(100_000), &json!("blob"))
    );
    let there = there.lasting_json();
    assert_eq!(there["holders"], holders(&digest, &manifest));
    let text = home.run(&["why", &digest]).stdout;
    let lines: Vec<_> = text.lines().collect();
    let head = format!("{digest}: 97.6 KiB in blob file ");
    assert!(lines[0].starts_with(&head), "{text}");
    let middle = [
        "a: kept by one manifest".to_owned(),
        format!("  {manifest} has {digest} as layer"),
        format!("  tag v1 names {manifest}"),
    ];
    assert_eq!(lines[1..4], middle);
    assert!(
        lines[4].starts_with("b: nothing has linked it for "),
        "{text}"
    );
    assert!(lines[4].contains("; goes in "), "{text}");
    assert_eq!(lines.len(), 5);

    let text = home.run(&["why", &manifest]).stdout;
    assert!(
        text.contains("a: stays until it is deleted, a manifest of type "),
        "{text}"
    );
    server.stop();
    assert_eq!(home.run(&["why", &digest, "--json"]).lasting_json(), there);
}

#[test]
fn what_nobody_holds_and_what_is_no_digest_is_named() {
    let home = Home::new();
    assert_eq!(home.run(&["new-repo", "a"]).code, Some(0));
    let digest = sha256(b"nothing");
    let expected = format!("error: no repository holds {digest}, as a blob or as a manifest\n");
    let here = home.run(&["why", &digest]);
    let server = home.serve(&[]);
    let there = home.run(&["why", &digest]);
    for ran in [here, there] {
        assert_eq!((ran.code, ran.stderr), (Some(1), expected.clone()));
    }
    drop(server);
    let ran = home.run(&["why", "latest"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.starts_with("error: DIGEST is \"latest\": "),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_deleted_manifest_keeps_its_blobs_until_the_trash_is_emptied() {
    let home = Home::new();
    let layer = vec![1; 100_000];
    let digest = sha256(&layer);
    let server = home.serve(&[]);
    server.push("a", &digest, &layer);
    let manifest = server.push_image("a", "v1", &[(&digest, layer.len())]);
    let deleted = server.request("DELETE", &format!("/v2/a/manifests/{manifest}"));
    assert!(deleted.starts_with("HTTP/1.1 202"), "{deleted}");
    let text = home.run(&["why", &digest]).stdout;
    let expected =
        format!("{manifest} has {digest} as layer (it was deleted, and can be restored for ");
    assert!(text.contains(&expected), "{text}");
    let text = home.run(&["why", &manifest]).stdout;
    let expected = "a: a manifest (it was deleted, and can be restored for ";
    assert!(text.contains(expected), "{text}");

    let args = ["gc", "--empty-trash", "--json"];
    assert_eq!(home.run(&args).json()["purged_manifests"], 1);
    let text = home.run(&["why", &digest]).stdout;
    assert!(text.contains("a: nothing has linked it for "), "{text}");
    assert_eq!(home.run(&["why", &manifest]).code, Some(1));
}

#[test]
fn more_holders_than_a_page_has_are_all_listed() {
    let home = Home::new();
    home.write("floundr.toml", "log_level = \"off\"\n");
    let content = b"shared by many";
    let digest = sha256(content);
    let server = home.serve(&[]);
    for number in 0..501 {
        server.push(&format!("r{number}"), &digest, content);
    }
    let why: Value = home.run(&["why", &digest, "--json"]).json();
    let holders = why["holders"].as_array().unwrap();
    let last = holders.last().unwrap();
    assert_eq!((holders.len(), &last["repository"]), (501, &json!("r500")));
    assert!(why.get("next").is_none());
}
