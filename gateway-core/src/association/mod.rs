//! The addresses of one end of an SCTP association while both ends move (RFC 9260, RFC 5061; SC).
//!
//! ```text
//!   netlink: addresses, cards        kernel: paths, their quality        the kernel's answers
//!            │ handle_local                   │ handle_peer                     │ handle_result
//!            ▼ handle_signal                  ▼ handle_measurements             ▼
//!   ┌────────────────────────────── AddressManager ───────────────────────────────────┐
//!   │  local addresses                                   peer's addresses             │
//!   │   outside ──ADD──▶ member ──evidence──▶ confirmed   unconfirmed ──▶ confirmed   │
//!   │      ▲                                     │            │                       │
//!   │      └────── REMOVE: gone, faded ──────────┘            ▼                       │
//!   │  where the peer sends: SET PRIMARY          where we send: the own primary      │
//!   └─────────────────────────────────────────────────────────────────────────────────┘
//!            │ Change: one at a time, the next when the former's result is known
//!            ▼ Reconnect, Tell
//! ```
//!
//! No change waits in a queue. What is wanted follows from what is known at the moment at which a change can be made, so
//! that whatever was wanted and is no longer wanted is never sent, and what was sent is never altered (H-SC-15).
//!
//! Each end decides where it is *reached*, and tells the other by SET PRIMARY; the other follows that wish while the path
//! works. So two ends that measure differently do not fight over one path. Only who was told nothing, or whose path there
//! is lost, chooses where it sends by its own measurements.
//!
//! Addresses are judged by their card: routes lead over cards, so what is measured on a path says something about all
//! addresses of the card that the path leaves by.
//!
//! A kernel that takes changes and keeps the peer's answers to itself, as Linux does, is one whose changes are told as taken
//! ([`AddressManager::handle_taken`]): what became of them is seen by its list of members, and by paths.

mod choice;
mod command;
mod config;
mod established;
mod event;
mod evidence;
mod input;
mod local;
mod next;
mod path;
mod policy;
mod result;
mod view;

pub use command::{Capability, Cause, Change, ChangeId, Command, Outcome, Reason};
pub use config::{AssociationConfig, Hysteresis};
pub use established::Established;
pub use event::{Event, Why};
pub use local::Presence;
pub use path::{Measurement, PathEvent, PathState, Quality};
pub use policy::{NoPrefix, Policy, Prefix, Refusal};
pub use view::{AssociationView, LastChange, LocalView, PeerView};

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use crate::time::Instant;
use choice::Choice;
use input::Made;
use local::Local;
use path::Peer;

#[cfg(test)]
mod tests;

/// Addresses of this host that are kept in mind. As many more wait for a place; others are left out, which is told once.
const KNOWN_MOST: usize = 64;
/// Cards whose signal is kept in mind.
const CARDS_MOST: usize = 64;

/// A change that the shell was told to make, and the result of which is not known.
#[derive(Debug)]
struct Outstanding {
    id: ChangeId,
    change: Change,
    why: Why,
    /// When the own kernel has taken it, which does not tell the answer.
    taken: Option<Instant>,
}

/// What both ends can do, while there is an association.
#[derive(Debug)]
struct Standing {
    capability: Capability,
    /// Since when none of the peer's addresses answers.
    cut: Option<Instant>,
    /// That nothing can be done was told.
    stranded: bool,
    /// The address that the set-up was done with, and when: the kernel tells that it is primary.
    setup: Option<(IpAddr, Instant)>,
}

/// One end's addresses: see the module.
#[derive(Debug)]
pub struct AddressManager {
    config: AssociationConfig,
    standing: Option<Standing>,
    locals: BTreeMap<IpAddr, Local>,
    /// Addresses of this host beyond those, with their cards.
    waiting: BTreeMap<IpAddr, (u32, Presence)>,
    /// That there are even more was told.
    flooded: bool,
    peers: BTreeMap<IpAddr, Peer>,
    /// Peers that were met, for their places.
    met: u64,
    /// Loss that cards tell of themselves, of 1000, by interface.
    signals: BTreeMap<u32, u16>,
    /// Where the peer shall send.
    reach: Choice,
    /// Where we send.
    own: Choice,
    /// Where the peer wants us to send, and whether we have never done so.
    wished: Option<(IpAddr, bool)>,
    /// Where it wants us to send, or what the kernel has chosen by itself.
    made: Option<Made>,
    /// What the kernel has for the own primary.
    primary: Option<IpAddr>,
    /// ADD, SET PRIMARY, REMOVE.
    asconf: Option<Outstanding>,
    /// The own primary: no message, so it waits for none.
    setting: Option<Outstanding>,
    /// Own primaries that the kernel will tell as made, and since when: it tells that of our own doing, too.
    echoes: VecDeque<(IpAddr, Instant)>,
    last: Option<LastChange>,
    numbered: u64,
    wake: Option<Instant>,
    commands: VecDeque<Command>,
}

impl AddressManager {
    /// Knows no address, and has no association.
    pub fn new(config: AssociationConfig) -> Self {
        Self {
            config,
            standing: None,
            locals: BTreeMap::new(),
            waiting: BTreeMap::new(),
            flooded: false,
            peers: BTreeMap::new(),
            met: 0,
            signals: BTreeMap::new(),
            reach: Choice::default(),
            own: Choice::default(),
            wished: None,
            made: None,
            primary: None,
            asconf: None,
            setting: None,
            echoes: VecDeque::new(),
            last: None,
            numbered: 0,
            wake: None,
            commands: VecDeque::new(),
        }
    }

    /// The time that [`Self::poll_timeout`] asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// What to do next. To be asked until it says nothing.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }
}
