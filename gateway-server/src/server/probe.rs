//! Asking whether somebody uses an address before it is offered (RFC 2131 section 3.1 step 2).
//!
//! A DISCOVER that needs it waits aside, at most [`PingCheck::most`] of them; everything else goes on. The shell sends the
//! echo request and says when it is answered; that no answer came is known here, by the time.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{HashMap, VecDeque};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::relay_auth::Verified;

use super::request::Request;
use super::{Command, Server};
use crate::config::PingCheck;
use crate::event::Evidence;
use crate::leases::State;
use crate::record::Now;

/// Addresses that are tried for one DISCOVER.
const TRIES: u8 = 4;

/// A DISCOVER that waits for an address to be silent.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    source: SocketAddrV4,
    payload: Vec<u8>,
    verified: Option<Verified>,
    tries: u8,
}

/// All that are waited for.
#[derive(Default, Debug)]
pub(super) struct Probes {
    waiting: HashMap<Ipv4Addr, Waiting>,
    /// The same in the order of their times, with some that were answered since.
    order: VecDeque<(Instant, Ipv4Addr)>,
}

impl Probes {
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.order.front().map(|(until, _)| *until)
    }

    /// A DISCOVER whose address has been silent for long enough.
    fn due(&mut self, now: Instant) -> Option<(Ipv4Addr, Waiting)> {
        while let Some((until, address)) = self.order.front().copied().filter(|(until, _)| *until <= now) {
            self.order.pop_front();
            if self.waiting.get(&address).is_some_and(|waiting| waiting.until == until) {
                return Some((address, self.waiting.remove(&address)?));
            }
        }
        None
    }
}

impl Server {
    /// Whether the address must be asked first; then the DISCOVER waits. A client's own address, and one that it had a moment
    /// ago, is not asked: the client itself might answer.
    pub(super) fn must_wait(&mut self, request: &Request<'_>, address: Ipv4Addr, now: &Now) -> bool {
        let check = self.config.ping_check.or_else(|| self.is_recovered(address).then(PingCheck::default));
        let Some(PingCheck { timeout, recent, most }) = check else { return false };
        if request.silent == Some(address) || self.had(request, address, recent, now) {
            return false;
        }
        let (source, payload) = (request.source, request.message.octets());
        if let Some(waiting) = self.probes.waiting.get_mut(&address) {
            // It asks again: the answer is for the latest word.
            (waiting.source, waiting.verified) = (source, request.verified);
            waiting.payload = payload.to_vec();
            return true;
        }
        if self.probes.waiting.len() >= most {
            self.counters.probe_skipped += 1;
            // Where clients were forgotten an address may well be in use: this one is to ask again.
            return self.is_recovered(address);
        }
        let until = now.at + timeout;
        let (payload, tries) = (payload.to_vec(), request.tries + 1);
        self.probes.waiting.insert(address, Waiting { until, source, payload, verified: request.verified, tries });
        self.probes.order.push_back((until, address));
        self.counters.probe += 1;
        self.commands.push_back(Command::Probe { address });
        true
    }

    /// H-SN-3: whether a client may select an address that was not offered to it. What a forgotten client may have is given only
    /// after it was offered, and so asked.
    pub(super) fn may_select(&mut self, address: Ipv4Addr, request: &Request<'_>, now: &Now) -> bool {
        if !self.is_recovered(address) {
            return true;
        }
        let is_asked = self.probes.waiting.contains_key(&address);
        let slot = self.leases.by_address(address, now).filter(|slot| self.is_of(*slot, request));
        slot.is_some_and(|slot| match self.leases.get(slot).state {
            State::Active => true,
            State::Offered => !is_asked,
            _ => false,
        })
    }

    /// Whether addresses are asked before they are offered.
    pub fn asks_addresses(&self) -> bool {
        self.config.ping_check.is_some()
    }

    fn had(&mut self, request: &Request<'_>, address: Ipv4Addr, recent: Duration, now: &Now) -> bool {
        let Some(slot) = self.leases.by_address(address, now) else { return false };
        let lease = self.leases.get(slot);
        let lately = lease.sequence > 0 && now.since(lease.last) <= recent;
        self.is_of(slot, request) && (lease.state == State::Active || lately)
    }

    /// An echo reply came from this address.
    pub fn handle_echo(&mut self, address: Ipv4Addr, now: Instant, unix: Duration) {
        let now = Now { at: now, unix };
        let Some(waiting) = self.probes.waiting.remove(&address) else { return };
        let Some(mut request) = self.resume(&waiting, &now) else { return };
        self.quarantine(address, &request, Evidence::Echo, &now);
        if waiting.tries < TRIES {
            request.tries = waiting.tries;
            self.answer_discover(&request, &now);
        }
    }

    /// Goes on with what has waited long enough.
    pub(super) fn tend_probes(&mut self, now: &Now) {
        while let Some((address, waiting)) = self.probes.due(now.at) {
            let Some(mut request) = self.resume(&waiting, now) else { continue };
            (request.silent, request.tries) = (Some(address), waiting.tries);
            self.answer_discover(&request, now);
        }
    }

    /// The DISCOVER as it was when it began to wait.
    fn resume<'w>(&mut self, waiting: &'w Waiting, now: &Now) -> Option<Request<'w>> {
        let points = &self.config.bulk_release.code_points;
        let mut request = Request::read(waiting.source, &waiting.payload, points)?;
        request.verified = waiting.verified;
        self.recognise(&mut request, now);
        Some(request)
    }
}
