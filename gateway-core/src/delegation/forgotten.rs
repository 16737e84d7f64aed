//! A server that starts without a table: it is new, or has lost it. What an operator enters then may have been given before, so
//! it rests until all leases of before are over (H-SN-3). Nobody is asked, as a provider is: who holds a part of it renews it, and is
//! taken in.
//!
//! How much of that time is left is written down at once, before anything else is, and once an hour: no clock is believed (H-SN-26).

use super::Delegation;
use super::event::Event;
use super::origin::{Root, Standing};
use super::record;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

/// How often it is written down.
pub(super) const NOTE_EVERY: Duration = Duration::from_secs(3600);

/// What was forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forgotten {
    /// All leases of before are over by then.
    pub(super) until: Instant,
    /// When it was written down.
    pub(super) noted: Instant,
}

impl Delegation {
    /// Until when somebody may have parts of what is entered now; `None`: nobody has.
    pub(super) fn forgotten_until(&self, maximum: Option<Duration>, now: Instant) -> Option<Instant> {
        let until = self.forgotten.as_ref()?.until;
        let until = maximum.map_or(until, |maximum| until.min(now + maximum + self.config.constants.expiry_grace));
        (until > now).then_some(until)
    }

    /// What is left of the time is written down.
    pub(super) fn note_forgotten(&mut self, now: Instant) {
        if let Some(forgotten) = &mut self.forgotten {
            forgotten.noted = now;
            let left = forgotten.until.since(now);
            self.persist_forgotten(Some(left));
        }
    }

    /// After a start: what was entered before rests on.
    pub(super) fn rest_on(&mut self, now: Instant) {
        // Of these some were taken away since.
        let rests = |root: &Root| {
            root.is_uncertain()
                || (root.uncertain && root.contract().is_none() && root.standing == Standing::Deprecated)
        };
        let again: Vec<Subnet> = self.roots.iter().filter(|(_, root)| rests(root)).map(|(subnet, _)| *subnet).collect();
        for subnet in again {
            let maximum = self.roots.get(&subnet).and_then(Root::maximum);
            let until = self.forgotten_until(maximum, now).unwrap_or(now);
            match self.roots.get_mut(&subnet) {
                Some(root) if root.is_uncertain() => root.standing = Standing::Uncertain { until },
                Some(root) => root.recovered = Some(until),
                None => {}
            }
        }
    }

    /// Time has passed.
    pub(super) fn forgotten_timeout(&mut self, now: Instant) {
        let Some(forgotten) = self.forgotten else { return };
        if forgotten.until <= now {
            self.forgotten = None;
            self.persist_forgotten(None);
        } else if now.since(forgotten.noted) >= NOTE_EVERY {
            self.note_forgotten(now);
        }
    }

    /// When that is due.
    pub(super) fn forgotten_deadline(&self) -> Option<Instant> {
        let forgotten = self.forgotten.as_ref()?;
        Some((forgotten.noted + NOTE_EVERY).min(forgotten.until))
    }

    pub(super) fn persist_forgotten(&mut self, left: Option<Duration>) {
        let (key, value) = record::forgotten(left);
        self.persist(key, value);
    }

    /// What rested can be given.
    pub(super) fn end_uncertain(&mut self, now: Instant) {
        let mut certain = Vec::new();
        for (subnet, root) in &mut self.roots {
            if matches!(root.standing, Standing::Uncertain { until } if until <= now) {
                (root.standing, root.uncertain) = (Standing::Active, false);
                certain.push(*subnet);
            } else if root.recovered.is_some_and(|until| until <= now) {
                (root.recovered, root.uncertain) = (None, false);
                certain.push(*subnet);
            }
        }
        for subnet in certain {
            self.persist_root(&subnet);
            if self.roots.get(&subnet).is_some_and(|root| root.contract().is_none()) {
                self.tell(Event::Certain { subnet });
            }
        }
    }
}
