//! Tests: the screens as they look, and what keys, answers and events do to them.

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{Pilot, not_there, page, pictures};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

fn collector(phase: &str, paused: bool) -> Value {
    json!({
        "phase": phase, "paused": paused, "blobs_per_second": 100, "bytes_per_second": 52_428_800,
        "due": 40, "done": 10, "bytes": 1_000_000, "eta_ms": 90_000, "candidates": 120, "waiting": 3,
        "damaged": 1, "damaged_rows": [{ "table": "manifests", "key": "team/app", "why": "is \u{1b}[2Jtorn" }],
        "orphan_files": 2, "orphans_searched": true, "last_error": null,
        "last_run": { "ended_ms_ago": 180_000, "report": report(12) },
    })
}

fn report(removed: u64) -> Value {
    json!({
        "unlinked": 4, "removed": removed, "bytes": 3_565_158, "purged_manifests": 0, "expired_uploads": 1,
        "expired_bytes": 0, "orphan_files": 0, "damaged": 0, "failed": 0, "held": false, "complete": true,
        "dry_run": false,
    })
}

fn check(running: bool, bytes: u64) -> Value {
    json!({
        "running": running, "paused": false, "blobs_done": 250, "blobs": 1000, "bytes": bytes, "found": 0,
        "quarantined": 0, "remaining_ms": 600_000,
    })
}

fn store() -> Value {
    json!({
        "logical_bytes": 20_000_000_000_u64, "stored_bytes": 12_000_000_000_u64, "garbage_bytes": 900_000_000,
        "waiting_bytes": 10_000_000, "uploads": 2, "upload_bytes": 5_000_000, "free_bytes": 80_000_000_000_u64,
    })
}

fn repository(name: &str, own: u64) -> Value {
    json!({
        "name": name, "blobs": 30, "manifests": 4, "tags": 6, "own_bytes": own, "shared_bytes": 1_000_000,
        "garbage_bytes": 5_000, "unreadable": 0,
    })
}

fn usage() -> Value {
    let many = (1..30).map(|id| repository(&format!("team/app-{id}"), id * 40_000_000));
    json!({ "store": store(), "repositories": many.collect::<Vec<_>>(), "next": null })
}

fn plan() -> Value {
    let item = |id: u64, repository: &str| {
        json!({
            "repository": repository, "digest": format!("sha256:{id:064x}"), "size": id * 1_000_000, "frees": id & 1 == 1,
            "reason": if id.is_multiple_of(5) { "repository-deleted" } else { "unlinked" }, "unlinked_for_ms": 7_200_000,
            "due_for_ms": 60_000,
        })
    };
    page((1..30).map(|id| item(id, "team/app")).collect())
}

fn why() -> Value {
    json!({
        "digest": DIGEST,
        "blob": { "size": 3_000_000, "damaged": false, "file": "segment", "number": 7, "offset": 4096 },
        "holders": [
            { "repository": "team/app", "deleted": false, "manifest": null, "restorable_for_ms": null, "garbage": null,
              "edges_that_keep": 2, "more_edges": true, "more_tags": false,
              "edges": [{ "source": OTHER, "reason": "layer", "target": DIGEST, "keeps": true, "source_deleted": false,
                          "source_restorable_for_ms": null, "damaged": false }],
              "tags": [{ "tag": "v1", "manifest": OTHER }] },
            { "repository": "team/old", "deleted": false, "manifest": null, "restorable_for_ms": null,
              "garbage": { "unlinked_for_ms": 3_600_000, "leased_for_ms": 600_000, "due_in_ms": 7_200_000 },
              "edges_that_keep": 0, "edges": [], "more_edges": false, "tags": [], "more_tags": false },
        ],
        "next": null,
    })
}

fn fake(request: &Request) -> Result<Value, Failure> {
    let path = request.path.split('?').next().unwrap();
    match (request.method.as_str(), path) {
        ("GET", "/usage") => Ok(usage()),
        ("GET", "/gc") => Ok(collector("blobs", false)),
        ("GET", "/check") => Ok(check(true, 5_000_000_000)),
        ("GET", "/backup") => Ok(
            json!({ "phase": "idle", "directory": null, "blobs": 0, "all_blobs": 0, "moved_bytes": 0, "kept_bytes": 0 }),
        ),
        ("GET", "/gc/plan") => Ok(plan()),
        ("GET", path) if path.starts_with("/digests/sha256%3A9f") => Ok(why()),
        ("POST", "/gc") => Ok(report(7)),
        ("POST", "/gc/pause") => Ok(collector("idle", true)),
        ("POST", "/gc/resume") => Ok(collector("idle", false)),
        _ => not_there(request),
    }
}

fn refused(status: u16, detail: &str) -> Result<Value, Failure> {
    Err(Failure::Refused {
        status,
        detail: detail.to_owned(),
    })
}

#[test]
fn the_storage_screen_looks_like_this() {
    pictures!("storage", "gs", fake);
}

#[test]
fn what_a_collection_would_take_looks_like_this() {
    pictures!("storage-plan", "gsC", fake);
}

#[test]
fn what_keeps_a_digest_looks_like_this() {
    pictures!("storage-why", &format!(":why {DIGEST}<enter>"), fake);
}

#[test]
fn the_form_of_a_collection_looks_like_this() {
    pictures!("storage-collect", "gsc", fake);
}

#[test]
fn a_collection_runs_with_the_grace_that_was_filled_in_and_tells_its_numbers() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gsc1h30m<enter><enter>");
    pilot.has_asked(r#"POST /gc {"dry_run":false,"empty_trash":false,"grace_ms":5400000}"#);
    pilot.sees("collection: 7 blobs removed, 3.3 MiB given back");
    pilot.keys("<tab><enter>");
    pilot.sees("blobs that left a repository: 4");
    pilot.sees("damaged: manifests team/app: is \u{fffd}[2Jtorn");
}

#[test]
fn a_grace_that_is_none_is_said_in_the_form_and_nothing_is_sent() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gscsoon<c-s>");
    pilot.sees("grace is not a duration");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_long_collection_leaves_the_screen_usable_and_is_told_when_it_ends() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gs");
    pilot.is_slow = true;
    pilot.keys("c<c-s>j");
    pilot.wait(65_000);
    pilot.sees("goes on for 1 min; Ctrl-c");
    pilot.keys("c");
    pilot.sees("a collection that was started here goes on");
    pilot.keys("gp");
    pilot.is_slow = false;
    pilot.answer();
    pilot.sees("collection: 7 blobs removed");
    pilot.keys("gs");
    pilot.sees("7 blobs removed");
}

#[test]
fn a_check_that_is_cancelled_is_said_to_have_ended() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gs");
    pilot.is_slow = true;
    pilot.keys("v <tab>50MiB<c-s>");
    pilot.has_asked(r#"POST /check {"bytes_per_second":52428800,"repair":true}"#);
    pilot.keys("<c-c>");
    pilot.keys("<tab><tab><enter>");
    pilot.sees("stopped waiting for the server: the server ends a check whose client");
}

#[test]
fn what_a_check_found_is_told_one_by_one() {
    let mut pilot = Pilot::new(|request: &Request| match request.path.as_str() {
        "/check" if request.method == "POST" => Ok(json!({
            "clean": false, "rows": 9, "blobs": 5, "bytes": 4096, "files": 3, "found": 2, "repaired": 0, "quarantined": 1,
            "findings": [{ "digest": DIGEST, "place": "segment 3", "what": "bytes differ", "done": "quarantined" }],
        })),
        _ => fake(request),
    });
    pilot.keys("gsv<c-s>");
    pilot.sees("found 2, repaired 0, not served 1");
    pilot.keys("<tab><tab><enter>");
    pilot.sees("segment 3: bytes differ (not served any more)");
    pilot.sees("and 1 more");
}

#[test]
fn the_trash_is_emptied_only_after_the_word_was_typed() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gsxy<enter>");
    pilot.sees("that is not empty");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("<backspace>empty<enter>");
    pilot.has_asked(r#"POST /gc {"dry_run":false,"empty_trash":true,"grace_ms":null}"#);
}

#[test]
fn the_switch_that_empties_the_trash_is_asked_for_once_more() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gsc0<enter><space><c-s>");
    pilot.sees("Type empty");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("empty<enter>");
    pilot.has_asked(r#"POST /gc {"dry_run":false,"empty_trash":true,"grace_ms":0}"#);
}

#[test]
fn a_pause_is_seen_and_resumed_and_a_refusal_while_it_lasts_is_told() {
    let is_paused = Rc::new(RefCell::new(false));
    let mut pilot = Pilot::new(move |request: &Request| {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/gc") => Ok(collector("idle", *is_paused.borrow())),
            ("POST", "/gc/pause") => {
                *is_paused.borrow_mut() = true;
                Ok(collector("idle", true))
            }
            ("POST", "/gc") if *is_paused.borrow() => {
                refused(409, "collection is paused: resume ends that")
            }
            _ => fake(request),
        }
    });
    pilot.keys("gsp");
    pilot.has_asked("POST /gc/pause {}");
    pilot.sees("paused; p resumes");
    pilot.keys("c<c-s>");
    pilot.sees("collection is paused: resume ends that");
    // The form comes back with what the server said to it.
    pilot.keys("c");
    pilot.sees("collection is paused: resume ends that");
    pilot.keys("<esc>p");
    pilot.has_asked("POST /gc/resume {}");
    pilot.sees("waiting for what is due");
}

#[test]
fn a_backup_is_polled_and_what_was_typed_survives_a_refusal() {
    let polled = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&polled);
    let mut pilot = Pilot::new(move |request: &Request| {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/backup") => {
                *seen.borrow_mut() += 1;
                Ok(
                    json!({ "phase": "blobs", "directory": "/mnt", "blobs": 4, "all_blobs": 9, "moved_bytes": 2048, "kept_bytes": 0 }),
                )
            }
            ("POST", "/backup") => refused(409, "/mnt/b is no backup: name an empty directory"),
            _ => fake(request),
        }
    });
    pilot.keys("gs");
    pilot.sees("blobs: 4 of 9 blobs");
    let before = *polled.borrow();
    pilot.wait(1_000);
    pilot.wait(10);
    assert_eq!(*polled.borrow(), before + 1);
    pilot.keys("b<c-s>");
    pilot.sees("a backup needs a directory");
    pilot.keys("/mnt/b<c-s>");
    pilot.has_asked(r#"POST /backup {"directory":"/mnt/b","hard_links":false,"verify":false}"#);
    pilot.sees("/mnt/b is no backup: name an em");
    pilot.keys("b");
    pilot.sees("directory   /mnt/b");
}

#[test]
fn the_repository_that_holds_most_is_the_first_and_enter_goes_into_it() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gs<enter>");
    pilot.sees("Storage \u{203a} team/app-29");
}

#[test]
fn events_change_what_is_seen() {
    let hidden = Rc::new(RefCell::new(true));
    let is_hidden = Rc::clone(&hidden);
    let mut pilot = Pilot::new(move |request: &Request| {
        if request.path.starts_with("/usage") && *is_hidden.borrow() {
            return Ok(json!({ "store": store(), "repositories": [], "next": null }));
        }
        fake(request)
    });
    pilot.keys("gs");
    pilot.sees("there are no repositories");
    *hidden.borrow_mut() = false;
    pilot.hear("push", json!({ "repository": "team/app-29" }));
    pilot.wait(1_000);
    pilot.sees("team/app-29");
    let gc = json!({ "phase": "space", "paused": false, "candidates": 5, "waiting": 1, "last_ended_ms_ago": 5_000 });
    pilot.hear(
        "status",
        json!({ "gc": gc, "check": check(true, 5_010_000_000), "store": store() }),
    );
    pilot.wait(2_000);
    pilot.hear(
        "status",
        json!({ "gc": gc, "check": check(true, 5_110_000_000), "store": store() }),
    );
    pilot.sees("47.6 MiB/s");
}

#[test]
fn who_is_no_administrator_sees_the_servers_words() {
    let mut pilot =
        Pilot::new(|_: &Request| refused(403, "only an administrator of the server may do this"));
    pilot.keys("gs");
    pilot.sees("only an administrator of the server");
    pilot.keys("c<c-s>");
    pilot.sees("only an administrator of the server");
    pilot.keys("C");
    pilot.sees("only an administrator of the server");
}

#[test]
fn what_was_refused_is_not_asked_for_again_by_itself() {
    let mut pilot =
        Pilot::new(|_: &Request| refused(403, "only an administrator of the server may do this"));
    pilot.keys("gsCgrtgage");
    pilot.wait(1_000);
    let before = pilot.asked.len();
    let status = json!({ "gc": { "phase": "blobs" }, "check": { "running": true }, "store": {} });
    for kind in ["push", "delete", "repository", "gc", "check", "key"] {
        pilot.hear("status", status.clone());
        pilot.hear(kind, json!({ "object": "team/app" }));
        pilot.wait(600_000);
    }
    assert_eq!(pilot.asked[before..], Vec::<String>::new());
    pilot.keys("gsR");
    assert!(pilot.asked.len() > before);
}

#[test]
fn a_plan_is_collected_after_a_yes_and_its_rows_lead_to_why() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gsCcn");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("cy");
    pilot.has_asked(r#"POST /gc {"dry_run":false,"empty_trash":false,"grace_ms":null}"#);
    pilot.sees("collection: 7 blobs removed");
    pilot.keys("yw");
    assert_eq!(pilot.copied(), [format!("sha256:{:064x}", 1)]);
    pilot.sees("is not there");
}

#[test]
fn a_collection_that_was_begun_from_a_plan_goes_on_while_one_looks_elsewhere() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gsC");
    pilot.is_slow = true;
    pilot.keys("cy");
    pilot.sees_no("y: do it");
    pilot.sees("goes on while you look elsewhere");
    pilot.keys("<esc>");
    pilot.sees("Collector");
    pilot.answer();
    pilot.sees("collected what was due");
}

#[test]
fn why_says_who_holds_a_digest_and_leads_to_it() {
    let mut pilot = Pilot::new(fake);
    pilot.keys(&format!(":why {DIGEST}<enter>"));
    pilot.sees("2.8 MiB in segment file 7");
    pilot.sees("kept in 2 places of manifests");
    pilot.sees("tag v1 names sha256:60303ae22b99");
    pilot.keys("j");
    pilot.sees("goes in 2h (clients may rely on it for 10m)");
    pilot.keys("<enter>");
    pilot.sees("team/old");
    let mut pilot = Pilot::new(|_: &Request| refused(404, "no repository holds sha256:00"));
    pilot.keys(":why<enter>");
    pilot.sees(":why needs a digest");
    pilot.keys(":why sha256:00<enter>");
    pilot.sees("no repository holds sha256:00");
}

#[test]
fn no_terminal_is_too_small_and_nothing_is_missing_when_fields_are() {
    for nothing in [
        json!({}),
        Value::Null,
        json!({ "items": [{}], "repositories": [{ "name": "" }], "holders": [{ "repository": "" }] }),
    ] {
        let mut pilot = Pilot::new(move |_: &Request| Ok(nothing.clone()));
        for keys in [
            "gs",
            "<tab>",
            "<tab>",
            "<tab>",
            "C",
            "<esc>:why x<enter>",
            "<tab>",
        ] {
            pilot.keys(keys);
            for (width, height) in [(20, 5), (1, 1), (2, 30), (300, 3), (500, 200)] {
                pilot.resize(width, height);
                drop(pilot.screen());
            }
            pilot.resize(80, 24);
            pilot.sees("floundr home");
        }
    }
}
