//! [`Deed`]: something a request does, as the audit log and those who listen hear of it.
//!
//! 1. What changes something is written down with its result, done or refused; pulls are not: the
//!    access log has them.
//! 2. Of what was sent with a request only named fields are kept, none of which is ever a secret.
//! 3. Who listens hears only of what was done.

use crate::access::Caller;
use crate::accounts::{Directory, KeyId, Principal};
use crate::audit::{Action, AuditEvent};
use crate::events::{Event, EventKind};
use crate::route::Route;
use crate::service::RequestId;
use crate::services::Services;
use floundr_engine::name::{Reference, RepositoryName};
use http::request::Parts;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Fields of a request's body that are kept.
const KEPT: [&str; 16] = [
    "name",
    "owner",
    "user",
    "group",
    "role",
    "on",
    "groups",
    "permissions",
    "scopes",
    "disabled",
    "must_change",
    "public",
    "quota_bytes",
    "immutable_tags",
    "repository",
    "reference",
];

/// Something that is done to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) action: Action,
    pub(crate) object: String,
    /// Where it happens, when that is a repository.
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) detail: Option<String>,
}

/// Who does it.
#[derive(Debug, Clone)]
pub(crate) struct Doer {
    pub(crate) actor: String,
    pub(crate) key: Option<KeyId>,
    pub(crate) from: Option<IpAddr>,
    pub(crate) request_id: Option<String>,
}

/// A deed under way. If the request goes away before it is answered, what is written down is that it may
/// have been done.
#[derive(Debug)]
#[must_use = "it is written down when this is dropped"]
pub(crate) struct Pending(Option<Box<(Deed, Doer, Services)>>);

/// The status of a request whose client did not wait for its answer, as some servers log it.
const GIVEN_UP: u16 = 499;

// === impl Pending ===

impl Pending {
    pub(crate) fn new(deed: Deed, doer: Doer, services: &Services) -> Self {
        Self(Some(Box::new((deed, doer, services.clone()))))
    }

    /// It was answered with `status`.
    pub(crate) fn answered(mut self, status: u16) {
        self.write_down(status);
    }

    fn write_down(&mut self, status: u16) {
        if let Some(pending) = self.0.take() {
            let (deed, doer, services) = *pending;
            deed.record(doer, status, &services);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.write_down(GIVEN_UP);
    }
}

// === impl Deed ===

impl Deed {
    pub(crate) fn new(action: Action, object: impl Into<String>) -> Self {
        Self {
            action,
            object: object.into(),
            repository: None,
            detail: None,
        }
    }

    pub(crate) fn in_repository(self, repository: &RepositoryName) -> Self {
        let repository = Some(repository.clone());
        Self { repository, ..self }
    }

    /// With what a request's body says, as far as it may be kept.
    pub(crate) fn with_body(self, body: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return self;
        };
        let is_kept = |(name, _): &(String, Value)| KEPT.contains(&name.as_str());
        let kept: Map<_, _> = fields.into_iter().filter(is_kept).collect();
        let detail = (!kept.is_empty()).then(|| Value::Object(kept).to_string());
        Self { detail, ..self }
    }

    /// What a request to the registry does; `None` for what only reads, and for the parts of a push
    /// before its manifest.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        let (action, name, object) = match route {
            Route::ManifestPut(name, reference, _) => (Action::Push, name, named(name, reference)),
            Route::ManifestDelete(name, reference) => {
                (Action::Delete, name, named(name, reference))
            }
            Route::BlobDelete(name, digest) => (Action::Delete, name, format!("{name}@{digest}")),
            _ => return None,
        };
        Some(Self::new(action, object).in_repository(name))
    }

    /// That somebody known was refused.
    pub(crate) fn denied(route: &Route) -> Self {
        let object = route.repository().map(ToString::to_string);
        let deed = Self::new(Action::Denied, object.unwrap_or_default());
        let detail = Some(route.label().to_owned());
        Self { detail, ..deed }
    }

    /// That somebody who says they are `name` could not prove it, where `wanted` was asked for.
    pub(crate) fn login_failed(name: &str, wanted: &str) -> Self {
        let deed = Self::new(Action::LoginFailed, name);
        let detail = Some(wanted.to_owned());
        Self { detail, ..deed }
    }

    /// Writes it down, and tells of it when it was done.
    pub(crate) fn record(self, doer: Doer, status: u16, services: &Services) {
        if (200..300).contains(&status)
            && let Some(kind) = kind(self.action)
        {
            let data = json!({
                "action": self.action.as_str(),
                "object": self.object,
                "actor": doer.actor,
            });
            services.events.publish(Event {
                kind,
                repository: self.repository.clone(),
                data,
            });
        }
        let mut event = AuditEvent::new(doer.actor, self.action, self.object, status);
        event.key = doer.key;
        event.from = doer.from;
        event.detail = self.detail;
        event.request_id = doer.request_id;
        services.audit.record(event);
    }
}

// === impl Doer ===

impl Doer {
    /// The caller of a request.
    pub(crate) fn of(caller: &Caller, parts: &Parts) -> Self {
        Self {
            actor: called(caller.principal(), caller.directory()),
            key: caller.key(),
            from: caller.from(),
            request_id: request_id(parts),
        }
    }

    /// Somebody who could not prove who they are: what they call themselves is no actor.
    pub(crate) fn unproven(from: Option<IpAddr>, parts: &Parts) -> Self {
        Self {
            actor: Principal::Anonymous.to_string(),
            key: None,
            from,
            request_id: request_id(parts),
        }
    }

    /// Somebody who was given a token.
    pub(crate) fn proven(called: &str, from: Option<IpAddr>, parts: &Parts) -> Self {
        let actor = called.to_owned();
        Self {
            actor,
            ..Self::unproven(from, parts)
        }
    }
}

/// What somebody is called in a record: a robot by the name of its key, too.
pub(crate) fn called(principal: &Principal, directory: &Directory) -> String {
    match principal {
        Principal::Robot(id) => match directory.key(*id) {
            Some(key) => format!("robot:{}", key.name),
            None => principal.to_string(),
        },
        _ => principal.to_string(),
    }
}

fn request_id(parts: &Parts) -> Option<String> {
    let id = parts.extensions.get::<RequestId>()?;
    Some(id.as_str().to_owned())
}

/// `repository:tag` or `repository@digest`.
pub(crate) fn named(name: &RepositoryName, reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => format!("{name}:{tag}"),
        Reference::Digest(digest) => format!("{name}@{digest}"),
    }
}

/// What kind of event it is, when it is one.
fn kind(action: Action) -> Option<EventKind> {
    Some(match action {
        Action::Push => EventKind::Push,
        Action::Tag => EventKind::Tag,
        Action::Delete => EventKind::Delete,
        Action::UploadCancel => EventKind::Upload,
        Action::UserCreate | Action::UserChange | Action::UserDelete | Action::Password => {
            EventKind::User
        }
        Action::RoleCreate | Action::RoleChange | Action::RoleDelete => EventKind::Role,
        Action::GrantCreate | Action::GrantDelete => EventKind::Grant,
        Action::KeyCreate | Action::KeyChange | Action::KeyRevoke => EventKind::Key,
        Action::RuleSet | Action::RuleDelete => EventKind::Rule,
        Action::RepositoryCreate
        | Action::RepositoryChange
        | Action::RepositoryDelete
        | Action::Undelete => EventKind::Repository,
        Action::Gc => EventKind::Gc,
        Action::Check => EventKind::Check,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_body_only_named_fields_are_kept_and_a_password_is_none() {
        let body = br#"{"name":"jo","password":"p-secret","old":"o","new":"n","secret":"s","x":1}"#;
        let deed = Deed::new(Action::UserCreate, "jo").with_body(body);
        assert_eq!(deed.detail.as_deref(), Some(r#"{"name":"jo"}"#));
        let deed = Deed::new(Action::UserCreate, "jo").with_body(b"[]");
        assert_eq!(deed.detail, None);
    }

    #[tokio::test]
    async fn a_deed_that_nobody_waits_for_is_written_down_as_one_that_may_have_been_done() {
        use floundr_engine::clock::Hands;
        use floundr_engine::disk::MemoryDisk;
        use std::sync::Arc;
        let mut options = floundr_engine::Options::new("/store");
        options.disk = Arc::new(MemoryDisk::new());
        let engine = floundr_engine::Engine::open(options).await.unwrap();
        let audit = crate::audit::AuditLog::in_memory(Arc::new(Hands::default())).unwrap();
        let services = Services::new(&engine, None, audit);
        let (parts, ()) = http::Request::new(()).into_parts();
        let begin = |object: &str| {
            let doer = Doer::of(&Caller::operator(), &parts);
            Pending::new(Deed::new(Action::Push, object), doer, &services)
        };
        begin("answered").answered(201);
        drop(begin("given up"));
        services.audit.flush().await.unwrap();
        let filter = crate::audit::Filter::default();
        let page = services.audit.query(filter, None, 10).await.unwrap();
        let events = page.records.iter().map(|record| &record.event);
        let told: Vec<_> = events
            .map(|event| (event.object.as_str(), event.result))
            .collect();
        assert_eq!(told, [("given up", 499), ("answered", 201)]);
    }
}
