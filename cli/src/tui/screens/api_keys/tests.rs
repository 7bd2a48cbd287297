//! Tests of the screen of API keys, against a server that keeps them.

use crate::tui::message::{Effect, Failure, Message, Request};
use crate::tui::tests::pilot::{ETAG, NOW, Pilot, not_there, page, pictures};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const DAY: u64 = 86_400_000;

const SECRET: &str =
    "flr_00000000000000aa_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn keys() -> Vec<Value> {
    let scope = |on: &str, permissions: &[&str]| json!({ "on": on, "permissions": permissions });
    let key = |id: u64, name: &str, owner: Value, scopes: Value| {
        json!({
            "id": format!("{id:016x}"), "name": name, "owner": owner, "scopes": scopes, "made_by": null,
            "created": NOW - id * DAY, "expires": null, "last_used": null,
        })
    };
    let mut all = vec![
        key(1, "laptop", json!("floundr_admin"), Value::Null),
        key(
            2,
            "ci",
            json!("jo"),
            json!([
                scope("team/**", &["pull", "push"]),
                scope("library/*", &["pull"]),
                scope("team/old", &["delete"]),
            ]),
        ),
        key(
            3,
            "ci-deploy",
            json!("jo"),
            json!([scope("team/app", &["pull"])]),
        ),
        key(
            4,
            "mirror",
            Value::Null,
            json!([scope(
                "mirror/**",
                &["pull", "push", "delete", "administer"]
            )]),
        ),
        key(5, "old", json!("ann"), json!([])),
    ];
    all[1]["expires"] = json!(NOW + 3 * DAY);
    all[1]["last_used"] = json!(NOW - 120_000);
    all[2]["made_by"] = json!("0000000000000002");
    all[2]["expires"] = json!(NOW + 90 * DAY);
    all[4]["expires"] = json!(NOW - DAY);
    all
}

/// A server with keys, users and repositories; `refusal` answers what changes something, if it is there.
fn server(refusal: Option<(u16, &'static str)>) -> impl FnMut(&Request) -> Result<Value, Failure> {
    serving(Rc::new(RefCell::new(keys())), refusal)
}

fn serving(
    keys: Rc<RefCell<Vec<Value>>>,
    refusal: Option<(u16, &'static str)>,
) -> impl FnMut(&Request) -> Result<Value, Failure> {
    let repositories = [
        "library/alpine",
        "library/redis",
        "mirror/x",
        "team/app",
        "team/old",
        "team/tools/lint",
    ];
    move |request| {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if let (true, Some((status, detail))) = (request.method != "GET", refusal) {
            let detail = detail.to_owned();
            return Err(Failure::Refused { status, detail });
        }
        let id = path.strip_prefix("/keys/");
        let place = keys
            .borrow()
            .iter()
            .position(|key| key["id"].as_str() == id);
        match (request.method.as_str(), path, place) {
            ("GET", "/keys", _) => Ok(page(keys.borrow().clone())),
            ("GET", "/users", _) => Ok(page(
                ["ann", "floundr_admin", "jo", "joan"]
                    .map(|name| json!({ "name": name }))
                    .to_vec(),
            )),
            ("GET", "/repositories", _) => {
                let filter = query
                    .split('&')
                    .find_map(|part| part.strip_prefix("filter="));
                let filter = filter.unwrap_or("").replace("%2F", "/");
                let found = repositories.iter().filter(|name| name.contains(&filter));
                Ok(page(found.map(|name| json!({ "name": name })).collect()))
            }
            ("POST", "/keys", _) => {
                let mut key = request.body.clone().unwrap();
                key["id"] = json!("00000000000000aa");
                key["created"] = json!(NOW);
                keys.borrow_mut().push(key.clone());
                key["secret"] = json!(SECRET);
                Ok(key)
            }
            ("GET", _, Some(place)) => {
                let mut key = keys.borrow()[place].clone();
                key[ETAG] = json!("\"7\"");
                Ok(key)
            }
            ("PATCH", _, Some(place)) => {
                assert_eq!(request.if_match.as_deref(), Some("\"7\""));
                Ok(keys.borrow()[place].clone())
            }
            ("DELETE", _, Some(place)) => {
                keys.borrow_mut().remove(place);
                Ok(Value::Null)
            }
            _ => not_there(request),
        }
    }
}

#[test]
fn the_keys_look_like_this() {
    pictures!("keys", "gk", server(None));
    pictures!("keys-details", "gk<enter>", server(None));
}

#[test]
fn the_form_of_a_new_key_looks_like_this() {
    pictures!(
        "keys-new",
        "gkici<tab>jo<tab><c-o>team/**<tab><tab><space><c-o>lib",
        server(None)
    );
}

#[test]
fn a_new_key_is_shown_like_this() {
    pictures!("keys-secret", "gkici<c-s>", server(None));
}

#[test]
fn a_key_is_changed_and_revoked_in_forms_that_look_like_this() {
    pictures!("keys-edit", "gkje", server(None));
    pictures!("keys-revoke", "gkd", server(None));
}

#[test]
fn no_key_says_how_to_make_one() {
    let mut pilot = Pilot::new(|_: &Request| Ok(page(Vec::new())));
    pilot.keys("gk");
    pilot.sees("there is no key yet; i makes one");
    pilot.keys("<enter>edy<tab>");
    pilot.sees("API keys 0");
}

#[test]
fn a_key_is_made_with_scopes_and_shown_once() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkici<tab>jo<tab><c-o>team/**<tab><tab><space>");
    pilot.sees("matches 3: team/app, team/old, team/tools/lint");
    pilot.keys("<c-s>");
    pilot.has_asked(
        r#"POST /keys {"expires_in_ms":7776000000,"name":"ci","owner":"jo","scopes":[{"on":"team/**","permissions":["pull","push"]}]}"#,
    );
    pilot.sees("It is shown this once");
    pilot.sees("docker login localhost:8080 -u jo --password-stdin");
    pilot.keys("y");
    assert_eq!(pilot.copied(), [SECRET]);
    assert!(!format!("{:?}{:?}", pilot.effects, pilot.app).contains("0011"));
    pilot.keys("<enter>");
    pilot.sees_no("flr_");
    pilot.sees("API keys 6");
    pilot.keys("<enter>");
    pilot.sees("id        00000000000000aa");
    pilot.sees_no("flr_");
}

#[test]
fn a_robots_key_needs_scopes_and_lasts_as_long_as_is_said() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkimirror<tab>robot<c-s>");
    pilot.sees("a robot has no rights of its own");
    pilot.keys("<tab><c-o>mir<c-n><tab><tab><tab><tab><tab>");
    pilot.keys("<right><right><tab>36h<c-s>");
    pilot.has_asked(
        r#"POST /keys {"expires_in_ms":129600000,"name":"mirror","owner":null,"scopes":[{"on":"mirror/**","permissions":["pull"]}]}"#,
    );
    pilot.sees("-u mirror --password-stdin");
}

#[test]
fn what_lacks_is_said_before_anything_is_asked() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gki<c-s>");
    pilot.sees("the key needs a name");
    pilot.keys("x<tab>zz<c-s>");
    pilot.sees("nobody has that in the name");
    pilot.keys("<backspace><backspace><tab><c-o><c-s>");
    pilot.sees("scope 1 has no pattern");
    pilot.keys("a/[b");
    pilot.sees("which no name has");
    pilot.keys("<c-u>a<tab><space><c-s>");
    pilot.sees("scope 1 allows nothing");
    pilot.keys("<c-x><c-s>");
    pilot.sees("there is no scope");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_refusal_leaves_all_that_was_typed() {
    for (status, detail) in [
        (400, "pattern is bad"),
        (403, "only their own"),
        (409, "one of that name"),
    ] {
        let mut pilot = Pilot::new(server(Some((status, detail))));
        pilot.keys("gkideploy<tab>jo<tab><c-o>team/**<c-s>");
        pilot.sees(detail);
        pilot.sees("deploy");
        pilot.sees("< jo >");
        pilot.sees("team/**");
    }
}

#[test]
fn one_question_for_repositories_is_asked_at_a_time_and_the_last_that_was_typed_counts() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gki<tab><tab>");
    pilot.is_slow = true;
    let before = pilot.asked.len();
    pilot.keys("<c-o>team/app");
    assert_eq!(pilot.asked[before..], ["GET /repositories?n=100"]);
    pilot.answer();
    pilot.answer();
    assert_eq!(
        pilot.asked[before + 1..],
        ["GET /repositories?filter=team%2Fapp&n=100"]
    );
    pilot.sees("matches 1: team/app");
}

#[test]
fn a_pattern_is_completed_from_what_is_there() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gki<tab><tab><c-o>te");
    pilot.sees("Ctrl-n: team/**");
    pilot.keys("<c-n><c-n>");
    pilot.sees("team/tools/**");
    pilot.keys("<c-n>");
    pilot.sees("matches 1: team/app");
    pilot.keys("<c-u>nothing/*");
    pilot.sees("matches no repository yet");
}

#[test]
fn a_change_sends_only_what_is_different_and_only_if_the_key_is_as_it_was_shown() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gke<c-s>");
    pilot.sees("nothing is different");
    pilot.keys("2<tab><space><tab><right><c-s>");
    pilot.has_asked(
        r#"PATCH /keys/0000000000000002 {"expires":null,"name":"ci2","scopes":null} if "7""#,
    );
    pilot.sees("key ci2 was changed");
}

#[test]
fn a_key_that_may_nothing_is_renamed_and_still_may_nothing() {
    let keys = Rc::new(RefCell::new(keys()));
    keys.borrow_mut()[1]["scopes"] = json!([]);
    let id = keys.borrow()[1]["id"].as_str().unwrap().to_owned();
    let mut pilot = Pilot::new(serving(Rc::clone(&keys), None));
    pilot.keys("gke2<c-s>");
    pilot.has_asked(&format!(r#"PATCH /keys/{id} {{"name":"ci2"}} if "7""#));
    pilot.keys("e<tab><c-o>a/*<c-s>");
    pilot.has_asked(&format!(
        r#"PATCH /keys/{id} {{"scopes":[{{"on":"a/*","permissions":["pull"]}}]}} if "7""#
    ));
}

#[test]
fn a_change_of_what_has_changed_meanwhile_is_refused_in_the_form() {
    let mut pilot = Pilot::new(server(Some((412, "it has changed since"))));
    pilot.keys("gke2<c-s>");
    pilot.sees("it has changed since");
    pilot.sees("ci2");
}

#[test]
fn a_key_is_revoked_only_after_a_yes_and_with_those_made_with_it() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkd");
    pilot.sees("ci-deploy, which was");
    pilot.keys("n");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("dy");
    pilot.has_asked("DELETE /keys/0000000000000002");
    pilot.sees("key ci was revoked");
    pilot.sees("API keys 4");
}

#[test]
fn the_id_is_copied_and_owner_and_id_are_filtered_by() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkfann<enter>");
    pilot.sees("API keys 1 of 5");
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["0000000000000005"]);
    pilot.keys("f<c-u>robot<enter>");
    pilot.sees("mirror");
    pilot.sees("API keys 1 of 5");
}

#[test]
fn an_event_brings_a_new_key_and_takes_neither_the_row_nor_what_is_typed() {
    let keys = Rc::new(RefCell::new(keys()));
    let mut pilot = Pilot::new(serving(Rc::clone(&keys), None));
    pilot.keys("gkjy");
    let mut new = keys.borrow()[0].clone();
    (new["id"], new["name"]) = (json!("00000000000000bb"), json!("aaa"));
    keys.borrow_mut().push(new);
    pilot.keys("ihalf typ");
    pilot.hear("key", json!({ "id": "00000000000000bb" }));
    pilot.wait(1_000);
    pilot.sees("half typ");
    pilot.keys("<esc>y");
    pilot.sees("API keys 6");
    assert_eq!(pilot.copied(), ["0000000000000003"; 2]);
}

#[test]
fn who_does_not_administer_makes_keys_for_themselves() {
    let mut fake = server(None);
    let mut pilot = Pilot::knowing(
        json!({ "kind": "user", "name": "jo", "must_change": false, "administrator": false }),
        move |request| fake(request),
    );
    pilot.keys("gkimine<c-s>");
    pilot.has_asked(r#"POST /keys {"expires_in_ms":7776000000,"name":"mine","owner":"jo"}"#);
    assert!(
        !pilot
            .asked
            .iter()
            .any(|asked| asked.starts_with("GET /users"))
    );
}

#[test]
fn who_can_own_no_key_is_told_so_instead_of_filling_in_a_form() {
    for kind in ["robot", "anonymous"] {
        let mut fake = server(None);
        let me =
            json!({ "kind": kind, "name": null, "must_change": false, "administrator": false });
        let mut pilot = Pilot::knowing(me, move |request| fake(request));
        pilot.keys("gki");
        pilot.sees("only users have keys");
        pilot.sees_no("New key");
    }
}

#[test]
fn hostile_texts_and_small_terminals_are_no_trouble() {
    let hostile = |request: &Request| match request.path.split('?').next() {
        Some("/keys") => Ok(page(vec![
            json!({ "id": "\u{1b}[2J", "name": "a\u{202e}\nb", "owner": "\u{7}", "expires": u64::MAX,
                "created": u64::MAX, "last_used": u64::MAX, "scopes": [{ "on": "\u{9b}1m", "permissions": ["\u{1b}", 7] }, 3],
                "made_by": "\u{1b}[2J" }),
            json!({ "id": "1" }),
            json!({ "name": "no id" }),
        ])),
        _ => Ok(page(vec![
            json!({ "name": "\u{1b}[31mred/\u{202e}" }),
            json!({}),
        ])),
    };
    let mut pilot = Pilot::new(hostile);
    pilot.keys("gk");
    pilot.sees("API keys 2");
    for keys in ["<enter>", "id<tab>\u{1b}<tab><c-o>r<c-n>", "<esc>d"] {
        pilot.keys(keys);
        for (width, height) in [
            (80, 24),
            (20, 5),
            (1, 1),
            (2, 3),
            (300, 2),
            (121, 3),
            (500, 200),
        ] {
            pilot.resize(width, height);
            assert!(!pilot.screen().contains(['\u{1b}', '\u{202e}', '\u{9b}']));
        }
    }
}

#[test]
fn an_answer_with_a_secret_is_not_printed() {
    let reply = crate::tui::message::Reply {
        body: json!({ "secret": SECRET }),
        etag: None,
    };
    let message = Message::Answered(crate::tui::message::Ticket(1), Ok(reply));
    let effect = Effect::Copy(SECRET.to_owned());
    assert!(!format!("{message:?}{effect:?}").contains("flr_"));
}

#[test]
fn an_edit_that_is_waited_for_does_not_take_the_place_of_another_form() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gk");
    pilot.is_slow = true;
    pilot.keys("einew one");
    pilot.answer();
    pilot.sees("New key");
    pilot.sees("new one");
}

#[test]
fn of_many_scopes_the_one_that_is_typed_is_seen_with_what_it_matches() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkimany<tab><tab>");
    for row in 1..=30 {
        pilot.keys(&format!("<c-o>row-{row}"));
    }
    pilot.sees("row-30");
    pilot.sees("matches no repository yet");
    pilot.sees("Ctrl-s: send");
    pilot.keys("<up><up><up><up><up>");
    pilot.sees("row-25");
}

#[test]
fn a_refused_revocation_is_shown_in_the_question() {
    let mut pilot = Pilot::new(server(Some((403, "it allows more than yours"))));
    pilot.keys("gkdy");
    pilot.sees("it allows more than yours");
    pilot.sees("Revoke ci of jo?");
}

#[test]
fn users_of_later_pages_can_be_chosen_and_stay_chosen_when_they_are_read_again() {
    let mut fake = server(None);
    let mut pilot = Pilot::new(move |request| match request.path.as_str() {
        "/users?n=1000" => Ok(json!({ "items": [{ "name": "ann" }], "next": "ann" })),
        "/users?n=1000&last=ann" => Ok(page(vec![json!({ "name": "zoe" })])),
        _ => fake(request),
    });
    pilot.keys("gki<esc>");
    pilot.is_slow = true;
    pilot.keys("ici<tab>zoe");
    pilot.sees("< zoe >");
    pilot.answer();
    pilot.answer();
    pilot.is_slow = false;
    pilot.keys("<c-s>");
    pilot.has_asked(r#"POST /keys {"expires_in_ms":7776000000,"name":"ci","owner":"zoe"}"#);
}

#[test]
fn a_key_stays_as_long_as_it_is_said_in_the_own_time_and_two_answers_are_none() {
    let mut pilot = Pilot::new(server(None));
    pilot.keys("gkje<tab><tab><tab><tab><tab><tab><tab><tab>2d<c-s>");
    pilot.sees("there is an own time, but expires says as it is");
    pilot.sees_no("was changed");
    pilot.keys("<up><left><c-s>");
    let until = NOW + 2 * DAY;
    pilot.has_asked(&format!(
        r#"PATCH /keys/0000000000000003 {{"expires":{until}}} if "7""#
    ));
    pilot.keys("e<tab><tab><tab><tab><tab><tab><tab><tab>soon<up><left><c-s>");
    pilot.sees("own time: not a duration");
}
