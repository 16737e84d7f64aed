//! Who a client is beyond its identity: its classes, its reservations, and which subnets lease to it.

use core::net::Ipv4Addr;

use gateway_core::wire::agent::{AgentInformation, sub};
use gateway_core::wire::dhcp4::code;

use super::Server;
use super::request::{self, Request};
use crate::config::class::Traits;
use crate::config::reservation;
use crate::config::{Admits, Subnet};
use crate::leases::State;
use crate::record::Now;

impl Server {
    /// Finds the client's classes and reservations. What its relay says of it is taken from its lease when the message
    /// bypassed the relay, as a renewal does.
    pub(super) fn recognise(&mut self, request: &mut Request<'_>, now: &Now) {
        request.selects |= self.config.subnet_selection;
        if self.config.classes.is_empty() && self.reservations.is_empty() {
            return;
        }
        let stored = match &request.agent_information {
            Some(_) => None,
            None => self.leases.by_address(request.message.ciaddr(), now).filter(|slot| {
                let lease = self.leases.get(*slot);
                lease.state == State::Active && lease.client().key() == request.client().key()
            }),
        };
        let stored = stored.map(|slot| self.leases.get(slot).agent_information());
        let agent = request.agent_information.as_deref().or(stored).unwrap_or_default();
        let agent = AgentInformation::parse(agent).ok();
        let of_agent = |code: u8| agent.as_ref()?.get(code);

        let message = &request.message;
        let (vendor, user) = (message.option(code::CLASS_ID), message.option(code::USER_CLASS));
        let hardware = message.hardware();
        let traits = Traits { vendor_class: vendor.as_deref(), user_class: user.as_deref(), mac: hardware.mac() };
        let classes = (0..).zip(&self.config.classes).filter(|(_, class)| class.has(&traits, of_agent));
        let classes = classes.map(|(index, _)| index).collect();
        let client = request.client();
        let asker = reservation::asker(client.id, &hardware, of_agent(sub::CIRCUIT_ID), of_agent(sub::REMOTE_ID));
        let reservations = self.reservations.of(&asker);
        (request.classes, request.reservations) = (classes, reservations);
    }

    /// Subnets that serve the link of this message and lease to its client: the one in which it has a lease first, then those
    /// for its classes, then where it was or wants to be.
    pub(super) fn candidates(&mut self, request: &Request<'_>, now: &Now) -> Vec<u16> {
        let Some(link) = request.link() else { return Vec::new() };
        let serving =
            self.config.subnets.iter().enumerate().filter(|(_, subnet)| subnet.serves(link) && admits(subnet, request));
        let mut found: Vec<u16> = serving.filter_map(|(index, _)| u16::try_from(index).ok()).collect();
        if self.config.delegated.is_some() {
            found.retain(|subnet| self.has_room(*subnet, request, now));
        }
        if found.len() > 1 {
            let wanted = request.message.address_option(code::REQUESTED_IP).and_then(|at| self.leases.subnet_of(at));
            found.sort_by_cached_key(|&subnet| {
                let known = self.leases.by_client(subnet, request.client(), now);
                let active = known.is_some_and(|slot| self.leases.get(slot).state == State::Active);
                let anyone = self.config.subnets[usize::from(subnet)].admits == Admits::Anyone;
                (!active, anyone, known.is_none(), Some(subnet) != wanted)
            });
        }
        found
    }

    /// Whether the link of this message is served at all.
    pub(super) fn is_served(&self, request: &Request<'_>) -> bool {
        let link = request.link();
        link.is_some_and(|link| {
            self.config.subnets.iter().any(|subnet| subnet.serves(link)) || self.may_be_served(link)
        })
    }

    /// Whether an option 54 names this server: by its address, or as the relay asked for now or when the lease was
    /// made (RFC 5107 section 4).
    pub(super) fn is_ours(&self, server: Ipv4Addr, request: &Request<'_>, slot: Option<crate::leases::Slot>) -> bool {
        let stored = || {
            let stored = self.leases.get(slot?).agent_information();
            request::sub_option(stored, sub::SERVER_ID_OVERRIDE).and_then(request::address)
        };
        server == self.config.listen || request.override_id() == Some(server) || stored() == Some(server)
    }
}

/// Whether a subnet leases to this client, reservations apart.
pub(super) fn admits(subnet: &Subnet, request: &Request<'_>) -> bool {
    match &subnet.admits {
        Admits::Anyone => true,
        Admits::Classes(classes) => classes.iter().any(|class| request.classes.contains(class)),
        Admits::Reserved => false,
    }
}
