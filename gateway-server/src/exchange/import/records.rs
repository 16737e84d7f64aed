//! Leases as records of the store, and records as leases.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, DuidBuf};

use super::super::lease::seconds;
use super::super::{Lease, State, What};
use super::{Import, Written};
use crate::record::{self, Durable, LeaseRecord, Now};
use crate::v6;
use crate::v6::record::LeaseRecord as LeaseRecord6;

impl Import<'_> {
    /// A record of the store under the next transaction number.
    pub(super) fn numbered_anew(&mut self, what: What, value: &[u8]) -> Option<Written> {
        let now = self.now;
        let sequence = &mut self.sequences[usize::from(what.is_six())];
        *sequence += 1;
        Some(match what {
            What::Four(address) => {
                let record = LeaseRecord { sequence: *sequence, ..LeaseRecord::decode(value, &now)? };
                (record::lease_key(address), record.encode(&now))
            }
            What::Six(binding) => {
                let record = LeaseRecord6 { sequence: *sequence, ..LeaseRecord6::decode(value, &now)? };
                (v6::record::key(&binding), record.encode(&now))
            }
        })
    }

    /// A lease under the next transaction number.
    pub(super) fn record(&mut self, lease: &Lease) -> Written {
        let now = self.now;
        let state = match lease.state {
            State::Active => Durable::Active,
            State::Abandoned => Durable::Abandoned,
            _ => Durable::Released,
        };
        let instant = |unix: u64| now.instant_of(unix);
        let expires = if lease.state.holds() { instant(lease.expires) } else { Instant::NEVER };
        let last = now.moment_of(lease.last.saturating_mul(1_000_000_000));
        match lease.what {
            What::Four(address) => {
                self.sequences[0] += 1;
                let relay = match lease.relay {
                    IpAddr::V4(relay) => relay,
                    IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
                };
                let record = LeaseRecord {
                    state,
                    hardware: lease.hardware,
                    client_id: &lease.client,
                    agent_information: &lease.agent_information,
                    relay,
                    sequence: self.sequences[0],
                    last,
                    expires,
                    scope: lease.scope.clone().filter(|_| lease.state == State::Active),
                };
                (record::lease_key(address), record.encode(&now))
            }
            What::Six(binding) => {
                self.sequences[1] += 1;
                let link = match lease.relay {
                    IpAddr::V6(link) => link,
                    IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
                };
                let origin = v6::leases::Origin {
                    relay_id: DuidBuf::new(&lease.relay_id),
                    link,
                    peer: lease.peer,
                    path: lease.path.as_slice().into(),
                };
                let record = LeaseRecord6 {
                    state,
                    client: &lease.client,
                    iaid: lease.iaid,
                    sequence: self.sequences[1],
                    last,
                    preferred: instant(lease.preferred),
                    expires,
                    origin,
                    scope: lease.scope.clone().filter(|_| lease.state == State::Active),
                };
                (v6::record::key(&binding), record.encode(&now))
            }
        }
    }
}

fn state(state: Durable) -> State {
    match state {
        Durable::Active => State::Active,
        Durable::Abandoned => State::Abandoned,
        Durable::Released => State::Released,
    }
}

pub(super) fn lease4(address: Ipv4Addr, record: &LeaseRecord<'_>, now: &Now) -> Lease {
    Lease {
        state: state(record.state),
        hardware: record.hardware,
        client: record.client_id.to_vec(),
        last: seconds(now.unix_of(record.last)),
        expires: now.unix_seconds_of(record.expires),
        agent_information: record.agent_information.to_vec(),
        relay: record.relay.into(),
        scope: record.scope.clone(),
        ..Lease::new(What::Four(address))
    }
}

pub(super) fn lease6(binding: Binding, record: &LeaseRecord6<'_>, now: &Now) -> Lease {
    let relay_id = record.origin.relay_id.as_ref().map_or(Vec::new(), |duid| duid.as_duid().octets().to_vec());
    Lease {
        state: state(record.state),
        client: record.client.to_vec(),
        iaid: record.iaid,
        last: seconds(now.unix_of(record.last)),
        preferred: now.unix_seconds_of(record.preferred),
        expires: now.unix_seconds_of(record.expires),
        relay: record.origin.link.into(),
        relay_id,
        peer: record.origin.peer,
        path: record.origin.path.to_vec(),
        scope: record.scope.clone(),
        ..Lease::new(What::Six(binding))
    }
}
