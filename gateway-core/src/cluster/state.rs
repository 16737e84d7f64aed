//! What a member is, and what it needs to remember as such.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::unit::Unit;

use super::announce::Announcements;
use super::loss::Loss;
use super::rank::Rank;
use crate::member::{MemberId, Term, UnitVersion};
use crate::time::{Duration, Instant};
use crate::wire::cluster::StateMark;

#[derive(Debug)]
pub(super) enum State {
    Joining(Joining),
    Offering(Offering),
    Member(Following),
    Master(Box<Ruling>),
    /// The operator's exit is complete.
    Left,
}

/// Asks to join (601 in Fig. 6).
#[derive(Debug)]
pub(super) struct Joining {
    /// When it offers to be master itself (CL-17).
    pub(super) offers_from: Instant,
    pub(super) next_request: Instant,
    /// The master it has heard, or the candidate it supports, and the term.
    pub(super) target: Option<(MemberId, Term)>,
    /// The best offer it has heard.
    pub(super) best: Option<Bid>,
    /// It was said that there is no quorum.
    pub(super) complained: bool,
}

/// An offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bid {
    pub(super) candidate: MemberId,
    pub(super) rank: Rank,
    pub(super) heard: Instant,
}

/// Offers to be master (613 to 617 in Fig. 6).
#[derive(Debug)]
pub(super) struct Offering {
    pub(super) rank: Rank,
    pub(super) since: Instant,
    pub(super) next_offer: Instant,
    /// Who supports it, and the last mastership that each of them knows of.
    pub(super) supporters: BTreeMap<MemberId, Term>,
}

/// Follows a master (607 in Fig. 6).
#[derive(Debug)]
pub(super) struct Following {
    pub(super) master: MemberId,
    pub(super) term: Term,
    /// The adaptive interval.
    pub(super) n: u8,
    /// When the master was last heard, and the number of that keepalive.
    pub(super) last_heard: Instant,
    pub(super) heard: u64,
    pub(super) next_keepalive: Instant,
    /// The version of the table that we have whole.
    pub(super) table_version: u32,
    /// The table was whole once, and with it what we hold was put right.
    pub(super) reconciled: bool,
    /// Since when the table says of units we don't hold that they are ours.
    pub(super) mismatch: Option<Instant>,
    /// Assignments by versions that are over: the first of them in a row, and the last.
    pub(super) refused: Option<(Instant, Instant)>,
}

/// Is master (623 in Fig. 6).
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) term: Term,
    /// The other members.
    pub(super) peers: BTreeMap<MemberId, Peer>,
    /// When a member was removed last.
    pub(super) removed: Option<Instant>,
    /// Units that want to join.
    pub(super) pending: BTreeMap<MemberId, Pending>,
    /// Members that may own units this master does not know of, and until when.
    pub(super) suspects: BTreeMap<MemberId, Instant>,
    /// Units that nobody owns, or that are on their way.
    pub(super) phases: BTreeMap<Unit, Phase>,
    /// Units that have moved, whose old owner may not know it yet: that one, and the version of the table that says so.
    pub(super) releasing: BTreeMap<Unit, (MemberId, u32)>,
    /// The next assignment of any unit has this version at least.
    pub(super) floor: UnitVersion,
    pub(super) n: u8,
    pub(super) next_keepalive: Instant,
    pub(super) keepalives: u32,
    /// Version of the table up to which its parts have been sent.
    pub(super) pushed: u32,
    pub(super) next_tick: Instant,
    pub(super) next_balance: Instant,
    pub(super) frozen_until: Instant,
    /// Units are not given away before those who elected us were heard, or until then.
    pub(super) wait_for_peers: Instant,
    /// Members that an operator drains.
    pub(super) drained: BTreeSet<MemberId>,
    pub(super) announcements: Announcements,
}

/// A member, at its master.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) loss: Loss,
    pub(super) n: u8,
    /// When it was last heard.
    pub(super) heard: Instant,
    /// The longest keepalive interval that it may still be using, and until when (H-CL-5).
    pub(super) change: (Duration, Instant),
    /// When the last of our keepalives that it has heard was sent: it supports us from then on (H-CL-6).
    pub(super) support: Instant,
    /// From then on it may own units that it did not own when it joined; or when all have heard that it is a member:
    /// whoever is master next must know of it.
    pub(super) eligible: Instant,
    /// Number of the first keepalive that names it; 0: none yet.
    pub(super) listed: u64,
    /// Number of the last keepalive of ours that it has heard.
    pub(super) has_heard: u64,
    pub(super) load: u32,
    pub(super) ready: bool,
    pub(super) leaving: bool,
    pub(super) table_version: u32,
    /// It was heard since it joined.
    pub(super) confirmed: bool,
    /// Since when it says that it owns less than the table gives it.
    pub(super) lacks: Option<Instant>,
}

/// A unit that wants to join.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) since: Instant,
    pub(super) approved: bool,
}

/// What a unit that wants to join says it owns.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// How many units; with `highest` it tells one claim from the next.
    pub(super) holds: u16,
    pub(super) highest: UnitVersion,
    pub(super) units: BTreeMap<Unit, UnitVersion>,
}

impl Claim {
    pub(super) fn is_complete(&self) -> bool {
        self.units.len() == usize::from(self.holds)
    }
}

/// A unit without an owner, or on its way to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nobody's (CL-36).
    Pool {
        /// Its last owner may act until then.
        from: Instant,
        /// Its last owner is not known: members that were not heard since the election may own it.
        unknown: bool,
    },
    /// Assigned, not acknowledged (CL-64).
    Assigning { to: MemberId, version: UnitVersion, after: Option<StateMark>, sent: Instant },
    /// The owner shall give it up (CL-34).
    Leaving { target: MemberId, sent: Instant },
}
