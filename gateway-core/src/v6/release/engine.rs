//! All releases.

use core::net::Ipv6Addr;
use std::collections::{BTreeMap, VecDeque};

use super::command::{Command, Event, Takes};
use super::config::{Identity, ReleaseConfig};
use super::context::Context;
use super::item::Owner;
use super::journal::{self, Record};
use super::lane::Lane;
use super::one::Release;
use super::progress::{Counters, ReleaseView};
use super::single;
use crate::line::FpcId;
use crate::release::{Decision, RestartPlan};
use crate::time::Instant;
use crate::wire::dhcp6::{Duid, DuidBuf, Message};

/// Releases kept for the CLI after they ended.
const HISTORY: usize = 64;
/// Turns of feeding and sending in one call.
const TURNS: u32 = 8;

/// What every part of a release has at hand during one call.
pub(super) struct Desk<'a, 'c> {
    pub(super) config: &'a ReleaseConfig,
    pub(super) identity: &'a Identity,
    pub(super) context: &'a mut Context<'c>,
    pub(super) commands: &'a mut VecDeque<Command>,
    pub(super) counters: &'a mut Counters,
    pub(super) now: Instant,
}

impl Desk<'_, '_> {
    pub(super) fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }
}

/// The desk of one call, out of the parts of [`Releases`] that a release does not work on.
macro_rules! desk {
    ($self:ident, $context:expr, $now:expr) => {
        &mut Desk {
            config: &$self.config,
            identity: &$self.identity,
            context: $context,
            commands: &mut $self.commands,
            counters: &mut $self.counters,
            now: $now,
        }
    };
}

/// Releases clients that are gone. See the module's documentation for how.
#[derive(Debug)]
pub struct Releases {
    pub(super) config: ReleaseConfig,
    identity: Identity,
    releases: BTreeMap<FpcId, Release>,
    pub(super) lanes: BTreeMap<DuidBuf, Lane>,
    history: VecDeque<ReleaseView>,
    pub(super) counters: Counters,
    pub(super) commands: VecDeque<Command>,
    /// A call stopped for having done enough.
    pub(super) more: bool,
}

impl Releases {
    /// Nothing to do yet.
    pub fn new(config: ReleaseConfig, identity: Identity) -> Self {
        Self {
            config,
            identity,
            releases: BTreeMap::new(),
            lanes: BTreeMap::new(),
            history: VecDeque::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            more: false,
        }
    }

    /// An FPC restarts: release every lease behind it with an epoch up to the plan's cut-off.
    ///
    /// When the FPC is being released already, the new plan takes over: its higher cut-off covers everything that the
    /// earlier one covered and has not finished. A plan that adds nothing only tries again what was given up.
    pub fn handle_restart(&mut self, plan: RestartPlan, context: &mut Context<'_>, now: Instant) {
        let earlier = self.releases.remove(&plan.fpc);
        let hold = Some(now + self.config.restart_hold);
        let mut release = match earlier {
            Some(earlier) if plan.cutoff <= earlier.cutoff => earlier,
            earlier => {
                let mut release = Release::new(plan.fpc, plan.cutoff, Decision::new(plan.decided_at), now);
                if let Some(earlier) = earlier {
                    for lane in self.lanes.values_mut() {
                        lane.drop_owned(|owner| matches!(owner, Owner::Restart(fpc, _) if *fpc == plan.fpc));
                    }
                    release.journaled = earlier.journaled;
                    push_history(&mut self.history, earlier.view());
                }
                release
            }
        };
        release.hold = hold;
        if release.attempt == 0 || release.finished.is_some() {
            release.begin(desk!(self, context, now));
        }
        self.releases.insert(plan.fpc, release);
        self.run(context, now);
    }

    /// Takes up from a record what was begun and not finished: the old cut-off, and the age of the decision counted from
    /// when it was made. Call it after the sessions were restored, and [`Self::handle_timeout`] after the last record.
    /// Returns whether the record was usable; one of an FPC that is no longer known is left alone.
    pub fn handle_restored(&mut self, key: &[u8], value: &[u8], context: &mut Context<'_>, now: Instant) -> bool {
        match journal::decode(key, value, context.unix_offset) {
            Some(Record::Restart { fpc: name, cutoff, decision, attempt, txid }) => {
                let place = self.identity.fpcs.iter().position(|fpc| *fpc == name);
                let Some(fpc) = place.and_then(|place| u16::try_from(place).ok()).map(FpcId) else { return false };
                let mut release = Release::new(fpc, cutoff, decision, now);
                (release.resumed, release.journaled) = (true, true);
                (release.attempt, release.txid) = (attempt.saturating_sub(1), txid);
                release.hold = Some(now + self.config.restart_hold);
                release.begin(desk!(self, context, now));
                self.releases.insert(fpc, release);
                self.more = true;
                true
            }
            Some(record) => {
                self.restored_lease(record, context, now);
                true
            }
            None => false,
        }
    }

    /// A message from `from`, out of its RELAY-REPL. Returns whether it was the answer to a release (RR-39).
    pub fn handle_server(&mut self, from: Ipv6Addr, payload: &[u8], context: &mut Context<'_>, now: Instant) -> bool {
        let desk = desk!(self, context, now);
        let kind = payload.first().copied().unwrap_or_default();
        if let Ok(message) = Message::parse(payload)
            && kind == self.identity.types.reply()
            && self.releases.values_mut().any(|release| release.answered(&message, desk))
        {
            self.run(context, now);
            return true;
        }
        let answers =
            |(server_id, lane): (&DuidBuf, &mut Lane)| lane.answered(server_id.as_duid(), from, payload, desk);
        let taken = self.lanes.iter_mut().any(answers);
        if !taken {
            self.counters.unmatched += 1;
        }
        self.run(context, now);
        taken
    }

    /// Another member goes on with everything, from the journals: nothing is sent any more, and nothing forgotten.
    pub fn handle_suspended(&mut self) {
        for (_, release) in core::mem::take(&mut self.releases) {
            push_history(&mut self.history, release.view());
        }
        self.lanes.clear();
        self.commands.clear();
        self.more = false;
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>, now: Instant) {
        self.run(context, now);
    }

    /// Does what is due. Every input ends here.
    pub(super) fn run(&mut self, context: &mut Context<'_>, now: Instant) {
        self.more = false;
        let desk = desk!(self, context, now);
        for release in self.releases.values_mut() {
            release.run(desk);
        }
        let servers: Vec<_> = self.releases.values().flat_map(|release| release.servers().cloned()).collect();
        for server_id in servers {
            self.lanes.entry(server_id).or_insert_with(|| Lane::new(desk.config, now));
        }
        for (server_id, lane) in &mut self.lanes {
            self.more |= !run_lane(server_id, lane, &mut self.releases, desk);
        }
        for release in self.releases.values_mut() {
            release.settle(desk);
        }
        let over = |release: &&Release| release.finished.is_some() && release.retry_at.is_none();
        let ended: Vec<_> = self.releases.values().filter(over).map(|release| release.fpc).collect();
        for fpc in ended {
            if let Some(release) = self.releases.remove(&fpc) {
                push_history(&mut self.history, release.view());
            }
        }
    }

    /// When [`Releases::handle_timeout`] is wanted; [`Instant::ZERO`] is at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.more {
            return Some(Instant::ZERO);
        }
        let releases = self.releases.values().filter_map(Release::poll_timeout);
        let lanes = self.lanes.values().filter_map(|lane| lane.poll_timeout(&self.config));
        releases.chain(lanes).min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Releases under way or waiting to retry what was silent, and the last 64 that ended, latest last.
    pub fn releases(&self) -> Vec<ReleaseView> {
        self.history.iter().cloned().chain(self.releases.values().map(Release::view)).collect()
    }

    /// The cut-off of the release of an FPC that is under way, or waits to retry.
    pub fn cutoff(&self, fpc: FpcId) -> Option<crate::scope::Epoch> {
        self.releases.get(&fpc).map(|release| release.cutoff)
    }

    /// Whether this FPC is being released; waiting to retry does not count.
    pub fn is_releasing(&self, fpc: FpcId) -> bool {
        self.releases.get(&fpc).is_some_and(|release| release.finished.is_none())
    }

    /// How a server takes releases, by its DUID.
    pub fn takes(&self, server: Duid<'_>, now: Instant) -> Takes {
        let lane = self.lanes.iter().find(|(of, _)| of.as_duid() == server);
        lane.map_or(Takes::Unknown, |(_, lane)| lane.takes(now))
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

fn push_history(history: &mut VecDeque<ReleaseView>, view: ReleaseView) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(view);
}

pub(super) fn lane<'a>(
    lanes: &'a mut BTreeMap<DuidBuf, Lane>,
    config: &ReleaseConfig,
    server_id: &DuidBuf,
    now: Instant,
) -> &'a mut Lane {
    lanes.entry(server_id.clone()).or_insert_with(|| Lane::new(config, now))
}

/// Feeds a lane and lets it work until nothing moves any more; false when it stopped for having done enough.
fn run_lane(
    server_id: &DuidBuf,
    lane: &mut Lane,
    releases: &mut BTreeMap<FpcId, Release>,
    desk: &mut Desk<'_, '_>,
) -> bool {
    let mut fed_all = true;
    for _ in 0..TURNS {
        for release in releases.values_mut().filter(|release| release.finished.is_none()) {
            fed_all &= release.feed(server_id, lane, desk);
        }
        lane.run(desk);
        for (owner, individually) in core::mem::take(&mut lane.sent) {
            if let Owner::Restart(fpc, _) = owner
                && let Some(release) = releases.get_mut(&fpc)
            {
                release.sent(server_id, individually);
            }
        }
        let fates = core::mem::take(&mut lane.fates);
        if fates.is_empty() {
            return fed_all;
        }
        for (item, fate) in fates {
            single::settle(&item, &fate, desk);
            if let Owner::Restart(fpc, _) = item.owner
                && let Some(release) = releases.get_mut(&fpc)
            {
                release.fate(&item, &fate);
            }
        }
    }
    false
}
