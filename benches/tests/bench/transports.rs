//! TLS and HTTP/2: what is spoken is what was asked for, or nothing. And servers of files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floundr_benches::compare::certificate::Certificate;
use floundr_benches::compare::file::Contender;
use floundr_benches::compare::limits::MACHINE;
use floundr_benches::compare::rows::rows;
use floundr_benches::compare::{Options, compare};
use floundr_benches::content::{Algorithm, Source};
use floundr_benches::load::Target;
use floundr_benches::load::manifest_read::{self, ManifestRead, Verb};
use floundr_benches::load::pull::{self, Pull};
use floundr_benches::load::push::Push;
use floundr_benches::registry::{Mode, Repository};
use floundr_benches::transport::{Protocol, Transport};
use http::Version;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::fake::{Fake, Manner};

const SIZE: u64 = 9_000_001; // more than a stream's window
pub(crate) const BOTH: [&str; 2] = ["h2", "http/1.1"];

/// What a server offers besides its certificate.
pub(crate) struct Offer {
    suites: Vec<SupportedCipherSuite>,
    version: &'static SupportedProtocolVersion,
    protocols: &'static [&'static str],
}

// === impl Offer ===

impl Offer {
    pub(crate) fn of(protocols: &'static [&'static str]) -> Self {
        Self {
            suites: ring::ALL_CIPHER_SUITES.to_vec(),
            version: &rustls::version::TLS13,
            protocols,
        }
    }

    fn config(self, certificate: &Certificate) -> ServerConfig {
        let provider = CryptoProvider {
            cipher_suites: self.suites,
            ..ring::default_provider()
        };
        let chain = vec![CertificateDer::from_pem_file(certificate.path()).unwrap()];
        let key = PrivateKeyDer::from_pem_file(certificate.key_path()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = self
            .protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config
    }
}

pub(crate) fn target(url: &str, transport: Transport) -> Target {
    Target {
        endpoint: url.parse().unwrap(),
        transport,
        authorization: None,
        repository: "a/b".into(),
        static_root: None,
        pids: Vec::new(),
        limit: Duration::from_secs(30),
        moves: 0,
    }
}

pub(crate) async fn fake(manner: Manner, offer: Offer, protocol: Protocol) -> (Fake, Target) {
    let certificate = Certificate::make().unwrap();
    let fake = Fake::start_with(manner, Some(offer.config(&certificate)), None).await;
    let url = format!("https://{}", fake.address);
    let target = target(&url, certificate.transport(protocol).unwrap());
    (fake, target)
}

fn push(mode: Mode) -> Push {
    Push {
        size: SIZE,
        streams: 2,
        mode,
        algorithm: Algorithm::Sha256,
    }
}

/// Pulls a new blob three times at once.
async fn pull(target: &Target, source: &mut Source) {
    let load = Pull {
        size: SIZE,
        streams: 3,
    };
    let blob = pull::prepare(target, source, SIZE).await.unwrap();
    let outcome = load.run(target, &blob).await.unwrap();
    assert_eq!(outcome.tally.bytes, 3 * SIZE);
}

/// The error of connecting `target`.
async fn refusal(target: &Target) -> String {
    match Repository::connect(target).await {
        Ok(repository) => panic!("connected: {repository:?}"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn every_push_and_pull_runs_over_the_protocol_that_was_asked_for() {
    for (protocol, version) in [
        (Protocol::Tls, Version::HTTP_11),
        (Protocol::Http2, Version::HTTP_2),
    ] {
        let absolute = Manner {
            absolute: true,
            ..Manner::default()
        };
        let (fake, target) = fake(absolute, Offer::of(&BOTH), protocol).await;
        let mut source = Source::new().unwrap();
        for mode in [
            Mode::Monolithic,
            Mode::Streamed,
            Mode::Chunked(SIZE / 3 + 1),
        ] {
            let outcome = push(mode).run(&target, &mut source).await.unwrap();
            assert_eq!(outcome.tally.bytes, 2 * SIZE);
        }
        pull(&target, &mut source).await;
        let seen = fake.seen.lock().unwrap();
        assert_eq!((seen.stored.len(), seen.appends), (7, 8));
        assert!(seen.versions.iter().all(|seen| *seen == version));
    }
}

#[tokio::test]
async fn a_server_without_http2_is_refused_and_not_measured_with_another_protocol() {
    for (protocols, chosen) in [(&["http/1.1"][..], "http/1.1"), (&[], "nothing")] {
        let (fake, target) = fake(Manner::default(), Offer::of(protocols), Protocol::Http2).await;
        assert_eq!(
            refusal(&target).await,
            format!(
                "https://{} does not negotiate HTTP/2 but {chosen}",
                fake.address
            )
        );
    }
}

#[tokio::test]
async fn a_server_of_another_suite_or_version_is_refused() {
    let chacha = Offer {
        suites: vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..Offer::of(&BOTH)
    };
    let older = Offer {
        version: &rustls::version::TLS12,
        ..Offer::of(&BOTH)
    };
    for offer in [chacha, older] {
        let (fake, target) = fake(Manner::default(), offer, Protocol::Tls).await;
        let error = refusal(&target).await;
        let expected = format!("cannot set up TLS with https://{}: ", fake.address);
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn only_the_given_certificate_is_trusted() {
    let (_fake, mut target) = fake(Manner::default(), Offer::of(&BOTH), Protocol::Tls).await;
    let other = Certificate::make().unwrap();
    target.transport = other.transport(Protocol::Tls).unwrap();
    let error = refusal(&target).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn schemes_are_never_exchanged() {
    let certificate = Certificate::make().unwrap();
    let plain = Fake::start(Manner::default()).await;
    for protocol in [Protocol::Tls, Protocol::Http2] {
        let transport = certificate.transport(protocol).unwrap();
        let http = target(&format!("http://{}", plain.address), transport.clone());
        let error = refusal(&http).await;
        assert!(
            error.ends_with("TLS and HTTP/2 need an https:// address"),
            "{error}"
        );
        let https = target(&format!("https://{}", plain.address), transport);
        let error = refusal(&https).await;
        assert!(
            error.starts_with("cannot set up TLS with https://"),
            "{error}"
        );
    }
    assert!(plain.seen.lock().unwrap().versions.is_empty());
}

#[tokio::test]
async fn a_location_of_another_scheme_is_refused_by_name() {
    let manner = Manner {
        absolute: true,
        scheme: Some("http"),
        ..Manner::default()
    };
    for protocol in [Protocol::Tls, Protocol::Http2] {
        let (fake, target) = fake(manner, Offer::of(&BOTH), protocol).await;
        let mut source = Source::new().unwrap();
        let pushed = push(Mode::Monolithic).run(&target, &mut source).await;
        let error = format!("{:#}", pushed.unwrap_err());
        let expected = format!("location names http://{0}, not https://{0}", fake.address);
        assert!(error.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn http2_gives_the_windows_that_clients_in_go_give() {
    let certificate = Certificate::make().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(Offer::of(&BOTH).config(&certificate)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let target = target(&url, certificate.transport(Protocol::Http2).unwrap());
    let (first, frames) = tokio::join!(first_request(&target), async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(socket).await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        let mut frames = Vec::new();
        while frames.len() < 2 {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await.unwrap();
            frames.push((head[3], payload));
        }
        frames
    });
    assert!(first.is_err());
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let (settings, update) = (&frames[0], &frames[1]);
    assert_eq!((settings.0, update.0), (4, 8)); // SETTINGS, WINDOW_UPDATE
    let setting = |id: u16| {
        let mut settings = settings.1.chunks(6);
        let found = settings.find(|setting| setting[..2] == id.to_be_bytes());
        found.map(|setting| number(&setting[2..]))
    };
    assert_eq!(setting(4), Some(4 << 20)); // INITIAL_WINDOW_SIZE
    assert_eq!(setting(5).unwrap_or(16 << 10), 16 << 10); // MAX_FRAME_SIZE
    assert_eq!(number(&update.1) + 65_535, 1 << 30);
}

async fn first_request(target: &Target) -> anyhow::Result<()> {
    let mut repository = Repository::connect(target).await?;
    repository.manifest("none", |_| ()).await.map(drop)
}

#[tokio::test]
async fn what_a_server_of_files_is_read_for_is_placed_beneath_its_root() {
    let root = tempfile::tempdir().unwrap();
    let fake = Fake::start_with(Manner::default(), None, Some(root.path().to_owned())).await;
    let mut target = target(&format!("http://{}", fake.address), Transport::Plain);
    target.static_root = Some(root.path().to_owned());
    let mut source = Source::new().unwrap();
    pull(&target, &mut source).await;
    let get = ManifestRead {
        clients: 1,
        time: Duration::from_millis(10),
        verb: Verb::Get,
    };
    let manifest = manifest_read::prepare(&target, &mut source).await.unwrap();
    let placed = root.path().join("v2/a/b/manifests/bench");
    assert_eq!(std::fs::read(placed).unwrap(), manifest);
    assert!(get.run(&target, &manifest).await.unwrap().tally.operations > 0);
    assert!(fake.seen.lock().unwrap().stored.is_empty());
}

#[tokio::test]
async fn a_row_that_nobody_can_serve_is_a_dash_and_starts_nothing() {
    let contender = Contender {
        name: "a".into(),
        command: vec!["false".into()],
        ready: "http://127.0.0.1:{port}/".into(),
        ..Contender::default()
    };
    let options = Options {
        rounds: 1,
        dir: Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(),
        limit: Duration::from_secs(1),
        scale: 0.001,
    };
    let rows = rows(0.001, &["pull-1-h2".into()]).unwrap();
    let comparison = compare(vec![contender], rows, &options).await.unwrap();
    let mut measured = comparison.measurements.iter();
    assert!(measured.all(|one| one.registry == MACHINE));
    let table = comparison.markdown();
    let row = table.lines().find(|line| line.starts_with("| pull 1"));
    assert!(row.is_some_and(|row| row.ends_with(" - |")), "{table}");
    assert!(table.contains("cannot serve the row"), "{table}");
}
