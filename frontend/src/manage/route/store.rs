//! What the operator asks of the store as a whole.

use super::Need;
use super::endpoint::endpoints;
use floundr_engine::digest::Digest;
use floundr_engine::upload::UploadUuid;

endpoints! {
    /// Collection, backups, the check, what was deleted, and what lies where.
    pub enum StoreRoute {
        /// Collect what is due now, or sum up what that would do.
        GcRun = "gc_run" POST "/gc",
        /// Where the collector stands.
        GcStatus = "gc_status" GET "/gc",
        /// What a collection would take now, by page.
        GcPlan = "gc_plan" GET "/gc/plan",
        /// Remove nothing until it is resumed.
        GcPause = "gc_pause" POST "/gc/pause",
        /// End a pause.
        GcResume = "gc_resume" POST "/gc/resume",
        /// Who holds a digest and what keeps it there, by page.
        Why(Digest) = "why" GET "/digests/{digest}",
        /// What the store holds, and what each repository does, by page.
        Usage = "usage" GET "/usage",
        /// Make a backup.
        BackupRun = "backup_run" POST "/backup",
        /// How far the backup is that runs.
        BackupShow = "backup_show" GET "/backup",
        /// Read everything and say what is not as it was put.
        CheckRun = "check_run" POST "/check",
        /// How far the check in the background is.
        CheckShow = "check_show" GET "/check",
        /// The repositories, or manifests of one, that can be restored, by page.
        Deleted = "deleted" GET "/deleted",
        /// Restore a repository, a manifest or a tag.
        Undelete = "undelete" POST "/undelete",
        /// The uploads that are under way, by page.
        UploadList = "upload_list" GET "/uploads",
        /// End an upload.
        UploadCancel(UploadUuid) = "upload_cancel" DELETE "/uploads/{id}",
    }
}

// === impl StoreRoute ===

impl StoreRoute {
    /// Who may ask. What is restored stands in the body, so [`StoreRoute::Undelete`] asks itself.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::Undelete => Need::LoggedIn,
            _ => Need::Server,
        }
    }
}
