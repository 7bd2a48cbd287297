//! Moving about in the tree.

use super::super::forest::{Forest, View};
use super::super::repository::Repository;
use super::browsing;
use super::fake::{Server, repository};
use crate::tui::tests::pilot::{NOW, Pilot};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What the cursor is on.
fn under(pilot: &mut Pilot) -> String {
    pilot.keys("y");
    pilot
        .copied()
        .last()
        .copied()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn h_and_l_close_and_open_and_lead_up_and_down() {
    let mut pilot = browsing();
    assert_eq!(under(&mut pilot), "library/");
    pilot.keys("3j");
    assert_eq!(under(&mut pilot), "team/");
    pilot.keys("l");
    assert_eq!(under(&mut pilot), "team/app");
    pilot.keys("jl");
    assert_eq!(under(&mut pilot), "team/web/api");
    pilot.keys("h");
    assert_eq!(under(&mut pilot), "team/web/");
    pilot.keys("h");
    pilot.sees_no("front");
    pilot.keys("h");
    assert_eq!(under(&mut pilot), "team/");
    pilot.keys("h");
    pilot.sees_no("app");
    // 12 + 2 + 8 tags.
    pilot.sees("team/  3");
    pilot.sees("5.5 GiB");
    pilot.keys("<enter>");
    pilot.sees("app");
    pilot.keys("zM");
    pilot.sees_no("alpine");
    assert_eq!(under(&mut pilot), "team/");
    pilot.keys("zR");
    pilot.sees("front");
}

#[test]
fn closing_all_leaves_the_cursor_on_what_hides_its_row() {
    let mut pilot = browsing();
    pilot.keys("6j");
    assert_eq!(under(&mut pilot), "team/web/api");
    pilot.keys("zM");
    assert_eq!(under(&mut pilot), "team/");
}

#[test]
fn a_filter_shows_matches_with_what_leads_to_them_and_the_cursor_on_the_first() {
    let mut pilot = browsing();
    pilot.keys("zMfapi");
    pilot.sees("Repositories 1 of 6  filter: api");
    pilot.sees("web/");
    pilot.keys("<enter>");
    assert_eq!(under(&mut pilot), "team/web/api");
    pilot.keys("<esc>");
    pilot.sees("Repositories 6");
    assert_eq!(under(&mut pilot), "team/");
}

#[test]
fn a_search_finds_what_is_below_closed_prefixes_too() {
    let mut pilot = browsing();
    pilot.keys("zM/api<enter>");
    assert_eq!(under(&mut pilot), "team/web/api");
    pilot.keys("/zzz");
    pilot.keys("<enter>");
    assert_eq!(under(&mut pilot), "team/web/api");
    pilot.keys("<esc>/team<enter>n");
    assert_eq!(under(&mut pilot), "team/web/front");
}

#[test]
fn the_order_goes_by_name_size_push_and_pull() {
    let mut pilot = browsing();
    pilot.keys("gg");
    assert_eq!(under(&mut pilot), "library/");
    pilot.keys("sgg");
    assert_eq!(under(&mut pilot), "team/");
    pilot.keys("sgg");
    // It was pushed to an hour ago.
    assert_eq!(under(&mut pilot), "tools");
    pilot.keys("Sgg");
    assert_eq!(under(&mut pilot), "library/");
    pilot.sees("last push");
}

#[test]
fn an_event_changes_the_tree_after_a_pause_and_the_cursor_keeps_its_row() {
    let server = Rc::new(RefCell::new(Server::small()));
    let names = Rc::clone(&server);
    let mut pilot = Pilot::new(move |request| {
        if request.path.starts_with("/repositories?") {
            let items = names.borrow().repositories.values().cloned().collect();
            return Ok(crate::tui::tests::pilot::page(items));
        }
        crate::tui::tests::pilot::not_there(request)
    });
    pilot.keys("gr4j");
    assert_eq!(under(&mut pilot), "team/app");
    let lists = |pilot: &Pilot| {
        let is_it = |asked: &&String| asked.starts_with("GET /repositories?");
        pilot.asked.iter().filter(is_it).count()
    };
    let before = lists(&pilot);
    let new = repository("library/busybox", 1);
    server
        .borrow_mut()
        .repositories
        .insert("library/busybox".to_owned(), new);
    for _ in 0..20 {
        pilot.hear("push", json!({ "object": "library/busybox:1" }));
    }
    assert_eq!(lists(&pilot), before);
    pilot.wait(400);
    assert_eq!(lists(&pilot), before + 1);
    pilot.sees("busybox");
    assert_eq!(under(&mut pilot), "team/app");
}

#[test]
fn twenty_thousand_repositories_are_a_tree_of_a_few_rows() {
    let leaf = |n: usize| {
        Arc::new(Repository {
            name: format!("team-{}/service-{}/image-{n}", n % 40, n % 400),
            own_bytes: 1,
            last_push: Some(NOW),
            ..Repository::default()
        })
    };
    let leaves: Vec<_> = (0..20_000).map(leaf).collect();
    let mut forest = Forest::new(leaves.clone());
    forest.sort((3, true));
    assert!(!forest.is_of(&leaves), "they came in another order");
    let mut folds = BTreeMap::new();
    let rows = |folds: &BTreeMap<String, bool>, filter: &str| {
        let filter = filter.to_owned();
        forest.rows(&View { folds, filter }).len()
    };
    assert_eq!(rows(&folds, ""), 40);
    assert_eq!(rows(&folds, "image-19999"), 3);
    forest.fold_all(&mut folds, true);
    assert_eq!(rows(&folds, ""), 20_000 + 400 + 40);
}
