//! Associations with other members.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::association::{AssociationConfig, Hysteresis, Policy, Prefix};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsStream;

use super::listening::Listening;
use crate::cluster::tls::Tls;
use crate::io::random;
use crate::sctp::{Association, Follower, Key, Links, Locals, PathChange, Socket, Timing};

/// What the key of an association is made for (RFC 5705).
const LABEL: &[u8] = b"EXPORTER_GATEWAY_SCTP_AUTH";
/// The number of the key that nobody has but this end.
const OWN: u16 = 1;
/// The number of the key that both ends have.
const SHARED: u16 = 2;
/// A member that does not answer in this time is not there.
const CONNECT: Duration = Duration::from_secs(1);
/// The kernel sends one configuration message after the other, and waits as long as this for an answer on a path that works.
const ANSWER: Duration = Duration::from_secs(2);

/// Makes associations, from all addresses of the links between members.
#[derive(Clone)]
pub(in crate::cluster) struct Associations {
    locals: watch::Receiver<Locals>,
    own: Ipv4Addr,
    hysteresis: Hysteresis,
}

impl Associations {
    /// `own` is the address that the other members know us by. Must be called within a tokio runtime.
    pub(in crate::cluster) fn new(links: Links, own: Ipv4Addr, hysteresis: Hysteresis) -> anyhow::Result<Self> {
        Ok(Self { locals: links.follow()?, own, hysteresis })
    }

    pub(super) fn locals(&self) -> watch::Receiver<Locals> {
        self.locals.clone()
    }

    /// Whether a host is on one of the links.
    pub(in crate::cluster) fn is_near(&self, host: IpAddr) -> bool {
        self.locals.borrow().card_to(host).is_some()
    }

    /// Our addresses now, the one that we are known by first.
    fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let mut addresses: Vec<_> = self.locals.borrow().addresses().map(|ip| SocketAddr::new(ip, port)).collect();
        addresses.sort_by_key(|address| address.ip() != IpAddr::V4(self.own));
        addresses
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(false)?;
        let octets: [u8; 32] = random::octets().map_err(io::Error::other)?;
        socket.protect(&Key { number: OWN, octets: octets.to_vec() })?;
        socket.time(&Timing::default())?;
        Ok(socket)
    }

    /// An association with a member.
    pub(in crate::cluster) async fn connect(&self, to: SocketAddrV4) -> io::Result<Association> {
        let socket = self.socket()?;
        socket.bind(&self.addresses(0))?;
        tokio::time::timeout(CONNECT, Association::connect(socket, &[to.into()])).await?
    }

    /// Takes associations at all addresses that there are.
    pub(in crate::cluster) fn listen(&self, port: u16, backlog: i32) -> io::Result<Listening> {
        let socket = self.socket()?;
        socket.share_port()?;
        socket.bind(&self.addresses(port))?;
        socket.listen(backlog)?;
        Listening::new(socket, self.locals(), port)
    }

    /// What follows addresses from now on, on an association that TLS stands on: with the key that both its ends have, and
    /// nobody else. A peer that can't change addresses has none.
    pub(in crate::cluster) fn follower(
        &self,
        stream: &TlsStream<Association>,
        changes: Option<mpsc::Receiver<PathChange>>,
    ) -> io::Result<Follower> {
        let socket = stream.get_ref().0.socket();
        if socket.can_change() {
            let octets = Tls::exported(stream, LABEL).map_err(io::Error::other)?;
            socket.rekey(&Key { number: SHARED, octets: octets.to_vec() }, OWN)?;
        }
        let changes = changes.ok_or(io::ErrorKind::InvalidInput)?;
        // The other end has shown its certificate; what it has is not for us to say, but for what nobody may have (H-SC-11).
        let allowed = vec![Prefix::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0).map_err(io::Error::other)?];
        let (hysteresis, policy) = (self.hysteresis, Policy { allowed });
        let config = AssociationConfig { hysteresis, policy, answer: ANSWER, ..AssociationConfig::default() };
        Follower::new(Arc::clone(socket), changes, self.locals(), config)
    }
}

/// Why there is no association with a member.
pub(in crate::cluster) fn unreachable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the other member takes no associations".to_owned(),
        io::ErrorKind::TimedOut => "nobody answers over SCTP".to_owned(),
        _ if error.raw_os_error() == Some(libc::ENOPROTOOPT) => "the other host has no SCTP".to_owned(),
        _ => format!("there is no association: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each way not to have an association has its words.
    #[test]
    fn reasons() {
        let of = |code| unreachable(&io::Error::from_raw_os_error(code));
        assert_eq!(of(libc::ECONNREFUSED), "the other member takes no associations");
        assert_eq!(of(libc::ENOPROTOOPT), "the other host has no SCTP");
        assert_eq!(of(libc::ETIMEDOUT), "nobody answers over SCTP");
        assert_eq!(unreachable(&io::ErrorKind::TimedOut.into()), "nobody answers over SCTP");
        assert!(of(libc::ENETUNREACH).starts_with("there is no association: Network"));
    }
}
