//! What the screens of repositories, deletions and rules do, against a server that keeps what it is told.

mod fake;
mod rules;
mod trash;
mod tree;

use crate::tui::message::{Effect, Request};
use crate::tui::tests::pilot::{Pilot, pictures};
use crate::tui::theme::Theme;
use fake::{Server, repository};
use serde_json::json;

fn browsing() -> Pilot {
    let mut pilot = Pilot::new(Server::small().fake());
    pilot.keys("gr");
    pilot
}

#[test]
fn the_repositories_look_like_this() {
    pictures!("repositories", "grjj", Server::small().fake());
}

#[test]
fn the_dialogs_look_like_this() {
    pictures!("repositories-edit", "gr4je", Server::small().fake());
    pictures!("repositories-delete", "gr4jd", Server::small().fake());
    pictures!(
        "repositories-filter",
        "grfpp<enter>",
        Server::small().fake()
    );
}

#[test]
fn an_empty_registry_says_what_to_do() {
    let mut pilot = Pilot::new(Server::default().fake());
    pilot.keys("gr");
    pilot.sees("i makes one");
    pilot.keys("jdepyuhl<enter>");
    pilot.sees("Repositories 0");
}

#[test]
fn a_repository_is_made_beside_the_cursor_which_goes_to_it() {
    let mut pilot = browsing();
    pilot.keys("4jinew<enter><space><enter>");
    pilot.has_asked(r#"POST /repositories {"name":"team/new","public":true}"#);
    pilot.sees("team/new was created");
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["team/new"]);
    pilot.keys("i<c-u>team/new<enter><enter>");
    pilot.sees("team/new was there already");
    pilot.keys("i<c-u><enter><enter>");
    pilot.sees("a name is needed");
}

#[test]
fn only_what_was_changed_is_sent_and_only_for_the_version_that_was_seen() {
    let mut pilot = browsing();
    pilot.keys("4je");
    pilot.sees("Edit team/app");
    pilot.sees("10 GiB");
    pilot.keys("<tab><c-u>500 M<tab><tab><c-s>");
    pilot.has_asked(r#"PATCH /repositories/team%2Fapp {"quota_bytes":524288000} if "1""#);
    pilot.sees("the settings of team/app were changed");
    pilot.keys("e<tab><c-u><tab> latest<c-s>");
    let patch = r#"PATCH /repositories/team%2Fapp {"immutable_tags":["v*","latest"],"quota_bytes":null} if "2""#;
    pilot.has_asked(patch);
    pilot.keys("e<c-s>");
    pilot.sees("nothing was changed");
    pilot.has_asked(patch);
}

#[test]
fn a_size_that_is_none_is_not_sent_and_what_was_typed_stays() {
    let mut pilot = browsing();
    pilot.keys("4je<tab><c-u>10 bananas<c-s>");
    pilot.sees("the quota is not a size");
    pilot.sees("10 bananas");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
}

#[test]
fn a_refusal_is_shown_in_the_form_which_stays() {
    let mut server = Server::small();
    server.refusal = Some((412, "team/app was changed since".to_owned()));
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("gr4je<space><c-s>");
    pilot.sees("team/app was changed since");
    pilot.sees("Edit team/app");
    pilot.keys("<esc>dteam/app<enter>");
    pilot.sees("team/app was changed since");
    pilot.sees("Delete a repository");
    pilot.keys("<esc>u");
    pilot.sees("nothing was deleted here");
}

#[test]
fn it_is_made_public_after_a_yes_and_private_at_once() {
    let mut pilot = browsing();
    pilot.keys("4jp");
    pilot.sees("Let anybody pull from team/app");
    pilot.keys("n");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("py");
    pilot.has_asked(r#"PATCH /repositories/team%2Fapp {"public":true} if "1""#);
    pilot.sees("team/app is public now");
    pilot.keys("p");
    pilot.has_asked(r#"PATCH /repositories/team%2Fapp {"public":false} if "2""#);
    pilot.sees("team/app is not public now");
}

#[test]
fn what_other_rules_make_public_is_told_to_be_so_still() {
    let mut server = Server::small();
    server.is_always_public = true;
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("gr4jp");
    pilot.sees("it is still public");
}

#[test]
fn a_repository_is_deleted_by_its_name_and_u_restores_the_last_one() {
    let mut pilot = browsing();
    pilot.keys("4jd");
    pilot.sees("12 tags");
    pilot.keys("y<enter>");
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("<backspace>team/app<enter>");
    pilot.has_asked(r#"DELETE /repositories/team%2Fapp if "1""#);
    pilot.sees("team/app was deleted; u restores it, until 2026-09-22 13:13:20 UTC");
    pilot.sees("Repositories 5");
    pilot.keys("u");
    pilot.has_asked(r#"POST /undelete {"repository":"team/app"}"#);
    pilot.sees("team/app is restored");
    pilot.sees("Repositories 6");
    pilot.keys("u");
    pilot.sees("nothing was deleted here; t shows");
}

#[test]
fn a_repository_that_somebody_else_changed_meanwhile_is_not_deleted() {
    let mut server = Server::small();
    let mut pilot = Pilot::new(move |request: &Request| {
        if request.method == http::Method::DELETE {
            server.versions.insert("team/app".to_owned(), 2);
        }
        server.answer(request)
    });
    pilot.keys("gr4jdteam/app<enter>");
    pilot.sees("team/app is \"2\" by now");
    pilot.sees("Repositories 6");
    // Asked for once more it is deleted as it is then.
    pilot.keys("<esc>dteam/app<enter>");
    pilot.has_asked(r#"DELETE /repositories/team%2Fapp if "2""#);
    pilot.sees("Repositories 5");
}

#[test]
fn what_cannot_be_restored_is_told_and_not_in_the_way_of_what_was_deleted_before() {
    let mut server = Server::small();
    server.is_taken = Some("tools".to_owned());
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("gr4jdteam/app<enter>Gdtools<enter>");
    pilot.has_asked(r#"DELETE /repositories/tools if "1""#);
    pilot.keys("u");
    pilot.sees("there is a repository tools by now");
    pilot.keys("u");
    pilot.has_asked(r#"POST /undelete {"repository":"team/app"}"#);
}

#[test]
fn what_somebody_else_restored_is_not_restored_again() {
    let mut pilot = browsing();
    pilot.keys("4jdteam/app<enter>");
    pilot.hear(
        "repository",
        json!({ "action": "undelete", "object": "team/app" }),
    );
    pilot.keys("u");
    pilot.sees("nothing was deleted here");
}

#[test]
fn names_and_pull_commands_are_copied() {
    let mut pilot = browsing();
    pilot.keys("4jyYkY");
    assert_eq!(
        pilot.copied(),
        ["team/app", "docker pull localhost:8080/team/app"]
    );
    pilot.sees("put the cursor on one");
}

#[test]
fn enter_leads_to_the_tags_and_t_and_w_to_the_trash_and_the_rules() {
    let mut pilot = browsing();
    pilot.keys("t");
    pilot.sees("Deleted repositories");
    pilot.keys("<esc>w");
    pilot.sees("Rules");
    pilot.keys("<esc>4j<enter>");
    pilot.sees("team/app");
    pilot.sees_no("Repositories 6");
}

#[test]
fn hostile_names_stay_where_they_are_put() {
    let mut server = Server::default();
    for name in [
        "\u{1b}[2Jx/\r\n",
        "\u{1b}[2Jx/b",
        "\u{202e}//",
        "",
        "/",
        &"a/".repeat(3000),
    ] {
        server
            .repositories
            .insert(name.to_owned(), repository(name, 1));
    }
    let fake = std::rc::Rc::new(std::cell::RefCell::new(server.fake()));
    for size in [(80, 24), (200, 50), (20, 5), (1, 1)] {
        let fake = std::rc::Rc::clone(&fake);
        let mut pilot = Pilot::on(size, Theme::Dark, move |request| {
            (fake.borrow_mut())(request)
        });
        pilot.keys("grzRGggjhllfb<enter>/x<enter><esc><esc>sssSed");
        let screen = pilot.screen();
        assert!(!screen.contains(['\u{1b}', '\r', '\u{202e}']), "{screen:?}");
    }
}

#[test]
fn whoever_does_not_administer_the_server_is_told_so_by_the_form() {
    let me = json!({ "kind": "user", "name": "jo", "administrator": false });
    let mut pilot = Pilot::knowing(me, Server::small().fake());
    pilot.keys("gr4je");
    pilot.sees("only an administrator of the server can change it");
    pilot.keys("<space><c-s>");
    pilot.has_asked(r#"PATCH /repositories/team%2Fapp {"public":true} if "1""#);
}

#[test]
fn details_are_scrolled_and_searched_when_they_have_the_focus() {
    let mut server = Server::small();
    let rules: Vec<String> = (0..60).map(|rule| format!("rule-{rule}/**")).collect();
    server.repositories.get_mut("team/app").unwrap()["rules"] = json!(rules);
    let mut pilot = Pilot::on((120, 24), Theme::Dark, server.fake());
    pilot.keys("gr4j");
    drop(pilot.screen());
    pilot.wait(250);
    pilot.sees("rule-0/**");
    pilot.sees_no("you may");
    pilot.keys("<tab>");
    drop(pilot.screen());
    pilot.keys("G");
    pilot.sees("you may    pull push");
    pilot.sees_no("rule-0/**");
    pilot.sees("Repositories 6");
    pilot.keys("/rule-31/<enter>");
    pilot.sees("rule-31/**");
    // What is done is done with the repository that is told of.
    pilot.keys("y");
    assert_eq!(pilot.copied(), ["team/app"]);
    // Where there is no room for them keys go to the tree.
    pilot.resize(80, 24);
    drop(pilot.screen());
    pilot.keys("<tab>jy");
    assert_eq!(pilot.copied(), ["team/app", "team/web/"]);
    pilot.resize(120, 24);
    drop(pilot.screen());
    pilot.keys("<tab>hky");
    assert_eq!(pilot.copied().last(), Some(&"team/app"));
}

#[test]
fn details_are_asked_for_when_the_cursor_rests_and_there_is_room() {
    let mut pilot = Pilot::on((80, 24), Theme::Dark, Server::small().fake());
    let shown = |pilot: &Pilot| {
        let is_it = |asked: &&String| asked.starts_with("GET /repositories/");
        pilot
            .asked
            .iter()
            .filter(is_it)
            .cloned()
            .collect::<Vec<_>>()
    };
    pilot.keys("gr4j");
    drop(pilot.screen());
    pilot.wait(500);
    assert!(shown(&pilot).is_empty());
    pilot.resize(140, 40);
    drop(pilot.screen());
    pilot.keys("j");
    pilot.wait(100);
    assert!(shown(&pilot).is_empty(), "it moved on");
    pilot.keys("k");
    pilot.wait(250);
    assert_eq!(shown(&pilot), ["GET /repositories/team%2Fapp"]);
    pilot.sees("10.0 GiB");
    pilot.sees("pull push");
    insta::with_settings!({ snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/src/tui/tests/pictures"), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("repositories-details-140x40", pilot.picture());
    });
    pilot.hear("push", json!({ "object": "team/app:1", "action": "push" }));
    pilot.wait(250);
    assert_eq!(shown(&pilot).len(), 2);
    pilot.hear(
        "push",
        json!({ "object": "team/apple:1", "action": "push" }),
    );
    pilot.wait(250);
    assert_eq!(shown(&pilot).len(), 2);
    assert!(!pilot.effects.contains(&Effect::Quit));
}
