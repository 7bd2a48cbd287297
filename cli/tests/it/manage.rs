//! The management socket, as commands and the file system see it.

use crate::support::{Home, PASSWORD};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;

#[test]
fn the_socket_is_for_its_user_alone_and_gone_at_the_end() {
    let home = Home::new();
    let path = home.path().join("manage.sock");
    let server = home.serve(&[]);
    let metadata = path.symlink_metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.signal(Signal::KILL);
    server.ended();
    assert!(home.path().join("manage.sock").exists());
    // Nobody listens: the store is opened here.
    assert_eq!(home.run(&["gc"]).code, Some(0));
    let _server = home.serve(&[]);
    assert_eq!(home.run(&["gc"]).code, Some(0));
}

#[test]
fn a_server_on_another_store_is_not_asked() {
    let home = Home::new();
    let first = home.serve(&[]);
    // It shares the home directory, so it has no socket; what it serves is not the first's business.
    let args = ["new-repo", "other", "--storage-path", "second"];
    let ran = home.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let listed = first.request("GET", "/v2/_catalog");
    assert!(listed.ends_with("{\"repositories\":[]}"), "{listed}");
    let second = home.serve(&["--storage-path", "second"]);
    let listed = second.request("GET", "/v2/_catalog");
    assert!(
        listed.ends_with("{\"repositories\":[\"other\"]}"),
        "{listed}"
    );
    let ran = home.run(&args);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("same home directory"), "{}", ran.stderr);
    drop(second);
    assert!(
        home.path().join("manage.sock").exists(),
        "it is the first's"
    );
}

#[test]
fn a_home_with_a_long_name_has_its_socket_too() {
    let home = Home::new();
    let long = "n".repeat(120);
    let args = ["--home-dir", &long];
    std::fs::create_dir(home.path().join(&long)).unwrap();
    let server = home.serve(&args);
    let socket = home.path().join(&long).join("manage.sock");
    let mode = socket.symlink_metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = home.run(&["new-repo", "a", "--home-dir", &long]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let listed = server.request("GET", "/v2/_catalog");
    assert!(listed.ends_with("{\"repositories\":[\"a\"]}"), "{listed}");
    server.signal(Signal::TERM);
    server.ended();
    assert!(!socket.exists());
}

#[test]
fn refusals_are_problems() {
    let home = Home::new();
    let _server = home.serve(&[]);
    for (request, status, kind) in [
        ("GET /api/v1/nothing", 404, "no-endpoint"),
        ("DELETE /api/v1/gc", 405, "method"),
        ("POST /api/v1/gc {\"x\":1}", 400, "body-invalid"),
        ("GET /api/v1/gc?n=1", 400, "parameter-invalid"),
        ("GET /api/v1/usage?n=x", 400, "parameter-invalid"),
        ("GET /api/v1/gc/plan?last=00", 400, "parameter-invalid"),
        ("GET /api/v1/digests/latest", 400, "digest-invalid"),
        (
            "POST /api/v1/backup {\"directory\":\"a\"}",
            400,
            "body-invalid",
        ),
        (
            "POST /api/v1/repositories {\"name\":\"A\"}",
            400,
            "name-invalid",
        ),
    ] {
        let mut parts = request.splitn(3, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (method, path, body) = (next(), next(), next());
        let mut stream = UnixStream::connect(home.path().join("manage.sock")).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("content-type: application/problem+json"),
            "{answer}"
        );
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["type"], format!("urn:floundr:problem:{kind}"));
        assert_eq!(body["status"], status);
        assert!(!body["detail"].as_str().unwrap().is_empty());
    }
}

#[test]
fn over_the_network_it_answers_those_who_may_ask_alone() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    let answer = server.request("POST", "/api/v1/gc");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let url = format!("http://{}", server.address);
    let key = format!("floundr_admin:{PASSWORD}");
    let ran = home.run(&["gc", "--json", "--url", &url, "--key", &key]);
    assert_eq!(ran.json()["complete"], true);
    let ran = home.run(&["gc", "--url", &url, "--key", "floundr_admin:swordfish"]);
    assert_eq!(ran.code, Some(1));
    let expected = "does not accept user floundr_admin";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
