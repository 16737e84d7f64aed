//! An association as a stream of octets, so that TLS runs over it as over TCP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::sync::mpsc;

use super::event::{self, PathChange};
use super::socket::{Received, Socket};

/// Octets received at once: more than any notification has.
const READ: usize = 64 << 10;
/// Octets of one message: a part of what the kernel buffers, which no message may exceed.
const MESSAGE: usize = 16 << 10;
/// Changes of paths that wait to be looked at. Who falls behind looks at the paths themselves.
const CHANGES: usize = 64;

/// A socket that takes associations.
#[derive(Debug)]
pub struct Listener(AsyncFd<Arc<Socket>>);

impl Listener {
    /// Of a socket that listens.
    ///
    /// # Errors
    /// Not in a runtime.
    pub fn new(socket: Socket) -> io::Result<Self> {
        Ok(Self(watch(socket)?))
    }

    /// The socket, to change its addresses.
    pub fn socket(&self) -> &Arc<Socket> {
        self.0.get_ref()
    }

    /// The next association, and the address of the peer that it was made from.
    ///
    /// # Errors
    /// As the kernel has it.
    pub async fn accept(&self) -> io::Result<(Association, SocketAddr)> {
        let accepted = self.0.async_io(Interest::READABLE, |socket| socket.accept()).await?;
        Ok((Association::new(accepted.0)?, accepted.1))
    }
}

/// The socket, known to the runtime.
fn watch(socket: Socket) -> io::Result<AsyncFd<Arc<Socket>>> {
    // SAFETY: the socket owns its descriptor and never gives it away, so it is open, and the same, for as long as there is
    // this reference to it.
    Ok(unsafe { AsyncFd::register(Arc::new(socket)) }?)
}

/// An association. Dropped, it ends; shut down, it ends when all has arrived. What it reads are octets in order, and what
/// the kernel tells of paths in between comes out of [`Association::changes`].
#[derive(Debug)]
pub struct Association {
    socket: AsyncFd<Arc<Socket>>,
    /// What was received and not read, from `at` on.
    received: Vec<u8>,
    at: usize,
    told: mpsc::Sender<PathChange>,
    changes: Option<mpsc::Receiver<PathChange>>,
}

impl Association {
    fn new(socket: Socket) -> io::Result<Self> {
        let (told, changes) = mpsc::channel(CHANGES);
        Ok(Self { socket: watch(socket)?, received: Vec::new(), at: 0, told, changes: Some(changes) })
    }

    /// With the endpoint that has all these addresses.
    ///
    /// # Errors
    /// None of them answers, or takes associations.
    pub async fn connect(socket: Socket, peers: &[SocketAddr]) -> io::Result<Self> {
        let association = Self::new(socket)?;
        association.socket().begin(peers)?;
        loop {
            let mut ready = association.socket.writable().await?;
            association.socket().take_error()?;
            // Whatever woke us up before there is an association.
            match association.socket().status() {
                Ok(status) if status.is_established => return Ok(association),
                _ => ready.clear_ready(),
            }
        }
    }

    /// The socket, for what changes while the association lives.
    pub fn socket(&self) -> &Arc<Socket> {
        self.socket.get_ref()
    }

    /// What the kernel tells of the peer's addresses; once. Nobody need take it.
    pub fn changes(&mut self) -> Option<mpsc::Receiver<PathChange>> {
        self.changes.take()
    }

    /// Receives until there are octets; none: the stream has ended.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(context))?;
            self.received.resize(READ, 0);
            self.at = 0;
            let received = ready.try_io(|socket| socket.get_ref().receive(&mut self.received));
            let (len, word) = match received {
                Ok(Ok(Received::Octets(len))) => (len, false),
                Ok(Ok(Received::Notification(len))) => (len, true),
                Ok(Err(error)) => {
                    self.received.clear();
                    return Poll::Ready(Err(error));
                }
                Err(_) => {
                    self.received.clear();
                    continue;
                }
            };
            self.received.truncate(len);
            if !word {
                return Poll::Ready(Ok(()));
            }
            if let Some(change) = event::read(&self.received) {
                // Nobody asked for it, or somebody has enough to look at.
                let _ = self.told.try_send(change);
            }
            self.received.clear();
        }
    }
}

impl AsyncRead for Association {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.at == this.received.len() {
            ready!(this.poll_receive(context))?;
        }
        let rest = &this.received[this.at..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        this.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Association {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let octets = &octets[..octets.len().min(MESSAGE)];
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let mut ready = ready!(self.socket.poll_write_ready(context))?;
            if let Ok(sent) = ready.try_io(|socket| socket.get_ref().send(octets)) {
                return Poll::Ready(sent);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shut_down())
    }
}
