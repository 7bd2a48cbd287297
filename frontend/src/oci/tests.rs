//! What manifests come to: one table of bodies that are taken, one of bodies that are refused.

use super::media_type::{DOCKER_LIST, DOCKER_MANIFEST, Kind, OCI_INDEX, OCI_MANIFEST};
use super::{Limits, Parsed, parse};
use crate::error::{ApiError, ErrorCode};
use floundr_engine::digest::{Algorithm, Digest};
use proptest::prelude::*;
use serde_json::{Value, json};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(name: &str) -> Digest {
    Digest::of(Algorithm::Sha256, name.as_bytes())
}

fn descriptor(media_type: &str, name: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(name).to_string(), "size": 7})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "config": descriptor(CONFIG, "config"),
        "layers": [descriptor(LAYER, "one"), descriptor(LAYER, "two")],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, "child")]})
}

/// `base` with the members of `change` set, or taken out where they are `"-"`.
fn with(mut base: Value, change: &Value) -> Value {
    let fields = base.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        if value == "-" {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    base
}

fn parsed(body: &Value, content_type: &str) -> Result<Parsed, ApiError> {
    let content_type = (!content_type.is_empty()).then_some(content_type);
    parse(
        body.to_string().as_bytes(),
        content_type,
        &Limits::default(),
    )
}

#[track_caller]
fn taken(body: &Value, content_type: &str) -> Parsed {
    parsed(body, content_type).unwrap_or_else(|error| panic!("{body}: {error}"))
}

#[track_caller]
fn refused(body: &Value, content_type: &str, message: &str) {
    let error = parsed(body, content_type).expect_err(&body.to_string());
    assert_eq!(error.code(), ErrorCode::ManifestInvalid, "{body}");
    assert!(
        error.message().contains(message),
        "{:?} lacks {message:?}",
        error.message()
    );
}

#[test]
fn an_image_manifest_points_at_its_configuration_and_layers() {
    for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
        let parsed = taken(&image(), media_type);
        assert_eq!(parsed.kind, Kind::Image);
        assert_eq!(parsed.media_type.as_str(), media_type);
        assert_eq!(parsed.links.config, Some(digest("config")));
        assert_eq!(parsed.links.layers, [digest("one"), digest("two")]);
        assert_eq!(parsed.links.artifact_type.as_deref(), Some(CONFIG));
        assert!(parsed.links.foreign_layers.is_empty() && parsed.links.manifests.is_empty());
    }
}

#[test]
fn an_index_points_at_its_children_and_has_no_artifact_type_of_its_own() {
    for media_type in [OCI_INDEX, DOCKER_LIST] {
        let parsed = taken(&index(), media_type);
        assert_eq!(parsed.kind, Kind::Index);
        assert_eq!(parsed.links.manifests, [digest("child")]);
        assert_eq!(parsed.links.artifact_type, None);
    }
    let typed = with(index(), &json!({"artifactType": "a/b"}));
    assert_eq!(
        taken(&typed, OCI_INDEX).links.artifact_type.as_deref(),
        Some("a/b")
    );
}

#[test]
fn subject_artifact_type_and_annotations_are_read() {
    let change = json!({
        "subject": descriptor(OCI_MANIFEST, "subject"),
        "artifactType": "application/vnd.example",
        "annotations": {"z": "1", "a": "2"},
    });
    let text = with(image(), &change).to_string();
    let text = text.replace(r#"{"a":"2","z":"1"}"#, r#"{"z":"1","a":"2"}"#);
    let links = parse(text.as_bytes(), Some(OCI_MANIFEST), &Limits::default())
        .unwrap()
        .links;
    assert_eq!(links.subject, Some(digest("subject")));
    assert_eq!(
        links.artifact_type.as_deref(),
        Some("application/vnd.example")
    );
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(links.annotations, [pair("z", "1"), pair("a", "2")]);
    let empty = with(image(), &json!({"artifactType": ""}));
    assert_eq!(
        taken(&empty, OCI_MANIFEST).links.artifact_type.as_deref(),
        Some(CONFIG)
    );
}

#[test]
fn layers_that_may_stay_elsewhere_are_kept_apart() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let mut with_urls = descriptor(LAYER, "urls");
    with_urls["urls"] = json!(["https://example.com/x"]);
    let mut no_urls = descriptor(LAYER, "here");
    no_urls["urls"] = json!([]);
    let nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let layers = json!({"layers": [
        descriptor(foreign, "foreign"), with_urls, no_urls, descriptor(nondistributable, "nd"),
    ]});
    let links = taken(&with(image(), &layers), OCI_MANIFEST).links;
    assert_eq!(
        links.foreign_layers,
        [digest("foreign"), digest("urls"), digest("nd")]
    );
    assert_eq!(links.layers, [digest("here")]);
}

#[test]
fn empty_lists_unknown_fields_and_other_algorithms_are_fine() {
    let sha512 = Digest::of(Algorithm::Sha512, b"config");
    let mut config = descriptor(CONFIG, "x");
    config["digest"] = json!(sha512.to_string());
    config["data"] = json!("e30=");
    for change in [
        json!({"layers": []}),
        json!({"layers": null}),
        json!({"org.example": {"deep": [1]}}),
        json!({"annotations": null, "subject": null, "artifactType": null}),
        json!({"mediaType": ""}),
        json!({"manifests": []}),
        json!({"config": config}),
    ] {
        taken(&with(image(), &change), OCI_MANIFEST);
    }
    taken(&with(index(), &json!({"manifests": []})), OCI_INDEX);
    taken(&with(index(), &json!({"manifests": null})), OCI_INDEX);
}

#[test]
fn an_index_may_hold_blobs_as_build_caches_do() {
    let cache = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        descriptor(LAYER, "layer"),
        descriptor("application/vnd.buildkit.cacheconfig.v0", "cache"),
    ]});
    assert_eq!(
        taken(&cache, OCI_INDEX).links.manifests,
        [digest("layer"), digest("cache")]
    );
}

#[test]
fn the_media_type_comes_from_header_body_or_structure() {
    let inside = |name: &str| with(image(), &json!({"mediaType": name}));
    for (body, content_type, expected) in [
        (
            image(),
            "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            OCI_MANIFEST,
        ),
        (inside(OCI_MANIFEST), "", OCI_MANIFEST),
        (inside(DOCKER_MANIFEST), "", DOCKER_MANIFEST),
        (image(), "", OCI_MANIFEST),
        (index(), "", OCI_INDEX),
        (json!({"mediaType": "a/b"}), "", "a/b"),
    ] {
        assert_eq!(taken(&body, content_type).media_type.as_str(), expected);
    }
    refused(
        &inside(DOCKER_MANIFEST),
        OCI_MANIFEST,
        "mediaType in the manifest is",
    );
    refused(&json!({}), "", "neither content-type nor mediaType");
    refused(&image(), "nonsense", "type/subtype");
    refused(
        &with(image(), &json!({"mediaType": 7})),
        OCI_MANIFEST,
        "mediaType",
    );
}

#[test]
fn docker_schema_1_is_refused_with_a_reason() {
    let schema1 = json!({"schemaVersion": 1, "fsLayers": [], "signatures": []});
    for content_type in [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "",
    ] {
        refused(&schema1, content_type, "schema 1");
    }
}

#[test]
fn an_unknown_type_needs_only_to_be_an_object_but_its_descriptors_count() {
    let unknown = "application/vnd.example.thing+json";
    assert_eq!(
        taken(&json!({}), unknown).links,
        floundr_engine::descriptor::Links::default()
    );
    let odd = json!({
        "config": 7, "layers": "x", "manifests": [1, {}, null], "blobs": {}, "subject": [],
        "annotations": {"a": 1}, "artifactType": 5, "schemaVersion": "x",
    });
    assert_eq!(
        taken(&odd, unknown).links,
        floundr_engine::descriptor::Links::default()
    );
    let artifact = json!({
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "blobs": [descriptor(LAYER, "blob"), 7],
        "subject": descriptor(OCI_MANIFEST, "subject"),
        "annotations": {"a": "b"},
    });
    let links = taken(&artifact, "").links;
    assert_eq!(links.layers, [digest("blob")]);
    assert_eq!(links.subject, Some(digest("subject")));
    assert_eq!(
        links.artifact_type.as_deref(),
        Some("application/vnd.example")
    );
    assert_eq!(links.annotations.len(), 1);
    refused(&json!([]), unknown, "JSON object");
}

#[test]
fn a_known_type_must_be_such_a_manifest() {
    let mut no_size = descriptor(LAYER, "x");
    no_size.as_object_mut().unwrap().remove("size");
    let sized = |size: Value| {
        let mut layer = descriptor(LAYER, "x");
        layer["size"] = size;
        json!({"layers": [layer]})
    };
    for (change, message) in [
        (json!({"config": "-"}), "config is missing"),
        (json!({"config": null}), "config is missing"),
        (json!({"layers": "-"}), "layers is missing"),
        (json!({"schemaVersion": "-"}), "schemaVersion is missing"),
        (json!({"schemaVersion": 1}), "schemaVersion is 1"),
        (json!({"layers": {}}), "layers"),
        (
            json!({"layers": [no_size]}),
            "layers: element 0: missing field `size`",
        ),
        (json!({"layers": [7]}), "element 0"),
        (json!({"config": {}}), "config: missing field"),
        (sized(json!(-1)), "element 0"),
        (sized(json!(1.5)), "element 0"),
        (
            sized(json!(9_223_372_036_854_775_808_u64)),
            "more than 9223372036854775807",
        ),
        (sized(json!("7")), "element 0"),
        (json!({"annotations": {"a": 1}}), "annotations"),
        (json!({"annotations": []}), "annotations"),
        (json!({"artifactType": 1}), "artifactType"),
        (json!({"subject": {"digest": "x"}}), "subject"),
        (json!({"manifests": [1]}), "manifests has no place"),
    ] {
        refused(&with(image(), &change), OCI_MANIFEST, message);
    }
    for (change, message) in [
        (json!({"manifests": "-"}), "manifests is missing"),
        (json!({"layers": [1]}), "layers has no place"),
        (json!({"config": {}}), "config has no place"),
    ] {
        refused(&with(index(), &change), OCI_INDEX, message);
    }
    refused(&json!({}), OCI_MANIFEST, "schemaVersion");
}

#[test]
fn a_size_beyond_every_integer_is_refused() {
    let text = image()
        .to_string()
        .replace("\"size\":7", "\"size\":99999999999999999999999");
    let error = parse(text.as_bytes(), Some(OCI_MANIFEST), &Limits::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);
}

#[test]
fn what_is_not_json_is_refused() {
    for body in [
        &b""[..],
        b"nonsense",
        b"{",
        b"\x1f\x8b\x08",
        b"{\"a\":1,\"a\":1}",
    ] {
        for content_type in [OCI_MANIFEST, OCI_INDEX, "a/b"] {
            let error = parse(body, Some(content_type), &Limits::default()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ManifestInvalid, "{body:?}");
        }
    }
}

#[test]
fn bytes_and_links_are_bounded() {
    let limits = Limits {
        bytes: 2000,
        links: 3,
    };
    let many = |count: usize| {
        let layers = vec![descriptor(LAYER, "x"); count];
        with(image(), &json!({"layers": layers})).to_string()
    };
    assert!(parse(many(2).as_bytes(), Some(OCI_MANIFEST), &limits).is_ok());
    let error = parse(many(3).as_bytes(), Some(OCI_MANIFEST), &limits).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("layers: the manifest has more than 3 links")
    );
    let error = parse(many(20).as_bytes(), Some(OCI_MANIFEST), &limits).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestTooLarge);
    let limits = Limits {
        bytes: u64::MAX,
        ..Limits::default()
    };
    let error = parse(many(100_000).as_bytes(), Some(OCI_MANIFEST), &limits).unwrap_err();
    assert!(error.message().contains("more than 10000 links"));
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for content_type in [None, Some(OCI_MANIFEST), Some("a/b")] {
            if let Ok(parsed) = parse(&body, content_type, &Limits::default()) {
                prop_assert_eq!(parsed.kind, Kind::Unknown);
            }
        }
    }

    #[test]
    fn no_change_of_a_good_body_makes_it_panic(at in 0_usize..400, byte in any::<u8>()) {
        let mut body = image().to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(parsed) = parse(&body, Some(OCI_MANIFEST), &Limits::default()) {
            prop_assert_eq!(parsed.kind, Kind::Image);
        }
    }
}
