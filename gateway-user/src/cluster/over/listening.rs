//! Where members begin associations with us.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;

use super::association::Associations;
use crate::sctp::{Association, Listener, Locals, Socket};

/// Between two attempts to listen while there is no address.
const AGAIN: Duration = Duration::from_secs(1);

/// A socket that listens; its addresses follow this host's.
pub(in crate::cluster) struct Listening {
    listener: Listener,
    locals: watch::Receiver<Locals>,
    port: u16,
}

impl Listening {
    pub(super) fn new(socket: Socket, locals: watch::Receiver<Locals>, port: u16) -> io::Result<Self> {
        Ok(Self { listener: Listener::new(socket)?, locals, port })
    }

    async fn accept(&mut self) -> io::Result<(Association, SocketAddr)> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => return accepted,
                changed = self.locals.changed() => {
                    changed.map_err(io::Error::other)?;
                    self.follow();
                }
            }
        }
    }

    /// The last address stays until there is another one.
    fn follow(&mut self) {
        let (socket, locals) = (self.listener.socket(), self.locals.borrow_and_update());
        let bound = socket.own().unwrap_or_default();
        for ip in locals.addresses().filter(|ip| !bound.iter().any(|address| address.ip() == *ip)) {
            if let Err(error) = socket.add(SocketAddr::new(ip, self.port)) {
                tracing::warn!(%ip, %error, "members can't begin associations at this address");
            }
        }
        for address in bound.iter().filter(|address| locals.get(address.ip()).is_none()) {
            // The last one can't go: it is looked at again when there is another.
            let _ = socket.remove(*address);
        }
    }
}

/// Associations that somebody has begun who has not said yet who it is.
pub(in crate::cluster) struct Strangers {
    associations: Associations,
    port: u16,
    backlog: i32,
    listening: Option<Listening>,
}

impl Strangers {
    /// Listens at once, if there is an address to listen at.
    pub(in crate::cluster) fn new(associations: Associations, port: u16, backlog: i32) -> Self {
        let mut strangers = Self { associations, port, backlog, listening: None };
        strangers.listen();
        strangers
    }

    pub(in crate::cluster) fn associations(&self) -> &Associations {
        &self.associations
    }

    fn listen(&mut self) {
        match self.associations.listen(self.port, self.backlog) {
            Ok(listening) => self.listening = Some(listening),
            Err(error) => tracing::debug!(%error, "members can't begin associations yet"),
        }
    }

    /// The next, and its address, on one of our links: what others began is ended.
    pub(in crate::cluster) async fn next(&mut self) -> io::Result<(Association, IpAddr)> {
        loop {
            let Some(listening) = &mut self.listening else {
                tokio::time::sleep(AGAIN).await;
                self.listen();
                continue;
            };
            let (association, from) = listening.accept().await?;
            if self.associations.is_near(from.ip()) {
                return Ok((association, from.ip()));
            }
            tracing::debug!(from = %from.ip(), "an association from beyond the members' links is not taken");
        }
    }
}
