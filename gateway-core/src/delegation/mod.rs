//! Servers hand subnets to each other by use (RFC 6656; SN): provider and requester in one.
//!
//! ```text
//!          operator: add, remove                          providers: a parent, or peers
//!                   │                                        ▲ DISCOVER  REQUEST  RELEASE
//!                   ▼                                        ▼ OFFER  ACK  NAK  FORCERENEW
//!        ┌──────────────────────────── Delegation ────────────────────────────┐
//!        │  roots: entered here, or leased from a provider until …            │
//!        │  space: each root halved into blocks, and each block is            │
//!        │                                                                    │
//!        │      pool ──DISCOVER──▶ offered ──REQUEST──▶ leased ──┐            │
//!        │       ▲ │                  │ 60 s                     │ RELEASE,   │
//!        │       │ └─ out of ─▶ own   │                          │ NAK, end   │
//!        │       │  addresses   │     │                          ▼            │
//!        │       └──────────────┴─────┴────────────────────── resting         │
//!        └────────────────────────────────────────────────────────────────────┘
//!                   │ Assign, StopAssigning, Gone            │ OFFER  ACK  NAK  FORCERENEW
//!                   ▼ out of addresses, usage, drained       ▼ DISCOVER  REQUEST  RELEASE
//!             address server beside it                    lessees: children, or peers
//! ```
//!
//! What is leased to us is a root, and is handed on as what was entered here is. A lease of ours ends the margin before
//! the root that it is a part of, and hosts' leases the margin before that (H-SN-4, H-SN-6): so whatever is lost on the way,
//! nobody uses an address that somebody else may have.
//!
//! No time of day is kept. What is on disk says how long a lease was granted for and how much of that is left, not until when:
//! after a start we let every lessee have that much again, and use nothing that was leased to us before its provider has said for
//! how long. So a clock that is wrong, or jumps, does no harm here (H-SN-26). (The address server's own leases do end by the time
//! of day over a start: what it calls drained after a start with a clock that is ahead may be in use.) It costs that after a start
//! the subnets of lessees that are gone for ever come back later, by an hour and the time that the server was down.
//!
//! Who gets what is decided in [`policy`], and nowhere else.

mod bind;
mod block;
mod claim;
mod collect;
mod command;
mod config;
mod discover;
mod event;
mod forgotten;
mod give_back;
mod message;
mod note;
mod obtain;
mod operator;
mod origin;
mod own;
mod policy;
mod receive;
mod record;
mod recovery;
mod renew;
mod renewal;
mod reserve;
mod restore;
mod root;
mod space;
mod timeout;
mod usage;
mod view;
mod words;

pub use command::{Assignment, Command, Proof, Reserved};
pub use config::{CLASS, Constants, DelegationConfig, Lessees};
pub use event::{Event, Why};
pub use operator::{AddError, Entered, Entry};
pub use policy::{Decision, Holdings, Ours, Policy, Renewal, Supply, margin};
pub use receive::{Handled, Proven};
pub use record::RECORD_PREFIX;
pub use usage::HighWater;
pub use view::{BlockView, DelegationView, Holder, RootView, SourceView, StandingView};
pub use words::{ServerId, Usage};

use core::mem::Discriminant;
use core::net::Ipv4Addr;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::cluster::digest::digest;
use crate::subnet::Subnet;
use crate::time::Instant;
use crate::wire::subnet_allocation::Origins;
use block::Use;
use forgotten::Forgotten;
use obtain::Exchange;
use origin::Root;
use recovery::Recovery;
use space::Space;

/// A server's part in it.
#[derive(Debug)]
pub struct Delegation {
    config: DelegationConfig,
    /// Transaction numbers come out of it.
    random: u64,
    drawn: u64,
    space: Space<Use>,
    roots: BTreeMap<Subnet, Root>,
    /// We ask for a subnet.
    exchange: Option<Exchange>,
    /// Nobody is asked before (H-SN-7).
    ask_from: Instant,
    /// What a lessee wanted and we had not: to be asked for next.
    wish: Option<u8>,
    /// Our address server lacks so many addresses.
    need: Option<u32>,
    /// When that was last asked for.
    need_asked: Option<Instant>,
    /// It is to be asked for next.
    need_due: bool,
    /// Questions about what is ours, one for each provider.
    recoveries: Vec<Recovery>,
    /// The same, as far as operators' subnets rest for it.
    forgotten: Option<Forgotten>,
    /// Somebody was sent away with nothing.
    unmet: Option<Instant>,
    /// When a holder was asked for an early renewal last (H-SN-25).
    asked: BTreeMap<Ipv4Addr, Instant>,
    /// When we gave subnets back, as long as that may be under way.
    released: BTreeMap<Subnet, Instant>,
    /// When devices whose addresses we assign are looked at, because they may lack some.
    devices_at: Instant,
    /// When what is left of leases is written down again.
    note_at: Instant,
    /// When each kind of others' mistakes was told last.
    warned: HashMap<Discriminant<Event>, Instant>,
    /// Through whom the wish came, its first asker first (H-SN-7).
    wish_from: Origins,
    /// Nobody gave what our address server needs: so many bits less are asked for (SN-73).
    smaller: u8,
    /// What the address server leases from for good.
    kept: Vec<Subnet>,
    /// What it could not assign from for a device, and when it is told again.
    unassignable: BTreeMap<Subnet, Instant>,
    commands: VecDeque<Command>,
}

impl Delegation {
    /// What to do next; `None` when there is nothing.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Other rules from now on.
    #[cfg(test)]
    fn handle_policy(&mut self, policy: Policy, now: Instant) {
        self.config.policy = policy;
        self.settle(now);
    }

    fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }

    /// A transaction number: another every time.
    fn xid(&mut self) -> u32 {
        self.drawn += 1;
        digest(&[self.random, self.drawn]) as u32 // half of it is as good
    }

    /// What follows from every input.
    fn settle(&mut self, now: Instant) {
        self.confirm_own(now);
        self.meet_need(now);
        self.tend_devices(now);
        self.give_back(now);
        self.want_reserved();
        self.ask(now);
    }
}

#[cfg(test)]
mod tests;
