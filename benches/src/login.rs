//! Logging in to a registry that demands it: credentials go out once, a token comes back for all other requests.
//!
//! 1. It runs before a load is prepared, so no clock sees a password checked: what is measured is the token.
//! 2. Neither password nor token is in an error or a Debug, nor is what the registry answered: it may repeat them.
//! 3. A login that fails fails the measurement, and is never what a row was refused for.

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;

use crate::client::{Connection, Payload};
use crate::endpoint::Endpoint;
use crate::transport::Transport;

/// Bytes of the longest answer that is read.
const LONGEST: usize = 64 * 1024;

/// Who measures, and where the token is.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The name of the account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Path, with its query, that answers a token when it is asked with both.
    pub token: String,
}

/// The part that is needed of the answer of the distribution specification's token endpoint.
#[derive(Deserialize)]
struct Answer {
    token: String,
}

// === impl Login ===

impl Login {
    /// Asks `endpoint` for a token over `transport`, and returns the value of `Authorization` that shows it.
    ///
    /// # Errors
    /// When the registry cannot be asked, refuses the login, or answers without a token.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn authorization(
        &self,
        endpoint: &Endpoint,
        transport: &Transport,
    ) -> Result<HeaderValue> {
        let text = self.answer(endpoint, transport).await?;
        // Why it cannot be read would show parts of it.
        let answer: Option<Answer> = serde_json::from_slice(&text).ok();
        let token = answer.map(|answer| answer.token).unwrap_or_default();
        ensure!(!token.is_empty(), "{} answers no token", self.token);
        bearer(&token).with_context(|| format!("{} answers no usable token", self.token))
    }

    async fn answer(&self, endpoint: &Endpoint, transport: &Transport) -> Result<Vec<u8>> {
        let mut connection = Connection::open(endpoint, transport, Some(self.basic()?)).await?;
        let request = connection
            .request(Method::GET, &self.token)
            .header(ACCEPT, "application/json")
            .body(Payload::none())
            .context("malformed request")?;
        let response = connection.send(request).await?;
        match response.status() {
            StatusCode::OK => (),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                bail!("user {:?} or the password is refused: {status}", self.user)
            }
            status => bail!("status of {} is {status}, not 200", self.token),
        }
        let mut text = Vec::new();
        let seen = |piece: &bytes::Bytes| {
            let room = LONGEST.saturating_sub(text.len()).min(piece.len());
            text.extend(piece.iter().take(room));
        };
        connection.read(response.into_body(), seen).await?;
        Ok(text)
    }

    /// RFC 7617.
    fn basic(&self) -> Result<HeaderValue> {
        let credentials = STANDARD.encode(format!("{}:{}", self.user, self.password));
        sensitive(&format!("Basic {credentials}")).context("unusable credentials")
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// RFC 6750. Refuses what could not be written into every request as it is.
fn bearer(token: &str) -> Result<HeaderValue> {
    let is_text = token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_text, "it has characters that no header has");
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).context("it is no header")?;
    value.set_sensitive(true);
    Ok(value)
}

/// The line of a request that shows who asks, for loads that write their requests themselves; empty without a login.
///
/// # Errors
/// When it is not ASCII text.
pub(crate) fn line(authorization: Option<&HeaderValue>) -> Result<String> {
    let Some(value) = authorization else {
        return Ok(String::new());
    };
    let text = value.to_str().context("unusable token")?;
    Ok(format!("{AUTHORIZATION}: {text}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    fn login() -> Login {
        Login {
            user: "jo".into(),
            password: "swordfish".into(),
            token: "/auth/token?service=x".into(),
        }
    }

    /// What logging in makes of an answer.
    async fn logged_in(answer: String) -> Result<HeaderValue> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = socket.read(&mut request).unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let endpoint = url.parse().unwrap();
        let outcome = login().authorization(&endpoint, &Transport::Plain).await;
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /auth/token?service=x HTTP/1.1\r\n"));
        let credentials = "\r\nauthorization: Basic am86c3dvcmRmaXNo\r\n"; // jo:swordfish
        assert!(request.contains(credentials), "{request}");
        outcome
    }

    fn ok(body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn credentials_go_out_and_the_token_comes_back_and_is_not_shown() {
        let value = logged_in(ok(r#"{"expires_in":300,"token":"ey.J-0_"}"#))
            .await
            .unwrap();
        assert_eq!(value, "Bearer ey.J-0_");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(
            line(Some(&value)).unwrap(),
            "authorization: Bearer ey.J-0_\r\n"
        );
        assert_eq!(line(None).unwrap(), "");
        assert!(!format!("{:?}", login()).contains("swordfish"));
    }

    #[tokio::test]
    async fn an_answer_without_a_token_is_an_error_that_repeats_nothing_of_it() {
        let no_token = "/auth/token?service=x answers no token";
        let unusable =
            "/auth/token?service=x answers no usable token: it has characters that no header has";
        let too_long = format!(r#"{{"token":"swordfish{}"}}"#, "x".repeat(LONGEST));
        for (body, expected) in [
            (r#"{"access":"swordfish"}"#, no_token),
            (r#"{"token":["swordfish"]}"#, no_token),
            (r#"{"token":""}"#, no_token),
            (r#""swordfish""#, no_token),
            ("swordfish", no_token),
            (&too_long, no_token),
            (r#"{"token":"swordfish\r\nx: y"}"#, unusable),
            (r#"{"token":"swordfish \u00e4"}"#, unusable),
        ] {
            let error = format!("{:#}", logged_in(ok(body)).await.unwrap_err());
            assert_eq!(error, expected);
        }
    }

    #[tokio::test]
    async fn a_refused_login_is_an_error_without_the_password() {
        for (status, expected) in [
            (
                "401 Unauthorized",
                "user \"jo\" or the password is refused: 401 Unauthorized",
            ),
            (
                "403 Forbidden",
                "user \"jo\" or the password is refused: 403 Forbidden",
            ),
            (
                "404 Not Found",
                "status of /auth/token?service=x is 404 Not Found, not 200",
            ),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\nswordfish");
            let error = format!("{:#}", logged_in(answer).await.unwrap_err());
            assert_eq!(error, expected);
        }
    }
}
