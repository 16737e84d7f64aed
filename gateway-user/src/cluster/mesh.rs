//! The members' streams: one mutually authenticated TLS connection between every two members.
//!
//! Of two members the one with the greater number dials. A connection that ends is dialled again; what was lost with it,
//! replication makes good.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use gateway_core::member::MemberId;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};

use super::tls::{Peer, Refused, Tls};
use super::{dial, link, valid};

/// What was sent and not acknowledged by the other kernel for so long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// Between two attempts to reach a member.
pub(super) const REDIAL: Duration = Duration::from_millis(200);
/// Between two looks whether the interface is still the one that is listened on.
const LOOK: Duration = Duration::from_secs(1);
/// Handshakes with strangers at the same time.
const STRANGERS: usize = 16;
/// Octets read at once.
pub(super) const READ: usize = 64 << 10;
/// Octets that are gathered for one write.
const WRITE: usize = 256 << 10;
/// Pieces that wait for the loop, of one connection: a sender is slowed down by a loop that is.
const BACKLOG: usize = 64;

/// Tells the connections with a member apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Connection(u64);

/// What happened on the streams.
pub(crate) enum MeshEvent {
    /// A connection stands; what is given to `writer` is written to it.
    Connected {
        /// With whom.
        member: MemberId,
        /// Which.
        connection: Connection,
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
}

/// Starts to listen and to dial, in tasks of the current runtime.
pub(crate) fn start(config: MeshConfig, tls: Arc<Tls>) -> anyhow::Result<mpsc::Receiver<MeshEvent>> {
    let (events, receiver) = mpsc::channel(BACKLOG);
    let listening = Listening::open(&config.interface, SocketAddrV4::new(config.ip, config.port))
        .with_context(|| format!("listen on TCP {}:{} for the members of the cluster", config.ip, config.port))?;
    let (again, look) = watch::channel(());
    tokio::spawn(valid::look(Arc::clone(&tls), again));
    let shared = Shared { tls, events, look, interface: config.interface.into(), next: Arc::default() };
    let handshakes = Arc::new(tokio::sync::Semaphore::new(STRANGERS));
    tokio::spawn(accept(listening, shared.clone(), handshakes));
    for (member, ip) in config.others {
        if member < config.me {
            tokio::spawn(dial::dial(member, SocketAddrV4::new(ip, config.port), config.ip, shared.clone()));
        }
    }
    Ok(receiver)
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) tls: Arc<Tls>,
    pub(super) events: mpsc::Sender<MeshEvent>,
    /// Certificates are to be looked at again.
    look: watch::Receiver<()>,
    pub(super) interface: Arc<str>,
    next: Arc<AtomicU64>,
}

/// Where members connect to. An interface that is made anew has another index, and nothing arrives at what was bound to the
/// former one.
struct Listening {
    interface: Arc<str>,
    address: SocketAddrV4,
    index: u32,
    listener: TcpListener,
}

impl Listening {
    fn open(interface: &str, address: SocketAddrV4) -> io::Result<Self> {
        let index = link::index(interface)?;
        let socket = TcpSocket::new_v4()?;
        socket.bind_device(Some(interface.as_bytes()))?;
        // After a restart, connections of the life before may still linger.
        socket.set_reuseaddr(true)?;
        socket.bind(address.into())?;
        Ok(Self { interface: interface.into(), address, index, listener: socket.listen(STRANGERS as u32)? })
    }

    /// Listens on the interface that has the name now.
    fn look(&mut self) {
        let index = link::index(&self.interface);
        if index.is_ok_and(|index| index != self.index)
            && let Ok(again) = Self::open(&self.interface, self.address)
        {
            *self = again;
        }
    }
}

async fn accept(mut listening: Listening, shared: Shared, handshakes: Arc<tokio::sync::Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listening.listener.accept() => accepted,
            () = tokio::time::sleep(LOOK) => {
                listening.look();
                continue;
            }
        };
        let Ok((tcp, from)) = accepted else {
            // Out of descriptors, say: others end in time.
            tokio::time::sleep(REDIAL).await;
            continue;
        };
        let std::net::IpAddr::V4(ip) = from.ip() else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            if prepare(&tcp).is_err() {
                return;
            }
            let outcome = shared.tls.accept(tcp).await;
            drop(permit);
            match outcome {
                Ok((stream, peer)) => shared.serve(&peer, stream, Vec::new()).await,
                Err(refused) => shared.refused(ip, None, &refused).await,
            }
        });
    }
}

pub(super) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    let second = Duration::from_secs(1);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(second).with_interval(second))?;
    Ok(())
}

impl Shared {
    pub(super) async fn refused(&self, ip: Ipv4Addr, member: Option<MemberId>, refused: &Refused) {
        // The loop has ended when nobody listens.
        let _ = self.events.send(MeshEvent::Refused { ip, member, why: refused.to_string() }).await;
    }

    /// `greeting`: what it has said already.
    pub(super) async fn serve(
        &self,
        peer: &Peer,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        greeting: Vec<u8>,
    ) {
        let member = peer.id;
        let connection = Connection(self.next.fetch_add(1, Ordering::Relaxed));
        let (writer, written) = mpsc::unbounded_channel();
        let (reading, writing) = tokio::io::split(stream);
        if self.events.send(MeshEvent::Connected { member, connection, writer }).await.is_err() {
            return;
        }
        if !greeting.is_empty()
            && self.events.send(MeshEvent::Octets { member, connection, octets: greeting }).await.is_err()
        {
            return;
        }
        let why = tokio::select! {
            result = self.read(member, connection, reading) => result,
            result = write(writing, written) => result,
            result = valid::until_refused(&self.tls, peer, self.look.clone()) => result,
        };
        let why = why.map_or_else(|error| error.to_string(), |()| "it was closed".to_owned());
        let _ = self.events.send(MeshEvent::Lost { member, connection, why }).await;
    }

    async fn read(
        &self,
        member: MemberId,
        connection: Connection,
        mut reading: impl AsyncRead + Unpin,
    ) -> io::Result<()> {
        loop {
            let mut octets = Vec::with_capacity(READ);
            if reading.read_buf(&mut octets).await? == 0 {
                return Ok(());
            }
            if self.events.send(MeshEvent::Octets { member, connection, octets }).await.is_err() {
                return Ok(());
            }
        }
    }
}

async fn write(mut writing: impl AsyncWrite + Unpin, mut written: mpsc::UnboundedReceiver<Vec<u8>>) -> io::Result<()> {
    while let Some(mut octets) = written.recv().await {
        while octets.len() < WRITE
            && let Ok(more) = written.try_recv()
        {
            octets.extend(more);
        }
        writing.write_all(&octets).await?;
        writing.flush().await?;
    }
    writing.shutdown().await
}
