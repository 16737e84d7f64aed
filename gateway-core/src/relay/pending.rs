//! What is remembered of a request until its answer: bounded, whatever comes in.

use core::hash::Hash;
use core::net::Ipv4Addr;

use hashbrown::HashMap;

use crate::line::Line;
use crate::scope::Epoch;
use crate::time::{Duration, Instant};

/// Longest time an answer takes. A DHCPv4 client asks again after 64 s at most (RFC 2131 section 4.1); one of DHCPv6 has given
/// up its RELEASE or DECLINE after some 15 s (RFC 8415 section 7.6: four times, 1 s and doubling).
const PATIENCE: Duration = Duration::from_secs(64);

/// Whose option 82 a request went out with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Option82 {
    /// The one we added.
    Ours {
        /// The request came by unicast.
        unicast: bool,
    },
    /// One from below.
    Theirs,
    /// None: it did not fit.
    None,
}

/// A request that is on its way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: Line,
    pub(super) epoch: Epoch,
    pub(super) option_82: Option82,
    pub(super) client_id: Option<Box<[u8]>>,
    pub(super) address: Option<Ipv4Addr>,
}

/// Requests by a key that their answer has, too: transaction and client. Two halves: when the young one is full, the old one is forgotten and they
/// change places. So a request stays for at least half the capacity's worth of later ones, at the cost of a hash
/// look-up and without a list to keep.
#[derive(Debug)]
pub(crate) struct Pending<K, R> {
    young: HashMap<K, (Instant, R)>,
    old: HashMap<K, (Instant, R)>,
    half: usize,
}

impl<K: Hash + Eq, R> Pending<K, R> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// What the key says of the client is as the answer will say it: a hardware address is trimmed.
    pub(crate) fn remember(&mut self, key: K, request: R, at: Instant) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            core::mem::swap(&mut self.young, &mut self.old);
            self.young.clear(); // keeps its memory for the next round
        }
        self.young.insert(key, (at, request));
    }

    pub(crate) fn find(&self, key: &K, now: Instant) -> Option<&R> {
        let (at, request) = self.young.get(key).or_else(|| self.old.get(key))?;
        (now.since(*at) <= PATIENCE).then_some(request)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
