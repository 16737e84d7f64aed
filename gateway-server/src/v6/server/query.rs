//! Leasequery over UDP (RFC 5007): whose an address is, what a client has. It never changes a lease.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::leasequery::{Answering, By, ClientRecord, LeaseQuery, Question, RelayData};
use gateway_core::wire::dhcp6::{Binding, Builder, Duid, code, status};

use super::request::Request;
use super::{Dropped, Server};
use crate::record::Now;
use crate::v6::leases::{Slot, State};

/// Why a query has no answer: a status and its text.
pub(super) type NoAnswer = (u16, String);

impl Server {
    pub(super) fn handle_leasequery(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.leasequery += 1;
        let query = LeaseQuery::parse(request.message.octets())?;
        let own = self.config.server_id.clone();
        if query.server_id.is_some_and(|server| server != own.as_duid()) {
            return Err(Dropped::OtherServer);
        }
        let sender = request.sender();
        if sender.is_unicast_link_local() {
            return Err(Dropped::Unexpected); // a subscriber's: it learns nothing of others
        }
        let answering = Answering { xid: query.xid, requestor: query.requestor, server_id: own.as_duid() };
        let answer = match self.question(&query, &[*request.source.ip(), sender]) {
            Ok(question) if question.by.is_bulk() => {
                answering.refuse(status::NOT_ALLOWED, "bulk leasequery is answered over TCP only")?
            }
            Ok(question) => self.answer_query(question, &answering, now)?,
            Err((code, text)) => answering.refuse(code, &text)?,
        };
        Ok(self.send(request, &answer)?)
    }

    /// What is asked, about a link that is known, if everybody may ask who had a hand in it: the sender of a datagram
    /// may have written another's address into it.
    pub(super) fn question<'q, 'a>(
        &self,
        query: &'q LeaseQuery<'a>,
        requestors: &[Ipv6Addr],
    ) -> Result<&'q Question<'a>, NoAnswer> {
        if !requestors.iter().all(|requestor| self.config.leasequery.permits(*requestor)) {
            return Err((status::NOT_ALLOWED, "leasequery is not for this address".to_owned()));
        }
        let question = query.question.as_ref().map_err(|error| (error.status(), error.to_string()))?;
        let served = || self.config.subnets.iter().any(|subnet| subnet.serves(question.link));
        if !question.link.is_unspecified() && !served() {
            return Err((status::NOT_CONFIGURED, "no such link is configured".to_owned()));
        }
        Ok(question)
    }

    fn answer_query(
        &mut self,
        question: &Question<'_>,
        answering: &Answering<'_>,
        now: &Now,
    ) -> Result<Vec<u8>, Dropped> {
        let found = self.find(question, now);
        let links: Vec<u16> = found.keys().copied().collect();
        if links.len() > 1 {
            // RFC 5007 section 4.1.2.5: one link at a time. A link is told as it was asked about, or would be.
            let slots = found.values().filter_map(|slots| slots.first());
            let links: Vec<Ipv6Addr> = slots.map(|slot| self.leases.get(*slot).origin.link).collect();
            return Ok(answering.links(&links)?);
        }
        let Some(slots) = found.into_values().next() else { return Ok(answering.reply(None)?) };
        Ok(self.with_record(&slots, &question.requested, now, |record| answering.reply(record))?)
    }

    /// The leases in force of one client, by subnet: of queries by address and by client.
    pub(super) fn find(&mut self, question: &Question<'_>, now: &Now) -> BTreeMap<u16, Vec<Slot>> {
        let (client, only): (Option<Vec<u8>>, Option<u16>) = match question.by {
            By::Address(address) => {
                let slot = self.leases.covering(address, now);
                let lease = slot.map(|slot| self.leases.get(slot));
                let client = lease.and_then(|lease| lease.client()).map(|client| client.octets().to_vec());
                (client, lease.map(|lease| lease.subnet))
            }
            By::ClientId(client) => (Some(client.octets().to_vec()), None),
            By::RelayId(_) | By::LinkAddress | By::RemoteId(_) => (None, None),
        };
        let mut found: BTreeMap<u16, Vec<Slot>> = BTreeMap::new();
        let Some(client) = client.as_deref().and_then(Duid::new) else { return found };
        for slot in self.leases.of_client(client, now) {
            let lease = self.leases.get(slot);
            let asked = only.is_none_or(|only| only == lease.subnet) && self.is_on(question.link, lease.subnet);
            if lease.state == State::Active && asked {
                found.entry(lease.subnet).or_default().push(slot);
            }
        }
        found
    }

    /// Whether a subnet is on the link that a question is about.
    pub(super) fn is_on(&self, link: Ipv6Addr, subnet: u16) -> bool {
        link.is_unspecified() || self.subnet(subnet).serves(link)
    }

    /// What is told of a client's leases on one link.
    pub(super) fn with_record<T>(
        &self,
        slots: &[Slot],
        requested: &[u16],
        now: &Now,
        tell: impl FnOnce(Option<&ClientRecord<'_>>) -> T,
    ) -> T {
        let leases = slots.iter().map(|slot| self.leases.get(*slot));
        let Some(latest) = leases.clone().max_by_key(|lease| lease.last) else { return tell(None) };
        let Some(client_id) = latest.client() else { return tell(None) };
        let left = |until: Instant| match until {
            Instant::NEVER => u32::MAX,
            until => u32::try_from(until.since(now.at).as_secs()).unwrap_or(u32::MAX),
        };
        let told: Vec<(Binding, [u32; 2])> =
            leases.map(|lease| (lease.binding, [left(lease.preferred), left(lease.expires)])).collect();
        let origin = &latest.origin;
        let wanted = requested.contains(&code::LQ_RELAY_DATA) && !origin.path.is_empty();
        // RFC 5007 does not tell IAIDs. Who asks for IAs gets the leases in them once more.
        let mut more = Builder::options();
        for slot in slots {
            let lease = self.leases.get(*slot);
            if requested.contains(&lease.kind().code()) {
                let lifetimes = [left(lease.preferred), left(lease.expires)];
                more.ia(lease.kind(), lease.iaid, [0, 0], |out| {
                    out.lease(lease.binding, lifetimes, |_| {});
                });
            }
        }
        // Leases of one client fit many times over.
        let more = more.finish().unwrap_or_default();
        tell(Some(&ClientRecord {
            client_id,
            leases: told,
            since: u32::try_from(now.since(latest.last).as_secs()).unwrap_or(u32::MAX),
            relay: wanted.then_some(RelayData { peer: origin.peer, message: &origin.path }),
            more: &more,
        }))
    }
}
