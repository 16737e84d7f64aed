//! What a reply to a bulk release or PROBE brings about.

use core::net::Ipv4Addr;

use super::command::{Command, Event, Fallback};
use super::context::Context;
use super::desk::{Desk, desk};
use super::engine::{PROBE_CUTOFF, Releases};
use super::reply::{self, Reject, Reply};
use super::transaction::{State, Transaction};
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::time::{Duration, Instant};
use crate::wire::bulk_release::{Operation, ScopeResult};
use crate::wire::dhcp4::Message;
use crate::wire::relay_auth::ReplayWindow;

/// One in so many logins may be gone from the server on its own: leases end, and releases by clients bypass the gateway.
const TOLERATED: u64 = 8;

impl Releases {
    /// A reply to a bulk release or PROBE. What is malformed, forged, replayed, unauthenticated, or an answer to nothing
    /// has no effect but a count.
    pub fn handle_reply(&mut self, from: Ipv4Addr, payload: &[u8], context: &mut Context<'_>, now: Instant) {
        match self.accept(from, payload, context, now) {
            Ok(()) => {}
            Err(Reject::Malformed) => self.counters.malformed += 1,
            Err(Reject::Unmatched) => self.counters.unmatched += 1,
            Err(Reject::Unauthenticated) => self.counters.unauthenticated += 1,
            Err(Reject::Forged) => self.counters.forged += 1,
            Err(Reject::Replayed) => self.counters.replayed += 1,
        }
        self.run(context, now);
    }

    fn accept(
        &mut self,
        from: Ipv4Addr,
        payload: &[u8],
        context: &mut Context<'_>,
        now: Instant,
    ) -> Result<(), Reject> {
        let message = Message::parse(payload).map_err(|_| Reject::Malformed)?;
        if !Reply::is_one(&message, &self.config) {
            return Err(Reject::Malformed);
        }
        let reply = Reply::read(&message, &self.config)?;
        let asked = |t: &Transaction| t.txid == reply.txid && t.server == from;
        let of_release =
            self.releases.iter().find_map(|(&fpc, release)| Some((fpc, release.transactions.iter().position(asked)?)));
        let of_operator = self.probes.iter().position(asked);
        let (transaction, cutoff) = match (of_release, of_operator) {
            (Some((fpc, place)), _) => (&self.releases[&fpc].transactions[place], self.releases[&fpc].cutoff),
            (None, Some(place)) => (&self.probes[place], PROBE_CUTOFF),
            (None, None) => return Err(Reject::Unmatched),
        };
        reply.matches(transaction, cutoff, &self.config)?;
        let window = self.windows.entry(from).or_insert_with(|| ReplayWindow::strict(None));
        let authenticated = reply::authenticate(payload, window, &self.config)?;
        if let Some(observation) = reply.observation() {
            self.commands.push_back(Command::Heard { server: from, observation, authenticated });
        }
        if transaction.state == State::Done {
            self.counters.duplicate += 1;
            return Ok(());
        }
        if !reply.last && !reply.refused() {
            self.counters.interim += 1;
            let waiting = match of_release {
                Some((fpc, place)) => self.releases.get_mut(&fpc).map(|release| &mut release.transactions[place]),
                None => of_operator.map(|place| &mut self.probes[place]),
            };
            if let Some(transaction) = waiting {
                transaction.interim(now);
            }
            return Ok(());
        }
        match (of_release, of_operator) {
            (Some((fpc, place)), _) => self.answered(fpc, place, &reply, context, now),
            (None, Some(place)) => {
                self.probes.remove(place);
                self.commands.push_back(probed(None, from, &reply));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// A valid final reply to a transaction of a release.
    fn answered(&mut self, fpc: FpcId, place: usize, reply: &Reply, context: &mut Context<'_>, now: Instant) {
        let Some(release) = self.releases.get_mut(&fpc) else { return };
        let desk = desk!(self, context, now);
        let transaction = &mut release.transactions[place];
        let (server, txid, targets) = (transaction.server, transaction.txid, transaction.targets.clone());
        let late = transaction.state == State::Abandoned;
        let probe = transaction.operation == Operation::Probe;
        transaction.state = State::Done;
        if probe {
            desk.commands.push_back(probed(Some(fpc), server, reply));
            if late {
                return;
            }
            if !reply.refused() {
                // It answers, so it is capable: the same scopes again, in earnest.
                transaction.operation = Operation::Release;
                (transaction.txid, transaction.xid, transaction.sent) = (desk.random(), desk.xid(), 0);
                transaction.state = State::Waiting { began: now, next: now, interval: Duration::ZERO };
                release.journal(true, desk);
                return release.transmit(place, desk);
            }
        }
        let mut sums = (0, 0, 0);
        for (index, target) in targets.iter().enumerate() {
            let result = reply.results().get(index).copied();
            if let Some(result) = result {
                sums.0 += u64::from(result.released);
                sums.1 += u64::from(result.skipped);
                sums.2 += u64::from(result.failed);
                if result.highest_epoch > release.cutoff.0 {
                    desk.commands.push_back(Command::EpochKnown { fpc, server, epoch: Epoch(result.highest_epoch) });
                }
            }
            let Some(cohort) = target.cohort else { continue };
            match remainder(result, target.count, release.resumed, reply) {
                None => release.end_cohort(server, cohort, target.count, &mut self.lanes, desk),
                Some(_) if late => {} // it is being released individually already
                Some(reason) => release.fall_back(server, cohort, target.count, reason, desk),
            }
        }
        if !probe {
            let (released, skipped, failed) = sums;
            desk.tell(Event::BulkAnswered { fpc, server, txid, released, skipped, failed });
        }
        release.journal(false, desk);
    }
}

/// Why a scope is not done with, if it is not. `count`: the logins that the gateway knows in it; `resumed`: the server
/// may have done the work before, and forgotten by now that it did.
fn remainder(result: Option<ScopeResult>, count: u64, resumed: bool, reply: &Reply) -> Option<Fallback> {
    let Some(result) = result else { return Some(Fallback::Status(reply.status())) };
    let known = u64::from(result.released) + u64::from(result.skipped) + u64::from(result.failed);
    let missing = count.saturating_sub(known);
    if result.status != 0 {
        Some(Fallback::Status(result.status))
    } else if reply.refused() {
        Some(Fallback::Status(reply.status()))
    } else if result.failed > 0 {
        Some(Fallback::Remainder { failed: result.failed })
    } else if missing > count / TOLERATED && !resumed {
        Some(Fallback::Shortfall { missing })
    } else {
        None
    }
}

fn probed(fpc: Option<FpcId>, server: Ipv4Addr, reply: &Reply) -> Command {
    let matching = reply.results().iter().map(|result| u64::from(result.released)).sum::<u64>();
    Command::Tell(Event::Probed { fpc, server, matching: matching.max(u64::from(reply.count)) })
}
