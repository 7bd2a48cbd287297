//! A registry behind a socket, and requests as bytes: what no client library would send.

use crate::access_log::Log;
use crate::registry::TestRegistry;
use crate::support::{eventually, soon};
use floundr_frontend::{Config, Server};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tracing::subscriber::DefaultGuard;

/// A registry that listens, and what it logs.
pub(crate) struct Wire {
    pub(crate) registry: TestRegistry,
    pub(crate) address: SocketAddr,
    log: Log,
    _guard: DefaultGuard,
    _stop: oneshot::Sender<()>,
}

/// One answer as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A request line and headers of its own, with a host, and a body.
pub(crate) fn http(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}").into_bytes()
}

// === impl Wire ===

impl Wire {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let (log, guard) = Log::capture();
        let registry = TestRegistry::start_with(|config| {
            config.listen.plain = Some(([127, 0, 0, 1], 0).into());
            config.timeouts.discard = std::time::Duration::from_millis(500);
            change(config);
        })
        .await;
        let server = Server::bind(registry.registry.clone()).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            stopped.await.ok();
        }));
        Self {
            registry,
            address,
            log,
            _guard: guard,
            _stop: stop,
        }
    }

    /// The same with an image in it, `a:v1`.
    pub(crate) async fn with_image(change: impl FnOnce(&mut Config)) -> Self {
        let wire = Self::start(change).await;
        wire.registry.push_image("a", "v1", "x").await;
        wire
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a connection of its own, and reads one answer.
    pub(crate) async fn say(&self, request: &[u8]) -> Answer {
        let mut socket = self.connect().await;
        soon(socket.write_all(request)).await.unwrap();
        Answer::read(&mut socket).await
    }

    /// Sends `request`, which must be refused with this status and code, with an id, and with one
    /// line in the access log that has them.
    pub(crate) async fn refuses(&self, request: &[u8], status: u16, code: &str) -> Answer {
        let before = self.log.access_lines().len();
        let answer = self.say(request).await;
        answer.refused(status, code);
        self.logged(before, &answer).await;
        answer
    }

    /// That `answer` has the one line behind the first `before`; that line.
    pub(crate) async fn logged(&self, before: usize, answer: &Answer) -> String {
        eventually(|| self.log.access_lines().len() > before).await;
        let lines = self.log.access_lines().split_off(before);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines[0].clone();
        let (status, id) = (answer.status(), answer.header("x-request-id").unwrap());
        for part in [
            format!("status={status} "),
            format!("request_id=\"{id}\""),
            "complete=true".to_owned(),
        ] {
            assert!(line.contains(&part), "{part} is not in {line}");
        }
        line
    }

    /// How many access lines there are.
    pub(crate) fn lines(&self) -> usize {
        self.log.access_lines().len()
    }
}

// === impl Answer ===

impl Answer {
    /// Reads one answer, which must have a length.
    pub(crate) async fn read(socket: &mut TcpStream) -> Self {
        let mut read = Vec::new();
        loop {
            if let Some(answer) = Self::whole(&read) {
                return answer;
            }
            let some = soon(socket.read_buf(&mut read)).await.unwrap();
            assert_ne!(some, 0, "closed after {:?}", String::from_utf8_lossy(&read));
        }
    }

    fn whole(read: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(read);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let answer = Self {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = answer.header("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        (body.len() >= length).then_some(answer)
    }

    pub(crate) fn status(&self) -> u16 {
        let digits = self.head.get(9..12);
        digits.and_then(|digits| digits.parse().ok()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ &str| line.starts_with(&format!("{name}: "));
        let line = self.head.lines().find(line)?;
        line.split_once(": ").map(|(_, value)| value)
    }

    /// The message of a refusal.
    pub(crate) fn message(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["errors"][0]["message"].as_str().unwrap().to_owned()
    }

    /// That it is a refusal of the specification's form.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert!(self.head.starts_with("HTTP/1."), "{self:?}");
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(
            self.header("docker-distribution-api-version"),
            Some("registry/2.0"),
            "{self:?}"
        );
        assert!(self.header("date").is_some(), "{self:?}");
        let length = self.body.len().to_string();
        assert_eq!(self.header("content-length"), Some(length.as_str()));
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(json["errors"][0]["code"], code, "{self:?}");
        assert!(!self.message().is_empty());
    }
}
