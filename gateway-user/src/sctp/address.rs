//! Addresses as the options have them: `struct sockaddr_in`, `sockaddr_in6`, `sockaddr_storage`, octet by octet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Octets of a `sockaddr_storage`.
pub(super) const STORAGE: usize = 128;
/// Octets of a `sockaddr_in`, and of a `sockaddr_in6`.
const V4: usize = 16;
const V6: usize = 28;

/// Appends an address in its own length, as lists of addresses are packed (RFC 6458, section 9.1).
pub(super) fn push(octets: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            octets.extend((libc::AF_INET as u16).to_ne_bytes());
            octets.extend(v4.port().to_be_bytes());
            octets.extend(v4.ip().octets());
            octets.extend([0; V4 - 8]);
        }
        SocketAddr::V6(v6) => {
            octets.extend((libc::AF_INET6 as u16).to_ne_bytes());
            octets.extend(v6.port().to_be_bytes());
            octets.extend(v6.flowinfo().to_ne_bytes());
            octets.extend(v6.ip().octets());
            octets.extend(v6.scope_id().to_ne_bytes());
        }
    }
}

/// The addresses, packed.
pub(super) fn list(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(addresses.len() * V6);
    addresses.iter().for_each(|&address| push(&mut octets, address));
    octets
}

/// The address in a `sockaddr_storage`.
pub(super) fn storage(address: Option<SocketAddr>) -> [u8; STORAGE] {
    let mut octets = Vec::with_capacity(STORAGE);
    if let Some(address) = address {
        push(&mut octets, address);
    }
    octets.resize(STORAGE, 0);
    octets.try_into().expect("it was made as long")
}

/// The first address of a list, and how many octets it takes there. An IPv4 address that an IPv6 socket shows as IPv6 is one of IPv4.
pub(super) fn first(octets: &[u8]) -> Option<(SocketAddr, usize)> {
    let family = u16::from_ne_bytes(octets.first_chunk().copied()?);
    let port = u16::from_be_bytes(octets.get(2..4)?.try_into().ok()?);
    if i32::from(family) == libc::AF_INET {
        let ip: [u8; 4] = octets.get(4..8)?.try_into().ok()?;
        return Some((SocketAddr::from((Ipv4Addr::from(ip), port)), V4));
    }
    if i32::from(family) != libc::AF_INET6 {
        return None;
    }
    let flow = u32::from_ne_bytes(octets.get(4..8)?.try_into().ok()?);
    let ip: [u8; 16] = octets.get(8..24)?.try_into().ok()?;
    let scope = u32::from_ne_bytes(octets.get(24..28)?.try_into().ok()?);
    let ip = Ipv6Addr::from(ip);
    let address = match ip.to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, port)),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, flow, scope).into(),
    };
    Some((address, V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SC-40
    #[test]
    fn addresses_come_back() {
        let addresses: Vec<SocketAddr> = ["192.0.2.1:16067", "[2001:db8::1]:16067", "198.51.100.7:1", "[fe80::1%3]:9"]
            .map(|a| a.parse().unwrap())
            .into();
        let octets = list(&addresses);
        let (mut rest, mut back) = (&octets[..], Vec::new());
        while let Some((address, len)) = first(rest) {
            back.push(address);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        assert_eq!(back, addresses);
        let stored = storage(Some(addresses[1]));
        assert_eq!(first(&stored).map(|(address, _)| address), Some(addresses[1]));
        assert_eq!(first(&storage(None)), None);
    }

    /// The kernel's own idea of the layout is the C library's.
    #[test]
    fn the_layout_is_the_c_librarys() {
        for address in ["192.0.2.1:16067", "[2001:db8::1]:16067"] {
            let address: SocketAddr = address.parse().unwrap();
            let theirs = socket2::SockAddr::from(address);
            assert_eq!(list(&[address]).len(), theirs.len() as usize);
        }
    }
}
