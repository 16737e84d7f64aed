//! Leases as they are told to an operator: as of now, though nothing has happened to them yet.

use gateway_core::time::Instant;

use super::{Ended, Leases, Slot, State};
use crate::exchange::{self, What};
use crate::record::Now;

impl Leases {
    /// The lease of a slot; `None` where there never was one, and behind the last slot.
    pub(crate) fn told(&self, slot: Slot, now: &Now) -> Option<exchange::Lease> {
        let lease = self.slots.get(slot as usize)?;
        let over = lease.expires <= now.at;
        let reset = lease.state == State::Active && self.generations.is_ended(lease.generation);
        let free_from = || self.generations.get(lease.generation).and_then(|generation| generation.ended);
        let (state, expires) = match (lease.state, lease.ended) {
            (State::Active, _) if reset => (exchange::State::Reset, free_from().filter(|from| *from > now.at)),
            (State::Active, _) if over => (exchange::State::Expired, None),
            (State::Active, _) => (exchange::State::Active, Some(lease.expires)),
            (State::Held, Ended::Abandoned) if !over => (exchange::State::Abandoned, Some(lease.expires)),
            (State::Held, _) if !over => (exchange::State::Quarantined, Some(lease.expires)),
            (_, ended) => (past(ended)?, None),
        };
        let seconds = exchange::seconds(now.unix_of(lease.last));
        Some(exchange::Lease {
            state,
            hardware: lease.hardware,
            client: lease.client().id.unwrap_or_default().to_vec(),
            last: if lease.sequence == 0 { 0 } else { seconds },
            expires: now.unix_seconds_of(expires.unwrap_or(Instant::NEVER)),
            agent_information: lease.agent_information().to_vec(),
            relay: lease.relay.into(),
            scope: self.scope(slot).filter(|_| state == exchange::State::Active).cloned(),
            ..exchange::Lease::new(What::Four(lease.address))
        })
    }
}

/// Why there is no lease; `None` when there never was one.
pub(crate) fn past(ended: Ended) -> Option<exchange::State> {
    match ended {
        Ended::Available => None,
        Ended::Expired => Some(exchange::State::Expired),
        Ended::Released | Ended::Abandoned => Some(exchange::State::Released),
        Ended::Reset => Some(exchange::State::Reset),
    }
}

/// Those that a filter admits, of up to `most` of the `known` slots from number `from` on, and the number to go on from.
pub(crate) fn page(
    (from, most): (u64, usize),
    known: u64,
    filter: &exchange::Filter,
    told: impl Fn(Slot) -> Option<exchange::Lease>,
) -> (Vec<exchange::Lease>, Option<u64>) {
    let end = from.saturating_add(most as u64).min(known);
    let slots = (from..end).filter_map(|slot| Slot::try_from(slot).ok());
    let leases = slots.filter_map(told).filter(|lease| filter.admits(lease));
    (leases.collect(), (end < known).then_some(end))
}
