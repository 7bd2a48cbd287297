//! What a request to this API does, as the audit log and those who listen hear of it.
//!
//! Invariant: it follows from the request alone, before it is answered, so that no handler can forget it;
//! whether it was done is the status of the answer.

use super::Management;
use super::route::{AccountRoute, ManageRoute, RepositoryRoute, ServerRoute, StoreRoute};
use crate::access::Caller;
use crate::audit::Action;
use crate::deeds::{Deed, Doer, named};
use floundr_engine::name::{Reference, RepositoryName};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;
use std::fmt::Display;

/// What this request does, if it is anything that is written down.
pub(super) fn deed(route: &ManageRoute, body: &[u8]) -> Option<Deed> {
    let fields = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    let deed = match route {
        ManageRoute::Server(route) => match route {
            ServerRoute::AuditVerify => new(Action::AuditRead, "verify"),
            // Who follows the log would write into it what it reads.
            ServerRoute::AuditList
            | ServerRoute::About
            | ServerRoute::OpenApi
            | ServerRoute::Status
            | ServerRoute::Events
            | ServerRoute::Whoami => return None,
        },
        ManageRoute::Store(route) => of_store(route, fields)?,
        ManageRoute::Repository(route) => of_repository(route, fields)?,
        ManageRoute::Account(route) => of_account(route, fields)?,
    };
    Some(deed.with_body(body))
}

fn of_store(route: &StoreRoute, fields: impl Fn() -> Value) -> Option<Deed> {
    use StoreRoute as R;
    Some(match route {
        R::GcRun => new(Action::Gc, "run"),
        R::GcPause => new(Action::Gc, "pause"),
        R::GcResume => new(Action::Gc, "resume"),
        R::CheckRun => new(Action::Check, "run"),
        R::BackupRun => new(Action::Backup, text(&fields(), "directory")),
        R::Undelete => of_undelete(&fields()),
        R::UploadCancel(id) => new(Action::UploadCancel, id),
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

fn of_undelete(fields: &Value) -> Deed {
    let text = text(fields, "repository");
    let Ok(name) = text.parse::<RepositoryName>() else {
        return new(Action::Undelete, text);
    };
    let reference = fields["reference"].as_str().map(str::parse::<Reference>);
    let object = match reference {
        Some(Ok(reference)) => named(&name, &reference),
        Some(Err(_)) | None => text,
    };
    new(Action::Undelete, object).in_repository(&name)
}

fn of_repository(route: &RepositoryRoute, fields: impl Fn() -> Value) -> Option<Deed> {
    use RepositoryRoute as R;
    let content = |action, name: &RepositoryName, reference: &Reference| {
        new(action, named(name, reference)).in_repository(name)
    };
    Some(match route {
        R::Create => {
            let text = text(&fields(), "name");
            let deed = new(Action::RepositoryCreate, &text);
            match text.parse() {
                Ok(name) => deed.in_repository(&name),
                Err(_) => deed,
            }
        }
        R::Change(name) => new(Action::RepositoryChange, name).in_repository(name),
        R::Delete(name) => new(Action::RepositoryDelete, name).in_repository(name),
        R::TagSet(name, tag) => content(Action::Tag, name, &Reference::Tag(tag.clone())),
        R::TagDelete(name, tag) => content(Action::Delete, name, &Reference::Tag(tag.clone())),
        R::ManifestDelete(name, reference) => content(Action::Delete, name, reference),
        R::List
        | R::Show(_)
        | R::TagList(_)
        | R::TagHistory(..)
        | R::ManifestList(_)
        | R::ManifestShow(..) => return None,
    })
}

fn of_account(route: &AccountRoute, fields: impl Fn() -> Value) -> Option<Deed> {
    use AccountRoute as R;
    Some(match route {
        R::PasswordChange => new(Action::Password, ""),
        R::UserCreate => new(Action::UserCreate, text(&fields(), "name")),
        R::UserChange(name) => new(Action::UserChange, name),
        R::UserDelete(name) => new(Action::UserDelete, name),
        R::RoleCreate => new(Action::RoleCreate, text(&fields(), "name")),
        R::RoleChange(name) => new(Action::RoleChange, name),
        R::RoleDelete(name) => new(Action::RoleDelete, name),
        R::GrantCreate => new(Action::GrantCreate, text(&fields(), "on")),
        R::GrantDelete(id) => new(Action::GrantDelete, id),
        R::KeyCreate => new(Action::KeyCreate, text(&fields(), "name")),
        R::KeyChange(id) => new(Action::KeyChange, id),
        R::KeyRevoke(id) => new(Action::KeyRevoke, id),
        R::RuleSet(on) => new(Action::RuleSet, on),
        R::RuleDelete(on) => new(Action::RuleDelete, on),
        R::TokenKeysRotate => new(Action::TokenRotate, ""),
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

fn new(action: Action, object: impl Display) -> Deed {
    Deed::new(action, object.to_string())
}

fn text(fields: &Value, member: &str) -> String {
    fields[member].as_str().unwrap_or_default().to_owned()
}

// === impl Management ===

impl Management {
    /// Writes down that `caller` was refused what is asked.
    pub(super) fn note_denied(&self, caller: &Caller, parts: &Parts, status: StatusCode) {
        let asked = format!("{} {}", parts.method, parts.uri.path());
        let deed = Deed::new(Action::Denied, asked);
        deed.record(Doer::of(caller, parts), status.as_u16(), self.services());
    }
}
