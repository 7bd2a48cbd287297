//! `floundr serve`: the first start, what it refuses, and how it ends.

use crate::support::{Home, PASSWORD};
use rustix::process::Signal;
use std::io::Read as _;
use std::net::TcpListener;

#[test]
fn a_first_start_makes_an_administrator_and_a_second_does_not() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    let (greeting, port) = (server.greeting.clone(), server.address.port());
    assert!(server.request("GET", "/v2/").starts_with("HTTP/1.1 401"));
    server.signal(Signal::TERM);
    let (status, printed) = server.ended();
    assert_eq!(status.code(), Some(0));
    let root = home.path().join("storage");
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "floundr {version} serves http://127.0.0.1:{port}, data in {}\n",
        root.display()
    );
    assert_eq!(greeting, expected);
    for line in [
        "  user      floundr_admin\n",
        "  password  as FLOUNDR_ADMIN_PASSWORD says\n",
        &format!("  docker login -u floundr_admin localhost:{port}\n"),
        &format!("  docker push localhost:{port}/hello-world\n"),
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let profile = std::fs::read_to_string(home.path().join("floundr.yml")).unwrap();
    assert!(profile.contains(PASSWORD), "{profile}");

    let server = home.serve_accounts(&[]);
    server.signal(Signal::INT);
    let (status, printed) = server.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!printed.contains("docker"), "{printed}");
}

#[test]
fn a_server_without_accounts_warns_and_lets_everybody_in() {
    let home = Home::new();
    let server = home.serve(&[]);
    assert!(server.request("GET", "/v2/").starts_with("HTTP/1.1 200"));
    server.signal(Signal::TERM);
    let printed = server.ended().1;
    assert!(
        printed.starts_with("WARNING: without accounts"),
        "{printed}"
    );
}

#[test]
fn without_a_command_it_serves() {
    let home = Home::new();
    // A port that is taken: reaching the complaint about it shows that it was going to serve.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = home.run(&["-p", &port]);
    assert_eq!(ran.code, Some(1));
    let expected = format!(
        "error: the address 127.0.0.1:{port} is in use by another program: stop it, or choose \
         another port with --port\n"
    );
    assert!(ran.stderr.ends_with(&expected), "{}", ran.stderr);
}

#[test]
fn an_address_that_others_reach_lets_in_who_has_an_account() {
    let server = Home::new().serve_accounts(&["--host", "0.0.0.0"]);
    assert!(server.address.ip().is_unspecified());
    assert!(server.request("GET", "/v2/").starts_with("HTTP/1.1 401"));
}

#[test]
fn a_host_without_an_address_is_refused() {
    let ran = Home::new().run(&["serve", "--host", "not a host"]);
    assert_eq!(ran.code, Some(2));
    let expected = "host is \"not a host\" (--host), which has no address";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn settings_the_server_cannot_work_with_are_refused() {
    let variables = [("FLOUNDR_BODY_TIMEOUT", "0s")];
    let ran = Home::new().run_with(&["serve", "--port", "0"], &variables);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("the settings do not fit together"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_certificate_that_is_not_there_is_named() {
    let args = [
        "serve",
        "--port",
        "0",
        "--ssl",
        "--https-port",
        "0",
        "--cert-path",
        "no.crt",
        "--key-path",
        "no.key",
    ];
    let ran = Home::new().run(&args);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no.crt"), "{}", ran.stderr);
}

#[test]
fn a_store_that_is_in_use_is_refused() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let ran = home.run(&["serve", "--port", "0"]);
    assert_eq!(ran.code, Some(1));
    let root = home.path().join("storage").display().to_string();
    let expected = format!(
        "the store in {root} is in use by another process: stop the other one, or name another \
         directory with --storage-path\n"
    );
    assert!(ran.stderr.ends_with(&expected), "{}", ran.stderr);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut upload = server.unfinished_upload();
    server.signal(Signal::TERM);
    // The drain closes the listener; the upload keeps the server up until the second signal.
    while std::net::TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    server.signal(Signal::INT);
    let (status, _) = server.ended();
    assert_eq!(status.code(), Some(1));
    let mut rest = Vec::new();
    // The connection is gone, by a close or by a reset: both are an end.
    drop(upload.read_to_end(&mut rest));
}

#[test]
fn after_a_kill_it_starts_again_on_the_same_store() {
    let home = Home::new();
    let server = home.serve(&[]);
    let answer = server.request("POST", "/v2/a/blobs/uploads/");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    server.signal(Signal::KILL);
    let (status, _) = server.ended();
    assert_eq!(status.code(), None);
    let server = home.serve(&[]);
    assert!(server.request("GET", "/v2/").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_access_log_is_one_json_object_a_request_when_asked() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--port", "0", "--log-format", "json"]);
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::fs::File::create(home.path().join("log")).unwrap());
    let server = crate::support::Server::start(&mut command);
    server.request("GET", "/v2/");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    let access: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "floundr::access")
        .collect();
    assert_eq!(access.len(), 1, "{log}");
}
