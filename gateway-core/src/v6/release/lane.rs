//! The way to one server: RELEASE-REQUESTs at its pace, or RELEASEs where it takes none (H-RR-15).
//!
//! Lanes go by the server's DUID, so that what is to be said to one server is said together, whichever card, cause and
//! address it is about.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::batch::Batch;
use super::command::{Event, Takes, WhyIndividually};
use super::config::{Fallback, ReleaseConfig};
use super::engine::Desk;
use super::item::{Fate, Item, Key, Owner};
use super::message;
use crate::release::Pace;
use crate::time::{Duration, Instant};
use crate::wire::dhcp6::release::Outcome;
use crate::wire::dhcp6::status;

/// Clients waiting at one server at a time.
const IN_FLIGHT: usize = 512;
/// Clients looked at for one message; it has room for less.
const LOOK: usize = 64;
/// RELEASEs of single clients that may be unanswered.
const WINDOW: usize = 32;
/// Messages given up in a row, of a server that has not answered since, after which it counts as down…
const PATIENCE: u8 = 3;
/// …for so long.
const DOWN: Duration = Duration::from_secs(30);
/// A server that never answered a RELEASE-REQUEST is tried with one again after this.
const IGNORES: Duration = Duration::from_secs(3600);

/// What is known of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Belief {
    Unknown,
    /// It has answered a RELEASE-REQUEST.
    Takes,
    /// It refused them all, with this status (H-RR-5).
    Refuses {
        until: Instant,
        status: u16,
    },
    /// It never answered one (RR-45).
    Ignores {
        until: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Lane {
    requests: Pace,
    releases: Pace,
    belief: Belief,
    pub(super) waiting: VecDeque<Item>,
    /// By transaction id.
    pub(super) open: BTreeMap<u32, Batch>,
    pub(super) present: HashSet<Key>,
    /// Messages given up since the server last answered.
    given_up: u8,
    down_until: Option<Instant>,
    /// What became of clients, and what was sent for whom, since the last call.
    pub(super) fates: Vec<(Item, Fate)>,
    pub(super) sent: Vec<(Owner, bool)>,
}

impl Lane {
    pub(super) fn new(config: &ReleaseConfig, now: Instant) -> Self {
        Self {
            requests: Pace::new(config.rate, 2, now),
            releases: Pace::new(config.individual_rate, config.individual_rate / 5, now),
            belief: Belief::Unknown,
            waiting: VecDeque::new(),
            open: BTreeMap::new(),
            present: HashSet::new(),
            given_up: 0,
            down_until: None,
            fates: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Whether another client may be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < IN_FLIGHT / 2 && self.present.len() < IN_FLIGHT
    }

    pub(super) fn poll_timeout(&self, config: &ReleaseConfig) -> Option<Instant> {
        let send = (!self.waiting.is_empty()).then(|| match self.down_until {
            Some(_) => Some(Instant::ZERO),
            None => {
                let individually =
                    self.individually(config) || self.waiting.front().is_some_and(|item| item.individually);
                self.has_window(individually, config).then(|| self.pace(individually).ready())
            }
        });
        let repeat = self.open.values().map(|batch| batch.next).min();
        [send.flatten(), repeat].into_iter().flatten().min()
    }

    /// Does what is due; returns whether it did anything that makes room.
    pub(super) fn run(&mut self, desk: &mut Desk<'_, '_>) {
        let due: Vec<u32> = self.open.iter().filter(|(_, batch)| batch.next <= desk.now).map(|(xid, _)| *xid).collect();
        due.into_iter().for_each(|xid| self.repeat(xid, desk));
        self.belief = match self.belief {
            // It has answered, so silence will not mean that it knows no requests.
            Belief::Refuses { until, .. } if until <= desk.now => Belief::Takes,
            Belief::Ignores { until } if until <= desk.now => Belief::Unknown,
            belief => belief,
        };
        if self.down_until.is_some_and(|until| until <= desk.now) {
            self.down_until = None;
        }
        if self.down_until.is_some() {
            let waiting = core::mem::take(&mut self.waiting);
            waiting.into_iter().for_each(|item| self.finish(item, Fate::Silent));
        }
        while self.begin(desk) {}
    }

    /// What it has shown of RELEASE-REQUESTs.
    pub(super) fn takes(&self, now: Instant) -> Takes {
        match self.belief {
            Belief::Takes => Takes::Requests,
            Belief::Refuses { until, .. } if until > now => Takes::Refuses,
            Belief::Refuses { .. } => Takes::Requests,
            Belief::Ignores { until } if until > now => Takes::Releases,
            Belief::Unknown | Belief::Ignores { .. } => Takes::Unknown,
        }
    }

    /// RELEASEs instead of RELEASE-REQUESTs.
    fn individually(&self, config: &ReleaseConfig) -> bool {
        match self.belief {
            Belief::Refuses { .. } => config.fallback == Fallback::Refused,
            Belief::Ignores { .. } => true,
            Belief::Unknown | Belief::Takes => false,
        }
    }

    fn pace(&self, individually: bool) -> &Pace {
        if individually { &self.releases } else { &self.requests }
    }

    fn has_window(&self, individually: bool, config: &ReleaseConfig) -> bool {
        let open = self.open.values().filter(|batch| batch.individually == individually).count();
        open < if individually { WINDOW } else { config.window.max(1) }
    }

    pub(super) fn finish(&mut self, item: Item, fate: Fate) {
        self.present.remove(&item.key());
        self.fates.push((item, fate));
    }

    /// Sends the next message, if there is one to send. False: there is nothing more to do now.
    fn begin(&mut self, desk: &mut Desk<'_, '_>) -> bool {
        let Some(mut first) = self.waiting.pop_front() else { return false };
        if !first.prune(desk.context.logins) {
            self.finish(first, Fate::Skipped);
            return true;
        }
        if let Belief::Refuses { status, .. } = self.belief
            && !self.individually(desk.config)
        {
            let kept = first.client.leases.iter().map(|held| (*held, Outcome::Kept(status))).collect();
            self.finish(first, Fate::Answered(kept));
            return true;
        }
        let individually = self.individually(desk.config) || first.individually;
        if individually && !first.has_names() {
            let kept = first.client.leases.iter().map(|held| (*held, Outcome::Kept(status::UNSPEC_FAIL))).collect();
            self.finish(first, Fate::Answered(kept));
            return true;
        }
        let ready = self.has_window(individually, desk.config) && self.pace(individually).ready() <= desk.now;
        if !ready {
            self.waiting.push_front(first);
            return false;
        }
        let xid = self.fresh_xid(desk);
        let elapsed = message::hundredths(first.decision.age(desk.now));
        if individually {
            self.releases.take((desk.context.random)(), desk.now);
            let message = message::release(&first, xid, elapsed);
            self.send(xid, vec![first], true, message, desk);
            return true;
        }
        let mut items = vec![first];
        while items.len() < LOOK
            && self.waiting.front().is_some_and(|next| belong_together(&items[0], next))
            && let Some(mut next) = self.waiting.pop_front()
        {
            if next.prune(desk.context.logins) { items.push(next) } else { self.finish(next, Fate::Skipped) }
        }
        let Some(request) = message::request(&items, xid, elapsed, desk.config, desk.identity) else { return true };
        let mut rest = items.split_off(request.packed.len());
        let mut packed = Vec::new();
        for (mut item, fits) in items.into_iter().zip(request.packed).rev() {
            if fits {
                packed.insert(0, item);
            } else {
                item.individually = true;
                rest.insert(0, item);
            }
        }
        rest.into_iter().rev().for_each(|item| self.waiting.push_front(item));
        if let Some(message) = request.message {
            self.requests.take((desk.context.random)(), desk.now);
            self.send(xid, packed, false, message, desk);
        }
        true
    }

    fn fresh_xid(&self, desk: &mut Desk<'_, '_>) -> u32 {
        loop {
            let xid = ((desk.context.random)() >> 40) as u32;
            if !self.open.contains_key(&xid) {
                return xid;
            }
        }
    }

    fn send(&mut self, xid: u32, items: Vec<Item>, individually: bool, message: Vec<u8>, desk: &mut Desk<'_, '_>) {
        let Some(mut batch) = Batch::new(items, individually, message, desk) else { return };
        self.transmit(xid, &mut batch, desk);
        self.open.insert(xid, batch);
    }

    fn transmit(&mut self, xid: u32, batch: &mut Batch, desk: &mut Desk<'_, '_>) {
        batch.transmit(xid, desk);
        self.sent.extend(batch.items.first().map(|item| (item.owner, batch.individually)));
    }

    /// No answer in time: the same again (RR-24), or the end of it.
    fn repeat(&mut self, xid: u32, desk: &mut Desk<'_, '_>) {
        let Some(mut batch) = self.open.remove(&xid) else { return };
        let stand = batch.items.iter().all(|item| {
            let mut now = item.clone();
            now.prune(desk.context.logins) && now.client.leases == item.client.leases
        });
        if !stand {
            // Some are gone or newer: the others go into another message.
            self.wait_again(batch.items);
        } else if batch.sent < desk.config.transmissions.max(1) && !self.is_refused(&batch) {
            self.transmit(xid, &mut batch, desk);
            self.open.insert(xid, batch);
        } else {
            self.give_up(batch, desk);
        }
    }

    /// A request that is unanswered while the server refuses every one.
    fn is_refused(&self, batch: &Batch) -> bool {
        matches!(self.belief, Belief::Refuses { .. }) && !batch.individually
    }

    fn give_up(&mut self, batch: Batch, desk: &mut Desk<'_, '_>) {
        if self.is_refused(&batch) {
            return self.wait_again(batch.items);
        }
        let Batch { server, items, individually, .. } = batch;
        if !individually && self.belief != Belief::Takes && desk.config.fallback != Fallback::Never {
            if !self.individually(desk.config) {
                self.belief = Belief::Ignores { until: desk.now + IGNORES };
                desk.tell(Event::FellBack { server, reason: WhyIndividually::NoReply });
            }
            return self.wait_again(items);
        }
        self.given_up = self.given_up.saturating_add(1);
        if self.given_up >= PATIENCE {
            self.down_until = Some(desk.now + DOWN);
            if matches!(self.belief, Belief::Ignores { .. }) {
                self.belief = Belief::Unknown; // it ignores everything just now: that says nothing about requests
            }
        }
        items.into_iter().for_each(|item| self.finish(item, Fate::Silent));
    }

    /// It answered a message: it is up.
    pub(super) fn heard(&mut self, individually: bool) {
        (self.given_up, self.down_until) = (0, None);
        if !individually {
            self.belief = Belief::Takes;
        }
    }

    /// It refuses RELEASE-REQUESTs, whatever they say. These wait again, to be kept, or to be released one by one.
    pub(super) fn refuses(&mut self, status: u16, batch: Batch, desk: &mut Desk<'_, '_>) {
        let (server, hold) = (batch.server, desk.config.refusal_hold);
        self.belief = Belief::Refuses { until: desk.now + hold, status };
        desk.tell(match desk.config.fallback {
            Fallback::Refused => Event::FellBack { server, reason: WhyIndividually::Status(status) },
            _ => Event::Refused { server, status, hold },
        });
        self.wait_again(batch.items);
    }

    /// What becomes of these is decided anew: they are kept, released one by one, or in another message.
    fn wait_again(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.waiting.push_front(item));
    }
}

/// The elapsed time is the message's, so its clients have one decision (H-RR-6).
fn belong_together(first: &Item, next: &Item) -> bool {
    next.decision == first.decision && next.client.server == first.client.server && !next.individually
}
