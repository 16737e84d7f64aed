//! The requester's side of a renewal (SN-40 to SN-48, SN-70).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::Delegation;
use super::command::Proof;
use super::discover::MOST;
use super::obtain::Terms;
use super::origin::{Contract, Root, Source, Standing};
use super::receive::Reply;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::subnet_allocation::{Block, Origins, read_origins};

/// What is due within it is renewed along: one message for each schedule (SN-40).
const TOGETHER: Duration = Duration::from_secs(1);

impl Delegation {
    /// Renews what is due.
    pub(super) fn renew_due(&mut self, now: Instant) {
        let mut due: BTreeMap<(Ipv4Addr, bool), Vec<Subnet>> = BTreeMap::new();
        let kept =
            |root: &Root| matches!(root.standing, Standing::Active | Standing::Deprecated | Standing::Uncertain { .. });
        if !self
            .roots
            .values()
            .any(|root| kept(root) && root.contract().is_some_and(|contract| contract.renew_at <= now))
        {
            return;
        }
        for (subnet, root) in self.roots.iter().filter(|(_, root)| kept(root)) {
            let Some(contract) = root.contract().filter(|contract| contract.renew_at <= now + TOGETHER) else {
                continue;
            };
            // After T2 anybody may answer who knows of the lease (RFC 2131 section 4.4.5).
            let late = contract.expires.since(now) < contract.granted / 8;
            due.entry((contract.server, late)).or_default().push(*subnet);
        }
        for ((server, late), subnets) in due {
            for subnets in subnets.chunks(MOST) {
                self.renew_together(server, late, subnets, now);
            }
        }
    }

    /// One message for all of these.
    pub(super) fn renew_together(&mut self, server: Ipv4Addr, late: bool, subnets: &[Subnet], now: Instant) {
        let xid = self.xid();
        let again = self.config.constants.renew_again;
        let mut blocks = Vec::new();
        for subnet in subnets {
            let statistics = self.statistics_of(subnet);
            let Some(contract) = self.roots.get_mut(subnet).and_then(Root::contract_mut) else { continue };
            let delegate = contract.delegate;
            contract.asked = Some((xid, now));
            contract.renew_at = now + (contract.expires.since(now) / 2).max(again);
            blocks.push(Block { statistics, delegate, ..Block::plain(*subnet) });
        }
        let message = self.renew(xid, &blocks);
        if late {
            let others: Vec<_> = self.config.providers.iter().copied().filter(|to| *to != server).collect();
            others.into_iter().for_each(|to| self.send(to, None, message.clone(), Proof::Welcome));
        }
        self.send(server, None, message, Proof::Welcome);
    }

    /// ACK to a renewal. Whether it answers one.
    pub(super) fn renewed(&mut self, reply: &Reply<'_>, terms: Terms, now: Instant) -> bool {
        let mut is_asked = false;
        for block in reply.allocation.blocks() {
            let subnet = block.subnet;
            let Some(asked) = self.asked_by(&subnet, reply.message.xid()) else { continue };
            is_asked = true;
            let in_use = self.usage_of(&subnet).in_use;
            let origins = read_origins(reply.message);
            let Some(root) = self.roots.get_mut(&subnet) else { continue };
            let delegate = root.is_delegated();
            root.source = Source::Provider(Contract { delegate, ..terms.contract(reply.server, origins, asked) });
            root.high.reported(in_use);
            if root.standing == Standing::Unconfirmed {
                self.confirm_root(&subnet, now);
            }
            let Some(root) = self.roots.get_mut(&subnet) else { continue };
            if !block.deprecate && root.standing == Standing::Deprecated {
                root.restore(now);
            }
            self.persist_root(&subnet);
            if block.deprecate {
                self.deprecate_root(&subnet, now);
            }
        }
        self.extend_own(now);
        // Where the provider assigns the addresses it knows that they run out, and says so (SN-4, SN-63).
        if self.config.reserve.is_some() && self.exchange.is_none() && reply.allocation.more() {
            self.start(0, 1, Origins::new(), now);
        }
        is_asked
    }

    /// NAK to a renewal. After T2 others were asked, too: whoever did not lease it to us can't refuse it.
    pub(super) fn renewal_refused(&mut self, reply: &Reply<'_>, now: Instant) {
        for block in reply.allocation.blocks() {
            let contract = self.roots.get(&block.subnet).and_then(Root::contract);
            let is_its = contract.is_some_and(|contract| contract.server == reply.server);
            if is_its && self.asked_by(&block.subnet, reply.message.xid()).is_some() {
                self.refuse_root(&block.subnet, now);
            }
        }
    }

    /// FORCERENEW: renews what it names, and nothing else (SN-50).
    pub(super) fn renew_now(&mut self, reply: &Reply<'_>, now: Instant) {
        for block in reply.allocation.blocks() {
            let contract = self.roots.get_mut(&block.subnet).and_then(Root::contract_mut);
            if let Some(contract) =
                contract.filter(|contract| contract.server == reply.server && contract.renew_at != Instant::NEVER)
            {
                contract.renew_at = now;
            }
        }
        self.renew_due(now);
    }

    /// When the renewal of this transaction was asked.
    fn asked_by(&self, subnet: &Subnet, xid: u32) -> Option<Instant> {
        let root = self.roots.get(subnet).filter(|root| root.standing != Standing::Refused)?;
        root.contract()?.asked.filter(|(asked, _)| *asked == xid).map(|(_, when)| when)
    }
}
