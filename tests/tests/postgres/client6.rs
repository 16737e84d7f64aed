//! A DHCPv6 relay with its clients, in as few words as it takes.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, Operation, Transaction};
use gateway_core::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Message, Nest, Prefix, code, kind, relay_forward};
use gateway_server::Ports;
use gateway_server::v6::{Config, PrefixPool, Registered, Subnet};

/// Enterprise number of the single logout.
const PEN: u32 = 32473;
const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xffff);
const NET: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);
/// Where prefixes are cut from.
pub(crate) const SPACE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x8000, 0, 0, 0, 0, 0);

fn relay_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1])
}

/// The server on that port of ::1.
pub(crate) fn server_id(port: u16) -> DuidBuf {
    let [high, low] = port.to_be_bytes();
    DuidBuf::link_layer([2, 0, 0, 0xaa, high, low])
}

/// A server on a port of ::1: so many addresses from 2001:db8:1::1 on, and the /60s of that many bits of 2001:db8:8000::/32.
pub(crate) fn config(port: u16, relay: u16, addresses: u32, bits: u8) -> Config {
    let mut config = Config::new(Ipv6Addr::LOCALHOST, server_id(port));
    config.ports = Ports { server: port, relay, client: 546 };
    let mut subnet = Subnet::new(Prefix::new(NET, 64).expect("a prefix"));
    let last = Ipv6Addr::from_bits(NET.to_bits() + u128::from(addresses));
    subnet.addresses = vec![(Ipv6Addr::from_bits(NET.to_bits() + 1), last)];
    subnet.prefixes = vec![PrefixPool { prefix: Prefix::new(SPACE, 60 - bits).expect("a prefix"), delegated: 60 }];
    config.subnets = vec![subnet];
    config.release.relays = vec![Registered { address: Ipv6Addr::LOCALHOST, relay_id: Some(relay_id()) }];
    config.release.single_logout.enabled = true;
    config
}

/// A port of ::1 that nobody has.
pub(crate) fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// An address and a prefix.
pub(crate) type Pair = (Binding, Binding);

/// A client by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Client6(pub(crate) u32);

impl Client6 {
    /// SOLICIT, or with what it was advertised or has any other message; `server`: which it is for.
    pub(crate) fn say(self, kind: u8, pair: Option<Pair>, server: Option<u16>) -> Vec<u8> {
        let [a, b, c, d] = self.0.to_be_bytes();
        let mut out = Builder::message(kind, self.0 & 0xff_ffff);
        out.duid(code::CLIENT_ID, DuidBuf::link_layer([2, 1, a, b, c, d]).as_duid());
        if let Some(server) = server {
            out.duid(code::SERVER_ID, server_id(server).as_duid());
        }
        for (of, binding) in [(IaKind::Na, pair.map(|pair| pair.0)), (IaKind::Pd, pair.map(|pair| pair.1))] {
            out.ia(of, 1, [0, 0], |out| {
                if let Some(binding) = binding {
                    out.lease(binding, [0, 0], |_| {});
                }
            });
        }
        relayed(&out.finish().expect("it fits"))
    }

    pub(crate) fn solicit(self) -> Vec<u8> {
        self.say(kind::SOLICIT, None, None)
    }
}

/// What the relay makes of a client's message; the leases are tagged with the card.
fn relayed(message: &[u8]) -> Vec<u8> {
    let relay_id = relay_id();
    let elements = BulkRelease { capability: Some(Capability::RELAY), scopes: vec![card()], ..BulkRelease::default() };
    let tag = elements.encode_option_17(PEN);
    let options: [(u16, &[u8]); 3] =
        [(code::INTERFACE_ID, b"ge-0/0/1"), (code::RELAY_ID, relay_id.as_duid().octets()), (code::VENDOR_OPTS, &tag)];
    relay_forward(message, LINK, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2), &options).expect("it fits")
}

fn card() -> Scope {
    let device = DeviceId::new(DeviceIdType::Duid, relay_id().as_duid().octets()).expect("a device");
    Scope { device, kind: ScopeKind::Group(GroupId::new(b"fpc0").expect("a group")), epoch: Epoch(7) }
}

/// A single logout of all clients, for the server on that port.
pub(crate) fn logout(server: u16, txid: u64) -> Vec<u8> {
    let transaction = Some(Transaction { operation: Operation::Release, final_: false, txid, count: 0 });
    let capability = Some(Capability::RELAY);
    let elements = BulkRelease { capability, transaction, scopes: vec![card()], results: Vec::new() };
    let mut out = Builder::message(240, 0xa1_b2c3);
    out.duid(code::SERVER_ID, server_id(server).as_duid()).duid(code::RELAY_ID, relay_id().as_duid());
    out.u16(code::ELAPSED_TIME, 0).option(code::VENDOR_OPTS, &elements.encode_option_17(PEN));
    relay_forward(&out.finish().expect("it fits"), LINK, Ipv6Addr::LOCALHOST, &[]).expect("it fits")
}

/// What a server said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply6 {
    /// Port of the server.
    pub(crate) from: u16,
    pub(crate) kind: u8,
    /// Number of the client.
    pub(crate) client: u32,
    /// What it has or is offered, if that is both.
    pub(crate) pair: Option<Pair>,
    /// Leases that a single logout has ended.
    pub(crate) released: Option<u32>,
}

/// A relay on loopback.
pub(crate) struct Relay6(UdpSocket);

impl Relay6 {
    pub(crate) fn bind() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(8 << 20))?;
        Ok(Self(socket))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    pub(crate) fn send(&self, server: u16, message: &[u8]) -> Result<()> {
        match self.0.send_to(message, (Ipv6Addr::LOCALHOST, server)) {
            // The server was killed, and the kernel says so with the next message.
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The next reply, if there is one in time.
    pub(crate) fn receive(&self, limit: Duration) -> Result<Option<Reply6>> {
        let mut buffer = [0; 1500];
        self.0.set_read_timeout(Some(limit.max(Duration::from_micros(100))))?;
        let Ok((length, SocketAddr::V6(from))) = self.0.recv_from(&mut buffer) else { return Ok(None) };
        read(from.port(), &buffer[..length]).map(Some)
    }

    /// Asks one server, again where it does not answer.
    pub(crate) fn ask(&self, server: u16, message: &[u8]) -> Result<Reply6> {
        while self.receive(Duration::ZERO)?.is_some() {} // late answers to others
        for _ in 0..10 {
            self.send(server, message)?;
            if let Some(reply) = self.receive(Duration::from_secs(1))? {
                return Ok(reply);
            }
        }
        bail!("the server on port {server} does not answer")
    }

    /// From SOLICIT to REPLY.
    pub(crate) fn login(&self, server: u16, client: Client6) -> Result<Pair> {
        let offered = self.ask(server, &client.solicit())?.pair.with_context(|| format!("{client:?}: no offer"))?;
        let reply = self.ask(server, &client.say(kind::REQUEST, Some(offered), Some(server)))?;
        anyhow::ensure!((reply.kind, reply.pair) == (kind::REPLY, Some(offered)), "{client:?}: {reply:?}");
        Ok(offered)
    }
}

fn read(from: u16, octets: &[u8]) -> Result<Reply6> {
    let nest = Nest::walk(octets).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let message = Message::parse(nest.message()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let wrong = |error| anyhow::anyhow!("{error:?}");
    let client = match message.client_id().map_err(wrong)?.map(|duid| duid.octets().to_vec()).as_deref() {
        Some([.., a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    };
    let elements = message.options().find(code::VENDOR_OPTS);
    let elements = elements.and_then(|option| BulkRelease::decode_option_17(option.value, PEN).ok()?);
    let released = elements.and_then(|elements| Some(elements.results.first()?.released));
    let ias = if released.is_some() { Vec::new() } else { message.ias().map_err(wrong)? };
    let of = |kind| {
        let ia = ias.iter().find(|ia| ia.kind == kind)?;
        ia.leases().find(|lease| lease.valid > 0).map(|lease| lease.binding)
    };
    let pair = of(IaKind::Na).zip(of(IaKind::Pd));
    Ok(Reply6 { from, kind: message.kind(), client, pair, released })
}
