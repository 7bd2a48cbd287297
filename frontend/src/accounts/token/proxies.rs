//! [`TrustedProxies`]: whose `X-Forwarded-*` and `Forwarded` are believed. Nobody's, unless the
//! operator says so.

use super::forwarded::Saying;
use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The networks of the proxies in front of this server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an ip address nor a network such as 10.0.0.0/8")]
pub struct ParseProxyError(String);

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Whether a connection from this address is one of a proxy. An IPv4 address counts as itself
    /// also where the system shows it as an IPv6 one.
    pub fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The address of the client of a connection from `peer`: what the last proxy says, as long as
    /// who says it is trusted. What a client itself wrote before it is not believed,
    /// provided that the proxy adds to `X-Forwarded-For` or takes away what was sent: where both that
    /// and `Forwarded` are there, `Forwarded` is not read.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contain(client) {
            return client;
        }
        for said in Saying::Client.all(headers).into_iter().rev() {
            let Some(before) = said.as_deref().and_then(address) else {
                break;
            };
            client = before;
            if !self.contain(client) {
                break;
            }
        }
        client
    }
}

/// Addresses and networks with commas or white space between them. The empty text trusts nobody.
impl FromStr for TrustedProxies {
    type Err = ParseProxyError;

    fn from_str(text: &str) -> Result<Self, ParseProxyError> {
        let words = text.split(|character: char| character == ',' || character.is_whitespace());
        let networks = words.filter(|word| !word.is_empty()).map(network);
        networks.collect::<Result<_, _>>().map(Self)
    }
}

/// An address as proxies write it: with a port or without, in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

fn network(text: &str) -> Result<IpNet, ParseProxyError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network = text.parse::<IpNet>();
    network.map_err(|_syntax| ParseProxyError(text.chars().take(100).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(proxies: &str, peer: &str) -> bool {
        let proxies: TrustedProxies = proxies.parse().unwrap();
        proxies.contain(peer.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_are_trusted_and_no_other() {
        let proxies = "10.0.0.0/8, 192.168.1.7\tfd00::/8,::1";
        for peer in [
            "10.255.0.1",
            "192.168.1.7",
            "fd12::1",
            "::1",
            "::ffff:10.1.1.1",
        ] {
            assert!(contains(proxies, peer), "{peer}");
        }
        for peer in [
            "11.0.0.1",
            "192.168.1.8",
            "fe80::1",
            "::2",
            "::ffff:11.0.0.1",
        ] {
            assert!(!contains(proxies, peer), "{peer}");
        }
        assert!(contains("::ffff:192.168.1.7", "192.168.1.7"));
    }

    #[test]
    fn nobody_is_trusted_unless_named() {
        for nobody in ["", " , "] {
            assert!(!contains(nobody, "127.0.0.1"));
            assert_eq!(nobody.parse(), Ok(TrustedProxies::default()));
        }
    }

    #[test]
    fn the_client_is_who_the_last_trusted_proxy_says() {
        let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        for (peer, header, said, client) in [
            ("9.9.9.9", "x-forwarded-for", "1.1.1.1", "9.9.9.9"),
            ("10.0.0.1", "x-forwarded-for", "1.1.1.1", "1.1.1.1"),
            (
                "::ffff:10.0.0.1",
                "x-forwarded-for",
                "::ffff:1.1.1.1",
                "1.1.1.1",
            ),
            (
                "10.0.0.1",
                "x-forwarded-for",
                "6.6.6.6, 1.1.1.1, 10.0.0.2",
                "1.1.1.1",
            ),
            (
                "10.0.0.1",
                "x-forwarded-for",
                "10.0.0.3, 10.0.0.2",
                "10.0.0.3",
            ),
            (
                "10.0.0.1",
                "x-forwarded-for",
                "1.1.1.1, unknown, 10.0.0.2",
                "10.0.0.2",
            ),
            ("10.0.0.1", "x-forwarded-for", "1.1.1.1:5000", "1.1.1.1"),
            (
                "10.0.0.1",
                "forwarded",
                r#"for="[2001:db8::1]:80""#,
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                "forwarded",
                r#"for="[2001:db8::1]";proto=http"#,
                "2001:db8::1",
            ),
            ("10.0.0.1", "forwarded", "for=_hidden", "10.0.0.1"),
            ("10.0.0.1", "x-other", "1.1.1.1", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header, said.parse().unwrap());
            let found = proxies.client(peer.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), client, "{peer} says {said}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["10.0.0.0/33", "localhost", "10.0.0", "*", "10.0.0.1:80"] {
            let error = format!("::1, {text}")
                .parse::<TrustedProxies>()
                .unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
