//! TLS: the certificate that is shown, replaced while the server runs when its files change.
//!
//! Invariants:
//! 1. What is shown is always a certificate with its own key: a new pair that cannot be read or
//!    does not belong together changes nothing but the log.
//! 2. One cryptography provider, ring.
//! 3. HTTP/2 is offered before HTTP/1.1.

use crate::config::TlsListen;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// The protocols offered, the best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate and where it came from.
#[derive(Debug)]
pub(crate) struct Certificate {
    listen: TlsListen,
    shown: Arc<Shown>,
    stamps: Option<Stamps>,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is not there, cannot be read, or is not PEM of the expected kind.
    #[error("cannot read {}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// The file with the certificate holds none.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// The key is of a kind that cannot be used, or is not the certificate's.
    #[error("the key in {} does not fit the certificate in {}: {source}", key.display(), certificate.display())]
    Unfit {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What does not fit.
        source: rustls::Error,
    },
}

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

/// When both files last changed and how long they are.
type Stamps = [(SystemTime, u64); 2];

// === impl Certificate ===

impl Certificate {
    /// Reads the pair. Blocks for two small files: call it where that is allowed.
    pub(crate) fn load(listen: TlsListen) -> Result<Self, CertificateError> {
        // The stamps first: a change in between is seen as one later, and read again.
        let stamps = stamps(&listen).ok();
        let certified = read(&listen)?;
        Ok(Self {
            shown: Arc::new(Shown(ArcSwap::from_pointee(certified))),
            listen,
            stamps,
        })
    }

    /// What a listener needs to show this certificate, whatever it becomes later.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let shown: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&self.shown);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    /// Looks at the files again and again, and shows what they hold when they have changed. Never
    /// returns.
    ///
    /// # Cancel safety
    /// Cancel safe: what is shown stays.
    pub(crate) async fn follow(mut self) {
        let mut ticks = interval(self.listen.reload_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (listen, known) = (self.listen.clone(), self.stamps);
            match spawn_blocking(move || changed(&listen, known)).await {
                Ok(Some((stamps, read))) => self.replace(stamps, read),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "looking at the certificate failed"),
            }
        }
    }

    fn replace(&mut self, stamps: Stamps, read: Result<CertifiedKey, CertificateError>) {
        // Also after a failure: it is reported once for each change of the files.
        self.stamps = Some(stamps);
        let path = self.listen.certificate.display();
        match read {
            Ok(certified) => {
                self.shown.0.store(Arc::new(certified));
                tracing::info!(%path, "the certificate was replaced");
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used; the old one stays");
            }
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The pair as it is now, if the files are not as they were. Files that are missing for a moment,
/// as while they are being replaced, are looked at again later.
fn changed(
    listen: &TlsListen,
    known: Option<Stamps>,
) -> Option<(Stamps, Result<CertifiedKey, CertificateError>)> {
    let stamps = stamps(listen).ok()?;
    (known != Some(stamps)).then(|| (stamps, read(listen)))
}

fn stamps(listen: &TlsListen) -> io::Result<Stamps> {
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path)?;
        Ok::<_, io::Error>((metadata.modified()?, metadata.len()))
    };
    Ok([stamp(&listen.certificate)?, stamp(&listen.key)?])
}

fn read(listen: &TlsListen) -> Result<CertifiedKey, CertificateError> {
    let TlsListen {
        certificate, key, ..
    } = listen;
    let unreadable = |path: &Path, source| CertificateError::Pem {
        path: path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(certificate, source))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(certificate.clone()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable(key, source))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|source| {
        CertificateError::Unfit {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        }
    })
}
