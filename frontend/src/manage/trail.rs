//! The [`Deed`] of a request to this API: what it does, for the audit log and for who listens to events.
//!
//! Invariants:
//! 1. It follows from the request alone, before it is answered, so that no handler can forget it; whether
//!    it was done is the status of the answer. Events tell only what was done.
//! 2. Of a body only names go into it: no password and no key.

use super::Management;
use super::route::{AccountRoute, ManageRoute, RepositoryRoute, ServerRoute, StoreRoute};
use crate::access::Caller;
use crate::audit::Action;
use crate::deeds::{Deed, Doer, named};
use floundr_engine::name::{Reference, RepositoryName};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

/// What this request does, if it is anything that is written down.
pub(super) fn deed(route: &ManageRoute, body: &[u8]) -> Option<Deed> {
    let body = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    match route {
        ManageRoute::Server(route) => match route {
            ServerRoute::AuditList => Some(Deed::new(Action::AuditRead, "list")),
            ServerRoute::AuditVerify => Some(Deed::new(Action::AuditRead, "verify")),
            ServerRoute::About
            | ServerRoute::OpenApi
            | ServerRoute::Status
            | ServerRoute::Events
            | ServerRoute::Whoami => None,
        },
        ManageRoute::Store(route) => of_store(route, body),
        ManageRoute::Repository(route) => of_repository(route, body),
        ManageRoute::Account(route) => of_account(route, body),
    }
}

fn of_store(route: &StoreRoute, body: impl Fn() -> Value) -> Option<Deed> {
    use StoreRoute as R;
    let gc = |what: &str| Deed::new(Action::Gc, what);
    Some(match route {
        R::GcRun => gc("run"),
        R::GcPause => gc("pause"),
        R::GcResume => gc("resume"),
        R::CheckRun => Deed::new(Action::Check, "run"),
        R::BackupRun => Deed::new(Action::Backup, text(&body(), "directory")),
        R::Undelete => of_undelete(&body()),
        R::UploadCancel(id) => Deed::new(Action::UploadCancel, id),
        R::GcStatus
        | R::GcPlan
        | R::Why(_)
        | R::Usage
        | R::BackupShow
        | R::CheckShow
        | R::Deleted
        | R::UploadList => return None,
    })
}

fn of_undelete(body: &Value) -> Deed {
    let repository = text(body, "repository");
    let reference = body["reference"].as_str().map(str::parse::<Reference>);
    let object = match reference {
        Some(Ok(reference)) => named(&repository, &reference),
        Some(Err(_)) | None => repository.clone(),
    };
    let deed = Deed::new(Action::Undelete, object);
    deed.in_repository(repository.parse().ok())
}

fn of_repository(route: &RepositoryRoute, body: impl Fn() -> Value) -> Option<Deed> {
    use RepositoryRoute as R;
    let repository = |action, name: &RepositoryName| {
        let deed = Deed::new(action, name);
        deed.in_repository(Some(name.clone()))
    };
    let content = |action, name: &RepositoryName, reference: &Reference| {
        let deed = Deed::new(action, named(name, reference));
        deed.in_repository(Some(name.clone()))
    };
    Some(match route {
        R::Create => {
            let name = text(&body(), "name");
            let deed = Deed::new(Action::RepositoryCreate, &name);
            deed.in_repository(name.parse().ok())
        }
        R::Change(name) => repository(Action::RepositoryChange, name),
        R::Delete(name) => repository(Action::RepositoryDelete, name),
        R::TagSet(name, tag) => content(Action::Tag, name, &Reference::Tag(tag.clone())),
        R::TagDelete(name, tag) => {
            let tag = Reference::Tag(tag.clone());
            content(Action::Delete, name, &tag)
        }
        R::ManifestDelete(name, reference) => content(Action::Delete, name, reference),
        R::List
        | R::Show(_)
        | R::TagList(_)
        | R::TagHistory(..)
        | R::ManifestList(_)
        | R::ManifestShow(..) => return None,
    })
}

fn of_account(route: &AccountRoute, body: impl Fn() -> Value) -> Option<Deed> {
    use AccountRoute as R;
    let called = |action| Deed::new(action, text(&body(), "name"));
    Some(match route {
        R::PasswordChange => Deed::new(Action::Password, ""),
        R::UserCreate => called(Action::UserCreate),
        R::UserChange(name) => Deed::new(Action::UserChange, name),
        R::UserDelete(name) => Deed::new(Action::UserDelete, name),
        R::RoleCreate => called(Action::RoleCreate),
        R::RoleChange(name) => Deed::new(Action::RoleChange, name),
        R::RoleDelete(name) => Deed::new(Action::RoleDelete, name),
        R::GrantCreate => Deed::new(Action::GrantCreate, grant(&body())),
        R::GrantDelete(id) => Deed::new(Action::GrantDelete, id),
        R::KeyCreate => called(Action::KeyCreate),
        R::KeyChange(id) => Deed::new(Action::KeyChange, id),
        R::KeyRevoke(id) => Deed::new(Action::KeyRevoke, id),
        R::RuleSet(on) => Deed::new(Action::RuleSet, on),
        R::RuleDelete(on) => Deed::new(Action::RuleDelete, on),
        R::TokenKeysRotate => Deed::new(Action::TokenRotate, ""),
        R::UserList
        | R::UserShow(_)
        | R::RoleList
        | R::RoleShow(_)
        | R::GrantList
        | R::GrantShow(_)
        | R::KeyList
        | R::KeyShow(_)
        | R::RuleList
        | R::RuleShow(_)
        | R::Explain => return None,
    })
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_default().to_owned()
}

/// To whom which role is granted on what.
fn grant(body: &Value) -> String {
    let whom = body["user"].as_str();
    let whom = whom.map_or_else(|| format!("group {}", text(body, "group")), str::to_owned);
    format!("{} on {} to {whom}", text(body, "role"), text(body, "on"))
}

// === impl Management ===

impl Management {
    /// Writes down that `caller` did this, or tried; tells listeners if it was done.
    pub(super) fn note(&self, caller: &Caller, parts: &Parts, deed: Deed, status: StatusCode) {
        deed.record(Doer::of(caller, parts), status.as_u16(), self.services());
    }

    /// Writes down that `caller` was refused what is asked.
    pub(super) fn note_denied(&self, caller: &Caller, parts: &Parts, status: StatusCode) {
        let asked = format!("{} {}", parts.method, parts.uri.path());
        self.note(caller, parts, Deed::new(Action::Denied, asked), status);
    }
}
