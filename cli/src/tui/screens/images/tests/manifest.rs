//! Tests of one manifest, its bytes and the history of a tag.

use super::super::text::Text;
use super::{BAD, Server, at_manifest, digest, fake, pilot};
use crate::tui::message::Request;
use crate::tui::tests::pilot::{Pilot, not_there, pictures};
use serde_json::json;

#[test]
fn an_image_looks_like_this() {
    pictures!("manifest", ":open team/app:v1<enter>", fake());
    pictures!("manifest-layers", ":open team/app:v1<enter><tab>", fake());
    pictures!(
        "manifest-configuration",
        ":open team/app:v1<enter>2<tab>",
        fake()
    );
}

#[test]
fn an_index_looks_like_this() {
    pictures!(
        "manifest-index",
        ":open team/app:latest<enter><tab>",
        fake()
    );
}

#[test]
fn the_bytes_of_a_manifest_look_like_this() {
    pictures!("manifest-raw", ":open team/app:v1<enter>r", fake());
}

#[test]
fn the_history_of_a_tag_looks_like_this() {
    pictures!("tag-history", ":open team/app<enter>H", fake());
}

#[test]
fn an_image_that_does_not_say_its_platform_has_none() {
    let mut server = Server::team();
    let mut pilot = Pilot::new(move |request: &Request| {
        let mut answer = server.answer(request)?;
        if let Some(content) = answer["config"]["content"].as_object_mut() {
            content.insert("os".to_owned(), json!(""));
            content.insert("architecture".to_owned(), json!(""));
        }
        Ok(answer)
    });
    pilot.keys(":open team/app:v1<enter>");
    pilot.sees("platform      - ");
}

#[test]
fn one_goes_from_an_index_into_its_manifests_and_back() {
    let mut pilot = at_manifest(":latest", "<tab>j<enter>");
    pilot.sees("38.1 MiB");
    pilot.keys("<tab>y");
    assert_eq!(pilot.copied(), [digest(101)]);
    pilot.sees("shared");
    pilot.sees("COPY app /app");
    pilot.keys("<esc>");
    pilot.sees("linux/arm64/v8");
    pilot.keys("3<tab>");
    pilot.sees("[Summary]");
    let mut pilot = at_manifest(":latest", "<s-tab>");
    pilot.sees("cosign");
    pilot.keys("<enter>");
    pilot.sees("subject");
}

#[test]
fn the_raw_manifest_is_shown_and_searched() {
    let pilot = at_manifest(":v1", "r/mediaType<enter>y");
    pilot.sees("\"schemaVersion\": 2");
    assert!(pilot.copied()[0].contains("\"mediaType\": \"x\""));
    let long = Text::new(&format!("{}\n{}", "x".repeat(5_000), "y\n".repeat(60_000)));
    assert!(format!("{long:?}").contains("3000 letters more"));
}

#[test]
fn a_manifest_is_deleted_from_its_own_screen_and_brought_back() {
    let mut pilot = at_manifest(":v1", "d");
    pilot.sees("its tag v1");
    pilot.keys("y");
    pilot.sees("is not there");
    pilot.keys("u");
    pilot.sees("38.1 MiB");
    pilot.hear("delete", json!({ "object": "team/app:v1" }));
    assert!(pilot.asked.last().unwrap().ends_with("/manifests/v1"));
}

#[test]
fn a_tag_is_set_back_from_its_history() {
    let mut pilot = pilot(Server::team());
    pilot.keys("jH<enter>");
    pilot.sees("names this already");
    pilot.keys("j<enter>");
    pilot.sees("Let v1 name");
    pilot.keys("y");
    let (one, two) = (digest(1), digest(2));
    pilot.has_asked(&format!(
        "PUT /repositories/team%2Fapp/tags/v1 {{\"digest\":\"{two}\"}} if \"{one}\""
    ));
}

#[test]
fn a_new_tag_takes_no_name_that_is_taken_nor_is_it_set_when_its_form_is_gone() {
    let mut pilot = at_manifest(":v1", "iv2<enter>");
    let two = digest(2);
    let short = two.get(..19).unwrap();
    pilot.sees(&format!("v2 names {short} already; e on it moves it"));
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.is_slow = true;
    pilot.keys("<backspace>9<enter><esc>");
    pilot.is_slow = false;
    pilot.answer();
    assert!(pilot.asked.iter().all(|asked| asked.starts_with("GET ")));
    pilot.keys("iv9<enter>");
    let one = digest(1);
    pilot.has_asked(&format!(
        "PUT /repositories/team%2Fapp/tags/v9 {{\"digest\":\"{one}\"}}"
    ));
}

#[test]
fn hostile_text_disturbs_nothing() {
    let mut server = Server::team();
    server.tags.insert(BAD.to_owned(), 4);
    server.tags.insert("x".repeat(10_000), 4);
    let mut pilot = pilot(server);
    pilot.keys("gg");
    for (width, height) in [(20, 5), (80, 24), (200, 50), (1, 1)] {
        pilot.resize(width, height);
        pilot.wait(200);
        let screen = pilot.screen();
        assert!(
            !screen.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']),
            "{screen}"
        );
    }
    let bad = digest(4);
    pilot.keys(&format!(":open team/app@{bad}<enter>"));
    for _ in 0..4 {
        for (width, height) in [(20, 5), (80, 24), (200, 50), (2, 2)] {
            pilot.resize(width, height);
            let screen = pilot.screen();
            assert!(
                !screen.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']),
                "{screen}"
            );
        }
        pilot.keys("<tab>");
    }
    pilot.resize(80, 24);
    pilot.keys("gg<tab>j<enter>");
    pilot.sees("9000 letters");
}

#[test]
fn a_configuration_that_says_nothing_is_shown_as_such() {
    let mut pilot = Pilot::new(|request: &Request| match request.path.as_str() {
        "/repositories/team%2Fapp/manifests/v1" => Ok(json!({
            "digest": digest(1), "media_type": "application/vnd.oci.image.manifest.v1+json",
            "config": { "digest": digest(2), "media_type": "application/vnd.oci.image.config.v1+json",
                        "size_bytes": 2, "content": {} },
        })),
        _ => not_there(request),
    });
    pilot.keys(":open team/app:v1<enter>");
    pilot.sees("Configuration");
}
