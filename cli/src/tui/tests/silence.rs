//! Work that the server takes long for: it is waited for as long as the machine there is, and no longer.

use super::over_the_wire::next;
use super::real::known;
use crate::tui::Carrier as _;
use crate::tui::link::{Limits, Wire};
use crate::tui::message::{Effect, Failure, Message, Reply, Request, Ticket};
use serde_json::json;
use socket2::{SockFilter, SockRef};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const LIMITS: Limits = Limits {
    answer: Duration::from_secs(1),
    silence: Duration::from_secs(2),
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// What becomes of the machine there when it was asked to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Works,
    /// When it has the request.
    Vanishes,
    /// Before it has the request, which comes over a connection that was used before.
    IsGone,
}

/// Lets in nothing of what comes from now on, as if the machine were not there.
fn vanish(stream: &TcpStream) {
    let nothing = SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(stream).attach_filter(&[nothing]).unwrap();
}

async fn serve(listener: TcpListener, machine: Machine) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 4096];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    if machine == Machine::IsGone {
        vanish(&stream);
    }
    stream.write_all(ANSWER).await.unwrap();
    if machine == Machine::IsGone {
        return stream;
    }
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    if machine == Machine::Vanishes {
        vanish(&stream);
    } else {
        tokio::time::sleep(LIMITS.silence * 3).await;
        stream.write_all(ANSWER).await.unwrap();
    }
    stream
}

/// What asking for work comes to.
async fn asked(path: &str, machine: Machine) -> Result<Reply, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, machine));
    let (out, mut messages) = mpsc::channel(8);
    let mut wire = Wire::new(out, "/nonexistent".into()).within(LIMITS);
    wire.carry_out(Effect::Connect(Box::new(known(&url, "a", "b"))));
    wire.carry_out(Effect::Ask(Ticket(1), Request::get("/whoami")));
    let Message::Answered(Ticket(1), Ok(_)) = next(&mut messages).await else {
        panic!("something else was told");
    };
    wire.carry_out(Effect::Ask(Ticket(2), Request::post(path, json!({}))));
    let Message::Answered(Ticket(2), reply) = next(&mut messages).await else {
        panic!("something else was told");
    };
    // Until here its connection stays open.
    drop(server.await.unwrap());
    reply
}

#[tokio::test]
async fn work_is_waited_for_as_long_as_the_machine_is_there() {
    let works = Machine::Works;
    let all = tokio::join!(
        asked("/gc", works),
        asked("/check", works),
        asked("/backup", works)
    );
    for reply in [all.0, all.1, all.2] {
        assert_eq!(reply.unwrap().body, json!({}));
    }
}

#[tokio::test]
async fn work_of_a_machine_that_is_gone_is_given_up() {
    let all = tokio::join!(
        asked("/gc", Machine::Vanishes),
        asked("/check", Machine::IsGone),
        asked("/backup", Machine::Vanishes)
    );
    for reply in [all.0, all.1, all.2] {
        let Err(Failure::Unreachable(why)) = reply else {
            panic!("{reply:?}");
        };
        assert!(why.contains("timed out"), "{why}");
    }
}
