//! The conversation with clients that begin, and what they tell once: RFC 8415 sections 18.3.1 to 18.3.3, 18.3.6 and
//! 18.3.8.

use gateway_core::wire::dhcp6::{Binding, Duid, Ia, IaKind, code, kind, status};

use super::answer::IaAnswer;
use super::request::Request;
use super::{Dropped, Server, seconds};
use crate::record::Now;
use crate::v6::event::Event;
use crate::v6::leases::{Ask, Ended, Holder, Slot, State};

/// IAs in one message, unless a client may have more leases.
const MOST_IAS: usize = 32;

impl Server {
    pub(super) fn handle_solicit(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.solicit += 1;
        let client = self.client(request)?;
        self.for_anyone(request)?;
        let subnets = self.subnets(request)?;
        let ias = self.ias(request)?;
        if ias.is_empty() {
            return Err(Dropped::Unexpected);
        }
        let way = self.way(request)?;
        let rapid = request.message.rapid_commit()? && subnets.iter().any(|subnet| self.subnet(*subnet).rapid_commit);
        let mut answers = Vec::with_capacity(ias.len());
        for ia in &ias {
            let answer = match self.assign(client, ia, &subnets, now) {
                Some(slot) => {
                    if rapid {
                        self.grant(slot, &way, now);
                    }
                    self.leased(ia.kind, ia.iaid, &[slot])
                }
                None => self.exhausted(request, ia),
            };
            answers.push(answer);
        }
        let kind = if rapid { kind::REPLY } else { kind::ADVERTISE };
        self.reply_leases(request, kind, &answers, &subnets, rapid)
    }

    pub(super) fn handle_request(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.request += 1;
        let client = self.client(request)?;
        if let Err(dropped) = self.for_us(request) {
            if dropped == Dropped::OtherServer {
                self.leases.withdraw(client, now); // it took another server's
            }
            return Err(dropped);
        }
        let subnets = self.subnets(request)?;
        let ias = self.ias(request)?;
        let way = self.way(request)?;
        let answers: Vec<IaAnswer> = ias
            .iter()
            .map(|ia| {
                let foreign = ia.kind != IaKind::Pd && ia.leases().any(|lease| !self.on_link(&subnets, &lease.binding));
                if foreign {
                    return IaAnswer::status(ia.kind, ia.iaid, status::NOT_ON_LINK, "an address of another link");
                }
                match self.assign(client, ia, &subnets, now) {
                    Some(slot) => {
                        self.grant(slot, &way, now);
                        self.leased(ia.kind, ia.iaid, &[slot])
                    }
                    None => self.exhausted(request, ia),
                }
            })
            .collect();
        self.reply_leases(request, kind::REPLY, &answers, &subnets, false)
    }

    /// A lease for an IA; none of an IA_TA, whose addresses nobody gives out any more (RFC 9915).
    pub(super) fn assign(&mut self, client: Duid<'_>, ia: &Ia<'_>, subnets: &[u16], now: &Now) -> Option<Slot> {
        if ia.kind == IaKind::Ta {
            return None;
        }
        let hints: Vec<Binding> = ia.leases().map(|lease| lease.binding).collect();
        let holder = Holder { client, kind: ia.kind, iaid: ia.iaid };
        let ask = Ask { holder, subnets, hints: &hints, until: now.at + self.config.offer_hold };
        let slot = self.leases.allocate(&self.config, &ask, now);
        self.forget_given_back();
        slot
    }

    pub(super) fn exhausted(&mut self, request: &Request<'_>, ia: &Ia<'_>) -> IaAnswer {
        if ia.kind != IaKind::Ta {
            self.counters.exhausted += 1;
            if let Some(link) = request.link() {
                self.tell(Event::Exhausted { link });
            }
        }
        IaAnswer::none_available(ia.kind, ia.iaid)
    }

    /// Whether clients of these subnets may have it.
    pub(super) fn on_link(&self, subnets: &[u16], binding: &Binding) -> bool {
        subnets.iter().any(|subnet| self.subnet(*subnet).is_on_link(binding))
    }

    /// Whether the client's addresses are of its link; about nothing else (RFC 8415 section 18.3.3).
    pub(super) fn handle_confirm(&mut self, request: &Request<'_>) -> Result<(), Dropped> {
        self.counters.confirm += 1;
        self.client(request)?;
        self.for_anyone(request)?;
        let subnets = self.subnets(request)?;
        let ias = request.message.ias()?;
        let leases = || ias.iter().filter(|ia| ia.kind != IaKind::Pd).flat_map(Ia::leases);
        if leases().next().is_none() {
            return Err(Dropped::Unexpected);
        }
        let all = leases().all(|lease| self.on_link(&subnets, &lease.binding));
        let status = if all { (status::SUCCESS, "") } else { (status::NOT_ON_LINK, "an address of another link") };
        self.reply_status(request, status, &[])
    }

    pub(super) fn handle_decline(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.decline += 1;
        let until = now.at + self.config.decline_hold;
        self.give_up(request, Ended::Abandoned, Some(until), now)
    }

    pub(super) fn handle_release(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.release += 1;
        let quarantine = self.config.release.quarantine;
        self.give_up(request, Ended::Released, Some(now.at + quarantine), now)
    }

    /// Ends what the message lists and its sender has. An IA in which it has nothing of that is told NoBinding and
    /// nothing else (RFC 8415 sections 18.3.7 and 18.3.8). Only addresses can be declined; delegated prefixes are
    /// passed over, else one client could have a whole pool held by declining one after the other. Of addresses a line
    /// may decline a few, and all lines a part of a pool; beyond that they are released, since the fault is the line's.
    fn give_up(
        &mut self,
        request: &Request<'_>,
        why: Ended,
        until: Option<gateway_core::time::Instant>,
        now: &Now,
    ) -> Result<(), Dropped> {
        let client = self.client(request)?;
        self.for_us(request)?;
        let mut answers = Vec::new();
        let mut ias = self.ias(request)?;
        if why == Ended::Abandoned {
            ias.retain(|ia| ia.kind != IaKind::Pd);
        }
        for ia in ias {
            let holder = Holder { client, kind: ia.kind, iaid: ia.iaid };
            let mut any = false;
            for lease in ia.leases() {
                if let Some(slot) = self.held(&holder, &lease.binding, now) {
                    any = true;
                    if why == Ended::Abandoned && !(self.leases.may_abandon(slot) && self.may_decline(request, now)) {
                        self.counters.decline_ignored += 1;
                        let rested = now.at + self.config.release.quarantine;
                        self.leases.end(slot, Ended::Released, Some(rested), now);
                    } else {
                        self.leases.end(slot, why, until, now);
                        if let (Ended::Abandoned, Binding::Address(address)) = (why, lease.binding) {
                            self.counters.conflict += 1;
                            self.tell(Event::Conflict { address, client: client.to_owned() });
                        }
                    }
                    self.persist(slot, now);
                }
            }
            if !any {
                self.counters.not_held += 1;
                answers.push(IaAnswer::status(ia.kind, ia.iaid, status::NO_BINDING, ""));
            }
        }
        self.reply_status(request, (status::SUCCESS, ""), &answers)
    }

    /// Whether a DECLINE may take an address out of use. The line is what the outermost relay says of it: what is within,
    /// a subscriber may have written.
    fn may_decline(&mut self, request: &Request<'_>, now: &Now) -> bool {
        let Some(nest) = &request.nest else { return false };
        let relay = nest.outermost();
        let peer = relay.peer_address().octets();
        let line = relay.options().find(code::INTERFACE_ID).map_or(&peer[..], |option| option.value);
        let line = [&request.source.ip().octets(), line].concat();
        self.declines.admits(&line, self.config.decline_hold, now.at)
    }

    /// The IAs of a message; no more than a client has use for, since each costs a search.
    pub(super) fn ias<'a>(&self, request: &Request<'a>) -> Result<Vec<Ia<'a>>, Dropped> {
        let ias = request.message.ias()?;
        if ias.len() > MOST_IAS.max(self.config.max_leases_per_client) {
            return Err(Dropped::Unexpected);
        }
        Ok(ias)
    }

    /// The slot of a lease in force that is this holder's.
    pub(super) fn held(&mut self, holder: &Holder<'_>, binding: &Binding, now: &Now) -> Option<Slot> {
        let slot = self.leases.by_binding(binding, now)?;
        let lease = self.leases.get(slot);
        (lease.state == State::Active && lease.is_of(holder)).then_some(slot)
    }

    /// Configuration without a lease (RFC 8415 section 18.3.6).
    pub(super) fn handle_information(&mut self, request: &Request<'_>) -> Result<(), Dropped> {
        self.counters.information_request += 1;
        let message = &request.message;
        if message.server_id()?.is_some() {
            self.for_us(request)?;
        }
        if !message.ias()?.is_empty() {
            return Err(Dropped::Unexpected); // RFC 8415 section 16.12
        }
        let subnets = self.subnets(request)?;
        let mut out = self.start(request, kind::REPLY)?;
        let wanted = message.requested()?;
        self.configure(&mut out, wanted, &subnets);
        if wanted.contains(code::INFORMATION_REFRESH_TIME) {
            out.u32(code::INFORMATION_REFRESH_TIME, seconds(self.config.information_refresh));
        }
        self.counters.reply += 1;
        Ok(self.send(request, &out.finish()?)?)
    }
}
