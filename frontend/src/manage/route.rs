//! [`ManageRoute`]: what a request to the management API asks for, parsed purely.

use super::{Problem, ProblemCode};
use floundr_engine::digest::Digest;
use http::Method;

/// One endpoint of the management API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManageRoute {
    /// `GET /api/v1`: which program and which store.
    About,
    /// `POST /api/v1/gc`: collect what is due now, or sum up what that would do.
    GcRun,
    /// `GET /api/v1/gc`: where the collector stands.
    GcStatus,
    /// `GET /api/v1/gc/plan`: what a collection would take now, by page.
    GcPlan,
    /// `POST /api/v1/gc/pause`: remove nothing until it is resumed.
    GcPause,
    /// `POST /api/v1/gc/resume`: end a pause.
    GcResume,
    /// `GET /api/v1/digests/<digest>`: who holds a digest and what keeps it there, by page.
    Why(Digest),
    /// `GET /api/v1/usage`: what the store holds, and what each repository does, by page.
    Usage,
    /// `POST /api/v1/backup`: make a backup.
    BackupRun,
    /// `GET /api/v1/backup`: how far the backup is that runs.
    BackupShow,
    /// `POST /api/v1/check`: read everything and say what is not as it was put.
    CheckRun,
    /// `GET /api/v1/check`: how far the check in the background is.
    CheckShow,
    /// `GET /api/v1/deleted`: the repositories, or manifests of one, that can be restored, by page.
    Deleted,
    /// `POST /api/v1/undelete`: restore a repository, a manifest or a tag.
    Undelete,
    /// `POST /api/v1/repositories`: make an empty repository.
    RepositoryCreate,
}

/// What a path names, before the method is known to fit.
#[derive(Clone, Copy)]
enum Target {
    About,
    Gc,
    GcPlan,
    GcPause,
    GcResume,
    Digest(Digest),
    Usage,
    Backup,
    Check,
    Deleted,
    Undelete,
    Repositories,
}

// === impl ManageRoute ===

impl ManageRoute {
    /// Reads a request's method and path.
    ///
    /// # Errors
    /// 404 for what is no endpoint; 405 with `Allow`.
    pub fn parse(method: &Method, path: &str) -> Result<Self, Problem> {
        let target = Target::of(path)?.ok_or_else(|| {
            let shown: String = path.chars().take(100).collect();
            let detail = format!("there is no endpoint {shown:?}");
            Problem::new(ProblemCode::NoEndpoint, detail)
        })?;
        target.route(method).ok_or_else(|| {
            let detail = format!("method {method} is not for {path}");
            Problem::new(ProblemCode::Method, detail).with_allow(target.allow())
        })
    }

    /// Whether it reads the query: it is a listing.
    pub(super) const fn takes_parameters(&self) -> bool {
        matches!(
            self,
            Self::GcPlan | Self::Why(_) | Self::Usage | Self::Deleted
        )
    }
}

// === impl Target ===

impl Target {
    /// # Errors
    /// 400 for what should be a digest and is none.
    fn of(path: &str) -> Result<Option<Self>, Problem> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(rest) = path.strip_prefix("/api/v1") else {
            return Ok(None);
        };
        if let Some(text) = rest.strip_prefix("/digests/") {
            let shown: String = text.chars().take(200).collect();
            let digest = text.parse().map_err(|error| {
                Problem::new(ProblemCode::DigestInvalid, format!("{shown:?}: {error}"))
            })?;
            return Ok(Some(Self::Digest(digest)));
        }
        Ok(Some(match rest {
            "" => Self::About,
            "/gc" => Self::Gc,
            "/gc/plan" => Self::GcPlan,
            "/gc/pause" => Self::GcPause,
            "/gc/resume" => Self::GcResume,
            "/usage" => Self::Usage,
            "/backup" => Self::Backup,
            "/check" => Self::Check,
            "/deleted" => Self::Deleted,
            "/undelete" => Self::Undelete,
            "/repositories" => Self::Repositories,
            _ => return Ok(None),
        }))
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::About | Self::GcPlan | Self::Digest(_) | Self::Usage | Self::Deleted => "GET",
            Self::GcPause | Self::GcResume | Self::Undelete | Self::Repositories => "POST",
            Self::Gc | Self::Backup | Self::Check => "GET, POST",
        }
    }

    fn route(self, method: &Method) -> Option<ManageRoute> {
        Some(match (self, method.as_str()) {
            (Self::About, "GET") => ManageRoute::About,
            (Self::Gc, "POST") => ManageRoute::GcRun,
            (Self::Gc, "GET") => ManageRoute::GcStatus,
            (Self::GcPlan, "GET") => ManageRoute::GcPlan,
            (Self::GcPause, "POST") => ManageRoute::GcPause,
            (Self::GcResume, "POST") => ManageRoute::GcResume,
            (Self::Digest(digest), "GET") => ManageRoute::Why(digest),
            (Self::Usage, "GET") => ManageRoute::Usage,
            (Self::Backup, "GET") => ManageRoute::BackupShow,
            (Self::Backup, "POST") => ManageRoute::BackupRun,
            (Self::Check, "GET") => ManageRoute::CheckShow,
            (Self::Check, "POST") => ManageRoute::CheckRun,
            (Self::Deleted, "GET") => ManageRoute::Deleted,
            (Self::Undelete, "POST") => ManageRoute::Undelete,
            (Self::Repositories, "POST") => ManageRoute::RepositoryCreate,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::digest::Algorithm;

    #[test]
    fn every_endpoint_is_found_and_its_other_methods_are_refused_with_those_that_fit() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        for (method, path, route) in [
            (Method::GET, "/api/v1", ManageRoute::About),
            (Method::GET, "/api/v1/", ManageRoute::About),
            (Method::POST, "/api/v1/gc", ManageRoute::GcRun),
            (Method::GET, "/api/v1/gc", ManageRoute::GcStatus),
            (Method::GET, "/api/v1/gc/plan", ManageRoute::GcPlan),
            (Method::POST, "/api/v1/gc/pause", ManageRoute::GcPause),
            (Method::POST, "/api/v1/gc/resume", ManageRoute::GcResume),
            (
                Method::GET,
                &format!("/api/v1/digests/{digest}"),
                ManageRoute::Why(digest),
            ),
            (Method::GET, "/api/v1/usage", ManageRoute::Usage),
            (Method::GET, "/api/v1/backup", ManageRoute::BackupShow),
            (Method::POST, "/api/v1/backup", ManageRoute::BackupRun),
            (Method::GET, "/api/v1/check", ManageRoute::CheckShow),
            (Method::POST, "/api/v1/check", ManageRoute::CheckRun),
            (Method::GET, "/api/v1/deleted", ManageRoute::Deleted),
            (Method::POST, "/api/v1/undelete", ManageRoute::Undelete),
            (
                Method::POST,
                "/api/v1/repositories",
                ManageRoute::RepositoryCreate,
            ),
        ] {
            assert_eq!(ManageRoute::parse(&method, path), Ok(route));
            let refused = ManageRoute::parse(&Method::PATCH, path).unwrap_err();
            let response = refused.into_response();
            assert_eq!(response.status(), 405);
            let allow = response.headers()["allow"].to_str().unwrap();
            assert!(allow.contains(method.as_str()), "{allow}");
        }
    }

    #[test]
    fn what_is_no_digest_is_named() {
        for text in ["", "sha256:", "sha256:12", "latest"] {
            let path = format!("/api/v1/digests/{text}");
            let problem = ManageRoute::parse(&Method::GET, &path).unwrap_err();
            let expected = if text.is_empty() {
                ProblemCode::NoEndpoint
            } else {
                ProblemCode::DigestInvalid
            };
            assert_eq!(problem.code(), expected);
            assert!(problem.to_string().contains(text), "{problem}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for path in ["/", "/api/v1x", "/api/v2/gc", "/v2/", "/api/v1/gc/x"] {
            let problem = ManageRoute::parse(&Method::GET, path).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::NoEndpoint);
            assert!(problem.to_string().contains(path), "{problem}");
        }
    }
}
