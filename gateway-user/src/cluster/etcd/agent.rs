//! One member's part in what etcd keeps: what it makes of the keys, and what it wants written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway_core::cluster::{Coordinated, Stand};
use gateway_core::member::{MemberId, Term, UnitVersion};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Assignment;

use super::space::{Elected, Lives, Master, Names, Present, Space, parts};
use super::txn::{Condition, Put, Txn};

/// What a member wants written now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// That it lives.
    Live(Txn),
    /// That it is master. `term`: the one it would be master of; `deposes`: it takes the place of one that may not know.
    Rule {
        /// The write.
        txn: Txn,
        /// Of which term.
        term: Term,
        /// Another member's key is overwritten.
        deposes: bool,
    },
    /// What it assigns.
    Record(Txn, Vec<Assignment>),
    /// Its lease is to end, and all that hangs on it.
    Leave,
}

/// A member.
#[derive(Debug)]
pub(super) struct Agent {
    me: MemberId,
    /// How many members there are.
    members: usize,
    names: Names,
    /// How long a lease lasts.
    lease: Duration,
    stand: Stand,
    /// Since when nobody is elected.
    vacant: Option<Instant>,
    /// When members that had a key were seen with it last.
    seen: BTreeMap<MemberId, Instant>,
    /// What is to be kept, and whose mastership assigned it.
    pending: (Term, Vec<Assignment>),
    rival_until: Instant,
}

impl Agent {
    pub(super) fn new(me: MemberId, members: usize, names: Names, lease: Duration) -> Self {
        Self {
            me,
            members,
            names,
            lease,
            stand: Stand::Seeking { lost: None, heeded: Term(0) },
            vacant: None,
            seen: BTreeMap::new(),
            pending: (Term(0), Vec::new()),
            rival_until: Instant::ZERO,
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn handle_stand(&mut self, stand: Stand) {
        self.stand = stand;
    }

    /// The master of this term has assigned these units.
    pub(super) fn handle_record(&mut self, term: Term, units: Vec<Assignment>) {
        if self.pending.0 != term {
            self.pending = (term, Vec::new());
        }
        self.pending.1.extend(units);
    }

    /// They are kept.
    pub(super) fn handle_recorded(&mut self, units: &[Assignment]) {
        self.pending.1.retain(|pending| !units.contains(pending));
    }

    /// It was elected: `deposed` at that time, in the place of one that may not know yet.
    pub(super) fn handle_elected(&mut self, deposed: Option<Instant>) {
        self.rival_until = deposed.map_or(Instant::ZERO, |at| at + self.lease);
    }

    /// etcd was away, or this member from it: what was seen before says nothing about how long others are without keys.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.seen.values_mut().for_each(|seen| *seen = now);
        self.vacant = None;
    }

    /// Looks at the keys. Comes before everything that is asked of them.
    pub(super) fn look(&mut self, space: &Space, now: Instant) {
        self.seen.retain(|_, seen| *seen + self.lease > now);
        self.seen.extend(space.members(&self.names).map(|member| (member, now)));
        self.vacant = match space.master(&self.names) {
            Some(_) => None,
            None => Some(self.vacant.unwrap_or(now)),
        };
    }

    /// What it wants written first. `unix`: seconds, a term that nobody has used.
    pub(super) fn wish(&self, space: &Space, lease: i64, unix: u32, now: Instant) -> Option<Wish> {
        if self.stand == Stand::Left {
            return Some(Wish::Leave);
        }
        let lives = Lives {
            lost: match self.stand {
                Stand::Seeking { lost, .. } => lost.map(|term| term.0),
                _ => None,
            },
        };
        if space.member(&self.names, self.me) != Some(Present { lease, lives }) {
            let value = serde_json::to_string(&lives).unwrap_or_default();
            let put = vec![Put { key: self.names.member(self.me), value, lease }];
            return Some(Wish::Live(Txn { when: Vec::new(), put }));
        }
        let Some(master) = space.master(&self.names) else {
            return self.may_stand(space, now).then(|| self.rule(space, lease, unix, false));
        };
        if master.member == self.me && (master.lease != lease || self.gave_up(&master)) {
            return Some(self.rule(space, lease, unix, false));
        }
        if master.member != self.me && self.is_missed(space, &master) {
            return Some(self.rule(space, lease, unix, true));
        }
        let (term, units) = &self.pending;
        if master.member == self.me && master.term == *term && !units.is_empty() {
            let when = vec![Condition { key: self.names.master(), changed: master.changed }];
            let put = parts(&self.names, &space.units(&self.names), units);
            let put = put.into_iter().map(|(key, value)| Put { key, value, lease: 0 }).collect();
            return Some(Wish::Record(Txn { when, put }, units.clone()));
        }
        None
    }

    /// Whether it offers itself where nobody is elected. There may be a master that has only lost its key, since etcd stood
    /// still or was away: whoever did not lose that master gives it the time of a lease to be elected again.
    fn may_stand(&self, space: &Space, now: Instant) -> bool {
        let (last, _) = space.term(&self.names);
        let waited = self.vacant.is_some_and(|since| since + self.lease <= now);
        match self.stand {
            Stand::Ruling(_) => true,
            Stand::Seeking { lost, .. } => waited || last == Term(0) || lost == Some(last),
            Stand::Following(_) => waited,
            Stand::Left => false,
        }
    }

    /// It is elected, and has stepped down since.
    fn gave_up(&self, master: &Master) -> bool {
        matches!(self.stand, Stand::Seeking { heeded, .. } if heeded >= master.term)
    }

    /// It has lost this master, and so has a majority of the members.
    fn is_missed(&self, space: &Space, master: &Master) -> bool {
        let Stand::Seeking { lost: Some(lost), .. } = self.stand else { return false };
        let misses = |member: &MemberId| {
            space.member(&self.names, *member).is_some_and(|present| present.lives.lost == Some(master.term.0))
        };
        lost == master.term && space.members(&self.names).filter(misses).count() > self.members / 2
    }

    fn rule(&self, space: &Space, lease: i64, unix: u32, deposes: bool) -> Wish {
        let (last, changed) = space.term(&self.names);
        // Nobody was elected since: the mastership that others know goes on.
        let same = matches!(self.stand, Stand::Ruling(term) if term == last);
        let known = match self.stand {
            Stand::Ruling(term) | Stand::Following(term) => term,
            Stand::Seeking { heeded, .. } => heeded,
            Stand::Left => Term(0),
        };
        let term = if same { last } else { Term(last.max(known).0.saturating_add(1).max(unix)) };
        let when = vec![
            Condition {
                key: self.names.master(),
                changed: space.get(&self.names.master()).map_or(0, |key| key.changed),
            },
            Condition { key: self.names.term(), changed },
        ];
        let elected = Elected { member: self.me.get(), term: term.0 };
        let value = serde_json::to_string(&elected).unwrap_or_default();
        let put = vec![
            Put { key: self.names.master(), value, lease },
            Put { key: self.names.term(), value: term.0.to_string(), lease: 0 },
        ];
        Wish::Rule { txn: Txn { when, put }, term, deposes }
    }

    /// What the core is to know. `until`: this member's lease stands so long for certain, and so does what it was elected by.
    pub(super) fn coordinated(&self, space: &Space, lease: i64, until: Instant, now: Instant) -> Coordinated {
        // A key of ours that hangs on another lease goes at any time.
        let ours = |master: &Master| master.member != self.me || master.lease == lease;
        let master = space.master(&self.names).filter(ours);
        let (last, _) = space.term(&self.names);
        // Who has just lost its key, since etcd stood still or was away, comes back with it.
        let lately = self.seen.iter().filter(|(_, seen)| **seen + self.lease > now).map(|(member, _)| *member);
        let members: BTreeSet<_> = lately.chain([self.me]).collect();
        Coordinated {
            master: master.map(|master| master.member),
            term: master.map_or(last, |master| master.term),
            members: members.into_iter().collect(),
            until,
            rival_until: self.rival_until,
            highest: space.units(&self.names).values().map(|unit| unit.version).max().unwrap_or(UnitVersion(0)),
        }
    }

    /// When to look again, whatever happens.
    pub(super) fn look_again(&self) -> Option<Instant> {
        self.vacant.iter().chain(self.seen.values()).map(|since| *since + self.lease).min()
    }
}
