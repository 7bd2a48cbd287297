//! One user.

use super::{Server, grant};
use crate::tui::tests::pilot::pictures;
use serde_json::json;

#[test]
fn a_user_looks_like_this() {
    pictures!("user", "guj<enter>", Server::busy().answers());
}

#[test]
fn what_a_user_may_do_looks_like_this() {
    pictures!(
        "user-rights",
        "guj<enter>wteam/app<enter>",
        Server::busy().answers()
    );
}

#[test]
fn grants_of_groups_reach_a_user_too() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>");
    pilot.sees("Grants 2");
    pilot.sees("writer");
    pilot.sees("ops");
    pilot.sees_no("janitor");
    for to in ["user=jo", "group=ops", "group=web"] {
        assert!(
            pilot.asked.contains(&format!("GET /grants?{to}&n=1000")),
            "{to}"
        );
    }
}

#[test]
fn a_long_list_of_grants_is_read_to_its_end() {
    let mut answers = Server::busy().answers();
    let mut pilot =
        crate::tui::tests::pilot::Pilot::new(move |request| match request.path.as_str() {
            "/grants?user=jo&n=1000" => Ok(json!({
                "items": [grant(50, ("user", "jo"), "reader", "first/*")], "next": 50,
            })),
            "/grants?user=jo&n=1000&last=50" => Ok(json!({
                "items": [grant(51, ("user", "jo"), "reader", "second/*")], "next": null,
            })),
            _ => answers(request),
        });
    pilot.keys(":user jo<enter>");
    pilot.sees("Grants 3");
    pilot.sees("first/*");
    pilot.sees("second/*");
}

#[test]
fn all_four_rights_are_asked_for_and_told_with_their_reasons() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>w<enter>");
    pilot.sees("which repository?");
    pilot.keys("team/app<enter>");
    for action in ["pull", "push", "delete", "administer"] {
        let asked = format!("GET /explain?user=jo&action={action}&repository=team%2Fapp");
        assert!(pilot.asked.contains(&asked), "{asked}");
    }
    pilot.sees("Rights on team/app: pull, push");
    pilot.sees("pull        allowed  grant 4 gives jo the role writer on team/**");
    pilot.sees("                     grant 5 gives the group ops the role reader on **");
    pilot.sees("administer  denied   no grant and no rule gives it");
    // What changes rights has them asked for anew.
    let before = pilot.asked.len();
    pilot.hear("role", json!({}));
    pilot.wait(1_000);
    assert!(
        pilot.asked[before..]
            .iter()
            .any(|asked| asked.starts_with("GET /explain"))
    );
}

#[test]
fn a_long_reason_is_to_be_read_to_its_end() {
    let words = "grant 4711 gives the group of-those-who-are-on-call the role writer on company/department/team/a";
    let mut pilot = Server::busy().refusing("GET /explain", 403, words).pilot();
    pilot.keys(":user jo<enter>wteam/app<enter>");
    pilot.sees("refused  grant 4711 gives the group of-those-who-are-on-call the\n".trim_end());
    pilot.sees("                     role writer on company/department/team/a");
}

#[test]
fn rights_that_may_not_be_asked_for_are_told_in_the_servers_words() {
    let words = "only an administrator of the server asks about others";
    let mut pilot = Server::busy().refusing("GET /explain", 403, words).pilot();
    pilot.keys(":user jo<enter>wteam/app<enter>");
    pilot.sees("pull        refused  only an administrator");
}

#[test]
fn a_role_is_granted_from_those_there_are() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>i");
    pilot.sees("Grant jo a role");
    pilot.sees("< reader: pull >");
    pilot.keys("h");
    pilot.sees("< janitor: pull, delete >");
    pilot.keys("<enter>qa/*<enter>");
    pilot.has_asked(r#"POST /grants {"on":"qa/*","role":"janitor","user":"jo"}"#);
    pilot.sees("jo is janitor on qa/*");
    pilot.sees("Grants 3");
}

#[test]
fn a_grant_is_changed_by_making_the_new_one_before_the_old_one_goes() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys(":user jo<enter>e");
    pilot.sees("Change what jo may");
    pilot.sees("< writer: pull, push >");
    pilot.keys("hh<enter><backspace><backspace>app<enter>");
    let changes: Vec<_> = pilot
        .asked
        .iter()
        .filter(|asked| !asked.starts_with("GET "))
        .collect();
    assert_eq!(
        changes,
        [
            r#"POST /grants {"on":"team/app","role":"janitor","user":"jo"}"#,
            "DELETE /grants/4"
        ]
    );
    pilot.sees("jo is janitor on team/app, no longer writer on team/**");
    pilot.sees("Grants 2");
    pilot.sees_no("writer      ");
}

#[test]
fn a_grant_that_says_the_same_as_before_is_not_taken_back() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys(":user jo<enter>e<c-s>");
    pilot.has_asked(r#"POST /grants {"on":"team/**","role":"writer","user":"jo"}"#);
    assert_eq!(server.0.borrow().grants.len(), 4);
}

#[test]
fn an_old_grant_that_stays_is_told_until_something_else_is_done() {
    let words = "nobody could administer the server any more";
    let mut pilot = Server::busy()
        .refusing("DELETE /grants/4", 409, words)
        .wide();
    pilot.keys(":user jo<enter>eh<c-s>");
    pilot.wait(60_000);
    pilot.sees("jo is reader on team/**, and still writer on team/**: nobody");
    pilot.sees("Grants 3");
    pilot.keys("w<esc>");
    pilot.sees_no("and still");
}

#[test]
fn a_grant_is_taken_back_only_after_a_yes() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>jd");
    pilot.sees("Shall the group ops no longer be reader on **?");
    pilot.keys("<esc>");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("dy");
    pilot.has_asked("DELETE /grants/5");
    pilot.sees("Grants 1");
}

#[test]
fn a_form_that_was_asked_for_does_not_come_over_another_one() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>");
    pilot.is_slow = true;
    pilot.keys("iwteam/app");
    pilot.is_slow = false;
    pilot.answer();
    pilot.sees("What may jo do?");
    pilot.keys("<enter>");
    pilot.sees("Rights on team/app: pull, push");
}

#[test]
fn keys_lead_to_the_screen_of_keys_and_panes_go_round() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter><tab>");
    pilot.sees("laptop");
    pilot.keys("d");
    pilot.sees("that is for grants");
    pilot.keys("<tab><tab>d");
    pilot.sees("Take back a grant");
    pilot.keys("<esc><s-tab><s-tab><enter>");
    pilot.sees_no("Rights");
}

#[test]
fn the_grants_of_a_user_are_filtered_and_that_is_to_be_seen() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>fops<enter>");
    pilot.sees("Grants 1 of 2  filter: ops");
    pilot.sees_no("team/**");
    pilot.keys("<esc>");
    pilot.sees("team/**");
}

#[test]
fn names_and_reasons_that_are_none_do_no_harm() {
    let server = Server::busy();
    let bad = "\u{1b}[31mx\u{202e}\r\n".repeat(99);
    let hostile = grant(u64::MAX, ("user", "jo"), &bad, &bad);
    server.0.borrow_mut().grants = vec![hostile, json!({ "id": "x" }), json!(null)];
    server.0.borrow_mut().keys = vec![json!({ "id": bad, "name": 3, "scopes": {}, "expires": -1 })];
    let because = bad.clone();
    let mut answers = server.answers();
    let mut pilot = crate::tui::tests::pilot::Pilot::new(move |request| {
        if request.path.starts_with("/explain") {
            return Ok(json!({ "allowed": "yes", "because": [because.clone(), null, 7] }));
        }
        answers(request)
    });
    pilot.keys(":user jo<enter>");
    pilot.sees("Grants 1");
    pilot.keys("wx<enter>");
    pilot.sees("Rights on x: nothing");
    pilot.keys("<tab>d");
    for (width, height) in [(20, 5), (1, 1), (80, 24), (200, 50)] {
        pilot.resize(width, height);
        let screen = pilot.screen();
        assert!(!screen.contains(['\u{1b}', '\u{202e}', '\r']), "{screen}");
    }
}

#[test]
fn on_a_low_screen_the_pane_with_the_focus_has_all_the_room() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user jo<enter>");
    pilot.resize(60, 7);
    pilot.sees("team/**");
    pilot.sees("ops");
    pilot.keys("<tab>");
    pilot.sees("laptop");
    pilot.sees_no("team/**");
}

#[test]
fn a_user_who_is_not_there_is_told_by_the_server() {
    let mut pilot = Server::busy().pilot();
    pilot.keys(":user nobody<enter>");
    pilot.sees("there is no such user");
    pilot.sees("nothing is granted to them; i grants a role");
    for (width, height) in [(20, 5), (1, 1), (3, 300), (300, 3)] {
        pilot.resize(width, height);
        drop(pilot.screen());
    }
}

#[test]
fn an_event_brings_a_grant_and_the_cursor_stays_on_its_row() {
    let server = Server::busy();
    let mut pilot = server.pilot();
    pilot.keys(":user jo<enter>j");
    server
        .0
        .borrow_mut()
        .grants
        .insert(0, grant(77, ("user", "jo"), "admin", "new/*"));
    pilot.hear("grant", json!({}));
    pilot.wait(1_000);
    pilot.sees("Grants 3");
    pilot.sees("new/*");
    pilot.keys("dy");
    pilot.has_asked("DELETE /grants/5");
}
