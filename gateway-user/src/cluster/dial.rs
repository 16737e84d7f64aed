//! Reaching the members with smaller numbers: again and again, and saying once why it does not work.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use gateway_core::member::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpSocket, TcpStream};

use super::accept::prepare;
use super::mesh::{MeshEvent, READ, REDIAL, Shared};
use super::over::{self, Carried, Over, Reached};
use super::tls::Refused;

/// A member that does not answer in this time is not there.
const CONNECT: Duration = Duration::from_secs(1);
/// A member that has let us in says HELLO in this time, however busy it is.
const GREETING: Duration = Duration::from_secs(5);

pub(super) async fn dial(member: MemberId, to: SocketAddrV4, from: Ipv4Addr, shared: Shared) {
    // What was said last: it is tried again five times a second.
    let mut told = String::new();
    while !shared.events.is_closed() {
        let (why, trust) = match shared.reach(to, from).await {
            Err(why) => (why, None),
            Ok(reached) => match shared.meet(member, reached).await {
                Ok(()) => (String::new(), None),
                Err(refused) => (refused.to_string(), Some(refused).filter(Refused::is_about_trust)),
            },
        };
        if !why.is_empty() && told != why {
            match trust {
                Some(refused) => shared.refused(*to.ip(), Some(member), &refused).await,
                None => shared.unreachable(*to.ip(), member, why.clone()).await,
            }
        }
        told = why;
        tokio::time::sleep(REDIAL).await;
    }
}

impl Shared {
    /// Over SCTP where that may be and is answered, else over TCP where that may be.
    async fn reach(&self, to: SocketAddrV4, from: Ipv4Addr) -> Result<Reached, String> {
        let tcp = |why: String| async move { reach(to, from, &self.interface).await.map(|tcp| Reached::Tcp(tcp, why)) };
        match &self.over {
            Over::Tcp(why) => tcp((*why).to_owned()).await,
            Over::Sctp(associations) => match associations.connect(to).await {
                Ok(association) => Ok(Reached::Sctp(associations.clone(), association)),
                Err(error) => Err(format!("{}: {to} by SCTP", over::unreachable(&error))),
            },
            Over::Both(associations) => {
                let error = match associations.connect(to).await {
                    Ok(association) => return Ok(Reached::Sctp(associations.clone(), association)),
                    Err(error) => error,
                };
                let reached = tcp(over::unreachable(&error)).await?;
                // It may have begun to listen in between.
                if error.kind() == io::ErrorKind::ConnectionRefused
                    && let Ok(association) = associations.connect(to).await
                {
                    return Ok(Reached::Sctp(associations.clone(), association));
                }
                Ok(reached)
            }
        }
    }

    /// Serves a connection until it ends.
    async fn meet(&self, member: MemberId, reached: Reached) -> Result<(), Refused> {
        match reached {
            Reached::Tcp(tcp, why) => {
                let (mut stream, peer) = self.tls.connect(member, tcp).await?;
                let greeting = greeting(&mut stream).await?;
                self.serve(&peer, stream, greeting, Carried::Tcp(why)).await;
            }
            Reached::Sctp(associations, mut association) => {
                let changes = association.changes();
                let (mut stream, peer) = self.tls.connect(member, association).await?;
                // The other end may change addresses as soon as it greets.
                let follower = Box::new(associations.follower(&stream, changes)?);
                let greeting = greeting(&mut stream).await?;
                self.serve(&peer, stream, greeting, Carried::Sctp(follower)).await;
            }
        }
        Ok(())
    }

    async fn unreachable(&self, ip: Ipv4Addr, member: MemberId, why: String) {
        // The loop has ended when nobody listens.
        let _ = self.events.send(MeshEvent::Unreachable { ip, member, why }).await;
    }
}

/// A TCP connection from our own address, by this interface alone; or why there is none.
async fn reach(to: SocketAddrV4, from: Ipv4Addr, interface: &str) -> Result<TcpStream, String> {
    let connect = async {
        let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|error| format!("no way out by {interface}: {error}"))?;
        let own = SocketAddrV4::new(from, 0);
        socket.bind(own.into()).map_err(|error| format!("{from} is not an address of this host: {error}"))?;
        let tcp = socket.connect(to.into()).await.map_err(|error| unreachable(to, interface, &error))?;
        prepare(&tcp).map_err(|error| error.to_string())?;
        Ok(tcp)
    };
    let silent = || format!("no answer from {to} within {} s", CONNECT.as_secs());
    tokio::time::timeout(CONNECT, connect).await.unwrap_or_else(|_| Err(silent()))
}

/// What an operator can make of a connection that did not come about.
fn unreachable(to: SocketAddrV4, interface: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nobody listens at {to}: does the gateway run there?"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {to} by {interface}: {error}")
        }
        io::ErrorKind::TimedOut => format!("no answer from {to}"),
        _ => format!("no connection to {to}: {error}"),
    }
}

/// The first that the other side says. Who dials has done its part of the handshake before the other side has looked at its
/// certificate (TLS 1.3): only now does it know that it was let in.
async fn greeting(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Refused> {
    let mut octets = Vec::with_capacity(READ);
    match tokio::time::timeout(GREETING, stream.read_buf(&mut octets)).await {
        Ok(Ok(0)) => Err(Refused::Broken("it was closed at once".to_owned())),
        Ok(Ok(_)) => Ok(octets),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Refused::Silent),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_core::association::Hysteresis;
    use time::OffsetDateTime;
    use tokio::net::TcpListener;

    use super::super::authority::Authority;
    use super::super::mesh::{self, MeshConfig};
    use super::super::tls::{Files, Tls};
    use super::*;
    use crate::config::Transport;

    /// A member that does not run, one whose connection breaks, and one that is not believed are told apart: only the last is
    /// about its certificate (CL-10).
    #[tokio::test]
    async fn who_is_not_there_is_not_refused() {
        let directory = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let mut authority = Authority::found(&directory.path().join("ca"), "access-1", now).unwrap();
        let bundle = authority.issue("gw-b", [127, 0, 0, 1].into(), 10, true, now).unwrap().bundle;
        let [certificate, key, ca, crl] =
            ["certificate", "key", "ca", "crl"].map(|name| bundle.join(format!("{name}.pem")));
        let id = |number| MemberId::new(number).unwrap();
        let members = vec![(id(1), "gw-a".to_owned()), (id(2), "gw-b".to_owned())];
        let tls = Tls::new("access-1", id(2), members, Files { certificate, key, ca, crl }).unwrap();
        // A port that nobody has, for now: both members are on this host, with addresses of their own.
        let probe = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let config = MeshConfig {
            me: id(2),
            interface: "lo".to_owned(),
            ip: Ipv4Addr::new(127, 0, 0, 2),
            port,
            others: vec![(id(1), Ipv4Addr::new(127, 0, 0, 1))],
            links: Vec::new(),
            shared: Vec::new(),
            transport: Transport::Tcp,
            paths: Hysteresis::default(),
        };
        let mut events = mesh::start(config, Arc::new(tls)).unwrap();
        let absent = format!("nobody listens at 127.0.0.1:{port}: does the gateway run there?");
        match events.recv().await.unwrap() {
            MeshEvent::Unreachable { member, why, .. } => assert_eq!((member, why), (id(1), absent)),
            _ => panic!("it is not there, and that is all"),
        }
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        drop(listener.accept().await.unwrap());
        match events.recv().await.unwrap() {
            MeshEvent::Unreachable { why, .. } => assert!(why.starts_with("the connection broke: "), "{why}"),
            _ => panic!("nobody has looked at a certificate"),
        }
        let (mut stranger, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stranger, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        match events.recv().await.unwrap() {
            MeshEvent::Refused { member, why, .. } => {
                assert!(member == Some(id(1)) && why.starts_with("it does not speak TLS"), "{why}");
            }
            _ => panic!("that is no member"),
        }
    }

    /// Each way not to arrive has its words.
    #[test]
    fn reasons() {
        let to = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 16067);
        let of = |code| unreachable(to, "eth2", &io::Error::from_raw_os_error(code));
        assert_eq!(of(libc::ECONNREFUSED), "nobody listens at 198.51.100.1:16067: does the gateway run there?");
        assert!(of(libc::EHOSTUNREACH).starts_with("there is no way to 198.51.100.1:16067 by eth2: No route to host"));
        assert!(of(libc::ENETUNREACH).starts_with("there is no way to 198.51.100.1:16067 by eth2: Network"));
        assert_eq!(of(libc::ETIMEDOUT), "no answer from 198.51.100.1:16067");
    }
}
