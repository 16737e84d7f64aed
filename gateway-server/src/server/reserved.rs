//! Clients with a reservation: the address is theirs before they ask.

use core::net::Ipv4Addr;

use gateway_core::time::Duration;

use super::Server;
use super::request::Request;
use crate::config::Admits;
use crate::event::Event;
use crate::leases::{Ended, Slot, Standing, State};
use crate::record::Now;

/// An address that is reserved for the client, on the link where it is, and that it can have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) address: Ipv4Addr,
    pub(super) subnet: u16,
}

impl Server {
    /// What is promised to this client. What somebody else has is not, but for an address that goes by the line: that one is
    /// for whoever is on it now.
    pub(super) fn promise(&mut self, request: &Request<'_>, now: &Now) -> Option<Promise> {
        let link = request.link()?;
        for &index in &request.reservations {
            let reservation = self.reservations.get(index);
            let (address, of_line) = (reservation.address, reservation.is_of_line());
            let Some(subnet) = self.leases.subnet_of(address) else { continue };
            let config = &self.config.subnets[usize::from(subnet)];
            if config.admits != Admits::Reserved || !config.serves(link) || !config.tenure.is_open(now.at) {
                continue;
            }
            let standing = self.leases.standing(address, request.client(), now);
            match standing {
                Standing::Open => return Some(Promise { address, subnet }),
                Standing::Taken(_) if of_line => return Some(Promise { address, subnet }),
                Standing::Taken(_) | Standing::Unusable => {
                    self.counters.reserved_in_use += 1;
                    let holder = match standing {
                        Standing::Taken(slot) => self.leases.get(slot).hardware.mac(),
                        _ => None,
                    };
                    self.tell(Event::ReservedInUse { address, holder });
                }
            }
        }
        None
    }

    /// The slot of what was promised, ready to be granted. Whoever was on the line before loses it, and the client any
    /// other address it had by reservation.
    pub(super) fn fulfil(&mut self, promise: Promise, request: &Request<'_>, now: &Now) -> Option<Slot> {
        let Promise { address, subnet } = promise;
        if let Standing::Taken(slot) = self.leases.standing(address, request.client(), now) {
            self.dismiss(slot, now);
        }
        if let Some(other) = self.leases.by_client(subnet, request.client(), now)
            && self.leases.get(other).state == State::Active
            && self.leases.get(other).address != address
        {
            self.dismiss(other, now);
        }
        self.leases.take(subnet, request.client(), address, now.at + self.config.offer_hold, now)
    }

    /// Whether a slot is this client's.
    pub(super) fn is_of(&self, slot: Slot, request: &Request<'_>) -> bool {
        self.leases.get(slot).client().key() == request.client().key()
    }

    /// Whether the client's lease of this address is in force.
    pub(super) fn is_in_force(&mut self, address: Ipv4Addr, request: &Request<'_>, now: &Now) -> bool {
        let slot = self.leases.by_address(address, now);
        slot.is_some_and(|slot| self.leases.get(slot).state == State::Active && self.is_of(slot, request))
    }

    /// Answers a client that says which address it has: the promised one, or it is told that it has another.
    pub(super) fn keep_promise(&mut self, promise: Promise, named: Ipv4Addr, request: &Request<'_>, now: &Now) {
        if named == promise.address {
            return match self.fulfil(promise, request, now) {
                Some(slot) => self.grant(slot, request, now),
                None => self.nak(request, "address not available"),
            };
        }
        if let Some(slot) = self.leases.by_address(named, now).filter(|slot| self.is_of(*slot, request))
            && self.leases.get(slot).state == State::Active
        {
            self.turn_out(slot, now);
        }
        self.nak(request, "another address is yours");
    }

    /// Ends a lease that a reservation leaves no room for.
    pub(super) fn dismiss(&mut self, slot: Slot, now: &Now) {
        let was = self.leases.get(slot).state;
        self.leases.end(slot, Ended::Released, None, now);
        if was == State::Active {
            self.persist(slot, now);
        }
    }

    /// Ends what a client had that is to have something else from now on; it is told so by a NAK.
    pub(super) fn turn_out(&mut self, slot: Slot, now: &Now) {
        let quarantine = self.config.bulk_release.quarantine;
        let until = (quarantine > Duration::ZERO).then(|| now.at + quarantine);
        self.leases.end(slot, Ended::Released, until, now);
        self.persist(slot, now);
    }
}
