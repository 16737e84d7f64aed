//! An association whose addresses follow those of this host: netlink and the kernel's paths in, changes out.
//!
//! ```text
//!   netlink ─▶ Locals ──┐                          ┌──▶ BINDX_ADD, SET_PEER_PRIMARY_ADDR, BINDX_REM
//!   SCTP_PEER_ADDR_CHANGE ──▶ AddressManager ──────┼──▶ PRIMARY_ADDR
//!   GET_PEER_ADDR_INFO ─┘        ▲                 └──▶ events, a view, or the end
//!             GET_LOCAL_ADDRS ───┘ what became of a change, as far as the kernel shows it
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gateway_core::association::{
    AddressManager, AssociationConfig, AssociationView, Capability, Cause, Change, ChangeId, Command, Established,
    Event, Measurement, Outcome, PathState, Quality,
};
use gateway_core::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::event::PathChange;
use super::locals::Locals;
use super::socket::Socket;
use super::status::Path;
use crate::io::clock;

/// Paths are looked at so often.
const LOOK: Duration = Duration::from_millis(250);

/// One association, and what decides about its addresses.
#[derive(Debug)]
pub struct Follower {
    socket: Arc<Socket>,
    changes: mpsc::Receiver<PathChange>,
    locals: watch::Receiver<Locals>,
    known: Locals,
    /// The card that each address of the peer was last behind: a card that is gone is no reason to forget it.
    cards: BTreeMap<IpAddr, u32>,
    manager: AddressManager,
    port: u16,
    view: watch::Sender<AssociationView>,
}

impl Follower {
    /// Of a socket with an association, which was given a key (H-SC-1), and what the kernel tells of its paths.
    ///
    /// # Errors
    /// The association has ended.
    pub fn new(
        socket: Arc<Socket>,
        changes: mpsc::Receiver<PathChange>,
        locals: watch::Receiver<Locals>,
        config: AssociationConfig,
    ) -> io::Result<Self> {
        let now = clock::now();
        let manager = AddressManager::new(config);
        let (view, _) = watch::channel(manager.view(now));
        let (known, cards) = (Locals::default(), BTreeMap::new());
        let mut follower = Self { socket, changes, locals, known, cards, manager, port: 0, view };
        follower.begin(now)?;
        Ok(follower)
    }

    /// Everything there is to see, as it changes.
    pub fn view(&self) -> watch::Receiver<AssociationView> {
        self.view.subscribe()
    }

    fn begin(&mut self, now: Instant) -> io::Result<()> {
        self.take_locals(now);
        let (own, peers) = (self.socket.members()?, self.socket.peers()?);
        let (Some(first), Some(peer)) = (own.first(), peers.first()) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        self.port = first.port();
        let primary = self.socket.status()?.primary.map_or(peer.ip(), |path| path.address.ip());
        let card = |address: &SocketAddr| self.known.get(address.ip()).map(|card| card.index);
        let toward = self.known.card_to(primary);
        let via = own.iter().find(|address| toward.is_some() && card(address) == toward).unwrap_or(first).ip();
        let able = self.socket.can_change();
        let established = Established {
            locals: own.iter().map(|address| (address.ip(), card(address).unwrap_or_default())).collect(),
            via,
            peers: peers.iter().map(SocketAddr::ip).collect(),
            primary,
            capability: Capability { asconf: able, auth: able },
        };
        self.manager.handle_established(&established, now);
        self.measure(now)
    }

    /// Follows, and tells what an operator wants to know, until the association has ended or is to be given up: why.
    pub async fn run(mut self, mut tell: impl FnMut(Event)) -> io::Error {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.settle(clock::now(), &mut tell) {
                return error;
            }
            tokio::select! {
                changed = self.locals.changed() => match changed {
                    Ok(()) => self.take_locals(clock::now()),
                    Err(_) => return io::Error::other("nobody tells of addresses any more"),
                },
                Some(change) = self.changes.recv() => {
                    self.manager.handle_peer(change.address.ip(), change.event, clock::now());
                }
                _ = look.tick() => {
                    if let Err(error) = self.measure(clock::now()) {
                        return error;
                    }
                }
            }
        }
    }

    fn take_locals(&mut self, now: Instant) {
        let current = self.locals.borrow_and_update().clone();
        for (address, card, presence) in current.since(&self.known) {
            self.manager.handle_local(address, card, presence, now);
        }
        for (card, signal) in current.signals_since(&self.known) {
            match signal {
                Some(loss) => self.manager.handle_signal(card, loss, now),
                None => self.manager.handle_card_gone(card, now),
            }
        }
        self.known = current;
    }

    fn measure(&mut self, now: Instant) -> io::Result<()> {
        let mut measured = Vec::new();
        for peer in self.socket.peers()? {
            // It may have been removed just now.
            let Ok(path) = self.socket.path(peer) else { continue };
            if let Some(card) = self.known.card_to(peer.ip()) {
                self.cards.insert(peer.ip(), card);
            }
            measured.push(measurement(&path, self.cards.get(&peer.ip()).copied()));
        }
        self.cards.retain(|address, _| measured.iter().any(|measured| measured.peer == *address));
        self.manager.handle_measurements(&measured, now);
        let members: Vec<_> = self.socket.members()?.iter().map(SocketAddr::ip).collect();
        self.manager.handle_members(&members, now);
        Ok(())
    }

    /// Does what the manager wants, until it wants no more.
    fn settle(&mut self, now: Instant, tell: &mut impl FnMut(Event)) -> io::Result<()> {
        if self.manager.poll_timeout().is_some_and(|at| at <= now) {
            self.manager.handle_timeout(now);
        }
        while let Some(command) = self.manager.poll_command() {
            match command {
                Command::Change { id, change } => self.make(id, change, now),
                Command::Reconnect(reason) => return Err(io::Error::other(format!("it is begun anew: {reason}"))),
                Command::Tell(event) => tell(event),
            }
        }
        self.view.send_replace(self.manager.view(now));
        Ok(())
    }

    fn make(&mut self, id: ChangeId, change: Change, now: Instant) {
        let at = |address: IpAddr| SocketAddr::new(address, self.port);
        let made = match change {
            Change::Add(address) => self.add(at(address)),
            Change::SetPrimary(address) => self.socket.ask_for(at(address)),
            Change::Remove(address) => self.socket.remove(at(address)),
            Change::Move { to, from } => self.escape(at(to), at(from)),
            Change::SetOwnPrimary(address) => self.prefer(address),
        };
        match made {
            Ok(()) => self.manager.handle_taken(id, now),
            Err(error) => self.manager.handle_result(id, Outcome::Refused(cause(&error)), now),
        }
    }

    /// The kernel keeps addresses to itself that are of a narrower scope than the peer's, private ones toward a public one, while
    /// the socket is bound to them. Here it is told what the association has; so the socket is bound anew.
    fn add(&self, own: SocketAddr) -> io::Result<()> {
        if self.socket.own()?.contains(&own) {
            self.socket.remove(own)?;
        }
        self.socket.add(own)
    }

    /// Three messages, where one would do. They can leave only from an address that the association has: from one whose card
    /// has no carrier, over another card. From an address that is gone nothing leaves (H-SC-3).
    fn escape(&self, to: SocketAddr, from: SocketAddr) -> io::Result<()> {
        if self.known.get(from.ip()).is_none() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.add(to)?;
        self.socket.ask_for(to)?;
        self.socket.remove(from)
    }

    fn prefer(&self, peer: IpAddr) -> io::Result<()> {
        let peers = self.socket.peers()?;
        let address = peers.iter().find(|address| address.ip() == peer).ok_or(io::ErrorKind::NotFound)?;
        self.socket.prefer(*address)
    }
}

/// The kernel counts no loss for a path: one that has missed an answer has lost half, one that does not answer has lost all.
/// Round trips are whole milliseconds to it, 0 on most links; a path that is confirmed has had one.
fn measurement(path: &Path, interface: Option<u32>) -> Measurement {
    let state = path.state;
    let loss = match state {
        PathState::Unconfirmed | PathState::Active => 0,
        PathState::PotentiallyFailed => 500,
        PathState::Inactive => 1000,
    };
    Measurement {
        peer: path.address.ip(),
        interface,
        state,
        quality: Quality { loss, srtt: (state != PathState::Unconfirmed).then_some(path.srtt) },
        rto: path.rto,
        cwnd: path.window,
        errors: u32::from(state != PathState::Active),
    }
}

/// What the own kernel says, in the peer's words where there are some.
fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ResourceBusy => Cause::LastAddress,
        _ => Cause::Other(error.raw_os_error().unwrap_or_default() as u16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that was never measured says so, and one that does not answer is no good one. H-SC-2, H-SC-8
    #[test]
    fn paths_as_they_are_measured() {
        let path = |state, millis| Path {
            address: ([192, 0, 2, 1], 7).into(),
            state,
            srtt: Duration::from_millis(millis),
            rto: Duration::from_millis(200),
            window: 4380,
        };
        let of = |state, millis| {
            let measured = measurement(&path(state, millis), Some(3));
            assert_eq!((measured.interface, measured.cwnd), (Some(3), 4380));
            (measured.state, measured.quality.loss, measured.quality.srtt, measured.errors)
        };
        assert_eq!(of(PathState::Unconfirmed, 0), (PathState::Unconfirmed, 0, None, 1));
        assert_eq!(of(PathState::Active, 0), (PathState::Active, 0, Some(Duration::ZERO), 0));
        assert_eq!(of(PathState::PotentiallyFailed, 2).1, 500);
        assert_eq!(of(PathState::Inactive, 2).1, 1000);
    }

    /// H-SC-8: that the last address can't go is known as what it is.
    #[test]
    fn refusals_of_our_own_kernel() {
        assert_eq!(cause(&io::Error::from_raw_os_error(libc::EBUSY)), Cause::LastAddress);
        assert_eq!(cause(&io::Error::from_raw_os_error(libc::EPERM)), Cause::Other(1));
    }
}
