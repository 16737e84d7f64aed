//! The conversation with clients: RFC 2131 section 4.3.

use core::net::Ipv4Addr;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{code, kind};

use super::Server;
use super::reply::lease_time;
use super::request::{self, Request};
use crate::event::Event;
use crate::leases::{Ended, Grant, Slot, State};
use crate::record::Now;

impl Server {
    /// Subnets that serve the link of this message, the one in which the client is or wants to be first.
    fn candidates(&mut self, request: &Request<'_>, now: &Now) -> Vec<u16> {
        let Some(link) = request.link() else { return Vec::new() };
        let serving = self.config.subnets.iter().enumerate().filter(|(_, subnet)| subnet.serves(link));
        let mut found: Vec<u16> = serving.filter_map(|(index, _)| u16::try_from(index).ok()).collect();
        if found.len() > 1 {
            let wanted = request.message.address_option(code::REQUESTED_IP).and_then(|at| self.leases.subnet_of(at));
            found.sort_by_cached_key(|subnet| {
                (self.leases.by_client(*subnet, request.client(), now).is_none(), Some(*subnet) != wanted)
            });
        }
        found
    }

    pub(super) fn handle_discover(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.discover += 1;
        let candidates = self.candidates(request, now);
        if candidates.is_empty() || !request.names_client() || self.destination(request).is_none() {
            self.counters.no_subnet += 1;
            return;
        }
        let wanted = request.message.address_option(code::REQUESTED_IP);
        let until = now.at + self.config.offer_hold;
        let slot = candidates.iter().find_map(|&subnet| {
            let config = &self.config.subnets[usize::from(subnet)];
            self.leases.allocate(config, subnet, request.client(), wanted, until, now)
        });
        let Some(slot) = slot else {
            self.counters.exhausted += 1;
            let link = request.link().unwrap_or(Ipv4Addr::UNSPECIFIED);
            self.tell(Event::Exhausted { link });
            return;
        };
        self.counters.offer += 1;
        let lease = self.leases.get(slot);
        let subnet = &self.config.subnets[usize::from(lease.subnet)];
        let offer = self.lease_reply(request, kind::OFFER, lease.address, subnet);
        self.send(request, offer);
    }

    pub(super) fn handle_request(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.request += 1;
        let (message, ciaddr) = (&request.message, request.message.ciaddr());
        let candidates = self.candidates(request, now);
        if candidates.is_empty() || !request.names_client() || self.destination(request).is_none() {
            self.counters.no_subnet += 1;
            return;
        }
        let server = message.address_option(code::SERVER_ID);
        match (server, message.address_option(code::REQUESTED_IP)) {
            // SELECTING
            (Some(server), wanted) => {
                let known = candidates.iter().find_map(|&subnet| self.leases.by_client(subnet, request.client(), now));
                if !self.is_ours(server, request, known) {
                    self.counters.other_server += 1;
                    if let Some(slot) = known {
                        self.leases.withdraw(slot);
                    }
                    return;
                }
                let wanted = wanted.unwrap_or(ciaddr);
                match self.claim(&candidates, request, wanted, now) {
                    Some(slot) => self.grant(slot, request, now),
                    None => self.nak(request, "address not available"),
                }
            }
            // INIT-REBOOT
            (None, Some(wanted)) if ciaddr.is_unspecified() => {
                let known = candidates.iter().find_map(|&subnet| self.leases.by_client(subnet, request.client(), now));
                match known {
                    Some(slot) if self.leases.get(slot).address == wanted => self.grant(slot, request, now),
                    Some(_) => self.nak(request, "another address is yours"),
                    None if !self.on_link(&candidates, wanted) => self.nak(request, "address of another network"),
                    None if self.config.authoritative => self.nak(request, "no lease"),
                    None => self.counters.not_held += 1,
                }
            }
            // RENEWING and REBINDING
            (None, _) => self.handle_renewal(request, &candidates, now),
        }
    }

    /// RENEWING when it comes directly, REBINDING or a renewal kept on the relay's path (RFC 5107) when relayed.
    fn handle_renewal(&mut self, request: &Request<'_>, candidates: &[u16], now: &Now) {
        let ciaddr = request.message.ciaddr();
        let slot = self.leases.by_address(ciaddr, now);
        let mine = slot.filter(|slot| self.leases.get(*slot).client().key() == request.client().key());
        match mine {
            // A past lease of the same client comes back to life only through the relay: told of nothing, the gateway
            // would not let its traffic pass (H-BR-24).
            Some(slot) if self.leases.get(slot).state == State::Active || request.is_relayed() => {
                self.grant(slot, request, now);
            }
            Some(_) => self.nak(request, "the lease has ended"),
            None if slot.is_some_and(|slot| self.leases.get(slot).state == State::Active) => {
                self.nak(request, "address of another client");
            }
            None if !self.on_link(candidates, ciaddr) => self.nak(request, "address of another network"),
            None if self.config.authoritative => self.nak(request, "no lease"),
            None => self.counters.not_held += 1,
        }
    }

    fn on_link(&self, candidates: &[u16], address: Ipv4Addr) -> bool {
        candidates.iter().any(|subnet| self.config.subnets[usize::from(*subnet)].contains(address))
    }

    /// The slot of the address a client in SELECTING names: offered to it, its own, or free.
    fn claim(&mut self, candidates: &[u16], request: &Request<'_>, address: Ipv4Addr, now: &Now) -> Option<Slot> {
        let subnet = self.leases.subnet_of(address).filter(|subnet| candidates.contains(subnet))?;
        let config = &self.config.subnets[usize::from(subnet)];
        self.leases.claim(config, subnet, request.client(), address, now.at + self.config.offer_hold, now)
    }

    /// Whether an option 54 names this server: by its address, or as the relay asked for now or when the lease was
    /// made (RFC 5107 section 4).
    fn is_ours(&self, server: Ipv4Addr, request: &Request<'_>, slot: Option<Slot>) -> bool {
        let stored = || {
            let stored = self.leases.get(slot?).agent_information();
            request::sub_option(stored, sub::SERVER_ID_OVERRIDE).and_then(request::address)
        };
        server == self.config.listen || request.override_id() == Some(server) || stored() == Some(server)
    }

    /// The lease is put in force, written, and then acknowledged.
    fn grant(&mut self, slot: Slot, request: &Request<'_>, now: &Now) {
        if let Some(scope) = request.scope()
            && let Some(ended) = self.leases.last_cut(scope).filter(|ended| scope.epoch <= *ended)
        {
            let scope = scope.clone();
            self.tell(Event::StaleEpoch { scope, ended });
        }
        let subnet = &self.config.subnets[usize::from(self.leases.get(slot).subnet)];
        let lease = lease_time(request, subnet);
        let expires = if lease >= INFINITE { Instant::NEVER } else { now.at + lease };
        let relayed = request.is_relayed() || request.agent_information.is_some();
        let grant = Grant {
            client: request.client(),
            agent_information: relayed.then(|| request.agent_information.as_deref().unwrap_or_default()),
            scope: request.scope(),
            relay: request.message.giaddr(),
            expires,
        };
        self.leases.grant(slot, &grant, now);
        self.persist(slot, now);
        self.persist_counter(request);
        self.counters.ack += 1;
        let lease = self.leases.get(slot);
        let subnet = &self.config.subnets[usize::from(lease.subnet)];
        let ack = self.lease_reply(request, kind::ACK, lease.address, subnet);
        self.send(request, ack);
    }

    /// The lease that a RELEASE or DECLINE is about, if its sender holds it and means this server.
    fn held(&mut self, request: &Request<'_>, address: Ipv4Addr, now: &Now) -> Option<Slot> {
        let slot = self.leases.by_address(address, now);
        let server = request.message.address_option(code::SERVER_ID);
        if server.is_some_and(|server| !self.is_ours(server, request, slot)) {
            self.counters.other_server += 1;
            return None;
        }
        let slot = slot.filter(|slot| {
            let lease = self.leases.get(*slot);
            matches!(lease.state, State::Active | State::Offered) && lease.client().key() == request.client().key()
        });
        if slot.is_none() {
            self.counters.not_held += 1;
        }
        slot
    }

    pub(super) fn handle_decline(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.decline += 1;
        let Some(address) = request.message.address_option(code::REQUESTED_IP) else {
            self.counters.malformed += 1;
            return;
        };
        if let Some(slot) = self.held(request, address, now) {
            self.leases.end(slot, Ended::Abandoned, Some(now.at + self.config.decline_hold), now);
            self.persist(slot, now);
        }
    }

    /// No reply exists (RFC 2131 4.4.6). A RELEASE that carries an older tag than the lease was meant for the login
    /// before this one and came late: the lease stays (H-BR-6).
    pub(super) fn handle_release(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.release += 1;
        let Some(slot) = self.held(request, request.message.ciaddr(), now) else { return };
        let newer = self.leases.scope(slot).zip(request.scope()).is_some_and(|(stored, named)| {
            stored.device == named.device && stored.kind == named.kind && stored.epoch > named.epoch
        });
        if newer {
            self.counters.not_held += 1;
            return;
        }
        let quarantine = self.config.bulk_release.quarantine;
        let until = (quarantine > Duration::ZERO).then(|| now.at + quarantine);
        self.leases.end(slot, Ended::Released, until, now);
        self.persist(slot, now);
        self.persist_counter(request);
    }

    /// Configuration for a client that has its address from elsewhere (RFC 2131 4.3.5).
    pub(super) fn handle_inform(&mut self, request: &Request<'_>) {
        self.counters.inform += 1;
        let ciaddr = request.message.ciaddr();
        let of = |link: Ipv4Addr| self.config.subnets.iter().find(|subnet| subnet.serves(link));
        let Some(subnet) = of(ciaddr).or_else(|| of(request.link()?)) else {
            self.counters.no_subnet += 1;
            return;
        };
        let reply = self.configure(self.start(request, kind::ACK).ciaddr(ciaddr), request, subnet);
        self.counters.ack += 1;
        self.send(request, reply);
    }
}

const INFINITE: Duration = Duration::from_secs(u32::MAX as u64);
