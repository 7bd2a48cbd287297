//! [`Pauses`]: when a connection of HTTP/2 stops reading so that what came is used.

/// hyper reads an HTTP/2 connection as long as bytes come, up to all the windows, and only then lets its thread
/// go on to the requests: of many uploads at once all that lies in memory. With pauses the thread hashes what it
/// has just decrypted, while another one, if it is free, reads on. (What an upload offers to another one's
/// thread, see the engine's `upload/pairs.rs`, may wait for some of them.)
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Bytes that were read since the last one.
    read: usize,
}

// === impl Pauses ===

impl Pauses {
    /// 32 KiB: less than a long frame, so that it waits for no other.
    const EVERY: usize = 32 * 1024;

    /// What a read gave; nothing when nothing is there, which is a pause as well.
    pub(super) fn note(&mut self, bytes: Option<usize>) {
        self.read = bytes.map_or(0, |bytes| self.read + bytes);
    }

    /// Whether it is time for one, which has begun then.
    pub(super) fn begin(&mut self) -> bool {
        let is_due = self.read >= Self::EVERY;
        if is_due {
            self.read = 0;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_due_when_much_was_read_without_one() {
        let mut pauses = Pauses::default();
        assert!(!pauses.begin());
        pauses.note(Some(Pauses::EVERY - 1));
        assert!(!pauses.begin());
        pauses.note(Some(1));
        assert!(pauses.begin() && !pauses.begin());
        pauses.note(Some(Pauses::EVERY - 1));
        pauses.note(None);
        pauses.note(Some(Pauses::EVERY - 1));
        assert!(!pauses.begin());
    }
}
