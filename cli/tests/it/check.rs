//! The check that a server runs in the background, on a store whose disk lost a bit.

use crate::support::{Home, Server};
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::{Engine, Options};
use rustix::process::Signal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Makes a store with one large blob, and flips a bit of its file. Answers the blob's digest and
/// the file's name.
fn damaged_store(root: &Path) -> (Digest, PathBuf) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let digest = runtime.block_on(async {
        let engine = Engine::open(Options::new(root)).await.unwrap();
        let repository = engine.repository(&"a".parse().unwrap());
        let content = vec![7; 3_000_000].into();
        let put = repository.put_blob(Algorithm::Sha256, content).await;
        let digest = put.unwrap();
        engine.close().await.unwrap();
        digest
    });
    let directory = root.join("blobs/0");
    let mut files = std::fs::read_dir(directory).unwrap();
    let path = files.next().unwrap().unwrap().path();
    let mut content = std::fs::read(&path).unwrap();
    content[2_000_000] ^= 4;
    std::fs::write(&path, content).unwrap();
    (digest, path)
}

fn serve(home: &Home, rate: &str) -> Server {
    let mut command = home.command(&["serve", "--port", "0", "--no-auth"]);
    command.env("FLOUNDR_CHECK_RATE", rate);
    command.stdout(Stdio::piped());
    command.stderr(File::create(home.path().join("log")).unwrap());
    Server::start(&mut command)
}

/// Waits until the metrics have a line.
fn until_measured(server: &Server, line: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let metrics = server.request("GET", "/metrics");
        if metrics.contains(line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line} is not in {metrics}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_finds_damage_by_itself_names_it_in_the_log_and_stops_cleanly() {
    let home = Home::new();
    let (digest, file) = damaged_store(&home.path().join("storage"));
    // Off: nothing is read.
    let server = serve(&home, "0");
    let path = format!("/v2/a/blobs/{digest}");
    assert!(server.request("HEAD", &path).starts_with("HTTP/1.1 200"));
    until_measured(&server, "floundr_check_running 0\n");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));

    let server = serve(&home, "1GiB");
    until_measured(&server, "floundr_check_quarantined 1\n");
    until_measured(&server, "floundr_check_bytes_total 3000000\n");
    until_measured(&server, "floundr_check_running 0\n");
    assert!(server.request("GET", &path).starts_with("HTTP/1.1 404"));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    let number = file.file_name().unwrap().to_str().unwrap();
    let named = format!("blob {digest} in blob file {number}");
    assert!(log.contains(&named), "{named} is not in {log}");
    assert!(log.contains("first in bytes 1048576 to 2097151"), "{log}");
    assert!(log.contains("quarantined=1"), "{log}");

    // Found is found: the next process does not serve it either, and tells of it without reading.
    let server = serve(&home, "1GiB");
    until_measured(&server, "floundr_check_quarantined 1\n");
    until_measured(&server, "floundr_check_bytes_total 0\n");
    assert!(server.request("GET", &path).starts_with("HTTP/1.1 404"));
}

#[test]
fn a_server_in_the_middle_of_a_slow_check_stops_at_once() {
    let home = Home::new();
    damaged_store(&home.path().join("storage"));
    let server = serve(&home, "1");
    until_measured(&server, "floundr_check_running 1\n");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_rate_that_is_no_size_is_refused() {
    let home = Home::new();
    let ran = home.run_with(&["serve", "--port", "0"], &[("FLOUNDR_CHECK_RATE", "fast")]);
    assert_eq!(ran.code, Some(2));
    let complaint = "check_rate is \"fast\" (FLOUNDR_CHECK_RATE in the environment): not a size";
    assert!(ran.stderr.contains(complaint), "{}", ran.stderr);
}

#[test]
fn the_command_finds_the_damage_with_and_without_a_server_and_a_push_heals_it() {
    let home = Home::new();
    let (digest, _) = damaged_store(&home.path().join("storage"));
    let named = digest.to_string();
    for args in [&["check", "--json"][..], &["check", "--offline", "--json"]] {
        let ran = home.run(args);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(
            (&report["found"], &report["clean"]),
            (&1.into(), &false.into())
        );
        assert_eq!(report["findings"][0]["digest"], named.as_str());
    }
    let server = serve(&home, "0");
    let text = home.run(&["check"]);
    assert_eq!(text.code, Some(1), "{}", text.stderr);
    assert!(text.stdout.contains("(not served)"), "{}", text.stdout);
    server.push("a", &named, &vec![7; 3_000_000]);
    let healed = home.run(&["check", "--repair"]);
    assert_eq!(healed.code, Some(0), "{}{}", healed.stdout, healed.stderr);
    drop(server);
}
