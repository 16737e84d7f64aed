//! A server, its disk and its clock; clients and the relays that they are behind.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::scope::Scope;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::bulk_release::{BulkRelease, Capability};
use gateway_core::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Message, Nest, Prefix, code, kind, relay_forward};
use gateway_server::v6::{Command, Config, Event, PrefixPool, Registered, Server, Subnet};

pub(crate) const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
pub(crate) const OTHER_RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 2);
/// Link-addresses of the two subnets.
pub(crate) const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xffff);
pub(crate) const OTHER_LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0xffff);
pub(crate) const DNS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53);
pub(crate) const XID: u32 = 0x12_3456;
/// Enterprise number of the single logout.
pub(crate) const PEN: u32 = 32473;

pub(crate) fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), length.parse().unwrap()).unwrap()
}

pub(crate) fn address(text: &str) -> Binding {
    Binding::Address(text.parse().unwrap())
}

pub(crate) fn delegated(text: &str) -> Binding {
    Binding::Prefix(prefix(text))
}

pub(crate) fn server_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1])
}

pub(crate) fn relay_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1])
}

/// 2001:db8:1::/64 and 2001:db8:2::/64 with eight addresses each, eight /56 and four /60.
pub(crate) fn config() -> Config {
    let mut config = Config::new(Ipv6Addr::new(0x2001, 0xdb8, 0x5e, 0, 0, 0, 0, 1), server_id());
    for third in [1u16, 2] {
        let at = |last| Ipv6Addr::new(0x2001, 0xdb8, third, 0, 0, 0, 0, last);
        let mut subnet = Subnet::new(Prefix::new(at(0), 64).unwrap());
        subnet.addresses = vec![(at(0), at(8))];
        let pool = |fourth, length, delegated| PrefixPool {
            prefix: Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0x100 * third, fourth, 0, 0, 0, 0), length).unwrap(),
            delegated,
        };
        subnet.prefixes = vec![pool(0, 53, 56), pool(0x8000, 58, 60)];
        subnet.dns = vec![DNS];
        config.subnets.push(subnet);
    }
    config.release.relays = vec![Registered { address: RELAY, relay_id: Some(relay_id()) }];
    config.leasequery.requestors = vec![RELAY];
    config
}

/// An answer as the client or the relay reads it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) to: SocketAddrV6,
    /// As it was sent.
    pub(crate) octets: Vec<u8>,
    /// What the relays take out.
    pub(crate) inner: Vec<u8>,
}

impl Reply {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.inner).unwrap()
    }

    pub(crate) fn kind(&self) -> u8 {
        self.message().kind()
    }

    /// Status of the message; none is Success.
    pub(crate) fn status(&self) -> u16 {
        self.message().status().unwrap().map_or(0, |status| status.code)
    }

    /// What an IA holds with its preferred and valid lifetime, and its status.
    pub(crate) fn ia(&self, kind: IaKind, iaid: u32) -> (Vec<(Binding, [u32; 2])>, u16) {
        let ias = self.message().ias().unwrap();
        let ia = ias.iter().find(|ia| (ia.kind, ia.iaid) == (kind, iaid)).expect("the IA is answered");
        let leases = ia.leases().map(|lease| (lease.binding, [lease.preferred, lease.valid]));
        (leases.collect(), ia.status.map_or(0, |status| status.code))
    }

    /// The one lease of an IA that has a lifetime.
    pub(crate) fn lease(&self, kind: IaKind, iaid: u32) -> Option<Binding> {
        let (leases, _) = self.ia(kind, iaid);
        let mut lasting = leases.into_iter().filter(|(_, [_, valid])| *valid > 0).map(|(binding, _)| binding);
        let first = lasting.next();
        assert_eq!(lasting.next(), None, "one at most");
        first
    }
}

/// A client behind a relay.
#[derive(Clone, Debug)]
pub(crate) struct Cpe {
    pub(crate) duid: DuidBuf,
    pub(crate) link: Ipv6Addr,
    pub(crate) relay: Ipv6Addr,
    pub(crate) relay_id: Option<DuidBuf>,
    pub(crate) remote_id: Vec<u8>,
    /// What the relay can release its leases by.
    pub(crate) tag: Option<Scope>,
}

pub(crate) fn cpe(number: u16) -> Cpe {
    let [high, low] = number.to_be_bytes();
    Cpe {
        duid: DuidBuf::link_layer([2, 0, 0, 1, high, low]),
        link: LINK,
        relay: RELAY,
        relay_id: Some(relay_id()),
        remote_id: vec![0, 0, 0, 9, high, low],
        tag: None,
    }
}

pub(crate) type Ias<'a> = &'a [(IaKind, u32, &'a [Binding])];

impl Cpe {
    /// A client's message.
    pub(crate) fn message(&self, kind: u8, ias: Ias<'_>, more: impl FnOnce(&mut Builder)) -> Vec<u8> {
        let mut out = Builder::message(kind, XID);
        out.duid(code::CLIENT_ID, self.duid.as_duid());
        if matches!(kind, kind::REQUEST | kind::RENEW | kind::RELEASE | kind::DECLINE) {
            out.duid(code::SERVER_ID, server_id().as_duid());
        }
        for (kind, iaid, leases) in ias {
            out.ia(*kind, *iaid, [0, 0], |out| {
                for lease in *leases {
                    out.lease(*lease, [0, 0], |_| {});
                }
            });
        }
        more(&mut out);
        out.finish().unwrap()
    }

    /// What the relay makes of it.
    pub(crate) fn relayed(&self, message: &[u8]) -> Vec<u8> {
        let mut options: Vec<(u16, &[u8])> =
            vec![(code::INTERFACE_ID, b"ge-0/0/1"), (code::REMOTE_ID, &self.remote_id)];
        if let Some(id) = &self.relay_id {
            options.push((code::RELAY_ID, id.as_duid().octets()));
        }
        let tag = self.tag.clone().map(|scope| {
            let capability = Some(Capability::RELAY);
            BulkRelease { capability, scopes: vec![scope], ..BulkRelease::default() }.encode_option_17(PEN)
        });
        if let Some(tag) = &tag {
            options.push((code::VENDOR_OPTS, tag));
        }
        relay_forward(message, self.link, "fe80::2".parse().unwrap(), &options).unwrap()
    }
}

/// The server, its disk and its clock.
pub(crate) struct Lab {
    pub(crate) config: Config,
    pub(crate) server: Server,
    pub(crate) disk: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) now: Instant,
    pub(crate) unix: Duration,
    pub(crate) events: Vec<Event>,
    /// Records written by the last message, before its answer.
    pub(crate) written: usize,
}

impl Lab {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_disk(config, BTreeMap::new())
    }

    pub(crate) fn with_disk(config: Config, disk: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let server = Server::new(config.clone(), disk.clone(), now, unix).unwrap();
        Self { config, server, disk, now, unix, events: Vec::new(), written: 0 }
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.unix += duration;
    }

    /// Time passes and the server does what is due.
    pub(crate) fn rest(&mut self, duration: Duration) {
        self.wait(duration);
        for _ in 0..1000 {
            if self.server.poll_timeout().is_none_or(|at| at > self.now) {
                break;
            }
            self.server.handle_timeout(self.now, self.unix);
        }
    }

    /// What time alone wanted done.
    pub(crate) fn tidy(&mut self) {
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Forget { key } => _ = self.disk.remove(&key),
                other => unreachable!("{other:?}: time writes nothing"),
            }
        }
    }

    /// Kill and restart: only what is on disk is left.
    pub(crate) fn crash(&mut self) {
        self.server = Server::new(self.config.clone(), self.disk.clone(), self.now, self.unix).unwrap();
    }

    /// A datagram in, at most one out.
    pub(crate) fn send(&mut self, source: Ipv6Addr, payload: &[u8]) -> Option<Reply> {
        self.server.handle_message(SocketAddrV6::new(source, 547, 0, 7), payload, self.now, self.unix);
        let mut reply = None;
        self.written = 0;
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Persist { key, value } => {
                    assert!(reply.is_none(), "a record after the answer that promises it");
                    self.written += 1;
                    self.disk.insert(key, value);
                }
                Command::Forget { key } => {
                    self.disk.remove(&key);
                }
                Command::Send { to, payload, waits } => {
                    let relayed = payload.first() == Some(&kind::RELAY_REPL);
                    let inner =
                        if relayed { Nest::walk(&payload).unwrap().message().to_vec() } else { payload.clone() };
                    assert!(reply.is_none(), "one answer at most");
                    assert_eq!(waits, inner.first() != Some(&kind::ADVERTISE), "an ADVERTISE promises nothing");
                    reply = Some(Reply { to, octets: payload, inner });
                }
                Command::Tell(event) => self.events.push(event),
                Command::Stream { .. } | Command::Close { .. } => unreachable!("no datagram's answer"),
            }
        }
        reply
    }

    /// A client's message through its relay.
    pub(crate) fn ask(&mut self, cpe: &Cpe, kind: u8, ias: Ias<'_>) -> Option<Reply> {
        self.send(cpe.relay, &cpe.relayed(&cpe.message(kind, ias, |_| {})))
    }

    /// SOLICIT to REPLY for IAs without hints; what each got.
    pub(crate) fn login(&mut self, cpe: &Cpe, ias: &[(IaKind, u32)]) -> Vec<Option<Binding>> {
        let empty: Vec<(IaKind, u32, &[Binding])> = ias.iter().map(|(kind, iaid)| (*kind, *iaid, &[][..])).collect();
        let offer = self.ask(cpe, kind::SOLICIT, &empty).expect("an ADVERTISE");
        assert_eq!(offer.kind(), kind::ADVERTISE);
        let offered: Vec<Vec<Binding>> =
            ias.iter().map(|(kind, iaid)| offer.lease(*kind, *iaid).into_iter().collect()).collect();
        let named: Vec<(IaKind, u32, &[Binding])> =
            ias.iter().zip(&offered).map(|((kind, iaid), leases)| (*kind, *iaid, &leases[..])).collect();
        let reply = self.ask(cpe, kind::REQUEST, &named).expect("a REPLY");
        assert_eq!(reply.kind(), kind::REPLY);
        let got: Vec<_> = ias.iter().map(|(kind, iaid)| reply.lease(*kind, *iaid)).collect();
        for (got, offered) in got.iter().zip(&offered) {
            assert_eq!(got.as_slice(), offered.as_slice(), "what was advertised");
        }
        got
    }

    /// An address and a prefix, IAID 1 each.
    pub(crate) fn dual(&mut self, cpe: &Cpe) -> (Binding, Binding) {
        let got = self.login(cpe, &[(IaKind::Na, 1), (IaKind::Pd, 1)]);
        (got[0].expect("an address"), got[1].expect("a prefix"))
    }

    pub(crate) fn active(&self) -> u64 {
        self.server.status().active
    }
}
