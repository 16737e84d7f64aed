//! The cluster: who is a member, who is master, who owns which work unit (WO 00/31945).
//!
//! ```text
//!              JOIN-OK                      master silent, EXIT, not listed
//!   Joining ───────────▶ Member ─────────────────────────────────────────┐
//!    │  ▲                                                                │
//!    │  └────────────────────────────────────────────────────────────────┘
//!    │ no master heard        other master or better offer heard
//!    ▼                  ┌─────────────────────────────────────▶ Joining
//!   Offering ───────────┤
//!                       └──nobody better──▶ Master ──better master, no quorum, EXIT──▶ Joining
//! ```
//!
//! The source document elects a master by silence: whoever offers and hears nothing against it for 100 ms is master. Under
//! [`Quorum::Majority`] there is more to it, with the same messages. A JOIN-REQ names the offer that it supports, and a
//! majority must support one. Support is a promise in time: a member supports nobody else for `support` after it heard
//! its master, says in its keepalives which of the master's it heard, and the master counts on it for as long after
//! sending that one. So the old master has stopped before a new one can begin, whatever was lost or late on the way.
//! In the same way a member acts for `fencing` after sending the last keepalive that its master says it heard, and the
//! master gives a silent member's units to others so long after the last it heard. No clock is compared with another.
//!
//! Who owns what is repeated state: the master's table, which goes with its keepalives. Only UNIT-ASSIGN confers a unit,
//! and a table only takes away. A new master takes over the table and asks the members what they hold when they join.

mod admit;
mod announce;
mod assign;
mod balance;
mod changeover;
mod command;
mod config;
mod constants;
mod coordination;
mod datagram;
pub(crate) mod digest;
mod event;
mod follow;
mod gone;
mod handover;
mod hold;
mod holdings;
mod input;
mod join;
mod lead;
mod lease;
mod loss;
mod moves;
mod offer;
mod operator;
mod rank;
mod rule;
mod rules;
mod state;
mod table;
mod timeout;
mod view;

pub use command::{Command, Destination, HeldFrame};
pub use config::{ClusterConfig, Coordination, Delivery, MemberConfig, Quorum};
pub use constants::{Constants, Estimator};
pub use coordination::{Coordinated, Stand};
pub use event::{Event, Why};
pub use input::PeerEvent;
pub use operator::{OperatorError, Request};
pub use rule::{Disposition, UnitRule};
pub use view::{ClusterView, Counters, MemberView, Role, UnitView};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::member::{MemberId, Term};
use crate::time::Instant;
use crate::wire::cluster::Body;
use changeover::Changeovers;
use coordination::Records;
use hold::Hold;
use holdings::Holdings;
use lease::{Promise, Sent};
use rules::Shown;
use state::{Claim, State};
use table::Table;

/// One member's part in the cluster, without I/O.
///
/// After every input the shell polls the commands until there are none left, and does them in their order. It calls
/// [`Cluster::handle_timeout`] whenever [`Cluster::poll_timeout`] says so, from a thread that does nothing else (H-CL-27).
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    state: State,
    /// The last term of a mastership that was heard of or supported.
    term: Term,
    /// What it was before this member supported an offer, if that is all that has raised it since.
    before_support: Option<Term>,
    /// The last term that was offered.
    offered: Term,
    promise: Promise,
    /// The last mastership that this member followed or supported; `None`: it has just started, and does not know.
    ruled: Option<Term>,
    /// The candidate that it supported since.
    backed: Option<(MemberId, Term)>,
    /// As a member: others own what is ours from then on (H-CL-20).
    lease: Instant,
    fenced: bool,
    degraded: bool,
    table: Table,
    /// The members, as the last master listed them.
    list: List,
    /// When each member was last seen on a list.
    listed: BTreeMap<MemberId, Instant>,
    holdings: Holdings,
    hold: Hold,
    changeovers: Changeovers,
    claims: BTreeMap<MemberId, Claim>,
    connected: BTreeSet<MemberId>,
    /// Members that are no members any more while their stream still stands, and when it is to be closed.
    gone: BTreeMap<MemberId, Instant>,
    /// Members whose stream was lost, and of whose changes others may have more than we.
    unsettled: BTreeSet<MemberId>,
    applied: BTreeMap<MemberId, u64>,
    synced: bool,
    leaving: bool,
    load: u32,
    keepalive_seq: u64,
    sent: Sent,
    shown: Shown,
    keeper: Option<MemberId>,
    coordinated: Option<Coordinated>,
    records: Records,
    /// The master that this member followed last fell silent, or left: its term.
    lost: Option<Term>,
    unreachable: bool,
    last_seen: Instant,
    seed: u64,
    draws: u64,
    /// What this member says to itself as its own master.
    inbox: VecDeque<Body>,
    counters: Counters,
    commands: VecDeque<Command>,
}

/// The members, as a master listed them.
#[derive(Clone, Debug, Default)]
struct List {
    master: Option<MemberId>,
    term: Term,
    /// Since when this member follows it.
    since: Instant,
    heard: Instant,
    members: BTreeSet<MemberId>,
    /// An operator drains them.
    drained: BTreeSet<MemberId>,
    /// They are about to leave.
    leaving: BTreeSet<MemberId>,
}

impl Cluster {
    /// A member that starts. `seed` comes from the system's random source.
    pub fn new(config: ClusterConfig, seed: u64, now: Instant) -> Self {
        let mut cluster = Self {
            state: State::Left,
            term: config.first_term,
            before_support: None,
            offered: Term(0),
            promise: Promise::default(),
            ruled: None,
            backed: None,
            lease: now,
            fenced: true,
            degraded: false,
            table: Table::new(now),
            list: List::default(),
            listed: BTreeMap::new(),
            holdings: Holdings::new(),
            hold: Hold::default(),
            changeovers: Changeovers::default(),
            claims: BTreeMap::new(),
            connected: BTreeSet::new(),
            gone: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            applied: BTreeMap::new(),
            synced: false,
            leaving: false,
            load: 0,
            keepalive_seq: 0,
            sent: Sent::default(),
            shown: Shown::new(),
            keeper: None,
            coordinated: None,
            records: Records::default(),
            lost: None,
            unreachable: false,
            last_seen: now,
            seed,
            draws: 0,
            inbox: VecDeque::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            config,
        };
        cluster.begin(now);
        cluster
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// As an operator sees it.
    pub fn counters(&self) -> Counters {
        Counters { held: self.hold.len() as u64, held_dropped: self.hold.dropped, ..self.counters }
    }

    /// This member.
    pub fn me(&self) -> MemberId {
        self.config.me
    }

    fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }

    /// A random time up to this.
    fn jitter(&mut self, up_to: crate::time::Duration) -> crate::time::Duration {
        self.draws += 1;
        let nanos = up_to.as_nanos() as u64;
        let drawn = digest::digest(&[self.seed, u64::from(self.me().get()), self.draws]);
        crate::time::Duration::from_nanos(drawn % nanos.max(1))
    }

    /// Says something to members, itself included where it is meant.
    fn send(&mut self, to: Destination, term: Term, body: Body) {
        let to_itself = to == Destination::Member(self.me());
        let master_hears = matches!(body, Body::UnitAssignAck(_)) && matches!(self.state, State::Master(_));
        if to_itself || (to == Destination::Group && master_hears) {
            self.inbox.push_back(body.clone());
        }
        if !to_itself {
            self.commands.push_back(Command::Send { to, term, body });
        }
    }
}

#[cfg(test)]
mod tests;
