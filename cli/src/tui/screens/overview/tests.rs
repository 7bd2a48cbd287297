//! The overview: what is seen of a server that tells how it is, by whom, and where events lead.

use crate::tui::message::{Effect, Failure, Request};
use crate::tui::server::{Address, Server};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page, pictures};
use crate::tui::theme::{Look, Theme};
use ratatui::layout::Size;
use serde_json::{Value, json};

const UPTIME: u64 = 300_000_000;

/// A server that works: the third argument of each beat is what it counted until then.
fn status(beat: u64, counted: u64) -> Value {
    json!({
        "version": "0.1.0", "uptime_ms": UPTIME + beat * 2_000, "connections": 12,
        "requests_total": 120_000 + counted, "requests_in_flight": 3,
        "received_bytes": counted * 300_000, "sent_bytes": counted * 1_000_000, "uploads": 9,
        "store": {
            "logical_bytes": 31_000_000_000_u64, "stored_bytes": 24_000_000_000_u64,
            "garbage_bytes": 1_200_000_000, "waiting_bytes": 34_000_000, "uploads": 9,
            "upload_bytes": counted * 100_000, "free_bytes": 210_000_000_000_u64,
        },
        "gc": { "phase": "blobs", "paused": false, "candidates": 120, "waiting": 3, "last_ended_ms_ago": 7_200_000 },
        "check": {
            "running": true, "paused": false, "blobs_done": 1_200, "blobs": 4_800,
            "bytes": 6_000_000_000_u64 + beat * 250_000_000, "found": 0, "quarantined": 0, "remaining_ms": 190_000,
        },
    })
}

fn idle(beat: u64) -> Value {
    json!({
        "version": "0.1.0", "uptime_ms": UPTIME + beat * 2_000, "connections": 1, "requests_total": 7,
        "requests_in_flight": 0, "received_bytes": 0, "sent_bytes": 0, "uploads": 0,
        "store": {
            "logical_bytes": 0, "stored_bytes": 0, "garbage_bytes": 0, "waiting_bytes": 0, "uploads": 0,
            "upload_bytes": 0, "free_bytes": null,
        },
        "gc": { "phase": "idle", "paused": false, "candidates": 0, "waiting": 0, "last_ended_ms_ago": null },
        "check": {
            "running": false, "paused": false, "blobs_done": 0, "blobs": 0, "bytes": 0, "found": 0,
            "quarantined": 0, "remaining_ms": null,
        },
    })
}

/// A server that works.
fn busy() -> impl FnMut(&Request) -> Result<Value, Failure> {
    let mut reading = 0;
    move |request: &Request| {
        Ok(match request.path.split('?').next().unwrap_or_default() {
            "/status" => status(0, 0),
            "/gc" => json!({
                "phase": "blobs", "paused": false, "due": 340, "done": 85, "bytes": 1, "eta_ms": 95_000,
                "damaged": 0, "last_error": null,
                "last_run": { "ended_ms_ago": 7_200_000, "report": { "removed": 33, "bytes": 1_250_000_000 } },
            }),
            "/usage" => json!({
                "repositories": [{ "name": "a", "manifests": 30 }, { "name": "b", "manifests": 4 }], "next": null,
            }),
            "/uploads" => {
                reading += 1;
                let upload = |id: u64| {
                    json!({
                        "id": format!("id-{id}"), "repository": format!("team/application-{id}"),
                        "offset_bytes": reading * id * 3_000_000, "active": id > 1,
                    })
                };
                page((1..=9).map(upload).collect())
            }
            _ => return not_there(request),
        })
    }
}

/// A server that nobody uses, and that refuses what is not for everybody.
fn quiet(request: &Request) -> Result<Value, Failure> {
    match request.path.as_str() {
        "/status" => Ok(idle(0)),
        path if path.starts_with("/uploads") => Ok(page(vec![])),
        path if path.starts_with("/usage") => Ok(json!({ "repositories": [], "next": null })),
        "/gc" => Ok(json!({ "phase": "idle", "last_run": null, "last_error": null })),
        _ => not_there(request),
    }
}

fn deed(action: &str, object: &str) -> Value {
    json!({ "action": action, "object": object, "actor": "user:ann" })
}

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn days_work(pilot: &mut Pilot) {
    pilot.hear("user", deed("user_create", "bob"));
    pilot.hear("grant", deed("grant_create", "team/**"));
    pilot.hear("push", deed("push", "team/app:1.0"));
    pilot.hear("delete", deed("delete", &format!("team/app@{DIGEST}")));
    pilot.hear("gc", json!({ "phase": "blobs" }));
    for (beat, counted) in [
        (1, 10),
        (2, 60),
        (3, 90),
        (4, 200),
        (5, 380),
        (6, 400),
        (7, 400),
        (8, 401),
        (9, 500),
        (10, 560),
    ] {
        pilot.wait(2_000);
        pilot.hear("status", status(beat, counted));
    }
    pilot.hear("push", deed("push", "team/web:latest"));
}

#[test]
fn the_overview_of_a_server_that_works_looks_like_this() {
    pictures!("overview", "R", busy(), days_work);
}

#[test]
fn the_overview_of_a_server_that_rests_looks_like_this() {
    pictures!("overview-idle", "R", quiet);
}

#[test]
fn rates_progress_and_the_time_that_is_left_are_told() {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, busy());
    pilot.wait(100);
    days_work(&mut pilot);
    pilot.sees("30.0/s");
    pilot.sees("90.0/s");
    pilot.sees("28.6 MiB/s");
    pilot.sees("119.2 MiB/s, 3 min to go");
    pilot.sees("85 of 340, 1 min to go");
    pilot.sees("2 h ago: 33 blobs, 1.1 GiB");
    pilot.sees("2 with 34 manifests");
    pilot.sees("team/application-9");
    pilot.resize(80, 24);
    pilot.sees("and 4 more; gp shows all");
}

#[test]
fn a_server_that_was_restarted_has_no_absurd_rate() {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, quiet);
    pilot.wait(2_000);
    pilot.hear("status", status(1, 9_000));
    pilot.wait(2_000);
    let mut anew = status(0, 5);
    anew["uptime_ms"] = json!(1_000);
    pilot.hear("status", anew);
    pilot.sees("requests           -  max");
}

#[test]
fn a_screen_that_is_narrow_or_low_has_the_traffic_first_and_one_thing_below_the_other() {
    let mut pilot = Pilot::on((50, 40), Theme::Dark, quiet);
    pilot.wait(2_000);
    days_work(&mut pilot);
    let screen = pilot.screen();
    let place = |text: &str| screen.find(text).unwrap_or(usize::MAX);
    let places = ["requests", "Storage", "Collection and check", "Events"].map(place);
    assert!(places.is_sorted() && places[3] < usize::MAX, "{screen}");
    pilot.resize(50, 12);
    pilot.sees("30.0/s");
    pilot.sees("22.3 GiB");
    pilot.resize(20, 5);
    pilot.sees("requests");
}

#[test]
fn what_was_told_long_ago_says_so() {
    let mut pilot = Pilot::new(quiet);
    pilot.sees("up 3 d");
    pilot.wait(60_000);
    pilot.sees("as it was 1 min ago");
    pilot.hear("status", idle(30));
    pilot.sees("up 3 d");
}

#[test]
fn an_idle_server_is_asked_nothing() {
    let mut pilot = Pilot::new(quiet);
    pilot.wait(1_000);
    pilot.hear("status", idle(1));
    pilot.wait(1_000);
    let before = pilot.asked.len();
    for beat in 2..50 {
        pilot.hear("status", idle(beat));
        pilot.wait(2_000);
    }
    assert_eq!(pilot.asked.len(), before, "{:?}", &pilot.asked[before..]);
}

/// Somebody who is no administrator, or of whom the server says so only when it is asked.
fn somebody(administrator: bool) -> Pilot {
    let start = crate::tui::app::Start {
        servers: vec![Server {
            name: "home".to_owned(),
            at: Address::Url("http://localhost:8080".to_owned()),
            login: None,
            ca_file: None,
            is_remembered: false,
        }],
        current: Some(0),
        look: Look::default(),
        size: Size::new(100, 30),
        now: NOW,
    };
    Pilot::start(start, move |request| match request.path.as_str() {
        "/whoami" => Ok(json!({ "kind": "user", "name": "eve", "administrator": administrator })),
        "/status" => Ok(status(0, 0)),
        _ => Err(Failure::Refused {
            status: 403,
            detail: "not for you".to_owned(),
        }),
    })
}

#[test]
fn who_is_no_administrator_sees_what_they_may_and_nobody_asks_for_the_rest() {
    let mut pilot = somebody(false);
    for beat in 1..10 {
        pilot.wait(2_000);
        pilot.hear("status", status(beat, beat * 10));
        pilot.hear("push", deed("push", "a:1"));
    }
    pilot.wait(100_000);
    assert_eq!(pilot.asked, ["GET /whoami", "GET /status"]);
    pilot.sees("repositories   administrators only");
    pilot.sees("Uploads 9");
    pilot.sees("22.3 GiB");
    pilot.sees("25 %");
}

#[test]
fn a_refusal_is_no_loop() {
    let mut pilot = somebody(true);
    pilot.wait(2_000);
    pilot.hear("status", status(1, 10));
    let before = pilot.asked.len();
    for beat in 2..20 {
        pilot.wait(60_000);
        pilot.hear("status", status(beat, beat * 10));
        pilot.hear("gc", json!({ "phase": "idle" }));
        pilot.hear("delete", deed("delete", "a:1"));
    }
    assert_eq!(pilot.asked.len(), before, "{:?}", &pilot.asked[before..]);
    pilot.sees("administrators only");
    pilot.keys("R");
    assert!(pilot.asked.len() > before);
}

#[test]
fn back_ends_browsing_before_it_leaves() {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, quiet);
    pilot.hear("push", json!({ "action": "push", "object": "a/b:1" }));
    pilot.hear("push", json!({ "action": "push", "object": "a/b:2" }));
    for back in ["<esc>", "q"] {
        pilot.keys("j");
        pilot.sees("Enter goes there");
        pilot.keys(back);
        pilot.sees("Enter browses");
        assert!(!pilot.effects.contains(&Effect::Quit));
    }
    pilot.keys("q");
    assert!(pilot.effects.contains(&Effect::Quit));
}

/// Fails unless an event is told like this, and `Enter` leads to this place.
#[track_caller]
fn leads(kind: &str, data: Value, told: &str, there: &str) {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, quiet);
    pilot.hear(kind, data);
    pilot.sees(told);
    pilot.keys("<tab><enter>");
    let screen = pilot.screen();
    let title = screen.lines().next().unwrap_or_default();
    assert!(title.contains(there), "{told}: {title}");
}

#[test]
fn events_are_told_in_words_and_enter_goes_where_they_happened() {
    // Kind, action and object; how it is told, and the end of where one is then.
    let all = "\
        push push a/b:1 | pushed a/b:1 | Repositories > 1
        tag tag a/b:1 | tagged a/b:1 | Repositories > 1
        delete delete a/b:1 | deleted a/b:1 | Repositories > a/b
        repository repository_create a/b | created repository a/b | Repositories > a/b
        repository repository_delete a/b | deleted repository a/b | Repositories > deleted
        repository undelete a/b:1 | restored a/b:1 | Repositories > 1
        user user_create bob | created user bob | Users > bob
        user user_delete bob | deleted user bob | Users
        user password  | changed the password | Users
        role role_change dev | changed role dev | Users > roles
        grant grant_create a/** | created grant a/** | Users > grants
        key key_revoke k1 | revoked key k1 | Keys
        rule rule_set a/** | set rule for a/** | Repositories > rules
        upload upload_cancel u1 | ended upload u1 | Uploads
        gc gc pause | collector: pause | Storage";
    for line in all.lines() {
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        let words: Vec<_> = parts[0].split(' ').collect();
        let data = deed(words[1], words.get(2).copied().unwrap_or_default());
        leads(words[0], data, parts[1], &parts[2].replace('>', "\u{203a}"));
    }
}

#[test]
fn what_the_server_does_by_itself_is_told_and_a_digest_is_short() {
    let pushed = deed("push", &format!("a/b@{DIGEST}"));
    let there = "Repositories \u{203a} sha256:9f86d081884c";
    leads("push", pushed, "pushed a/b@sha256:9f86d081884c", there);
    let removing = json!({ "phase": "trash" });
    leads("gc", removing, "making deletions final", "Storage");
    leads(
        "check",
        json!({ "running": true }),
        "a check began",
        "Storage",
    );
}

#[test]
fn an_event_without_a_place_stays_where_it_is() {
    let mut pilot = Pilot::new(quiet);
    pilot.hear("missed", json!({ "missed": 7 }));
    pilot.sees("7 events were missed");
    pilot.keys("<enter><enter>");
    pilot.sees("there is no place for this event");
}

#[test]
fn who_is_not_logged_in_reads_the_servers_words_not_that_they_do_not_administer() {
    let words = "this needs a user's name and password, or a key";
    let me =
        json!({ "kind": "anonymous", "name": null, "must_change": false, "administrator": false });
    let mut pilot = Pilot::knowing(me, move |_| {
        Err(Failure::Refused {
            status: 401,
            detail: words.to_owned(),
        })
    });
    pilot.keys("<esc>R<esc>");
    let screen = pilot.screen();
    let server = screen.lines().nth(3).unwrap_or_default();
    assert!(server.contains(words), "{screen}");
}

#[test]
fn enter_goes_to_no_event_that_came_just_before_it_was_pressed() {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, quiet);
    pilot.hear("push", deed("push", "a/b:1"));
    pilot.sees("Tab or Enter browses");
    pilot.keys("<enter>");
    pilot.sees("Enter goes there");
    pilot.hear("push", deed("push", "a/b:2"));
    pilot.keys("<enter>");
    let screen = pilot.screen();
    let title = screen.lines().next().unwrap_or_default();
    assert!(title.contains("\u{203a} 1"), "{title}");
}

#[test]
fn the_cursor_stays_on_its_event_while_one_browses_and_only_the_newest_are_kept() {
    let mut pilot = Pilot::on((120, 40), Theme::Dark, quiet);
    for number in 0..300 {
        pilot.hear("push", deed("push", &format!("a/b:{number}")));
    }
    pilot.sees("Events 200");
    pilot.keys("jjj");
    for number in 300..310 {
        pilot.hear("push", deed("push", &format!("a/b:{number}")));
    }
    pilot.keys("<enter>");
    assert!(
        pilot
            .screen()
            .lines()
            .next()
            .unwrap_or_default()
            .contains("\u{203a} 296")
    );
}

#[test]
fn hostile_texts_and_absurd_numbers_are_shown_without_harm_at_any_size() {
    let mut pilot = Pilot::on((80, 24), Theme::None, quiet);
    let mut bad = status(1, 5);
    for place in [
        "/uptime_ms",
        "/connections",
        "/requests_total",
        "/sent_bytes",
        "/uploads",
    ] {
        *bad.pointer_mut(place).unwrap() = json!(u64::MAX);
    }
    *bad.pointer_mut("/store/stored_bytes").unwrap() = json!(u64::MAX);
    *bad.pointer_mut("/check/blobs_done").unwrap() = json!(u64::MAX);
    *bad.pointer_mut("/gc/phase").unwrap() = json!("\u{1b}[2Jboom");
    *bad.pointer_mut("/version").unwrap() = json!("\u{202e}x");
    pilot.wait(2_000);
    pilot.hear("status", bad);
    pilot.hear("status", json!([1]));
    pilot.hear(
        "status",
        json!({ "gc": 7, "store": "x", "check": null, "uptime_ms": "soon" }),
    );
    pilot.hear("push", deed("push", "a\u{1b}]52;c;x\u{7}/b:1\u{85}"));
    pilot.hear("\u{1b}c", json!(null));
    for size in [
        (80, 24),
        (20, 5),
        (1, 1),
        (59, 18),
        (60, 17),
        (300, 2),
        (3, 300),
        (500, 200),
    ] {
        pilot.resize(size.0, size.1);
        let screen = pilot.screen();
        assert!(
            !screen.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{85}']),
            "{screen}"
        );
    }
}

#[test]
fn what_is_wrong_with_the_store_is_seen() {
    let answer = |request: &Request| match request.path.as_str() {
        "/gc" => Ok(json!({ "damaged": 2, "last_error": "the disk is full", "last_run": null })),
        _ => quiet(request),
    };
    let mut pilot = Pilot::on((120, 40), Theme::None, answer);
    pilot.wait(2_000);
    let mut bad = idle(1);
    bad["gc"]["paused"] = json!(true);
    bad["check"] =
        json!({ "running": false, "blobs_done": 9, "blobs": 9, "found": 3, "quarantined": 1 });
    pilot.hear("status", bad);
    pilot.sees("paused: nothing is removed");
    pilot.sees("the disk is full");
    pilot.sees("2 rows cannot be read");
    pilot.sees("3, 1 blob not served");
}

#[test]
fn repositories_are_counted_anew_once_a_minute_at_most_and_only_when_they_changed() {
    let mut pilot = Pilot::new(quiet);
    pilot.wait(1_000);
    let counted = |pilot: &Pilot| {
        let asked = pilot.asked.iter();
        asked
            .filter(|asked| asked.starts_with("GET /usage"))
            .count()
    };
    assert_eq!(counted(&pilot), 1);
    for _ in 0..50 {
        pilot.hear("push", deed("push", "a:1"));
        pilot.wait(2_000);
    }
    assert_eq!(counted(&pilot), 2);
    pilot.wait(60_000);
    assert_eq!(counted(&pilot), 3);
    pilot.wait(600_000);
    assert_eq!(counted(&pilot), 3);
}
