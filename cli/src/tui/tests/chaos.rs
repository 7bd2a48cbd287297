//! A server that answers anything, a user who types anything, on a terminal of any size: nothing of it
//! may panic, hang, or put into the picture what a terminal would obey.

use super::pilot::Pilot;
use crate::tui::keys::sections;
use crate::tui::message::{Failure, Link, Message};
use crate::tui::theme::Theme;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The members of the API's answers, so that what is random is met by somebody.
const MEMBERS: [&str; 72] = [
    "items",
    "next",
    "name",
    "kind",
    "digest",
    "media_type",
    "size_bytes",
    "updated",
    "created",
    "expires",
    "id",
    "repository",
    "owner",
    "scopes",
    "on",
    "permissions",
    "role",
    "user",
    "group",
    "groups",
    "disabled",
    "must_change",
    "administrator",
    "keys",
    "public",
    "quota_bytes",
    "used_bytes",
    "immutable_tags",
    "rules",
    "tags",
    "manifests",
    "own_bytes",
    "shared_bytes",
    "last_push",
    "last_pull",
    "config",
    "content",
    "history",
    "created_by",
    "empty_layer",
    "layers",
    "platforms",
    "platform",
    "annotations",
    "referrers",
    "raw",
    "subject",
    "artifact_type",
    "store",
    "gc",
    "check",
    "phase",
    "paused",
    "running",
    "uptime_ms",
    "requests_total",
    "received_bytes",
    "sent_bytes",
    "uploads",
    "offset_bytes",
    "started",
    "active",
    "actor",
    "action",
    "object",
    "result",
    "detail",
    "sequence",
    "at",
    "allowed",
    "because",
    "progress",
];

/// Text that may do harm, and text that does none.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/:.*-]{0,12}",
        Just("\u{1b}[2J\u{1b}]52;c;eA==\u{7}".to_owned()),
        Just("\u{202e}\u{200b}\u{9b}31m\r\n\t".to_owned()),
        Just("\u{65e5}\u{672c}\u{1f468}\u{200d}\u{1f469}".to_owned()),
        Just(format!("sha256:{}", "ab".repeat(32))),
        "\\PC{0,40}",
        Just("x".repeat(3_000)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..5_000_u64].prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        let member = prop::sample::select(&MEMBERS[..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((member, inner), 0..14).prop_map(|members| {
                let named = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(named.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// A page of rows that have what rows must have, and anything beside it.
fn rows() -> impl Strategy<Value = Value> {
    prop::collection::vec((value(), text()), 0..6).prop_map(|rows| {
        let row = |(place, (value, name)): (usize, (Value, String))| {
            let mut row = value.as_object().cloned().unwrap_or_default();
            for member in ["name", "id", "digest", "on", "repository", "user"] {
                row.entry(member)
                    .or_insert_with(|| json!(format!("{name}{place}")));
            }
            for member in ["sequence", "at", "offset_bytes"] {
                row.entry(member).or_insert_with(|| json!(place));
            }
            Value::Object(row)
        };
        let rows: Vec<_> = rows.into_iter().enumerate().map(row).collect();
        json!({ "items": rows, "next": null })
    })
}

/// Everything that can be typed: each way of each binding, and what goes into forms and prompts.
fn typed() -> impl Strategy<Value = String> {
    let mut ways = vec![
        "<enter>",
        "<esc>",
        "<c-s>",
        "<space>",
        "y",
        "5",
        "<c-o>",
        "<c-c>",
        "<backspace>",
    ];
    for section in sections() {
        let keys = section
            .bindings
            .iter()
            .filter(|binding| binding.command != "q");
        ways.extend(keys.flat_map(|binding| binding.keys.split(' ')));
    }
    let ways: Vec<_> = ways.into_iter().map(str::to_owned).collect();
    let places = ["gr", "gu", "gk", "gp", "gs", "ga", "ge", "go", "?"].map(str::to_owned);
    let opened = [
        ":open team/app<enter>",
        ":open team/app:v1<enter>",
        ":user jo<enter>",
        ":why sha256:00<enter>",
    ];
    prop_oneof![
        6 => prop::sample::select(ways),
        2 => prop::sample::select(places.to_vec()),
        1 => prop::sample::select(opened.map(str::to_owned).to_vec()),
        1 => "[a-z0-9/*]{1,6}",
    ]
}

fn harmless(picture: &str) -> bool {
    !picture
        .chars()
        .any(|letter| letter != '\n' && (letter.is_control() || letter == '\u{202e}'))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_answered_and_typed_nothing_panics_and_no_picture_is_obeyed(
        answers in prop::collection::vec(prop_oneof![
            3 => rows().prop_map(Ok),
            2 => value().prop_map(Ok),
            1 => text().prop_map(|detail| Err(Failure::Refused { status: 403, detail })),
        ], 1..12),
        steps in prop::collection::vec((typed(), value(), 0..12_u8, (1..140_u16, 1..50_u16)), 1..25),
    ) {
        let mut answers = answers.into_iter().cycle();
        let fake = move |_: &_| answers.next().unwrap_or(Ok(Value::Null));
        let mut pilot = Pilot::on((80, 24), Theme::Dark, fake);
        for (keys, data, event, (width, height)) in steps {
            pilot.keys(&keys);
            match event {
                0 => pilot.resize(width, height),
                1 => pilot.wait(u64::from(width) * 40),
                2 => pilot.send(Message::Link(Link::Up)),
                3 => pilot.send(Message::Paste(data.to_string())),
                4..8 => pilot.hear(["status", "tag", "push", "gc"][usize::from(event - 4)], data),
                _ => {}
            }
            let picture = pilot.screen();
            prop_assert!(harmless(&picture), "{picture:?}");
        }
    }
}
