//! The records of the tables, and their byte forms.

use super::codec::{Decoder, Encoder, Record};
use super::requests::{BlockChecks, Cut, Location};
use crate::clock::EngineTime;
use crate::descriptor::{Links, MediaType};
use crate::digest::Digest;
use crate::name::RepositoryName;

/// Which repository a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameRecord {
    pub(super) id: u64,
    /// It was created, so it exists even while it holds nothing.
    pub(super) declared: bool,
}

/// A repository by its id; it stays until its rows are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RepositoryRecord {
    pub(super) name: RepositoryName,
    /// Not deleted: the name stands for this id.
    pub(super) live: bool,
}

/// Where a blob lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlobRecord {
    pub(super) size: u64,
    pub(super) location: Location,
    /// CRC-32C of the whole content, for blobs of one block; else zero, and there is a row in
    /// `BlockChecks`.
    pub(super) check: u32,
    /// The content is known not to match its digest: it is not served, and pushing it again heals
    /// it.
    pub(super) damaged: bool,
}

/// A repository holds a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkRecord {
    /// The blob's size, here too so that what a repository holds can be summed without its record.
    pub(super) size: u64,
    /// When it leaves the repository; set exactly while no keeping edge leads to it, and then the
    /// row in `Candidates` has the same time.
    pub(super) due: Option<EngineTime>,
}

/// Why a blob without keeping edges is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CandidateRecord {
    /// When it lost its last keeping edge, or came without one.
    pub(super) since: EngineTime,
    /// Until when a client may rely on having been told that it is there. No grace, however short,
    /// ends it earlier.
    pub(super) leased: EngineTime,
}

/// What the collector remembers of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CollectorRecord {
    /// Nothing is removed until it is resumed.
    pub(super) paused: bool,
    /// A run with a grace of its own that has not ended: what it takes.
    pub(super) run: Option<Cut>,
}

/// What kind of link an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum EdgeKind {
    Config = 1,
    Layer = 2,
    ForeignLayer = 3,
    Manifest = 4,
    Subject = 5,
}

/// An edge; what it links is in its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EdgeRecord {
    /// For a subject edge the referrer's artifact type, so that a filtered listing reads no record
    /// it does not list.
    pub(super) artifact_type: Option<String>,
}

/// A repository has a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManifestRecord {
    /// New each time the manifest is put after a deletion: tags of before stay invisible.
    pub(super) link: u64,
    pub(super) media_type: MediaType,
    pub(super) size: u64,
    /// When it was put first, in milliseconds since the epoch by the wall clock.
    pub(super) pushed: u64,
    /// When it was put last, or lost a tag.
    pub(super) since: EngineTime,
}

/// What a tag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagRecord {
    pub(super) digest: Digest,
    /// Of the manifest's record when the tag was set.
    pub(super) link: u64,
    /// When it was set, in milliseconds since the epoch by the wall clock.
    pub(super) updated: u64,
    /// When it was set.
    pub(super) set: EngineTime,
}

/// Bytes nobody refers to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) location: Location,
    /// The length of a part of a segment.
    pub(crate) size: u64,
    /// Nothing else lies in the segment any more: the file goes as a whole.
    pub(crate) whole_segment: bool,
}

/// Whose bytes a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileRecord {
    /// One blob's.
    Blob(Digest),
    /// This many small blobs'.
    Segment { live: u64 },
}

/// What the store knows of itself; written with every commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StateRecord {
    /// Engine time of the commit.
    pub(super) time: EngineTime,
    /// The next number of everything that is numbered but files.
    pub(super) sequence: u64,
    /// The first file number that no range covers.
    pub(super) files: u64,
    pub(super) totals: Totals,
}

/// The same in formats 1 and 2, whose sums count no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UncountedState(pub(super) StateRecord);

/// Sums over the store, kept with every change, so that nobody walks it for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    /// Bytes of the blobs of every repository, counted in each that holds them.
    pub(crate) logical: u64,
    /// Bytes of the blobs of the store, each counted once.
    pub(crate) stored: u64,
    /// The part of `logical` that no manifest keeps.
    pub(crate) garbage: u64,
    /// Bytes whose record is gone and that wait to be given back.
    pub(crate) waiting: u64,
    /// Blobs of the store, each counted once.
    pub(crate) blobs: u64,
    /// Manifests of every repository.
    pub(crate) manifests: u64,
}

// === byte forms ===

impl Record for NameRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.id);
        encoder.bool(self.declared);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            id: decoder.u64()?,
            declared: decoder.bool()?,
        })
    }
}

impl Record for RepositoryRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.text(self.name.as_str());
        encoder.bool(self.live);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            name: decoder.text()?.parse().ok()?,
            live: decoder.bool()?,
        })
    }
}

impl Record for Location {
    fn encode(&self, encoder: &mut Encoder) {
        match *self {
            Self::File(number) => {
                encoder.u8(1);
                encoder.u64(number);
            }
            Self::Segment { number, offset } => {
                encoder.u8(2);
                encoder.u64(number);
                encoder.u64(offset);
            }
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        match decoder.u8()? {
            1 => Some(Self::File(decoder.u64()?)),
            2 => Some(Self::Segment {
                number: decoder.u64()?,
                offset: decoder.u64()?,
            }),
            _ => None,
        }
    }
}

impl Record for BlobRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.size);
        self.location.encode(encoder);
        encoder.u32(self.check);
        encoder.bool(self.damaged);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            size: decoder.u64()?,
            location: Location::decode(decoder)?,
            check: decoder.u32()?,
            damaged: decoder.bool()?,
        })
    }
}

impl Record for BlockChecks {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(self, |encoder, &check| encoder.u32(check));
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        decoder.list(Decoder::u32)
    }
}

impl Record for LinkRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.size);
        encoder.option(self.due.as_ref(), |encoder, due| encoder.u64(due.0));
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            size: decoder.u64()?,
            due: decoder.option(Decoder::u64)?.map(EngineTime),
        })
    }
}

impl Record for CandidateRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.since.0);
        encoder.u64(self.leased.0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            since: EngineTime(decoder.u64()?),
            leased: EngineTime(decoder.u64()?),
        })
    }
}

impl Record for CollectorRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.bool(self.paused);
        encoder.option(self.run.as_ref(), |encoder, cut| {
            encoder.u64(cut.as_of.0);
            encoder.option(cut.grace.as_ref(), |encoder, &grace| encoder.u64(grace));
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            paused: decoder.bool()?,
            run: decoder.option(|decoder| {
                Some(Cut {
                    as_of: EngineTime(decoder.u64()?),
                    grace: decoder.option(Decoder::u64)?,
                })
            })?,
        })
    }
}

impl Record for EdgeRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.option(self.artifact_type.as_ref(), |encoder, text| {
            encoder.text(text);
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            artifact_type: decoder.option(owned_text)?,
        })
    }
}

impl Record for ManifestRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.link);
        encoder.text(self.media_type.as_str());
        encoder.u64(self.size);
        encoder.u64(self.pushed);
        encoder.u64(self.since.0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            link: decoder.u64()?,
            media_type: decoder.media_type()?,
            size: decoder.u64()?,
            pushed: decoder.u64()?,
            since: EngineTime(decoder.u64()?),
        })
    }
}

impl Record for Links {
    fn encode(&self, encoder: &mut Encoder) {
        let digest = |encoder: &mut Encoder, digest: &Digest| encoder.digest(digest);
        encoder.option(self.config.as_ref(), digest);
        encoder.list(&self.layers, digest);
        encoder.list(&self.foreign_layers, digest);
        encoder.list(&self.manifests, digest);
        encoder.option(self.subject.as_ref(), digest);
        encoder.option(self.artifact_type.as_ref(), |encoder, text| {
            encoder.text(text);
        });
        encoder.list(&self.annotations, |encoder, (key, value)| {
            encoder.text(key);
            encoder.text(value);
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            config: decoder.option(Decoder::digest)?,
            layers: decoder.list(Decoder::digest)?,
            foreign_layers: decoder.list(Decoder::digest)?,
            manifests: decoder.list(Decoder::digest)?,
            subject: decoder.option(Decoder::digest)?,
            artifact_type: decoder.option(owned_text)?,
            annotations: decoder.list(|decoder| owned_text(decoder).zip(owned_text(decoder)))?,
        })
    }
}

impl Record for TagRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.digest(&self.digest);
        encoder.u64(self.link);
        encoder.u64(self.updated);
        encoder.u64(self.set.0);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            digest: decoder.digest()?,
            link: decoder.u64()?,
            updated: decoder.u64()?,
            set: EngineTime(decoder.u64()?),
        })
    }
}

impl Record for Place {
    fn encode(&self, encoder: &mut Encoder) {
        self.location.encode(encoder);
        encoder.u64(self.size);
        encoder.bool(self.whole_segment);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            location: Location::decode(decoder)?,
            size: decoder.u64()?,
            whole_segment: decoder.bool()?,
        })
    }
}

impl Record for FileRecord {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Blob(digest) => {
                encoder.u8(1);
                encoder.digest(digest);
            }
            Self::Segment { live } => {
                encoder.u8(2);
                encoder.u64(*live);
            }
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        match decoder.u8()? {
            1 => Some(Self::Blob(decoder.digest()?)),
            2 => Some(Self::Segment {
                live: decoder.u64()?,
            }),
            _ => None,
        }
    }
}

impl Record for StateRecord {
    fn encode(&self, encoder: &mut Encoder) {
        UncountedState(self.clone()).encode(encoder);
        encoder.u64(self.totals.blobs);
        encoder.u64(self.totals.manifests);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        let UncountedState(mut state) = UncountedState::decode(decoder)?;
        state.totals.blobs = decoder.u64()?;
        state.totals.manifests = decoder.u64()?;
        Some(state)
    }
}

impl Record for UncountedState {
    fn encode(&self, encoder: &mut Encoder) {
        let Self(state) = self;
        encoder.u64(state.time.0);
        encoder.u64(state.sequence);
        encoder.u64(state.files);
        encoder.u64(state.totals.logical);
        encoder.u64(state.totals.stored);
        encoder.u64(state.totals.garbage);
        encoder.u64(state.totals.waiting);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self(StateRecord {
            time: EngineTime(decoder.u64()?),
            sequence: decoder.u64()?,
            files: decoder.u64()?,
            totals: Totals {
                logical: decoder.u64()?,
                stored: decoder.u64()?,
                garbage: decoder.u64()?,
                waiting: decoder.u64()?,
                ..Totals::default()
            },
        }))
    }
}

/// Counts, ids and range ends.
impl Record for u64 {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(*self);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        decoder.u64()
    }
}

/// Rows that say everything in their key.
impl Record for () {
    fn encode(&self, _encoder: &mut Encoder) {}

    fn decode(_decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(())
    }
}

fn owned_text(decoder: &mut Decoder<'_>) -> Option<String> {
    decoder.text().map(str::to_owned)
}
