//! The byte form of record fields: explicit, little-endian, never an accident of a struct's layout.
//!
//! Decoding never panics: a [`Decoder`] answers `None` for what does not fit, and
//! [`Record::from_payload`] turns that into a named corruption. A payload must be used up.

use super::tables::Table;
use crate::descriptor::MediaType;
use crate::digest::Digest;
use crate::fault::Corruption;

/// Something that is stored as the payload of a table's value.
pub(super) trait Record: Sized {
    /// Appends its fields.
    fn encode(&self, encoder: &mut Encoder);

    /// Takes its fields off; `None` when they do not fit.
    fn decode(decoder: &mut Decoder<'_>) -> Option<Self>;

    /// Its payload.
    fn to_payload(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        self.encode(&mut encoder);
        encoder.0
    }

    /// The record of a payload of `table`.
    fn from_payload(table: Table, payload: &[u8]) -> Result<Self, Corruption> {
        let mut decoder = Decoder(payload);
        match Self::decode(&mut decoder) {
            Some(record) if decoder.0.is_empty() => Ok(record),
            _ => Err(Corruption::Record {
                table: table.name(),
                why: "its fields do not fit",
            }),
        }
    }
}

/// Writes fields one after another.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

/// Reads fields one after another.
#[derive(Debug)]
pub(super) struct Decoder<'a>(&'a [u8]);

// === impl Encoder ===

impl Encoder {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(super) fn digest(&mut self, digest: &Digest) {
        self.0.extend_from_slice(&digest.to_key());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.len(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.len(items.len());
        for item in items {
            each(self, item);
        }
    }

    pub(super) fn option<T>(&mut self, value: Option<&T>, each: impl FnOnce(&mut Self, &T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            each(self, value);
        }
    }

    fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).expect("no field of a record reaches 4 GiB"));
    }
}

// === impl Decoder ===

impl<'a> Decoder<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn digest(&mut self) -> Option<Digest> {
        let (digest, rest) = Digest::split_key(self.0)?;
        self.0 = rest;
        Some(digest)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn media_type(&mut self) -> Option<MediaType> {
        self.text()?.parse().ok()
    }

    pub(super) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let len = self.len()?;
        // Every item takes a byte at least: a damaged length cannot ask for more than there is.
        if len > self.0.len() {
            return None;
        }
        (0..len).map(|_| each(self)).collect()
    }

    #[expect(
        clippy::option_option,
        reason = "outside: whether it fits; inside: the field itself"
    )]
    pub(super) fn option<T>(
        &mut self,
        each: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.bool()? {
            Some(Some(each(self)?))
        } else {
            Some(None)
        }
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }
}
