//! [`Fault`]: which calls of a [`MemoryDisk`](super::MemoryDisk) shall fail.
//!
//! Invariant: a fault fires once.

use std::io;

/// A call that shall fail with an I/O error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The read after this many further ones.
    Read(u64),
    /// The write after this many further ones.
    Write(u64),
    /// The sync of a file after this many further ones.
    Sync(u64),
    /// The same, and the reason is that there is no space.
    SyncFull(u64),
    /// The sync of a directory after this many further ones.
    SyncDirectory(u64),
    /// The same, and the reason is that there is no space.
    SyncDirectoryFull(u64),
    /// The removal after this many further ones, and the reason is that there is no space.
    RemoveFull(u64),
}

/// Those that have not come up yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

// === impl Fault ===

impl Fault {
    /// How many further calls there are before it fires.
    fn left(self) -> u64 {
        match self {
            Self::Read(left)
            | Self::Write(left)
            | Self::Sync(left)
            | Self::SyncFull(left)
            | Self::SyncDirectory(left)
            | Self::SyncDirectoryFull(left)
            | Self::RemoveFull(left) => left,
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::SyncFull(_) | Self::SyncDirectoryFull(_) | Self::RemoveFull(_) => {
                io::ErrorKind::StorageFull.into()
            }
            _ => io::Error::other("injected fault"),
        }
    }
}

// === impl Faults ===

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts down the faults of one kind; one that was at zero fires and is used up.
    pub(super) fn fail_if(&mut self, kind: fn(u64) -> Fault) -> io::Result<()> {
        let mut outcome = Ok(());
        self.0.retain_mut(|fault| {
            if *fault != kind(fault.left()) {
                return true;
            }
            let less = fault.left().checked_sub(1);
            match less {
                Some(less) => *fault = kind(less),
                None => outcome = Err(fault.error()),
            }
            less.is_some()
        });
        outcome
    }
}
