//! Connections of bulk leasequery without I/O (RFC 5460, RFC 6926): octets in, messages out, and whose turn it is.
//!
//! ```text
//! handle_connect ─▶ handle_stream … ─▶ Command::Stream ─▶ written ─▶ handle_written ─▶ Command::Stream … ─▶ handle_closed
//! ```
//!
//! A connection has one answer under way at a time, and of that one piece: the next is made when the shell says that the
//! last was written. So what a slow reader costs is bounded, as is the number of connections, of questions that wait,
//! and of leases looked at in one turn. A lease that ends or begins while an answer is made is told or not.

use std::collections::{BTreeMap, VecDeque};

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::leasequery::Frames;

use crate::config::LeasequeryPolicy;

/// Octets of a question, at most.
const LONGEST: u16 = 1024;
/// Questions of a connection that may wait for the one before.
const WAITING: usize = 8;
/// Octets of one piece of an answer; the last message in it may go beyond.
pub(crate) const PIECE: usize = 16 << 10;
/// Leases looked at in one turn.
pub(crate) const SCAN: usize = 16_384;

/// An open connection of `A`, who is told `R`.
#[derive(Debug)]
pub(crate) struct Connection<A, R> {
    pub(crate) peer: A,
    frames: Frames,
    waiting: VecDeque<Vec<u8>>,
    /// The answer that is under way.
    pub(crate) running: Option<R>,
    /// A piece is on its way; the shell tells when it is written.
    pub(crate) writing: bool,
    /// When something last came or went.
    pub(crate) last: Instant,
}

impl<A, R> Connection<A, R> {
    fn can_go_on(&self) -> bool {
        !self.writing && (self.running.is_some() || !self.waiting.is_empty())
    }

    /// The next question.
    pub(crate) fn question(&mut self) -> Option<Vec<u8>> {
        self.waiting.pop_front()
    }
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct Connections<A, R>(BTreeMap<u64, Connection<A, R>>);

impl<A, R> Default for Connections<A, R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: Copy + PartialEq, R> Connections<A, R> {
    /// Of all that are open.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// When there is next something to do for them.
    pub(crate) fn due(&self, policy: &LeasequeryPolicy<A>) -> Option<Instant> {
        let due = |connection: &Connection<A, R>| match connection.can_go_on() {
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
    pub(crate) fn stream(&mut self, id: u64, mut octets: &[u8], now: Instant) -> bool {
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
    pub(crate) fn written(&mut self, id: u64, now: Instant) {
        if let Some(open) = self.0.get_mut(&id) {
            (open.writing, open.last) = (false, now);
        }
    }

    /// Those whose answers can go on.
    pub(crate) fn ready(&self) -> Vec<u64> {
        self.0.iter().filter(|(_, open)| open.can_go_on()).map(|(id, _)| *id).collect()
    }

    /// Those on which nothing happens (RFC 5460 section 7.1.2).
    pub(crate) fn idle(&self, policy: &LeasequeryPolicy<A>, now: Instant) -> Vec<u64> {
        self.0.iter().filter(|(_, open)| open.last + policy.idle <= now).map(|(id, _)| *id).collect()
    }

    /// Lends one out, to be put back unless it has ended.
    pub(crate) fn take(&mut self, id: u64) -> Option<Connection<A, R>> {
        self.0.remove(&id)
    }

    pub(crate) fn put(&mut self, id: u64, connection: Connection<A, R>) {
        self.0.insert(id, connection);
    }
}
