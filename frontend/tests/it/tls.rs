//! TLS: what is offered, what is shown, and that it follows its files.

use crate::support::{TestServer, http2_client, soon};
use bytes::Bytes;
use floundr_frontend::{BindError, Config, Registry, Server, TlsListen};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A directory with a certificate and its key, and every certificate that was ever in it.
struct Files {
    directory: TempDir,
    trusted: Vec<CertificateDer<'static>>,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Self {
            directory,
            trusted: Vec::new(),
        };
        files.renew();
        files
    }

    /// Writes a new pair.
    fn renew(&mut self) {
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let listen = self.listen();
        fs::write(listen.certificate, cert.pem()).unwrap();
        fs::write(listen.key, signing_key.serialize_pem()).unwrap();
        self.trusted.push(cert.der().clone());
    }

    fn listen(&self) -> TlsListen {
        let (certificate, key) = ("certificate.pem", "key.pem");
        let path = |name| self.directory.path().join(name);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listen = TlsListen::new(address, path(certificate), path(key));
        listen.reload_interval = Duration::from_millis(10);
        listen
    }

    async fn serve(&self) -> TestServer {
        let listen = self.listen();
        TestServer::start(|config| config.listen.tls = Some(listen)).await
    }

    async fn connect(&self, server: &TestServer, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.trusted {
            roots.add(certificate.clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let socket = TcpStream::connect(server.tls.unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        soon(connector.connect(name, socket)).await.unwrap()
    }

    /// The number of the certificate that is shown now.
    async fn shown(&self, server: &TestServer) -> usize {
        let stream = self.connect(server, &[]).await;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        self.trusted
            .iter()
            .position(|known| *known == shown)
            .unwrap()
    }

    /// Connects until the newest certificate is shown; none but it or `before` may be on the way.
    async fn until_newest_is_shown(&self, server: &TestServer, before: usize) {
        let newest = self.trusted.len() - 1;
        let mut shown = before;
        while shown != newest {
            assert_eq!(shown, before);
            shown = soon(self.shown(server)).await;
        }
    }
}

#[tokio::test]
async fn http1_is_served_to_a_client_that_offers_nothing() {
    let files = Files::new();
    let server = files.serve().await;
    let mut stream = files.connect(&server, &[]).await;
    let request = crate::support::request("", "connection: close\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn one_place_for_a_connection_is_enough_for_both_ports() {
    let files = Files::new();
    let listen = files.listen();
    let server = TestServer::start(|config| {
        config.listen.tls = Some(listen);
        config.limits.connections = 1;
    })
    .await;
    let close = "connection: close\r\n";
    let answer = server.talk(&crate::support::request("", close)).await;
    assert!(answer.ends_with("ok"), "{answer}");
    drop(files.connect(&server, &[]).await);
    let answer = server.talk(&crate::support::request("", close)).await;
    assert!(answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn http2_is_agreed_on_when_a_client_offers_it() {
    let files = Files::new();
    let server = files.serve().await;
    let stream = files.connect(&server, &[b"http/1.1", b"h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = http2_client(stream).await;
    let request = Request::get("https://localhost/v2/")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_answer_of_any_length_comes_over_http2_without_waiting_for_another() {
    let files = Files::new();
    let server = files.serve().await;
    let stream = files.connect(&server, &[b"h2"]).await;
    let mut client = http2_client(stream).await;
    let around = [8 << 10, 16 << 10, 48 << 10, 64 << 10, 1 << 20];
    for length in around
        .map(|length| [length - 1, length, length + 1])
        .concat()
    {
        let request =
            Request::get("https://localhost/v2/").header("x-do", format!("bytes {length}"));
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let response = soon(client.send_request(request)).await.unwrap();
        let body = soon(response.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes().len(), length);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let mut files = Files::new();
    let server = files.serve().await;
    assert_eq!(files.shown(&server).await, 0);
    files.renew();
    files.until_newest_is_shown(&server, 0).await;

    // Neither a file that is no key nor the key of another certificate changes what is shown.
    fs::write(files.listen().key, "not a key").unwrap();
    assert_eq!(files.shown(&server).await, 1);
    let other = Files::new();
    fs::copy(other.listen().key, files.listen().key).unwrap();
    assert_eq!(files.shown(&server).await, 1);
    files.renew();
    files.until_newest_is_shown(&server, 1).await;
}

#[tokio::test]
async fn plain_text_on_the_tls_port_is_told_so() {
    let files = Files::new();
    let server = files.serve().await;
    let mut socket = TcpStream::connect(server.tls.unwrap()).await.unwrap();
    socket
        .write_all(b"GET /v2/ HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let answer = crate::support::read_to_close(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("speaks TLS"), "{answer}");
}

#[tokio::test]
async fn a_bad_head_over_tls_is_refused_in_the_form_of_the_specification() {
    let files = Files::new();
    let server = files.serve().await;
    let mut stream = files.connect(&server, &[]).await;
    let good = crate::support::request("", "");
    let requests = format!("{good}nonsense\r\n\r\n");
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    soon(stream.read_to_string(&mut answers)).await.unwrap();
    let (good, bad) = answers.split_once("ok").unwrap();
    assert!(good.starts_with("HTTP/1.1 200 "), "{good}");
    assert!(bad.starts_with("HTTP/1.1 400 "), "{bad}");
    assert!(
        bad.contains("x-request-id: ") && bad.contains("{\"errors\":[{"),
        "{bad}"
    );
}

#[tokio::test]
async fn a_server_without_a_usable_certificate_does_not_start() {
    let files = Files::new();
    let server = files.serve().await;
    let other = Files::new();
    let mut listen = files.listen();
    listen.key = other.listen().key;
    let mut config = Config::default();
    config.listen.plain = None;
    config.listen.tls = Some(listen);
    let registry = Registry::with_handler(
        Arc::new(config),
        Arc::clone(&server.metrics),
        server.obedient.clone(),
    );
    let error = Server::bind(registry).await.unwrap_err();
    assert!(matches!(error, BindError::Certificate(_)), "{error}");
    assert!(error.to_string().contains("does not fit"), "{error}");
}
