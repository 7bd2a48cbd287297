//! One question over one connection, whatever it runs over: [`ask`], and what came back as
//! [`Answer`] or [`Refusal`].
//!
//! Invariants:
//! 1. An answer that is kept in memory is bounded, whoever sent it.
//! 2. A refusal is told in the server's own words.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::header::ETAG;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of the largest answer. A page is a few hundred KiB at most.
const MAX_ANSWER: usize = 64 << 20;

/// What can be said of a connection that ends without an answer.
pub(crate) const BROKEN: &str = "the server did not answer; its log says more";

/// What was answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The JSON; null when there is none.
    pub(crate) body: Value,
    /// The version of what was asked for, to change no other.
    pub(crate) etag: Option<String>,
}

/// What the server would not do, and why.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: StatusCode,
    /// The server's words.
    pub(crate) detail: String,
}

/// Asks over `stream`, which is closed with the answer or when this is dropped.
///
/// # Errors
/// What broke; a refusal is none.
pub(super) async fn ask<S>(stream: S, request: Request<Bytes>) -> Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .context(BROKEN)?;
    let asked = async {
        let response = sender.send_request(request.map(Full::new)).await;
        whole(response.context(BROKEN)?).await
    };
    // Dropped together: a question that is given up closes its connection.
    tokio::pin!(connection, asked);
    tokio::select! {
        response = &mut asked => response,
        ended = &mut connection => {
            ended.context(BROKEN)?;
            asked.await
        }
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// What broke, or that it is too large.
pub(crate) async fn whole(response: Response<Incoming>) -> Result<Response<Bytes>> {
    let (head, body) = response.into_parts();
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) => bail!("the answer cannot be read: {error}"),
    }
}

// === impl Answer ===

impl Answer {
    /// Takes a response apart.
    ///
    /// # Errors
    /// A [`Refusal`], or what is no JSON.
    pub(crate) fn of(response: Response<Bytes>) -> Result<Self> {
        let (head, body) = response.into_parts();
        let status = head.status;
        let json = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&body)
        };
        if !status.is_success() {
            // What stands before the server may refuse by itself, and in no JSON.
            bail!(Refusal::new(status, &json.unwrap_or_default()));
        }
        let body = json.with_context(|| format!("the server answered {status} and no JSON"))?;
        ensure!(
            !body.is_null() || status == StatusCode::NO_CONTENT,
            "the server answered {status} and no JSON"
        );
        let etag = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        let etag = etag.map(str::to_owned);
        Ok(Self { body, etag })
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(status: StatusCode, problem: &Value) -> Self {
        let detail = problem["detail"].as_str().map(str::to_owned);
        Self {
            status,
            detail: detail.unwrap_or_else(|| format!("the server answered {status}")),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &'static str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(body.as_bytes()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        let body = r#"{"type":"urn:floundr:problem:in-use","status":409,"detail":"it is used"}"#;
        let error = Answer::of(response(409, body)).unwrap_err();
        let refusal = error.downcast_ref::<Refusal>().unwrap();
        assert_eq!(refusal.status, 409);
        assert_eq!(error.to_string(), "it is used");
    }

    #[test]
    fn what_is_no_problem_is_told_by_its_status() {
        for body in ["", "<html>", "[]"] {
            let error = Answer::of(response(502, body)).unwrap_err();
            assert_eq!(error.to_string(), "the server answered 502 Bad Gateway");
        }
        for body in ["", "<html>"] {
            let error = Answer::of(response(200, body)).unwrap_err();
            assert!(error.to_string().contains("200 OK and no JSON"), "{error}");
        }
        assert!(Answer::of(response(204, "")).unwrap().body.is_null());
    }
}
