//! Addresses that somebody unknown uses: kept from clients for a while.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::sub;

use super::Server;
use super::request::Request;
use crate::event::{Event, Evidence};
use crate::leases::{Ended, State};
use crate::record::Now;

/// Addresses that one line may decline within [`crate::Config::decline_hold`]. A device that answers every ARP request, as a
/// proxy does, makes its neighbours decline whatever they get: beyond this the fault is the line's, not the address's.
const DECLINES: u8 = 8;
/// Lines remembered at most.
const MOST_LINES: usize = 4096;

/// How often each line has declined of late.
#[derive(Default, Debug)]
pub(crate) struct Declines(HashMap<Box<[u8]>, (u8, Instant)>);

impl Declines {
    /// Whether one more is believed.
    pub(crate) fn admits(&mut self, line: &[u8], within: Duration, now: Instant) -> bool {
        if self.0.len() >= MOST_LINES {
            self.0.retain(|_, (_, until)| *until > now);
        }
        if self.0.len() >= MOST_LINES {
            self.0.clear(); // whoever invents so many lines is no line
        }
        let (count, until) = self.0.entry(line.into()).or_insert((0, now + within));
        if *until <= now {
            (*count, *until) = (0, now + within);
        }
        *count = count.saturating_add(1);
        *count <= DECLINES
    }
}

impl Server {
    /// Keeps an address from everybody for [`crate::Config::decline_hold`], durably, and says so. A lease in force is left
    /// alone unless its own client says that somebody else has the address.
    pub(super) fn quarantine(&mut self, address: Ipv4Addr, request: &Request<'_>, evidence: Evidence, now: &Now) {
        let until = now.at + self.config.decline_hold;
        let Some(subnet) = self.leases.subnet_of(address) else { return };
        let slot = match self.leases.by_address(address, now) {
            Some(slot) => slot,
            // Reserved, and never leased so far.
            None => match self.leases.take(subnet, request.client(), address, until, now) {
                Some(slot) => slot,
                None => return,
            },
        };
        if self.leases.get(slot).state == State::Active && evidence != Evidence::Declined {
            return;
        }
        self.leases.end(slot, Ended::Abandoned, Some(until), now);
        self.persist(slot, now);
        self.counters.conflict += 1;
        self.tell(Event::Conflict { address, evidence, client: request.message.hardware().mac() });
    }

    /// Whether a DECLINE may take an address out of use.
    pub(super) fn may_decline(&mut self, request: &Request<'_>, now: &Now) -> bool {
        let hardware = request.message.hardware();
        let line = request.sub(sub::CIRCUIT_ID).unwrap_or(hardware.address());
        let line = [&request.message.giaddr().octets(), line].concat();
        self.declines.admits(&line, self.config.decline_hold, now.at)
    }
}
