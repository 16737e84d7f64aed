//! Clients that log in and out in short cycles, and the limit on them.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::words::Lockout;
use crate::line::{HardwareAddress, Line};
use crate::time::Instant;

/// Clients remembered at most. Beyond it the oldest is forgotten: a flood of made-up addresses costs no more memory.
const REMEMBERED: usize = 16_384;

type Client = (Line, HardwareAddress);

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Of the first logout that counts.
    since: Instant,
    logouts: u32,
    /// Locked out until then.
    until: Instant,
}

/// Counts logouts per client.
#[derive(Debug)]
pub(crate) struct Lockouts {
    limit: Option<Lockout>,
    clients: HashMap<Client, Record>,
    /// The clients in the order in which their records began.
    order: VecDeque<(Instant, Client)>,
}

impl Lockouts {
    pub(crate) fn new(limit: Option<Lockout>) -> Self {
        Self { limit, clients: HashMap::new(), order: VecDeque::new() }
    }

    /// A client logged out by itself.
    pub(crate) fn handle_logout(&mut self, client: Client, now: Instant) {
        let Some(limit) = self.limit else { return };
        self.forget(limit, now);
        let record = self.clients.entry(client).or_insert_with(|| {
            self.order.push_back((now, client));
            Record { since: now, logouts: 0, until: Instant::ZERO }
        });
        if record.until <= now && record.since + limit.within <= now {
            *record = Record { since: now, logouts: 0, until: Instant::ZERO };
        }
        record.logouts += 1;
        if record.logouts >= limit.cycles {
            *record = Record { since: now, logouts: 0, until: now + limit.lasts };
        }
    }

    /// Until when the client is locked out, if it is.
    pub(crate) fn locked(&self, client: &Client, now: Instant) -> Option<Instant> {
        self.clients.get(client).map(|record| record.until).filter(|until| *until > now)
    }

    /// Drops what no longer matters, and the oldest when there are too many.
    fn forget(&mut self, limit: Lockout, now: Instant) {
        while let Some((began, client)) = self.order.front().copied() {
            let Some(record) = self.clients.get(&client) else {
                self.order.pop_front();
                continue;
            };
            let over = record.until <= now && record.since + limit.within <= now;
            if !over && self.order.len() < REMEMBERED {
                // The record may have begun again since it was queued: look at it again in its new place.
                if record.since > began {
                    self.order.pop_front();
                    self.order.push_back((record.since, client));
                    continue;
                }
                break;
            }
            self.order.pop_front();
            self.clients.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::PortId;
    use crate::time::Duration;
    use gateway_common::vlan::VlanTags;

    fn client(number: u32) -> Client {
        let [a, b, c, d] = number.to_be_bytes();
        (Line { port: PortId(0), tags: VlanTags::NONE }, HardwareAddress::ethernet([2, 0, a, b, c, d]))
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    const LIMIT: Lockout = Lockout { cycles: 3, within: Duration::from_secs(60), lasts: Duration::from_secs(300) };

    #[test]
    fn the_third_logout_within_a_minute_locks_out_for_five() {
        let mut lockouts = Lockouts::new(Some(LIMIT));
        for second in [1, 20, 40] {
            assert_eq!(lockouts.locked(&client(1), at(second)), None);
            lockouts.handle_logout(client(1), at(second));
        }
        assert_eq!(lockouts.locked(&client(1), at(41)), Some(at(340)));
        assert_eq!(lockouts.locked(&client(2), at(41)), None);
        assert_eq!(lockouts.locked(&client(1), at(340)), None);
        lockouts.handle_logout(client(1), at(341));
        assert_eq!(lockouts.locked(&client(1), at(342)), None, "counting starts again");
    }

    #[test]
    fn slow_cycles_are_nobodys_business() {
        let mut lockouts = Lockouts::new(Some(LIMIT));
        for minute in 0..20 {
            lockouts.handle_logout(client(1), at(minute * 61));
            assert_eq!(lockouts.locked(&client(1), at(minute * 61 + 1)), None);
        }
    }

    #[test]
    fn a_flood_of_clients_is_remembered_within_bounds() {
        let mut lockouts = Lockouts::new(Some(LIMIT));
        for number in 0..100_000 {
            lockouts.handle_logout(client(number), at(1));
        }
        assert!(lockouts.clients.len() <= REMEMBERED && lockouts.order.len() <= REMEMBERED);
    }
}
