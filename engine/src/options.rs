//! [`Options`]: where a store lies and how it behaves; every default with its reason.

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, SystemDisk};
use crate::policy::Policy;
use crate::random::{Random, SystemRandom};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a store is opened. Make one with [`Options::new`] and change the fields that matter.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that holds everything; it is made if it does not exist.
    pub root: PathBuf,
    /// When an answered write is on disk.
    pub durability: Durability,
    /// Blobs of at most this many bytes lie together in segment files; larger ones are files of
    /// their own. 64 KiB: below it a file's own syncs cost more than the bytes.
    pub small_blob_limit: u64,
    /// Bytes of memory for pages of the metadata, at most half of it for changed ones. 16 MiB holds the
    /// inner pages of millions of records and what changes between two durable commits of the file;
    /// the operating system's page cache holds the rest.
    pub metadata_cache: usize,
    /// Bytes of the metadata's journal at most; zero: every durable commit goes into the metadata's file.
    /// 4 MiB: some hundred commits with one sync each. More would make a start after a kill longer.
    pub metadata_journal: u64,
    /// How long an upload may lie without progress before it is removed. A week: longer than any
    /// outage a client retries over.
    pub upload_lifetime: Duration,
    /// How long a blob without links stays before it is collected. An hour: a client uploads the
    /// blobs of an image before the manifest that links them.
    pub grace: Duration,
    /// How long a client may rely on the answer that a blob exists. At least
    /// [`Options::SHORTEST_LEASE`], whatever it says. Apart from `grace`: no grace ends a lease.
    pub lease: Duration,
    /// How long a deleted manifest, tag or repository can be restored; zero: not at all. A day: a
    /// mistake is noticed the next morning. What it holds keeps its space until then, and the grace
    /// of its blobs begins then. In engine time, which stands still while nothing runs.
    pub undo: Duration,
    /// How many changes of each tag are remembered. 20, each about 150 bytes.
    pub tag_history: usize,
    /// Whether deleting a blob that a manifest of its repository links is refused. Not by default:
    /// the links stay, and pushing the blob again heals them.
    pub refuse_referenced: bool,
    /// When the collector works by itself.
    pub collection: Collection,
    /// How often due work of the collector is looked for. It costs a few reads when there is none.
    pub collect_interval: Duration,
    /// How fast the collector may go. Unbounded: its work is in proportion to the garbage, and its
    /// transactions are small. It can be changed while the store is open.
    pub collect_budget: CollectBudget,
    /// What goes by itself, per pattern of repositories. Nothing by default.
    pub policies: Vec<Policy>,
    /// How often the policies are gone through, in engine time. Every hour: it reads every tag and
    /// manifest of the repositories they are for.
    pub policy_interval: Duration,
    /// Bytes an upload may be written past its last synced offset before it is synced, so that a
    /// power loss cannot cost more than this.
    pub upload_sync_interval: u64,
    /// Most bytes of one upload that are handed to the disk at once; many uploads share memory, and
    /// write less at once. 512 KiB: each such write is a hand-over to another thread, and smaller ones
    /// are slower. Of 2 MiB the system makes pages of that size, which a virtual machine that gives free
    /// memory back to its host has to ask for each time: a third as fast. At least 128 KiB, whatever
    /// it says.
    pub upload_write: usize,
    /// Bytes at the end of a chunk that are written before they are hashed, if a quarter of them comes at
    /// once; of two uploads half as many, and none of five. Memory: up to twice of it, when uploads begin one
    /// after the other. 6 MiB: what lies in a socket when its client has sent all, and a part of the read
    /// before. Zero: none.
    pub upload_ahead: usize,
    /// Bytes that are kept on the disk so that deletions succeed when it is full otherwise; zero
    /// keeps none. 12 MiB: a batch of the collector changes one to two thousand pages of 4 KiB.
    pub reserve: u64,
    /// Bytes of stored content that the background check reads in a second; 0: it is off. It can be
    /// changed while the store is open. Off: only who runs the store knows what its disk can spare.
    /// 4 MiB reads a terabyte in three days.
    pub check_bytes_per_second: u64,
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The source of keys and ids.
    pub random: Arc<dyn Random>,
}

/// When an answered write is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Before it is answered: nothing acknowledged is lost by a power cut.
    #[default]
    Durable,
    /// Up to a second later: a power cut or a killed process may lose the last second of
    /// acknowledged writes. It delays and never reorders: what is found afterwards is whole.
    Relaxed,
}

/// When the collector works by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collection {
    /// All the time: after deletions, and for what became due.
    #[default]
    InBackground,
    /// Only in [`Engine::collect`](crate::Engine::collect): for who has to know what runs when.
    OnDemand,
}

/// How fast the collector may take blobs away. Both bounds hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectBudget {
    /// Blobs taken out of repositories per second; `None`: as fast as it goes.
    pub blobs_per_second: Option<NonZeroU64>,
    /// Bytes of those per second; `None`: as fast as it goes. A single blob larger than that takes
    /// its time afterwards.
    pub bytes_per_second: Option<NonZeroU64>,
}

// === impl Options ===

impl Options {
    /// A lease is at least this long: a client needs it to send the manifest that links the blob.
    pub const SHORTEST_LEASE: Duration = Duration::from_secs(1);

    /// The defaults, for a store in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            durability: Durability::Durable,
            small_blob_limit: 64 * 1024,
            metadata_cache: 16 * 1024 * 1024,
            metadata_journal: 4 * 1024 * 1024,
            upload_lifetime: Duration::from_hours(7 * 24),
            grace: Duration::from_hours(1),
            lease: Duration::from_hours(1),
            undo: Duration::from_hours(24),
            tag_history: 20,
            refuse_referenced: false,
            collection: Collection::InBackground,
            collect_interval: Duration::from_secs(10),
            collect_budget: CollectBudget::default(),
            policies: Vec::new(),
            policy_interval: Duration::from_hours(1),
            upload_sync_interval: 256 * 1024 * 1024,
            upload_write: 512 * 1024,
            upload_ahead: 6 * 1024 * 1024,
            reserve: 12 * 1024 * 1024,
            check_bytes_per_second: 0,
            disk: Arc::new(SystemDisk),
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
        }
    }
}
