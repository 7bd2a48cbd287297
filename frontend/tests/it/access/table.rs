//! Every endpoint by every kind of caller, with the status each is to get. An endpoint without a row
//! fails the test.

use super::{PASSWORD, World, altered, basic};
use crate::registry::{image, sha256};
use floundr_frontend::AccessOptions;
use floundr_frontend::manage::ManageRoute;
use std::collections::BTreeSet;
use std::time::Duration;

/// The kinds of callers, in the order of the columns. Those behind `admin` are credentials of the
/// administrator that are no good (any more), or too narrow.
const CALLERS: [&str; 15] = [
    "anonymous",
    "other",
    "reader",
    "writer",
    "maintainer",
    "admin",
    "expired",
    "revoked",
    "forged",
    "scope altered",
    "wrong audience",
    "alg none",
    "refresh token",
    "scope for another repository",
    "wrong password",
];

/// The statuses of a row: of nobody, of each user, and of credentials that are no good.
struct Row {
    label: &'static str,
    request: &'static str,
    /// anonymous, other, reader, writer, maintainer, admin.
    users: [u16; 6],
    /// An expired token: it is enough on the address of a session.
    expired: u16,
    /// Everything behind it that is not right.
    bad: u16,
    /// A token for another repository.
    narrow: u16,
}

const fn row(
    label: &'static str,
    request: &'static str,
    users: [u16; 6],
    (expired, bad, narrow): (u16, u16, u16),
) -> Row {
    Row {
        label,
        request,
        users,
        expired,
        bad,
        narrow,
    }
}

/// `{n}` is another one in each cell: `v{n}` is a tag there is, `{manifest}` its digest, `{layer}` a
/// blob, `{session}` an upload that was begun.
const ROWS: &[Row] = &[
    row(
        "base",
        "GET /v2/",
        [401, 200, 200, 200, 200, 200],
        (401, 401, 200),
    ),
    row(
        "catalog",
        "GET /v2/_catalog",
        [401, 200, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "blob_get",
        "GET /v2/team/app/blobs/{layer}",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "blob_head",
        "HEAD /v2/team/app/blobs/{layer}",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "blob_delete",
        "DELETE /v2/team/app/blobs/{layer}",
        [401, 403, 403, 403, 202, 202],
        (401, 401, 401),
    ),
    row(
        "upload_start",
        "POST /v2/team/app/blobs/uploads/",
        [401, 403, 403, 202, 202, 202],
        (401, 401, 401),
    ),
    row(
        "upload_status",
        "GET {session}",
        [401, 403, 403, 204, 204, 204],
        (204, 401, 401),
    ),
    row(
        "upload_chunk",
        "PATCH {session}",
        [401, 403, 403, 202, 202, 202],
        (202, 401, 401),
    ),
    row(
        "upload_finish",
        "PUT {session}?digest={empty}",
        [401, 403, 403, 201, 201, 201],
        (201, 401, 401),
    ),
    row(
        "upload_cancel",
        "DELETE {session}",
        [401, 403, 403, 204, 204, 204],
        (204, 401, 401),
    ),
    row(
        "manifest_get",
        "GET /v2/team/app/manifests/v{n}",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "manifest_head",
        "HEAD /v2/team/app/manifests/v{n}",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "manifest_put",
        "PUT /v2/team/app/manifests/new{n}",
        [401, 403, 403, 201, 201, 201],
        (401, 401, 401),
    ),
    row(
        "manifest_delete",
        "DELETE /v2/team/app/manifests/v{n}",
        [401, 403, 403, 403, 202, 202],
        (401, 401, 401),
    ),
    row(
        "tags_list",
        "GET /v2/team/app/tags/list",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "referrers",
        "GET /v2/team/app/referrers/{manifest}",
        [401, 403, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "token_get",
        "GET /auth/token?service=floundr",
        [200, 200, 200, 200, 200, 200],
        (401, 401, 401),
    ),
    row(
        "token_post",
        "POST /auth/token",
        [400, 400, 400, 400, 400, 400],
        (400, 400, 400),
    ),
    row(
        "health",
        "GET /health",
        [200, 200, 200, 200, 200, 200],
        (200, 200, 200),
    ),
    row(
        "ready",
        "GET /ready",
        [200, 200, 200, 200, 200, 200],
        (200, 200, 200),
    ),
    row(
        "metrics",
        "GET /metrics",
        [401, 200, 200, 200, 200, 200],
        (401, 401, 200),
    ),
    row(
        "api",
        "GET /api/v1/gc",
        [401, 403, 403, 403, 403, 200],
        (401, 401, 401),
    ),
    // What anybody may pull, somebody whose credentials are no good may not: they should know.
    row(
        "public",
        "GET /v2/public/app/manifests/v1",
        [200, 200, 200, 200, 200, 200],
        (401, 401, 401),
    ),
];

// === impl Row ===

impl Row {
    fn status(&self, caller: usize) -> u16 {
        match CALLERS[caller] {
            "expired" => self.expired,
            "scope for another repository" => self.narrow,
            // The token endpoint takes a refresh token, as some clients send it there.
            "refresh token" if self.label == "token_get" => 200,
            _ => self.users.get(caller).copied().unwrap_or(self.bad),
        }
    }
}

/// How long tokens live here: longer than the time that passes from row to row.
const LIFETIME: Duration = Duration::from_hours(1000);

/// Between two rows, so that wrong passwords are not too many at once.
const PAUSE: Duration = Duration::from_mins(1);

fn options() -> AccessOptions {
    AccessOptions {
        token_lifetime: LIFETIME,
        ..AccessOptions::default()
    }
}

/// The `Authorization` of each kind of caller.
async fn credentials(world: &World) -> Vec<String> {
    let scope = "repository:team/app:pull,push,delete registry:catalog:*".replace(' ', "%20");
    let expired = world.bearer("admin", &scope).await;
    world.clock.pass(LIFETIME + Duration::from_secs(1));
    let token = world.bearer("admin", &scope).await;
    let key = world.key(Some("admin"), "revoked", None).await;
    world
        .accounts
        .revoke_key(key.id(), None, None)
        .await
        .unwrap();
    let elsewhere = AccessOptions {
        service: "elsewhere".to_owned(),
        ..options()
    };
    let elsewhere = World::with(elsewhere).await;
    elsewhere.clock.pass(LIFETIME + Duration::from_secs(1));
    let narrow = world.bearer("reader", "repository:team/app:pull").await;
    let give = |payload: &mut serde_json::Value| {
        payload["access"][0]["actions"] = serde_json::json!(["pull", "push", "delete"]);
    };
    let forged = format!("{}AA", token.strip_suffix(|_| true).unwrap());
    let refresh = world.token("admin", "offline_token=true").await["refresh_token"].clone();
    CALLERS
        .iter()
        .map(|caller| match *caller {
            "anonymous" => String::new(),
            "expired" => expired.clone(),
            "revoked" => basic("admin", &key.reveal()),
            "forged" => forged.clone(),
            "scope altered" => altered(&narrow, None, give),
            "wrong audience" => String::from("elsewhere"),
            "alg none" => altered(&token, Some(r#"{"alg":"none","typ":"JWT"}"#), |_| {}),
            "refresh token" => format!("Bearer {}", refresh.as_str().unwrap()),
            "scope for another repository" => String::from("narrow"),
            "wrong password" => basic("admin", "another password"),
            user => basic(user, PASSWORD),
        })
        .collect::<Vec<_>>()
        .into_iter()
        .zip([elsewhere.bearer("admin", &scope).await].iter().cycle())
        .map(|(own, theirs)| {
            if own == "elsewhere" {
                theirs.clone()
            } else {
                own
            }
        })
        .collect()
}

/// The request of a cell, with what it needs prepared by the administrator.
async fn request(world: &World, row: &Row, n: usize) -> (String, String) {
    let tag = format!("v{}-{n}", row.label.replace('_', "-"));
    let manifest = world.push_image("team/app", &tag).await;
    let layer = sha256(format!("layer team/app {tag}").as_bytes());
    let session = world
        .admin("POST /v2/team/app/blobs/uploads/", "")
        .await
        .expect(202);
    let body = match row.label {
        "manifest_put" => image(&format!("team/app {tag}")).to_string(),
        _ => String::new(),
    };
    let n = tag.strip_prefix('v').unwrap();
    let request = row
        .request
        .replace("{n}", n)
        .replace("{layer}", &layer.to_string())
        .replace("{manifest}", &sha256(manifest.as_bytes()).to_string())
        .replace("{empty}", &sha256(b"").to_string())
        .replace("{session}", session.header("location"));
    (request, body)
}

#[tokio::test]
#[expect(clippy::excessive_nesting, reason = "a table has rows and columns")]
async fn every_endpoint_answers_every_kind_of_caller_with_the_status_of_the_table() {
    let world = World::with(options()).await;
    world.push_image("team/other", "v1").await;
    let mut callers = credentials(&world).await;
    let narrow = CALLERS
        .iter()
        .position(|caller| caller.starts_with("scope for"))
        .unwrap();
    callers[narrow] = world
        .bearer("admin", "repository:team/other:pull,push,delete")
        .await;
    let mut wrong = Vec::new();
    for row in ROWS {
        world.clock.pass(PAUSE);
        for (index, authorization) in callers.iter().enumerate() {
            let (request, body) = request(&world, row, index).await;
            let answer = world.call(authorization, &request, body).await;
            let (expected, caller) = (row.status(index), CALLERS[index]);
            if answer.status != expected {
                let status = answer.status;
                wrong.push(format!("{}: {caller}: {status}, not {expected}", row.label));
            }
            let is_challenged = answer.headers.contains_key("www-authenticate");
            assert_eq!(
                is_challenged,
                answer.status == 401,
                "{}: {caller}",
                row.label
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    world.registry.audit().await;
}

#[test]
fn every_endpoint_of_the_registry_has_a_row() {
    let source = include_str!("../../../src/route/mod.rs");
    let (_, labels) = source.split_once("pub const fn label(&self)").unwrap();
    let (labels, _) = labels.split_once("\n    }\n").unwrap();
    let labels = labels.split('"').skip(1).step_by(2);
    let labels: BTreeSet<_> = labels.filter(|label| *label != "api_unknown").collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.label).collect();
    let without: Vec<_> = labels.difference(&rows).collect();
    assert!(labels.len() > 18, "{labels:?}");
    assert!(without.is_empty(), "without a row: {without:?}");
}

/// Who may ask what of the management API: `*` anybody, `L` whoever logged in, `S` a server
/// administrator, `P` who may pull from the repository in the path, `W` who may push to it, `D` who
/// may delete in it, `A` who administers it.
const MANAGEMENT: &[(char, &str)] = &[
    ('*', "openapi whoami"),
    (
        'L',
        "about status events password_change role_list role_show explain",
    ),
    ('L', "key_list key_create key_show key_change key_revoke"),
    ('L', "repository_list repository_create undelete"),
    (
        'S',
        "gc_run gc_status gc_plan gc_pause gc_resume why usage backup_run backup_show",
    ),
    (
        'S',
        "check_run check_show deleted upload_list upload_cancel audit_list audit_verify",
    ),
    (
        'S',
        "user_list user_create user_show user_change user_delete",
    ),
    ('S', "role_create role_change role_delete"),
    ('S', "grant_list grant_create grant_show grant_delete"),
    (
        'S',
        "rule_list rule_show rule_set rule_delete token_keys_rotate",
    ),
    (
        'P',
        "repository_show tag_list tag_history manifest_list manifest_show",
    ),
    ('W', "tag_set"),
    ('D', "tag_delete manifest_delete"),
    ('A', "repository_change repository_delete"),
];

/// What is known of one caller before the endpoint is asked: 401, 403, 404, or let through.
fn refused(class: char, caller: &str) -> Option<u16> {
    let is_bad = ![
        "anonymous",
        "other",
        "reader",
        "writer",
        "maintainer",
        "admin",
    ]
    .contains(&caller);
    match (class, caller) {
        // Credentials that are no good are refused wherever they are sent.
        (_, _) if is_bad => Some(401),
        ('*', _) | (_, "admin") => None,
        (_, "anonymous") => Some(401),
        ('L', _) => None,
        ('S', _) => Some(403),
        (_, "other") => Some(404),
        ('P', _) | ('W' | 'D', "maintainer") | ('W', "writer") => None,
        _ => Some(403),
    }
}

#[tokio::test]
#[expect(clippy::excessive_nesting, reason = "a table has rows and columns")]
async fn every_endpoint_of_the_management_api_lets_through_whom_the_table_says() {
    let world = World::with(options()).await;
    let callers = credentials(&world).await;
    let mut rows: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (class, operations) in MANAGEMENT {
        for operation in operations.split(' ') {
            rows.insert(operation);
            world.clock.pass(PAUSE);
            let Some(endpoint) = ManageRoute::all().find(|one| one.operation == operation) else {
                wrong.push(format!("{operation} is no endpoint"));
                continue;
            };
            for (caller, authorization) in CALLERS.iter().zip(&callers) {
                let path = endpoint.path.replace("{repository}", "team%2Fapp");
                let path = path
                    .replace("{digest}", &sha256(b"nothing").to_string())
                    .replace("{user}", "nobody")
                    .replace("{role}", "none")
                    .replace("{grant}", "999999")
                    .replace("{key}", "0123456789abcdef")
                    .replace("{pattern}", "none")
                    .replace("{id}", "2fd2dbf4-0ef4-41e6-b66e-3eeea5c54eca")
                    .replace("{tag}", "none")
                    .replace("{reference}", "none");
                // A body that no endpoint takes: whoever is let through is told so, and changes nothing.
                let body = if endpoint.method == "GET" {
                    ""
                } else {
                    r#"{"nonsense":1}"#
                };
                let request = format!("{} {path}?nonsense=1", endpoint.method);
                let status = world.call(authorization, &request, body).await.status;
                let expected = refused(*class, caller);
                let is_right = match expected {
                    Some(expected) => status == expected,
                    None => status != 401 && status != 403,
                };
                if !is_right {
                    wrong.push(format!("{operation}: {caller}: {status}, not {expected:?}"));
                }
            }
        }
    }
    let all: BTreeSet<_> = ManageRoute::all()
        .map(|endpoint| endpoint.operation)
        .collect();
    let without: Vec<_> = all.difference(&rows).collect();
    assert!(without.is_empty(), "without a row: {without:?}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
