//! RENEW and REBIND: RFC 8415 sections 18.3.4 and 18.3.5.

use gateway_core::wire::dhcp6::{Binding, Duid, Ia, IaKind, kind, status};

use super::answer::IaAnswer;
use super::request::Request;
use super::{Dropped, Server};
use crate::record::Now;
use crate::v6::leases::{Holder, Way};

impl Server {
    pub(super) fn handle_renew(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.renew += 1;
        let client = self.client(request)?;
        self.for_us(request)?;
        self.extend(request, client, true, now)
    }

    pub(super) fn handle_rebind(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.rebind += 1;
        let client = self.client(request)?;
        self.for_anyone(request)?;
        self.extend(request, client, self.config.authoritative, now)
    }

    /// `speak`: even when nothing of it is known here.
    fn extend(&mut self, request: &Request<'_>, client: Duid<'_>, speak: bool, now: &Now) -> Result<(), Dropped> {
        let subnets = self.subnets(request)?;
        let ias = self.ias(request)?;
        let way = self.way(request)?;
        let mut known = false;
        let mut answers = Vec::with_capacity(ias.len());
        for ia in &ias {
            let (answer, bound) = self.extend_ia(request, client, ia, &subnets, &way, now);
            known |= bound;
            answers.push(answer);
        }
        if !known && !speak {
            return Err(Dropped::NotHeld);
        }
        self.reply_leases(request, kind::REPLY, &answers, &subnets, false)
    }

    /// The answer, and whether the IA is known or made now.
    fn extend_ia(
        &mut self,
        request: &Request<'_>,
        client: Duid<'_>,
        ia: &Ia<'_>,
        subnets: &[u16],
        way: &Way,
        now: &Now,
    ) -> (IaAnswer, bool) {
        let named: Vec<Binding> = ia.leases().map(|lease| lease.binding).collect();
        let none = || IaAnswer::status(ia.kind, ia.iaid, status::NO_BINDING, "nothing is leased in it");
        if ia.kind == IaKind::Ta {
            return (none(), false);
        }
        let holder = Holder { client, kind: ia.kind, iaid: ia.iaid };
        let mut bound = self.leases.active_of(&holder, subnets, now);
        if bound.is_empty() {
            bound.extend(named.iter().find_map(|binding| self.leases.revivable(&holder, binding, subnets, now)));
        }
        if bound.is_empty() && named.is_empty() {
            // An IA more than it had (RFC 8415 section 18.2.4).
            match self.assign(client, ia, subnets, now) {
                Some(slot) => bound.push(slot),
                None => return (self.exhausted(request, ia), false),
            }
        }
        bound.iter().for_each(|slot| self.grant(*slot, way, now));
        let mut answer = self.leased(ia.kind, ia.iaid, &bound);
        let given: Vec<Binding> = answer.leases.iter().map(|(binding, _)| *binding).collect();
        let gone = named.into_iter().filter(|binding| !given.contains(binding));
        let gone: Vec<Binding> = gone.filter(|it| !bound.is_empty() || !self.on_link(subnets, it)).collect();
        if bound.is_empty() && gone.is_empty() {
            return (none(), false);
        }
        // What it must not use any more has no lifetime.
        answer.leases.extend(gone.into_iter().map(|binding| (binding, [0, 0])));
        (answer, !bound.is_empty())
    }
}
