//! Time.

use super::Delegation;
use super::block::{Left, Use};
use super::event::{Event, Why};
use super::obtain::Phase;
use super::origin::Standing;
use crate::subnet::Subnet;
use crate::time::Instant;

impl Delegation {
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.end_uses(now);
        self.note_leases(now);
        self.end_roots(now);
        self.renew_due(now);
        self.exchange_timeout(now);
        self.recovery_timeout(now);
        self.extend_own(now);
        self.tell_again(now);
        self.settle(now);
    }

    /// When to call [`Delegation::handle_timeout`] next, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let exchange = self.exchange.as_ref().map(|exchange| match &exchange.phase {
            Phase::Discovering { choose_at: Some(at), .. } => *at,
            _ => exchange.next,
        });
        let wishing = self.wish.is_some() || (self.need_due && self.need.is_some());
        let asking = wishing && self.exchange.is_none() && !self.config.providers.is_empty();
        let asking = asking.then_some(self.ask_from);
        let asking = asking.filter(|_| !self.is_starting());
        let lacking = self.need.and(self.need_asked).map(|asked| asked + self.config.constants.hold_down);
        let recoveries = self.recoveries.iter().map(|recovery| recovery.next);
        let uses = self.space.used().filter_map(|(_, used)| match used {
            Use::Offered(offer) => Some(offer.until),
            Use::Leased(lease) => Some(lease.until),
            Use::Resting(resting) => (resting.left == Left::Nobody).then_some(resting.until),
            Use::Own(_) | Use::Away => None,
        });
        let roots = self.roots.values().flat_map(|root| {
            let uncertain = match root.standing {
                Standing::Uncertain { until } => Some(until),
                _ => None,
            };
            let renewed = !matches!(root.standing, Standing::Refused | Standing::Unconfirmed);
            let renew = root.contract().map(|contract| contract.renew_at).filter(|_| renewed);
            [uncertain, root.recovered, renew, root.contract().map(|contract| contract.expires)]
        });
        let own = [exchange, asking, lacking, self.own_deadline(), self.idle_deadline(), self.forgotten_deadline()];
        let own = own.into_iter().chain([Some(self.devices_at), self.note_deadline()]);
        let again = self.unassignable.values().copied();
        let all = own.chain(roots).flatten().chain(recoveries).chain(uses).chain(again);
        all.min().filter(|time| *time != Instant::NEVER)
    }

    fn end_uses(&mut self, now: Instant) {
        let due = |used: &Use| match used {
            Use::Offered(offer) => offer.until <= now,
            Use::Leased(lease) => lease.until <= now,
            Use::Resting(resting) => resting.until <= now && resting.left == Left::Nobody,
            Use::Own(_) | Use::Away => false,
        };
        let ended: Vec<Subnet> = self.space.used().filter(|(_, used)| due(used)).map(|(subnet, _)| subnet).collect();
        for subnet in ended {
            match self.space.get(&subnet) {
                Some(Use::Leased(lease)) => {
                    let from = lease.lessee.clone();
                    self.tell(Event::Expired { from, subnet });
                    self.rest(&subnet, now + self.config.constants.expiry_grace, false, now);
                }
                Some(Use::Resting(_)) => {
                    self.space.free(&subnet);
                    self.persist_block(&subnet, now);
                }
                _ => drop(self.space.free(&subnet)),
            }
        }
    }

    fn end_roots(&mut self, now: Instant) {
        let expired: Vec<Subnet> = self
            .roots
            .iter()
            .filter(|(_, root)| root.contract().is_some_and(|contract| contract.expires <= now))
            .map(|(subnet, _)| *subnet)
            .collect();
        expired.iter().for_each(|subnet| self.lose_root(subnet, Why::Expired, now));
        self.end_uncertain(now);
        self.forgotten_timeout(now);
    }
}
