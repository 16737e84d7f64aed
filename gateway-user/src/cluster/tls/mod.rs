//! Connections between members: TLS 1.3, each side with a certificate of the cluster's authority (H-CL-9, H-CL-10).
//!
//! A peer is let in when its certificate is of the authority, within its time, not revoked, and names a member on the list.
//! The files are looked at before each handshake, so a new list of revoked certificates, and a renewed certificate, need no
//! restart.

mod guard;
mod loaded;
mod refused;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_core::member::MemberId;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::names;
use guard::Members;
use loaded::{Loaded, Texts};

pub use loaded::Files;
pub(crate) use loaded::private;
pub use refused::Refused;

/// A handshake that takes longer is given up: a stranger that says nothing costs no more than that.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// The other side of a connection, as its certificate has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its number on the list of members.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    chain: Vec<CertificateDer<'static>>,
}

impl Peer {
    /// It says that it is this member: is it?
    ///
    /// # Errors
    /// [`Refused::OtherMember`] with the name of its certificate.
    pub fn claims(&self, id: MemberId) -> Result<(), Refused> {
        match self.id == id {
            true => Ok(()),
            false => Err(Refused::OtherMember { wanted: format!("member {id}"), found: self.name.clone() }),
        }
    }
}

/// Makes and takes connections.
pub struct Tls {
    me: MemberId,
    members: Members,
    files: Files,
    patience: Duration,
    current: Mutex<(Texts, Arc<Loaded>)>,
    /// How often files have come into force.
    generation: AtomicU64,
}

impl Tls {
    /// Member `me` of the cluster of this name, with all its members, itself included.
    ///
    /// # Errors
    /// A file can't be read, is not what it should be, or the key is open to others or is not the certificate's. That the
    /// certificate is good for something is asked of [`Tls::check`].
    pub fn new(cluster: &str, me: MemberId, members: Vec<(MemberId, String)>, files: Files) -> anyhow::Result<Self> {
        let members = Members { cluster: cluster.to_owned(), list: members };
        let texts = Texts::read(&files)?;
        let loaded = Arc::new(Loaded::new(&texts, &files, &members)?);
        Ok(Self {
            me,
            members,
            files,
            patience: HANDSHAKE_LIMIT,
            current: Mutex::new((texts, loaded)),
            generation: AtomicU64::new(0),
        })
    }

    /// Whether our own certificate would let us in now, and would in this time from now.
    ///
    /// # Errors
    /// Why not: "its" is ours.
    pub fn check(&self, from_now: Duration) -> Result<(), Refused> {
        let loaded = self.current();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + from_now);
        let (id, name) = loaded.guard.admits(&loaded.chain, at)?;
        match id == self.me {
            true => Ok(()),
            false => {
                let wanted = self.members.name(self.me).unwrap_or("a member on the list").to_owned();
                Err(Refused::OtherMember { wanted, found: name.to_owned() })
            }
        }
    }

    /// When our own certificate ends, in seconds since 1970, as it was when files were last looked at; `None` where it would
    /// not do for another reason.
    pub fn end(&self) -> Option<u64> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.1.guard.end(current.1.chain.first()?)
    }

    /// Looks at the files. A greater number than last time: others are in force.
    pub fn generation(&self) -> u64 {
        let _ = self.current();
        self.generation.load(Ordering::Relaxed)
    }

    /// Whether a peer would still be let in: its certificate may have been revoked, or its time be over, since it was.
    pub fn admits(&self, peer: &Peer) -> Result<(), Refused> {
        self.current().guard.admits(&peer.chain, UnixTime::now()).map(|_| ())
    }

    /// Takes a connection that a member made.
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, Peer), Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current().server));
        let accepted = timeout(self.patience, acceptor.accept(stream)).await;
        let stream = TlsStream::from(accepted.map_err(|_| Refused::Silent)??);
        self.known(stream)
    }

    /// Makes a connection to a member, over `stream` to its address. It may refuse us all the same: see [`Refused::of`].
    pub async fn connect<S>(&self, to: MemberId, stream: S) -> Result<(TlsStream<S>, Peer), Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.members.name(to).ok_or_else(|| Refused::NotListed(format!("member {to}")))?;
        let subject = names::subject(name, &self.members.cluster);
        let subject = ServerName::try_from(subject).map_err(|error| Refused::Other(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.current().client));
        let connected = timeout(self.patience, connector.connect(subject, stream)).await;
        let stream = TlsStream::from(connected.map_err(|_| Refused::Silent)??);
        self.known(stream)
    }

    /// What both ends of a connection make of its secrets, and nobody else can (RFC 8446, section 7.5). `label` says what for.
    pub(crate) fn exported<S>(stream: &TlsStream<S>, label: &[u8]) -> Result<[u8; 32], rustls::Error> {
        match stream {
            TlsStream::Client(client) => client.get_ref().1.export_keying_material([0; 32], label, None),
            TlsStream::Server(server) => server.get_ref().1.export_keying_material([0; 32], label, None),
        }
    }

    /// Who is on the other side of a connection.
    fn known<S>(&self, stream: TlsStream<S>) -> Result<(TlsStream<S>, Peer), Refused> {
        let chain = stream.get_ref().1.peer_certificates().ok_or(Refused::NoCertificate)?;
        let (id, name) = self.members.of(chain.first().ok_or(Refused::NoCertificate)?)?;
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let peer = Peer { id, name: name.to_owned(), chain };
        Ok((stream, peer))
    }

    /// The files as they are now; as they were, when they are no good now.
    fn current(&self) -> Arc<Loaded> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match Texts::read(&self.files) {
            Ok(texts) if texts == current.0 => {}
            Ok(texts) => {
                match Loaded::new(&texts, &self.files, &self.members) {
                    Ok(loaded) => {
                        tracing::info!("certificates and list of revoked ones read anew");
                        current.1 = Arc::new(loaded);
                        self.generation.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        tracing::warn!(
                            "changed files of the cluster are no good, the former ones stay in force: {error:#}"
                        );
                    }
                }
                // What is no good is said once and not tried again until it changes.
                current.0 = texts;
            }
            Err(error) => tracing::warn!("{error:#}; what was read before stays in force"),
        }
        Arc::clone(&current.1)
    }
}
