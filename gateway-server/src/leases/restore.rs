//! The lease table from what is on disk.

use core::net::Ipv4Addr;

use gateway_core::scope::Scope;
use gateway_core::time::Instant;

use super::{Client, Ended, Leases, Slot, State};
use crate::config::Subnet;
use crate::record::{Cutoff, Durable, LeaseRecord, Now};

/// A table being filled. Cut-offs come before leases, as their keys sort.
#[derive(Debug)]
pub(crate) struct Restore {
    leases: Leases,
    /// Tagged leases in force with their generations, which they enter in the order of their transactions, at the end.
    tagged: Vec<(u64, Slot, u32)>,
    /// The last of these and its scope. Many in a row have the same.
    last: Option<(Scope, u32)>,
}

impl Restore {
    /// With room for so many leases, if there are so many addresses.
    pub(crate) fn new(subnets: &[Subnet], expected: usize) -> Self {
        let mut leases = Leases::new(subnets);
        leases.reserve(expected);
        Self { leases, tagged: Vec::new(), last: None }
    }

    pub(crate) fn cutoff(&mut self, scope: &Scope, cutoff: Cutoff) {
        self.leases.generations.cut(scope, cutoff);
        self.leases.sequence = self.leases.sequence.max(cutoff.sequence);
    }

    /// `false` when no pool holds the address (any more).
    pub(crate) fn lease(&mut self, address: Ipv4Addr, record: LeaseRecord<'_>, now: &Now) -> bool {
        let leases = &mut self.leases;
        leases.sequence = leases.sequence.max(record.sequence);
        let Some(subnet) = leases.subnet_of(address) else { return false };
        let pool = &mut leases.pools[usize::from(subnet)];
        let Some(offset) = pool.offset(address).filter(|offset| pool.slot(*offset).is_none()) else { return false };
        let Some(slot) = pool.add(&mut leases.slots, &mut leases.spare, offset, subnet) else { return false };

        let cut = record.scope.as_ref().and_then(|scope| leases.generations.cut_until(scope, record.sequence));
        let (state, ended, until) = standing(record.state, record.expires, cut, now);
        let id = (!record.client_id.is_empty()).then_some(record.client_id);
        let client = Client { id, hardware: record.hardware };
        // A client has one slot in a subnet. A past lease of one that has another since is nobody's.
        let other = leases.by_client(subnet, client, now);
        let displaced = other.filter(|other| {
            let other = leases.get(*other);
            (state == State::Active, record.sequence) > (other.state == State::Active, other.sequence)
        });
        if let Some(displaced) = displaced {
            leases.unindex(displaced);
            if leases.get(displaced).state != State::Active {
                leases.slots[displaced as usize].describe(Client { id: None, hardware: NOBODY }, &[]);
            }
        }
        leases.detach(slot);
        if other.is_none() || displaced.is_some() {
            leases.rename(slot, client, record.agent_information);
        }
        let lease = &mut leases.slots[slot as usize];
        lease.sequence = record.sequence;
        lease.last = record.last;
        lease.relay = record.relay;
        lease.ended = ended;
        leases.set(slot, state, until);
        if let (State::Active, Some(scope)) = (state, record.scope) {
            let generation = self.generation(scope);
            self.tagged.push((record.sequence, slot, generation));
        }
        true
    }

    fn generation(&mut self, scope: Scope) -> u32 {
        if let Some((last, generation)) = &self.last
            && *last == scope
        {
            return *generation;
        }
        let generation = self.leases.generations.enter(&scope);
        self.last = Some((scope, generation));
        generation
    }

    /// The table.
    pub(crate) fn finish(mut self) -> Leases {
        let leases = &mut self.leases;
        self.tagged.sort_unstable_by_key(|(sequence, ..)| *sequence);
        for (_, slot, generation) in self.tagged {
            leases.generations.list(generation).push_back(&mut leases.slots, slot);
            leases.slots[slot as usize].generation = generation;
        }
        self.leases
    }
}

/// What a record says that is done with its address or prefix, now, and until when. `cut`: a single logout has ended it, and from
/// then on it is free.
pub(crate) fn standing(record: Durable, expires: Instant, cut: Option<Instant>, now: &Now) -> (State, Ended, Instant) {
    let in_time = expires > now.at;
    let (state, ended) = match (record, cut) {
        // What was not held for a time has a time that never ends.
        (Durable::Released, _) if in_time && expires != Instant::NEVER => (State::Held, Ended::Released),
        (Durable::Released, _) => (State::Free, Ended::Released),
        (Durable::Abandoned, _) if in_time => (State::Held, Ended::Abandoned),
        (Durable::Abandoned, _) => (State::Free, Ended::Abandoned),
        (Durable::Active, Some(free_from)) if in_time && free_from > now.at => (State::Held, Ended::Reset),
        (Durable::Active, Some(_)) => (State::Free, Ended::Reset),
        (Durable::Active, None) if !in_time => (State::Free, Ended::Expired),
        (Durable::Active, None) => (State::Active, Ended::Available),
    };
    let until = match (state, cut) {
        (State::Free, _) if ended != Ended::Expired => Instant::NEVER,
        (State::Held, Some(free_from)) if ended == Ended::Reset => free_from,
        _ => expires,
    };
    (state, ended, until)
}

pub(super) const NOBODY: gateway_core::line::HardwareAddress = gateway_core::line::HardwareAddress::NONE;
