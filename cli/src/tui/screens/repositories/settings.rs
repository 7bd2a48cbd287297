//! [`Settings`]: how a repository, or those of a rule, behave; as a form, and what was changed in it.

use crate::config::values;
use crate::tui::message::Reply;
use crate::tui::text::{bytes, strings};
use crate::tui::widgets::form::{Field, Form};
use serde_json::{Map, Value, json};

/// The labels of the fields.
const PUBLIC: &str = "public";
const QUOTA: &str = "quota";
const TAGS: &str = "immutable tags";

/// How repositories behave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// The repository's name, or the rule's pattern.
    pub(super) name: String,
    pub(super) is_public: bool,
    pub(super) quota: Option<u64>,
    pub(super) immutable_tags: Vec<String>,
    /// The patterns of all rules that are about a repository.
    pub(super) rules: Vec<String>,
    /// What the caller may do with a repository.
    pub(super) permissions: Vec<String>,
    /// The version of this.
    pub(super) etag: Option<String>,
}

// === impl Settings ===

impl Settings {
    /// Reads an answer about `name`.
    pub(super) fn read(name: &str, reply: &Reply) -> Self {
        Self {
            etag: reply.etag.clone(),
            ..Self::of(name, &reply.body)
        }
    }

    /// What a JSON object says of it.
    pub(super) fn of(name: &str, body: &Value) -> Self {
        Self {
            name: name.to_owned(),
            is_public: body["public"] == true,
            quota: body["quota_bytes"].as_u64(),
            immutable_tags: strings(&body["immutable_tags"]),
            rules: strings(&body["rules"]),
            permissions: strings(&body["permissions"]),
            etag: None,
        }
    }

    /// What it sets, in one line.
    pub(super) fn said(&self) -> String {
        let tags = &self.immutable_tags;
        let parts = [
            self.is_public.then(|| "public".to_owned()),
            self.quota.map(|quota| format!("quota {}", bytes(quota))),
            (!tags.is_empty()).then(|| format!("immutable {}", tags.join(" "))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }

    /// The fields of what can be set.
    pub(super) fn fields(&self, may_set_quota: bool) -> Vec<Field> {
        let quota = if may_set_quota {
            "bytes, such as 10 GiB or 500M; empty: no limit"
        } else {
            "only an administrator of the server can change it"
        };
        let size = self.quota.map(exact).unwrap_or_default();
        let tags = self.immutable_tags.join(" ");
        vec![
            Field::switch(PUBLIC, self.is_public, "space: whether anybody may pull"),
            Field::text(QUOTA, &size, quota),
            Field::text(
                TAGS,
                &tags,
                "patterns such as v* and release-*; set once, then kept",
            ),
        ]
    }

    /// What was filled in.
    ///
    /// # Errors
    /// A size that is none.
    pub(super) fn filled_in(&self, form: &Form) -> Result<Self, String> {
        let quota = size(form.text(QUOTA)).map_err(|why| format!("the quota is {why}"))?;
        let tags = form.words(TAGS).into_iter().map(str::to_owned);
        Ok(Self {
            is_public: form.is_on(PUBLIC),
            quota,
            immutable_tags: tags.collect(),
            ..self.clone()
        })
    }

    /// All that can be set.
    pub(super) fn all(&self) -> Value {
        json!({
            "public": self.is_public, "quota_bytes": self.quota,
            "immutable_tags": self.immutable_tags,
        })
    }

    /// What is to become different from `before`.
    pub(super) fn changes(&self, before: &Self) -> Map<String, Value> {
        let (all, before) = (self.all(), before.all());
        let fields = all.as_object().into_iter().flatten();
        let changed = fields.filter(|(name, value)| before[name.as_str()] != **value);
        changed
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The quota in words.
    pub(super) fn quota_said(&self) -> String {
        self.quota.map_or_else(|| "none".to_owned(), bytes)
    }
}

/// A size as a person types it: `10 GiB`, `500M`, `65536`; none when it is empty.
fn size(text: &str) -> Result<Option<u64>, &'static str> {
    let text: String = text.split_whitespace().collect();
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "k" | "K" | "kib" | "KiB" => "KiB",
        "m" | "M" | "mib" | "MiB" => "MiB",
        "g" | "G" | "gib" | "GiB" => "GiB",
        "t" | "T" | "tib" | "TiB" => "TiB",
        other => other,
    };
    values::size(&format!("{digits}{unit}")).map(Some)
}

/// A size so that reading it again gives the same.
fn exact(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(bits, _): &&(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *bits;
    match UNITS.iter().find(fits) {
        Some((bits, unit)) => format!("{} {unit}", bytes >> bits),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("", None),
            ("  ", None),
            ("0", Some(0)),
            ("10 GiB", Some(10 << 30)),
            ("500M", Some(500 << 20)),
            ("1t", Some(1 << 40)),
            ("64 kib", Some(64 << 10)),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["10 GB", "many", "-1", "1.5 GiB", "99999999 TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_size_that_is_shown_is_read_as_the_same(bytes in any::<u64>(), bits in 0..64_u32) {
            let bytes = bytes >> bits << bits;
            prop_assert_eq!(size(&exact(bytes)), Ok(Some(bytes)));
        }
    }
}
