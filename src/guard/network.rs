//! Classes of addresses: who counts as one sender, and how much the senders of a network may do.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::IpNet;

use crate::config::{Config, LimitsConfig, Rate};

/// How much more the /48 of an IPv6 address may do than one /64 of it.
const SITE_TIMES: u32 = 16;

/// One sender, as far as an address tells: an IPv4 address, or the /64 of an IPv6 address, of which its owner has all.
/// IPv4 written as IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender(u128);

/// The /48 around a /64: what one customer often has of a network operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site(u128);

impl Sender {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(_) => Self(number(address)),
            IpAddr::V6(_) => Self(number(address) & !(u128::MAX >> 64)),
        }
    }

    /// None for IPv4.
    pub fn site(self) -> Option<Site> {
        let is_v4 = Ipv6Addr::from_bits(self.0).to_ipv4_mapped().is_some();
        (!is_v4).then_some(Site(self.0 & !(u128::MAX >> 48)))
    }

    /// For a person to read: `192.0.2.1`, `2001:db8::/64`.
    pub fn name(self) -> String {
        let address = Ipv6Addr::from_bits(self.0);
        address.to_ipv4_mapped().map_or_else(|| format!("{address}/64"), |address| address.to_string())
    }

    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl Site {
    fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// What an address is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    Sender(Sender),
    Site(Site),
}

impl Network {
    /// The sender, and then the site around it, if it is IPv6.
    pub fn around(address: IpAddr) -> impl Iterator<Item = Self> {
        let sender = Sender::of(address);
        [Some(Self::Sender(sender)), sender.site().map(Self::Site)].into_iter().flatten()
    }

    /// What it may do of what a sender may.
    pub const fn adapt(self, rate: Rate) -> Rate {
        match self {
            Self::Sender(_) => rate,
            Self::Site(_) => rate.times(SITE_TIMES),
        }
    }

    /// No sender is named like its site: the last byte of a /64 is 0.
    pub fn bytes(self) -> [u8; 16] {
        match self {
            Self::Sender(sender) => sender.bytes(),
            Self::Site(site) => {
                let mut bytes = site.bytes();
                bytes[15] = 48;
                bytes
            }
        }
    }

    /// For a person to read: `192.0.2.1`, `2001:db8::/64`, `2001:db8::/48`.
    pub fn name(self) -> String {
        match self {
            Self::Sender(sender) => sender.name(),
            Self::Site(site) => format!("{}/48", Ipv6Addr::from_bits(site.0)),
        }
    }
}

/// Every address as IPv6.
fn number(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// What kind of network an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Ordinary,
    /// Many people behind few addresses.
    Shared,
    /// Machines as a rule: hosting, Tor exits.
    Datacentre,
}

impl Class {
    /// What a sender of this class may do.
    #[must_use]
    pub const fn adapt(self, rate: Rate) -> Rate {
        match self {
            Self::Ordinary => rate,
            Self::Shared => rate.times(5),
            Self::Datacentre => rate.share(4),
        }
    }
}

/// The lists of the configuration.
#[derive(Debug)]
pub struct Networks {
    shared: Ranges,
    datacentres: Ranges,
}

/// A list of networks can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableList {
    #[error("'limits.datacentre_file' can't be read: {0}")]
    Unreadable(io::Error),
    #[error("'limits.datacentre_file' has no network in line {0}")]
    Malformed(usize),
}

impl Networks {
    pub fn new(config: &LimitsConfig) -> Result<Self, UnusableList> {
        let mut datacentres = config.datacentre_networks.clone();
        if !config.datacentre_file.as_os_str().is_empty() {
            datacentres.extend(read(&config.datacentre_file)?);
        }
        Ok(Self { shared: Ranges::new(&config.shared_networks), datacentres: Ranges::new(&datacentres) })
    }

    /// A network that is on both lists is a shared one: people sit there.
    pub fn class(&self, address: IpAddr) -> Class {
        let address = number(address);
        if self.shared.contains(address) {
            Class::Shared
        } else if self.datacentres.contains(address) {
            Class::Datacentre
        } else {
            Class::Ordinary
        }
    }
}

fn read(path: &Path) -> Result<Vec<IpNet>, UnusableList> {
    let text = fs::read_to_string(path).map_err(UnusableList::Unreadable)?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
    let networks = lines.filter(|(_, line)| !line.is_empty()).map(|(index, line)| {
        let single = || line.parse().map(|address: IpAddr| IpNet::from(address));
        line.parse().or_else(|_| single()).map_err(|_| UnusableList::Malformed(index + 1))
    });
    networks.collect()
}

/// Networks as ranges of numbers in their order, so that long lists cost no more than short ones.
#[derive(Debug)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    fn new(networks: &[IpNet]) -> Self {
        let mut ranges: Vec<_> =
            networks.iter().map(|network| (number(network.network()), number(network.broadcast()))).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    fn contains(&self, address: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after > 0 && address <= self.0[after - 1].1
    }
}

/// Whether the address is one that the internet doesn't route: this machine, or a network of one's own.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared(address.octets())
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Notices that everybody seems to be in one's own network: a reverse proxy that is not in `server.trusted_proxies` makes all
/// its clients one sender, who then is limited like one.
#[derive(Debug)]
pub struct ProxyWatch {
    /// Private addresses so far; `u32::MAX` once there is nothing to watch for.
    private: AtomicU32,
}

/// So many in a row are no coincidence.
const SUSPICIOUS: u32 = 200;

impl ProxyWatch {
    /// A server whose issuer is on this machine has no other clients.
    pub fn new(config: &Config) -> Self {
        let local =
            ["http://localhost", "http://127.0.0.1", "http://[::1]"].iter().any(|own| config.server.issuer.starts_with(own));
        Self { private: AtomicU32::new(if local { u32::MAX } else { 0 }) }
    }

    /// Takes note of a sender's address; `true` when it is time to warn, which is once.
    pub fn note(&self, address: IpAddr) -> bool {
        if self.private.load(Ordering::Relaxed) == u32::MAX {
            return false;
        }
        if !is_private(address) {
            self.private.store(u32::MAX, Ordering::Relaxed);
            return false;
        }
        let warn = self.private.fetch_add(1, Ordering::Relaxed) + 1 == SUSPICIOUS;
        if warn {
            self.private.store(u32::MAX, Ordering::Relaxed);
            tracing::warn!(
                "everybody seems to come from a private address: if there is a reverse proxy, name its network in \
                 server.trusted_proxies, or all its clients are limited as one"
            );
        }
        warn
    }
}

/// RFC 6598.
const fn is_shared(octets: [u8; 4]) -> bool {
    octets[0] == 100 && octets[1] & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sender(text: &str) -> Sender {
        Sender::of(address(text))
    }

    #[test]
    fn an_ipv4_address_is_one_sender_however_it_is_written() {
        assert_eq!(sender("192.0.2.1"), sender("::ffff:192.0.2.1"));
        assert_ne!(sender("192.0.2.1"), sender("192.0.2.2"));
        assert_eq!(sender("192.0.2.1").site(), None);
        assert_eq!(sender("192.0.2.1").name(), "192.0.2.1");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_sender_in_a_site_of_48() {
        assert_eq!(sender("2001:db8:1:2:3::4"), sender("2001:db8:1:2:ffff::"));
        assert_ne!(sender("2001:db8:1:2::"), sender("2001:db8:1:3::"));
        assert_eq!(sender("2001:db8:1:2::").site(), sender("2001:db8:1:3::").site());
        assert_ne!(sender("2001:db8:1:2::").site(), sender("2001:db8:2:2::").site());
        assert_eq!(sender("2001:db8:1:2:3::4").name(), "2001:db8:1:2::/64");
    }

    #[test]
    fn the_class_comes_from_the_lists() {
        let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tor.txt");
        fs::write(&file, "# exits\n203.0.113.7 # one\n\n2001:db8:beef::/48\n").unwrap();
        let config = LimitsConfig {
            shared_networks: networks(&["198.51.100.0/24", "198.51.100.128/25"]),
            datacentre_networks: networks(&["198.51.100.0/28", "192.0.2.0/25"]),
            datacentre_file: file.clone(),
            ..LimitsConfig::default()
        };
        let lists = Networks::new(&config).unwrap();
        for (text, class) in [
            ("198.51.100.255", Class::Shared),
            ("198.51.100.1", Class::Shared),
            ("198.51.101.0", Class::Ordinary),
            ("192.0.2.127", Class::Datacentre),
            ("::ffff:192.0.2.127", Class::Datacentre),
            ("192.0.2.128", Class::Ordinary),
            ("203.0.113.7", Class::Datacentre),
            ("203.0.113.8", Class::Ordinary),
            ("2001:db8:beef:1::1", Class::Datacentre),
            ("::1", Class::Ordinary),
            ("10.0.0.1", Class::Ordinary),
        ] {
            assert_eq!(lists.class(address(text)), class, "{text}");
        }
        fs::write(&file, "203.0.113.7\nnonsense\n").unwrap();
        assert!(matches!(Networks::new(&config), Err(UnusableList::Malformed(2))));
        fs::remove_file(&file).unwrap();
        assert!(matches!(Networks::new(&config), Err(UnusableList::Unreadable(_))));
    }

    #[test]
    fn a_proxy_that_nobody_trusts_is_noticed_once() {
        let watch = |issuer: &str| {
            let mut config = Config::default();
            config.server.issuer = issuer.to_owned();
            ProxyWatch::new(&config)
        };
        let public = watch("https://id.example");
        assert_eq!((0..1_000).filter(|_| public.note(address("10.0.0.1"))).count(), 1);
        let mixed = watch("https://id.example");
        assert!((0..100).all(|_| !mixed.note(address("10.0.0.1"))));
        assert!(!mixed.note(address("192.0.2.1")));
        assert!((0..1_000).all(|_| !mixed.note(address("10.0.0.1"))), "some come from elsewhere");
        let local = watch("http://localhost:8080");
        assert!((0..1_000).all(|_| !local.note(address("127.0.0.1"))));
    }

    #[test]
    fn private_addresses_are_known_as_such() {
        for text in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "192.168.0.1",
            "172.31.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(address(text)), "{text}");
        }
        for text in ["192.0.2.1", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
            assert!(!is_private(address(text)), "{text}");
        }
    }
}
