//! What carries requests: a plain socket, or TLS with HTTP/1.1 or HTTP/2 inside.
//!
//! 1. Every server is met with the same cipher suite, TLS 1.3 with AES-128-GCM: a server that speaks another one
//!    alone is an error, because its figures would be of another cipher.
//! 2. The protocol asked for is spoken or refused; nothing falls back to another one.
//! 3. The given certificates are trusted and no others, not even the system's.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::{Endpoint, Scheme};
use crate::socket;

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// The protocols a load can run over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 without encryption.
    #[default]
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

/// A protocol, and whom to trust.
#[derive(Debug, Clone, Default)]
pub enum Transport {
    /// HTTP/1.1 without encryption.
    #[default]
    Plain,
    /// HTTP/1.1 over TLS.
    Tls(Arc<ClientConfig>),
    /// HTTP/2 over TLS.
    Http2(Arc<ClientConfig>),
}

/// Boxed, because a session is a kilobyte and moves a few times.
type Encrypted = Box<TlsStream<TcpStream>>;

/// A socket that is ready for the first request.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Encrypted),
    Http2(Encrypted),
}

// === impl Transport ===

impl Transport {
    /// `protocol`, trusting the certificates in `trusted` (PEM) when it is encrypted.
    ///
    /// # Errors
    /// When there is none, or one is malformed.
    pub fn new(protocol: Protocol, trusted: &[u8]) -> Result<Self> {
        Ok(match protocol {
            Protocol::Plain => Self::Plain,
            Protocol::Tls => Self::Tls(config(trusted, &[HTTP1])?),
            // A client that can do both offers both, so a server that cannot do HTTP/2 says what it does instead.
            Protocol::Http2 => Self::Http2(config(trusted, &[HTTP2, HTTP1])?),
        })
    }

    /// Connects to `endpoint`.
    ///
    /// # Errors
    /// When the endpoint's scheme is not the one of this transport, nothing accepts the connection, or the server
    /// is not trusted or negotiates another suite or protocol.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub(crate) async fn connect(&self, endpoint: &Endpoint) -> Result<Stream> {
        match (self, endpoint.scheme()) {
            (Self::Plain, Scheme::Https) => {
                bail!("{endpoint} needs TLS, and no certificate to trust is given")
            }
            (Self::Tls(_) | Self::Http2(_), Scheme::Http) => {
                bail!("{endpoint} is plain HTTP/1.1: TLS and HTTP/2 need an https:// address")
            }
            _ => (),
        }
        let socket = socket::connect(endpoint.authority())
            .await
            .with_context(|| format!("cannot connect to {}", endpoint.authority()))?;
        match self {
            Self::Plain => Ok(Stream::Plain(socket)),
            Self::Tls(config) => {
                let stream = encrypt(config, endpoint, socket).await?;
                Ok(Stream::Tls(stream))
            }
            Self::Http2(config) => {
                let stream = encrypt(config, endpoint, socket).await?;
                let chosen = stream.get_ref().1.alpn_protocol();
                ensure!(
                    chosen == Some(HTTP2),
                    "{endpoint} does not negotiate HTTP/2 but {}",
                    chosen.map_or("nothing".into(), String::from_utf8_lossy)
                );
                Ok(Stream::Http2(stream))
            }
        }
    }
}

async fn encrypt(
    config: &Arc<ClientConfig>,
    endpoint: &Endpoint,
    socket: TcpStream,
) -> Result<Encrypted> {
    let name = ServerName::try_from(endpoint.host().to_owned())
        .with_context(|| format!("{:?} is no name for a certificate", endpoint.host()))?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name, socket);
    let stream = Box::pin(handshake)
        .await
        .with_context(|| format!("cannot set up TLS with {endpoint}"))?;
    Ok(Box::new(stream))
}

fn config(trusted: &[u8], protocols: &[&[u8]]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted) {
        let certificate = certificate.context("malformed certificate")?;
        roots.add(certificate).context("unusable certificate")?;
    }
    ensure!(!roots.is_empty(), "no certificate to trust");
    let provider = CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..ring::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("cannot set up TLS 1.3")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_needs_a_certificate_to_trust_and_plain_text_none() {
        for protocol in [Protocol::Tls, Protocol::Http2] {
            for trusted in [
                "",
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            ] {
                assert!(Transport::new(protocol, trusted.as_bytes()).is_err());
            }
        }
        assert!(Transport::new(Protocol::Plain, b"").is_ok());
    }

    #[tokio::test]
    async fn an_address_of_another_scheme_is_refused_before_connecting() {
        let https: Endpoint = "https://127.0.0.1:1".parse().unwrap();
        let error = Transport::Plain.connect(&https).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "https://127.0.0.1:1 needs TLS, and no certificate to trust is given"
        );
    }
}
