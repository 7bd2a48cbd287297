//! A registry in memory that is strict about how it is spoken to.
//!
//! 1. Every step of an upload must go to the `Location` the step before gave, query included, which changes
//!    with each step.
//! 2. `Content-Range` must continue where the upload ends; a body without it must be of unannounced length.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use floundr_benches::content::Content;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// How the fake behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Gives absolute locations.
    pub(crate) absolute: bool,
    /// Alters every blob it serves.
    pub(crate) corrupt: bool,
    /// Refuses every finish with status 500.
    pub(crate) refuse: bool,
}

/// What the fake has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Blobs by digest, manifests by tag.
    pub(crate) stored: HashMap<String, Bytes>,
    /// How many appends there were.
    pub(crate) appends: usize,
    uploads: HashMap<String, Vec<u8>>,
    steps: usize,
}

/// A fake that serves until the test's runtime ends.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) manner: Manner,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

type Answer = Response<Full<Bytes>>;

// === impl Fake ===

impl Fake {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let fake = Self {
            address,
            manner,
            seen: Arc::default(),
        };
        tokio::spawn(fake.clone().serve(listener));
        fake
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let fake = self.clone();
            let service = service_fn(move |request| fake.clone().answer(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = head.uri.to_string();
        let mut seen = self.seen.lock().unwrap();
        let last = head.uri.path().rsplit('/').next().unwrap();
        Ok(match head.method {
            Method::POST => self.step(&mut seen, Vec::new()),
            Method::PATCH => self.append(&mut seen, &target, &head.headers, &body),
            Method::PUT if target.contains("/manifests/") => {
                seen.stored.insert(last.to_owned(), body);
                status(StatusCode::CREATED)
            }
            Method::PUT => self.finish(&mut seen, &target, &body),
            _ => self.read(&seen, last),
        })
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
        let blob = Content::of(upload.into()).hashed();
        if self.manner.refuse || blob.digest != digest {
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
        let host = if self.manner.absolute {
            format!("http://{}", self.address)
        } else {
            String::new()
        };
        let mut answer = status(StatusCode::ACCEPTED);
        let location = format!("{host}{target}").parse().unwrap();
        answer.headers_mut().insert(LOCATION, location);
        answer
    }

    fn read(&self, seen: &Seen, name: &str) -> Answer {
        let Some(bytes) = seen.stored.get(name) else {
            return status(StatusCode::NOT_FOUND);
        };
        let mut bytes = bytes.to_vec();
        if self.manner.corrupt {
            bytes[0] ^= 1;
        }
        Response::new(Full::from(bytes))
    }
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
