//! Connections of bulk leasequery without I/O (RFC 5460, RFC 6926): octets in, messages out, and whose turn it is.
//!
//! ```text
//! handle_connect ─▶ handle_stream … ─▶ Command::Stream ─▶ written ─▶ handle_written ─▶ Command::Stream … ─▶ handle_closed
//! ```
//!
//! A connection has one answer under way at a time, and of that one piece: the next is made when the shell says that the
//! last was written. So what a slow reader costs is bounded, as is the number of connections, of questions that wait,
//! and of leases looked at in one turn. A lease that ends or begins while an answer is made is told or not.

use core::ops::Range;
use std::collections::{BTreeMap, VecDeque};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::leasequery::Frames;

use crate::config::LeasequeryPolicy;
use crate::record::Now;

/// Octets of a question, at most.
const LONGEST: u16 = 1024;
/// Questions of a connection that may wait for the one before.
const WAITING: usize = 8;
/// Octets of one piece of an answer; the last message in it may go beyond.
const PIECE: usize = 16 << 10;
/// Leases looked at in one turn.
const SCAN: usize = 16_384;

/// A question that is being answered.
#[derive(Debug)]
pub(crate) struct Running {
    /// The question.
    pub(crate) message: Vec<u8>,
    /// The slots, or addresses, that are still to be looked at.
    pub(crate) slots: Range<u32>,
    /// Something was told.
    pub(crate) any: bool,
}

/// What one turn may still make.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Messages behind their lengths.
    pub(crate) octets: Vec<u8>,
    /// Leases that may still be looked at.
    left: usize,
}

impl Piece {
    fn has_room(&self) -> bool {
        self.octets.len() < PIECE && self.left > 0
    }

    /// The next slot to look at, if it is one for this turn.
    pub(crate) fn next(&mut self, slots: &mut Range<u32>) -> Option<u32> {
        if !self.has_room() {
            return None;
        }
        self.left -= 1;
        slots.next()
    }
}

/// What a connection has to be told, or done to it.
#[derive(Debug)]
pub(crate) enum Order {
    /// Octets are to be written, and the shell says when they are.
    Write(Vec<u8>),
    /// It is to be closed.
    Close,
}

/// A server that answers on connections.
pub(crate) trait Teller {
    /// Address of who asks.
    type Peer: Copy + PartialEq;

    /// Those that are open.
    fn connections(&mut self) -> &mut Connections<Self::Peer>;
    /// For how long nothing may happen on one.
    fn patience(&self) -> Duration;
    /// A question has its turn: how many slots, or addresses, are to be looked at.
    fn begin(&mut self, message: &[u8]) -> u32;
    /// Goes on with an answer; whether it is complete. `None`: that was no question.
    fn run(&mut self, running: &mut Running, peer: Self::Peer, piece: &mut Piece, now: &Now) -> Option<bool>;
    /// Somebody asked what is no question.
    fn puzzled(&mut self);
    /// Has the shell do it.
    fn order(&mut self, connection: u64, order: Order);

    /// Octets came. What can't be told apart, or is no question, ends the connection.
    fn hear(&mut self, connection: u64, octets: &[u8], now: &Now) {
        match self.connections().stream(connection, octets, now.at) {
            true => self.go_on(connection, now),
            false => self.give_up_on(connection),
        }
    }

    /// The last piece was written.
    fn wrote(&mut self, connection: u64, now: &Now) {
        self.connections().written(connection, now.at);
        self.go_on(connection, now);
    }

    /// Answers go on, and connections on which nothing happens end (RFC 5460 section 7.1.2, RFC 6926 section 6.3:
    /// BULK_LQ_DATA_TIMEOUT).
    fn tend_connections(&mut self, now: &Now) {
        self.connections().ready().into_iter().for_each(|connection| self.go_on(connection, now));
        let patience = self.patience();
        let over = self.connections().idle(patience, now.at);
        over.into_iter().for_each(|connection| self.give_up_on(connection));
    }

    /// Ends a connection.
    fn give_up_on(&mut self, connection: u64) {
        self.connections().take(connection);
        self.order(connection, Order::Close);
    }

    /// Makes the next piece of what a connection is to be told, as far as one turn gets.
    fn go_on(&mut self, connection: u64, now: &Now) {
        let Some(mut open) = self.connections().take(connection) else { return };
        let mut piece = Piece { octets: Vec::new(), left: SCAN };
        while !open.writing && piece.has_room() {
            let begun = open.running.take().or_else(|| {
                let message = open.waiting.pop_front()?;
                let slots = 0..self.begin(&message);
                Some(Running { message, slots, any: false })
            });
            let Some(mut running) = begun else { break };
            match self.run(&mut running, open.peer, &mut piece, now) {
                Some(true) => {}
                Some(false) => open.running = Some(running),
                None => {
                    self.puzzled();
                    return self.give_up_on(connection);
                }
            }
        }
        if !piece.octets.is_empty() {
            (open.writing, open.last) = (true, now.at);
            self.order(connection, Order::Write(piece.octets));
        }
        self.connections().put(connection, open);
    }
}

/// An open connection of `A`.
#[derive(Debug)]
pub(crate) struct Connection<A> {
    peer: A,
    frames: Frames,
    waiting: VecDeque<Vec<u8>>,
    /// The answer that is under way.
    running: Option<Running>,
    /// A piece is on its way; the shell tells when it is written.
    writing: bool,
    /// When something last came or went.
    last: Instant,
}

impl<A> Connection<A> {
    fn can_go_on(&self) -> bool {
        !self.writing && (self.running.is_some() || !self.waiting.is_empty())
    }
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct Connections<A>(BTreeMap<u64, Connection<A>>);

impl<A> Default for Connections<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: Copy + PartialEq> Connections<A> {
    /// Of all that are open.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// When there is next something to do for them.
    pub(crate) fn due(&self, policy: &LeasequeryPolicy<A>) -> Option<Instant> {
        let due = |connection: &Connection<A>| match connection.can_go_on() {
            true => Instant::ZERO,
            false => connection.last + policy.idle,
        };
        self.0.values().map(due).min()
    }

    /// `false`: it is to be closed, because there are as many as may be, of this peer or of all, or because the peer may not
    /// ask.
    pub(crate) fn connect(&mut self, id: u64, peer: A, policy: &LeasequeryPolicy<A>, now: Instant) -> bool {
        let of_peer = self.0.values().filter(|open| open.peer == peer).count();
        let full = self.0.len() >= policy.max_connections || of_peer >= policy.max_connections_per_peer;
        if !policy.permits(peer) || full {
            return false;
        }
        let (frames, waiting) = (Frames::new(LONGEST), VecDeque::new());
        self.0.insert(id, Connection { peer, frames, waiting, running: None, writing: false, last: now });
        true
    }

    /// Octets came. `false`: they can't be told apart, or are too many, which ends the connection.
    fn stream(&mut self, id: u64, mut octets: &[u8], now: Instant) -> bool {
        let Some(open) = self.0.get_mut(&id) else { return true };
        open.last = now;
        loop {
            match open.frames.next(&mut octets) {
                Ok(Some(_)) if open.waiting.len() >= WAITING => return false,
                Ok(Some(message)) => open.waiting.push_back(message),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// The last piece was written.
    fn written(&mut self, id: u64, now: Instant) {
        if let Some(open) = self.0.get_mut(&id) {
            (open.writing, open.last) = (false, now);
        }
    }

    /// Those whose answers can go on.
    fn ready(&self) -> Vec<u64> {
        self.0.iter().filter(|(_, open)| open.can_go_on()).map(|(id, _)| *id).collect()
    }

    /// Those on which nothing has happened for so long.
    fn idle(&self, patience: Duration, now: Instant) -> Vec<u64> {
        self.0.iter().filter(|(_, open)| open.last + patience <= now).map(|(id, _)| *id).collect()
    }

    /// Lends one out, to be put back unless it has ended.
    pub(crate) fn take(&mut self, id: u64) -> Option<Connection<A>> {
        self.0.remove(&id)
    }

    fn put(&mut self, id: u64, connection: Connection<A>) {
        self.0.insert(id, connection);
    }
}
