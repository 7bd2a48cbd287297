//! [`Remote`]: a server elsewhere, over HTTP or HTTPS, asked as somebody.
//!
//! Invariants:
//! 1. A certificate is checked against the system's authorities and the ones of `ca_file`, always.
//! 2. Nothing that is printed has more of a key than the part that lists show.
//! 3. A machine that is gone is waited for no longer than [`SILENCE`]; one that is there, for as long as its
//!    answer takes.

use super::exchange::{self, Refusal};
use crate::config::{Config, server_address};
use crate::profile::Profile;
use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use floundr_frontend::accounts::Secret;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::uri::Authority;
use http::{Request, Response, StatusCode, Uri};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a server may take until it is connected: it is a network away.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the machine elsewhere may confirm nothing until it is taken for gone.
const SILENCE: Duration = Duration::from_secs(40);

/// A server elsewhere.
#[derive(Debug)]
pub(crate) struct Remote {
    url: String,
    authority: Authority,
    /// What stands before every path; no slash at its end.
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
    credentials: Option<Credentials>,
    silence: Duration,
}

/// What a server is asked over.
pub(crate) type Stream = Box<dyn Duplex>;

/// Bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    user: String,
    password: Secret,
}

// === impl Remote ===

impl Remote {
    /// The server at `url`, asked with the configured key, else with that of `floundr.yml` if it is
    /// for the same server.
    ///
    /// # Errors
    /// A key that is none, or files that cannot be used.
    pub(super) fn new(url: &str, config: &Config) -> Result<Self> {
        let credentials = match &config.remote.key {
            Some(key) => Some(Credentials::parse(key)?),
            None => known(url, &config.home)?,
        };
        Self::with(url, config.remote.ca_file.as_deref(), credentials)
    }

    /// The server at `url`, asked as somebody, or as nobody.
    ///
    /// # Errors
    /// An address that is none, or a file that cannot be used.
    pub(crate) fn with(
        url: &str,
        ca_file: Option<&Path>,
        credentials: Option<Credentials>,
    ) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("cannot use {url}"))?;
        let authority = uri.authority().cloned();
        let authority = authority.with_context(|| format!("{url} names no server"))?;
        let tls = match uri.scheme_str() {
            Some("https") => Some(Arc::new(tls(ca_file)?)),
            _ => None,
        };
        Ok(Self {
            url: url.to_owned(),
            authority,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
            credentials,
            silence: SILENCE,
        })
    }

    /// The same, taken for gone after another time.
    pub(crate) fn within(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Asks, with the credentials.
    ///
    /// # Errors
    /// What kept the question from being answered.
    pub(super) async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let request = self.addressed(request)?;
        exchange::ask(self.open().await?, request).await
    }

    /// A connection to it, over TLS if that is wanted.
    ///
    /// # Errors
    /// What failed, and what to do about it.
    pub(crate) async fn open(&self) -> Result<Stream> {
        let connecting = tokio::time::timeout(PATIENCE, self.connect());
        let (stream, tls) = match connecting.await {
            Ok(stream) => stream.with_context(|| format!("cannot reach {}", self.url))?,
            Err(_elapsed) => bail!("cannot reach {}: it does not answer", self.url),
        };
        match tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let greeting = tokio::time::timeout(PATIENCE, connector.connect(name, stream));
                let stream = match greeting.await {
                    Ok(stream) => stream.map_err(|error| self.distrust(&error))?,
                    Err(_elapsed) => bail!("cannot reach {}: it does not answer", self.url),
                };
                Ok(Box::new(stream))
            }
        }
    }

    /// A refusal together with what the user can do about it.
    pub(super) fn explained(&self, error: Error) -> Error {
        let status = error
            .downcast_ref::<Refusal>()
            .map(|refusal| refusal.status);
        let (url, who) = (&self.url, self.credentials.as_ref().map(Credentials::name));
        match (status, who) {
            (Some(StatusCode::UNAUTHORIZED), None) => error.context(format!(
                "{url} wants to know who asks: give an API key or USER:PASSWORD with FLOUNDR_KEY"
            )),
            (Some(StatusCode::UNAUTHORIZED), Some(who)) => error.context(format!(
                "{url} does not accept {who}: it may be misspelt, revoked, expired or disabled"
            )),
            (Some(StatusCode::FORBIDDEN), who) => {
                let who = who.unwrap_or_else(|| "an unknown caller".to_owned());
                error.context(format!(
                    "{who} may not do this: an administrator can change that with floundr grant add"
                ))
            }
            _ => error,
        }
    }

    async fn connect(&self) -> Result<(TcpStream, Option<(TlsConnector, ServerName<'static>)>)> {
        let host = self.authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let usual = if self.tls.is_some() { 443 } else { 80 };
        let port = self.authority.port_u16().unwrap_or(usual);
        let tls = match &self.tls {
            None => None,
            Some(config) => {
                let name = ServerName::try_from(host.to_owned())?;
                Some((TlsConnector::from(Arc::clone(config)), name))
            }
        };
        let stream = TcpStream::connect((host, port)).await?;
        watch(&stream, self.silence)?;
        Ok((stream, tls))
    }

    /// A request as this server wants it: below its path, with the credentials.
    ///
    /// # Errors
    /// What cannot be put into a request.
    pub(crate) fn addressed(&self, mut request: Request<Bytes>) -> Result<Request<Bytes>> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{}{path}", self.prefix).parse()?;
        let host = HeaderValue::from_str(self.authority.as_str())?;
        request.headers_mut().insert(HOST, host);
        if let Some(credentials) = &self.credentials {
            request
                .headers_mut()
                .insert(AUTHORIZATION, credentials.header()?);
        }
        Ok(request)
    }

    /// What failed while TLS was agreed upon, with what to do about it.
    fn distrust(&self, error: &io::Error) -> Error {
        use rustls::CertificateError::{BadSignature, UnknownIssuer};
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        let next = match cause {
            Some(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => {
                "; name the authority of its certificate with --ca-file"
            }
            _ => "",
        };
        anyhow!("cannot trust {}: {error}{next}", self.url)
    }
}

/// Has the system break a connection off whose other end has confirmed nothing for so long, neither what it
/// was sent nor that it is still there. It is the system there that confirms, however long its server works:
/// the time that an answer takes is not bounded by this.
fn watch(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    // The system counts in seconds.
    let part = |of: u32| (silence / of).max(Duration::from_secs(1));
    let asking = TcpKeepalive::new()
        .with_time(part(2))
        .with_interval(part(8));
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&asking)?;
    // Without it what was sent is sent again for a quarter of an hour before anything is given up.
    socket.set_tcp_user_timeout(Some(silence))
}

/// What HTTPS needs: the authorities that are trusted.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // Some of a system's files may be unreadable and the others do; what is missing shows when a
    // certificate is checked.
    let (_usable, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let about = || format!("cannot use ca_file {}", path.display());
        let mut found = 0;
        for certificate in CertificateDer::pem_file_iter(path).with_context(about)? {
            roots
                .add(certificate.with_context(about)?)
                .with_context(about)?;
            found += 1;
        }
        ensure!(found > 0, "{}: it has no certificate", about());
    }
    ensure!(
        !roots.is_empty(),
        "this system trusts no authority: name one with --ca-file"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The credentials of `floundr.yml`, if they are for this server.
fn known(url: &str, home: &Path) -> Result<Option<Credentials>> {
    let is_same = |there: &str| server_address(there).is_ok_and(|there| there == url);
    let mut all = Profile::read(home)?.servers().into_iter();
    let Some(found) = all.find(|server| is_same(&server.url)) else {
        return Ok(None);
    };
    if let Some(key) = &found.secret {
        return Credentials::parse(key).map(Some);
    }
    let both = found.email.zip(found.password);
    Ok(both.map(|(user, password)| Credentials { user, password }))
}

// === impl Credentials ===

impl Credentials {
    /// Somebody with a password, or a key, whose user does not matter.
    pub(crate) fn new(user: &str, password: &Secret) -> Self {
        Self {
            user: user.to_owned(),
            password: password.clone(),
        }
    }

    /// An API key, or `USER:PASSWORD`.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn parse(text: &Secret) -> Result<Self> {
        let whole = text.expose();
        let (user, password) = match whole.split_once(':') {
            Some((user, password)) if !user.is_empty() => (user, password),
            // Whose it is stands in the key.
            None if whole.starts_with("flr_") => ("token", whole),
            _ => bail!("the key is neither an API key, which begins with flr_, nor USER:PASSWORD"),
        };
        Ok(Self {
            user: user.to_owned(),
            password: password.to_owned().into(),
        })
    }

    /// What they are called in a message.
    fn name(&self) -> String {
        let key = self.password.expose().strip_prefix("flr_");
        match key.and_then(|key| key.split_once('_')) {
            Some((id, _secret)) => format!("key {id}"),
            None => format!("user {}", self.user),
        }
    }

    fn header(&self) -> Result<HeaderValue> {
        let both = format!("{}:{}", self.user, self.password.expose());
        let text = format!("Basic {}", BASE64_STANDARD.encode(both));
        let mut header = HeaderValue::from_str(&text)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockFilter;
    use tokio::io::AsyncReadExt as _;

    fn parsed(text: &str) -> Result<Credentials> {
        Credentials::parse(&text.to_owned().into())
    }

    #[test]
    fn a_key_stands_alone_and_a_password_behind_its_user() {
        let secret = "0".repeat(64);
        let key = format!("flr_0123456789abcdef_{secret}");
        let credentials = parsed(&key).unwrap();
        assert_eq!(credentials.user, "token");
        assert_eq!(credentials.name(), "key 0123456789abcdef");
        let credentials = parsed("me@example.com:a:b").unwrap();
        assert_eq!(credentials.name(), "user me@example.com");
        assert_eq!(
            credentials.header().unwrap(),
            "Basic bWVAZXhhbXBsZS5jb206YTpi"
        );
        for bad in ["", "swordfish", ":swordfish"] {
            let error = parsed(bad).unwrap_err().to_string();
            assert!(!error.contains("swordfish"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_command_does_not_wait_for_a_machine_that_is_gone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            // Lets in nothing of what comes from now on.
            let nothing = SockFilter::new(0x06, 0, 0, 0);
            SockRef::from(&stream).attach_filter(&[nothing]).unwrap();
            stream
        });
        let remote = Remote::with(&url, None, None).unwrap();
        let remote = remote.within(Duration::from_secs(2));
        let asked = remote.ask(Request::post("/api/v1/gc").body(Bytes::new()).unwrap());
        let answer = tokio::time::timeout(Duration::from_secs(30), asked).await;
        let error = format!("{:#}", answer.expect("it is given up").unwrap_err());
        assert!(error.contains("timed out"), "{error}");
        drop(server.await.unwrap());
    }

    #[test]
    fn no_debug_text_has_a_secret() {
        let credentials = parsed("me:swordfish").unwrap();
        let shown = format!("{credentials:?} {:?}", credentials.header().unwrap());
        assert!(shown.contains("me"), "{shown}");
        assert!(!shown.contains("swordfish"), "{shown}");
        assert!(!shown.contains("Basic"), "{shown}");
    }
}
