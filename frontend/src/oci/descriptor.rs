//! Descriptors as they stand in manifests, read one by one so that memory holds only what is kept.
//!
//! Strictly (a known media type): each must have media type, digest and size, or the manifest is
//! refused. Leniently (an unknown type): what is no descriptor is passed over. Either way the
//! number kept is bounded. Grammar: OCI image specification, "Content Descriptors".

use floundr_engine::digest::Digest;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The parts of a descriptor that a registry looks at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    #[serde(deserialize_with = "digest")]
    pub(super) digest: Digest,
    /// Checked, not kept: a negative or overflowing size is no descriptor.
    #[serde(rename = "size", deserialize_with = "size")]
    _size: (),
    #[serde(default)]
    urls: Option<Vec<de::IgnoredAny>>,
}

/// Reads an array of descriptors.
pub(super) struct DescriptorList {
    /// At most so many.
    pub(super) left: usize,
    /// Out of so many for the whole manifest, for the message.
    pub(super) total: usize,
    pub(super) lenient: bool,
}

/// String to string, in the order of the document. `null` values are not strings.
#[derive(Debug, Default)]
pub(super) struct Annotations(pub(super) Vec<(String, String)>);

/// Reads them.
struct InOrder;

// === impl Descriptor ===

impl Descriptor {
    /// Whether it says where else its content is.
    pub(super) fn has_urls(&self) -> bool {
        self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let size = u64::deserialize(deserializer)?;
    if i64::try_from(size).is_err() {
        return Err(de::Error::custom(format_args!(
            "size {size} is more than {}",
            i64::MAX
        )));
    }
    Ok(())
}

// === impl DescriptorList ===

impl<'de> DeserializeSeed<'de> for DescriptorList {
    type Value = Vec<Descriptor>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for DescriptorList {
    type Value = Vec<Descriptor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of descriptors")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        let mut index = 0_usize;
        while let Some(element) = seq.next_element::<&RawValue>()? {
            match serde_json::from_str::<Descriptor>(element.get()) {
                Ok(_) if kept.len() == self.left => {
                    let total = self.total;
                    return Err(de::Error::custom(format_args!(
                        "the manifest has more than {total} links"
                    )));
                }
                Ok(descriptor) => kept.push(descriptor),
                Err(_) if self.lenient => {}
                Err(error) => {
                    return Err(de::Error::custom(format_args!("element {index}: {error}")));
                }
            }
            index += 1;
        }
        Ok(kept)
    }
}

// === impl Annotations ===

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de> Visitor<'de> for InOrder {
    type Value = Annotations;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Annotations(pairs))
    }
}
