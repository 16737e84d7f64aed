//! A unit's data in a planned move, where frames reach all members (CL-34, H-CL-19).
//!
//! ```text
//!  new owner                                        old owner
//!  holds the unit's frames      ── UNIT-STOP ──▶    leaves them alone from here on
//!  serves them from here on     ◀─ UNIT-STOPPED ─
//!                               ── UNIT-ASSIGN-ACK ─▶ all
//!  serves the held one it is about  ◀─ FRAME-LEFT ─ for each frame that it left alone
//! ```
//!
//! Both see every frame, each at its own time, and no clock says which ones came before the old owner stopped. So that one tells
//! which it did not serve, by their digests, and of what it holds the new owner serves these alone: a frame that only one of them
//! left alone was served by the other. So nothing is served twice, and nothing is lost that fits the bounds of held frames. In delivery
//! mode forward the master decides about each frame by itself, and nothing of this is needed.

use std::collections::{BTreeMap, VecDeque};

use gateway_common::unit::Unit;

use super::command::HeldFrame;
use super::config::Delivery;
use super::constants::Constants;
use super::digest::digest;
use super::holdings::{Holding, Stage};
use super::state::State;
use super::{Cluster, Command, Destination};
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::{Duration, Instant};
use crate::wire::cluster::{ASSIGNMENTS_MAX, Assignment, Body};
use crate::wire::frame::Datagram;
use crate::wire::frame6::Datagram6;

/// A frame takes this long at most, as a rule, from the data plane to here. Whoever leaves waits so long for the last of them.
const LINGER: Duration = Duration::from_millis(50);

/// Units that have just come here, or gone from here.
#[derive(Debug, Default)]
pub(super) struct Changeovers {
    arriving: BTreeMap<Unit, Arriving>,
    parting: BTreeMap<Unit, Parting>,
    /// Frames of all that arrive.
    held: usize,
}

/// A unit that comes here.
#[derive(Debug)]
struct Arriving {
    version: UnitVersion,
    /// Frames that the old owner may have served, oldest first.
    frames: VecDeque<(Instant, u64, HeldFrame)>,
    /// What it did not serve, and has not come out of our data plane yet.
    left: VecDeque<u64>,
    /// What neither has served, before we may.
    ready: Vec<HeldFrame>,
    /// It is ours.
    begun: bool,
    until: Instant,
}

/// A unit that has gone from here.
#[derive(Debug)]
struct Parting {
    to: MemberId,
    version: UnitVersion,
    /// Frames that were told.
    told: usize,
    /// When its new owner had it.
    over: Option<Instant>,
    until: Instant,
}

impl Changeovers {
    fn arrive(&mut self, unit: Unit, version: UnitVersion, until: Instant) {
        self.forget(unit);
        let arriving = Arriving {
            version,
            frames: VecDeque::new(),
            left: VecDeque::new(),
            ready: Vec::new(),
            begun: false,
            until,
        };
        self.arriving.insert(unit, arriving);
    }

    fn forget(&mut self, unit: Unit) {
        self.parting.remove(&unit);
        if let Some(gone) = self.arriving.remove(&unit) {
            self.held -= gone.frames.len();
        }
    }

    /// It is ours: what waited for that.
    fn begin(&mut self, unit: Unit, until: Instant) -> Vec<HeldFrame> {
        let Some(arriving) = self.arriving.get_mut(&unit) else { return Vec::new() };
        (arriving.begun, arriving.until) = (true, until);
        core::mem::take(&mut arriving.ready)
    }

    /// A frame that our data plane held: whether it is to be served now.
    fn hold(&mut self, unit: Unit, frame: HeldFrame, constants: &Constants, now: Instant) -> Option<HeldFrame> {
        let arriving = self.arriving.get_mut(&unit)?;
        let name = name(&frame);
        if let Some(place) = arriving.left.iter().position(|left| *left == name) {
            arriving.left.remove(place);
            return arriving.release(frame, constants);
        }
        let is_old = |since: Instant| since + constants.hold_time <= now;
        while arriving.frames.len() >= constants.hold_per_unit
            || arriving.frames.front().is_some_and(|frame| is_old(frame.0))
        {
            arriving.frames.pop_front();
            self.held -= 1;
        }
        if self.held < constants.hold_total {
            arriving.frames.push_back((now, name, frame));
            self.held += 1;
        }
        None
    }

    /// The old owner did not serve this frame: the frame, if it is to be served now.
    fn left(&mut self, unit: Unit, version: UnitVersion, name: u64, constants: &Constants) -> Option<HeldFrame> {
        let arriving = self.arriving.get_mut(&unit).filter(|arriving| arriving.version == version)?;
        if let Some(place) = arriving.frames.iter().position(|(_, held, _)| *held == name) {
            let (.., frame) = arriving.frames.remove(place)?;
            self.held -= 1;
            return arriving.release(frame, constants);
        }
        // We have served it ourselves, or it has not come this far.
        if arriving.left.len() >= constants.hold_per_unit {
            arriving.left.pop_front();
        }
        arriving.left.push_back(name);
        None
    }

    /// A frame that we left alone: whom to tell, and by which version.
    fn part(&mut self, unit: Unit, most: usize) -> Option<(MemberId, UnitVersion)> {
        let parting = self.parting.get_mut(&unit).filter(|parting| parting.told < most)?;
        parting.told += 1;
        Some((parting.to, parting.version))
    }

    /// Its new owner has it.
    pub(super) fn over(&mut self, unit: Unit, rest: Duration, now: Instant) {
        if let Some(parting) = self.parting.get_mut(&unit) {
            (parting.over, parting.until) = (Some(now), now + rest);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        let over: Vec<_> = self.arriving.iter().filter(|(_, a)| a.until <= now).map(|(unit, _)| *unit).collect();
        over.into_iter().for_each(|unit| self.forget(unit));
        self.parting.retain(|_, parting| parting.until > now);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The last frames that we left alone may still be on their way here.
    pub(super) fn lingers(&self, now: Instant) -> bool {
        self.parting.values().any(|parting| parting.over.is_none_or(|over| over + LINGER > now))
    }
}

impl Arriving {
    fn release(&mut self, frame: HeldFrame, constants: &Constants) -> Option<HeldFrame> {
        if self.begun {
            return Some(frame);
        }
        if self.ready.len() < constants.hold_per_unit {
            self.ready.push(frame);
        }
        None
    }
}

/// What a frame is called between two members that both have it.
fn name(frame: &HeldFrame) -> u64 {
    let word = |octets: &[u8]| octets.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
    let place = frame.port.map_or(u64::MAX, u64::from);
    let words = frame.frame.chunks(8).map(word).chain([place, frame.frame.len() as u64]);
    digest(&words.collect::<Vec<_>>())
}

/// Whether the data plane takes this for DHCP, which has a disposition of its own.
fn is_dhcp(frame: &[u8]) -> bool {
    match (Datagram::parse(frame), Datagram6::parse(frame)) {
        (Ok(four), _) => matches!((four.source.port(), four.destination.port()), (_, 67) | (67, 68)),
        (_, Ok(six)) => matches!(six.destination.port(), 546 | 547),
        _ => false,
    }
}

impl Cluster {
    /// How long a new owner waits for the old one to stop: one that is silent has fenced itself by then (H-CL-20).
    fn stop_limit(&self) -> Duration {
        let constants = &self.config.constants;
        constants.fencing.unwrap_or(constants.watchdog) + constants.margin
    }

    /// Whom to ask to stop before this unit is ours; `None`: nobody serves it any more, or the master sees to it.
    pub(super) fn to_be_stopped(&self, old: Option<MemberId>) -> Option<MemberId> {
        old.filter(|old| *old != self.me() && self.config.delivery != Delivery::Forward)
    }

    /// Holds a unit's frames until its old owner has stopped.
    pub(super) fn hold_back(&mut self, unit: Unit, holding: Holding, old: MemberId, now: Instant) {
        let until = now + self.stop_limit() + self.config.constants.hold_time;
        self.changeovers.arrive(unit, holding.version, until);
        let stage = Stage::Holding { old, since: now, asked: Instant::ZERO };
        self.holdings.set(unit, Holding { stage, ..holding });
        self.shown.changed(unit);
    }

    /// Asks old owners to stop, again if they don't answer. Returns units whose old owner was silent for too long.
    pub(super) fn ask_to_stop(&mut self, now: Instant) -> Vec<Unit> {
        let (resend, limit) = (self.config.constants.resend, self.stop_limit());
        let mut asked: BTreeMap<MemberId, Vec<Assignment>> = BTreeMap::new();
        let mut silent = Vec::new();
        for unit in self.holdings.taking.clone() {
            let Some(holding) = self.holdings.get(unit) else { continue };
            let Stage::Holding { old, since, asked: last } = holding.stage else { continue };
            if since + limit <= now {
                silent.push(unit);
            } else if last + resend <= now {
                self.holdings.set(unit, Holding { stage: Stage::Holding { old, since, asked: now }, ..holding });
                let assignment = Assignment { unit, version: holding.version, owner: self.me() };
                asked.entry(old).or_default().push(assignment);
            }
        }
        let Some((_, term)) = self.ruler().filter(|_| !asked.is_empty()) else { return silent };
        self.show(); // held here before the old owner stops
        for (old, units) in asked {
            for part in units.chunks(ASSIGNMENTS_MAX) {
                self.send(Destination::Member(old), term, Body::UnitStop(part.to_vec()));
            }
        }
        silent
    }

    /// When [`Cluster::ask_to_stop`] has something to do.
    pub(super) fn stop_deadline(&self, since: Instant, asked: Instant) -> Instant {
        (since + self.stop_limit()).min(asked + self.config.constants.resend)
    }

    /// Others hold what we serve: it is theirs as soon as we say that we have stopped.
    pub(super) fn asked_to_stop(&mut self, from: MemberId, term: Term, units: &[Assignment], now: Instant) {
        if self.ruler().is_none_or(|(_, ours)| ours != term) || self.fenced {
            self.counters.stale += 1;
            return;
        }
        let until = now + self.stop_limit() + self.config.constants.hold_time;
        let mut stopped = Vec::new();
        for assignment in units.iter().filter(|assignment| assignment.owner == from) {
            let (unit, version) = (assignment.unit, assignment.version);
            let held = self.holdings.get(unit);
            if held.is_some_and(|held| held.version >= version) || self.holdings.given_up(unit) >= version {
                continue; // that was over before it was ours
            }
            stopped.push(*assignment);
            let Some(held) = held else { continue };
            let last_seq = match held.stage {
                Stage::Stopped { .. } => continue, // said again
                Stage::Given { last_seq } => last_seq,
                _ => 0,
            };
            self.changeovers.forget(unit);
            if matches!(held.stage, Stage::Taking { data: false, .. } | Stage::Holding { .. }) {
                self.holdings.drop(unit); // it never was
            } else {
                self.holdings.set(unit, Holding { stage: Stage::Stopped { last_seq }, ..held });
                let parting = Parting { to: from, version, told: 0, over: None, until };
                self.changeovers.parting.insert(unit, parting);
            }
            self.shown.changed(unit);
        }
        self.show(); // stopped before it is said
        if !stopped.is_empty() {
            self.send(Destination::Member(from), term, Body::UnitStopped(stopped));
        }
    }

    /// The old owner has stopped: our turn.
    pub(super) fn stopped(&mut self, from: MemberId, units: &[Assignment], now: Instant) {
        let waits = |assignment: &&Assignment| {
            let held = self.holdings.get(assignment.unit).filter(|held| held.version == assignment.version);
            held.is_some_and(|held| matches!(held.stage, Stage::Holding { old, .. } if old == from))
        };
        let units: Vec<_> = units.iter().filter(waits).map(|assignment| assignment.unit).collect();
        if !self.fenced {
            self.take(&units, now);
        }
    }

    /// Units are ours from here on: the data plane first, then all are told.
    pub(super) fn take(&mut self, units: &[Unit], now: Instant) {
        if units.is_empty() {
            return;
        }
        let mut taken = Vec::new();
        for unit in units {
            let Some(holding) = self.holdings.get(*unit) else { continue };
            self.holdings.set(*unit, Holding { stage: Stage::Own, ..holding });
            self.shown.changed(*unit);
            taken.push(Assignment { unit: *unit, version: holding.version, owner: self.me() });
        }
        self.show();
        self.acknowledge(taken);
        let until = now + self.config.constants.hold_time;
        for unit in units {
            for frame in self.changeovers.begin(*unit, until) {
                self.commands.push_back(Command::Inject { unit: *unit, frame });
            }
        }
    }

    /// An old owner left a frame alone that we may hold.
    pub(super) fn frame_left(&mut self, unit: Unit, version: UnitVersion, name: u64) {
        let frame = self.changeovers.left(unit, version, name, &self.config.constants);
        self.serve(unit, frame);
    }

    fn serve(&mut self, unit: Unit, frame: Option<HeldFrame>) {
        if let Some(frame) = frame.filter(|_| self.holdings.is_own(unit) && !self.fenced) {
            self.commands.push_back(Command::Inject { unit, frame });
        }
    }

    /// Takes a frame of a unit that changes hands; false: it is none of those.
    pub(super) fn held_between(&mut self, unit: Unit, frame: &HeldFrame, now: Instant) -> bool {
        let (arrives, parts) = (self.changeovers.arriving.get(&unit), self.changeovers.parting.get(&unit));
        if arrives.is_none() && parts.is_none() {
            return false;
        }
        // Logins wait at the master for whoever is next.
        if matches!(self.state, State::Master(_)) && is_dhcp(&frame.frame) {
            return false;
        }
        if parts.is_some() {
            let most = self.config.constants.hold_per_unit;
            if let (Some((to, version)), Some((_, term))) = (self.changeovers.part(unit, most), self.ruler()) {
                self.send(Destination::Member(to), term, Body::FrameLeft { unit, version, name: name(frame) });
            }
        } else {
            let frame = self.changeovers.hold(unit, frame.clone(), &self.config.constants, now);
            self.serve(unit, frame);
        }
        true
    }
}
