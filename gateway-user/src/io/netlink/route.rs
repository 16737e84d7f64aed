//! Kernel routes: a /32 route and a permanent neighbour for each session, so that what the fast path leaves to the
//! kernel's stack reaches the subscriber too.
//!
//! Only for untagged lines: the stack has no interface for a subscriber behind tags. Everything is written without
//! waiting for the kernel's answers, many to a system call.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{self, Message, NLMSG_DONE, Requests, ipv4};
use super::socket::RouteSocket;

pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const NLM_F_REPLACE_CREATE: u16 = 0x500;
const NLM_F_DUMP: u16 = 0x300;
/// Marks our routes among the kernel's, as `ip route show proto 67` does.
pub(super) const PROTOCOL: u8 = 67;
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_PRIORITY: u16 = 6;
/// Index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
pub(super) const NDA_DST: u16 = 1;
pub(super) const NDA_LLADDR: u16 = 2;
pub(super) const NDA_PROTOCOL: u16 = 12;
pub(super) const NUD_PERMANENT: u16 = 0x80;
/// Octets of requests to a system call.
const AT_ONCE: usize = 128 << 10;

/// A subscriber as the kernel's stack reaches it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KernelRoute {
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Its access interface.
    pub(crate) ifindex: u32,
    /// Its MAC.
    pub(crate) mac: [u8; 6],
}

/// Writes kernel routes.
pub(crate) struct Routes {
    socket: RouteSocket,
    pub(super) requests: Requests,
    buffer: Vec<u8>,
}

impl Routes {
    /// Needs CAP_NET_ADMIN.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let (socket, requests) = (RouteSocket::open(0)?, Requests::default());
        Ok(Self { socket, requests, buffer: vec![0; 1 << 15] })
    }

    /// Queues the route and the neighbour, replacing what was there.
    pub(crate) fn add(&mut self, route: &KernelRoute) {
        let flags = NLM_F_REQUEST | NLM_F_REPLACE_CREATE;
        let octets = route.address.octets();
        self.requests
            .begin(libc::RTM_NEWNEIGH, flags, &ndmsg(libc::AF_INET, route.ifindex, NUD_PERMANENT))
            .attribute(NDA_DST, &octets)
            .attribute(NDA_LLADDR, &route.mac)
            .attribute(NDA_PROTOCOL, &[PROTOCOL]);
        self.requests
            .begin(libc::RTM_NEWROUTE, flags, &rtmsg(libc::RT_SCOPE_LINK))
            .attribute(RTA_DST, &octets)
            .attribute(RTA_OIF, &route.ifindex.to_ne_bytes());
        self.flush_if_full();
    }

    /// Queues their removal.
    pub(crate) fn remove(&mut self, address: Ipv4Addr, ifindex: u32) {
        let octets = address.octets();
        self.requests
            .begin(libc::RTM_DELROUTE, NLM_F_REQUEST, &rtmsg(libc::RT_SCOPE_LINK))
            .attribute(RTA_DST, &octets)
            .attribute(RTA_OIF, &ifindex.to_ne_bytes());
        self.requests
            .begin(libc::RTM_DELNEIGH, NLM_F_REQUEST, &ndmsg(libc::AF_INET, ifindex, NUD_PERMANENT))
            .attribute(NDA_DST, &octets);
        self.flush_if_full();
    }

    /// Queues a local route: what is sent to `address` stays on this host, also while no interface has the address. With
    /// a metric of its own it does not get in the way of the kernel's, which comes and goes with the interface.
    pub(crate) fn add_local(&mut self, address: Ipv4Addr) {
        self.local(libc::RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_REPLACE_CREATE, address.into());
    }

    /// Queues its removal.
    pub(crate) fn remove_local(&mut self, address: Ipv4Addr) {
        self.local(libc::RTM_DELROUTE, NLM_F_REQUEST, address.into());
    }

    /// The same for an IPv6 address.
    pub(crate) fn add_local6(&mut self, address: Ipv6Addr) {
        self.local(libc::RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_REPLACE_CREATE, address.into());
    }

    /// Queues its removal.
    pub(crate) fn remove_local6(&mut self, address: Ipv6Addr) {
        self.local(libc::RTM_DELROUTE, NLM_F_REQUEST, address.into());
    }

    fn local(&mut self, kind: u16, flags: u16, address: IpAddr) {
        let mut body = rtmsg(libc::RT_SCOPE_HOST);
        (body[4], body[7]) = (libc::RT_TABLE_LOCAL, libc::RTN_LOCAL);
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => {
                (body[0], body[1]) = (libc::AF_INET6 as u8, 128);
                address.octets().to_vec()
            }
        };
        self.requests
            .begin(kind, flags, &body)
            .attribute(RTA_DST, &octets)
            .attribute(RTA_OIF, &LOOPBACK.to_ne_bytes())
            .attribute(RTA_PRIORITY, &u32::from(PROTOCOL).to_ne_bytes());
        self.flush_if_full();
    }

    pub(super) fn flush_if_full(&mut self) {
        if self.requests.octets().len() >= AT_ONCE {
            self.flush();
        }
    }

    /// Sends what is queued. What the kernel refuses is logged: the fast path does not depend on it.
    pub(crate) fn flush(&mut self) {
        if self.requests.octets().is_empty() {
            return;
        }
        if let Err(error) = self.socket.send(self.requests.octets()) {
            tracing::warn!(%error, "can't write kernel routes");
        }
        self.requests.clear();
        // The kernel has worked through the requests before `send` returned; only refusals were answered.
        let (mut refused, mut last) = (0u32, 0);
        while let Ok(length) = self.socket.receive(&mut self.buffer) {
            for number in message::messages(&self.buffer[..length]).filter_map(|message| message.error()) {
                // Removing what went with its interface is no failure.
                if !matches!(number, 0 | libc::ESRCH | libc::ENOENT | libc::ENODEV) {
                    (refused, last) = (refused + 1, number);
                }
            }
        }
        if refused > 0 {
            let error = io::Error::from_raw_os_error(last);
            tracing::warn!(refused, %error, "the kernel refused routes or neighbours of subscribers");
        }
    }

    /// What has a route of ours: left by an earlier process. The MAC is zero where the neighbour is missing or is not ours.
    pub(crate) fn list(&mut self) -> io::Result<Vec<KernelRoute>> {
        self.flush();
        let mut neighbours = HashMap::new();
        self.dump(libc::RTM_GETNEIGH, libc::RTM_NEWNEIGH, &ndmsg(libc::AF_INET, 0, 0), |message| {
            neighbours.extend(neighbour(message))
        })?;
        let mut routes = Vec::new();
        self.dump(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, &rtmsg(0), |message| routes.extend(ours(message)))?;
        let route = |(address, ifindex)| {
            let mac = neighbours.get(&(address, ifindex)).copied().unwrap_or_default();
            KernelRoute { address, ifindex, mac }
        };
        Ok(routes.into_iter().map(route).collect())
    }

    /// Asks for everything of a kind and gives each answer to `each`.
    pub(super) fn dump(
        &mut self,
        ask: u16,
        kind: u16,
        body: &[u8],
        mut each: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        let mut request = Requests::default();
        request.begin(ask, NLM_F_REQUEST | NLM_F_DUMP, body);
        self.socket.send(request.octets())?;
        loop {
            // The dump goes on as it is read, so there is always an answer waiting.
            let length = self.socket.receive(&mut self.buffer)?;
            for message in message::messages(&self.buffer[..length]) {
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    found if found == kind => each(&message),
                    _ => {}
                }
            }
        }
    }
}

/// A neighbour that this gateway made: address, interface, MAC.
fn neighbour(message: &Message<'_>) -> Option<((Ipv4Addr, u32), [u8; 6])> {
    // struct ndmsg: family, padding, ifindex at 4, …
    let ifindex = message::u32_at(message.body, 4)?;
    let (mut address, mut mac, mut protocol) = (None, None, None);
    for (kind, value) in message.attributes(12) {
        match kind {
            NDA_DST => address = ipv4(value),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok(),
            NDA_PROTOCOL => protocol = value.first().copied(),
            _ => {}
        }
    }
    (protocol == Some(PROTOCOL)).then_some(((address?, ifindex), mac?))
}

fn ours(message: &Message<'_>) -> Option<(Ipv4Addr, u32)> {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, …
    let is = |at: usize, value: u8| message.body.get(at) == Some(&value);
    if !(is(1, 32) && is(5, PROTOCOL) && is(7, libc::RTN_UNICAST)) {
        return None;
    }
    let (mut address, mut ifindex) = (None, None);
    for (kind, value) in message.attributes(12) {
        match kind {
            RTA_DST => address = ipv4(value),
            RTA_OIF => ifindex = message::u32_at(value, 0),
            _ => {}
        }
    }
    Some((address?, ifindex?))
}

fn rtmsg(scope: u8) -> [u8; 12] {
    let unicast = libc::RTN_UNICAST;
    [libc::AF_INET as u8, 32, 0, 0, libc::RT_TABLE_MAIN, PROTOCOL, scope, unicast, 0, 0, 0, 0]
}

pub(super) fn ndmsg(family: i32, ifindex: u32, state: u16) -> [u8; 12] {
    let mut body = [0; 12];
    body[0] = family as u8;
    body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    body[8..10].copy_from_slice(&state.to_ne_bytes());
    body
}
