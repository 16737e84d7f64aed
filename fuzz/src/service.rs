//! The embedded DHCPv6 server, with a few leases.

use std::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::{
    Binding, Builder, IaKind, Nest, Prefix, RelayMessage, SERVER_PORT, code, kind, relay_forward,
};
use gateway_server::v6::{Command, Config, PrefixPool, Registered, Server, Subnet};

use crate::home::{duid, link_local, relay_id, server_id};

/// The relay that may say that leases are over, and another one.
pub(crate) const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
pub(crate) const OTHER_RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 2);
/// The link that clients are on.
pub(crate) const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xffff);
pub(crate) const XID: u32 = 0x12_3456;

pub(crate) struct Service {
    server: Server,
    now: Instant,
    unix: Duration,
}

fn config() -> Config {
    let at = |last| Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, last);
    let mut subnet = Subnet::new(Prefix::new(at(0), 64).expect("64 bits"));
    subnet.addresses = vec![(at(1), at(8))];
    let pool = Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0), 53).expect("53 bits");
    subnet.prefixes = vec![PrefixPool { prefix: pool, delegated: 56 }];
    let mut config = Config::new(Ipv6Addr::new(0x2001, 0xdb8, 0x5e, 0, 0, 0, 0, 1), server_id());
    config.subnets.push(subnet);
    config.release.relays = vec![Registered { address: RELAY, relay_id: Some(relay_id()) }];
    config.leasequery.requestors = vec![RELAY];
    config
}

/// A client's message with these IAs.
pub(crate) fn message(client: u8, kind: u8, fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut out = Builder::message(kind, XID);
    out.duid(code::CLIENT_ID, duid(client).as_duid());
    if matches!(kind, kind::REQUEST | kind::RENEW | kind::RELEASE | kind::DECLINE) {
        out.duid(code::SERVER_ID, server_id().as_duid());
    }
    fill(&mut out);
    out.finish().expect("short")
}

/// What the relay makes of it.
pub(crate) fn relayed(client: u8, message: &[u8]) -> Vec<u8> {
    forward(client, message).expect("a message")
}

/// The same, of anything; none where it is no message.
pub(crate) fn forward(client: u8, message: &[u8]) -> Option<Vec<u8>> {
    let relay_id = relay_id();
    let options: [(u16, &[u8]); 2] =
        [(code::INTERFACE_ID, &[b'g', b'e', client]), (code::RELAY_ID, relay_id.as_duid().octets())];
    relay_forward(message, LINK, link_local(client), &options).ok()
}

impl Service {
    /// With clients 1 to `count`, each with an address and a prefix.
    pub(crate) fn with(count: u8) -> Self {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let mut service = Self { server: Server::new(config(), [], now, unix).expect("it is configured"), now, unix };
        for client in 1..=count {
            let empty = |out: &mut Builder| {
                for kind in [IaKind::Na, IaKind::Pd] {
                    out.ia(kind, 1, [0, 0], |_| {});
                }
            };
            for kind in [kind::SOLICIT, kind::REQUEST] {
                let said = service.hears(RELAY, &relayed(client, &message(client, kind, empty)));
                assert!(said.is_some(), "it answers clients");
            }
        }
        assert_eq!(service.active(), 2 * u64::from(count));
        service
    }

    /// A datagram in, one out at most.
    pub(crate) fn hears(&mut self, source: Ipv6Addr, payload: &[u8]) -> Option<Vec<u8>> {
        self.server.handle_message(SocketAddrV6::new(source, SERVER_PORT, 0, 7), payload, self.now, self.unix);
        let mut answer = None;
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Send { payload, .. } => assert_eq!(answer.replace(payload), None, "one answer at most"),
                Command::Persist { .. } => assert_eq!(answer, None, "a record behind the answer that promises it"),
                _ => {}
            }
        }
        if let Some(answer) = &answer {
            // An answer goes the way that the question came.
            let depth =
                |octets: &[u8]| RelayMessage::parse(octets).ok().and(Nest::walk(octets).ok()).map(|nest| nest.depth());
            assert_eq!(depth(answer), depth(payload));
        }
        answer
    }

    /// Leases in force.
    pub(crate) fn active(&self) -> u64 {
        self.server.status().active
    }

    /// What clients 1 to 2 may name: pools begin so.
    pub(crate) fn binding(kind: IaKind, client: u8) -> Binding {
        match kind {
            IaKind::Pd => {
                let address = Ipv6Addr::new(0x2001, 0xdb8, 0x100, u16::from(client) << 8, 0, 0, 0, 0);
                Binding::Prefix(Prefix::new(address, 56).expect("56 bits"))
            }
            _ => Binding::Address(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, client.into())),
        }
    }
}
