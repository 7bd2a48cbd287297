//! [`TrustedProxies`]: whose `X-Forwarded-*` and `Forwarded` are believed. Nobody's, unless the
//! operator says so.

use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// The networks of the proxies in front of this server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

/// Neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an ip address nor a network such as 10.0.0.0/8")]
pub(crate) struct ParseProxyError(String);

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Whether a connection from this address is one of a proxy. An IPv4 address counts as itself
    /// also where the system shows it as an IPv6 one.
    pub(crate) fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
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
    fn what_is_no_address_is_named() {
        for text in ["10.0.0.0/33", "localhost", "10.0.0", "*", "10.0.0.1:80"] {
            let error = format!("::1, {text}")
                .parse::<TrustedProxies>()
                .unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
