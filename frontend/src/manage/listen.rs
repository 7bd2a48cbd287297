//! `GET /api/v1/events`: what happens, as it happens, as far as who listens may know of it.
//!
//! Invariant: what somebody may know is decided at each event, by the accounts of that moment.

use super::call::Call;
use super::{Answer, Management};
use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::events::{Event, EventKind, EventStream};
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};

/// Asks a proxy to pass on each event at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What happens, as server-sent events: `event` is its kind, `data` an object, `id` its number. A comment
/// every 15 seconds shows that the connection lives. Who is too slow is told how many were missed.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "events",
    tag = "server",
    responses(
        (status = 200, description = "Until somebody ends it", body = String,
            content_type = "text/event-stream"),
    ),
)]
pub(super) fn listen(management: &Management, call: Call) -> Answer {
    let caller = call.caller().clone();
    call.plain()?;
    let accounts = management.services().accounts.clone();
    let events = management.services().events.subscribe(move |event| {
        let present = accounts.as_ref();
        let present = present.map(|accounts| (accounts.directory(), accounts.wall()));
        match present {
            Some((directory, now)) => may_hear(&caller.at(directory, now), event),
            None => may_hear(&caller, event),
        }
    });
    let mut response = Response::new(Body::events(events));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, EventStream::CONTENT_TYPE),
        (CACHE_CONTROL, "no-store"),
        (ACCEL_BUFFERING, "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Of a repository hears who may pull from it, of the server's state whoever is logged in, of all else
/// the administrators of the server.
fn may_hear(caller: &Caller, event: &Event) -> bool {
    match &event.repository {
        Some(name) => caller.may(name, Permission::Pull),
        None if event.kind == EventKind::Status => caller.is_logged_in(),
        None => caller.is_administrator(),
    }
}
