//! Leases as they are told to an operator, as the v4 table does it.

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::DuidBuf;

use super::{Ended, Leases, Slot, State};
use crate::exchange::{self, What};
use crate::leases::past;
use crate::record::Now;

impl Leases {
    /// The lease of a slot; `None` where there never was one, and behind the last slot.
    pub(crate) fn told(&self, slot: Slot, now: &Now) -> Option<exchange::Lease> {
        let lease = self.slots.get(slot as usize)?;
        let over = lease.expires <= now.at;
        let free_from = || self.generations.get(lease.generation).and_then(|generation| generation.ended);
        let (state, expires) = match (lease.state, lease.ended) {
            (State::Active, _) if self.is_reset(lease) => {
                (exchange::State::Reset, free_from().filter(|from| *from > now.at))
            }
            (State::Active, _) if over => (exchange::State::Expired, None),
            (State::Active, _) => (exchange::State::Active, Some(lease.expires)),
            (State::Held, Ended::Abandoned) if !over => (exchange::State::Abandoned, Some(lease.expires)),
            (State::Held, _) if !over => (exchange::State::Quarantined, Some(lease.expires)),
            (_, ended) => (past(ended)?, None),
        };
        let relay_id = lease.origin.relay_id.as_ref().map(DuidBuf::as_duid);
        Some(exchange::Lease {
            state,
            client: lease.client().map_or(Vec::new(), |duid| duid.octets().to_vec()),
            iaid: lease.iaid,
            last: exchange::seconds(now.unix_of(lease.last)),
            preferred: now.unix_seconds_of(lease.preferred),
            expires: now.unix_seconds_of(expires.unwrap_or(Instant::NEVER)),
            relay: lease.origin.link.into(),
            relay_id: relay_id.map_or(Vec::new(), |duid| duid.octets().to_vec()),
            peer: lease.origin.peer,
            path: lease.origin.path.to_vec(),
            scope: self.scope(slot).filter(|_| state == exchange::State::Active).cloned(),
            ..exchange::Lease::new(What::Six(lease.binding))
        })
    }
}
