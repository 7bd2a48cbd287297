//! `GET /api/v1/openapi.json`: the OpenAPI 3.1 document of this API, made of what is written beside the
//! handlers and the types they serve.
//!
//! Invariant: what is so for every endpoint is added here and nowhere else: the ways to say who asks,
//! the refusals that any endpoint may answer, and their form.

mod grammar;

use super::call::Call;
use super::problem::ProblemBody;
use super::{Answer, accounts, repositories, server, store, with_type};
use bytes::Bytes;
use http::StatusCode;
use std::sync::LazyLock;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema as _};

/// What any endpoint may answer instead.
const ANY: [(&str, &str); 4] = [
    (
        "400",
        "A parameter, a header or a name cannot be understood",
    ),
    ("429", "Too many requests"),
    ("500", "Something broke; the server's log says what"),
    ("503", "The store cannot be read or written at the moment"),
];

/// What an endpoint may answer whose caller has to say who they are.
const GUARDED: [(&str, &str); 2] = [
    ("401", "It is not known who asks"),
    ("403", "Who asks may not do this"),
];

/// What an endpoint may answer that takes a body.
const BODY: [(&str, &str); 2] = [
    ("408", "The body did not come"),
    ("413", "The body is too large"),
];

/// What an endpoint may answer that changes something.
const CHANGE: [(&str, &str); 1] = [("507", "The disk is full")];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The management API of floundr",
        description = "What people and programs ask that run the registry. Times are milliseconds \
                       since the epoch, members that end in `_ms` milliseconds, those that end in \
                       `_bytes` bytes. A value in a path is one segment: `team/app` is `team%2Fapp`.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemBody))
)]
struct Frame;

/// The document. Anybody may read it.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "server",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)),
    security(()),
)]
pub(super) fn show(call: Call) -> Answer {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().into());
    call.plain()?;
    Ok(with_type(StatusCode::OK, "application/json", TEXT.clone()))
}

fn document() -> String {
    let mut document = Frame::openapi();
    for subject in [
        server::Document::openapi(),
        store::Document::openapi(),
        repositories::Document::openapi(),
        accounts::Document::openapi(),
    ] {
        document.merge(subject);
    }
    for item in document.paths.paths.values_mut() {
        complete(item);
    }
    let components = document.components.get_or_insert_default();
    for (name, scheme) in [
        ("basic", HttpAuthScheme::Basic),
        ("bearer", HttpAuthScheme::Bearer),
    ] {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
    let either = ["basic", "bearer"].map(|name| SecurityRequirement::new(name, [""; 0]));
    document.security = Some(either.to_vec());
    let mut document = serde_json::to_value(document).expect("a document has only names for keys");
    grammar::add(&mut document);
    document.to_string()
}

fn complete(item: &mut PathItem) {
    let reads = item.get.iter_mut().map(|operation| (operation, false));
    let changes = [
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ];
    let changes = changes
        .into_iter()
        .flatten()
        .map(|operation| (operation, true));
    for (operation, is_change) in reads.chain(changes) {
        let mut refusals = ANY.to_vec();
        if operation.security.is_none() {
            refusals.extend(GUARDED);
        }
        if operation.request_body.is_some() {
            refusals.extend(BODY);
        }
        if is_change {
            refusals.extend(CHANGE);
        }
        refuse(operation, &refusals);
    }
}

/// Adds refusals that the operation does not tell itself, and gives all of them their form.
fn refuse(operation: &mut Operation, refusals: &[(&str, &str)]) {
    let responses = &mut operation.responses.responses;
    for (status, description) in refusals {
        responses.entry((*status).to_owned()).or_insert_with(|| {
            let response = ResponseBuilder::new().description(*description);
            response.build().into()
        });
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if status.as_str() >= "400" {
            let schema = Ref::from_schema_name(ProblemBody::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let content_type = "application/problem+json".to_owned();
            response.content.insert(content_type, content);
        }
    }
}
