//! A relay with its clients, in as few words as it takes.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gateway_core::line::HardwareAddress;
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, Scope, ScopeKind};
use gateway_core::wire::agent::{AgentBuilder, sub};
use gateway_core::wire::bulk_release::{BulkRelease, Capability, CodePoints, Operation, Transaction};
use gateway_core::wire::dhcp4::{Builder, Message, REQUEST, code, kind};
use gateway_core::wire::leasequery;
use nix::sys::socket::{setsockopt, sockopt};

/// giaddr.
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A client by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Client(pub(crate) u32);

impl Client {
    fn message(self, kind: u8, with: impl FnOnce(Builder) -> Builder) -> Vec<u8> {
        let [_, a, b, c] = self.0.to_be_bytes();
        let hardware = HardwareAddress::ethernet([2, 0, 0, a, b, c]);
        let builder = Builder::new(REQUEST).hardware(hardware).xid(self.0).kind(kind);
        with(builder).giaddr(RELAY).hops(1).option(code::AGENT_INFORMATION, &tag(None)).finish()
    }

    pub(crate) fn discover(self) -> Vec<u8> {
        self.message(kind::DISCOVER, |builder| builder)
    }

    pub(crate) fn select(self, server: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
        let with = |builder: Builder| builder.address(code::SERVER_ID, server).address(code::REQUESTED_IP, address);
        self.message(kind::REQUEST, with)
    }

    pub(crate) fn renew(self, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::REQUEST, |builder| builder.ciaddr(address))
    }

    pub(crate) fn release(self, server: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
        self.message(kind::RELEASE, |builder| builder.ciaddr(address).address(code::SERVER_ID, server))
    }
}

/// Who has an address?
pub(crate) fn query(address: Ipv4Addr) -> Vec<u8> {
    leasequery::by_address(address, RELAY, 9)
}

/// A single logout of all clients.
pub(crate) fn logout() -> Vec<u8> {
    let transaction = Transaction { operation: Operation::Release, final_: false, txid: 77, count: 0 };
    Builder::new(REQUEST)
        .xid(0xa1b2_c3d4)
        .giaddr(RELAY)
        .kind(kind::RELEASE)
        .option(code::AGENT_INFORMATION, &tag(Some(transaction)))
        .finish()
}

/// Option 82 of all that this relay sends.
fn tag(transaction: Option<Transaction>) -> Vec<u8> {
    let device = DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").expect("a device");
    let mut agent = AgentBuilder::new().sub(sub::RELAY_ID, device.octets());
    let elements = BulkRelease {
        capability: Some(Capability::RELAY),
        transaction,
        scopes: vec![Scope { device, kind: ScopeKind::Address(RELAY), epoch: Epoch(7) }],
        ..BulkRelease::default()
    };
    for (code, value) in elements.encode(&CodePoints::default()) {
        agent.push(code, &value);
    }
    agent.finish().expect("it fits")
}

/// What a server said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) from: Ipv4Addr,
    pub(crate) kind: u8,
    /// Number of the client.
    pub(crate) client: u32,
    /// yiaddr, or ciaddr of an answer to a query.
    pub(crate) address: Ipv4Addr,
}

/// A relay on loopback; each has servers' port of its own.
pub(crate) struct Relay {
    socket: UdpSocket,
    pub(crate) server_port: u16,
}

impl Relay {
    pub(crate) fn bind() -> Result<Self> {
        let server_port = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 0))?.local_addr()?.port();
        let socket = UdpSocket::bind((RELAY, 0))?;
        setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20))?;
        Ok(Self { socket, server_port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    pub(crate) fn send(&self, server: Ipv4Addr, message: &[u8]) -> Result<()> {
        match self.socket.send_to(message, (server, self.server_port)) {
            // The server was killed, and the kernel says so with the next message.
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The next reply.
    pub(crate) fn receive(&self, limit: Duration) -> Result<Reply> {
        self.try_receive(limit)?.context("no answer")
    }

    /// The next reply, if there is one in time.
    pub(crate) fn try_receive(&self, limit: Duration) -> Result<Option<Reply>> {
        let mut buffer = [0; 1500];
        self.socket.set_read_timeout(Some(limit.max(Duration::from_micros(100))))?;
        let (length, SocketAddr::V4(from)) = (match self.socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(_) => return Ok(None),
        }) else {
            bail!("not IPv4")
        };
        let message = Message::parse(&buffer[..length]).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let [.., a, b, c] = message.hardware().mac().unwrap_or_default();
        let kind = message.kind().context("a message without a type")?;
        let address = if message.yiaddr().is_unspecified() { message.ciaddr() } else { message.yiaddr() };
        let from = SocketAddrV4::ip(&from);
        Ok(Some(Reply { from: *from, kind, client: u32::from_be_bytes([0, a, b, c]), address }))
    }

    /// Asks one server, again where it does not answer.
    pub(crate) fn ask_whole(&self, server: Ipv4Addr, message: &[u8]) -> Result<Reply> {
        while self.try_receive(Duration::ZERO)?.is_some() {} // late answers to others
        for _ in 0..5 {
            self.send(server, message)?;
            if let Some(reply) = self.try_receive(Duration::from_secs(2))? {
                return Ok(reply);
            }
        }
        bail!("{server} does not answer")
    }

    /// Kind and address of the answer.
    pub(crate) fn ask(&self, server: Ipv4Addr, message: &[u8]) -> Result<(u8, Ipv4Addr)> {
        let reply = self.ask_whole(server, message)?;
        ensure!(reply.from == server, "{server} was asked, and {} answers", reply.from);
        Ok((reply.kind, reply.address))
    }

    /// From DISCOVER to ACK.
    pub(crate) fn login(&self, server: Ipv4Addr, client: Client) -> Result<Ipv4Addr> {
        let (reply, address) = self.ask(server, &client.discover())?;
        ensure!(reply == kind::OFFER, "{client:?}: {reply} instead of an offer");
        let acknowledged = self.ask(server, &client.select(server, address))?;
        ensure!(acknowledged == (kind::ACK, address), "{client:?}: {acknowledged:?}");
        Ok(address)
    }

    /// Waits until these servers answer.
    pub(crate) fn wait_for<const N: usize>(&self, servers: [Ipv4Addr; N]) -> Result<()> {
        for server in servers {
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                self.send(server, &query(Ipv4Addr::new(10, 0, 0, 2)))?;
                if self.try_receive(Duration::from_millis(100))?.is_some_and(|reply| reply.from == server) {
                    break;
                }
                ensure!(Instant::now() < deadline, "{server} does not answer");
            }
        }
        while self.try_receive(Duration::from_millis(50))?.is_some() {}
        Ok(())
    }
}
