//! Clients that are released on their own: for an operator, and because they are replaced, moved or silent (RR-1).

use super::command::{Command, Ending, Event};
use super::config::{Cause, OnTimeout};
use super::context::{Client, Context};
use super::engine::{Desk, Releases, lane};
use super::item::{Fate, Item, Owner};
use super::journal::{self, Record};
use crate::release::Decision;
use crate::scope::Epoch;
use crate::time::Instant;
use crate::wire::dhcp6::release::Outcome;
use crate::wire::dhcp6::{Duid, Prefix};

impl Releases {
    /// Releases a client with these leases, for this cause. What is to be done is on disk first. Returns whether it will be:
    /// not when the operator does not want releases for this cause (RR-5), or when it is under way already.
    pub fn handle_client(&mut self, client: Client, cause: Cause, context: &mut Context<'_>, now: Instant) -> bool {
        if !self.config.causes.allow(cause) {
            return false;
        }
        let decision = Decision::new(now);
        let records: Vec<_> = client.leases.iter().map(|held| held.prefix).collect();
        let name = client.client.clone();
        if !self.queue(client, cause, decision, now) {
            return false;
        }
        for prefix in records {
            let key = journal::lease_key(prefix);
            let value = journal::encode_lease(cause, decision, &name, context.unix_offset);
            self.commands.push_back(Command::Journal { key, value, sync: true });
        }
        self.run(context, now);
        true
    }

    /// A record of [`Self::handle_client`]'s. Others of the same client may follow, so nothing leaves yet.
    pub(super) fn restored_lease(&mut self, record: Record, context: &Context<'_>, now: Instant) {
        let Record::Lease { prefix, cause, decision, client: name } = record else { return };
        let holder = context.logins.holder(prefix).filter(|holder| holder.client == name);
        let queued = holder.is_some_and(|mut holder| {
            holder.leases.retain(|held| held.prefix == prefix);
            self.queue(holder, cause, decision, now)
        });
        if !queued {
            self.commands.push_back(Command::ForgetJournal { key: journal::lease_key(prefix) });
        }
        self.more = true;
    }

    fn queue(&mut self, client: Client, cause: Cause, decision: Decision, now: Instant) -> bool {
        let cutoff = client.leases.iter().map(|held| held.epoch).max().unwrap_or(Epoch(0));
        let server_id = client.server_id.clone();
        let item = Item::new(Owner::Single(cause), client, cutoff, decision);
        lane(&mut self.lanes, &self.config, &server_id, now).take(item)
    }

    /// A client speaks: nothing more is sent to release it (H-RR-6). Call it before what it says is forwarded.
    pub fn handle_spoke(&mut self, line: crate::line::Line, client: Duid<'_>, context: &mut Context<'_>, now: Instant) {
        let spared: u64 = self.lanes.values_mut().map(|lane| lane.spoke(line, client)).sum();
        if spared > 0 {
            self.counters.cancelled += spared;
            self.run(context, now);
        }
    }
}

/// What becomes of a client's leases, and of its records.
pub(super) fn settle(item: &Item, fate: &Fate, desk: &mut Desk<'_, '_>) {
    let (cutoff, decided_at) = (item.cutoff, item.decision.at);
    let end = |prefix: Prefix| Command::EndLease { prefix, client: item.client.client.clone(), cutoff, decided_at };
    let ending = match fate {
        Fate::Skipped => Ending::Cancelled,
        Fate::Silent => {
            for held in &item.client.leases {
                desk.commands.push_back(match desk.config.on_timeout {
                    OnTimeout::Keep => Command::Orphan { prefix: held.prefix },
                    OnTimeout::Clear => end(held.prefix),
                });
            }
            if desk.config.on_timeout == OnTimeout::Clear {
                desk.counters.cleared += item.client.leases.len() as u64;
            }
            Ending::Silent
        }
        Fate::Answered(outcomes) => {
            for (held, outcome) in outcomes {
                let prefix = held.prefix;
                desk.commands.push_back(if outcome.is_cleared() { end(prefix) } else { Command::Orphan { prefix } });
            }
            let all = outcomes.iter().map(|(_, outcome)| *outcome).all(Outcome::is_cleared);
            if all { Ending::Released } else { Ending::Kept }
        }
    };
    if let Owner::Single(cause) = item.owner {
        let keys = item.asked.iter().map(|prefix| journal::lease_key(*prefix));
        desk.commands.extend(keys.map(|key| Command::ForgetJournal { key }));
        desk.tell(Event::Client { client: item.client.client.clone(), cause, ending });
    }
}
