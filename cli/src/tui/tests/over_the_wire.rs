//! The link against a real server: logging in, breaks, slow networks, what is given up.

use super::real::{PASSWORD, Real, TestServer, ask, known};
use crate::tui::Carrier as _;
use crate::tui::link::{Limits, Wire};
use crate::tui::message::{Effect, Failure, Link, Message, Request, Ticket};
use crate::tui::server::{Address, Server};
use floundr_frontend::TlsListen;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn next(messages: &mut mpsc::Receiver<Message>) -> Message {
    let next = tokio::time::timeout(PATIENCE, messages.recv()).await;
    next.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_asks_until_the_password_is_right_and_remembers_it() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let mut real = Real::start(None);
    real.until("Which registry?").await;
    real.keys(&format!(
        "<c-u>http://{}<tab>mine<tab>floundr_admin<tab>wrong<tab><tab><space><enter>",
        server.address
    ));
    real.until("waiting for the server").await;
    real.until_no("waiting for the server").await;
    real.until("Which registry?").await;
    real.keys(&format!("<s-tab><s-tab><c-u>{PASSWORD}<c-s>"));
    real.until_no("Which registry?").await;
    real.until("floundr_admin").await;
    let file = real.home.path().join("floundr.yml");
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let profile = crate::profile::Profile::read(real.home.path()).unwrap();
    assert_eq!(profile.email.as_deref(), Some("floundr_admin"));
    assert_eq!(profile.name.as_deref(), Some("mine"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_elsewhere_is_asked_for_and_one_is_where_one_was() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let mut real = Real::start(Some(server.as_admin()));
    real.until("floundr_admin").await;
    real.keys("gp");
    real.until("nothing is being pushed").await;
    let body = json!({ "old": PASSWORD, "new": "another battery staple" });
    server.ask(Request::put("/whoami/password", body)).await;
    real.keys("R");
    real.until("Log in").await;
    real.keys("another battery staple<c-s>");
    real.until_no("Log in").await;
    real.until("nothing is being pushed").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_heard_again() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let port = server.address.port();
    let mut real = Real::start(Some(server.as_admin()));
    real.until("floundr_admin").await;
    real.keys("gp");
    server.stop().await;
    real.until("not connected").await;
    let server = TestServer::with(root.path(), port, None).await;
    real.until("the server is back").await;
    real.until("floundr_admin").await;
    real.until("nothing is being pushed").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_heard_and_what_was_asked_of_another_server_never_answered() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let (out, mut messages) = mpsc::channel(1);
    let mut wire = Wire::new(out, root.path().to_owned());
    wire.carry_out(Effect::Connect(Box::new(server.as_admin())));
    wire.carry_out(Effect::Ask(Ticket(1), Request::get("/status")));
    wire.carry_out(Effect::Connect(Box::new(server.as_admin())));
    wire.carry_out(Effect::Listen);
    // The channel is full, and nothing is lost for it.
    for ticket in 2..40 {
        wire.carry_out(Effect::Ask(Ticket(ticket), Request::get("/whoami")));
    }
    let (mut answered, mut is_up, mut statuses) = (Vec::new(), false, 0);
    while answered.len() < 38 || !is_up || statuses == 0 {
        match next(&mut messages).await {
            Message::Answered(ticket, reply) => {
                assert_eq!(reply.unwrap().body["name"], "floundr_admin");
                answered.push(ticket.0);
            }
            Message::Link(Link::Up) => is_up = true,
            Message::Heard(event) if event.kind == "status" => statuses += 1,
            _ => {}
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (2..40).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_trusted_by_its_own_authority_alone() {
    let root = tempfile::tempdir().unwrap();
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let (shown, secret) = (root.path().join("cert.pem"), root.path().join("key.pem"));
    std::fs::write(&shown, cert.pem()).unwrap();
    std::fs::write(&secret, signing_key.serialize_pem()).unwrap();
    let listen = TlsListen::new(SocketAddr::from(([127, 0, 0, 1], 0)), &shown, &secret);
    let server = TestServer::with(root.path(), 0, Some(listen)).await;
    let url = format!("https://localhost:{}", server.tls.unwrap().port());
    let mut there = known(&url, "floundr_admin", PASSWORD);
    let why = ask(there.clone(), Request::get("/whoami"))
        .await
        .unwrap_err();
    assert!(why.contains("cannot trust https://localhost"), "{why}");
    there.ca_file = Some(shown);
    let me = ask(there.clone(), Request::get("/whoami")).await.unwrap();
    assert_eq!(me["name"], "floundr_admin");
    there.ca_file = Some("/nonexistent.pem".into());
    let why = ask(there, Request::get("/whoami")).await.unwrap_err();
    assert!(why.contains("cannot use ca_file /nonexistent.pem"), "{why}");
    server.stop().await;
}

/// Passes everything on, late.
async fn delayed(to: SocketAddr, by: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let far = TcpStream::connect(to).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::join!(pass(near_in, far_out, by), pass(far_in, near_out, by));
            });
        }
    });
    address
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    by: Duration,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(by).await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_handled_at_once_however_slow_the_network_is() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let late = delayed(server.address, Duration::from_millis(300)).await;
    let mut real = Real::start(Some(known(
        &format!("http://{late}"),
        "floundr_admin",
        PASSWORD,
    )));
    // Nothing can have been answered yet, and every screen is there.
    real.keys("gp");
    assert!(real.screen().contains("Uploads"), "{}", real.screen());
    real.keys("?");
    assert!(real.screen().contains("half a page"), "{}", real.screen());
    real.keys("gp");
    real.until("nothing is being pushed").await;
    server.stop().await;
}

#[tokio::test]
async fn a_question_that_is_given_up_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (out, mut messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into());
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    wire.carry_out(Effect::Listen);
    let (_events, _) = listener.accept().await.unwrap();
    wire.carry_out(Effect::Ask(Ticket(1), Request::post("/gc", json!({}))));
    let (mut asked, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 4096];
    assert!(asked.read(&mut bytes).await.unwrap() > 0);
    wire.carry_out(Effect::GiveUp(Ticket(1)));
    let end = tokio::time::timeout(PATIENCE, asked.read(&mut bytes)).await;
    assert_eq!(end.unwrap().unwrap(), 0);
    assert!(matches!(
        next(&mut messages).await,
        Message::Link(Link::Connecting)
    ));
    assert!(messages.try_recv().is_err(), "nothing is told of it");
}

#[tokio::test]
async fn only_a_get_is_sent_again_when_a_kept_connection_was_closed() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    for (again, is_repeated) in [
        (Request::get("/b"), true),
        (Request::post("/b", json!({})), false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (out, mut messages) = mpsc::channel(8);
        let mut wire = Wire::new(out, "/nonexistent".into());
        wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
        wire.carry_out(Effect::Listen);
        let (_events, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        wire.carry_out(Effect::Ask(Ticket(1), Request::get("/a")));
        let (mut first, _) = listener.accept().await.unwrap();
        assert!(first.read(&mut bytes).await.unwrap() > 0);
        first.write_all(OK).await.unwrap();
        while !matches!(next(&mut messages).await, Message::Answered(..)) {}
        wire.carry_out(Effect::Ask(Ticket(2), again));
        // It comes on the same connection, which ends without an answer.
        assert!(first.read(&mut bytes).await.unwrap() > 0);
        drop(first);
        if is_repeated {
            let (mut second, _) = listener.accept().await.unwrap();
            assert!(second.read(&mut bytes).await.unwrap() > 0);
            second.write_all(OK).await.unwrap();
        }
        let Message::Answered(_, reply) = next(&mut messages).await else {
            panic!("something else was told");
        };
        match reply {
            Ok(_) => assert!(is_repeated),
            Err(Failure::Unreachable(_)) => assert!(!is_repeated),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Connected to a server that accepts, reads, and says what it is told to, and nothing more.
async fn connected_to_who_says(
    said: &'static [u8],
) -> (Wire, mpsc::Receiver<Message>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (out, messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into()).within(Limits {
        answer: Duration::from_millis(1_200),
        silence: Duration::from_millis(600),
    });
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    let server = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            stream.write_all(said).await.unwrap();
            kept.push(stream);
        }
    });
    (wire, messages, server)
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_a_while() {
    let begun = [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"];
    for said in begun {
        let (mut wire, mut messages, server) = connected_to_who_says(said).await;
        wire.carry_out(Effect::Ask(Ticket(1), Request::get("/whoami")));
        let Some(Message::Answered(_, Err(Failure::Unreachable(why)))) = messages.recv().await
        else {
            panic!("something else was told");
        };
        assert!(why.contains("has not answered for 1 s"), "{why}");
        server.abort();
    }
}

#[tokio::test]
async fn events_of_a_server_that_falls_silent_are_asked_for_again() {
    const BEGUN: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nevent: push\ndata: {}\n\n";
    let (mut wire, mut messages, server) = connected_to_who_says(BEGUN).await;
    wire.carry_out(Effect::Listen);
    for _ in 0..3 {
        assert!(!matches!(
            messages.recv().await,
            Some(Message::Link(Link::Down { .. }))
        ));
    }
    let Some(Message::Link(Link::Down { why, .. })) = messages.recv().await else {
        panic!("something else was told");
    };
    assert_eq!(why, "the server is silent");
    assert!(matches!(
        messages.recv().await,
        Some(Message::Link(Link::Up))
    ));
    server.abort();
}

#[tokio::test]
async fn a_refusal_of_events_that_never_ends_holds_nothing_up() {
    const BEGUN: &[u8] = b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nwait";
    let (mut wire, mut messages, server) = connected_to_who_says(BEGUN).await;
    wire.carry_out(Effect::Listen);
    assert!(matches!(
        messages.recv().await,
        Some(Message::Link(Link::Connecting))
    ));
    let told = Some(next(&mut messages).await);
    assert!(
        matches!(told, Some(Message::Link(Link::Down { .. }))),
        "{told:?}"
    );
    server.abort();
}

#[tokio::test]
async fn the_server_on_this_machine_is_asked_through_its_socket() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("manage.sock");
    let here = Server {
        name: "here".to_owned(),
        at: Address::Socket(socket.clone()),
        login: None,
        ca_file: None,
        is_remembered: false,
    };
    let why = ask(here.clone(), Request::get("/whoami"))
        .await
        .unwrap_err();
    assert!(why.contains("no server listens on"), "{why}");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"kind\":\"operator\"}";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    });
    let me = ask(here, Request::get("/whoami")).await.unwrap();
    assert_eq!(me["kind"], "operator");
    let asked = server.await.unwrap();
    assert!(
        asked.starts_with("GET /api/v1/whoami HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(!asked.to_lowercase().contains("authorization"), "{asked}");
}

#[tokio::test]
async fn whoever_is_not_known_any_more_is_not_asked_about_over_and_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (out, mut messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into());
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    wire.carry_out(Effect::Listen);
    answer(&listener, r#"403 {"detail":"not for you"}"#).await;
    answer(&listener, r#"401 {"detail":"who are you?"}"#).await;
    for _ in 0..3 {
        drop(next(&mut messages).await);
    }
    // It would be after 5 s, once.
    let more = tokio::time::timeout(Duration::from_secs(7), listener.accept()).await;
    assert!(more.is_err(), "it was asked again");
}

/// Answers one request.
async fn answer(listener: &TcpListener, answer: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 4096];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    let (status, body) = answer.split_once(' ').unwrap();
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn where_events_are_refused_that_is_said_and_the_status_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (out, mut messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into());
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    wire.carry_out(Effect::Listen);
    answer(&listener, r#"403 {"detail":"not for you"}"#).await;
    answer(&listener, r#"200 {"version":"1"}"#).await;
    assert!(matches!(
        next(&mut messages).await,
        Message::Link(Link::Connecting)
    ));
    assert!(matches!(next(&mut messages).await, Message::Link(Link::Up)));
    let Message::Done(Err(said)) = next(&mut messages).await else {
        panic!("nothing was said");
    };
    assert!(said.contains("not for you"), "{said}");
    let Message::Heard(status) = next(&mut messages).await else {
        panic!("nothing was heard");
    };
    assert_eq!(
        (&*status.kind, &status.data["version"]),
        ("status", &json!("1"))
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (out, mut messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into());
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    wire.carry_out(Effect::Listen);
    assert!(matches!(
        next(&mut messages).await,
        Message::Link(Link::Connecting)
    ));
    let mut last = 0;
    for _ in 0..2 {
        let Message::Link(Link::Down { why, retry_at }) = next(&mut messages).await else {
            panic!("something else was told");
        };
        assert!(why.contains(&format!("cannot reach {url}")), "{why}");
        assert!(retry_at > last);
        last = retry_at;
    }
}
