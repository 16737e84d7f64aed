//! Replay counters of what we sign: one sequence per server, never used twice, not even after a crash.

use core::net::Ipv4Addr;

use hashbrown::HashMap;

/// Counters are made durable in blocks of this size.
const BLOCK: u64 = 1 << 16;

/// The counters (H-BR-14, H-BR-16). A counter is at least (unix seconds << 20), so that even a lost store does not
/// bring an old one back while the clock runs on.
#[derive(Clone, Debug)]
pub struct ReplayCounters {
    floor: u64,
    servers: HashMap<Ipv4Addr, Sequence>,
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
        Self { floor, servers }
    }

    /// The next counter for a server; and, when it opens a block, the `through` to make durable before it is sent.
    pub fn next(&mut self, server: Ipv4Addr) -> (u64, Option<u64>) {
        let fresh = Sequence { first: self.floor, next: self.floor, through: self.floor };
        let sequence = self.servers.entry(server).or_insert(fresh);
        let counter = sequence.next;
        sequence.next = counter.saturating_add(1);
        if counter < sequence.through {
            return (counter, None);
        }
        sequence.through = counter.saturating_add(BLOCK);
        (counter, Some(sequence.through))
    }

    /// Whether this counter was given out for this server since the start.
    pub(super) fn gave(&self, server: Ipv4Addr, counter: u64) -> bool {
        self.servers.get(&server).is_some_and(|sequence| (sequence.first..sequence.next).contains(&counter))
    }
}
