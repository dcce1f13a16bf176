//! Decides to which addresses a notification or a gate's request may go. It resolves each name, checks the addresses,
//! and hands exactly these to the connection, so that no second lookup can lead elsewhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The variables that name proxies, in lower case; upper case counts too.
const PROXIES: [&str; 3] = ["https_proxy", "all_proxy", "http_proxy"];

/// The hosts of the proxies that the environment names.
pub(in crate::cloud) fn proxies(environment: &BTreeMap<String, String>) -> Arc<Vec<String>> {
    let named = environment.iter().filter(|(name, _)| PROXIES.contains(&name.to_ascii_lowercase().as_str()));
    let hosts = named.filter_map(|(_, proxy)| {
        let url = Url::parse(proxy).ok().filter(Url::has_host);
        url.or_else(|| Url::parse(&format!("http://{proxy}")).ok())?.host_str().map(str::to_owned)
    });
    Arc::new(hosts.collect())
}

/// How far it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cloud) enum Reach {
    /// To public addresses.
    Public,
    /// To public and private ones.
    Any,
    /// To private ones alone: what is sent is not encrypted.
    Private,
}

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// Loopback, or private as RFC 1918, RFC 6598 and RFC 4193 have it.
    Private,
    /// No endpoint of anybody's: link-local, cloud metadata, multicast, documentation, reserved.
    Never,
}

impl Reach {
    /// Whether `address` is within reach.
    pub(in crate::cloud) fn allows(self, address: IpAddr) -> bool {
        matches!(
            (kind(address), self),
            (Kind::Public, Reach::Public | Reach::Any) | (Kind::Private, Reach::Any | Reach::Private)
        )
    }
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// By the IANA IPv4 Special-Purpose Address Registry.
fn kind_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [127 | 10, ..] | [192, 168, ..] => Kind::Private,
        [172, b, ..] if b & 0xF0 == 16 => Kind::Private,
        [100, b, ..] if b & 0xC0 == 64 => Kind::Private,
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Never,
        _ => Kind::Public,
    }
}

/// By the IANA IPv6 Special-Purpose Address Registry: global unicast is 2000::/3.
fn kind_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        kind_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        // An IPv4 address in another dress: mapped, translated (RFC 6052), 6to4.
        [0, 0, 0, 0, 0, 0xFFFF, a, b] | [0x64, 0xFF9B, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => low(a, b),
        // Where EC2 serves instance metadata by IPv6.
        [0xFD00, 0xEC2, ..] => Kind::Never,
        [a, ..] if a & 0xFE00 == 0xFC00 => Kind::Private,
        // Teredo and other protocol assignments, documentation.
        [0x2001, 0..=0x1FF | 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Kind::Never,
        [a, ..] if a & 0xE000 == 0x2000 => Kind::Public,
        _ => Kind::Never,
    }
}

/// Whether a URL that names an address names one within reach; a name is checked when it is resolved.
///
/// # Errors
/// In words.
pub(in crate::cloud) fn check_literal(url: &Url, reach: Reach) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if !reach.allows(address) => Err(refused(reach)),
        _ => Ok(()),
    }
}

fn refused(reach: Reach) -> String {
    match reach {
        Reach::Public => "the host has a private or reserved address; `allow_private` allows a private one",
        Reach::Any => "the host has a reserved address",
        Reach::Private => "plain http goes to private addresses only",
    }
    .to_owned()
}

/// Resolves names to addresses within reach.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Guarded {
    pub(in crate::cloud) reach: Reach,
    /// Hosts that are not checked: the proxies that this machine's owner has set.
    pub(in crate::cloud) proxies: Arc<Vec<String>>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let Guarded { reach, proxies } = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let is_proxy = proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(&host));
            // One address out of reach among them, and none is used: the name's owner plays games.
            if !is_proxy && found.iter().any(|address| !reach.allows(address.ip())) {
                return Err(refused(reach).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_is_of_its_kind() {
        let check = |addresses: &[&str], kind| {
            for address in addresses {
                assert_eq!(super::kind(address.parse().unwrap()), kind, "{address}");
            }
        };
        let private = ["127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"];
        check(&private, Kind::Private);
        check(&["100.64.0.1", "100.127.9.9", "::1", "fc00::1", "fdff::1", "::ffff:10.0.0.1"], Kind::Private);
        check(&["64:ff9b::7f00:1", "2002:7f00:1::", "2002:c0a8:1::1"], Kind::Private);
        let never = ["0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1"];
        check(&never, Kind::Never);
        check(&["198.18.0.1", "198.51.100.1", "203.0.113.9", "192.0.0.8", "192.88.99.1", "0.1.2.3"], Kind::Never);
        check(
            &["::", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254", "2001:db8::1", "2001::1", "100::1"],
            Kind::Never,
        );
        check(
            &["::ffff:169.254.169.254", "::7f00:1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "4000::1"],
            Kind::Never,
        );
        check(&["8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1", "192.0.1.1", "11.0.0.1"], Kind::Public);
        check(&["2606:4700::1111", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:4860::8888"], Kind::Public);
    }

    #[test]
    fn proxies_are_known_by_their_hosts() {
        let environment = [("HTTPS_PROXY", "http://user:pw@proxy.corp:3128"), ("all_proxy", "10.0.0.9:80"), ("A", "b")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(*proxies(&environment), ["proxy.corp", "10.0.0.9"]);
    }

    #[test]
    fn reach_is_by_kind() {
        let allows = |reach: Reach| ["8.8.8.8", "10.0.0.1", "169.254.1.1"].map(|ip| reach.allows(ip.parse().unwrap()));
        assert_eq!(allows(Reach::Public), [true, false, false]);
        assert_eq!(allows(Reach::Any), [true, true, false]);
        assert_eq!(allows(Reach::Private), [false, true, false]);
    }

    #[test]
    fn an_address_in_the_url_is_checked_however_it_is_written() {
        for host in ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0177.0.0.1"] {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert!(check_literal(&url, Reach::Public).is_err(), "{host}");
            assert!(check_literal(&url, Reach::Any).is_ok(), "{host}");
        }
        let metadata = Url::parse("http://169.254.169.254/latest").unwrap();
        assert!(check_literal(&metadata, Reach::Any).is_err());
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        let resolve = async |reach, proxies: &[&str]| {
            let proxies = Arc::new(proxies.iter().map(ToString::to_string).collect());
            Guarded { reach, proxies }.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        assert!(resolve(Reach::Public, &[]).await.is_err());
        assert!(resolve(Reach::Any, &[]).await.is_ok_and(|count| count > 0));
        assert!(resolve(Reach::Public, &["LOCALHOST"]).await.is_ok());
    }
}
