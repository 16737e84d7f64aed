//! Leasequery (RFC 4388): by address, by hardware address, by client identifier. It never changes a binding.

use core::net::Ipv4Addr;

use gateway_core::wire::agent::{AgentBuilder, AgentInformation, sub};
use gateway_core::wire::dhcp4::{Builder, code, kind};
use gateway_core::wire::relay_auth;

use super::Server;
use super::request::Request;
use crate::leases::{Slot, State};
use crate::record::Now;

impl Server {
    pub(super) fn handle_leasequery(&mut self, request: &Request<'_>, now: &Now) {
        self.counters.leasequery += 1;
        if !request.is_relayed() {
            self.counters.unexpected += 1; // giaddr says where the answer goes (RFC 4388 section 6.3)
            return;
        }
        if !self.may_ask(request) {
            self.counters.leasequery_refused += 1;
            return;
        }
        let message = &request.message;
        let (ciaddr, client) = (message.ciaddr(), request.client());
        let by_address = !ciaddr.is_unspecified();
        let found: Vec<Slot> = if by_address {
            self.leases.by_address(ciaddr, now).into_iter().collect()
        } else if client.id.is_some() {
            let subnets = 0..self.config.subnets.len() as u16; // validated to fit
            subnets.filter_map(|subnet| self.leases.by_client(subnet, client, now)).collect()
        } else if client.hardware.hlen() > 0 {
            self.leases.by_hardware(client.hardware, now)
        } else {
            self.counters.malformed += 1;
            return;
        };
        let mut active: Vec<Slot> =
            found.into_iter().filter(|slot| self.leases.get(*slot).state == State::Active).collect();
        // RFC 4388 6.4.2: several leases of one client: the one with the latest transaction, the others in option 92.
        active.sort_by_key(|slot| core::cmp::Reverse(self.leases.get(*slot).sequence));
        match active.split_first() {
            Some((first, others)) => self.lease_active(request, *first, others, now),
            None => {
                let ours = by_address && self.leases.subnet_of(ciaddr).is_some();
                let kind = if ours { kind::LEASEUNASSIGNED } else { kind::LEASEUNKNOWN };
                let reply = self.bare(request, kind).ciaddr(if ours { ciaddr } else { Ipv4Addr::UNSPECIFIED });
                self.send_to_relay(request, reply, &[]);
            }
        }
    }

    /// RFC 4388 section 7: whether the relay may know whose an address is. It answers to its own address, or it has
    /// signed its question.
    fn may_ask(&self, request: &Request<'_>) -> bool {
        let (policy, giaddr) = (&self.config.leasequery, request.message.giaddr());
        let is_known = policy.permits(giaddr) && *request.source.ip() == giaddr;
        policy.enabled && (is_known || request.verified.is_some())
    }

    fn lease_active(&mut self, request: &Request<'_>, slot: Slot, others: &[Slot], now: &Now) {
        let wanted = request.message.option(code::PARAMETER_LIST);
        let is_wanted = |code: u8| wanted.as_ref().is_some_and(|list| list.contains(&code));
        let lease = self.leases.get(slot);
        let remaining = match lease.expires {
            gateway_core::time::Instant::NEVER => u32::MAX,
            expires => u32::try_from(expires.since(now.at).as_secs()).unwrap_or(u32::MAX),
        };
        let ago = u32::try_from(now.since(lease.last).as_secs()).unwrap_or(u32::MAX);
        let mut reply = self
            .bare(request, kind::LEASEACTIVE)
            .ciaddr(lease.address)
            .hardware(lease.hardware)
            .number(code::LEASE_TIME, remaining);
        if is_wanted(code::LAST_TRANSACTION) {
            reply = reply.number(code::LAST_TRANSACTION, ago);
        }
        if !others.is_empty() && is_wanted(code::ASSOCIATED_IP) {
            let all = core::iter::once(&slot).chain(others);
            let octets: Vec<u8> = all.flat_map(|slot| self.leases.get(*slot).address.octets()).collect();
            reply = reply.option(code::ASSOCIATED_IP, &octets);
        }
        if let Some(id) = lease.client().id.filter(|_| is_wanted(code::CLIENT_ID)) {
            reply = reply.option(code::CLIENT_ID, id);
        }
        let agent = if is_wanted(code::AGENT_INFORMATION) { lease.agent_information().to_vec() } else { Vec::new() };
        self.send_to_relay(request, reply, &agent);
    }

    fn bare(&self, request: &Request<'_>, kind: u8) -> Builder {
        Builder::reply(&request.message).kind(kind).address(code::SERVER_ID, self.config.listen)
    }

    /// `agent` is the lease's option 82, if it is to be told. A relay that signed its question gets a signed answer: it
    /// may drop others (RFC 4030 section 5). The signature in the lease's option is the login's, so it makes room.
    fn send_to_relay(&mut self, request: &Request<'_>, builder: Builder, agent: &[u8]) {
        let Some(to) = self.destination(request) else { return };
        let policy = &self.config.bulk_release;
        let key = request.verified.and_then(|verified| policy.key(verified.key_id)).cloned();
        let mut payload = match &key {
            Some(key) => {
                let (number, reserve) = self.counter.next();
                self.commands.extend(reserve);
                let stored = AgentInformation::parse(agent).ok();
                let kept =
                    stored.iter().flat_map(AgentInformation::iter).filter(|(code, _)| *code != sub::AUTHENTICATION);
                let mut value = kept.fold(AgentBuilder::new(), |value, (code, octets)| value.sub(code, octets));
                if agent.is_empty() {
                    value.push(sub::RELAY_ID, request.sub(sub::RELAY_ID).unwrap_or_default());
                }
                value.push(sub::AUTHENTICATION, &relay_auth::placeholder(key, number));
                builder.option(code::AGENT_INFORMATION, &value.finish().unwrap_or_else(|| agent.to_vec())).finish()
            }
            None if agent.is_empty() => builder.finish(),
            None => builder.option(code::AGENT_INFORMATION, agent).finish(),
        };
        if let Some(key) = &key {
            // It fails only where option 82 had no room for the placeholder; the answer then goes out as it is.
            let _ = relay_auth::sign(&mut payload, key);
        }
        self.commands.push_back(super::Command::Send { to, payload, waits: true });
    }
}
