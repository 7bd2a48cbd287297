//! What the commands about accounts ask of a server, and what they print of its answers.

use crate::elsewhere::{Canned, Elsewhere};
use crate::support::{Home, Ran};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

/// A command, what it is answered, what it asks in its first request, what it prints.
pub(crate) struct Case<'a> {
    pub(crate) args: &'a [&'a str],
    pub(crate) answers: &'a [Canned],
    pub(crate) request: &'a str,
    pub(crate) body: Value,
    pub(crate) prints: &'a str,
}

/// Runs `floundr ARGS` against a server that answers so; what it did and what it was asked.
pub(crate) fn run(
    home: &Home,
    args: &[&str],
    input: &str,
    answers: &[Canned],
) -> (Ran, Vec<String>) {
    let server = Elsewhere::new(answers);
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = home.command(&[args, &["--url", &url]].concat());
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Err(error) = stdin.write_all(input.as_bytes()) {
        // It has ended, and reads nothing.
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
    }
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().unwrap());
    let went_well = ran.code == Some(0) || answers.is_empty();
    assert!(went_well, "{args:?}: {}", ran.stderr);
    (ran, server.asked())
}

/// The JSON that goes with a request.
pub(crate) fn body(asked: &str) -> Value {
    let body = asked.split("\r\n\r\n").nth(1).unwrap();
    serde_json::from_str(body).unwrap_or_default()
}

pub(crate) fn check(cases: &[Case<'_>]) {
    let home = Home::new();
    for case in cases {
        let (ran, asked) = run(&home, case.args, "", case.answers);
        let line = format!("{} HTTP/1.1\r\n", case.request);
        assert!(asked[0].starts_with(&line), "{:?}: {}", case.args, asked[0]);
        assert_eq!(body(&asked[0]), case.body, "{:?}", case.args);
        assert_eq!(ran.stdout, case.prints, "{:?}", case.args);
        let with_json = [case.args, &["--json"]].concat();
        let (ran, _) = run(&home, &with_json, "", case.answers);
        let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(printed.is_object(), "{with_json:?}");
    }
}

const ANN: &str = r#"{"name":"ann","disabled":false,"must_change":false,"has_password":true,"groups":["ops","dev"],"created":0,"administrator":false,"keys":2}"#;

#[test]
fn users_are_listed_changed_and_deleted() {
    let list = r#"{"items":[{"name":"ann","disabled":true,"must_change":false,"groups":[],"created":0,"administrator":true,"keys":0}],"next":null}"#;
    check(&[
        Case {
            args: &["user", "list", "--filter", "a+b"],
            answers: &[(200, list)],
            request: "GET /api/v1/users?filter=a%2Bb&n=500",
            body: Value::Null,
            prints: "USER  STATE     ADMINISTRATOR  GROUPS  KEYS  CREATED\n\
                     ann   disabled  yes            -       0     1970-01-01 00:00:00\n",
        },
        Case {
            args: &["user", "list"],
            answers: &[(200, r#"{"items":[],"next":null}"#)],
            request: "GET /api/v1/users?n=500",
            body: Value::Null,
            prints: "there are none\n",
        },
        Case {
            args: &["user", "groups", "ann", "ops", "dev"],
            answers: &[(200, ANN)],
            request: "PATCH /api/v1/users/ann",
            body: json!({ "groups": ["ops", "dev"] }),
            prints: "user ann is in: ops, dev\n",
        },
        Case {
            args: &["user", "disable", "a@b.c"],
            answers: &[(200, ANN)],
            request: "PATCH /api/v1/users/a%40b.c",
            body: json!({ "disabled": true }),
            prints: "user a@b.c is disabled, and so are their keys and tokens\n",
        },
        Case {
            args: &["user", "enable", "ann"],
            answers: &[(200, ANN)],
            request: "PATCH /api/v1/users/ann",
            body: json!({ "disabled": false }),
            prints: "user ann is let in again\n",
        },
        Case {
            args: &["user", "delete", "ann", "--yes"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/users/ann",
            body: Value::Null,
            prints: "deleted user ann\n",
        },
    ]);
}

#[test]
fn a_user_is_shown_with_what_was_granted_to_them() {
    let grants = r#"{"items":[{"id":7,"user":"ann","group":null,"role":"writer","on":"team/**","created":0}],"next":null}"#;
    let (ran, asked) = run(
        &Home::new(),
        &["user", "show", "ann"],
        "",
        &[(200, ANN), (200, grants)],
    );
    assert!(
        asked[0].starts_with("GET /api/v1/users/ann HTTP"),
        "{}",
        asked[0]
    );
    assert!(
        asked[1].starts_with("GET /api/v1/grants?user=ann&n=500 HTTP"),
        "{}",
        asked[1]
    );
    for line in [
        "  groups         ops, dev\n",
        "  writer on team/** (grant 7)\n",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
}

#[test]
fn a_password_is_read_or_made_up_and_never_an_argument() {
    let home = Home::new();
    let made_up = r#"{"name":"ann","password":"correct horse"}"#;
    let (ran, asked) = run(&home, &["user", "create", "ann"], "", &[(201, made_up)]);
    assert_eq!(body(&asked[0])["password"], Value::Null);
    assert!(
        ran.stdout.contains("  password: correct horse\n"),
        "{}",
        ran.stdout
    );

    let args = [
        "user",
        "create",
        "ann",
        "--password-stdin",
        "--group",
        "ops",
        "--must-change",
    ];
    let (ran, asked) = run(
        &home,
        &args,
        "swordfish\r\nmore",
        &[(201, r#"{"name":"ann"}"#)],
    );
    let expected = json!({
        "name": "ann", "groups": ["ops"], "must_change": true, "password": "swordfish",
    });
    assert_eq!(body(&asked[0]), expected);
    assert!(!ran.stdout.contains("swordfish"), "{}", ran.stdout);
}

#[test]
fn a_password_is_changed_by_an_administrator_and_by_its_user() {
    let home = Home::new();
    let args = ["user", "passwd", "ann", "--password-stdin"];
    let (_, asked) = run(&home, &args, "swordfish", &[(200, ANN)]);
    assert!(
        asked[0].starts_with("PATCH /api/v1/users/ann HTTP"),
        "{}",
        asked[0]
    );
    assert_eq!(body(&asked[0]), json!({ "password": "swordfish" }));

    let args = ["user", "passwd", "--password-stdin"];
    let (_, asked) = run(&home, &args, "old\nnew\n", &[(204, "")]);
    assert!(
        asked[0].starts_with("PUT /api/v1/whoami/password HTTP"),
        "{}",
        asked[0]
    );
    assert_eq!(body(&asked[0]), json!({ "old": "old", "new": "new" }));

    let args = ["new-user", "a@b.c", "--password", "swordfish"];
    let (ran, asked) = run(&home, &args, "", &[(201, r#"{"name":"a@b.c"}"#)]);
    assert_eq!(
        body(&asked[0]),
        json!({ "name": "a@b.c", "password": "swordfish" })
    );
    assert!(
        ran.stdout.starts_with("created user a@b.c\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("They may do nothing yet"),
        "{}",
        ran.stdout
    );
}

#[test]
fn without_anybody_to_ask_nothing_is_taken_away() {
    let home = Home::new();
    for args in [
        &["user", "delete", "ann"][..],
        &["key", "revoke", "0123456789abcdef"],
        &["repo", "delete", "team/app"],
        &["tag", "delete", "team/app:latest"],
        &["upload", "cancel", "x"],
    ] {
        let (ran, _) = run(&home, args, "y\n", &[]);
        assert_eq!(ran.code, Some(2), "{args:?}");
        assert!(ran.stderr.contains("add --yes"), "{}", ran.stderr);
    }
    let (ran, _) = run(&home, &["user", "passwd", "ann"], "swordfish\n", &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--password-stdin"), "{}", ran.stderr);
}

#[test]
fn roles_grants_and_rules_are_changed() {
    let grants = r#"{"items":[{"id":7,"user":null,"group":"ops","role":"writer","on":"team/**","created":0}],"next":null}"#;
    check(&[
        Case {
            args: &["role", "create", "mirror", "pull,push"],
            answers: &[(
                201,
                r#"{"name":"mirror","permissions":["pull","push"],"built_in":false}"#,
            )],
            request: "POST /api/v1/roles",
            body: json!({ "name": "mirror", "permissions": ["pull", "push"] }),
            prints: "created role mirror: pull, push\n",
        },
        Case {
            args: &["role", "delete", "mirror"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/roles/mirror",
            body: Value::Null,
            prints: "deleted role mirror\n",
        },
        Case {
            args: &["grant", "list", "--group", "ops"],
            answers: &[(200, grants)],
            request: "GET /api/v1/grants?group=ops&n=500",
            body: Value::Null,
            prints: "GRANT  TO         ROLE    ON       CREATED\n\
                     7      group ops  writer  team/**  1970-01-01 00:00:00\n",
        },
        Case {
            args: &["grant", "add", "writer", "team/**", "--user", "ann"],
            answers: &[(
                201,
                r#"{"id":8,"user":"ann","group":null,"role":"writer","on":"team/**"}"#,
            )],
            request: "POST /api/v1/grants",
            body: json!({ "user": "ann", "role": "writer", "on": "team/**" }),
            prints: "user ann is writer on team/** (grant 8)\n",
        },
        Case {
            args: &["grant", "remove", "8"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/grants/8",
            body: Value::Null,
            prints: "removed grant 8\n",
        },
        Case {
            args: &["rule", "delete", "team/**"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/rules/team%2F%2A%2A",
            body: Value::Null,
            prints: "deleted the rule on team/**\n",
        },
    ]);
    let ran = Home::new().run(&["grant", "add", "writer", "a", "--user", "a", "--group", "b"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        Home::new().run(&["grant", "add", "writer", "a"]).code,
        Some(2)
    );
}

#[test]
fn a_rule_keeps_what_is_not_given() {
    let present = r#"{"on":"a","public":true,"quota_bytes":5,"immutable_tags":["v*"]}"#;
    let answers = [(200, present), (200, present)];
    let (_, asked) = run(
        &Home::new(),
        &["rule", "set", "a", "--quota", "1GiB"],
        "",
        &answers,
    );
    assert!(
        asked[1].starts_with("PUT /api/v1/rules/a HTTP"),
        "{}",
        asked[1]
    );
    let expected = json!({ "public": true, "quota_bytes": 1 << 30, "immutable_tags": ["v*"] });
    assert_eq!(body(&asked[1]), expected);

    let answers = [(404, r#"{"detail":"there is none"}"#), (201, present)];
    let args = ["rule", "set", "a", "--private", "--immutable-tags", "v*"];
    let (ran, asked) = run(&Home::new(), &args, "", &answers);
    let expected = json!({ "public": false, "quota_bytes": null, "immutable_tags": ["v*"] });
    assert_eq!(body(&asked[1]), expected);
    assert_eq!(ran.stdout, "a: public, quota 5 B, immutable tags v*\n");

    let ran = Home::new().run(&["rule", "set", "a", "--quota", "1GB"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--quota is \"1GB\""), "{}", ran.stderr);
}

const KEY: &str = r#"{"id":"0123456789abcdef","name":"ci","owner":"ann","scopes":null,"created":0,"expires":null,"last_used":null,"secret":"flr_0123456789abcdef_feed"}"#;

#[test]
fn keys_are_made_for_owners_and_robots_and_revoked() {
    let list = r#"{"items":[{"id":"0123456789abcdef","name":"ci","owner":null,"scopes":[{"on":"a","permissions":["pull","push"]}],"created":0,"expires":null,"last_used":null}],"next":null}"#;
    check(&[
        Case {
            args: &["key", "list", "--owner", "ann"],
            answers: &[(200, list)],
            request: "GET /api/v1/keys?owner=ann&n=500",
            body: Value::Null,
            prints: "KEY               NAME  OWNER    SCOPES       CREATED              EXPIRES  LAST USED\n\
                     0123456789abcdef  ci    (robot)  a=pull,push  1970-01-01 00:00:00  -        -\n",
        },
        Case {
            args: &["key", "create", "ci", "--owner", "ann", "--expires", "1d"],
            answers: &[(201, KEY)],
            request: "POST /api/v1/keys",
            body: json!({ "name": "ci", "owner": "ann", "expires_in_ms": 86_400_000 }),
            prints: "created key 0123456789abcdef (ci) of ann\n  flr_0123456789abcdef_feed\n  \
                     (it is shown this once)\n",
        },
        Case {
            args: &["key", "revoke", "flr_0123456789abcdef", "--yes"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/keys/0123456789abcdef",
            body: Value::Null,
            prints: "revoked key 0123456789abcdef\n",
        },
    ]);
    let args = [
        "key",
        "create",
        "ci",
        "--robot",
        "--scope",
        "team/**=pull,push",
    ];
    let (_, asked) = run(&Home::new(), &args, "", &[(201, KEY)]);
    let scopes = json!([{ "on": "team/**", "permissions": ["pull", "push"] }]);
    assert_eq!(
        body(&asked[0]),
        json!({ "name": "ci", "owner": null, "scopes": scopes })
    );
    let ran = Home::new().run(&["key", "create", "ci", "--robot"]);
    assert_eq!(ran.code, Some(2), "a robot without scopes may nothing");
}

#[test]
fn gen_key_writes_a_file_that_only_its_user_reads_and_overwrites_none() {
    let home = Home::new();
    let args = ["gen-key", "ann", "--output-file", "key.txt"];
    let (ran, asked) = run(&home, &args, "", &[(201, KEY)]);
    assert_eq!(body(&asked[0])["owner"], "ann");
    assert!(!ran.stdout.contains("feed"), "{}", ran.stdout);
    let path = home.path().join("key.txt");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "flr_0123456789abcdef_feed\n"
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let (ran, _) = run(&home, &args, "", &[]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("key.txt is there already"),
        "{}",
        ran.stderr
    );

    let (ran, _) = run(&home, &["gen-key", "ann"], "", &[(201, KEY)]);
    assert!(
        ran.stdout.contains("  flr_0123456789abcdef_feed\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_key_that_was_refused_leaves_no_file() {
    let home = Home::new();
    let server = Elsewhere::new(&[(404, r#"{"detail":"there is no user bob"}"#)]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let ran = home.run(&["gen-key", "bob", "--output-file", "key.txt", "--url", &url]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "error: there is no user bob\n");
    assert!(!home.path().join("key.txt").exists());
    server.asked();
}

#[test]
fn questions_about_rights_tokens_and_the_log_are_answered() {
    let explained =
        r#"{"allowed":true,"because":["grant 7: ann is writer on team/**"],"sources":[]}"#;
    let records = r#"{"items":[{"sequence":2,"at":1000,"actor":"ann","key":null,"from":"::1","action":"push","object":"team/app","result":"done","detail":null,"request_id":"r"},{"sequence":1,"at":0,"actor":"bob","key":"k","from":"::1","action":"login","object":"-","result":"refused","detail":null,"request_id":"q"}],"next":null}"#;
    check(&[
        Case {
            args: &["explain", "ann", "push", "team/app"],
            answers: &[(200, explained)],
            request: "GET /api/v1/explain?user=ann&action=push&repository=team%2Fapp",
            body: Value::Null,
            prints: "ann may push team/app\n  grant 7: ann is writer on team/**\n",
        },
        Case {
            args: &["token", "rotate"],
            answers: &[(200, r#"{"current":"b","previous":"a"}"#)],
            request: "POST /api/v1/token-keys/rotate",
            body: json!({}),
            prints: "tokens are signed with key b now\n  those of key a are good until they expire \
                     or it is rotated again\n",
        },
        Case {
            args: &["audit", "--actor", "ann"],
            answers: &[(200, records)],
            request: "GET /api/v1/audit?actor=ann&n=500",
            body: Value::Null,
            prints: "AT                   WHO  KEY  FROM  ACTION  OBJECT    RESULT\n\
                     1970-01-01 00:00:00  bob  k    ::1   login   -         refused\n\
                     1970-01-01 00:00:01  ann  -    ::1   push    team/app  done\n",
        },
        Case {
            args: &["audit", "verify"],
            answers: &[(200, r#"{"records":12,"broken_at":null}"#)],
            request: "POST /api/v1/audit/verify",
            body: json!({}),
            prints: "12 records follow from one another\n",
        },
    ]);
    let (ran, _) = run(
        &Home::new(),
        &["audit", "--limit", "1"],
        "",
        &[(200, records)],
    );
    assert!(!ran.stdout.contains("bob"), "{}", ran.stdout);
}
