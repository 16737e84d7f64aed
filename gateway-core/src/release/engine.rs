//! All releases.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use super::command::{Command, Ending, Event};
use super::config::ReleaseConfig;
use super::context::{Context, RestartPlan};
use super::desk::{Decision, Desk, desk};
use super::item::{AskFirst, Item, Outcome, Owner};
use super::journal;
use super::lane::{Lane, Report};
use super::logins::Individual;
use super::one::Release;
use super::progress::{Counters, ReleaseView};
use super::reply::Reply;
use super::transaction::{Due, State, Target, Transaction};
use crate::line::FpcId;
use crate::scope::{Epoch, ScopeKind};
use crate::time::{Duration, Instant};
use crate::wire::bulk_release::Operation;
use crate::wire::dhcp4::{Message, REPLY, kind};
use crate::wire::leasequery::LeaseAnswer;
use crate::wire::relay_auth::ReplayWindow;

/// Releases kept for the CLI after they ended.
const HISTORY: usize = 64;
/// Logins under way at a server beyond which no lease is released for a client that has another.
const SUPERSEDED: usize = 4096;
/// Turns of feeding and sending in one call.
const TURNS: u32 = 8;

/// Logs out what is behind restarting FPCs. See the module's documentation for how.
#[derive(Debug)]
pub struct Releases {
    pub(super) config: ReleaseConfig,
    pub(super) releases: BTreeMap<FpcId, Release>,
    pub(super) lanes: BTreeMap<Ipv4Addr, Lane>,
    pub(super) windows: BTreeMap<Ipv4Addr, ReplayWindow>,
    /// PROBEs that an operator asked for.
    pub(super) probes: Vec<Transaction>,
    history: VecDeque<ReleaseView>,
    pub(super) counters: Counters,
    pub(super) commands: VecDeque<Command>,
    /// A call stopped for having done enough.
    more: bool,
}

impl Releases {
    /// Nothing to do yet.
    pub fn new(config: ReleaseConfig) -> Self {
        Self {
            config,
            releases: BTreeMap::new(),
            lanes: BTreeMap::new(),
            windows: BTreeMap::new(),
            probes: Vec::new(),
            history: VecDeque::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            more: false,
        }
    }

    /// An FPC restarts: release every login behind it with an epoch up to the plan's cut-off (BR-22).
    ///
    /// When the FPC is being released already, the new plan takes over: its higher cut-off covers everything that the
    /// earlier one covered and has not finished. A plan that adds nothing only tries again what was given up.
    pub fn handle_restart(&mut self, plan: RestartPlan, context: &mut Context<'_>, now: Instant) {
        let earlier = self.releases.remove(&plan.fpc);
        let desk = desk!(self, context, now);
        let hold = Some(now + self.config.restart_hold);
        let release = match earlier {
            Some(mut earlier) if plan.cutoff <= earlier.cutoff => {
                earlier.hold = hold;
                if earlier.finished.is_some() {
                    earlier.begin(Vec::new(), desk);
                }
                earlier
            }
            earlier => {
                let mut release = Release::new(plan.fpc, plan.cutoff, Decision::new(plan.decided_at), now);
                if let Some(earlier) = earlier {
                    let of = |owner: &Owner| matches!(owner, Owner::Release(fpc, _) if *fpc == plan.fpc);
                    for lane in self.lanes.values_mut() {
                        lane.drop_owned(of);
                    }
                    release.journaled = earlier.journaled;
                    push_history(&mut self.history, earlier.view().taken_over(now));
                }
                release.hold = hold;
                release.begin(Vec::new(), desk);
                release
            }
        };
        self.releases.insert(plan.fpc, release);
        self.run(context, now);
    }

    /// Takes up an unfinished release from its record: same txid, old cut-off, and the age of the decision counted from
    /// when it was made (H-BR-20). Call it after the sessions and the capabilities were restored. Returns whether the
    /// record was usable; one of an FPC that is no longer configured is left alone.
    pub fn handle_restored(&mut self, key: &[u8], value: &[u8], context: &mut Context<'_>, now: Instant) -> bool {
        let Some((name, record)) = journal::decode(key, value, context.unix_offset, now) else { return false };
        let place = self.config.fpcs.iter().position(|fpc| fpc == name);
        let Some(fpc) = place.and_then(|place| u16::try_from(place).ok()).map(FpcId) else { return false };
        let mut release = Release::new(fpc, record.cutoff, record.decision, now);
        (release.resumed, release.journaled) = (true, true);
        release.attempt = record.attempt.saturating_sub(1);
        release.hold = Some(now + self.config.restart_hold);
        release.begin(record.transactions, desk!(self, context, now));
        self.releases.insert(fpc, release);
        self.run(context, now);
        true
    }

    /// A DHCP message from `from`. Returns whether it was meant for a release (a bulk release reply, or an answer to a
    /// leasequery); every other message is the relay's.
    pub fn handle_server(&mut self, from: Ipv4Addr, payload: &[u8], context: &mut Context<'_>, now: Instant) -> bool {
        let Ok(message) = Message::parse(payload) else { return false };
        if Reply::is_one(&message, &self.config) {
            self.handle_reply(from, payload, context, now);
            return true;
        }
        let leasequery = [kind::LEASEUNASSIGNED, kind::LEASEUNKNOWN, kind::LEASEACTIVE];
        if message.op() == REPLY && message.kind().is_some_and(|kind| leasequery.contains(&kind)) {
            self.handle_lease_answer(from, payload, context, now);
            return true;
        }
        false
    }

    /// An answer to a leasequery (RFC 4388).
    pub fn handle_lease_answer(&mut self, from: Ipv4Addr, payload: &[u8], context: &mut Context<'_>, now: Instant) {
        let desk = desk!(self, context, now);
        let taken = Message::parse(payload).ok().filter(|message| message.op() == REPLY).and_then(|message| {
            let answer = LeaseAnswer::read(&message)?;
            Some(self.lanes.get_mut(&from)?.answered(message.xid(), &answer, desk))
        });
        if taken != Some(true) {
            self.counters.unmatched += 1;
        }
        self.run(context, now);
    }

    /// A RELEASE that was to be sent to this server for this address was not: the host has no way there, or the record that
    /// must come first can't be stored.
    pub fn handle_unsent(&mut self, server: Ipv4Addr, address: Ipv4Addr, context: &mut Context<'_>, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(&server) {
            lane.unsent(address);
            self.run(context, now);
        }
    }

    /// Releases one login, whatever its epoch, on an operator's behalf. Returns whether there is one.
    pub fn handle_logout(&mut self, address: Ipv4Addr, context: &mut Context<'_>, now: Instant) -> bool {
        let Some(login) = context.logins.login(address) else { return false };
        let (server, cutoff, decision) = (login.server, login.epoch, Decision::new(now));
        let (owner, ask_first) = (Owner::Operator, AskFirst::No);
        let item = Item {
            owner,
            login,
            cutoff,
            decision,
            ask_first,
            insist: false,
            sent: false,
            rounds: 3,
            queries: 0,
            asked: now,
        };
        lane(&mut self.lanes, &self.config, server, now).take(item);
        self.run(context, now);
        true
    }

    /// Releases the lease of a login whose client was given another address: once more in the client's name, at its server's
    /// pace, verified like any other. It is not journaled, and not tried again later.
    pub fn handle_superseded(&mut self, login: Individual, context: &mut Context<'_>, now: Instant) {
        if !self.config.servers.get(&login.server).copied().unwrap_or_default().replaced {
            return;
        }
        let (address, server) = (login.address, login.server);
        if !self.alone(login, context, now) {
            self.commands.push_back(Command::Tell(Event::Superseded { address, server, ending: Ending::Left }));
        }
    }

    /// Releases a login that a logout was to end and its server still has (H-BR-17). False when too many others wait.
    pub fn handle_remainder(&mut self, login: Individual, context: &mut Context<'_>, now: Instant) -> bool {
        self.alone(login, context, now)
    }

    /// Releases a login that is in no table any more.
    fn alone(&mut self, login: Individual, context: &mut Context<'_>, now: Instant) -> bool {
        let (server, cutoff, decision) = (login.server, login.epoch, Decision::new(now));
        let (owner, ask_first) = (Owner::Superseded, AskFirst::No);
        let item = Item {
            owner,
            login,
            cutoff,
            decision,
            ask_first,
            insist: false,
            sent: false,
            rounds: 3,
            queries: 0,
            asked: now,
        };
        let lane = lane(&mut self.lanes, &self.config, server, now);
        let has_room = lane.load() < SUPERSEDED;
        if has_room {
            lane.take(item);
        }
        self.run(context, now);
        has_room
    }

    /// Asks a server, from `giaddr`, how many logins of the whole device it has: which also shows whether it is capable.
    /// Returns false when that cannot be sent: there is no key, and unauthenticated is not allowed (H-BR-13).
    pub fn handle_probe(
        &mut self,
        server: Ipv4Addr,
        giaddr: Ipv4Addr,
        context: &mut Context<'_>,
        now: Instant,
    ) -> bool {
        if self.config.key.is_none() && !self.config.allow_unauthenticated {
            return false;
        }
        let desk = desk!(self, context, now);
        let (txid, xid) = (desk.random(), desk.xid());
        let targets = vec![Target { kind: ScopeKind::Device, cohort: None, count: 0 }];
        let (operation, identifier) = (Operation::Probe, server);
        let state = State::Waiting { began: now, next: now, interval: Duration::ZERO };
        self.probes.retain(|probe| probe.server != server);
        self.probes.push(Transaction { server, identifier, giaddr, operation, txid, xid, targets, state, sent: 0 });
        self.run(context, now);
        true
    }

    /// Another member goes on with everything, from the journals: nothing is sent any more, and nothing forgotten.
    pub fn handle_suspended(&mut self, now: Instant) {
        for (_, release) in core::mem::take(&mut self.releases) {
            push_history(&mut self.history, release.view().taken_over(now));
        }
        self.lanes.clear();
        self.probes.clear();
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
        self.probes.retain_mut(|probe| match probe.due(now) {
            Due::Nothing => true,
            Due::GiveUp => false,
            Due::Transmit => {
                let sent = probe.transmit(PROBE_CUTOFF, 0, desk);
                let (server, txid, transmission) = (probe.server, probe.txid, probe.sent);
                desk.tell(Event::BulkSent { fpc: None, server, txid, transmission, count: 0 });
                sent
            }
        });
        let servers = self.releases.values().flat_map(|release| release.progress.keys().copied());
        let servers: Vec<_> = servers.chain(self.lanes.keys().copied()).collect();
        for server in servers {
            let lane = lane(&mut self.lanes, &self.config, server, now);
            self.more |= !run_lane(server, lane, &mut self.releases, desk);
        }
        for release in self.releases.values_mut() {
            release.settle(desk);
        }
        let over = |release: &Release| release.finished.is_some() && release.retry_at.is_none();
        let ended: Vec<_> = self.releases.values().filter(|release| over(release)).map(|release| release.fpc).collect();
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
        let probes = self.probes.iter().filter_map(Transaction::poll_timeout);
        let lanes = self.lanes.values().filter_map(Lane::poll_timeout);
        releases.chain(probes).chain(lanes).min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Releases under way or waiting to retry orphaned logins, and the last 64 that ended, latest last.
    pub fn releases(&self) -> Vec<ReleaseView> {
        self.history.iter().cloned().chain(self.releases.values().map(Release::view)).collect()
    }

    /// Whether this FPC is being released; waiting to retry orphaned logins does not count.
    pub fn is_releasing(&self, fpc: FpcId) -> bool {
        self.releases.get(&fpc).is_some_and(|release| release.finished.is_none())
    }

    /// Individual RELEASEs per second at each server that got any.
    pub fn rates(&self) -> impl Iterator<Item = (Ipv4Addr, u32)> {
        self.lanes.iter().map(|(server, lane)| (*server, lane.rate()))
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// An operator's PROBE asks about every epoch.
pub(super) const PROBE_CUTOFF: Epoch = Epoch(u32::MAX);

fn push_history(history: &mut VecDeque<ReleaseView>, view: ReleaseView) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(view);
}

fn lane<'a>(
    lanes: &'a mut BTreeMap<Ipv4Addr, Lane>,
    config: &ReleaseConfig,
    server: Ipv4Addr,
    now: Instant,
) -> &'a mut Lane {
    let settings = config.servers.get(&server).copied().unwrap_or_default();
    lanes.entry(server).or_insert_with(|| Lane::new(server, &settings, now))
}

/// Feeds a lane and lets it work until nothing moves any more; false when it stopped for having done enough.
fn run_lane(
    server: Ipv4Addr,
    lane: &mut Lane,
    releases: &mut BTreeMap<FpcId, Release>,
    desk: &mut Desk<'_, '_>,
) -> bool {
    let mut fed_all = true;
    for _ in 0..TURNS {
        for release in releases.values_mut().filter(|release| release.finished.is_none()) {
            fed_all &= release.feed(server, lane, desk);
        }
        lane.run(desk);
        let Report { outcomes, sent } = lane.report();
        let idle = outcomes.is_empty();
        for (owner, what) in sent {
            if let Owner::Release(fpc, _) = owner
                && let Some(release) = releases.get_mut(&fpc)
            {
                release.sent(server, what);
            }
        }
        for (item, outcome) in outcomes {
            let (address, cutoff) = (item.login.address, item.cutoff);
            if item.owner == Owner::Superseded {
                let ending = match outcome {
                    Outcome::Released { unverified: false } => Ending::Released,
                    Outcome::Released { unverified: true } => Ending::Unverified,
                    Outcome::Skipped => Ending::Skipped,
                    Outcome::Orphaned => Ending::Left,
                };
                desk.tell(Event::Superseded { address, server, ending });
                continue;
            }
            match outcome {
                Outcome::Released { unverified } => {
                    desk.commands.push_back(Command::EndSession { address, cutoff, unverified });
                }
                Outcome::Orphaned => desk.commands.push_back(Command::Orphan { address }),
                Outcome::Skipped => {}
            }
            if let Owner::Release(fpc, cohort) = item.owner
                && let Some(release) = releases.get_mut(&fpc)
            {
                release.outcome(server, cohort, outcome);
            }
        }
        if idle {
            return fed_all;
        }
    }
    false
}
