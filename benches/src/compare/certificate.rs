//! The throw-away certificate of one run, with which every server is started over TLS.
//!
//! 1. It names `127.0.0.1` and `localhost` alone, and its key is in a folder that only this user may enter.
//! 2. Both files are deleted when it is dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use crate::transport::{Protocol, Transport};

/// A self-signed certificate and its key, as PEM files.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
    pem: String,
}

// === impl Certificate ===

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no randomness, or the files cannot be written.
    pub fn make() -> Result<Self> {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names).context("cannot make a certificate")?;
        let folder = tempfile::Builder::new()
            .prefix("floundr-bench-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .context("cannot make a folder for the certificate")?;
        let made = Self {
            folder,
            pem: cert.pem(),
        };
        fs::write(made.path(), &made.pem).context("cannot write the certificate")?;
        fs::write(made.key_path(), signing_key.serialize_pem())
            .context("cannot write the key of the certificate")?;
        Ok(made)
    }

    /// Where the certificate is.
    pub fn path(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    /// Where its key is.
    pub fn key_path(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// `protocol` with a client that trusts this certificate alone.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn transport(&self, protocol: Protocol) -> Result<Transport> {
        Transport::new(protocol, self.pem.as_bytes())
    }

    fn file(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_private_and_gone_with_the_certificate() {
        let certificate = Certificate::make().unwrap();
        let (path, key) = (certificate.path(), certificate.key_path());
        assert!(
            fs::read_to_string(&key)
                .unwrap()
                .contains("BEGIN PRIVATE KEY")
        );
        let folder = path.parent().unwrap().to_owned();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let trusted = fs::read(&path).unwrap();
        assert!(Transport::new(Protocol::Tls, &trusted).is_ok());
        drop(certificate);
        assert!(!folder.exists());
    }
}
