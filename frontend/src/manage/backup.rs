//! Backups: `POST /api/v1/backup` makes one and answers when it is complete; `GET` says how far it is.

use super::{Answer, Management, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::backup::{BackupError, BackupOptions};
use floundr_engine::fault::StorageError;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// The accounts' file in a backup.
pub const ACCOUNTS: &str = "accounts.redb";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackupOrder)]
pub(super) struct Run {
    /// Where to; absolute, because the server's working directory is nobody's business.
    #[schema(value_type = String)]
    directory: PathBuf,
    #[serde(default)]
    hard_links: bool,
    #[serde(default)]
    verify: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupReport)]
struct Report {
    #[schema(value_type = String)]
    directory: PathBuf,
    blobs: u64,
    manifests: u64,
    repositories: u64,
    tags: u64,
    copied_bytes: u64,
    linked_bytes: u64,
    kept_bytes: u64,
    metadata_bytes: u64,
    removed_files: u64,
    damaged: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupProgress)]
struct Progress {
    phase: &'static str,
    #[schema(value_type = Option<String>)]
    directory: Option<PathBuf>,
    blobs: u64,
    all_blobs: u64,
    moved_bytes: u64,
    kept_bytes: u64,
}

/// Makes a backup on the machine of the server.
///
/// A client that goes away ends its backup, which the next one goes on with.
#[utoipa::path(
    post,
    path = "/api/v1/backup",
    operation_id = "backup_run",
    tag = "store",
    request_body = Run,
    responses(
        (status = 200, description = "What is in it, now that it is complete", body = Report),
        (status = 409, description = "Another one runs, or the directory cannot be used"),
    ),
)]
pub(super) async fn run(management: &Management, run: Run) -> Answer {
    let engine = management.engine();
    let Run {
        directory,
        hard_links,
        verify,
    } = run;
    if !directory.is_absolute() {
        let detail = format!("directory is {}, not an absolute path", directory.display());
        return Err(Problem::new(ProblemCode::BodyInvalid, detail));
    }
    let options = BackupOptions { hard_links, verify };
    let report = engine.backup(&directory, options).await;
    let report = report.map_err(|error| refused(error, &directory))?;
    if let Ok(accounts) = management.accounts() {
        let written = accounts.back_up(directory.join(ACCOUNTS)).await;
        written.map_err(|error| {
            let detail = format!("the store is backed up, its accounts are not: {error}");
            Problem::new(ProblemCode::Internal, detail)
        })?;
    }
    let damaged = report.damaged.iter().map(ToString::to_string).collect();
    json(
        StatusCode::OK,
        &Report {
            directory,
            blobs: report.blobs,
            manifests: report.manifests,
            repositories: report.repositories,
            tags: report.tags,
            copied_bytes: report.copied_bytes,
            linked_bytes: report.linked_bytes,
            kept_bytes: report.kept_bytes,
            metadata_bytes: report.metadata_bytes,
            removed_files: report.removed_files,
            damaged,
        },
    )
}

/// How far the backup is that runs.
#[utoipa::path(
    get,
    path = "/api/v1/backup",
    operation_id = "backup_show",
    tag = "store",
    responses(
        (status = 200, description = "How far it is", body = Progress),
    ),
)]
pub(super) fn show(engine: &Engine) -> Answer {
    let progress = engine.backup_progress().borrow().clone();
    let directory = Some(progress.directory).filter(|path| !path.as_os_str().is_empty());
    json(
        StatusCode::OK,
        &Progress {
            phase: progress.phase.as_str(),
            directory,
            blobs: progress.blobs,
            all_blobs: progress.all_blobs,
            moved_bytes: progress.moved_bytes,
            kept_bytes: progress.kept_bytes,
        },
    )
}

/// The server may not write where the request says, or nothing can be written there: that is the
/// request's fault, and not the store's.
fn refused(error: BackupError, directory: &Path) -> Problem {
    use ErrorKind::{
        InvalidFilename, NotADirectory, PermissionDenied, ReadOnlyFilesystem, Unsupported,
    };
    let BackupError::Storage(StorageError::Io { path, source, .. }) = &error else {
        return error.into();
    };
    let is_of_place = matches!(
        source.kind(),
        InvalidFilename | NotADirectory | PermissionDenied | ReadOnlyFilesystem | Unsupported
    );
    if is_of_place && (path.starts_with(directory) || directory.starts_with(path)) {
        let detail = format!("{error}: name a directory that the server can write to");
        return Problem::new(ProblemCode::DirectoryUnfit, detail);
    }
    error.into()
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        use ProblemCode::{DirectoryUnfit, InUse};
        let (code, next) = match error {
            BackupError::Storage(error) => return error.into(),
            BackupError::Running(_) => (InUse, "wait for its end"),
            BackupError::InUse(_) => (InUse, "wait for the backup or restore that works on it"),
            BackupError::NotABackup(_) => (
                DirectoryUnfit,
                "name an empty directory, or one with a backup of this store",
            ),
            BackupError::OtherStore(_) => (DirectoryUnfit, "name an empty directory"),
            BackupError::NewerFormat { .. } => (
                DirectoryUnfit,
                "name an empty directory, or install a newer floundr",
            ),
            BackupError::OtherFileSystem(_) => (DirectoryUnfit, "copy instead"),
        };
        Self::new(code, format!("{error}: {next}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    fn code(path: &str, kind: ErrorKind) -> ProblemCode {
        let error = StorageError::Io {
            action: "create",
            path: path.into(),
            source: Arc::new(io::Error::from(kind)),
        };
        refused(error.into(), Path::new("/mnt/backup/today")).code()
    }

    #[test]
    fn a_directory_that_cannot_be_written_to_is_the_fault_of_the_request() {
        for kind in [ErrorKind::PermissionDenied, ErrorKind::NotADirectory] {
            assert_eq!(code("/mnt/backup", kind), ProblemCode::DirectoryUnfit);
            let below = code("/mnt/backup/today/blobs", kind);
            assert_eq!(below, ProblemCode::DirectoryUnfit);
        }
    }

    #[test]
    fn a_store_or_a_disk_that_fails_is_not() {
        let of_store = code("/srv/store/metadata.redb", ErrorKind::PermissionDenied);
        assert_eq!(of_store, ProblemCode::Internal);
        let of_disk = code("/mnt/backup/today", ErrorKind::Other);
        assert_eq!(of_disk, ProblemCode::Internal);
    }
}
