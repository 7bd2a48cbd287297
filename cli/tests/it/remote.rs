//! Commands that ask a server elsewhere: `--url`, `--key`, `--ca-file`, `floundr.yml`.

use crate::elsewhere::Elsewhere;
use crate::support::{Home, Ran};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::TcpListener;
use std::sync::Arc;

const KEY: &str = concat!(
    "flr_0123456789abcdef_",
    "00000000000000000000000000000000000000000000000000000000000feed5"
);

/// An authority, and a certificate for `localhost` from it.
struct Certificates {
    authority: String,
    config: Arc<ServerConfig>,
}

// === impl Certificates ===

impl Certificates {
    fn new() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        Self {
            authority: certificate.pem(),
            config: Arc::new(config),
        }
    }
}

const CREATED: &[(u16, &str)] = &[(201, r#"{"name":"a","created":true}"#)];

fn new_repo(home: &Home, url: &str, more: &[&str]) -> Ran {
    home.run(&[&["new-repo", "a", "--url", url], more].concat())
}

#[test]
fn the_server_is_asked_with_the_key_and_below_its_path() {
    let home = Home::new();
    let server = Elsewhere::new(CREATED);
    let url = format!("127.0.0.1:{}/registry/", server.port);
    let ran = new_repo(&home, &url, &["--key", KEY]);
    assert_eq!(ran.stdout, "created repository a\n", "{}", ran.stderr);
    let asked = server.asked().remove(0);
    assert!(
        asked.starts_with("POST /registry/api/v1/repositories HTTP/1.1\r\n"),
        "{asked}"
    );
    // token:flr_...
    assert!(
        asked.contains("\r\nauthorization: Basic dG9rZW46Zmxy"),
        "{asked}"
    );
    assert!(asked.contains("\r\nhost: 127.0.0.1:"), "{asked}");
    assert!(
        !home.path().join("storage").exists(),
        "nothing is opened here"
    );
}

#[test]
fn a_listing_goes_on_until_its_end() {
    let home = Home::new();
    let server = Elsewhere::new(&[
        (200, r#"{"items":[{"repository":"a"}],"next":"a/b&c"}"#),
        (200, r#"{"items":[{"repository":"d"}],"next":null}"#),
    ]);
    let url = format!("http://localhost:{}", server.port);
    let ran = home.run(&["undelete", "--json", "--url", &url]);
    assert_eq!(ran.json()["items"].as_array().unwrap().len(), 2);
    let asked = server.asked().remove(1);
    assert!(asked.contains("/deleted?n=500&last=a%2Fb%26c "), "{asked}");
}

#[test]
fn https_is_trusted_by_its_authority_alone() {
    let home = Home::new();
    let certificates = Certificates::new();
    let file = home.write("ca.pem", &certificates.authority);
    let file = file.to_str().unwrap();
    let server = Elsewhere::with(Some(Arc::clone(&certificates.config)), CREATED);
    let url = format!("https://localhost:{}", server.port);
    let ran = new_repo(&home, &url, &["--ca-file", file, "--key", "me:swordfish"]);
    assert_eq!(ran.stdout, "created repository a\n", "{}", ran.stderr);
    let asked = server.asked().remove(0);
    assert!(
        asked.contains("authorization: Basic bWU6c3dvcmRmaXNo"),
        "{asked}"
    );

    let other = Certificates::new();
    let other = home.write("other.pem", &other.authority);
    let server = Elsewhere::with(Some(certificates.config), CREATED);
    let url = format!("https://localhost:{}", server.port);
    let arguments = [
        "--ca-file",
        other.to_str().unwrap(),
        "--key",
        "me:swordfish",
    ];
    let ran = new_repo(&home, &url, &arguments);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--ca-file"), "{}", ran.stderr);
    assert_eq!(server.asked().remove(0), "", "nothing was asked of it");
}

#[test]
fn what_is_no_authority_is_named() {
    let home = Home::new();
    home.write("empty.pem", "nothing\n");
    for file in ["empty.pem", "none.pem"] {
        let ran = new_repo(&home, "https://localhost:1", &["--ca-file", file]);
        assert_eq!(ran.code, Some(1));
        let expected = format!("cannot use ca_file {file}");
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    }
}

#[test]
fn a_refusal_says_who_was_refused_and_what_to_do() {
    const UNKNOWN: &[(u16, &str)] = &[(401, r#"{"detail":"credentials are missing or wrong"}"#)];
    const DENIED: &[(u16, &str)] = &[(403, r#"{"detail":"only administrators may"}"#)];
    let home = Home::new();
    for (answers, key, expected) in [
        (
            UNKNOWN,
            None,
            "wants to know who asks: give an API key or USER:PASSWORD with FLOUNDR_KEY",
        ),
        (
            UNKNOWN,
            Some("me:swordfish"),
            "does not accept user me: it may be misspelt",
        ),
        (UNKNOWN, Some(KEY), "does not accept key 0123456789abcdef: "),
        (
            DENIED,
            Some("me:swordfish"),
            "user me may not do this: an administrator can",
        ),
    ] {
        let server = Elsewhere::new(answers);
        let url = format!("http://localhost:{}", server.port);
        let variables = key.map(|key| ("FLOUNDR_KEY", key));
        let variables: Vec<_> = variables.into_iter().collect();
        let ran = home.run_with(&["new-repo", "a", "--url", &url], &variables);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        let words = answers[0].1.split('"').nth(3).unwrap();
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(!ran.stderr.contains("swordfish") && !ran.stderr.contains("feed5"));
        server.asked();
    }
}

#[test]
fn the_profile_has_the_credentials_of_its_own_server_alone() {
    let home = Home::new();
    for (fields, expected) in [
        (
            "email: me\npassword: swordfish\n",
            "Basic bWU6c3dvcmRmaXNo\r\n",
        ),
        (
            &*format!("email: me\npassword: x\nsecret: {KEY}\n"),
            "Basic dG9rZW46Zmxy",
        ),
    ] {
        let server = Elsewhere::new(CREATED);
        let port = server.port;
        home.write("floundr.yml", &format!("url: localhost:{port}\n{fields}"));
        let ran = new_repo(&home, &format!("http://localhost:{port}/"), &[]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let asked = server.asked().remove(0);
        assert!(asked.contains(expected), "{asked}");
    }
    let other = Elsewhere::new(CREATED);
    let ran = new_repo(&home, &format!("http://localhost:{}", other.port), &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let asked = other.asked().remove(0);
    assert!(!asked.contains("authorization"), "{asked}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let home = Home::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = new_repo(&home, &format!("http://{free}"), &[]);
    assert_eq!(ran.code, Some(1));
    let expected = format!("cannot reach http://{free}: ");
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    let ran = new_repo(&home, &format!("http://{free}"), &["--key", "swordfish"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("neither an API key"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("swordfish"), "{}", ran.stderr);
}
