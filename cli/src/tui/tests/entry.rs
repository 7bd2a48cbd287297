//! Who is asked first, what waits for it, and whose dialog an answer closes.

use super::pilot::{NOW, Pilot, not_there, page};
use crate::tui::app::Start;
use crate::tui::message::{Effect, Failure, Link, Message, Request};
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::{Look, Theme};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// What the server says to the question who one is; all else it answers.
type Who = Rc<RefCell<Result<Value, Failure>>>;

fn known() -> Value {
    json!({ "kind": "user", "name": "ann", "must_change": false, "administrator": true })
}

fn refusal(status: u16, detail: &str) -> Failure {
    let detail = detail.to_owned();
    Failure::Refused { status, detail }
}

fn gone() -> Failure {
    Failure::Unreachable("connection refused".to_owned())
}

fn server(name: &str) -> Server {
    Server {
        name: name.to_owned(),
        at: Address::Url(format!("http://{name}")),
        login: Some(Login::Password {
            user: "ann".to_owned(),
            password: "swordfish".to_owned().into(),
        }),
        ca_file: None,
        is_remembered: false,
    }
}

fn pilot(who: &Who) -> Pilot {
    let who = Rc::clone(who);
    let start = Start {
        servers: vec![server("near"), server("far")],
        current: Some(0),
        look: Look {
            theme: Theme::None,
            ascii: true,
        },
        size: Size::new(100, 30),
        now: NOW,
    };
    Pilot::start(start, move |request| match request.path.as_str() {
        "/whoami" => who.borrow().clone(),
        _ => uploads(request),
    })
}

fn uploads(request: &Request) -> Result<Value, Failure> {
    let upload = |id: u8| {
        json!({
            "id": format!("0198f5b2-7d4f-7e0a-8000-00000000000{id}"), "repository": format!("team/app-{id}"),
            "offset_bytes": 1, "started": NOW, "updated": NOW, "expires_in_ms": 1_000, "active": false,
        })
    };
    match (request.method.as_str(), request.path.split('?').next()) {
        ("GET", Some("/uploads")) => Ok(page((1..4).map(upload).collect())),
        ("DELETE", _) => Ok(Value::Null),
        _ => not_there(request),
    }
}

fn listens(pilot: &Pilot) -> usize {
    let effects = pilot.effects.iter();
    effects.filter(|effect| **effect == Effect::Listen).count()
}

#[test]
fn a_wrong_password_is_tried_once_and_not_by_every_screen() {
    let who: Who = Rc::new(RefCell::new(Err(refusal(401, "who are you?"))));
    let mut pilot = pilot(&who);
    pilot.sees("Log in");
    pilot.wait(60_000);
    pilot.keys("<esc>gpgrgugk");
    pilot.wait(60_000);
    assert_eq!(pilot.asked, ["GET /whoami"]);
    assert_eq!(listens(&pilot), 0);
    pilot.sees("not logged in");
    pilot.keys("gp");
    pilot.sees("who are you?");
    // Who asks again by hand is let in where they are.
    *who.borrow_mut() = Ok(known());
    pilot.keys("R");
    pilot.sees("team/app-1");
    assert_eq!(listens(&pilot), 1);
}

#[test]
fn nothing_else_is_asked_of_another_server_until_it_knows_who_asks() {
    let mut pilot = pilot(&Rc::new(RefCell::new(Ok(known()))));
    pilot.keys("gp");
    pilot.is_slow = true;
    pilot.asked.clear();
    pilot.keys(":server far<enter>gp");
    assert_eq!(pilot.asked, ["GET /whoami"]);
    let before = listens(&pilot);
    pilot.is_slow = false;
    pilot.answer();
    pilot.sees("team/app-1");
    assert_eq!(listens(&pilot), before + 1);
}

#[test]
fn a_server_that_is_not_there_at_first_is_tried_again_and_everything_is_read_then() {
    let who: Who = Rc::new(RefCell::new(Err(gone())));
    let mut pilot = pilot(&who);
    pilot.keys("gp");
    // How the link is says the application itself as long as it has not begun to listen.
    pilot.keys("R");
    pilot.sees("not connected, again in ");
    let before = pilot.asked.len();
    pilot.wait(600);
    pilot.wait(20_000);
    pilot.wait(20_000);
    let more = &pilot.asked[before..];
    assert!(more.len() >= 2, "{more:?}");
    assert!(more.iter().all(|asked| asked == "GET /whoami"), "{more:?}");
    *who.borrow_mut() = Ok(known());
    pilot.wait(20_000);
    pilot.sees("the server is back");
    pilot.sees("team/app-1");
}

#[test]
fn a_page_of_a_proxy_is_no_reason_to_stop_trying() {
    let who: Who = Rc::new(RefCell::new(Err(refusal(502, "Bad Gateway"))));
    let mut pilot = pilot(&who);
    pilot.wait(20_000);
    pilot.sees("Bad Gateway");
    *who.borrow_mut() = Ok(known());
    pilot.wait(20_000);
    pilot.sees("ann");
}

#[test]
fn who_does_not_want_to_wait_for_the_login_is_told_how_to_go_on() {
    let mut pilot = pilot(&Rc::new(RefCell::new(Ok(known()))));
    pilot.is_slow = true;
    pilot.keys(":server far<enter>gp");
    assert!(pilot.app.is_busy());
    pilot.keys("<c-c>");
    pilot.sees("R asks again");
    assert!(!pilot.app.is_busy(), "nothing turns any more");
    pilot.is_slow = false;
    pilot.answer();
    pilot.keys("R");
    pilot.sees("team/app-1");
}

#[test]
fn rows_that_could_not_be_read_anew_say_so() {
    let is_gone = Rc::new(RefCell::new(false));
    let fails = Rc::clone(&is_gone);
    let mut pilot = Pilot::new(move |request| {
        if *fails.borrow() {
            return Err(refusal(500, "the disk is full"));
        }
        uploads(request)
    });
    pilot.keys("gp");
    pilot.sees_no("as it was before");
    *is_gone.borrow_mut() = true;
    pilot.keys("R");
    pilot.sees("team/app-1");
    pilot.sees("Uploads 3, as it was before: the disk is full");
    *is_gone.borrow_mut() = false;
    pilot.keys("R");
    pilot.sees_no("the disk is full");
}

#[test]
fn an_answer_that_comes_late_leaves_the_dialog_alone_that_is_open_by_then() {
    let fails = Rc::new(RefCell::new(false));
    let failing = Rc::clone(&fails);
    let mut pilot = Pilot::new(move |request| {
        if *failing.borrow() && request.method == http::Method::DELETE {
            return Err(refusal(409, "it is nearly done"));
        }
        uploads(request)
    });
    for is_refused in [false, true] {
        *fails.borrow_mut() = is_refused;
        pilot.keys("gpgg");
        pilot.is_slow = true;
        pilot.keys("dy<esc>jd");
        pilot.sees("team/app-2?");
        pilot.is_slow = false;
        pilot.answer();
        pilot.sees("team/app-2?");
        pilot.sees(if is_refused {
            "nearly done"
        } else {
            "was ended"
        });
        let question = pilot.screen();
        let question = question.lines().filter(|line| line.contains('\u{2502}'));
        assert!(question.clone().all(|line| !line.contains("nearly done")));
        pilot.keys("n");
    }
}

/// A server that makes keys with this secret.
fn making_keys(secret: String) -> impl FnMut(&Request) -> Result<Value, Failure> {
    move |request| match (request.method.as_str(), request.path.split('?').next()) {
        ("GET", Some("/keys" | "/users" | "/repositories")) => Ok(page(Vec::new())),
        ("POST", Some("/keys")) => {
            Ok(json!({ "id": "00000000000000aa", "name": "ci", "owner": "ann", "secret": secret }))
        }
        _ => not_there(request),
    }
}

#[test]
fn a_key_that_is_made_late_is_shown_behind_what_is_being_typed() {
    for elsewhere in ["gk", "gr"] {
        let mut pilot = Pilot::new(making_keys("flr_00000000000000aa_0123".to_owned()));
        pilot.keys("gkici");
        pilot.is_slow = true;
        pilot.keys("<c-s><esc>");
        pilot.keys(elsewhere);
        pilot.keys("ihalf-typed");
        pilot.is_slow = false;
        pilot.answer();
        pilot.sees("half-typed");
        pilot.sees_no("flr_0");
        pilot.keys("<esc>");
        pilot.sees("flr_00000000000000aa_0123");
    }
}

#[test]
fn what_is_too_long_to_be_copied_is_said_not_to_be() {
    for (length, is_copied) in [(60_000, true), (70_000, false)] {
        let mut pilot = Pilot::new(making_keys("x".repeat(length)));
        pilot.keys("gkici<c-s>y");
        assert_eq!(!pilot.copied().is_empty(), is_copied);
        pilot.keys("<esc>");
        pilot.sees(if is_copied {
            "copied it"
        } else {
            "was not copied"
        });
    }
}

#[test]
fn a_refused_question_can_be_answered_once_more() {
    let mut pilot = Pilot::new(|request| match request.method.as_str() {
        "DELETE" => Err(refusal(409, "it is nearly done")),
        _ => uploads(request),
    });
    pilot.keys("gpdy");
    pilot.sees("it is nearly done");
    pilot.asked.clear();
    pilot.keys("y");
    pilot.has_asked("DELETE /uploads/0198f5b2-7d4f-7e0a-8000-000000000001");
}

#[test]
fn keys_with_alt_or_super_do_nothing_and_control_y_is_no_yes() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gp");
    for held in [KeyModifiers::ALT, KeyModifiers::SUPER, KeyModifiers::META] {
        pilot.send(Message::Key(KeyEvent::new(KeyCode::Char('d'), held)));
    }
    pilot.sees_no("End an upload");
    pilot.keys("d<c-y>");
    let alt = KeyEvent::new(KeyCode::Char('y'), KeyModifiers::ALT);
    pilot.send(Message::Key(alt));
    pilot.sees("End an upload");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn the_general_keys_are_seen_at_every_width_and_own_ones_only_whole() {
    let mut pilot = Pilot::new(uploads);
    for tab in ["go", "gr", "gu", "gk", "gp", "gs", "ga", "ge", "?"] {
        pilot.keys(tab);
        for width in [40, 80, 120, 200] {
            pilot.resize(width, 24);
            let screen = pilot.screen();
            let foot = screen.lines().last().unwrap();
            assert!(foot.ends_with("? help"), "{tab} {width}: {foot}");
            assert!(foot.contains("/ search  : command"), "{foot}");
        }
    }
}

#[test]
fn the_time_to_the_next_try_is_seen_however_long_the_reason_is() {
    let mut pilot = Pilot::new(uploads);
    pilot.send(Message::Link(Link::Down {
        why: "cannot reach http://localhost:8080: Connection refused (os error 111)".to_owned(),
        retry_at: NOW + 3_000,
    }));
    pilot.sees("again in 3 s");
    pilot.wait(1_000);
    pilot.sees("again in 2 s");
}

#[test]
fn what_is_typed_outlives_a_server_that_goes_and_comes_back() {
    let mut pilot = Pilot::new(uploads);
    pilot.keys("gri");
    pilot.keys("team/new");
    pilot.send(Message::Link(Link::Down {
        why: "gone".to_owned(),
        retry_at: NOW + 500,
    }));
    pilot.keys("-one");
    pilot.send(Message::Link(Link::Up));
    pilot.sees("team/new-one");
}
