//! [`Shown`]: what a manifest's answer says, as lines of sections.
//!
//! Invariants:
//! 1. What is missing or of another kind in the answer is left out; nothing of it is trusted.
//! 2. A line of a value is bounded, and so is how many values there are in a section.

use crate::tui::text::{bytes, moment, short, string, strings};
use crate::tui::theme::Tone;
use crate::tui::widgets::textview::Parts;
use serde_json::Value;

/// Letters of a value that are shown in a line.
const LETTERS: usize = 1_000;

/// Lines of a section.
const LINES: usize = 5_000;

/// Lines of each kind in the pane of a list.
const BRIEF: usize = 12;

/// How wide the bar of a share is.
const BAR: usize = 8;

/// A section of a manifest.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// How many things are in it; none: they are not counted.
    pub(super) count: Option<usize>,
    pub(super) lines: Vec<Parts>,
    /// The digest that a line is about, if it is about one.
    pub(super) digests: Vec<Option<String>>,
    /// Whether the lines with a digest lead into a manifest.
    pub(super) leads_on: bool,
}

/// What a manifest's answer says.
#[derive(Debug)]
pub(super) struct Shown<'a>(&'a Value);

/// The beginning of a value.
fn bounded(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String = letters.by_ref().take(LETTERS).collect();
    match letters.count() {
        0 => shown,
        left => format!("{shown} ({left} letters more)"),
    }
}

/// A name and a value.
fn pair(name: &str, value: impl AsRef<str>) -> Parts {
    vec![
        (format!("{name:14}"), Tone::Dim),
        (bounded(value.as_ref()), Tone::Plain),
    ]
}

fn size(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), bytes)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value of a configuration in one line.
fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

// === impl Section ===

impl Section {
    fn named(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    fn line(&mut self, line: Parts, digest: Option<String>) {
        if self.lines.len() < LINES {
            self.lines.push(line);
            self.digests.push(digest);
        } else if self.lines.len() == LINES {
            let more = "there is more; r shows all".to_owned();
            self.lines.push(vec![(more, Tone::Warning)]);
            self.digests.push(None);
        }
    }

    fn pair(&mut self, name: &str, value: impl AsRef<str>) {
        self.line(pair(name, value), None);
    }
}

// === impl Shown ===

impl<'a> Shown<'a> {
    pub(super) fn read(body: &'a Value) -> Self {
        Self(body)
    }

    pub(super) fn digest(&self) -> String {
        string(&self.0["digest"])
    }

    /// What was pushed, made easy to read if it is JSON.
    pub(super) fn raw(&self) -> String {
        let raw = string(&self.0["raw"]);
        let pretty = serde_json::from_str::<Value>(&raw).ok();
        pretty
            .and_then(|value| serde_json::to_string_pretty(&value).ok())
            .unwrap_or(raw)
    }

    /// Bytes of configuration and layers.
    fn total(&self) -> u64 {
        let layers = items(&self.0["layers"]).iter();
        let sizes = layers.map(|layer| layer["size_bytes"].as_u64().unwrap_or_default());
        let config = self.0["config"]["size_bytes"].as_u64().unwrap_or_default();
        sizes.fold(config, u64::saturating_add)
    }

    /// All sections that there is something in.
    pub(super) fn sections(&self) -> Vec<Section> {
        let mut all = vec![self.summary()];
        let rest = [
            self.platforms(),
            self.layers(),
            self.config(),
            self.history(),
            self.annotations(),
            self.referrers(),
        ];
        all.extend(rest.into_iter().filter(|section| !section.lines.is_empty()));
        all
    }

    fn summary(&self) -> Section {
        let body = self.0;
        let mut section = Section::named("Summary");
        let digest = self.digest();
        // Without room behind its name it is whole on a screen of 80 columns.
        let line = vec![
            ("digest ".to_owned(), Tone::Dim),
            (bounded(&digest), Tone::Plain),
        ];
        section.line(line, Some(digest));
        section.pair("media type", string(&body["media_type"]));
        if let Some(artifact) = body["artifact_type"].as_str() {
            section.pair("artifact type", artifact);
        }
        if let Some(platform) = self.platform() {
            let is_index = !items(&body["platforms"]).is_empty();
            let name = if is_index { "platforms" } else { "platform" };
            section.pair(name, platform);
        }
        section.pair("tags", self.tags());
        if !items(&body["layers"]).is_empty() {
            section.pair("size", bytes(self.total()));
        }
        section.pair("manifest", size(&body["size_bytes"]));
        if let Some(pushed) = body["pushed"].as_u64() {
            section.pair("pushed", format!("{} UTC", moment(pushed)));
        }
        if let Some(subject) = body["subject"].as_str() {
            section.line(pair("subject", subject), Some(subject.to_owned()));
            section.leads_on = true;
        }
        section
    }

    /// The platforms of an index, or that of an image.
    fn platform(&self) -> Option<String> {
        let all = items(&self.0["platforms"]).iter();
        let all: Vec<_> = all.filter_map(|child| child["platform"].as_str()).collect();
        if !all.is_empty() {
            return Some(all.join("  "));
        }
        let config = self.0["config"]["content"].as_object()?;
        // Tools write what they do not know as an empty text.
        let part = |name: &str| config.get(name)?.as_str().filter(|part| !part.is_empty());
        let Some((os, arch)) = part("os").zip(part("architecture")) else {
            return Some("-".to_owned());
        };
        Some(match part("variant") {
            Some(variant) => format!("{os}/{arch}/{variant}"),
            None => format!("{os}/{arch}"),
        })
    }

    /// Its tags in one line.
    fn tags(&self) -> String {
        let tags = strings(&self.0["tags"]);
        match (tags.is_empty(), self.0["more_tags"] == true) {
            (true, _) => "none".to_owned(),
            (false, true) => format!("{} and more", tags.join(" ")),
            (false, false) => tags.join(" "),
        }
    }

    fn platforms(&self) -> Section {
        let all = items(&self.0["platforms"]);
        let mut section = Section::named("Platforms");
        section.count = Some(all.len());
        section.leads_on = true;
        for child in all {
            let digest = string(&child["digest"]);
            let platform = child["platform"].as_str().unwrap_or("no platform");
            let line = vec![
                (format!("{:22}", bounded(platform)), Tone::Accent),
                (format!("{:21}", short(&digest)), Tone::Plain),
                (format!("{:>10}  ", size(&child["size_bytes"])), Tone::Dim),
                (bounded(&string(&child["media_type"])), Tone::Dim),
            ];
            section.line(line, Some(digest));
        }
        section
    }

    fn layers(&self) -> Section {
        let all = items(&self.0["layers"]);
        let mut section = Section::named("Layers");
        section.count = Some(all.len());
        let sizes = all.iter().map(|layer| layer["size_bytes"].as_u64());
        let total = sizes.fold(0, |sum: u64, size| sum.saturating_add(size.unwrap_or(0)));
        // What made a layer stands in the history, among steps that made none.
        let history = items(&self.0["config"]["content"]["history"]).iter();
        let mut made = history.filter(|step| step["empty_layer"] != true);
        for (place, layer) in all.iter().enumerate() {
            let digest = string(&layer["digest"]);
            let part = layer["size_bytes"].as_u64().unwrap_or_default();
            let shared = match layer["shared"].as_bool() {
                Some(true) => "shared  ",
                Some(false) => "own     ",
                None => "        ",
            };
            let step = made.next().map(|step| string(&step["created_by"]));
            let by = step.unwrap_or_else(|| string(&layer["media_type"]));
            let line = vec![
                (format!("{:>3}  ", place + 1), Tone::Dim),
                (format!("{:>10}  ", size(&layer["size_bytes"])), Tone::Plain),
                (share(part, total), Tone::Accent),
                (shared.to_owned(), Tone::Dim),
                (format!("{:14}", hex(&digest)), Tone::Plain),
                (bounded(&by), Tone::Dim),
            ];
            section.line(line, Some(digest));
        }
        section
    }

    fn config(&self) -> Section {
        let config = &self.0["config"];
        let mut section = Section::named("Configuration");
        let Some(digest) = config["digest"].as_str() else {
            return section;
        };
        section.line(pair("digest", digest), Some(digest.to_owned()));
        section.pair("media type", string(&config["media_type"]));
        section.pair("size", size(&config["size_bytes"]));
        let Some(content) = config["content"].as_object() else {
            section.pair(
                "content",
                "not shown: it is large, gone, or of another type",
            );
            return section;
        };
        for (name, value) in content {
            let is_elsewhere = matches!(name.as_str(), "config" | "history" | "rootfs");
            if !is_elsewhere {
                section.pair(name, one_line(value));
            }
        }
        let settings_of_all = config["content"]["config"].as_object();
        for (name, value) in settings_of_all.into_iter().flatten() {
            settings(&mut section, name, value);
        }
        section
    }

    fn history(&self) -> Section {
        let all = items(&self.0["config"]["content"]["history"]);
        let mut section = Section::named("History");
        section.count = Some(all.len());
        for step in all {
            let made = if step["empty_layer"] == true {
                "-      "
            } else {
                "layer  "
            };
            let mut what = string(&step["created_by"]);
            if let Some(comment) = step["comment"].as_str().filter(|text| !text.is_empty()) {
                what = format!("{what}  ({comment})");
            }
            let at = string(&step["created"]);
            let at: String = at.chars().take(19).collect();
            let line = vec![
                (format!("{at:19}  "), Tone::Dim),
                (made.to_owned(), Tone::Dim),
                (bounded(&what), Tone::Plain),
            ];
            section.line(line, None);
        }
        section
    }

    fn annotations(&self) -> Section {
        let mut section = Section::named("Annotations");
        let all = self.0["annotations"].as_object();
        section.count = all.map(serde_json::Map::len);
        for (name, value) in all.into_iter().flatten() {
            let line = vec![
                (format!("{:36}  ", bounded(name)), Tone::Accent),
                (bounded(&one_line(value)), Tone::Plain),
            ];
            section.line(line, None);
        }
        section
    }

    fn referrers(&self) -> Section {
        let all = items(&self.0["referrers"]);
        let mut section = Section::named("Referrers");
        section.count = Some(all.len());
        section.leads_on = true;
        for referrer in all {
            let digest = string(&referrer["digest"]);
            let artifact = referrer["artifact_type"].as_str();
            let artifact = artifact.map_or_else(|| string(&referrer["media_type"]), str::to_owned);
            let line = vec![
                (format!("{:21}", short(&digest)), Tone::Plain),
                (
                    format!("{:>10}  ", size(&referrer["size_bytes"])),
                    Tone::Dim,
                ),
                (bounded(&artifact), Tone::Accent),
            ];
            section.line(line, Some(digest.clone()));
            for (name, value) in referrer["annotations"].as_object().into_iter().flatten() {
                let text = format!("    {name} = {}", one_line(value));
                section.line(vec![(bounded(&text), Tone::Dim)], Some(digest.clone()));
            }
        }
        if self.0["more_referrers"] == true {
            let more = "there are more than the server shows here".to_owned();
            section.line(vec![(more, Tone::Warning)], None);
        }
        section
    }

    /// The most important of it, for a pane beside a list.
    pub(super) fn brief(&self) -> Vec<Parts> {
        let mut lines = Vec::new();
        for section in self.sections() {
            let is_summary = section.name == "Summary";
            if matches!(section.name, "Configuration" | "History") {
                continue;
            }
            if !is_summary {
                let count = section.count.unwrap_or_default();
                lines.push(Vec::new());
                lines.push(vec![(format!("{} {count}", section.name), Tone::Heading)]);
            }
            let left = section.lines.len().saturating_sub(BRIEF);
            let shown = section.lines.into_iter().take(BRIEF);
            if section.name == "Annotations" {
                lines.extend(shown.flat_map(below));
            } else {
                lines.extend(shown);
            }
            if left > 0 {
                lines.push(vec![(format!("{left} more; Enter shows all"), Tone::Dim)]);
            }
        }
        lines
    }
}

/// A name, and below it its value: for where there is little room beside it.
fn below(line: Parts) -> Vec<Parts> {
    let mut parts = line.into_iter();
    let name = parts.next().into_iter().collect();
    let value = parts.map(|(text, tone)| (format!("  {text}"), tone));
    vec![name, value.collect()]
}

/// The beginning of a digest, without the algorithm that nearly all have.
fn hex(digest: &str) -> &str {
    let short = short(digest);
    short.strip_prefix("sha256:").unwrap_or(short)
}

/// How much of all something is, as a bar that needs no colours.
fn share(part: u64, total: u64) -> String {
    let thousandths = u128::from(part.min(total)) * 1000 / u128::from(total.max(1));
    let thousandths = usize::try_from(thousandths).unwrap_or(0);
    let filled = (thousandths * BAR).div_ceil(1000);
    let bar = "=".repeat(filled);
    format!("[{bar:BAR$}] {:>3} %  ", thousandths / 10)
}

/// One setting of a configuration, with a line for each of its values.
fn settings(section: &mut Section, name: &str, value: &Value) {
    match value {
        Value::Array(values) => {
            for value in values {
                section.pair(name, one_line(value));
            }
        }
        Value::Object(values) => {
            for (key, value) in values {
                let text = match one_line(value) {
                    text if text.is_empty() || text == "{}" => key.clone(),
                    text => format!("{key}={text}"),
                };
                section.pair(name, text);
            }
        }
        value => section.pair(name, one_line(value)),
    }
}
