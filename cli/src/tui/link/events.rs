//! [`follow`]: listens to what the server tells by itself, and connects again when that breaks.
//!
//! Invariants:
//! 1. After a break it is told that the server is back only when it answers.
//! 2. A server is not asked more often than every half second, and at least every ten.

use super::sse::Lines;
use super::target::Target;
use crate::tui::message::{Event, Failure, Link, Message, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

/// The shortest and the longest pause before it is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How often the status is asked for where events are refused.
const POLL: Duration = Duration::from_secs(5);

/// Nobody reads the messages any more.
struct Ended;

/// Listens until nobody reads `out` any more.
pub(super) async fn follow(target: &Target, out: Sender<Message>) {
    // Ending is all there is to do then.
    drop(listen(target, &out).await);
}

async fn listen(target: &Target, out: &Sender<Message>) -> Result<(), Ended> {
    let mut pause = PAUSES.0;
    tell(out, Message::Link(Link::Connecting)).await?;
    loop {
        let why = match target.listen("/events").await {
            Ok((sender, response)) => {
                tell(out, Message::Link(Link::Up)).await?;
                let silence = target.limits.silence;
                let why = read(response.into_body(), out, (&mut pause, silence)).await?;
                drop(sender);
                why
            }
            Err(Failure::Refused {
                status: status @ (401 | 403),
                detail,
            }) => {
                tell(out, Message::Link(Link::Up)).await?;
                if status == 401 {
                    // Whoever asks has to log in; asking again would count as another wrong password.
                    return Ok(());
                }
                let text = format!("no events: {detail}; the status is read every 5 s");
                tell(out, Message::Done(Err(text))).await?;
                match poll(target, out).await? {
                    Some(why) => why,
                    None => return Ok(()),
                }
            }
            Err(failure) => failure.to_string(),
        };
        let after = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let retry_at = crate::tui::now().saturating_add(after);
        tell(out, Message::Link(Link::Down { why, retry_at })).await?;
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn tell(out: &Sender<Message>, message: Message) -> Result<(), Ended> {
    out.send(message).await.or(Err(Ended))
}

/// Reads events until they end; why they did.
async fn read(
    mut body: Incoming,
    out: &Sender<Message>,
    (pause, silence): (&mut Duration, Duration),
) -> Result<String, Ended> {
    let mut lines = Lines::default();
    loop {
        let frame = match timeout(silence, body.frame()).await {
            Err(_elapsed) => return Ok("the server is silent".to_owned()),
            Ok(None) => return Ok("the server ended the connection".to_owned()),
            Ok(Some(Err(error))) => return Ok(format!("the connection broke: {error}")),
            Ok(Some(Ok(frame))) => frame,
        };
        *pause = PAUSES.0;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        let Ok(events) = lines.take(&bytes) else {
            return Ok("the server sent what is no event".to_owned());
        };
        for event in events {
            tell(out, Message::Heard(event)).await?;
        }
    }
}

/// Asks for the status again and again; why that ended, or nothing if whoever asks is not known any
/// more: asking again would count as another wrong password.
async fn poll(target: &Target, out: &Sender<Message>) -> Result<Option<String>, Ended> {
    loop {
        match target.ask(&Request::get("/status")).await {
            Ok(reply) => {
                let event = Event {
                    kind: "status".to_owned(),
                    data: reply.body,
                };
                tell(out, Message::Heard(event)).await?;
            }
            Err(Failure::Unreachable(why)) => return Ok(Some(why)),
            Err(Failure::Refused { status: 401, .. }) => return Ok(None),
            Err(Failure::Refused { .. }) => {}
        }
        sleep(POLL).await;
    }
}
