//! A server whose handler does as its request tells it, and clients that are as rude as a test
//! needs them.
//!
//! The header `x-do` says what the handler does, so that these tests depend on no endpoint.

use bytes::Bytes;
use floundr_frontend::events::Events;
use floundr_frontend::{
    ApiError, Body, Config, ErrorCode, Handler, Metrics, Registry, RequestBody, RequestBodyError,
    Route, Server,
};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here may take; a test that runs into it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than the sockets of both sides hold.
pub(crate) const BIG: usize = 64 * 1024 * 1024;

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) obedient: Obedient,
    stop: oneshot::Sender<()>,
    run: JoinHandle<bool>,
}

/// A handler that does what the header `x-do` says.
#[derive(Debug, Clone)]
pub(crate) struct Obedient {
    /// A permit for each request that has begun to wait.
    pub(crate) waiting: Arc<Semaphore>,
    /// A permit for each waiting request that may go on.
    pub(crate) release: Arc<Semaphore>,
    /// What is sent to who asks for events, from when a permit was added to `waiting`.
    pub(crate) events: Arc<Events>,
}

// === impl TestServer ===

impl TestServer {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.listen.plain = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.timeouts.discard = Duration::from_millis(500);
        change(&mut config);
        let metrics = Arc::new(Metrics::new());
        let obedient = Obedient {
            waiting: Arc::new(Semaphore::new(0)),
            release: Arc::new(Semaphore::new(0)),
            events: Arc::default(),
        };
        let registry =
            Registry::with_handler(Arc::new(config), Arc::clone(&metrics), obedient.clone());
        let server = Server::bind(registry).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: server.local_addr().unwrap(),
            tls: server.tls_addr(),
            metrics,
            obedient,
            stop,
            run: tokio::spawn(server.run(async {
                stopped.await.ok();
            })),
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Gives the stop signal; what is returned is `Server::run`'s own answer.
    pub(crate) fn stop(self) -> JoinHandle<bool> {
        self.stop.send(()).unwrap();
        self.run
    }

    /// Sends `request` on a connection of its own and reads until the server closes it.
    pub(crate) async fn talk(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        read_to_close(&mut socket).await
    }
}

// === impl Obedient ===

impl Handler for Obedient {
    fn answer(
        &self,
        _route: Route,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Body>, ApiError>> + Send {
        let is_order = |order: &HeaderValue| order == "panic before the future is made";
        assert!(
            !request.headers().get("x-do").is_some_and(is_order),
            "as it was told"
        );
        self.obey(request)
    }
}

impl Obedient {
    async fn obey(&self, request: Request<RequestBody>) -> Result<Response<Body>, ApiError> {
        let order = request.headers().get("x-do").cloned();
        let order = order.as_ref().map_or("", |order| order.to_str().unwrap());
        match order {
            "panic" => panic!("as it was told"),
            "refuse" => Err(ApiError::new(ErrorCode::EndpointUnknown, "refused as told")),
            "big" => Ok(Response::new(Body::full(vec![b'x'; BIG]))),
            "read" => match request.into_body().collect().await {
                Ok(body) => Ok(Response::new(Body::full(body.to_bytes().len().to_string()))),
                Err(error @ RequestBodyError::Idle(_)) => {
                    let message = error.to_string();
                    Err(ApiError::new(ErrorCode::UploadTimeout, message))
                }
                Err(error) => Err(ApiError::new(ErrorCode::Internal, error.to_string())),
            },
            "wait" => {
                self.waiting.add_permits(1);
                self.release.acquire().await.unwrap().forget();
                Ok(Response::new(Body::full("late")))
            }
            "events" => {
                let events = self.events.subscribe(|_| true);
                self.waiting.add_permits(1);
                Ok(Response::new(Body::events(events)))
            }
            _ => match order.strip_prefix("bytes ") {
                Some(length) => Ok(Response::new(Body::full(vec![
                    b'x';
                    length.parse().unwrap()
                ]))),
                None => Ok(Response::new(Body::full("ok"))),
            },
        }
    }
}

/// The head of a request that tells the handler to do `order`.
pub(crate) fn request(order: &str, headers: &str) -> String {
    format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx-do: {order}\r\n{headers}\r\n")
}

/// The head of a request with a body.
pub(crate) fn upload(order: &str, headers: &str) -> String {
    format!("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: x\r\nx-do: {order}\r\n{headers}\r\n")
}

/// The outcome of `future`, which must come in time.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it came too late")
}

/// Everything until the server closes the connection.
pub(crate) async fn read_to_close(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// One answer with its body, which must have a length.
pub(crate) async fn read_answer(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text.into_owned();
            }
        }
        let read_some = soon(socket.read_buf(&mut read)).await.unwrap();
        assert_ne!(
            read_some,
            0,
            "closed after {:?}",
            String::from_utf8_lossy(&read)
        );
    }
}

/// An HTTP/2 client on `io`.
pub(crate) async fn http2_client<T>(io: T) -> http2::SendRequest<Full<Bytes>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (client, connection) = soon(handshake).await.unwrap();
    tokio::spawn(async move {
        connection.await.ok();
    });
    client
}

/// `condition`, once it holds; looked at again and again.
pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
