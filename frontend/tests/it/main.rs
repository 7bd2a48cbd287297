//! Every integration test of this crate, one binary for one link.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the linter knows only the tests themselves"
)]

mod access; // who may do what
mod access_log; // what is logged while a test runs
mod registry; // a registry over a store in memory, and what a client sees of it
mod schema; // checks JSON against the document's schemas
mod support; // a server with a handler that does as it is told, raw clients
mod wire; // a registry behind a socket, and requests as bytes

// The transport half: what happens around a handler.
mod connections; // protocols, slow and silent clients, floods, early answers
mod drain; // stopping while requests are in flight
mod events; // streams that are silent, and that end
mod http2; // requests that share a connection
mod pipeline; // request ids, access log, metrics, panics, body timeouts
mod refusals; // of what never became a request
mod tls; // certificates, ALPN, reload

// The OCI half: what the endpoints answer, over a real store.
mod bad_input; // everything a client can get wrong, and that it leaves no trace
mod bad_input_wire; // the same as bytes on a socket: heads, lengths, floods, silence
mod blobs; // pull, ranges, conditions, delete
mod callers; // who is let in to the management API, with what
mod clients_login; // one test per line of what clients demand, by subject
mod clients_pull;
mod clients_referrers;
mod clients_upload;
mod damage; // a flipped bit: found, not served, healed by a push
mod listings; // tags, catalog: pages and links
mod manage; // the management API beside them
mod manage_artifacts; // which manifests are artifacts, and of which type
mod manage_content; // its repositories, tags and manifests, and who sees them
mod manage_events; // its status, events and audit log
mod manage_uploads; // what is being pushed
mod manifests; // push, pull, tags, conditions, delete
mod openapi; // its document, and that answers are as it says
mod over_a_socket; // answers without bodies, as bytes of HTTP/1.1
mod pains; // where users of other registries hurt
mod referrers; // filter, pages, the fallback tag
mod rules; // quotas and immutable tags
mod uploads; // chunks, status, cancel, mount, algorithms
