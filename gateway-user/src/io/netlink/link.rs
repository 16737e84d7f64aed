//! The link monitor: interfaces that come, go, and lose their carrier, the host's own addresses, and by which tables it
//! routes IPv6.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use tokio::io::unix::AsyncFd;

use super::message::{self, Message, NLMSG_DONE, Requests, address, u16_at, u32_at};
use super::socket::RouteSocket;
use super::tables6::{self, Rule};
use crate::io::watch::watch;

const RTMGRP_LINK: u32 = 1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTMGRP_IPV6_RULE: u32 = 0x4_0000;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    /// Its index.
    pub(crate) ifindex: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its MAC; zero for an interface without one.
    pub(crate) mac: [u8; 6],
    /// Largest IP packet, in octets.
    pub(crate) mtu: u32,
    /// Administratively up and with carrier.
    pub(crate) up: bool,
    /// `XDP_ATTACHED_*`: 0 none, 1 native, 2 generic, 3 hardware.
    pub(crate) xdp: u8,
}

/// What the monitor heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// An interface is there, in this state.
    Link(Link),
    /// It is gone: deleted, or moved to another network namespace.
    Gone {
        /// Its index.
        ifindex: u32,
    },
    /// The host has an address.
    Address(IpAddr),
    /// The host has it no longer (on one interface).
    NoAddress(IpAddr),
    /// IPv6 is routed by this rule.
    Rule(Rule),
    /// The local table has a route for this IPv6 prefix. Told by [`Monitor::list`] only.
    LocalPrefix(Ipv6Addr, u8),
    /// Messages were lost, or something is gone that may be there twice: all has to be listed again.
    Relisting,
}

/// Hears about links and addresses.
pub(crate) struct Monitor {
    socket: AsyncFd<RouteSocket>,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Subscribes and asks for what there is. Must be called within a tokio runtime.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let socket = RouteSocket::open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_RULE)?;
        socket.filter()?;
        let socket = watch(socket)?;
        Ok(Self { socket, buffer: vec![0; 1 << 16] })
    }

    /// Lists what there is, once, waiting for the answer. Later changes come through [`Monitor::drain`].
    pub(crate) async fn list(&mut self, mut each: impl FnMut(Change)) -> io::Result<()> {
        // The kernel answers one dump at a time, and checks that each has the header of its kind with what it filters by.
        const SIX: u8 = libc::AF_INET6 as u8;
        let dumps: [(u16, &[u8]); 4] = [
            (libc::RTM_GETLINK, &[0; 16]),
            (libc::RTM_GETADDR, &[0; 8]),
            (libc::RTM_GETRULE, &[SIX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (libc::RTM_GETROUTE, &[SIX, 0, 0, 0, libc::RT_TABLE_LOCAL, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (kind, header) in dumps {
            self.ask(kind, header)?;
            let mut done = false;
            while !done {
                self.readable().await?;
                done = self.read(&mut each)?;
            }
        }
        Ok(())
    }

    fn ask(&self, kind: u16, header: &[u8]) -> io::Result<()> {
        let mut requests = Requests::default();
        requests.begin(kind, NLM_F_REQUEST_DUMP, header);
        self.socket.get_ref().send(requests.octets())
    }

    /// Returns when there is something to drain.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await?.clear_ready();
        Ok(())
    }

    /// Gives `each` what has come. After [`Change::Relisting`], call [`Monitor::list`].
    pub(crate) fn drain(&mut self, each: impl FnMut(Change)) -> io::Result<()> {
        self.read(each).map(drop)
    }

    /// Reads until there is no more; true when the end of a dump, or that it is refused, was among it.
    fn read(&mut self, mut each: impl FnMut(Change)) -> io::Result<bool> {
        let mut done = false;
        loop {
            match self.socket.get_ref().receive(&mut self.buffer) {
                Ok(length) => message::messages(&self.buffer[..length]).for_each(|message| {
                    // A kernel may know nothing of a kind: without IPv6 it has no rules for it.
                    done |= message.kind == NLMSG_DONE || message.error().is_some();
                    parse(&message).into_iter().for_each(&mut each);
                }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(done),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => each(Change::Relisting),
                Err(error) => return Err(error),
            }
        }
    }
}

fn parse(message: &Message<'_>) -> Option<Change> {
    match message.kind {
        libc::RTM_NEWLINK => parse_link(message).map(Change::Link),
        libc::RTM_DELLINK => {
            // A bridge tells that a port left it by a DELLINK of its own family; the interface itself stays.
            let family = *message.body.first()?;
            (i32::from(family) == libc::AF_UNSPEC).then_some(Change::Gone { ifindex: u32_at(message.body, 4)? })
        }
        libc::RTM_NEWADDR => parse_address(message).map(Change::Address),
        libc::RTM_DELADDR => parse_address(message).map(Change::NoAddress),
        libc::RTM_NEWRULE => Rule::parse(message).map(Change::Rule),
        libc::RTM_DELRULE => Rule::parse(message).map(|_| Change::Relisting),
        libc::RTM_NEWROUTE => tables6::local(message).map(|(prefix, length)| Change::LocalPrefix(prefix, length)),
        _ => None,
    }
}

fn parse_link(message: &Message<'_>) -> Option<Link> {
    // struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, change u32
    let family = *message.body.first()?;
    if i32::from(family) != libc::AF_UNSPEC {
        return None;
    }
    let flags = u32_at(message.body, 8)?;
    let mut link = Link {
        ifindex: u32_at(message.body, 4)?,
        name: String::new(),
        mac: [0; 6],
        mtu: 0,
        up: flags & IFF_UP != 0 && flags & IFF_LOWER_UP != 0,
        xdp: 0,
    };
    for (kind, value) in message.attributes(16) {
        match kind {
            IFLA_IFNAME => link.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            IFLA_ADDRESS => link.mac = value.try_into().unwrap_or_default(),
            IFLA_MTU => link.mtu = u32_at(value, 0)?,
            IFLA_XDP => {
                let attached = message::attributes(value).find(|(kind, _)| *kind == IFLA_XDP_ATTACHED);
                link.xdp = attached.and_then(|(_, value)| value.first().copied()).unwrap_or(0);
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn parse_address(message: &Message<'_>) -> Option<IpAddr> {
    // struct ifaddrmsg: 8 octets, the family first
    u16_at(message.body, 6)?;
    let mut found = None;
    for (kind, value) in message.attributes(8) {
        match kind {
            IFA_LOCAL => return address(value),
            IFA_ADDRESS => found = address(value),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever waits for a list waits no longer than the kernel has something to say.
    #[tokio::test]
    async fn a_refused_dump_ends() {
        let mut monitor = Monitor::open().unwrap();
        // No message has this number, and no dump a header of one octet.
        for (kind, header) in [(0x7f, &[0; 16][..]), (libc::RTM_GETROUTE, &[0][..])] {
            monitor.ask(kind, header).unwrap();
            let ended = async {
                while !monitor.read(drop).unwrap() {
                    monitor.readable().await.unwrap();
                }
            };
            let limit = std::time::Duration::from_secs(5);
            tokio::time::timeout(limit, ended).await.unwrap_or_else(|_| panic!("no end of dump {kind}"));
        }
    }

    #[tokio::test]
    async fn lists_the_loopback_interface_and_its_address() {
        let mut monitor = Monitor::open().unwrap();
        let mut changes = Vec::new();
        monitor.list(|change| changes.push(change)).await.unwrap();
        let lo = changes.iter().find_map(|change| match change {
            Change::Link(link) if link.name == "lo" => Some(link),
            _ => None,
        });
        assert_eq!(lo.expect("there is a loopback interface").mac, [0; 6]);
        assert_eq!(lo.unwrap().ifindex, 1);
        // Every kernel with IPv6 has this rule, unless somebody took it away.
        assert!(changes.contains(&Change::Rule(Rule::DEFAULT[1])), "{changes:?}");
        let has_address = changes.contains(&Change::Address(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(changes.contains(&Change::LocalPrefix(Ipv6Addr::LOCALHOST, 128)), has_address, "{changes:?}");
    }
}
