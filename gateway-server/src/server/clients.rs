//! The conversation with clients: RFC 2131 section 4.3.

use core::net::Ipv4Addr;
use std::borrow::Cow;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::{AgentBuilder, AgentInformation, sub};
use gateway_core::wire::dhcp4::{code, kind};

use super::Server;
use super::request::{Request, address, sub_option};
use super::reserved::Promise;
use super::terms::INFINITE;
use crate::event::{Event, Evidence};
use crate::leases::{Ended, Grant, Lease, Leases, Slot, State};
use crate::record::Now;

impl Server {
    pub(super) fn handle_discover(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.discover += 1;
        if !self.is_served(request) || !request.names_client() || self.destination(request).is_none() {
            self.counters.no_subnet += 1;
            return;
        }
        self.answer_discover(request, now);
    }

    /// Offers or leases an address, at once or when it was asked whether somebody uses it.
    pub(super) fn answer_discover(&mut self, request: &Request<'_>, now: &Now) {
        let Some(choice) = self.choose(request, now) else {
            self.counters.exhausted += 1;
            let link = request.link().unwrap_or(Ipv4Addr::UNSPECIFIED);
            self.miss(link, &request.client(), now.at);
            self.tell(Event::Exhausted { link });
            return;
        };
        let (address, subnet) = choice.place(&self.leases);
        if self.must_wait(request, address, now) {
            return;
        }
        let config = &self.config.subnets[usize::from(subnet)];
        if config.rapid_commit && request.is_rapid() {
            let slot = match choice {
                Choice::Reserved(promise) => self.fulfil(promise, request, now),
                Choice::Pool(slot) => Some(slot),
            };
            if let Some(slot) = slot {
                self.counters.rapid_commit += 1;
                self.grant(slot, request, now);
            }
            return;
        }
        self.counters.offer += 1;
        let offer = self.lease_reply(request, kind::OFFER, address, config, now);
        self.say(request, self.offer_nonce(request, offer), false);
    }

    /// An address for the client: the one that is reserved for it, else one of a pool, kept for it for a while.
    fn choose(&mut self, request: &Request<'_>, now: &Now) -> Option<Choice> {
        if let Some(promise) = self.promise(request, now) {
            return Some(Choice::Reserved(promise));
        }
        let wanted = request.message.address_option(code::REQUESTED_IP);
        let until = now.at + self.config.offer_hold;
        let candidates = self.candidates(request, now);
        for _ in 0..2 {
            let slot = candidates.iter().find_map(|&subnet| {
                let config = &self.config.subnets[usize::from(subnet)];
                self.leases.allocate(config, subnet, request.client(), wanted, until, now)
            })?;
            let Lease { address, state, .. } = *self.leases.get(slot);
            if address != request.message.giaddr() || state == State::Active {
                return Some(Choice::Pool(slot));
            }
            self.quarantine(address, request, Evidence::Relay, now);
        }
        None
    }

    pub(super) fn handle_request(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.request += 1;
        let (message, ciaddr) = (&request.message, request.message.ciaddr());
        if !self.is_served(request) || !request.names_client() || self.destination(request).is_none() {
            self.counters.no_subnet += 1;
            return;
        }
        if self.is_unconfirmed(message.address_option(code::REQUESTED_IP).unwrap_or(ciaddr)) {
            self.counters.not_held += 1;
            return;
        }
        let promise = self.promise(request, now);
        let candidates = self.candidates(request, now);
        let server = message.address_option(code::SERVER_ID);
        let by_client = |&subnet: &u16| self.leases.by_client(subnet, request.client(), now);
        let mut known = candidates.iter().find_map(by_client);
        match (server, message.address_option(code::REQUESTED_IP)) {
            // SELECTING
            (Some(server), wanted) => {
                if known.is_none()
                    && let Some(promise) = promise
                {
                    known = self.leases.by_address(promise.address, now);
                }
                if !self.is_ours(server, request, known) {
                    self.counters.other_server += 1;
                    if let Some(slot) = known.filter(|slot| self.is_of(*slot, request)) {
                        self.leases.withdraw(slot);
                    }
                    return;
                }
                let wanted = wanted.unwrap_or(ciaddr);
                let slot = match promise {
                    Some(promise) if promise.address != wanted => return self.nak(request, "another address is yours"),
                    Some(promise) => self.fulfil(promise, request, now),
                    None if self.may_select(wanted, request, now) => self.claim(&candidates, request, wanted, now),
                    None => None,
                };
                match slot {
                    Some(slot) => self.grant(slot, request, now),
                    None => self.nak(request, "address not available"),
                }
            }
            // INIT-REBOOT
            (None, Some(wanted)) if ciaddr.is_unspecified() => match (promise, known) {
                (Some(promise), _) => self.keep_promise(promise, wanted, request, now),
                (None, Some(slot)) if self.leases.get(slot).address == wanted => self.grant(slot, request, now),
                (None, Some(_)) => self.nak(request, "another address is yours"),
                (None, None) if !self.on_link(&candidates, wanted) => self.nak(request, "address of another network"),
                (None, None) => match self.remember(&candidates, request, wanted, now) {
                    Some(slot) => self.grant(slot, request, now),
                    None if self.config.authoritative => self.nak(request, "no lease"),
                    None => self.counters.not_held += 1,
                },
            },
            // RENEWING and REBINDING
            (None, _) => match promise {
                Some(promise)
                    if promise.address != ciaddr
                        || request.is_relayed()
                        || self.is_in_force(promise.address, request, now) =>
                {
                    self.keep_promise(promise, ciaddr, request, now);
                }
                _ => self.handle_renewal(request, &candidates, now),
            },
        }
    }

    /// RENEWING when it comes directly, REBINDING or a renewal kept on the relay's path (RFC 5107) when relayed.
    fn handle_renewal(&mut self, request: &Request<'_>, candidates: &[u16], now: &Now) {
        let ciaddr = request.message.ciaddr();
        let slot = self.leases.by_address(ciaddr, now);
        let mine = slot.filter(|slot| self.is_of(*slot, request));
        let link = request.link().unwrap_or(ciaddr);
        match mine {
            // Its address has become somebody else's, or its subnet is for others now.
            Some(slot) if !candidates.contains(&self.leases.get(slot).subnet) => {
                if self.leases.get(slot).state == State::Active && self.may_turn_out(slot, request) {
                    self.turn_out(slot, now);
                }
                let here = self.config.subnets.iter().any(|subnet| subnet.contains(ciaddr) && subnet.serves(link));
                self.nak(request, if here { "address of others" } else { "address of another network" });
            }
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
            None => match self.remember(candidates, request, ciaddr, now) {
                Some(slot) => self.grant(slot, request, now),
                None if self.config.authoritative => self.nak(request, "no lease"),
                None => self.counters.not_held += 1,
            },
        }
    }

    /// Whether a client that is refused here has left its lease: the message came by the lease's own relay and line, or the
    /// lease's subnet serves nobody there any more. Who it is goes by what anybody can write, so from anywhere else it is
    /// refused and nothing more (RFC 2131 section 4.3.2).
    fn may_turn_out(&self, slot: Slot, request: &Request<'_>) -> bool {
        let lease = self.leases.get(slot);
        let (stored, said) = (lease.agent_information(), request.agent_information.as_deref().unwrap_or_default());
        let same = |code: u8| sub_option(stored, code) == sub_option(said, code);
        let by_its_line = request.is_relayed()
            && request.message.giaddr() == lease.relay
            && same(sub::CIRCUIT_ID)
            && same(sub::REMOTE_ID);
        let relay = Some(lease.relay).filter(|relay| !relay.is_unspecified());
        let link = sub_option(stored, sub::LINK_SELECTION).and_then(address).or(relay).unwrap_or(lease.address);
        by_its_line || !self.config.subnets[usize::from(lease.subnet)].serves(link)
    }

    fn on_link(&self, candidates: &[u16], address: Ipv4Addr) -> bool {
        candidates.iter().any(|subnet| self.config.subnets[usize::from(*subnet)].contains(address))
    }

    /// The slot of the address a client in SELECTING names: offered to it, its own, or free.
    pub(super) fn claim(
        &mut self,
        candidates: &[u16],
        request: &Request<'_>,
        address: Ipv4Addr,
        now: &Now,
    ) -> Option<Slot> {
        if address == request.message.giaddr() {
            return None;
        }
        let subnet = self.leases.subnet_of(address).filter(|subnet| candidates.contains(subnet))?;
        let config = &self.config.subnets[usize::from(subnet)];
        self.leases.claim(config, subnet, request.client(), address, now.at + self.config.offer_hold, now)
    }

    /// The lease is put in force, written, and then acknowledged.
    pub(super) fn grant(&mut self, slot: Slot, request: &Request<'_>, now: &Now) {
        if let Some(scope) = request.scope()
            && let Some(ended) = self.leases.last_cut(scope).filter(|ended| scope.epoch <= *ended)
        {
            let scope = scope.clone();
            self.tell(Event::StaleEpoch { scope, ended });
        }
        let Lease { address, subnet, .. } = self.leases.get(slot);
        let lease = self.term(request, &self.config.subnets[usize::from(*subnet)], *address, now);
        let expires = if lease >= INFINITE { Instant::NEVER } else { now.at + lease };
        let agent_information = request.agent_information.as_deref().map(without_signature).unwrap_or_default();
        let grant = Grant {
            client: request.client(),
            agent_information: request.is_relayed().then_some(&*agent_information),
            scope: request.scope(),
            relay: request.message.giaddr(),
            expires,
        };
        let nonce = self.renew_nonce(slot, request);
        self.leases.grant(slot, &grant, now);
        self.persist(slot, now);
        self.persist_counter(request);
        self.counters.ack += 1;
        let lease = self.leases.get(slot);
        let subnet = &self.config.subnets[usize::from(lease.subnet)];
        let mut ack = self.lease_reply(request, kind::ACK, lease.address, subnet, now);
        if request.message.kind() == Some(kind::DISCOVER) {
            ack = ack.option(code::RAPID_COMMIT, &[]);
        }
        if let Some(nonce) = nonce {
            ack = ack.option(code::AUTHENTICATION, &nonce);
        }
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
            matches!(lease.state, State::Active | State::Offered) && self.is_of(*slot, request)
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
            if self.may_decline(request, now) {
                self.quarantine(address, request, Evidence::Declined, now);
            } else {
                self.counters.decline_ignored += 1;
                self.leases.end(slot, Ended::Released, None, now);
                self.persist(slot, now);
            }
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

/// What a DISCOVER may be answered with.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// The client's by reservation. The table does not know of it before it is granted.
    Reserved(Promise),
    /// Kept for it.
    Pool(Slot),
}

impl Choice {
    /// Address and subnet.
    fn place(self, leases: &Leases) -> (Ipv4Addr, u16) {
        match self {
            Self::Reserved(Promise { address, subnet }) => (address, subnet),
            Self::Pool(slot) => (leases.get(slot).address, leases.get(slot).subnet),
        }
    }
}

/// An option 82 without sub-option 8, which signs one message: it proves nothing of a lease, and is a fifth of it in memory.
fn without_signature(agent_information: &[u8]) -> Cow<'_, [u8]> {
    let Ok(agent) = AgentInformation::parse(agent_information) else { return agent_information.into() };
    if agent.get(sub::AUTHENTICATION).is_none() {
        return agent_information.into();
    }
    let kept = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
    let kept = kept.fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(code, value));
    kept.finish().unwrap_or_default().into() // a part of what fitted
}
