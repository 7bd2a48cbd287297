//! The uploads: how fast they go, and how seldom the server is asked.

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page, pictures};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// What the server has: repository and bytes of each upload.
type Uploads = Rc<RefCell<Vec<(&'static str, u64)>>>;

fn pilot(uploads: &[(&'static str, u64)]) -> (Pilot, Uploads) {
    let there: Uploads = Rc::new(RefCell::new(uploads.to_vec()));
    let server = Rc::clone(&there);
    let answer = move |request: &Request| {
        if !request.path.starts_with("/uploads") {
            return not_there(request);
        }
        let items = server.borrow();
        let items = items.iter().enumerate().map(|(id, (name, bytes))| {
            json!({
                "id": format!("id-{id}"), "repository": name, "offset_bytes": bytes, "active": true,
                "started": NOW - 60_000, "updated": null, "expires_in_ms": 86_000_000,
            })
        });
        Ok(page(items.collect()))
    };
    let mut pilot = Pilot::on((120, 24), crate::tui::theme::Theme::Dark, answer);
    pilot.keys("gp");
    (pilot, there)
}

/// The server says how it is, and time goes by until what follows from that is done.
fn beat(pilot: &mut Pilot, uploads: u64, bytes: u64) {
    pilot.wait(1_500);
    pilot.hear("status", status(uploads, bytes));
    pilot.wait(500);
}

fn status(uploads: u64, bytes: u64) -> Value {
    json!({ "uploads": uploads, "store": { "upload_bytes": bytes } })
}

fn readings(pilot: &Pilot) -> usize {
    let asked = pilot.asked.iter();
    asked
        .filter(|asked| asked.starts_with("GET /uploads?n=100"))
        // The overview has a question of its own.
        .count()
}

#[test]
fn the_rate_of_each_upload_and_of_all_is_what_came_in_between() {
    let (mut pilot, there) = pilot(&[("a/one", 0), ("a/two", 1 << 20)]);
    pilot.sees("Uploads 2 ");
    pilot.sees_no("/s");
    *there.borrow_mut() = vec![("a/one", 20 << 20), ("a/two", 5 << 20)];
    beat(&mut pilot, 2, 25 << 20);
    pilot.sees("10.0 MiB/s");
    pilot.sees("2.0 MiB/s");
    pilot.sees("Uploads 2, 12.0 MiB/s");
}

#[test]
fn an_upload_that_goes_back_or_is_replaced_has_no_absurd_rate() {
    let (mut pilot, there) = pilot(&[("a/one", 50 << 20)]);
    *there.borrow_mut() = vec![("a/one", 1 << 20)];
    beat(&mut pilot, 1, 1 << 20);
    pilot.sees("1.0 MiB");
    pilot.sees_no("/s");
    *there.borrow_mut() = vec![("a/one", u64::MAX)];
    beat(&mut pilot, 1, u64::MAX);
    pilot.sees("a/one");
    there.borrow_mut().clear();
    beat(&mut pilot, 0, 0);
    pilot.sees("nothing is being pushed");
    pilot.sees_no("/s");
}

#[test]
fn an_idle_server_is_asked_nothing() {
    let (mut pilot, _there) = pilot(&[]);
    beat(&mut pilot, 0, 0);
    let before = pilot.asked.len();
    for _ in 0..20 {
        beat(&mut pilot, 0, 0);
    }
    assert_eq!(pilot.asked.len(), before, "{:?}", pilot.asked);
}

#[test]
fn an_upload_that_begins_is_seen_at_the_next_status() {
    let (mut pilot, there) = pilot(&[]);
    beat(&mut pilot, 0, 0);
    pilot.sees("nothing is being pushed");
    there.borrow_mut().push(("fresh/one", 7));
    beat(&mut pilot, 1, 7);
    pilot.sees("fresh/one");
}

#[test]
fn who_may_not_see_them_is_told_so_once_and_asks_no_more() {
    let refuse = |request: &Request| match request.path.as_str() {
        path if path.starts_with("/uploads") => Err(Failure::Refused {
            status: 403,
            detail: "only administrators may".to_owned(),
        }),
        _ => not_there(request),
    };
    let mut pilot = Pilot::new(refuse);
    pilot.keys("gp");
    pilot.sees("only administrators may");
    beat(&mut pilot, 1, 1);
    let before = readings(&pilot);
    for bytes in 2..10 {
        beat(&mut pilot, 1, bytes);
        pilot.hear("upload", json!({}));
    }
    assert_eq!(readings(&pilot), before);
    pilot.keys("R");
    assert!(readings(&pilot) > before);
}

#[test]
fn a_refusal_to_end_one_is_shown_in_the_servers_words() {
    let answer = |request: &Request| match request.method.as_str() {
        "GET" if request.path.starts_with("/uploads") => Ok(page(vec![
            json!({ "id": "x", "repository": null, "offset_bytes": u64::MAX, "active": false }),
        ])),
        "DELETE" => Err(Failure::Refused {
            status: 409,
            detail: "its client went on\u{1b}[2J".to_owned(),
        }),
        _ => not_there(request),
    };
    let mut pilot = Pilot::new(answer);
    pilot.keys("gp");
    pilot.sees("unreadable");
    pilot.keys("dy");
    pilot.has_asked("DELETE /uploads/x");
    pilot.sees("its client went on");
    pilot.sees_no("\u{1b}");
}

/// A server to which bytes come: more at every reading.
fn live() -> impl FnMut(&Request) -> Result<Value, Failure> {
    let mut reading = 0;
    move |request: &Request| {
        if !request.path.starts_with("/uploads") {
            return not_there(request);
        }
        reading += 1;
        let upload = |id: u64| {
            let name = match id {
                1 => "team/with-a-long-name/and-more/application",
                2 => "",
                _ => "library/nginx",
            };
            json!({
                "id": format!("0198f5b2-7d4f-7e0a-8000-{id:012}"), "repository": name,
                "offset_bytes": (7_000_000_000 >> id) + reading * id * id * 4_000_000, "started": NOW - id * 60_000,
                "updated": NOW, "expires_in_ms": 86_000_000, "active": id != 4,
            })
        };
        Ok(page((1..=5).map(upload).collect()))
    }
}

#[test]
fn uploads_that_go_on_look_like_this() {
    pictures!("uploads-live", "gp", live(), |pilot| {
        beat(pilot, 5, 1);
        beat(pilot, 5, 2);
    });
}
