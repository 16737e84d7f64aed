//! What is remembered of a request until its answer: bounded, whatever comes in.

use core::net::Ipv4Addr;

use hashbrown::HashMap;

use crate::line::{HardwareAddress, Line};
use crate::scope::Epoch;
use crate::time::{Duration, Instant};

/// Longest time an answer takes; a client asks again after 64 s at most (RFC 2131 4.1).
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
    pub(super) at: Instant,
}

/// Requests by (xid, hardware address). Two halves: when the young one is full, the old one is forgotten and they
/// change places. So a request stays for at least half the capacity's worth of later ones, at the cost of a hash
/// look-up and without a list to keep.
#[derive(Debug)]
pub(super) struct Pending {
    young: HashMap<(u32, HardwareAddress), Request>,
    old: HashMap<(u32, HardwareAddress), Request>,
    half: usize,
}

impl Pending {
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// `hardware` is trimmed.
    pub(super) fn remember(&mut self, xid: u32, hardware: HardwareAddress, request: Request) {
        if self.young.len() >= self.half && !self.young.contains_key(&(xid, hardware)) {
            core::mem::swap(&mut self.young, &mut self.old);
            self.young.clear(); // keeps its memory for the next round
        }
        self.young.insert((xid, hardware), request);
    }

    pub(super) fn find(&self, xid: u32, hardware: HardwareAddress, now: Instant) -> Option<&Request> {
        let key = (xid, hardware);
        let request = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (now.since(request.at) <= PATIENCE).then_some(request)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
