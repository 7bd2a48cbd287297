//! Tests: the log as it looks, how it is read, narrowed, followed and verified.

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page, pictures};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn record(sequence: u64) -> Value {
    let (action, result, detail) = match sequence % 4 {
        0 => ("delete", 409, json!("v1 is immutable")),
        1 => ("manifest_put", 201, Value::Null),
        2 => ("key_create", 201, json!("for jo")),
        _ => ("user_create", 500, json!("the disk is full")),
    };
    json!({
        "sequence": sequence, "at": NOW - (1_000 - sequence.min(1_000)) * 60_000, "actor": format!("user-{}", sequence % 7),
        "key": "k7f3a2", "from": "10.0.0.7", "action": action, "object": format!("team/app-{sequence}"),
        "result": result, "detail": detail, "request_id": format!("0198f5b2-{sequence}"),
    })
}

/// A log with the records up to `last`, paged as the server pages it.
fn log(request: &Request, last: u64) -> Value {
    if request.path == "/audit/verify" {
        return json!({ "records": last, "broken_at": null });
    }
    let (_, parameters) = request.path.split_once('?').unwrap();
    let parameter = |name: &str| {
        let found = parameters
            .split('&')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.map(str::to_owned)
    };
    let most: u64 = parameter("n").unwrap().parse().unwrap();
    let from = parameter("last").map_or(last, |last| last.parse::<u64>().unwrap() - 1);
    let to = from.saturating_sub(most);
    let next = (to > 0).then_some(to + 1);
    let items: Vec<_> = (to + 1..=from).rev().map(record).collect();
    json!({ "items": items, "next": next, "unreadable": 0 })
}

fn fake(request: &Request) -> Result<Value, Failure> {
    answer(request, 1_000)
}

fn answer(request: &Request, last: u64) -> Result<Value, Failure> {
    if !request.path.starts_with("/audit") {
        return not_there(request);
    }
    Ok(log(request, last))
}

fn reads(pilot: &Pilot) -> usize {
    pilot
        .asked
        .iter()
        .filter(|asked| asked.starts_with("GET /audit?"))
        .count()
}

/// One who looks at a log that grows.
fn grower() -> (Pilot, Rc<RefCell<u64>>) {
    let last = Rc::new(RefCell::new(1_000));
    let seen = Rc::clone(&last);
    let mut pilot = Pilot::new(move |request: &Request| answer(request, *seen.borrow()));
    pilot.keys("ga");
    (pilot, last)
}

#[test]
fn the_log_looks_like_this() {
    pictures!("audit", "ga", fake);
}

#[test]
fn the_form_that_narrows_it_looks_like_this() {
    pictures!("audit-narrow", "gae", fake);
}

#[test]
fn pages_are_read_as_one_scrolls_and_no_more_are_kept_than_there_is_room_for() {
    let mut pilot = Pilot::new(|request: &Request| answer(request, 50_000));
    pilot.keys("ga");
    assert_eq!(reads(&pilot), 1);
    pilot.sees("Audit 200+");
    pilot.keys("G");
    assert_eq!(reads(&pilot), 2);
    pilot.sees("Audit 400+");
    for _ in 0..70 {
        pilot.keys("G");
    }
    pilot.sees("Audit 10000+");
    assert_eq!(reads(&pilot), 50);
}

#[test]
fn the_log_is_narrowed_by_the_server_and_all_of_it_comes_back() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gaejo<enter>key_create<enter>team/<enter>2h<enter>never<enter>");
    pilot.sees("until: never is no time");
    assert_eq!(reads(&pilot), 1);
    pilot.keys("<backspace><backspace><backspace><backspace><backspace><c-s>");
    let since = NOW - 7_200_000;
    let expected =
        format!("GET /audit?actor=jo&action=key_create&object=team%2F&since={since}&n=200");
    assert_eq!(pilot.asked.last(), Some(&expected));
    pilot.resize(200, 50);
    pilot.sees("only actor jo, action key_create, object team/, since 2026-");
    pilot.keys("F");
    assert_eq!(
        pilot.asked.last().map(String::as_str),
        Some("GET /audit?n=200")
    );
    pilot.sees_no("only actor");
}

#[test]
fn new_records_appear_while_one_follows_and_the_cursor_stays_on_its_record() {
    let (mut pilot, last) = grower();
    pilot.keys("t");
    pilot.wait(10);
    *last.borrow_mut() = 1_001;
    pilot.wait(5_000);
    pilot.keys("y");
    assert!(pilot.copied().last().unwrap().contains("\"sequence\":1001"));
    pilot.keys("5jy");
    *last.borrow_mut() = 1_004;
    pilot.hear("user", json!({}));
    pilot.wait(1_000);
    pilot.sees("Audit 204+, following");
    pilot.keys("y");
    assert!(pilot.copied().last().unwrap().contains("\"sequence\":996"));
    pilot.keys("t");
    let before = reads(&pilot);
    pilot.hear("user", json!({}));
    pilot.wait(60_000);
    assert_eq!(reads(&pilot), before);
}

#[test]
fn when_more_came_than_a_page_has_nothing_is_missing_between() {
    let (mut pilot, last) = grower();
    *last.borrow_mut() = 5_000;
    pilot.keys("t");
    pilot.wait(10);
    pilot.sees("Audit 200+, following");
    pilot.keys("G");
    pilot.sees("Audit 400+, following");
    pilot.keys("y");
    assert!(
        pilot.copied().last().unwrap().contains("\"sequence\":4801"),
        "{:?}",
        pilot.copied()
    );
}

#[test]
fn reads_of_the_log_are_left_out_unless_they_are_asked_for() {
    let read = json!({ "sequence": 5, "at": NOW, "actor": "jo", "action": "audit_read", "object": "", "result": 200 });
    let mut pilot = Pilot::new(move |_: &Request| Ok(page(vec![read.clone()])));
    pilot.keys("ga");
    pilot.sees("without reads of the log");
    pilot.sees("nothing has been written down yet");
    pilot.keys("e<enter>audit_read<c-s>");
    pilot.sees("jo");
    pilot.sees_no("without reads");
}

#[test]
fn the_server_says_whether_the_log_is_whole() {
    let mut pilot = Pilot::new(fake);
    pilot.keys("gav");
    pilot.has_asked("POST /audit/verify {}");
    pilot.sees("unbroken: 1000 records follow");
    let mut pilot = Pilot::new(|request: &Request| match request.path.as_str() {
        "/audit/verify" => Ok(json!({ "records": 41, "broken_at": 42 })),
        _ => fake(request),
    });
    pilot.keys("gav");
    pilot.sees("record 42 does not");
}

#[test]
fn hostile_text_is_harmless_and_everything_of_a_record_is_in_its_details() {
    let bad = json!({
        "sequence": 1, "at": NOW, "actor": "j\u{1b}[31mo\u{202e}", "key": null, "from": null, "action": "x\r\ny",
        "object": "o".repeat(300), "result": 65_535, "detail": "\u{0}", "request_id": "req-1",
    });
    let mut pilot = Pilot::new(move |_: &Request| Ok(page(vec![bad.clone()])));
    pilot.resize(200, 50);
    pilot.keys("ga");
    pilot.sees("j\u{fffd}[31mo\u{fffd}");
    pilot.sees("65535 failed");
    pilot.sees("req-1  record 1");
    pilot.wait(1_000);
    for (width, height) in [(20, 5), (1, 1), (3, 40), (400, 2)] {
        pilot.resize(width, height);
        drop(pilot.screen());
    }
}

#[test]
fn who_may_not_read_it_sees_the_servers_words() {
    let mut pilot = Pilot::new(|_: &Request| {
        Err(Failure::Refused {
            status: 403,
            detail: "only an administrator of the server may read this".to_owned(),
        })
    });
    pilot.keys("ga");
    pilot.sees("only an administrator of the server may read this");
    pilot.keys("v");
    pilot.sees("not verified: only an administrator");
}
