//! Members that begin connections with us.

use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link;
use super::mesh::{REDIAL, STRANGERS, Shared};
use super::over::{Associations, Carried, Strangers};
use super::tls::Refused;
use crate::sctp::Association;

/// What was sent and not acknowledged by the other kernel for so long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// Between two looks whether the interface is still the one that is listened on.
const LOOK: Duration = Duration::from_secs(1);

/// Where members connect to. An interface that is made anew has another index, and nothing arrives at what was bound to the
/// former one.
pub(super) struct Listening {
    interface: Arc<str>,
    address: SocketAddrV4,
    index: u32,
    listener: TcpListener,
}

impl Listening {
    pub(super) fn open(interface: &str, address: SocketAddrV4) -> io::Result<Self> {
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

/// Takes connections over TCP.
pub(super) async fn connections(mut listening: Listening, shared: Shared, handshakes: Arc<Semaphore>) {
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
        let shared = shared.clone();
        tokio::spawn(async move {
            if prepare(&tcp).is_ok()
                && let Err(refused) = shared.take(tcp, permit).await
                && let IpAddr::V4(ip) = from.ip()
            {
                shared.refused(ip, None, &refused).await;
            }
        });
    }
}

/// Takes associations.
pub(super) async fn associations(mut strangers: Strangers, shared: Shared, handshakes: Arc<Semaphore>) {
    let associations = strangers.associations().clone();
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let Ok((association, from)) = strangers.next().await else {
            tokio::time::sleep(REDIAL).await;
            continue;
        };
        let (shared, associations) = (shared.clone(), associations.clone());
        tokio::spawn(async move {
            if let Err(refused) = shared.associate(&associations, association, permit).await
                && let IpAddr::V4(ip) = from
            {
                shared.refused(ip, None, &refused).await;
            }
        });
    }
}

impl Shared {
    /// Serves a connection until it ends, if a member has begun it.
    async fn take(&self, tcp: TcpStream, handshake: OwnedSemaphorePermit) -> Result<(), Refused> {
        let (stream, peer) = self.tls.accept(tcp).await?;
        drop(handshake);
        self.serve(&peer, stream, Vec::new(), Carried::Tcp(self.over.why_tcp().to_owned())).await;
        Ok(())
    }

    /// The same for an association.
    async fn associate(
        &self,
        associations: &Associations,
        mut association: Association,
        handshake: OwnedSemaphorePermit,
    ) -> Result<(), Refused> {
        let changes = association.changes();
        let (stream, peer) = self.tls.accept(association).await?;
        drop(handshake);
        let follower = Box::new(associations.follower(&stream, changes)?);
        self.serve(&peer, stream, Vec::new(), Carried::Sctp(follower)).await;
        Ok(())
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
