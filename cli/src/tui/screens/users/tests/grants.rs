//! All grants.

use super::Server;
use crate::tui::tests::pilot::pictures;
use serde_json::json;

#[test]
fn grants_look_like_this() {
    pictures!("grants", "gua", Server::busy().answers());
}

#[test]
fn the_form_of_a_grant_looks_like_this() {
    pictures!("grants-new", "guai", Server::busy().answers());
}

#[test]
fn a_group_is_granted_a_role() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("guai <enter>web<enter>l<enter>web/**<enter>");
    pilot.has_asked(r#"POST /grants {"group":"web","on":"web/**","role":"writer"}"#);
    pilot.sees("the group web is writer on web/**");
    pilot.sees("Grants 5");
    // The cursor is on the new one.
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["web/**"]);
}

#[test]
fn a_user_is_granted_a_role_and_a_refusal_leaves_the_form() {
    let server = Server::busy().refusing("POST /grants", 404, "there is no user kim");
    let mut pilot = server.pilot();
    pilot.keys("guai<enter>kim<enter><enter>**<enter>");
    pilot.has_asked(r#"POST /grants {"on":"**","role":"reader","user":"kim"}"#);
    pilot.sees("there is no user kim");
    pilot.sees("Grant a role");
    server.0.borrow_mut().refuses.clear();
    pilot.keys("<enter>");
    pilot.sees("kim is reader on **");
}

#[test]
fn grants_are_filtered_by_whom_role_and_pattern_as_one_types() {
    let mut pilot = Server::busy().pilot();
    pilot.keys("guafqa");
    pilot.sees("Grants 1 of 4");
    pilot.keys("<esc>fjo<enter>");
    pilot.sees("team/**");
    pilot.sees_no("floundr_admin  admin");
    pilot.keys("<esc>fwriter<enter>");
    pilot.sees("Grants 1 of 4");
    pilot.keys("<enter>");
    pilot.sees("Rights");
}

#[test]
fn the_last_administrators_grant_is_not_taken_back() {
    let words = "nobody could administer the server any more";
    let mut pilot = Server::busy().refusing("DELETE", 409, words).pilot();
    pilot.keys("guady");
    pilot.has_asked("DELETE /grants/1");
    pilot.sees(words);
    pilot.keys("<esc>");
    pilot.sees("Grants 4");
}

#[test]
fn a_grant_is_changed_here_too_and_a_failure_of_the_second_step_is_told() {
    let words = "nobody could administer the server any more";
    let server = Server::busy().refusing("DELETE /grants/1", 409, words);
    let mut pilot = server.pilot();
    pilot.keys("guael<c-s>");
    pilot.sees("floundr_admin is janitor on **, and still admin on **: nobody could");
    pilot.sees("server any more");
    pilot.sees("Grants 5");
}

#[test]
fn an_event_takes_a_grant_away_and_an_empty_list_says_what_to_do() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys("gua");
    server.0.borrow_mut().grants.clear();
    pilot.hear("user", json!({}));
    pilot.wait(1_000);
    pilot.sees("nothing is granted to anybody; i grants a role");
    pilot.keys("edy<enter>");
}

#[test]
fn who_may_not_see_them_is_told_so() {
    let words = "this needs an administrator of the server";
    let mut pilot = Server::busy().refusing("GET /grants", 403, words).pilot();
    pilot.keys("gua");
    pilot.sees(words);
    pilot.keys("e");
}
