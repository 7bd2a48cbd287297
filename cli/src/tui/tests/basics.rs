//! What all screens have in common: moving, searching, going about, dialogs, and a server that goes.

use super::pilot::{NOW, Pilot, not_there, page, pictures};
use crate::tui::message::{Effect, Failure, Link, Message, Request};
use serde_json::{Value, json};

fn uploads(request: &Request) -> Result<Value, Failure> {
    let upload = |id: usize, name: &str| {
        json!({
            "id": format!("0198f5b2-7d4f-7e0a-8000-{id:012}"), "repository": name, "offset_bytes": id * 1_000_000,
            "started": NOW - 60_000, "updated": NOW - 2_000, "expires_in_ms": 86_000_000, "active": id % 2 == 1,
        })
    };
    match (
        request.method.as_str(),
        request.path.split('?').next().unwrap(),
    ) {
        ("GET", "/uploads") => Ok(page(
            (1..40)
                .map(|id| upload(id, &format!("team/app-{id}")))
                .collect(),
        )),
        ("DELETE", _) => Ok(Value::Null),
        _ => not_there(request),
    }
}

#[test]
fn the_uploads_look_like_this() {
    pictures!("uploads", "gp", uploads);
}

#[test]
fn every_key_is_on_the_help_screen() {
    let mut pilot = Pilot::new(uploads);
    pilot.resize(120, 600);
    pilot.keys("?");
    for section in crate::tui::keys::sections() {
        for binding in section.bindings {
            pilot.sees(binding.help);
        }
    }
    pilot.keys("fno matter<enter>");
    pilot.sees_no("half a page");
}

#[test]
fn help_begins_with_the_keys_of_the_screen_one_came_from() {
    let mut pilot = Pilot::new(uploads);
    let first = |pilot: &Pilot| {
        let screen = pilot.screen();
        let line = screen.lines().nth(3).unwrap_or_default().to_owned();
        line.trim_matches(['\u{2502}', ' ']).to_owned()
    };
    for (screen, section) in [
        ("go", "Everywhere"),
        ("gp", "Uploads"),
        ("gr", "Repositories"),
        (":open team/app<enter>", "Tags"),
        ("gs", "Collection and storage"),
    ] {
        pilot.keys(screen);
        // From the last time on another line, and with a filter.
        pilot.keys("?Gfkey<enter>q?");
        assert_eq!(first(&pilot), section, "{screen}");
        // Who is there already stays where they are.
        pilot.keys("3j?");
        assert_eq!(first(&pilot), section, "{screen}");
        pilot.keys("q");
    }
}

#[test]
fn keys_that_do_not_fit_into_the_last_line_are_left_out_whole() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gp");
    let last = |pilot: &Pilot| pilot.screen().lines().last().map(str::to_owned);
    for (width, line) in [
        (80, " d end the upload  / search  : command  ? help"),
        (29, " / search  : command  ? help"),
        (28, " / search  : command  ? help"),
        (27, " : command  ? help"),
        (20, " : command  ? help"),
        (17, " / search  ? help"),
        (16, " ? help"),
        (7, " ? help"),
        (6, ""),
    ] {
        pilot.resize(width, 24);
        assert_eq!(last(&pilot).as_deref(), Some(line), "{width}");
    }
}

#[test]
fn help_is_in_two_columns_where_there_is_room() {
    let mut pilot = Pilot::new(uploads);
    pilot.resize(200, 50);
    pilot.keys("?");
    let screen = pilot.screen();
    let first = screen.lines().find(|line| line.contains("j <down>"));
    let together = screen.lines().filter(|line| line.contains(" :")).count();
    assert!(first.is_some() && together > 20, "{screen}");
    // The second column goes on where the first ends, and the cursor gets there.
    let last_of_first = screen.lines().nth(48).unwrap().to_owned();
    pilot.keys("50j");
    assert_eq!(pilot.screen().lines().nth(48), Some(last_of_first.as_str()));
}

#[test]
fn the_help_looks_like_this() {
    pictures!("help", "?fcollect<enter>", uploads);
}

#[test]
fn who_stops_waiting_has_a_list_that_is_read_again_by_events() {
    let mut pilot = Pilot::new(uploads);
    pilot.is_slow = true;
    pilot.keys("gp<c-c>");
    pilot.sees("stopped waiting for the server");
    pilot.is_slow = false;
    // What could not be read is left alone for a while.
    pilot.wait(60_000);
    pilot.hear("upload", json!({}));
    pilot.wait(1_000);
    pilot.sees("team/app-3");
}

#[test]
fn an_upload_is_ended_only_after_a_yes() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gp2jd");
    pilot.sees("team/app-3? ");
    pilot.keys("n");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("dy");
    pilot.has_asked("DELETE /uploads/0198f5b2-7d4f-7e0a-8000-000000000003");
    pilot.sees("was ended");
}

#[test]
fn a_search_and_a_filter_act_as_one_types() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gp/app-2");
    pilot.keys("<enter>nnd");
    pilot.sees("team/app-21?");
    pilot.keys("<esc><esc>fapp-3<enter>");
    pilot.sees("Uploads 11 of 39");
    pilot.keys("<esc>");
    pilot.sees("Uploads 39");
}

#[test]
fn a_broken_connection_is_seen_and_everything_is_read_anew_when_it_is_back() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gp");
    pilot.send(Message::Link(Link::Down {
        why: "connection refused".to_owned(),
        retry_at: NOW + 2_000,
    }));
    pilot.sees("not connected");
    pilot.sees("team/app-3");
    let before = pilot.asked.len();
    pilot.send(Message::Link(Link::Up));
    pilot.sees("the server is back");
    assert!(
        pilot.asked[before..]
            .iter()
            .any(|asked| asked.starts_with("GET /uploads"))
    );
}

#[test]
fn no_size_of_the_terminal_is_too_small() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gpd");
    for (width, height) in [(20, 5), (1, 1), (2, 3), (300, 2), (3, 300), (500, 200)] {
        pilot.resize(width, height);
        drop(pilot.screen());
    }
    pilot.keys("<esc>:");
    pilot.resize(20, 5);
    drop(pilot.screen());
}

#[test]
fn a_long_way_is_shortened_in_its_middle_and_who_one_is_stays() {
    let long = "team/a-name-that-goes-on/and-on/and-on/and-on/until-the-line-is-full";
    let mut pilot = Pilot::new(not_there);
    pilot.keys(&format!(":open {long}:v1<enter>"));
    let first = |pilot: &Pilot| pilot.screen().lines().next().unwrap_or_default().to_owned();
    let line = first(&pilot);
    assert!(
        line.starts_with(" floundr home \u{203a} Repositories"),
        "{line}"
    );
    assert!(line.contains("\u{2026}"), "{line}");
    assert!(line.ends_with("full \u{203a} v1 floundr_admin"), "{line}");
    pilot.resize(160, 24);
    let line = first(&pilot);
    assert!(line.contains(&format!("{long} \u{203a} v1  ")), "{line}");
    for (width, height) in [(20, 24), (3, 24), (1, 24)] {
        pilot.resize(width, height);
        assert!(first(&pilot).chars().count() <= usize::from(width));
    }
    // Letters that are two columns wide are not cut in half.
    pilot.keys(&format!(":user {}<enter>", "\u{65e5}".repeat(60)));
    for width in [79, 80] {
        pilot.resize(width, 24);
        assert!(
            first(&pilot).ends_with(" floundr_admin"),
            "{}",
            first(&pilot)
        );
    }
}

#[test]
fn q_on_the_overview_leaves_and_elsewhere_goes_back() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gpq");
    assert!(!pilot.effects.contains(&Effect::Quit));
    pilot.keys("q");
    assert!(pilot.effects.contains(&Effect::Quit));
}
