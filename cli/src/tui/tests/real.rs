//! [`Real`]: types keys at the application while it asks a real server, [`TestServer`], over the real
//! link. Waiting is bounded: a test that waits for what never comes fails and shows the screen.

use super::picture;
use super::pilot::{drawn, keys};
use crate::tui::Carrier as _;
use crate::tui::app::{App, Start};
use crate::tui::link::Wire;
use crate::tui::message::{Effect, Message, Request, Ticket};
use crate::tui::server::{Address, Login, Server};
use crate::tui::theme::{Look, Theme};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use floundr_engine::clock::SystemClock;
use floundr_engine::{Engine, Options};
use floundr_frontend as frontend;
use floundr_frontend::accounts::{
    Accounts, AppUrl, RedbAccountStore, TokenSecrets, TrustedProxies,
};
use floundr_frontend::audit::{AuditLog, AuditOptions};
use floundr_frontend::manage::Management;
use floundr_frontend::{Access, AccessOptions, Services, TlsListen};
use ratatui::layout::Size;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of the administrator, `floundr_admin`.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server with accounts, on loopback.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    services: Services,
    stop: oneshot::Sender<()>,
    run: JoinHandle<()>,
}

/// Somebody at the keys of an application that asks over the real link.
pub(crate) struct Real {
    /// What they see.
    pub(crate) app: App,
    /// Everything that was to be done but asking and connecting.
    pub(crate) effects: Vec<Effect>,
    /// Where `floundr.yml` is.
    pub(crate) home: TempDir,
    wire: Wire,
    messages: mpsc::Receiver<Message>,
    size: Size,
}

// === impl TestServer ===

impl TestServer {
    /// One with its store in `root`, on a port the system chooses.
    pub(crate) async fn start(root: &Path) -> Self {
        Self::with(root, 0, None).await
    }

    /// One on a port of the caller's choice, with HTTPS beside it if wanted.
    pub(crate) async fn with(root: &Path, port: u16, tls: Option<TlsListen>) -> Self {
        let engine = Engine::open(Options::new(root)).await.unwrap();
        let clock = Arc::new(SystemClock::default());
        let shared: Arc<SystemClock> = Arc::clone(&clock);
        let store = RedbAccountStore::open(&root.join("accounts.redb"))
            .await
            .unwrap();
        let accounts = Accounts::open(store, shared, TokenSecrets::Kept).await;
        let accounts = accounts.unwrap();
        let name = "floundr_admin".parse().unwrap();
        accounts
            .create_first_administrator(&name, PASSWORD)
            .await
            .unwrap();
        let audit = AuditLog::open(&root.join("audit"), &AuditOptions::default(), clock).unwrap();
        let services = Services::new(&engine, Some(accounts.clone()), audit);
        let management = Management::new(engine.clone(), root, services.clone());
        let mut config = frontend::Config::default();
        config.listen.plain = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        config.listen.tls = tls;
        config.timeouts.drain = Duration::from_millis(50);
        let options = AccessOptions {
            service: "floundr".to_owned(),
            app_url: None::<AppUrl>,
            trusted_proxies: TrustedProxies::default(),
            token_lifetime: Duration::from_mins(10),
            refresh_lifetime: Duration::from_mins(100),
            requests_per_second: None,
            served: "localhost".to_owned(),
        };
        let access = Access::by(accounts, options);
        let context =
            frontend::Context::with_access(engine.clone(), config, access, services.clone());
        let registry = frontend::Registry::new(context.with_management(management.clone()));
        let server = frontend::Server::bind(registry).await.unwrap();
        let (address, tls) = (server.local_addr().unwrap(), server.tls_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let kept = services.clone();
        let run = tokio::spawn(async move {
            tokio::select! {
                _ = server.run(async move { drop(stopped.await) }) => {}
                () = kept.keep() => {}
                () = management.keep() => {}
            }
            kept.settle().await;
            engine.close().await.unwrap();
        });
        Self {
            address,
            tls,
            services,
            stop,
            run,
        }
    }

    /// Ends it; its store can be opened again then.
    pub(crate) async fn stop(self) {
        self.services.events.end();
        drop(self.stop);
        self.run.await.unwrap();
    }

    /// As the administrator knows it.
    pub(crate) fn as_admin(&self) -> Server {
        self.known("floundr_admin", PASSWORD)
    }

    /// As somebody knows it.
    pub(crate) fn known(&self, user: &str, password: &str) -> Server {
        known(&format!("http://{}", self.address), user, password)
    }

    /// Pushes a part of a blob.
    pub(crate) async fn begin_upload(&self, repository: &str) {
        let begun = self
            .talk("POST", &format!("/v2/{repository}/blobs/uploads/"), "")
            .await;
        let location = begun
            .lines()
            .find_map(|line| line.strip_prefix("location: "))
            .unwrap_or_else(|| panic!("{begun}"));
        let went_on = self.talk("PATCH", location, "0123456789").await;
        assert!(went_on.starts_with("HTTP/1.1 202"), "{went_on}");
    }

    /// Asks the registry something as the administrator, on a connection of its own.
    async fn talk(&self, method: &str, path: &str, body: &str) -> String {
        let who = ("floundr_admin", PASSWORD);
        self.talk_as(who, method, path, body).await
    }

    /// Asks the registry something as somebody, with a name and a password or an API key.
    pub(crate) async fn talk_as(
        &self,
        who: (&str, &str),
        method: &str,
        path: &str,
        body: &str,
    ) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let who = BASE64_STANDARD.encode(format!("{}:{}", who.0, who.1));
        let length = body.len();
        let kind = if path.contains("/manifests/") {
            "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
        } else {
            ""
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {who}\r\n{kind}\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Asks it something as the administrator, beside the application.
    pub(crate) async fn ask(&self, request: Request) -> Value {
        ask(self.as_admin(), request).await.unwrap()
    }
}

/// A server as somebody knows it.
pub(crate) fn known(url: &str, user: &str, password: &str) -> Server {
    Server {
        name: "home".to_owned(),
        at: Address::Url(url.to_owned()),
        login: Some(Login::Password {
            user: user.to_owned(),
            password: password.to_owned().into(),
        }),
        ca_file: None,
        is_remembered: false,
    }
}

/// Asks a server over a link of its own.
pub(crate) async fn ask(server: Server, request: Request) -> Result<Value, String> {
    let (out, mut messages) = mpsc::channel(256);
    let mut wire = Wire::new(out, "/nonexistent".into());
    wire.carry_out(Effect::Connect(Box::new(server)));
    wire.carry_out(Effect::Ask(Ticket(1), request));
    loop {
        let next = tokio::time::timeout(PATIENCE, messages.recv()).await;
        if let Message::Answered(_, reply) = next.unwrap().unwrap() {
            return reply.map(|reply| reply.body).map_err(|why| why.to_string());
        }
    }
}

// === impl Real ===

#[expect(
    clippy::future_not_send,
    reason = "the application stays where it is, as in its loop"
)]
impl Real {
    /// One who begins with this server; without one, with the form.
    pub(crate) fn start(server: Option<Server>) -> Self {
        let size = Size::new(120, 40);
        let home = tempfile::tempdir().unwrap();
        let (out, messages) = mpsc::channel(256);
        let wire = Wire::new(out, home.path().to_owned());
        let start = Start {
            current: server.as_ref().map(|_| 0),
            servers: server.into_iter().collect(),
            look: Look {
                theme: Theme::None,
                ascii: true,
            },
            size,
            now: crate::tui::now(),
        };
        let (app, effects) = App::new(start);
        let mut real = Self {
            app,
            effects: Vec::new(),
            home,
            wire,
            messages,
            size,
        };
        real.carry_out(effects);
        real
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Copy(_) | Effect::Quit => self.effects.push(effect),
                effect => self.wire.carry_out(effect),
            }
        }
    }

    /// Types keys, as `Pilot::keys`.
    pub(crate) fn keys(&mut self, typed: &str) {
        for key in keys(typed) {
            let effects = self.app.update(Message::Key(key));
            self.carry_out(effects);
        }
    }

    /// What is to be seen.
    pub(crate) fn screen(&self) -> String {
        drawn(&self.app, self.size, picture::letters)
    }

    /// Takes what comes within a moment.
    async fn step(&mut self) {
        let moment = Duration::from_millis(50);
        let message = tokio::time::timeout(moment, self.messages.recv()).await;
        let mut effects = self.app.update(Message::Tick(crate::tui::now()));
        if let Ok(Some(message)) = message {
            effects.extend(self.app.update(message));
        }
        self.carry_out(effects);
    }

    /// Goes on until this holds of what is to be seen.
    pub(crate) async fn until_it(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.screen()) {
            let is_late = Instant::now() >= deadline;
            assert!(!is_late, "{what}:\n{}", self.screen());
            self.step().await;
        }
    }

    /// Goes on until this is to be seen.
    pub(crate) async fn until(&mut self, text: &str) {
        let what = format!("{text:?} is not to be seen");
        self.until_it(&what, |screen| screen.contains(text)).await;
    }

    /// Goes on until this is not to be seen any more.
    pub(crate) async fn until_no(&mut self, text: &str) {
        let what = format!("{text:?} is still to be seen");
        self.until_it(&what, |screen| !screen.contains(text)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_elsewhere_comes_to_the_screen_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let mut real = Real::start(Some(server.as_admin()));
    real.until("floundr_admin").await;
    real.keys("gp");
    real.until("nothing is being pushed").await;
    real.keys("gr");
    real.until("Repositories 0").await;
    let body = json!({ "name": "team/app" });
    server.ask(Request::post("/repositories", body)).await;
    real.until("team/").await;
    real.keys("gp");
    server.begin_upload("team/app").await;
    real.until("team/app").await;
    server.stop().await;
    real.until("not connected").await;
}
