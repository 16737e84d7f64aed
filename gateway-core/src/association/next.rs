//! What to do next, out of what is known.

use core::net::IpAddr;

use super::choice::{Candidate, Urgency};
use super::command::{Change, ChangeId, Command, Reason};
use super::event::{Event, Why};
use super::input::Made;
use super::local::{Local, Presence};
use super::policy::Refusal;
use super::{AddressManager, Outstanding};
use crate::time::Instant;

impl AddressManager {
    /// After something has changed, time included.
    pub(super) fn settle(&mut self, now: Instant) {
        self.wake = None;
        self.take_in(now);
        self.tell_refused();
        if self.standing.is_none() {
            return;
        }
        self.watch_evidence(now);
        self.watch_fading(now);
        self.watch_cut(now);
        self.follow_made(now);
        self.watch_choices(now);
        // Whether the peer has another wish now is known in a moment.
        if self.setting.is_none() && self.made.is_none() {
            self.choose_own(now);
        }
        if let Some(outcome) = self.without_answer(now) {
            return self.conclude(Some(outcome), now);
        }
        if self.asconf.is_none()
            && let Some((change, why)) = self.next_change(now)
        {
            self.begin(change, why, now);
        }
        self.wake = self.next_deadline(now);
    }

    fn watch_cut(&mut self, now: Instant) {
        let cut = !self.peers.is_empty() && self.peers.values().all(|peer| !peer.answers());
        if let Some(standing) = &mut self.standing {
            standing.cut = if cut { standing.cut.or(Some(now)) } else { None };
        }
    }

    fn begin(&mut self, change: Change, why: Why, now: Instant) {
        self.numbered += 1;
        let id = ChangeId(self.numbered);
        let outstanding = Some(Outstanding { id, change, why, taken: None });
        match change {
            Change::SetOwnPrimary(_) => {
                self.own.attempt(change.address(), now);
                self.echoes.push_back((change.address(), now));
                self.setting = outstanding;
            }
            _ => {
                if matches!(change, Change::SetPrimary(_) | Change::Move { .. }) {
                    self.reach.attempt(change.address(), now);
                }
                self.asconf = outstanding;
            }
        }
        self.commands.push_back(Command::Change { id, change });
    }

    /// Who is better, and since when, goes on while a change is under way (H-SC-8).
    fn watch_choices(&mut self, now: Instant) {
        let (own, reach) = (self.own_candidates(), self.reach_candidates(now));
        self.own.watch(&own, &self.config.hysteresis, now);
        self.reach.watch(&reach, &self.config.hysteresis, now);
    }

    pub(super) fn own_candidates(&self) -> Vec<Candidate> {
        let candidates = self.peers.iter().map(|(address, peer)| {
            let up = |interface| {
                let mut there = self.locals.values().filter(|local| local.interface == interface).peekable();
                there.peek().is_none() || there.any(Local::is_up)
            };
            let works = peer.answers() && self.refuses_peer(*address).is_none() && peer.interface.is_none_or(up);
            Candidate {
                address: *address,
                usable: works,
                quality: peer.worth(),
                errors: peer.errors,
                since: peer.since,
                home: self.config.peer_home == Some(*address),
                wished: self.wished.filter(|(wished, _)| wished == address).map(urgency),
                lost: Why::Lost,
            }
        });
        candidates.collect()
    }

    fn choose_own(&mut self, now: Instant) {
        let candidates = self.own_candidates();
        if let Some((address, why)) = self.own.decide(&candidates, &self.config.hysteresis, now) {
            self.begin(Change::SetOwnPrimary(address), why, now);
        } else if let Some((wished, fresh)) = &mut self.wished {
            *fresh &= self.own.current != Some(*wished);
        }
    }

    pub(super) fn reach_candidates(&self, now: Instant) -> Vec<Candidate> {
        let candidates = self.members().map(|(address, local)| Candidate {
            address: *address,
            usable: self.is_usable(local, now),
            quality: self.quality(local.interface),
            errors: self.errors(local.interface),
            since: local.since,
            home: self.config.home == Some(*address),
            wished: None,
            lost: match local.presence {
                Presence::Gone => Why::Gone,
                Presence::Up if self.has_faded(local, now) => Why::Faded,
                _ => Why::Lost,
            },
        });
        candidates.collect()
    }

    /// Where the peer should send instead.
    fn choose_reach(&self, now: Instant) -> Option<(IpAddr, Why)> {
        self.reach.decide(&self.reach_candidates(now), &self.config.hysteresis, now)
    }

    /// One change, in this order: what keeps the association alive, ADD, SET PRIMARY, REMOVE.
    fn next_change(&mut self, now: Instant) -> Option<(Change, Why)> {
        let standing = self.standing.as_ref()?;
        let (capability, cut) = (standing.capability, standing.cut);
        let lacks = if capability.asconf { Reason::NoAuthentication } else { Reason::NoAsconf };
        if !self.members().any(|(_, local)| local.is_up()) {
            return self.escape((!capability.extends()).then_some(lacks));
        }
        if let Some(standing) = &mut self.standing {
            standing.stranded = false;
        }
        if !capability.extends() {
            self.tell_excluded(lacks);
            return None;
        }
        let hurry = cut.is_some_and(|since| now >= since + self.config.hysteresis.t_down);
        let chosen = self.choose_reach(now);
        let primary = chosen.map(|(address, why)| (Change::SetPrimary(address), why));
        let (forced, voluntary) = match primary {
            Some((_, Why::Better | Why::Home)) => (None, primary),
            _ => (primary, None),
        };
        let add = || self.next_add(hurry, now).map(|address| (Change::Add(address), Why::Came));
        let remove = || self.next_remove(now).filter(|_| cut.is_none());
        forced.or_else(add).or(voluntary).or_else(remove)
    }

    /// Nothing that the association has can send: move it to an address that can, or give it up (H-SC-3).
    fn escape(&mut self, lacks: Option<Reason>) -> Option<(Change, Why)> {
        let to = self.candidates().max_by_key(|(address, local)| (local.since, **address)).map(|(address, _)| *address);
        let from = self.reach.current.filter(|address| self.locals.get(address).is_some_and(|local| local.member));
        let from = from.or_else(|| self.members().next().map(|(address, _)| *address));
        let (Some(to), Some(from)) = (to, from) else {
            if let Some(standing) = &mut self.standing
                && !core::mem::replace(&mut standing.stranded, true)
            {
                self.tell(Event::Stranded);
            }
            return None;
        };
        if let Some(reason) = lacks {
            self.reconnect(reason);
            return None;
        }
        Some((Change::Move { to, from }, Why::Gone))
    }

    /// The address that has waited longest. In a hurry nothing is held back.
    fn next_add(&self, hurry: bool, now: Instant) -> Option<IpAddr> {
        if self.members().count() >= self.config.most {
            return None;
        }
        let ready = self.candidates().filter(|(_, local)| local.asked <= now && (hurry || local.held <= now));
        ready.min_by_key(|(address, local)| (local.since, **address)).map(|(address, _)| *address)
    }

    /// What is gone or has faded, but nothing while no path answers, never the last that the peer is known to reach, nor the
    /// one that it sends to.
    pub(super) fn next_remove(&self, now: Instant) -> Option<(Change, Why)> {
        let goes = |(address, local): &(&IpAddr, &Local)| {
            let gone = local.presence == Presence::Gone;
            let due = gone || self.has_faded(local, now);
            due && local.asked <= now && self.reach.current != Some(**address) && self.has_other(**address, now)
        };
        let (address, local) = self.members().find(goes)?;
        let why = if local.presence == Presence::Gone { Why::Gone } else { Why::Faded };
        Some((Change::Remove(*address), why))
    }

    fn has_other(&self, address: IpAddr, now: Instant) -> bool {
        let stays = |(other, local): (&IpAddr, &Local)| {
            *other != address && self.is_usable(local, now) && local.fading.is_none()
        };
        self.members().any(stays)
    }

    /// Says once of each address that it stays out.
    fn tell_excluded(&mut self, reason: Reason) {
        let new = self.candidates().filter(|(_, local)| !local.told);
        let new: Vec<_> = new.map(|(address, _)| *address).collect();
        for address in new {
            if let Some(local) = self.locals.get_mut(&address) {
                local.told = true;
            }
            self.tell(Event::CannotAdd { address, reason });
        }
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let rule = &self.config.hysteresis;
        let standing = self.standing.as_ref()?;
        let held =
            self.locals.values().flat_map(|local| [local.held, local.asked]).filter(|held| *held < Instant::NEVER);
        let fading = self.locals.values().filter_map(|local| local.fading);
        let fading = fading.chain(standing.cut).map(|since| since + rule.t_down);
        let choices = [self.reach.wake(rule, now), self.own.wake(rule, now)].into_iter().flatten();
        let awaited = self.answer_due().into_iter().chain(self.made.as_ref().map(Made::due));
        held.chain(fading).chain(choices).chain(awaited).filter(|at| *at > now).min()
    }

    /// Why an address stays outside.
    pub(super) fn excludes(&self, address: IpAddr, local: &Local) -> Option<Refusal> {
        if local.member {
            return None;
        }
        let full = local.is_up() && !local.barred && self.members().count() >= self.config.most;
        self.refuses_local(address).or(full.then_some(Refusal::TooMany))
    }
}

fn urgency((_, fresh): (IpAddr, bool)) -> Urgency {
    if fresh { Urgency::Now } else { Urgency::Later }
}
