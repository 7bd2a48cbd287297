//! The servers screen, and the forms that logging in is.

use crate::tui::app::Start;
use crate::tui::message::{Effect, Failure, Request};
use crate::tui::server::{Address, Login, Server};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page, pictures};
use crate::tui::theme::{Look, Theme};
use ratatui::layout::Size;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A registry whose one user has a password that can change.
#[derive(Clone)]
struct Registry(Rc<RefCell<Inner>>);

struct Inner {
    is_known: bool,
    must_change: bool,
    uploads: Vec<Value>,
}

fn server(name: &str, url: &str) -> Server {
    Server {
        name: name.to_owned(),
        at: Address::Url(url.to_owned()),
        login: Some(Login::Password {
            user: "ann".to_owned(),
            password: "swordfish".to_owned().into(),
        }),
        ca_file: None,
        is_remembered: true,
    }
}

// === impl Registry ===

impl Registry {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            is_known: true,
            must_change: false,
            uploads: Vec::new(),
        })))
    }

    fn pilot(&self, servers: Vec<Server>) -> Pilot {
        let registry = self.clone();
        let start = Start {
            current: (!servers.is_empty()).then_some(0),
            servers,
            look: Look {
                theme: Theme::None,
                ascii: false,
            },
            size: Size::new(120, 30),
            now: NOW,
        };
        Pilot::start(start, move |request| registry.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Value, Failure> {
        let mut inner = self.0.borrow_mut();
        if !inner.is_known {
            return Err(Failure::Refused {
                status: 401,
                detail: "who are you?".to_owned(),
            });
        }
        let path = request.path.split('?').next().unwrap();
        match (request.method.as_str(), path) {
            ("GET", "/whoami") => Ok(json!({
                "kind": "user", "name": "ann", "must_change": inner.must_change,
                "administrator": false,
            })),
            ("PUT", "/whoami/password") => {
                inner.must_change = false;
                Ok(Value::Null)
            }
            ("GET", "/uploads") => Ok(page(inner.uploads.clone())),
            ("DELETE", _) => {
                inner.uploads.clear();
                Ok(Value::Null)
            }
            _ => not_there(request),
        }
    }
}

/// The servers that were to be remembered last.
fn remembered(pilot: &Pilot) -> Vec<String> {
    let all = pilot.effects.iter().rev();
    let mut all = all.filter_map(|effect| match effect {
        Effect::Remember(servers) => Some(servers),
        _ => None,
    });
    let servers = all.next().unwrap().iter();
    servers
        .map(|server| format!("{} {} {}", server.name, server.address(), server.who()))
        .collect()
}

/// Whom it was connected to last, and with which password.
fn connected(pilot: &Pilot) -> (String, String) {
    let mut all = pilot.effects.iter().rev();
    let last = all.find_map(|effect| match effect {
        Effect::Connect(server) => Some(server),
        _ => None,
    });
    let server = last.unwrap();
    let password = match &server.login {
        Some(Login::Password { password, .. } | Login::Key(password)) => password.expose(),
        None => "",
    };
    (server.name.clone(), password.to_owned())
}

fn two() -> Vec<Server> {
    vec![
        server("near", "http://localhost:8080"),
        server("far", "https://far.example.com"),
    ]
}

#[test]
fn the_servers_are_shown_without_what_one_logs_in_with_and_one_is_switched_to() {
    let mut pilot = Registry::new().pilot(two());
    pilot.keys("ge");
    pilot.sees("https://far.example.com");
    let screen = pilot.screen();
    let is_asked = |name: &str| {
        let mut rows = screen.lines().filter(|row| row.contains(name));
        rows.any(|row| row.contains("http") && row.contains("now"))
    };
    assert!(is_asked("near") && !is_asked("far"), "{screen}");
    pilot.sees_no("swordfish");
    pilot.keys("j<enter>");
    assert_eq!(connected(&pilot).0, "far");
    pilot.keys("ge:server near<enter>");
    assert_eq!(connected(&pilot).0, "near");
    pilot.keys(":server nowhere<enter>");
    pilot.sees("there is no server nowhere");
}

#[test]
fn a_server_is_added_changed_and_forgotten() {
    let mut pilot = Registry::new().pilot(two());
    pilot.keys("gei");
    pilot.sees("Another registry");
    pilot.keys("<c-u>third.example.com<tab>far<tab>bob<tab>secret<tab><tab><space><enter>");
    pilot.sees("another server is called far");
    pilot.keys("<up><up><up><up><c-u>third<c-s>");
    assert_eq!(connected(&pilot), ("third".to_owned(), "secret".to_owned()));
    let all = [
        "near http://localhost:8080 ann",
        "far https://far.example.com ann",
        "third https://third.example.com bob",
    ];
    assert_eq!(remembered(&pilot), all);
    pilot.keys("gegge");
    pilot.sees("Change it and log in");
    // The password that is known is kept, but never sent to another server.
    pilot.keys("<up><up><c-u>close<c-s>");
    assert_eq!(
        connected(&pilot),
        ("close".to_owned(), "swordfish".to_owned())
    );
    pilot.keys("gegge<up><up><up><c-u>elsewhere.example.com<c-s>");
    pilot.sees("what is the password of ann?");
    pilot.keys("<esc>ggjd");
    pilot.sees("Forget far");
    pilot.keys("n");
    pilot.sees("far.example.com");
    pilot.keys("dy");
    pilot.sees_no("far.example.com");
    assert_eq!(remembered(&pilot).len(), 2);
}

#[test]
fn who_is_not_known_any_more_logs_in_again_where_they_are() {
    let registry = Registry::new();
    let mut pilot = registry.pilot(two());
    pilot.keys("gp");
    pilot.sees("nothing is being pushed");
    registry.0.borrow_mut().is_known = false;
    pilot.keys("R");
    pilot.sees("who are you?");
    pilot.sees("Log in");
    // A wrong password keeps the form and what was typed.
    pilot.keys("wrong<c-s>");
    pilot.sees("who are you?");
    registry.0.borrow_mut().is_known = true;
    pilot.keys("<c-u>right<c-s>");
    pilot.sees_no("Log in");
    pilot.sees("nothing is being pushed");
    assert_eq!(connected(&pilot).1, "right");
}

#[test]
fn who_would_rather_not_log_in_is_not_asked_again() {
    let registry = Registry::new();
    let mut pilot = registry.pilot(two());
    registry.0.borrow_mut().is_known = false;
    pilot.keys("gpR<esc>");
    pilot.sees_no("Log in");
    pilot.keys("R");
    pilot.sees_no("Log in");
    pilot.keys("gl");
    pilot.sees("Log in");
}

#[test]
fn a_login_that_is_given_up_leads_back_to_the_server_before() {
    let registry = Registry::new();
    let mut pilot = registry.pilot(two());
    pilot.keys("gp");
    pilot.is_slow = true;
    pilot.keys("gei<c-u>third.example.com<c-s>");
    pilot.sees("waiting for the server");
    assert_eq!(connected(&pilot).0, "https://third.example.com");
    pilot.keys("<esc>");
    assert_eq!(connected(&pilot).0, "near");
    pilot.is_slow = false;
    pilot.answer();
    pilot.sees_no("third");
}

#[test]
fn a_password_that_must_be_changed_is_changed_first_and_remembered() {
    let registry = Registry::new();
    registry.0.borrow_mut().must_change = true;
    let mut pilot = registry.pilot(two());
    pilot.sees("has to be changed first");
    pilot.keys("newfish<tab>oldfish<enter>");
    pilot.sees("the two are not the same");
    pilot.keys("<c-u>newfish<enter>");
    pilot.has_asked(r#"PUT /whoami/password {"new":"newfish","old":"swordfish"}"#);
    assert_eq!(connected(&pilot), ("near".to_owned(), "newfish".to_owned()));
    pilot.sees_no("has to be changed first");
    assert_eq!(remembered(&pilot).len(), 2);
}

#[test]
fn a_first_start_can_be_left() {
    let mut pilot = Registry::new().pilot(Vec::new());
    pilot.sees("Which registry?");
    pilot.keys("<esc>");
    assert!(pilot.effects.contains(&Effect::Quit));
}

#[test]
fn a_key_needs_no_user_and_is_shown_by_its_number_alone() {
    let mut pilot = Registry::new().pilot(Vec::new());
    let key = format!("flr_0123456789abcdef_{}", "0".repeat(64));
    pilot.keys(&format!("<tab><tab><tab>{key}<c-s>ge"));
    pilot.sees("key 0123456789abcdef");
    pilot.sees_no("00000000");
}

#[test]
fn the_servers_and_the_login_look_like_this() {
    let nothing = |request: &Request| not_there(request);
    pictures!("servers", "ge", nothing);
    pictures!("servers-login", "gegl", nothing);
}

#[test]
fn a_question_that_the_login_stood_over_is_there_again_and_can_be_answered() {
    let registry = Registry::new();
    registry.0.borrow_mut().uploads = vec![json!({
        "id": "0198f5b2-7d4f-7e0a-8000-000000000001", "repository": "team/app", "active": true,
    })];
    let mut pilot = registry.pilot(two());
    pilot.keys("gpd");
    pilot.sees("End an upload");
    registry.0.borrow_mut().is_known = false;
    pilot.keys("y");
    pilot.sees("Log in");
    registry.0.borrow_mut().is_known = true;
    pilot.keys("right<c-s>");
    pilot.sees("End an upload");
    pilot.sees("send it once more");
}
