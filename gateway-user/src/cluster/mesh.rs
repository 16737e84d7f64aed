//! The members' streams: one mutually authenticated TLS connection between every two members, over SCTP or TCP.
//!
//! Of two members the one with the greater number dials. A connection that ends is dialled again; what was lost with it,
//! replication makes good.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use gateway_core::association::{self, Hysteresis};
use gateway_core::member::MemberId;
use tokio::sync::{Semaphore, mpsc, watch};

use super::accept::{self, Listening};
use super::over::{Associations, Carrier, Over, Strangers};
use super::tls::{Refused, Tls};
use super::{dial, valid};
use crate::config::Transport;
use crate::sctp::Links;

/// Between two attempts to reach a member.
pub(super) const REDIAL: Duration = Duration::from_millis(200);
/// Handshakes with strangers at the same time.
pub(super) const STRANGERS: usize = 16;
/// Octets read at once.
pub(super) const READ: usize = 64 << 10;
/// Pieces that wait for the loop, of one connection: a sender is slowed down by a loop that is.
const BACKLOG: usize = 64;

/// Tells the connections with a member apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Connection(pub(super) u64);

/// What happened on the streams.
pub(crate) enum MeshEvent {
    /// A connection stands; what is given to `writer` is written to it.
    Connected {
        /// With whom.
        member: MemberId,
        /// Which.
        connection: Connection,
        /// What it runs over.
        carrier: Carrier,
        /// Dropped, it ends the connection.
        writer: mpsc::UnboundedSender<Vec<u8>>,
    },
    /// Octets arrived.
    Octets {
        /// From whom.
        member: MemberId,
        /// On which.
        connection: Connection,
        /// In order, cut anywhere.
        octets: Vec<u8>,
    },
    /// Something has become of the addresses that a connection runs over.
    Path {
        /// With whom.
        member: MemberId,
        /// What.
        event: association::Event,
    },
    /// A connection ended.
    Lost {
        /// With whom.
        member: MemberId,
        /// Which.
        connection: Connection,
        /// Why.
        why: String,
    },
    /// A member could not be reached. That says nothing of its certificate.
    Unreachable {
        /// Where it was looked for.
        ip: Ipv4Addr,
        /// The member.
        member: MemberId,
        /// Why, in one line.
        why: String,
    },
    /// Somebody was not let in, or a member does not let us in.
    Refused {
        /// Whose address.
        ip: Ipv4Addr,
        /// The member, as far as it is known.
        member: Option<MemberId>,
        /// Why, in one line.
        why: String,
    },
}

/// Who is where.
pub(crate) struct MeshConfig {
    /// This member.
    pub(crate) me: MemberId,
    /// The members' link: connections come and go by it alone, whoever else can reach the address.
    pub(crate) interface: String,
    /// Its address there.
    pub(crate) ip: Ipv4Addr,
    /// The members' port.
    pub(crate) port: u16,
    /// All other members.
    pub(crate) others: Vec<(MemberId, Ipv4Addr)>,
    /// Further links: an association has the addresses of all.
    pub(crate) links: Vec<String>,
    /// Addresses that all members have, which no association may have.
    pub(crate) shared: Vec<IpAddr>,
    /// What streams run over.
    pub(crate) transport: Transport,
    /// When an association's addresses change.
    pub(crate) paths: Hysteresis,
}

/// Starts to listen and to dial, in tasks of the current runtime.
pub(crate) fn start(config: MeshConfig, tls: Arc<Tls>) -> anyhow::Result<mpsc::Receiver<MeshEvent>> {
    let (events, receiver) = mpsc::channel(BACKLOG);
    let own = SocketAddrV4::new(config.ip, config.port);
    let interfaces = std::iter::once(&config.interface).chain(&config.links).cloned().collect();
    let links = Links { interfaces, without: config.shared };
    let over = Over::choose(config.transport, || Associations::new(links, config.ip, config.paths))?;
    let (again, look) = watch::channel(());
    tokio::spawn(valid::look(Arc::clone(&tls), again));
    let interface: Arc<str> = config.interface.into();
    let shared = Shared { tls, events, look, interface: Arc::clone(&interface), next: Arc::default(), over };
    let handshakes = Arc::new(Semaphore::new(STRANGERS));
    // Before TCP is: who dials takes SCTP if it is there.
    if let Some(associations) = shared.over.associations() {
        let strangers = Strangers::new(associations.clone(), config.port, STRANGERS as i32);
        tokio::spawn(accept::associations(strangers, shared.clone(), Arc::clone(&handshakes)));
    }
    if shared.over.has_tcp() {
        let listening = Listening::open(&interface, own)
            .with_context(|| format!("listen on TCP {own} for the members of the cluster"))?;
        tokio::spawn(accept::connections(listening, shared.clone(), handshakes));
    }
    for (member, ip) in config.others {
        if member < config.me {
            tokio::spawn(dial::dial(member, SocketAddrV4::new(ip, config.port), config.ip, shared.clone()));
        }
    }
    Ok(receiver)
}

/// What all tasks of the streams have.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) tls: Arc<Tls>,
    pub(super) events: mpsc::Sender<MeshEvent>,
    /// Certificates are to be looked at again.
    pub(super) look: watch::Receiver<()>,
    pub(super) interface: Arc<str>,
    pub(super) next: Arc<AtomicU64>,
    pub(super) over: Over,
}

impl Shared {
    pub(super) async fn refused(&self, ip: Ipv4Addr, member: Option<MemberId>, refused: &Refused) {
        // The loop has ended when nobody listens.
        let _ = self.events.send(MeshEvent::Refused { ip, member, why: refused.to_string() }).await;
    }
}
