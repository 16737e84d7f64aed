//! Kernel routes of IPv6: an address with its neighbour, and a delegated prefix by way of its subscriber, so that what the
//! fast path leaves to the kernel's stack gets there, and routing daemons have something to announce.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use gateway_core::wire::dhcp6::Prefix;

use super::message::{self, Message};
use super::route::{
    NDA_DST, NDA_LLADDR, NDA_PROTOCOL, NLM_F_REPLACE_CREATE, NLM_F_REQUEST, NUD_PERMANENT, PROTOCOL, RTA_DST, RTA_OIF,
    Routes, ndmsg,
};

const RTA_GATEWAY: u16 = 5;

/// An address or a prefix as the kernel's stack has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KernelRoute6 {
    /// What is routed; an address has 128 bits.
    pub(crate) prefix: Prefix,
    /// The subscriber's interface and MAC. `None` behind VLAN tags, where the stack has no interface: such a route leads
    /// nowhere, and is there to be announced.
    pub(crate) by: Option<(u32, [u8; 6])>,
}

impl Routes {
    /// Queues the route and the neighbour, replacing what was there.
    pub(crate) fn add6(&mut self, route: &KernelRoute6) {
        let flags = NLM_F_REQUEST | NLM_F_REPLACE_CREATE;
        let KernelRoute6 { prefix, by } = *route;
        let requests = &mut self.requests;
        if let Some((ifindex, mac)) = by {
            requests
                .begin(libc::RTM_NEWNEIGH, flags, &ndmsg(libc::AF_INET6, ifindex, NUD_PERMANENT))
                .attribute(NDA_DST, &neighbour_of(prefix).octets())
                .attribute(NDA_LLADDR, &mac)
                .attribute(NDA_PROTOCOL, &[PROTOCOL]);
        }
        begin(self, libc::RTM_NEWROUTE, flags, prefix, by.map(|(ifindex, _)| ifindex));
        self.flush_if_full();
    }

    /// Queues their removal.
    pub(crate) fn remove6(&mut self, prefix: Prefix, ifindex: Option<u32>) {
        begin(self, libc::RTM_DELROUTE, NLM_F_REQUEST, prefix, ifindex);
        if let Some(ifindex) = ifindex {
            self.requests
                .begin(libc::RTM_DELNEIGH, NLM_F_REQUEST, &ndmsg(libc::AF_INET6, ifindex, NUD_PERMANENT))
                .attribute(NDA_DST, &neighbour_of(prefix).octets());
        }
        self.flush_if_full();
    }

    /// What has a route of ours: left by an earlier process. The MAC is zero where the neighbour is missing or is not ours.
    pub(crate) fn list6(&mut self) -> io::Result<Vec<KernelRoute6>> {
        self.flush();
        let mut neighbours = HashMap::new();
        self.dump(libc::RTM_GETNEIGH, libc::RTM_NEWNEIGH, &ndmsg(libc::AF_INET6, 0, 0), |message| {
            neighbours.extend(neighbour(message));
        })?;
        let mut routes = Vec::new();
        let all = Prefix::new(Ipv6Addr::UNSPECIFIED, 0).expect("a length");
        self.dump(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, &rtmsg(all, libc::RTN_UNSPEC), |message| {
            routes.extend(ours(message));
        })?;
        let route = |(prefix, ifindex): (Prefix, Option<u32>)| {
            let mac = |ifindex| neighbours.get(&(neighbour_of(prefix), ifindex)).copied().unwrap_or_default();
            KernelRoute6 { prefix, by: ifindex.map(|ifindex| (ifindex, mac(ifindex))) }
        };
        Ok(routes.into_iter().map(route).collect())
    }
}

fn begin(routes: &mut Routes, kind: u16, flags: u16, prefix: Prefix, ifindex: Option<u32>) {
    let what = if ifindex.is_some() { libc::RTN_UNICAST } else { libc::RTN_BLACKHOLE };
    let request = routes.requests.begin(kind, flags, &rtmsg(prefix, what));
    request.attribute(RTA_DST, &prefix.address().octets());
    if let Some(ifindex) = ifindex {
        request.attribute(RTA_OIF, &ifindex.to_ne_bytes());
        if prefix.length() < 128 {
            request.attribute(RTA_GATEWAY, &neighbour_of(prefix).octets());
        }
    }
}

/// The neighbour that a route goes by: an address itself, and for a prefix a link-local address that nobody has and that
/// tells which prefix it is of. Its MAC is the subscriber's, so that it need not answer for it.
fn neighbour_of(prefix: Prefix) -> Ipv6Addr {
    let bits = prefix.address().to_bits();
    match prefix.length() {
        128 => prefix.address(),
        _ => Ipv6Addr::from_bits(0xfe80 << 112 | (bits >> 64 ^ bits & u128::from(u64::MAX))),
    }
}

fn rtmsg(prefix: Prefix, what: u8) -> [u8; 12] {
    let (table, scope) = (libc::RT_TABLE_MAIN, libc::RT_SCOPE_UNIVERSE);
    [libc::AF_INET6 as u8, prefix.length(), 0, 0, table, PROTOCOL, scope, what, 0, 0, 0, 0]
}

fn ipv6(value: &[u8]) -> Option<Ipv6Addr> {
    match message::address(value)? {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

/// A neighbour that this gateway made: address, interface, MAC.
fn neighbour(message: &Message<'_>) -> Option<((Ipv6Addr, u32), [u8; 6])> {
    let ifindex = message::u32_at(message.body, 4)?;
    let (mut address, mut mac, mut protocol) = (None, None, None);
    for (kind, value) in message.attributes(12) {
        match kind {
            NDA_DST => address = ipv6(value),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok(),
            NDA_PROTOCOL => protocol = value.first().copied(),
            _ => {}
        }
    }
    (protocol == Some(PROTOCOL)).then_some(((address?, ifindex), mac?))
}

fn ours(message: &Message<'_>) -> Option<(Prefix, Option<u32>)> {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, …
    let [_, length, _, _, libc::RT_TABLE_MAIN, PROTOCOL, _, what, ..] = *message.body.first_chunk::<12>()? else {
        return None;
    };
    let (mut address, mut ifindex) = (None, None);
    for (kind, value) in message.attributes(12) {
        match kind {
            RTA_DST => address = ipv6(value),
            RTA_OIF => ifindex = message::u32_at(value, 0),
            _ => {}
        }
    }
    // One that leads nowhere has the loopback interface.
    Some((Prefix::new(address?, length)?, ifindex.filter(|_| what == libc::RTN_UNICAST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written to a kernel, listed, and removed again: an address, a prefix, and one behind tags. In a network namespace of
    /// its own.
    #[test]
    fn what_is_written_is_listed() {
        let listed = std::thread::spawn(|| {
            // SAFETY: a plain system call; it concerns this thread only.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "run by root");
            for line in ["link add v0 index 7 type veth peer name v1", "link set v0 up", "link set v1 up"] {
                let done = std::process::Command::new("ip").args(line.split(' ')).status();
                assert!(done.expect("iproute2").success());
            }
            let prefix = |text: &str, length| Prefix::new(text.parse().unwrap(), length).unwrap();
            let by = Some((7, [2, 0, 0, 0, 0, 9]));
            let wanted = [
                KernelRoute6 { prefix: prefix("2001:db8:1::7", 128), by },
                KernelRoute6 { prefix: prefix("2001:db8:8000::", 56), by },
                KernelRoute6 { prefix: prefix("2001:db8:9000::", 60), by: None },
            ];
            let mut routes = Routes::open().unwrap();
            wanted.iter().for_each(|route| routes.add6(route));
            let mut listed = routes.list6().unwrap();
            listed.sort_by_key(|route| route.prefix);
            wanted.iter().for_each(|route| routes.remove6(route.prefix, route.by.map(|(ifindex, _)| ifindex)));
            (wanted.to_vec(), listed, routes.list6().unwrap())
        });
        let (wanted, listed, left) = listed.join().unwrap();
        assert_eq!(listed, wanted);
        assert_eq!(left, []);
    }

    #[test]
    fn neighbours_are_told_apart() {
        let of = |text: &str, length| neighbour_of(Prefix::new(text.parse().unwrap(), length).unwrap()).to_string();
        assert_eq!(of("2001:db8:1::7", 128), "2001:db8:1::7");
        assert_eq!(of("2001:db8:8000:ff00::", 56), "fe80::2001:db8:8000:ff00");
        assert_ne!(of("2001:db8:1:2:8000::", 80), of("2001:db8:1:2:9000::", 80));
    }
}
