//! The list of users.

use super::{Server, user};
use crate::tui::message::Request;
use crate::tui::tests::pilot::{Pilot, pictures};
use serde_json::json;

/// Somebody who is no administrator.
fn nobody_special(server: &Server) -> Pilot {
    let mut pilot = server.pilot();
    pilot.be(json!({
        "kind": "user", "name": "jo", "key": null, "must_change": false, "administrator": false,
    }));
    pilot
}

fn closed() -> Server {
    let words = "this needs an administrator of the server";
    Server::busy()
        .refusing("GET /users", 403, words)
        .refusing("GET /grants", 403, words)
}

#[test]
fn users_look_like_this() {
    pictures!("users", "guj", Server::busy().answers());
}

#[test]
fn the_form_of_a_new_user_looks_like_this() {
    pictures!("users-new", "guikim", Server::busy().answers());
}

#[test]
fn where_there_is_no_user_it_says_how_to_make_one() {
    let mut pilot = Server::empty().pilot();
    pilot.keys("gu");
    pilot.sees("there is no user; i makes one");
    // Keys that need a row do nothing.
    pilot.keys("exPdy<enter>");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_password_that_the_server_made_is_shown_once_and_can_be_copied() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("gui");
    pilot.keys("kim<enter><enter><enter>ops web<c-s>");
    pilot.has_asked(r#"POST /users {"groups":["ops","web"],"must_change":false,"name":"kim"}"#);
    pilot.sees("kim was made");
    pilot.sees("correct-horse");
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["correct-horse"]);
    pilot.keys("<enter>");
    pilot.sees_no("correct-horse");
    // The cursor is on who was made.
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["correct-horse", "kim"]);
}

/// Fills in a new user who is to be a writer on `team/**`.
fn kim_the_writer(pilot: &mut Pilot) {
    pilot.keys("guikim<enter><enter><enter><enter><enter>hteam/**");
    pilot.keys("<c-s>");
}

#[test]
fn a_first_grant_comes_after_the_user_and_leaves_the_password_to_be_read() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("guikim<enter><enter><enter><enter><enter>h<enter>team/**<enter>");
    pilot.has_asked(r#"POST /grants {"on":"team/**","role":"writer","user":"kim"}"#);
    pilot.sees("correct-horse");
    pilot.sees("kim was made, and is writer on team/**");
}

#[test]
fn a_first_grant_that_is_refused_stays_to_be_read_beside_the_password() {
    let server = Server::busy().refusing("POST /grants", 404, "there is no role writer");
    let mut pilot = server.pilot();
    pilot.keys("guikim<enter><enter><enter><enter><enter>h<enter>team/**<enter>");
    pilot.sees("correct-horse");
    pilot.keys("<enter>");
    pilot.wait(60_000);
    pilot.sees("kim was made, but is not writer on team/**: there is no role writer");
    pilot.keys("o");
    pilot.keys("<esc>x<esc>");
    pilot.sees_no("is not writer");
}

#[test]
fn a_role_without_a_pattern_and_passwords_that_differ_are_mended_before_anything_is_sent() {
    let mut pilot = Server::busy().pilot();
    kim_the_writer(&mut pilot);
    pilot.sees("on which repositories?");
    pilot.keys("<esc>ikim<enter>one<enter>two<c-s>");
    pilot.sees("the two passwords are not the same");
    pilot.sees("kim");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("<s-tab><s-tab><tab><c-u>two<c-s>");
    pilot.has_asked(
        r#"POST /users {"groups":[],"must_change":false,"name":"kim","password":"two"}"#,
    );
    // It was not made by the server: there is nothing to show.
    pilot.sees("kim was made");
    pilot.sees_no("not shown again");
}

#[test]
fn a_name_that_is_taken_is_told_in_the_form() {
    let server = Server::busy().refusing("POST /users", 409, "there is a user jo already");
    let mut pilot = server.pilot();
    pilot.keys("guijo<c-s>");
    pilot.sees("there is a user jo already");
    pilot.sees("New user");
    pilot.keys("ey<c-s>");
    pilot.has_asked(r#"POST /users {"groups":[],"must_change":false,"name":"joey"}"#);
}

#[test]
fn a_user_is_edited_as_they_were_shown_and_not_over_what_somebody_else_did() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("gu2jke");
    pilot.sees("Edit jo");
    pilot.keys(" qa<enter> <enter>");
    pilot.has_asked(r#"PATCH /users/jo {"groups":["ops","web","qa"],"must_change":false} if "7""#);
    pilot.sees("jo was changed");
    let server = server.refusing("PATCH /users/jo", 412, "jo has changed since");
    pilot.keys("e,x<c-s>");
    pilot.sees("jo has changed since");
    pilot.sees("Edit jo");
    drop(server);
}

#[test]
fn disabling_is_asked_for_and_enabling_is_not() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("gujx");
    pilot.sees("Disable jo?");
    pilot.keys("n");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("xy");
    pilot.has_asked(r#"PATCH /users/jo {"disabled":true}"#);
    pilot.sees("jo is disabled");
    pilot.keys("jx");
    pilot.has_asked(r#"PATCH /users/robin {"disabled":false}"#);
}

#[test]
fn the_last_administrator_is_not_disabled_and_the_server_says_why() {
    let words = "nobody could administer the server any more";
    let mut pilot = Server::busy().refusing("PATCH", 409, words).pilot();
    pilot.keys("guxy");
    pilot.sees(words);
    pilot.sees("Disable a user");
}

#[test]
fn a_new_password_is_typed_twice_and_is_never_to_be_seen() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("gujP<c-s>");
    pilot.sees("a password is needed");
    pilot.keys("swordfish<enter>swordfish");
    pilot.sees_no("swordfish");
    pilot.keys("<enter> <enter>");
    pilot.has_asked(r#"PATCH /users/jo {"must_change":false,"password":"swordfish"}"#);
    pilot.sees("jo has a new password");
}

#[test]
fn a_user_is_deleted_only_when_their_name_was_typed() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("gujd");
    pilot.sees("with their grants and 2 keys");
    pilot.keys("y<enter>");
    pilot.sees("that is not jo");
    pilot.keys("<backspace>jo<enter>");
    pilot.has_asked("DELETE /users/jo");
    pilot.sees("jo was deleted");
    pilot.sees("Users 3");
}

#[test]
fn who_is_no_administrator_sees_the_servers_words_and_themselves() {
    let mut pilot = nobody_special(&closed());
    pilot.keys("gu");
    pilot.sees("this needs an administrator of the server");
    pilot.sees("P: change your password");
    pilot.keys("Pold<enter>new<enter>newer<enter>");
    pilot.sees("the two passwords are not the same");
    pilot.keys("<c-u>new<enter>");
    pilot.has_asked(r#"PUT /whoami/password {"new":"new","old":"old"}"#);
    pilot.sees("your password was changed");
    pilot.keys("<enter>");
    pilot.sees("laptop");
}

#[test]
fn who_is_no_administrator_sees_this() {
    let answers = || {
        let mut answers = closed().answers();
        move |request: &Request| answers(request)
    };
    // The pilot of pictures is an administrator, but the server may have another opinion.
    pictures!("users-refused", "gu", answers());
}

#[test]
fn an_event_brings_a_user_and_neither_the_cursor_nor_what_is_typed_goes() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("gujikim");
    server.0.borrow_mut().users.insert(0, user("alex", &[]));
    pilot.hear("user", json!({ "user": "alex" }));
    pilot.wait(2_000);
    pilot.sees("kim");
    pilot.keys("<esc>");
    pilot.sees("Users 5");
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["jo"]);
}

#[test]
fn names_that_are_no_names_do_no_harm() {
    let server = Server::empty();
    let bad = "\u{1b}[2Jx\u{202e}\n\u{7}".repeat(50);
    server.0.borrow_mut().users = vec![user(&bad, &[&bad]), json!({ "name": 7 }), json!(null)];
    let mut pilot = server.wide();
    pilot.keys("gu");
    pilot.sees("Users 1");
    assert!(!pilot.screen().contains('\u{1b}'));
    for (width, height) in [(20, 5), (1, 1), (80, 24), (200, 50)] {
        pilot.resize(width, height);
        drop(pilot.screen());
    }
    pilot.keys("d");
    assert!(!pilot.screen().contains('\u{202e}'));
}
