//! `floundr du`.

use crate::support::{Home, sha256};
use serde_json::json;

#[test]
fn it_tells_own_shared_and_garbage_bytes_of_each_repository() {
    let home = Home::new();
    let layer = vec![1; 100_000];
    let digest = sha256(&layer);
    let server = home.serve(&[]);
    server.push("a", &digest, &layer);
    server.push("team/b", &digest, &layer);
    server.push_image("a", "v1", &[(&digest, layer.len())]);
    let there = home.run(&["du", "--json"]);
    assert!(there.json()["store"]["free_bytes"].is_u64());
    let there = there.lasting_json();
    let repository = |name: &str, [blobs, manifests, tags, own, garbage]: [u64; 5]| {
        json!({
            "name": name,
            "blobs": blobs,
            "manifests": manifests,
            "tags": tags,
            "own_bytes": own,
            "shared_bytes": 100_000,
            "garbage_bytes": garbage,
            "unreadable": 0,
        })
    };
    assert_eq!(
        there,
        json!({
            "repositories": [
                repository("a", [2, 1, 1, 2, 0]),
                repository("team/b", [1, 0, 0, 0, 100_000]),
            ],
            "store": {
                "logical_bytes": 200_002,
                "stored_bytes": 100_002,
                "garbage_bytes": 100_000,
                "waiting_bytes": 0,
                "uploads": 0,
                "upload_bytes": 0,
            },
        })
    );
    let text = home.run(&["du"]).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "REPOSITORY  BLOBS  MANIFESTS  TAGS  OWN    SHARED   GARBAGE",
            "a               2          1     1  2 B  97.6 KiB       0 B",
            "team/b          1          0     0  0 B  97.6 KiB  97.6 KiB",
        ]
    );
    assert_eq!(lines[4], "store");
    server.stop();
    assert_eq!(home.run(&["du", "--json"]).lasting_json(), there);
}

#[test]
fn without_a_store_it_says_so() {
    let home = Home::new();
    let ran = home.run(&["du"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.starts_with("error: there is no store in "),
        "{}",
        ran.stderr
    );
}
