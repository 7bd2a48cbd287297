//! [`Config`]: everything the frontend can be told, as plain values; every default with its reason.
//!
//! Invariants:
//! 1. Nothing here reads the environment, a file or an argument: the program that embeds the
//!    frontend does, and [`Config::validate`] judges the result once.
//! 2. Every limit is a bound on what one client can make this process hold or wait for.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How the registry listens and what it accepts. Make one with `Config::default()` and change the
/// fields that matter.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// How much one client may send or hold.
    pub limits: Limits,
    /// How long anything may stand still.
    pub timeouts: Timeouts,
    /// An image manifest that names blobs its repository does not have. Refused by default: such
    /// an image cannot be pulled.
    pub missing_blobs: Missing,
    /// An index that names manifests its repository does not have. Accepted by default: clients
    /// push sparse indexes, and indexes before the images of some platforms.
    pub missing_children: Missing,
    /// The `OCI-Chunk-Min-Length` that an upload's first answer announces, in bytes. None by
    /// default: a chunk of any size costs the same here.
    pub chunk_min_length: Option<u64>,
}

/// The addresses the registry listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Plain HTTP/1.1 and HTTP/2 with prior knowledge. Loopback by default: nobody else can reach
    /// a server that was not configured to be reached.
    pub plain: Option<SocketAddr>,
    /// The same over TLS. None by default: there is no certificate to make one up from.
    pub tls: Option<TlsListen>,
    /// Connections that wait to be accepted, in the kernel. 1024: a burst of pulls from a cluster
    /// that restarts.
    pub backlog: u32,
}

/// An address with the certificate that is shown there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListen {
    /// The address.
    pub address: SocketAddr,
    /// PEM file: the certificate and the chain up to a root.
    pub certificate: PathBuf,
    /// PEM file: the certificate's private key.
    pub key: PathBuf,
    /// How often the files are looked at for a change, two seconds by default: it costs two `stat`
    /// calls, and nobody waits for a renewed certificate to be shown.
    pub reload_interval: Duration,
}

/// How much one client may send or hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head. 64 KiB: long tokens and cookies of proxies fit; an HTTP/1.1
    /// request above it is answered with 431.
    pub header_bytes: usize,
    /// Header lines of an HTTP/1.1 request. 100: no client sends 30, and up to here they are
    /// parsed without an allocation.
    pub header_count: usize,
    /// Connections at once; more wait in the kernel's backlog. 8192: each costs about 10 KiB while
    /// it is idle.
    pub connections: usize,
    /// Bytes of a manifest. 4 MiB: what the specification asks a registry to accept at least.
    pub manifest_bytes: u64,
    /// Entries of a page when the client names no number. 1000: 100 KB of JSON.
    pub page_default: usize,
    /// Entries of a page, whatever the client asks for. 10,000: 1 MB of JSON.
    pub page_max: usize,
    /// Bytes read from an HTTP/1.1 connection at once. 2 MiB: a lone upload is a quarter faster than
    /// with 256 KiB, since its client and its threads wake one another less often.
    pub read_buffer: usize,
    /// Bytes that all requests in flight may read at once, at most: one alone all of them, of two each a
    /// quarter, of three each a ninth, but at least 64 KiB. Four open connections count as one. 4 MiB: of
    /// four uploads each reads 256 KiB.
    pub read_total: usize,
    /// Bytes in flight of one HTTP/2 request body. 1 MiB: 800 Mbit/s over 10 ms are still filled. A
    /// connection that is opened while there are more than 16 has less as long as it lives, down to
    /// 256 KiB from 64 on (100 Mbit/s over 20 ms): 64 uploads over connections of their own hold 39 MiB
    /// at worst.
    pub stream_window: u32,
    /// Bytes in flight of all request bodies of one HTTP/2 connection. 8 MiB: eight layers at
    /// full speed, more of them share. It shrinks in the same way, down to 256 KiB from 512 connections on.
    pub connection_window: u32,
    /// HTTP/2 requests at once on a connection. 100: what the protocol recommends at least.
    pub concurrent_streams: u32,
    /// Bytes of a request body that are still read, and thrown away, after the answer was decided
    /// without them, so that the client gets to read the answer. 8 MiB: a manifest twice the limit.
    pub discard_bytes: u64,
}

/// How long anything may stand still. Each is about inactivity; none limits a transfer as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to its first byte. 30 s: clients connect when they have a request.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head; also a TLS handshake. 30 s: a
    /// head is a packet or two.
    pub headers: Duration,
    /// Between two pieces of a request body. 60 s: the lost packets of a bad line are resent, and
    /// proxies in front give up after as long.
    pub body: Duration,
    /// While a client does not take what is sent to it. 60 s, as `body`.
    pub write: Duration,
    /// Between two requests of a connection. 90 s: as long as Go clients keep theirs, so that
    /// they close it and never write into a connection that is being closed.
    pub idle: Duration,
    /// From the stop signal until requests in flight are cut. 30 s: what supervisors grant before
    /// they kill.
    pub drain: Duration,
    /// For the rest of a request body that nobody needs, see [`Limits::discard_bytes`]. 2 s.
    pub discard: Duration,
}

/// What becomes of a manifest that names content its repository does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is stored.
    Accept,
    /// It is refused with `MANIFEST_BLOB_UNKNOWN`.
    Refuse,
}

/// A value of the configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no address at all.
    #[error("neither a plain nor a tls address to listen on")]
    NoListener,
    /// A number is outside of what works.
    #[error("{name} is {value}, not within {least} to {most}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
    /// A page may by default be longer than at most.
    #[error("page_default is {page_default}, more than page_max, which is {page_max}")]
    PageDefault {
        /// The default.
        page_default: usize,
        /// The maximum.
        page_max: usize,
    },
    /// A timeout of nothing would refuse everything.
    #[error("timeout {0} is zero")]
    ZeroTimeout(&'static str),
}

// === impl Config ===

impl Config {
    /// Whether these values can be used together.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.plain.is_none() && self.listen.tls.is_none() {
            return Err(ConfigError::NoListener);
        }
        self.limits.validate()?;
        self.timeouts.validate()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            missing_blobs: Missing::Refuse,
            missing_children: Missing::Accept,
            chunk_min_length: None,
        }
    }
}

// === impl Listen ===

impl Default for Listen {
    fn default() -> Self {
        Self {
            plain: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            tls: None,
            backlog: 1024,
        }
    }
}

// === impl TlsListen ===

impl TlsListen {
    /// An address, its certificate's file and its key's file.
    pub fn new(
        address: SocketAddr,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            address,
            certificate: certificate.into(),
            key: key.into(),
            reload_interval: Duration::from_secs(2),
        }
    }
}

// === impl Limits ===

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        const MIB: u64 = 1024 * 1024;
        let windows = 64 * 1024..=(1 << 31) - 1;
        for (name, value, range) in [
            ("header_bytes", self.header_bytes as u64, 4096..=MIB),
            ("header_count", self.header_count as u64, 16..=10_000),
            ("connections", self.connections as u64, 1..=1 << 20),
            ("manifest_bytes", self.manifest_bytes, 1024..=1024 * MIB),
            ("page_max", self.page_max as u64, 1..=1_000_000),
            ("page_default", self.page_default as u64, 1..=1_000_000),
            ("read_buffer", self.read_buffer as u64, 8192..=64 * MIB),
            ("read_total", self.read_total as u64, 8192..=u64::MAX),
            ("stream_window", self.stream_window.into(), windows.clone()),
            ("connection_window", self.connection_window.into(), windows),
            (
                "concurrent_streams",
                self.concurrent_streams.into(),
                1..=10_000,
            ),
        ] {
            if !range.contains(&value) {
                let (least, most) = range.into_inner();
                return Err(ConfigError::OutOfRange {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        if self.page_default > self.page_max {
            let Self {
                page_default,
                page_max,
                ..
            } = *self;
            return Err(ConfigError::PageDefault {
                page_default,
                page_max,
            });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            header_count: 100,
            connections: 8192,
            manifest_bytes: 4 * 1024 * 1024,
            page_default: 1000,
            page_max: 10_000,
            read_buffer: 2 * 1024 * 1024,
            read_total: 4 * 1024 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 8 * 1024 * 1024,
            concurrent_streams: 100,
            discard_bytes: 8 * 1024 * 1024,
        }
    }
}

// === impl Timeouts ===

impl Timeouts {
    /// `drain` and `discard` may be zero: then nothing is waited for.
    fn validate(&self) -> Result<(), ConfigError> {
        let zero = [
            ("first_byte", self.first_byte),
            ("headers", self.headers),
            ("body", self.body),
            ("write", self.write),
            ("idle", self.idle),
        ]
        .into_iter()
        .find(|(_, timeout)| timeout.is_zero());
        zero.map_or(Ok(()), |(name, _)| Err(ConfigError::ZeroTimeout(name)))
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            headers: Duration::from_secs(30),
            body: Duration::from_mins(1),
            write: Duration::from_mins(1),
            idle: Duration::from_secs(90),
            drain: Duration::from_secs(30),
            discard: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn refusals_name_the_field_and_the_two_values() {
        assert_eq!(
            refused(|config| config.listen.plain = None),
            "neither a plain nor a tls address to listen on"
        );
        assert_eq!(
            refused(|config| config.limits.read_buffer = 1),
            "read_buffer is 1, not within 8192 to 67108864"
        );
        assert_eq!(
            refused(|config| config.limits.page_max = 10),
            "page_default is 1000, more than page_max, which is 10"
        );
        assert_eq!(
            refused(|config| config.timeouts.idle = Duration::ZERO),
            "timeout idle is zero"
        );
    }
}
