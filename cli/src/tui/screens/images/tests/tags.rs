//! Tests of the tags and manifests of a repository: listed, changed, and kept up by events.

use super::super::pull_command;
use super::super::rows::{Digest, Tag};
use super::{BAD, Server, digest, fake, pilot};
use crate::tui::message::Request;
use crate::tui::tests::pilot::{Pilot, not_there, pictures};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, wide};
use crate::tui::widgets::list::{List, Row};
use crate::tui::widgets::{Browse as _, Cell, Motion, cell};
use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn one_goes_to_what_was_deleted_to_why_and_to_the_history() {
    for (key, title) in [
        ("t", "deleted from team/app"),
        ("w", "why sha256:000000000000"),
        ("H", "history of v1"),
    ] {
        let mut pilot = pilot(Server::team());
        pilot.keys(&format!("j{key}"));
        pilot.sees(title);
    }
}

#[test]
fn tags_look_like_this() {
    pictures!("tags", ":open team/app<enter>", fake(), |pilot| pilot
        .wait(200));
}

#[test]
fn the_manifests_of_a_repository_look_like_this() {
    pictures!("manifests", ":open team/app<enter>m", fake(), |pilot| pilot
        .wait(200));
}

#[test]
fn the_manifest_under_the_cursor_is_read_when_the_cursor_rests_and_remembered() {
    let mut pilot = pilot(Server::team());
    let shows = |pilot: &Pilot| {
        let asked = pilot
            .asked
            .iter()
            .filter(|asked| asked.contains("/manifests/"));
        asked.count()
    };
    pilot.keys("jjj");
    assert_eq!(shows(&pilot), 0);
    pilot.wait(100);
    pilot.keys("k");
    pilot.wait(100);
    assert_eq!(shows(&pilot), 0);
    pilot.wait(60);
    assert_eq!(shows(&pilot), 1);
    assert!(pilot.asked.last().unwrap().ends_with("0002"));
    pilot.sees("38.1 MiB");
    pilot.keys("j");
    pilot.wait(200);
    pilot.sees("linux/arm64/v8");
    pilot.keys("k");
    pilot.wait(200);
    assert_eq!(shows(&pilot), 2);
}

#[test]
fn a_question_about_a_manifest_is_given_up_when_the_cursor_moves_on() {
    let mut pilot = pilot(Server::team());
    pilot.is_slow = true;
    pilot.wait(200);
    pilot.keys("j");
    pilot.wait(200);
    pilot.answer();
    pilot.sees("tags          v1");
}

#[test]
fn digest_and_pull_command_are_copied() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jyY");
    let command = "docker pull localhost:8080/team/app:v1";
    assert_eq!(pilot.copied(), [digest(1).as_str(), command]);
    assert_eq!(pull_command("", "a", "sha256:0"), "a@sha256:0");
}

#[test]
fn a_new_tag_is_set_shown_and_undone() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jiv1<enter>");
    pilot.sees("v1 names sha256:000000000000 already");
    pilot.keys("<c-u>v1.1<enter>");
    let one = digest(1);
    pilot.has_asked(&format!(
        "PUT /repositories/team%2Fapp/tags/v1.1 {{\"digest\":\"{one}\"}}"
    ));
    pilot.sees("Tags 5");
    pilot.sees("v1.1 names");
    pilot.keys("u");
    pilot.has_asked(&format!(
        "DELETE /repositories/team%2Fapp/tags/v1.1 if \"{one}\""
    ));
    pilot.sees("Tags 4");
}

#[test]
fn a_tag_is_moved_to_what_another_names_and_back() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jev2<enter>");
    pilot.sees("Move v1 from");
    pilot.keys("y");
    let (one, two) = (digest(1), digest(2));
    pilot.has_asked(&format!(
        "PUT /repositories/team%2Fapp/tags/v1 {{\"digest\":\"{two}\"}} if \"{one}\""
    ));
    pilot.keys("y");
    assert_eq!(pilot.copied(), [two.as_str()]);
    pilot.keys("u");
    pilot.has_asked(&format!(
        "PUT /repositories/team%2Fapp/tags/v1 {{\"digest\":\"{one}\"}} if \"{two}\""
    ));
    pilot.keys("enothing<enter>");
    pilot.sees("is not there");
    pilot.sees("nothing");
}

#[test]
fn a_tag_is_deleted_after_a_yes_and_brought_back() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jdn");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("dy");
    let one = digest(1);
    pilot.has_asked(&format!(
        "DELETE /repositories/team%2Fapp/tags/v1 if \"{one}\""
    ));
    pilot.sees("Tags 3");
    pilot.keys("u");
    pilot.has_asked("POST /undelete {\"reference\":\"v1\",\"repository\":\"team/app\"}");
    pilot.sees("Tags 4");
}

#[test]
fn what_was_done_is_undone_one_by_one_from_the_last_on() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jdydy");
    pilot.sees("Tags 2");
    pilot.is_slow = true;
    pilot.keys("uu");
    let undone = pilot
        .asked
        .iter()
        .filter(|asked| asked.starts_with("POST /undelete"));
    let undone: Vec<_> = undone.map(String::as_str).collect();
    assert_eq!(
        undone,
        [
            "POST /undelete {\"reference\":\"v2\",\"repository\":\"team/app\"}",
            "POST /undelete {\"reference\":\"v1\",\"repository\":\"team/app\"}"
        ]
    );
    pilot.is_slow = false;
    pilot.answer();
    pilot.sees("Tags 4");
    pilot.keys("u");
    pilot.sees("nothing was done here");
    pilot.keys("<enter>");
    pilot.sees("it needs a name");
    pilot.keys("old<enter>");
    pilot.has_asked(r#"POST /undelete {"reference":"old","repository":"team/app"}"#);
    pilot.sees("old is back");
}

#[test]
fn a_manifest_is_deleted_with_the_tags_that_were_told_and_brought_back() {
    let mut pilot = pilot(Server::team());
    pilot.keys("D");
    pilot.sees("its tags latest, v3");
    pilot.keys("y");
    let three = digest(3).replace(':', "%3A");
    pilot.has_asked(&format!(
        "DELETE /repositories/team%2Fapp/manifests/{three}"
    ));
    pilot.sees("Tags 2");
    pilot.keys("u");
    pilot.sees("Tags 4");
}

#[test]
fn a_refusal_is_shown_where_the_change_came_from() {
    for (status, detail) in [
        (403, "you may not"),
        (409, "v1 is immutable"),
        (412, "it changed"),
    ] {
        let mut server = Server::team();
        server.refusal = Some((status, detail));
        let mut pilot = pilot(server);
        pilot.keys("jdy");
        pilot.sees(detail);
        pilot.sees("y: do it");
        pilot.keys("<esc>iv9<enter>");
        pilot.sees(detail);
        pilot.sees("v9");
        pilot.keys("<esc>u");
        pilot.sees("nothing was done here");
    }
}

#[test]
fn an_event_about_a_tag_reads_that_tag_alone_and_keeps_the_cursor() {
    let mut server = Server::team();
    let mut pilot = Pilot::new(move |request: &Request| {
        if request.path.contains("last=v0") {
            server.tags.insert("v1".to_owned(), 2);
            server.tags.insert("v0".to_owned(), 1);
        }
        server.answer(request)
    });
    pilot.keys(":open team/app<enter>jj");
    let before = pilot.asked.len();
    pilot.hear(
        "push",
        json!({ "action": "push", "object": "team/app:v1", "actor": "jo" }),
    );
    pilot.hear(
        "tag",
        json!({ "action": "tag", "object": "team/apple:v1", "actor": "jo" }),
    );
    assert_eq!(
        pilot.asked[before..],
        ["GET /repositories/team%2Fapp/tags?n=1&last=v0~"]
    );
    pilot.hear(
        "tag",
        json!({ "action": "tag", "object": "team/app:v0", "actor": "jo" }),
    );
    pilot.sees("Tags 5");
    pilot.keys("yky");
    assert_eq!(pilot.copied(), [digest(2), digest(2)]);
    pilot.hear("delete", json!({ "object": "team/app:v9" }));
    pilot.sees("Tags 5");
    pilot.hear(
        "delete",
        json!({ "object": format!("team/app@{}", digest(9)) }),
    );
    pilot.sees("Tags 5");
    for other in 0..200 {
        pilot.is_slow = true;
        pilot.hear("tag", json!({ "object": format!("team/app:w{other}") }));
    }
    pilot.answer();
    pilot.wait(1_000);
    pilot.answer();
    assert!(
        pilot.asked.last().unwrap().contains("n=100")
            || pilot.asked.last().unwrap().contains("manifests")
    );
}

#[test]
fn manifests_without_a_tag_are_listed_and_deleted_by_digest() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jm");
    pilot.sees("Manifests 5");
    pilot.keys("fno tag<enter>");
    pilot.sees("Manifests 2 of 5");
    pilot.keys("d");
    pilot.sees("which no tag names");
    pilot.keys("n<esc>m");
    pilot.sees("Tags 4");
}

#[test]
fn an_empty_repository_and_one_that_is_not_there_say_so() {
    let mut empty = pilot(Server::new(&[]));
    empty.sees("push an image");
    empty.keys("dDyYiewH<enter>l<tab>j");
    empty.sees("Tags 0");
    let mut none = Pilot::new(not_there);
    none.keys(":open nothing<enter>");
    none.sees("is not there");
    none.keys(":open nothing:v1<enter>");
    none.sees("is not there");
    none.keys("yrd<enter><tab>");
    none.sees("there is no manifest here");
}

#[test]
fn a_hundred_thousand_tags_are_handled_at_once() {
    const ALL: usize = 100_000;
    assert!(size_of::<Tag>() <= 112, "{}", size_of::<Tag>());
    let mut server = Server::new(&[]);
    server.tags = (0..ALL)
        .map(|of| (format!("v{of:06}"), of % 5 + 1))
        .collect();
    let mut pilot = pilot(server);
    pilot.sees("Tags 100000");
    let pages = pilot.asked.iter().filter(|asked| asked.contains("/tags?"));
    assert_eq!(pages.count(), 101);
    drop(pilot.screen());
    let started = std::time::Instant::now();
    pilot.keys("G");
    pilot.sees("v099999");
    pilot.keys("50000G");
    pilot.sees("v049999");
    pilot.keys("/v07777<enter>n");
    pilot.sees("v077771");
    pilot.keys("<esc>f12345<enter>");
    pilot.sees("Tags 1 of 100000");
    pilot.keys("<esc>ssS");
    pilot.sees("Tags 100000");
    pilot.hear("tag", json!({ "object": "team/app:v000007" }));
    pilot.sees("Tags 100000");
    let took = started.elapsed();
    // Far more than it takes, and far less than if drawing touched every row.
    assert!(took.as_secs() < 20, "{took:?}");
}

/// A row that counts how often it is drawn.
struct Counted(String);

static DRAWN: AtomicUsize = AtomicUsize::new(0);

impl Row for Counted {
    const COLUMNS: &'static [Column] = &[wide("name", 0)];

    fn key(&self) -> &str {
        &self.0
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        DRAWN.fetch_add(1, Ordering::Relaxed);
        vec![cell(self.0.as_str(), Tone::Plain)]
    }

    fn compare(&self, other: &Self, _column: usize) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[test]
fn of_a_hundred_thousand_rows_only_those_that_are_seen_are_drawn() {
    let mut list = List::default();
    let rows = (0..100_000).map(|of| Counted(of.to_string()));
    list.append(rows.collect());
    list.moved(Motion::First, Some(50_000));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let draw = |frame: &mut Frame<'_>| list.draw(frame, frame.area(), Paint::default());
    terminal.draw(draw).unwrap();
    assert_eq!(DRAWN.load(Ordering::Relaxed), 23);
}

#[test]
fn the_first_page_is_shown_before_the_others_come() {
    let mut server = Server::new(&[]);
    server.tags = (0..5_000).map(|of| (format!("v{of:06}"), 1)).collect();
    let mut pilot = Pilot::new(move |request: &Request| {
        if request.path.contains("n=1000") {
            not_there(request)
        } else {
            server.answer(request)
        }
    });
    pilot.keys(":open team/app<enter>");
    pilot.sees("v000003");
    pilot.sees("+");
}

#[test]
fn a_tag_behind_the_pages_that_came_is_left_to_its_page() {
    let mut server = Server::new(&[]);
    server.tags = (0..5_000).map(|of| (format!("v{of:06}"), 1)).collect();
    let mut pilot = Pilot::new(move |request: &Request| {
        let is_second = request.path.contains("n=1000");
        if is_second {
            not_there(request)
        } else {
            server.answer(request)
        }
    });
    pilot.keys(":open team/app<enter>");
    pilot.hear("tag", json!({ "object": "team/app:v004000" }));
    pilot.sees("Tags 100+");
    pilot.keys("G");
    pilot.sees("v000099");
    pilot.sees_no("v004000");
}

#[test]
fn what_is_changed_is_what_was_shown() {
    let conditions = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let (mut server, seen) = (Server::team(), std::rc::Rc::clone(&conditions));
    let mut pilot = Pilot::new(move |request: &Request| {
        if request.method != "GET" {
            seen.borrow_mut().push(request.if_match.clone());
        }
        server.answer(request)
    });
    let two = digest(2);
    pilot.keys(&format!(":open team/app<enter>je{two}<enter>udy"));
    let quoted = |of: usize| Some(format!("\"{}\"", digest(of)));
    assert_eq!(*conditions.borrow(), [quoted(1), quoted(2), quoted(1)]);
}

#[test]
fn an_event_has_the_pane_read_anew_without_emptying_it() {
    let mut pilot = pilot(Server::team());
    pilot.wait(200);
    pilot.sees("linux/arm64/v8");
    pilot.is_slow = true;
    pilot.hear("tag", json!({ "object": "team/app:v1" }));
    pilot.sees("linux/arm64/v8");
    pilot.wait(200);
    assert!(pilot.asked.last().unwrap().contains("/manifests/"));
    pilot.keys("<tab>2G");
    pilot.sees("linux/arm64/v8");
}

#[test]
fn a_digest_is_kept_as_it_was_written() {
    for text in [
        digest(7),
        digest(7).to_uppercase(),
        "sha512:00".to_owned(),
        "sha256:+f".to_owned(),
        BAD.to_owned(),
    ] {
        assert_eq!(Digest::read(&text).to_string(), text);
    }
    assert!(matches!(Digest::read(&digest(7)), Digest::Sha256(_)));
}
