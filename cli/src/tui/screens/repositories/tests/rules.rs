//! Rules: setting them and taking them away.

use super::fake::Server;
use crate::tui::tests::pilot::{Pilot, page, pictures};
use serde_json::json;

fn ruling() -> Pilot {
    let mut pilot = Pilot::new(Server::small().fake());
    pilot.keys("grw");
    pilot
}

#[test]
fn the_rules_look_like_this() {
    pictures!("rules", "grw", Server::small().fake());
}

#[test]
fn what_is_used_beyond_a_quota_is_told_as_it_is() {
    let mut pilot = Pilot::new(|request| match request.path.split('?').next() {
        Some("/rules") => Ok(page(vec![
            json!({ "on": "big/*", "public": false, "quota_bytes": 1_024, "immutable_tags": [], "used_bytes": 18_047 }),
        ])),
        _ => Ok(page(Vec::new())),
    });
    pilot.keys("grw");
    pilot.sees("1762 %  17.6 KiB of 1.0 KiB");
}

#[test]
fn a_rule_is_made_and_found() {
    let mut pilot = ruling();
    pilot.keys("iteam/db/*<enter><space><enter>2 GiB<enter>v* latest<enter>");
    pilot.has_asked(r#"PUT /rules/team%2Fdb%2F%2A {"immutable_tags":["v*","latest"],"public":true,"quota_bytes":2147483648}"#);
    pilot.sees("the rule on team/db/* is set");
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["team/db/*"]);
}

#[test]
fn a_rule_that_is_there_is_not_written_over_by_a_new_one() {
    let mut pilot = ruling();
    pilot.keys("iteam/**<c-s>");
    pilot.sees("there is a rule on team/**; e edits it");
    pilot.keys("<esc>i<c-s>");
    pilot.sees("a pattern is needed");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_rule_is_edited_from_the_version_that_was_seen() {
    let mut pilot = ruling();
    pilot.keys("je");
    pilot.sees("Edit the rule on team/**");
    pilot.keys("<tab><c-u>20 GiB<c-s>");
    pilot.has_asked(r#"PUT /rules/team%2F%2A%2A {"immutable_tags":[],"public":false,"quota_bytes":21474836480} if "7""#);
    pilot.keys("e<tab><c-u><c-s>");
    pilot.sees("says nothing, so there is none");
    pilot.sees("Rules 2");
}

#[test]
fn a_rule_goes_after_a_yes() {
    let mut pilot = ruling();
    pilot.keys("jd");
    pilot.sees("quota 10.0 GiB");
    pilot.keys("n");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("dy");
    pilot.has_asked(r#"DELETE /rules/team%2F%2A%2A if "7""#);
    pilot.sees("Rules 2");
}

#[test]
fn who_may_not_see_rules_is_told_so_by_the_server() {
    let mut server = Server::small();
    server.rules_refusal = Some((403, "jo does not administer the server".to_owned()));
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("grw");
    pilot.sees("jo does not administer the server");
    pilot.keys("edyj");
}

#[test]
fn a_refused_rule_stays_in_its_form() {
    let mut server = Server::small();
    server.refusal = Some((412, "the rule has changed since".to_owned()));
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("grwje<tab><c-u>7 GiB<c-s>");
    pilot.sees("the rule has changed since");
    pilot.sees("7 GiB");
}

#[test]
fn an_event_reads_the_rules_anew() {
    let mut pilot = ruling();
    let read = |pilot: &Pilot| {
        let is_it = |asked: &&String| asked.starts_with("GET /rules?");
        pilot.asked.iter().filter(is_it).count()
    };
    assert_eq!(read(&pilot), 1);
    pilot.hear("rule", json!({ "object": "team/**" }));
    pilot.wait(400);
    assert_eq!(read(&pilot), 2);
}
