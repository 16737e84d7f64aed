//! Replay counters of what we sign: one sequence per server, never used twice, not even after a crash.

use core::net::Ipv4Addr;

use hashbrown::HashMap;

/// Counters are made durable in blocks of this size…
const BLOCK: u64 = 1 << 16;
/// …and in a cluster in blocks of this size, each of which all members are told of.
const SHARED_BLOCK: u64 = 10_000;

/// The counters (H-BR-14, H-BR-16). A counter is at least (unix seconds << 20), so that even a lost store does not
/// bring an old one back while the clock runs on.
#[derive(Clone, Debug)]
pub struct ReplayCounters {
    floor: u64,
    block: u64,
    servers: HashMap<Ipv4Addr, Sequence>,
    /// What other members have reserved.
    others: HashMap<Ipv4Addr, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Sequence {
    /// First counter since the start.
    first: u64,
    next: u64,
    /// First counter that is not durably reserved.
    through: u64,
}

impl ReplayCounters {
    /// `stored`: for each server the last `through` that was made durable.
    pub fn new(unix_seconds: u64, stored: impl IntoIterator<Item = (Ipv4Addr, u64)>) -> Self {
        let floor = unix_seconds.saturating_mul(1 << 20);
        let sequence = |through: u64| {
            let first = through.max(floor);
            Sequence { first, next: first, through: first }
        };
        let servers = stored.into_iter().map(|(server, through)| (server, sequence(through))).collect();
        Self { floor, block: BLOCK, servers, others: HashMap::new() }
    }

    /// Other members of a cluster draw from the same numbers.
    pub fn share(&mut self) {
        self.block = SHARED_BLOCK;
    }

    /// Another member has reserved the counters below `through`. Returns whether that is more than was known.
    pub fn handle_replica(&mut self, server: Ipv4Addr, through: u64) -> bool {
        let known = self.others.entry(server).or_default();
        let news = through > *known && self.servers.get(&server).is_none_or(|sequence| through > sequence.through);
        *known = through.max(*known);
        news
    }

    /// Goes on behind everything that any member has reserved: this one speaks now for what another spoke for.
    pub fn take_over(&mut self) {
        for (server, through) in &self.others {
            let fresh = Sequence { first: self.floor, next: self.floor, through: self.floor };
            let sequence = self.servers.entry(*server).or_insert(fresh);
            if *through > sequence.next {
                *sequence = Sequence { first: *through, next: *through, through: *through };
            }
        }
    }

    /// Servers, and the counters that are reserved for them by any member.
    pub fn reserved(&self) -> impl Iterator<Item = (Ipv4Addr, u64)> {
        let others = self.others.iter().map(|(server, through)| (*server, *through));
        let unmatched = others.filter(|(server, _)| !self.servers.contains_key(server));
        let own = self.servers.iter().map(|(server, sequence)| {
            (*server, sequence.through.max(self.others.get(server).copied().unwrap_or_default()))
        });
        own.chain(unmatched)
    }

    /// The next counter for a server; and, when it opens a block, the `through` to make durable before it is sent.
    pub fn next(&mut self, server: Ipv4Addr) -> (u64, Option<u64>) {
        let floor = self.others.get(&server).copied().unwrap_or_default().max(self.floor);
        let fresh = Sequence { first: floor, next: floor, through: floor };
        let sequence = self.servers.entry(server).or_insert(fresh);
        let counter = sequence.next;
        sequence.next = counter.saturating_add(1);
        if counter < sequence.through {
            return (counter, None);
        }
        sequence.through = counter.saturating_add(self.block);
        (counter, Some(sequence.through))
    }

    /// Whether this counter was given out for this server since the start.
    pub(super) fn gave(&self, server: Ipv4Addr, counter: u64) -> bool {
        self.servers.get(&server).is_some_and(|sequence| (sequence.first..sequence.next).contains(&counter))
    }
}
