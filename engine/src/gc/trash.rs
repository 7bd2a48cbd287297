//! Making deletions final whose undo period has passed: a queue by due time, in bounded steps.
//!
//! Record and edges go together, so the grace of the blobs begins here. What was restored or put
//! anew is no more in the queue, or is found to be so by its number.

use super::control::Halt;
use super::report::GcPhase;
use super::run::Run;
use crate::clock::EngineTime;

// === impl Run ===

impl Run<'_> {
    /// Makes everything final that is due at `until`. Writes nothing when nothing is.
    pub(super) async fn purge_trash(&mut self, until: EngineTime) -> Result<(), Halt> {
        let mut after = None;
        loop {
            self.collector.desk.leave()?;
            let purged = self.collector.meta.purge_trash(until, after).await?;
            if purged.manifests > 0 {
                self.collector.desk.show_phase(GcPhase::Trash);
            }
            self.report.purged_manifests += purged.manifests;
            self.set_aside(purged.damaged);
            after = purged.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
