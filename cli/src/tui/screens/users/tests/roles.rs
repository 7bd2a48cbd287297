//! Roles.

use super::{Server, role};
use crate::tui::tests::pilot::pictures;
use serde_json::json;

#[test]
fn roles_look_like_this() {
    pictures!("roles", "guo", Server::busy().answers());
}

#[test]
fn the_form_of_a_new_role_looks_like_this() {
    pictures!("roles-new", "guoi", Server::busy().answers());
}

#[test]
fn a_role_is_made_of_permissions() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("guoici<enter> <enter> <enter><enter><enter>");
    pilot.has_asked(r#"POST /roles {"name":"ci","permissions":["pull","push"]}"#);
    pilot.sees("role ci was made");
}

#[test]
fn a_role_is_edited_in_the_version_that_was_shown() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("guoje");
    pilot.sees("What janitor may");
    pilot.sees("pull        [x] yes");
    pilot.sees("push        [ ] no");
    pilot.keys("<enter> <c-s>");
    pilot.has_asked(r#"PUT /roles/janitor {"permissions":["pull","push","delete"]} if "3""#);
    pilot.sees("role janitor was changed");
    let server = server.refusing("PUT /roles/janitor", 412, "the role has changed since");
    pilot.keys("e <c-s>");
    pilot.sees("the role has changed since");
    pilot.sees("pull        [ ] no");
    drop(server);
}

#[test]
fn what_is_built_in_stays_as_it_is() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("guod");
    pilot.sees("admin is built in");
    pilot.keys("e");
    pilot.sees("admin is built in");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_role_that_somebody_has_is_not_deleted_and_the_server_says_why() {
    let words = "janitor is granted to somebody";
    let mut pilot = Server::busy().refusing("DELETE /roles", 409, words).pilot();
    pilot.keys("guojdy");
    pilot.has_asked("DELETE /roles/janitor");
    pilot.sees(words);
    pilot.sees("Delete a role");
}

#[test]
fn an_event_brings_a_role_and_no_name_does_harm() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("guo");
    pilot.sees("Roles 4");
    let bad = "a\u{1b}]0;x\u{7}\u{200b}";
    server.0.borrow_mut().roles = vec![role(bad, &[bad], false), json!({})];
    pilot.hear("missed", json!({ "missed": 3 }));
    pilot.wait(1_000);
    pilot.sees("Roles 1");
    assert!(!pilot.screen().contains('\u{1b}'));
    server.0.borrow_mut().roles.clear();
    pilot.hear("role", json!({}));
    pilot.wait(1_000);
    pilot.sees("there is no role; i makes one");
    pilot.keys("ed<enter>y");
}
