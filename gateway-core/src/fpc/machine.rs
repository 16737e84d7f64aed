//! All line cards: from links, commands and schedules to restarts.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::card::{Card, State};
use super::command::Command;
use super::config::{Cause, FpcConfig, LinkEvent, Policy, PortConfig};
use super::record::{self, Record};
use super::schedule;
use crate::line::{FpcId, PortId};
use crate::scope::Epoch;
use crate::time::{Duration, Instant, WallClock};

/// Seconds by which the clock may have been ahead when a login was made.
const AHEAD: u32 = 86_400;

/// The decision that a card restarts (BR-19).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restart {
    /// The card.
    pub fpc: FpcId,
    /// Logins of epochs up to this one are logged out.
    pub cutoff: Epoch,
    /// When it was decided.
    pub decided_at: Instant,
    /// What made us decide.
    pub cause: Cause,
}

/// All line cards.
///
/// ```text
///            all reported, one up            links lost
///  Unknown ─────────────────────────▶ Up ───────────────────▶ Lost{since}
///     │                               ▲▲                       │  │
///     │ links lost                    ││   one up in time      │  │ hold_down passed, or a port removed
///     └──────────────────────▶ Lost   │└───────────────────────┘  ▼
///                                     │                        RESTART ──▶ Down{since}
///                                     └──────────────────────────────────────┘ one up
///
///  operator, schedule:   RESTART, and frozen until all are logged out, or restart_hold has passed
/// ```
///
/// RESTART under [`Policy::Logout`] is one step: cut-off = epoch; epoch = max(epoch + 1, Unix seconds), persisted with
/// the cut-off; only then the relay goes on, with the new epoch (H-BR-6, H-BR-8, H-BR-9). Whoever was in the middle of a
/// login starts again in the new epoch, because answers to requests of an older one are dropped. A card that restarts
/// while it is being released starts over with a later cut-off, which covers the earlier one. Under
/// [`Policy::Maintain`] nothing changes: the logins stay, and so does the epoch. So it is, whatever the policy, where no
/// epoch is left ([`Command::Exhausted`]): a logout up to the last one could not be told from the logins after it.
#[derive(Debug)]
pub struct Fpcs {
    pub(super) cards: Vec<Card>,
    /// Card and place in it, by [`PortId`].
    ports: Vec<(FpcId, usize)>,
    pub(super) clock: WallClock,
    restart_hold: Duration,
    /// Whether it is this member that decides on restarts.
    pub(super) keeper: bool,
    pub(super) commands: VecDeque<Command>,
}

impl Fpcs {
    /// Cards from their configuration and their records, given by name. The first commands make the epochs of new cards
    /// durable and say what is still unfinished.
    ///
    /// A card without a record starts with the Unix time in seconds as its epoch, which is greater than any it can
    /// have had before its record was lost (H-BR-8).
    pub fn new(
        fpcs: Vec<FpcConfig>,
        ports: &[PortConfig],
        records: &HashMap<Vec<u8>, Vec<u8>>,
        restart_hold: Duration,
        clock: WallClock,
        now: Instant,
    ) -> Self {
        let (cards, ports_of, commands) = (Vec::new(), Vec::new(), VecDeque::new());
        let mut new = Self { cards, ports: ports_of, clock, restart_hold, keeper: true, commands };
        for config in fpcs {
            let record = records.get(&record::key(&config.name)).and_then(|value| record::decode(value));
            new.add(config, record, now);
        }
        for port in ports {
            let place = new.cards.get_mut(usize::from(port.fpc.0)).map_or(0, |card| {
                card.links.push(None);
                card.links.len() - 1
            });
            new.ports.push((port.fpc, place));
        }
        new
    }

    fn add(&mut self, config: FpcConfig, record: Option<Record>, now: Instant) {
        let fpc = FpcId(self.cards.len() as u16);
        let logout = |(cutoff, decided)| (cutoff, self.clock.from_unix_millis(decided));
        let restarting = record.and_then(|record| record.restarting).map(logout);
        let ended = record.and_then(|record| record.ended).map(logout).or(restarting);
        self.cards.push(Card {
            state: State::Unknown,
            epoch: record.map_or(self.unix_epoch(now), |record| record.epoch),
            restarting,
            ended,
            frozen: None,
            scheduled: config.schedule.map(|schedule| schedule::next(schedule, &self.clock, now)),
            ran: None,
            restarts: 0,
            fresh: record.is_none(),
            told: None,
            links: Vec::new(),
            config,
        });
        if record.is_none() {
            self.persist(fpc);
        }
        let epoch = self.card(fpc).epoch;
        self.commands.push_back(Command::Thaw { fpc, epoch });
        if let Some((cutoff, decided_at)) = restarting {
            self.commands.push_back(Command::Restart(Restart { fpc, cutoff, decided_at, cause: Cause::Resumed }));
        }
    }

    /// A port changed.
    pub fn handle_link(&mut self, port: PortId, event: LinkEvent, now: Instant) {
        let Some((fpc, place)) = self.ports.get(usize::from(port.0)).copied() else { return };
        let Some(card) = self.cards.get_mut(usize::from(fpc.0)) else { return };
        card.links[place] = Some(event);
        match card.state {
            State::Unknown | State::Up if card.is_lost() => {
                card.state = State::Lost { since: now };
                self.commands.push_back(Command::Lost { fpc });
                self.decide(fpc, event == LinkEvent::Removed, now);
            }
            State::Lost { .. } if card.is_lost() => self.decide(fpc, event == LinkEvent::Removed, now),
            State::Lost { .. } => {
                card.state = State::Up;
                self.commands.push_back(Command::Returned { fpc });
            }
            State::Unknown | State::Down { .. } if card.is_up() => card.state = State::Up,
            State::Unknown | State::Up | State::Down { .. } => {}
        }
    }

    /// A lost card restarts when it is lost for long enough, or when there is nothing left that could return.
    pub(super) fn decide(&mut self, fpc: FpcId, removed: bool, now: Instant) {
        if !self.keeper {
            return;
        }
        let card = self.card_mut(fpc);
        let State::Lost { since } = card.state else { return };
        if removed || since + card.config.hold_down <= now {
            card.state = State::Down { since };
            let cause = if removed { Cause::Removed } else { Cause::LinkDown };
            let policy = card.config.policy;
            self.restart(fpc, policy, cause, now);
        }
    }

    /// An operator announces a restart, or has the card's logins treated as if there were one. False: no such card.
    pub fn handle_operator(&mut self, fpc: FpcId, policy: Option<Policy>, now: Instant) -> bool {
        let Some(card) = self.cards.get(usize::from(fpc.0)) else { return false };
        let policy = policy.unwrap_or(card.config.policy);
        self.announced(fpc, policy, Cause::Operator, now);
        true
    }

    /// The card is no longer configured: whoever is still behind it logs out.
    pub fn handle_unconfigured(&mut self, fpc: FpcId, now: Instant) {
        if self.cards.get(usize::from(fpc.0)).is_some_and(|card| card.restarting.is_none()) {
            self.restart(fpc, Policy::Logout, Cause::Unconfigured, now);
        }
    }

    /// All logins that a restart concerned are logged out, or given up.
    pub fn handle_finished(&mut self, fpc: FpcId, cutoff: Epoch) {
        let Some(card) = self.cards.get_mut(usize::from(fpc.0)) else { return };
        if card.restarting.take_if(|(unfinished, _)| *unfinished <= cutoff).is_some() {
            self.persist(fpc);
        }
    }

    /// An announced restart may go on: whoever logs in now will not be taken for one of the old.
    pub fn handle_may_proceed(&mut self, fpc: FpcId, cutoff: Epoch) {
        let Some(card) = self.cards.get_mut(usize::from(fpc.0)) else { return };
        if cutoff < card.epoch && card.restarting.is_none_or(|(current, _)| current <= cutoff) {
            self.thaw(fpc);
        }
    }

    /// A server knows of a later epoch than ours: our store is older than we were (H-BR-8). Jump over it. False when it is
    /// one that [can't be](Self::can_be), and is not followed.
    pub fn handle_epoch_known(&mut self, fpc: FpcId, epoch: Epoch, now: Instant) -> bool {
        if epoch <= self.epoch(fpc) {
            return true;
        }
        let next = epoch.0.checked_add(1).filter(|_| self.can_be(fpc, epoch, now));
        next.map(|next| self.raise(fpc, Epoch(next))).is_some()
    }

    /// The epoch must be at least this: something else in the store knows more than the card's record, which was lost.
    pub fn raise(&mut self, fpc: FpcId, least: Epoch) {
        let Some(card) = self.cards.get_mut(usize::from(fpc.0)).filter(|card| card.epoch < least) else { return };
        card.epoch = least;
        let frozen = card.frozen.is_some();
        self.persist(fpc);
        if !frozen {
            self.commands.push_back(Command::Thaw { fpc, epoch: least });
        }
    }

    /// The wall clock was set.
    pub fn handle_clock(&mut self, clock: WallClock, now: Instant) {
        self.clock = clock;
        for card in &mut self.cards {
            if let Some(schedule @ super::Schedule::Daily { .. }) = card.config.schedule {
                card.scheduled = Some(schedule::next(schedule, &clock, now));
            }
        }
    }

    /// Local time moved against UTC by this many seconds, forward where summer time begins; a daily schedule stays at
    /// its local time. What fell into the hour that was left out is due now, and what is in the hour that comes twice
    /// is done once.
    pub fn handle_local_time(&mut self, moved: i64, now: Instant) {
        for card in &mut self.cards {
            let Some(super::Schedule::Daily { second }) = &mut card.config.schedule else { continue };
            *second = schedule::moved(*second, moved);
            if card.scheduled.is_some_and(|due| due <= now) {
                continue; // not yet looked at; what follows it is counted anew then
            }
            let schedule = super::Schedule::Daily { second: *second };
            let left_out = Duration::from_secs(u64::try_from(moved).unwrap_or(0));
            let due = schedule::next(schedule, &self.clock, now - left_out);
            let again = card.ran.is_some_and(|ran| due.since(ran) < schedule::HALF_A_DAY);
            card.scheduled = Some(if again { schedule::next(schedule, &self.clock, due) } else { due });
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.cards.len() {
            let fpc = FpcId(index as u16);
            self.decide(fpc, false, now);
            if self.card(fpc).frozen.is_some_and(|until| until <= now) {
                self.thaw(fpc);
            }
            let card = self.card(fpc);
            if let (Some(schedule), Some(due)) = (card.config.schedule, card.scheduled)
                && due <= now
            {
                let policy = card.config.policy;
                self.cards[index].scheduled = Some(schedule::next(schedule, &self.clock, now));
                self.cards[index].ran = Some(due);
                if self.keeper {
                    self.announced(fpc, policy, Cause::Schedule, now);
                }
            }
        }
    }

    /// When [`Fpcs::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cards.iter().filter_map(|card| card.deadline(self.keeper)).min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Epoch of a card; 0 for one that does not exist.
    pub fn epoch(&self, fpc: FpcId) -> Epoch {
        self.cards.get(usize::from(fpc.0)).map_or(Epoch(0), |card| card.epoch)
    }

    /// Whether a logout was to end a login of this epoch that was last heard of `at` (H-BR-17). One that is known from nowhere
    /// else must not come back.
    pub fn has_cut_off(&self, fpc: FpcId, epoch: Epoch, at: Instant) -> bool {
        let ended = self.cards.get(usize::from(fpc.0)).and_then(|card| card.ended);
        ended.is_some_and(|(cutoff, decided)| epoch <= cutoff && at <= decided)
    }

    /// Whether a login of this card can be of this epoch. Epochs begin as the time in seconds and rise to it, or by one
    /// (H-BR-8): one that is far ahead of the clock, and that the card does not have itself, is somebody's invention. To follow
    /// it would leave no epoch above it.
    pub fn can_be(&self, fpc: FpcId, epoch: Epoch, now: Instant) -> bool {
        let most = self.unix_epoch(now).0.saturating_add(AHEAD);
        epoch <= self.epoch(fpc).max(Epoch(most))
    }

    /// Whether there is no epoch above the card's: its logins stay when it restarts.
    pub fn is_exhausted(&self, fpc: FpcId) -> bool {
        self.epoch(fpc) == Epoch(u32::MAX)
    }

    /// Whether nobody may log in because a restart was announced.
    pub fn frozen(&self, fpc: FpcId) -> Option<Instant> {
        self.cards.get(usize::from(fpc.0)).and_then(|card| card.frozen)
    }

    /// State of a card's links.
    pub fn state(&self, fpc: FpcId) -> State {
        self.cards.get(usize::from(fpc.0)).map_or(State::Unknown, |card| card.state)
    }

    /// Restarts of a card since the controller started.
    pub fn restarts(&self, fpc: FpcId) -> u64 {
        self.cards.get(usize::from(fpc.0)).map_or(0, |card| card.restarts)
    }

    /// The cards' configurations, in the order of their numbers.
    pub fn configs(&self) -> impl Iterator<Item = &FpcConfig> {
        self.cards.iter().map(|card| &card.config)
    }

    fn announced(&mut self, fpc: FpcId, policy: Policy, cause: Cause, now: Instant) {
        if policy == Policy::Logout && !self.is_exhausted(fpc) {
            // The release says when it may go on, at the latest after restart_hold; this is for when it does not.
            self.card_mut(fpc).frozen = Some(now + self.restart_hold + Duration::from_secs(1));
            self.commands.push_back(Command::Freeze { fpc });
        }
        self.restart(fpc, policy, cause, now);
    }

    fn restart(&mut self, fpc: FpcId, policy: Policy, cause: Cause, now: Instant) {
        let least = self.unix_epoch(now);
        let card = self.card_mut(fpc);
        card.restarts += 1;
        if policy == Policy::Maintain {
            self.commands.push_back(Command::Maintain { fpc, cause });
            return;
        }
        let cutoff = card.epoch;
        let Some(next) = cutoff.0.checked_add(1).map(Epoch) else {
            self.commands.push_back(Command::Exhausted { fpc });
            self.commands.push_back(Command::Maintain { fpc, cause });
            return;
        };
        card.epoch = least.max(next);
        (card.restarting, card.ended, card.fresh) = (Some((cutoff, now)), Some((cutoff, now)), false);
        let (epoch, frozen) = (card.epoch, card.frozen.is_some());
        self.persist(fpc);
        self.commands.push_back(Command::Restart(Restart { fpc, cutoff, decided_at: now, cause }));
        if !frozen {
            self.commands.push_back(Command::Thaw { fpc, epoch });
        }
    }

    pub(super) fn thaw(&mut self, fpc: FpcId) {
        let card = self.card_mut(fpc);
        if card.frozen.take().is_some() {
            let epoch = card.epoch;
            self.commands.push_back(Command::Thaw { fpc, epoch });
        }
    }

    fn persist(&mut self, fpc: FpcId) {
        let (key, value) = self.record(fpc);
        self.commands.push_back(Command::Persist { key, value });
    }

    fn unix_epoch(&self, now: Instant) -> Epoch {
        Epoch(u32::try_from(self.clock.to_unix_seconds(now)).unwrap_or(0))
    }

    pub(super) fn card(&self, fpc: FpcId) -> &Card {
        &self.cards[usize::from(fpc.0)]
    }

    pub(super) fn card_mut(&mut self, fpc: FpcId) -> &mut Card {
        &mut self.cards[usize::from(fpc.0)]
    }
}
