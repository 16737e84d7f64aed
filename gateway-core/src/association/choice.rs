//! Which of several addresses is primary, without flapping (H-SC-8, H-SC-9).

use core::cmp::Reverse;
use core::net::IpAddr;
use std::collections::BTreeMap;

use super::config::Hysteresis;
use super::event::Why;
use super::path::Quality;
use crate::time::{Duration, Instant};

/// An address that could be primary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) address: IpAddr,
    /// Confirmed, and it works as far as is known.
    pub(super) usable: bool,
    pub(super) quality: Option<Quality>,
    pub(super) errors: u32,
    pub(super) since: Instant,
    /// Primary only where there is no other.
    pub(super) home: bool,
    /// Somebody else has decided; at once, or when it has worked for `t_up`.
    pub(super) wished: Option<Urgency>,
    /// Why it would be left if it is not usable.
    pub(super) lost: Why,
}

/// When a wish is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Urgency {
    Now,
    Later,
}

/// The primary, and what could become primary.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) current: Option<IpAddr>,
    /// The last change, or the last attempt at one.
    changed: Option<Instant>,
    /// Since when these are better.
    better: BTreeMap<IpAddr, Instant>,
    /// When these were left.
    left: BTreeMap<IpAddr, Instant>,
    /// These can't be chosen until then.
    blocked: BTreeMap<IpAddr, Instant>,
}

impl Choice {
    pub(super) fn new(current: Option<IpAddr>) -> Self {
        Self { current, ..Self::default() }
    }

    /// A change to this one is under way, from the current one.
    pub(super) fn attempt(&mut self, to: IpAddr, now: Instant) {
        self.changed = Some(now);
        if let Some(current) = self.current.filter(|current| *current != to) {
            self.left.insert(current, now);
        }
    }

    /// It succeeded.
    pub(super) fn set(&mut self, address: IpAddr) {
        self.current = Some(address);
        self.better.clear();
    }

    /// It is another one than was thought.
    pub(super) fn correct(&mut self, address: IpAddr) {
        if self.current.replace(address) != Some(address) {
            self.better.clear();
        }
    }

    /// It failed, and is not tried again before.
    pub(super) fn block(&mut self, address: IpAddr, until: Instant) {
        self.better.remove(&address);
        self.blocked.insert(address, until);
    }

    /// It is gone: one that comes is another, whatever its address.
    pub(super) fn forget(&mut self, address: IpAddr) {
        self.better.remove(&address);
        self.blocked.remove(&address);
    }

    /// Keeps in mind who is better, and since when. Also while nothing can be changed: a path that was worse meanwhile has
    /// not been better all the time.
    pub(super) fn watch(&mut self, candidates: &[Candidate], rule: &Hysteresis, now: Instant) {
        self.blocked.retain(|_, until| *until > now);
        self.left.retain(|_, at| *at + rule.hold_down > now);
        let Some(current) = self.among(candidates).filter(|one| one.usable) else { return self.better.clear() };
        let better: Vec<_> = self.others(candidates).filter(|one| beats(one, current, rule)).collect();
        self.better.retain(|address, _| better.iter().any(|one| one.address == *address));
        for one in better {
            self.better.entry(one.address).or_insert(now);
        }
    }

    /// What should be primary instead, and why; of candidates that were watched.
    pub(super) fn decide(&self, candidates: &[Candidate], rule: &Hysteresis, now: Instant) -> Option<(IpAddr, Why)> {
        let current = self.among(candidates);
        let Some(current) = current.filter(|one| one.usable) else {
            let why = current.map_or(Why::Gone, |one| one.lost);
            return self.replace(candidates).map(|address| (address, why));
        };
        self.challenge(candidates, current, rule, now)
    }

    fn among<'a>(&self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        candidates.iter().find(|one| Some(one.address) == self.current)
    }

    /// What could take the current one's place now.
    fn others<'a>(&self, candidates: &'a [Candidate]) -> impl Iterator<Item = &'a Candidate> {
        let others = candidates.iter().filter(|one| one.usable && Some(one.address) != self.current);
        others.filter(|one| !self.blocked.contains_key(&one.address))
    }

    /// A lost primary: who was not left just now, is not home, has the fewest errors, came last (H-SC-9).
    fn replace(&self, candidates: &[Candidate]) -> Option<IpAddr> {
        let key = |one: &&Candidate| {
            let wished = one.wished.is_none();
            (self.left.contains_key(&one.address), wished, one.home, one.errors, Reverse(one.since))
        };
        self.others(candidates).min_by_key(key).map(|one| one.address)
    }

    fn challenge(
        &self,
        candidates: &[Candidate],
        current: &Candidate,
        rule: &Hysteresis,
        now: Instant,
    ) -> Option<(IpAddr, Why)> {
        let better = self.others(candidates).filter(|one| self.better.contains_key(&one.address));
        let better: Vec<_> = better.collect();
        if let Some(urgent) = better.iter().find(|one| one.wished == Some(Urgency::Now)) {
            return Some((urgent.address, Why::Wished));
        }
        let due = better.iter().filter(|one| self.due(one.address, current, rule).is_some_and(|due| due <= now));
        let best = due.min_by_key(|one| (one.quality.is_none(), one.quality.map(Quality::rank), one.address))?;
        let why = match best.wished {
            Some(_) => Why::Wished,
            None if current.home => Why::Home,
            None => Why::Better,
        };
        Some((best.address, why))
    }

    fn due(&self, address: IpAddr, current: &Candidate, rule: &Hysteresis) -> Option<Instant> {
        let wait = if current.home && current.wished.is_none() { Duration::ZERO } else { rule.t_up };
        let since = *self.better.get(&address)? + wait;
        Some(self.changed.map_or(since, |changed| since.max(changed + rule.hold_down)))
    }

    /// When to decide again if nothing happens.
    pub(super) fn wake(&self, rule: &Hysteresis, now: Instant) -> Option<Instant> {
        let held = self.changed.map(|changed| changed + rule.hold_down);
        let better = self.better.values().map(|since| *since + rule.t_up);
        self.blocked.values().copied().chain(better).chain(held).filter(|at| *at > now).min()
    }
}

pub(super) fn beats(one: &Candidate, current: &Candidate, rule: &Hysteresis) -> bool {
    if current.wished.is_some() || one.wished.is_some() {
        return current.wished.is_none();
    }
    if one.home || current.home {
        return current.home && !one.home;
    }
    match (one.quality, current.quality) {
        (Some(one), Some(current)) => one.beats(current, rule.margin, rule.least),
        _ => false,
    }
}
