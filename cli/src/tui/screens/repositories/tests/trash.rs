//! What was deleted, and restoring it.

use super::fake::Server;
use crate::tui::app::place::Place;
use crate::tui::tests::pilot::{Pilot, pictures};
use serde_json::json;

/// A pilot who looks at what was deleted from a repository.
fn of_one() -> Pilot {
    let mut pilot = Pilot::new(Server::small().fake());
    pilot.keys("gr");
    pilot.visit(Place::Trash {
        repository: Some("team/app".to_owned()),
    });
    pilot
}

#[test]
fn what_was_deleted_looks_like_this() {
    pictures!("trash", "grt", Server::small().fake());
}

#[test]
fn a_repository_is_restored_and_goes_from_the_list() {
    let mut pilot = Pilot::new(Server::small().fake());
    pilot.keys("grt");
    pilot.sees("old/app");
    pilot.sees("1 h ago");
    pilot.sees("23 h");
    pilot.keys("ju");
    pilot.has_asked(r#"POST /undelete {"repository":"team/gone"}"#);
    pilot.sees("team/gone is restored");
    pilot.sees("Deleted repositories 1");
    pilot.keys("<enter>");
    pilot.has_asked(r#"POST /undelete {"repository":"old/app"}"#);
    pilot.sees("no deleted repository can be restored");
    pilot.keys("u");
}

#[test]
fn a_name_that_is_taken_is_told_in_the_words_of_the_server() {
    let mut server = Server::small();
    server.refusal = Some((409, "there is a repository old/app by now".to_owned()));
    let mut pilot = Pilot::new(server.fake());
    pilot.keys("grtu");
    pilot.sees("there is a repository old/app by now");
    pilot.sees("Deleted repositories 2");
}

#[test]
fn a_manifest_is_restored_and_tags_that_are_taken_are_told() {
    let mut pilot = of_one();
    let digest = format!("sha256:{}", "ab".repeat(32));
    assert!(
        pilot
            .asked
            .iter()
            .any(|asked| asked.starts_with("GET /deleted?repository=team%2Fapp&n="))
    );
    pilot.sees("sha256:abababababab");
    pilot.sees("1.0 latest");
    pilot.keys("y<enter>");
    assert_eq!(pilot.copied(), [digest.as_str()]);
    let asked = format!(r#"POST /undelete {{"reference":"{digest}","repository":"team/app"}}"#);
    pilot.has_asked(&asked);
    pilot.sees("these tags name others by now: latest");
}

#[test]
fn it_is_read_anew_when_something_is_deleted_and_when_time_goes_by() {
    let mut pilot = Pilot::new(Server::small().fake());
    pilot.keys("grt");
    let read = |pilot: &Pilot| {
        let is_it = |asked: &&String| asked.starts_with("GET /deleted?");
        pilot.asked.iter().filter(is_it).count()
    };
    assert_eq!(read(&pilot), 1);
    pilot.hear("repository", json!({ "action": "repository-delete" }));
    pilot.wait(400);
    assert_eq!(read(&pilot), 2);
    pilot.wait(61_000);
    assert_eq!(read(&pilot), 3);
}
