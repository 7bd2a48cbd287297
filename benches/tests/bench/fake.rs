//! A registry in memory that is strict about how it is spoken to.
//!
//! 1. Every step of an upload must go to the `Location` the step before gave, query included, which changes
//!    with each step.
//! 2. `Content-Range` must continue where the upload ends; a body without it must be of unannounced length.
//! 3. With an account, every request but those for a token and for readiness must show the token.
//! 4. Over TLS it speaks what ALPN chose, and gives absolute locations with the scheme it is spoken to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use floundr_benches::content::{Algorithm, Content};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name and password of the account, as `Authorization` says them: jo and swordfish.
const BASIC: &str = "Basic am86c3dvcmRmaXNo";
/// Where it gives its token.
pub(crate) const TOKEN: &str = "/auth/token?service=x";

/// How the fake behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Gives absolute locations.
    pub(crate) absolute: bool,
    /// What it does wrong.
    pub(crate) fault: Option<Fault>,
    /// The scheme of absolute locations, when it is not the one that is spoken.
    pub(crate) scheme: Option<&'static str>,
    /// Has an account, and serves nobody else.
    pub(crate) account: bool,
}

/// What a registry may do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Alters every blob it serves.
    Corrupt,
    /// Refuses every finish with status 500.
    Refuse,
    /// Refuses every digest but SHA-256 with status 400.
    OnlySha256,
    /// Answers ranges with the whole.
    IgnoreRanges,
}

/// What the fake has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Blobs by digest, manifests by tag.
    pub(crate) stored: HashMap<String, Bytes>,
    /// How many appends there were.
    pub(crate) appends: usize,
    /// The version of every request.
    pub(crate) versions: Vec<Version>,
    /// Method and target of every request.
    pub(crate) requests: Vec<(Method, String)>,
    /// How many requests did not show what they must.
    pub(crate) unauthorized: usize,
    uploads: HashMap<String, Vec<u8>>,
    steps: usize,
}

/// A fake that serves until the test's runtime ends.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) manner: Manner,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// A folder that is served as well.
    pub(crate) folder: Option<PathBuf>,
    tls: Option<Arc<ServerConfig>>,
}

type Answer = Response<Full<Bytes>>;

// === impl Fake ===

impl Fake {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::start_with(manner, None, None).await
    }

    pub(crate) async fn start_with(
        manner: Manner,
        tls: Option<ServerConfig>,
        folder: Option<PathBuf>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let fake = Self {
            address,
            manner,
            seen: Arc::default(),
            folder,
            tls: tls.map(Arc::new),
        };
        tokio::spawn(fake.clone().serve(listener));
        fake
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().speak(socket));
        }
    }

    async fn speak(self, socket: TcpStream) {
        let Some(tls) = &self.tls else {
            return self.speak_http1(socket).await;
        };
        // A client that gives up on the handshake has its own error to show.
        let Ok(stream) = TlsAcceptor::from(Arc::clone(tls)).accept(socket).await else {
            return;
        };
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return self.speak_http1(stream).await;
        }
        let service = service_fn(move |request| self.clone().answer(request));
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        connection.await.ok();
    }

    async fn speak_http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| self.clone().answer(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connection.await.ok();
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = head.uri.path_and_query().unwrap().to_string();
        let mut seen = self.seen.lock().unwrap();
        seen.versions.push(head.version);
        let asked = (head.method.clone(), target.clone());
        seen.requests.push(asked);
        if let Some(answer) = self.gate(&mut seen, &target, &head.headers) {
            return Ok(answer);
        }
        let last = head.uri.path().rsplit('/').next().unwrap();
        Ok(match head.method {
            Method::POST => self.step(&mut seen, Vec::new()),
            Method::PATCH => self.append(&mut seen, &target, &head.headers, &body),
            Method::PUT if target.contains("/manifests/") => {
                seen.stored.insert(last.to_owned(), body);
                status(StatusCode::CREATED)
            }
            Method::PUT => self.finish(&mut seen, &target, &body),
            _ if target == "/v2/" => status(StatusCode::OK),
            _ => self.read(&seen, &target, last, &head.headers),
        })
    }

    /// What is answered to who is not let in.
    fn gate(&self, seen: &mut Seen, target: &str, head: &HeaderMap) -> Option<Answer> {
        if target == "/ready" {
            return Some(status(StatusCode::OK));
        }
        if !self.manner.account {
            return None;
        }
        let shown = head.get(AUTHORIZATION);
        let asks_for_token = target == TOKEN;
        let expected = if asks_for_token {
            BASIC
        } else {
            "Bearer to.ken"
        };
        if shown.is_none_or(|shown| shown != expected) {
            seen.unauthorized += 1;
            return Some(status(StatusCode::UNAUTHORIZED));
        }
        asks_for_token.then(|| Response::new(Full::from(r#"{"token":"to.ken"}"#)))
    }

    fn append(&self, seen: &mut Seen, target: &str, head: &HeaderMap, body: &[u8]) -> Answer {
        let Some(mut upload) = seen.uploads.remove(target) else {
            return status(StatusCode::NOT_FOUND);
        };
        let end = upload.len() + body.len();
        let expected = format!("{}-{}", upload.len(), end - 1);
        let fits = match head.get(CONTENT_RANGE) {
            Some(range) => range == expected.as_str() && head.contains_key(CONTENT_LENGTH),
            None => !head.contains_key(CONTENT_LENGTH),
        };
        if !fits {
            return status(StatusCode::RANGE_NOT_SATISFIABLE);
        }
        seen.appends += 1;
        upload.extend_from_slice(body);
        self.step(seen, upload)
    }

    fn finish(&self, seen: &mut Seen, target: &str, body: &[u8]) -> Answer {
        let (target, digest) = target.rsplit_once("&digest=").unwrap();
        let Some(mut upload) = seen.uploads.remove(target) else {
            return status(StatusCode::NOT_FOUND);
        };
        upload.extend_from_slice(body);
        if self.manner.fault == Some(Fault::OnlySha256) && !digest.starts_with("sha256:") {
            return status(StatusCode::BAD_REQUEST);
        }
        let algorithm = if digest.starts_with("sha512:") {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        };
        let blob = Content::of(upload.into()).hashed_by(algorithm);
        if self.manner.fault == Some(Fault::Refuse) || blob.digest != digest {
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let mut all = Vec::new();
        while (all.len() as u64) < blob.content.len() {
            all.extend_from_slice(&blob.content.piece(all.len() as u64, blob.content.len()));
        }
        seen.stored.insert(digest.to_owned(), all.into());
        status(StatusCode::CREATED)
    }

    fn step(&self, seen: &mut Seen, upload: Vec<u8>) -> Answer {
        seen.steps += 1;
        let target = format!("/uploads/here?_state=a%2Fb{}==", seen.steps);
        seen.uploads.insert(target.clone(), upload);
        let spoken = if self.tls.is_some() { "https" } else { "http" };
        let scheme = self.manner.scheme.unwrap_or(spoken);
        let host = if self.manner.absolute {
            format!("{scheme}://{}", self.address)
        } else {
            String::new()
        };
        let mut answer = status(StatusCode::ACCEPTED);
        let location = format!("{host}{target}").parse().unwrap();
        answer.headers_mut().insert(LOCATION, location);
        answer
    }

    fn read(&self, seen: &Seen, target: &str, name: &str, head: &HeaderMap) -> Answer {
        let path = |folder: &PathBuf| folder.join(target.trim_start_matches('/'));
        let placed = || std::fs::read(path(self.folder.as_ref()?)).ok();
        let stored = seen.stored.get(name).map(|bytes| bytes.to_vec());
        let Some(mut bytes) = stored.or_else(placed) else {
            return status(StatusCode::NOT_FOUND);
        };
        if self.manner.fault == Some(Fault::Corrupt) {
            bytes[0] ^= 1;
        }
        let ignored = self.manner.fault == Some(Fault::IgnoreRanges);
        let Some(range) = head.get(RANGE).filter(|_| !ignored) else {
            return Response::new(Full::from(bytes));
        };
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        let (from, last) = range.split_once('-').unwrap();
        let (from, last): (usize, usize) = (from.parse().unwrap(), last.parse().unwrap());
        let mut answer = Response::new(Full::from(bytes[from..=last].to_vec()));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        answer
    }
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
