//! `floundr gc`.

use crate::support::{Home, files, sha256};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn with_and_without_a_server_the_answer_is_the_same() {
    let home = Home::new();
    assert_eq!(home.run(&["new-repo", "a"]).code, Some(0));
    let here = home.run(&["gc", "--json"]);
    let server = home.serve(&[]);
    let there = home.run(&["gc", "--json"]);
    for ran in [&here, &there] {
        let report = ran.json();
        for (field, value) in report.as_object().unwrap() {
            let expected = match field.as_str() {
                "complete" => json!(true),
                "dry_run" | "held" => json!(false),
                _ => json!(0),
            };
            assert_eq!(*value, expected, "{field}");
        }
    }
    let text = home.run(&["gc"]);
    assert!(
        text.stdout.starts_with("collected what was due\n"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("gc_grace"), "{}", text.stdout);
    drop(server);
}

/// The items of a dry run that takes what nothing links, whatever its grace, once there is one.
fn planned(home: &Home) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let plan = home
            .run(&["gc", "--dry-run", "--grace", "0s", "--json"])
            .lasting_json();
        if plan["items"] != json!([]) {
            return plan;
        }
        assert!(Instant::now() < deadline, "its lease does not end");
    }
}

#[test]
fn a_dry_run_lists_what_a_run_takes_and_a_pause_keeps_it() {
    let home = Home::new();
    home.write("floundr.toml", "lease = \"1s\"\ngc_grace = \"7d\"\n");
    let content = vec![7; 100_000];
    let digest = sha256(&content);
    let server = home.serve(&[]);
    server.push("team/app", &digest, &content);
    let there = planned(&home);
    let item = json!({
        "repository": "team/app",
        "digest": digest,
        "size": 100_000,
        "frees": true,
        "reason": "unlinked",
    });
    assert_eq!(there["items"], json!([item]));
    assert_eq!(there["report"]["bytes"], 100_000);
    let text = home.run(&["gc", "--dry-run", "--grace", "0s"]).stdout;
    let expected = format!("  97.6 KiB  {digest}  team/app: nothing has linked it for ");
    assert!(text.starts_with(&expected), "{text}");
    let text = home.run(&["gc", "--dry-run"]).stdout;
    assert!(
        text.starts_with("this is what floundr gc would do now\n"),
        "{text}"
    );

    let paused = home.run(&["gc", "pause", "--json"]).json();
    assert_eq!(paused["paused"], true);
    let refused = home.run(&["gc", "--grace", "0s"]);
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.stderr,
        "error: collection is paused: floundr gc resume ends that\n"
    );
    server.stop();

    // All the same without a server, and over a restart.
    assert_eq!(planned(&home), there);
    assert_eq!(home.run(&["gc", "status", "--json"]).json()["paused"], true);
    assert_eq!(home.run(&["gc", "--grace", "0s"]).code, Some(1));
    assert_eq!(files(&home.path().join("storage/blobs")).len(), 1);
    let text = home.run(&["gc", "resume"]).stdout;
    assert_eq!(text, "collection goes on\n");
    let report = home.run(&["gc", "--grace", "0s", "--json"]).json();
    assert_eq!(
        (&report["removed"], &report["bytes"]),
        (&json!(1), &json!(100_000))
    );
    let files = files(&home.path().join("storage/blobs"));
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_status_and_the_orders_are_the_same_with_and_without_a_server() {
    let home = Home::new();
    assert_eq!(home.run(&["new-repo", "a"]).code, Some(0));
    let server = home.serve(&[]);
    let mut answers = Vec::new();
    for server in [Some(server), None] {
        for (args, said) in [
            (
                ["gc", "pause"],
                "collection is paused, over restarts too, until floundr gc resume\n",
            ),
            (["gc", "status"], "collector\n  state  "),
            (["gc", "resume"], "collection goes on\n"),
        ] {
            let ran = home.run(&args);
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert!(
                words(&ran.stdout).starts_with(&words(said)),
                "{}",
                ran.stdout
            );
            if args[1] == "status" {
                assert!(
                    ran.stdout.contains("paused; floundr gc resume ends that"),
                    "{}",
                    ran.stdout
                );
            }
        }
        let mut status = home.run(&["gc", "status", "--json"]).lasting_json();
        // A store that was opened just now may not have looked for them yet.
        status["orphans_searched"] = Value::Null;
        answers.push(status);
        if let Some(server) = server {
            server.stop();
        }
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["phase"], "idle");
    assert_eq!(answers[0]["last_run"], Value::Null);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_opened() {
    let home = Home::new();
    for (args, said) in [
        (&["gc", "--grace", "soon"][..], "--grace is \"soon\": "),
        (
            &["gc", "--dry-run", "status"],
            "--dry-run, --empty-trash and --grace are for floundr gc alone",
        ),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn what_is_due_goes() {
    let home = Home::new();
    let content = vec![7; 100_000];
    let digest = sha256(&content);
    let server = home.serve(&["--gc-grace", "0s"]);
    server.push("a", &digest, &content);
    let deleted = server.request("DELETE", &format!("/v2/a/blobs/{digest}"));
    assert!(deleted.starts_with("HTTP/1.1 202"), "{deleted}");
    let ran = home.run(&["gc"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let files = files(&home.path().join("storage/blobs"));
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
}

#[test]
fn without_a_store_it_says_so_and_makes_none() {
    let home = Home::new();
    let ran = home.run(&["gc"]);
    assert_eq!(ran.code, Some(1));
    let root = home.path().join("storage");
    let expected = format!("error: there is no store in {}", root.display());
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    assert!(!root.exists());
}
