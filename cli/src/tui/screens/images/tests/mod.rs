//! Tests of the screens of images: against a server that keeps its tags.

use crate::tui::message::{Failure, Request};
use crate::tui::tests::pilot::{NOW, Pilot, not_there, page};
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod manifest;
mod tags;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const BAD: &str = "a\u{1b}[2J\u{202e}b\r\n\u{65e5}\u{672c}\u{fffd}\u{9b}5m";

fn digest(of: usize) -> String {
    format!("sha256:{of:064x}")
}

/// A server with one repository.
struct Server {
    tags: BTreeMap<String, usize>,
    gone: BTreeMap<String, usize>,
    /// What a change is refused with.
    refusal: Option<(u16, &'static str)>,
}

fn decoded(path: &str) -> String {
    path.replace("%2F", "/")
        .replace("%3A", ":")
        .replace("%7E", "~")
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Server {
    fn new(tags: &[(&str, usize)]) -> Self {
        let tags = tags.iter().map(|(name, of)| ((*name).to_owned(), *of));
        Self {
            tags: tags.collect(),
            gone: BTreeMap::new(),
            refusal: None,
        }
    }

    fn team() -> Self {
        Self::new(&[("latest", 3), ("v1", 1), ("v2", 2), ("v3", 3)])
    }

    fn answer(&mut self, request: &Request) -> Result<Value, Failure> {
        let path = decoded(&request.path);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let method = request.method.as_str();
        if method != "GET"
            && let Some((status, detail)) = self.refusal
        {
            let detail = detail.to_owned();
            return Err(Failure::Refused { status, detail });
        }
        let parts = path.strip_prefix("/repositories/team/app/").unwrap_or(path);
        match (method, parts.split('/').collect::<Vec<_>>().as_slice()) {
            ("GET", ["tags"]) => Ok(self.tags(query)),
            ("GET", ["manifests"]) => Ok(page((1..6).map(|of| self.manifest(of)).collect())),
            ("GET", ["manifests", reference]) => match self.named(reference) {
                Some(of) => Ok(self.manifest(of)),
                None => not_there(request),
            },
            ("GET", ["tags", _, "history"]) => Ok(history()),
            ("PUT", ["tags", tag]) => {
                let digest = request.body.as_ref().unwrap()["digest"].clone();
                let of = self.named(digest.as_str().unwrap());
                let Some(of) = of else {
                    return not_there(request);
                };
                let previous = self.tags.insert((*tag).to_owned(), of);
                Ok(json!({ "name": tag, "digest": digest, "previous": previous.map(self::digest) }))
            }
            ("DELETE", ["tags", tag]) => {
                let of = self.tags.remove(*tag).unwrap();
                self.gone.insert((*tag).to_owned(), of);
                Ok(Value::Null)
            }
            ("DELETE", ["manifests", reference]) => {
                let of = self.named(reference).unwrap();
                let (gone, kept) = std::mem::take(&mut self.tags)
                    .into_iter()
                    .partition(|(_, named)| *named == of);
                (self.gone, self.tags) = (gone, kept);
                Ok(Value::Null)
            }
            ("POST", ["", "undelete"]) => {
                self.tags.append(&mut self.gone);
                Ok(json!({}))
            }
            _ => not_there(request),
        }
    }

    fn named(&self, reference: &str) -> Option<usize> {
        let of = (1..6).find(|of| digest(*of) == reference);
        of.or_else(|| self.tags.get(reference).copied())
    }

    fn tags(&self, query: &str) -> Value {
        let limit: usize = parameter(query, "n").unwrap().parse().unwrap();
        let last = parameter(query, "last").unwrap_or_default().to_owned();
        let mut behind = self
            .tags
            .range(last.clone()..)
            .filter(|(name, _)| **name != last);
        let items: Vec<_> = behind
            .by_ref()
            .take(limit)
            .map(|(name, of)| tag(name, *of))
            .collect();
        let last = items
            .last()
            .map_or(Value::Null, |item| item["name"].clone());
        let next = if behind.next().is_some() {
            last
        } else {
            Value::Null
        };
        json!({ "items": items, "next": next })
    }

    fn manifest(&self, of: usize) -> Value {
        let tags: Vec<_> = self
            .tags
            .iter()
            .filter(|(_, named)| **named == of)
            .map(|(name, _)| name)
            .collect();
        let layer = |place: usize, size: u64| json!({ "digest": digest(100 + place), "media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "size_bytes": size, "shared": place == 1 });
        let mut manifest = json!({
            "digest": digest(of), "media_type": IMAGE, "size_bytes": 1_234, "pushed": NOW - 90_000_000, "tags": tags, "more_tags": false,
            "artifact_type": null, "annotations": { "org.opencontainers.image.source": "https://example.org/team/app" }, "subject": null,
            "platforms": [], "config": null, "layers": [], "referrers": [], "more_referrers": false,
            "raw": "{\"schemaVersion\":2,\"mediaType\":\"x\"}",
        });
        match of {
            3 => {
                manifest["media_type"] = json!(INDEX);
                manifest["platforms"] = json!([
                    { "digest": digest(1), "media_type": IMAGE, "platform": "linux/amd64", "size_bytes": 1_234 },
                    { "digest": digest(2), "media_type": IMAGE, "platform": "linux/arm64/v8", "size_bytes": 1_240 },
                ]);
                manifest["referrers"] = json!([{ "digest": digest(5), "media_type": IMAGE, "size_bytes": 700, "artifact_type": "application/vnd.dev.cosign.artifact.sig.v1+json", "annotations": { "who": "release" } }]);
            }
            4 => {
                manifest["annotations"] =
                    json!({ BAD: BAD, "long": "x".repeat(10_000), "wide": "\u{65e5}".repeat(200) });
                manifest["media_type"] = json!(BAD);
                manifest["platforms"] = json!([{ "digest": BAD, "platform": BAD }]);
            }
            5 => {
                manifest["subject"] = json!(digest(3));
                manifest["artifact_type"] =
                    json!("application/vnd.dev.cosign.artifact.sig.v1+json");
            }
            _ => {
                manifest["layers"] = json!([
                    layer(1, 30_000_000),
                    layer(2, 9_000_000),
                    layer(3, 1_000_000)
                ]);
                manifest["config"] = json!({ "digest": digest(99), "media_type": "application/vnd.oci.image.config.v1+json", "size_bytes": 3_000, "content": {
                    "architecture": "amd64", "os": "linux", "created": "2026-09-01T10:00:00Z",
                    "config": { "Env": ["PATH=/usr/bin", "MODE=production"], "Entrypoint": ["/app"], "Cmd": ["--serve"], "Labels": { "maintainer": "team" }, "ExposedPorts": { "8080/tcp": {} } },
                    "history": [
                        { "created": "2026-08-01T10:00:00Z", "created_by": "ADD rootfs.tar /" },
                        { "created": "2026-08-01T10:00:01Z", "created_by": "ENV MODE=production", "empty_layer": true },
                        { "created": "2026-09-01T10:00:00Z", "created_by": "COPY app /app", "comment": "buildkit" },
                        { "created": "2026-09-01T10:00:02Z", "created_by": "COPY static /static" },
                    ],
                } });
            }
        }
        manifest
    }
}

fn tag(name: &str, of: usize) -> Value {
    json!({ "name": name, "digest": digest(of), "media_type": if of == 3 { INDEX } else { IMAGE }, "size_bytes": 1_234, "updated": NOW - 60_000 * of as u64, "last_pull": null })
}

fn history() -> Value {
    let change = |event: &str, of: usize| json!({ "event": event, "digest": digest(of), "media_type": IMAGE, "at": NOW - 3_600_000 * of as u64 });
    json!({ "items": [change("moved", 1), change("set", 2), change("deleted", 4)] })
}

fn pilot(server: Server) -> Pilot {
    let mut server = server;
    let mut pilot = Pilot::new(move |request: &Request| server.answer(request));
    pilot.keys(":open team/app<enter>");
    pilot
}

/// One who looks at a manifest, or a section of it.
fn at_manifest(reference: &str, keys: &str) -> Pilot {
    let mut pilot = pilot(Server::team());
    pilot.keys(&format!(":open team/app{reference}<enter>{keys}"));
    pilot
}

fn fake() -> impl FnMut(&Request) -> Result<Value, Failure> {
    let mut server = Server::team();
    move |request: &Request| server.answer(request)
}
