//! The node: relay, sessions, FPCs, capabilities and releases composed into the one thing the shell sees.
//!
//! ```text
//!  frames, messages ─▶ relay ──Bound, Renewed, Released──▶ sessions ─▶ records, routes
//!                        │ └──Heard──▶ capabilities ◀─asks─┐   ▲ asks, ends
//!                        └──ForRelease──▶ releases ────────┴───┘
//!  links, operator ──▶ fpcs ──Restart──▶ releases            fpcs ──Freeze, Thaw──▶ relay
//! ```
//!
//! DHCPv6 has a relay, a session table and releases of its own beside them ([`six`]); a restart is one plan for both
//! ([`plan`]).
//!
//! The cores don't know each other; [`dispatch`] carries what one says to the others, in the order in which it must become
//! durable.

mod command;
mod config;
mod dispatch;
mod event;
mod input;
mod keeper;
mod names;
mod plan;
mod presence;
mod random;
mod reconcile;
mod recover;
mod release6;
mod replica;
mod request;
mod restore;
mod sightings;
mod silence;
mod six;
mod view;
mod view6;

pub use crate::session::Route;
pub use command::{Command, Probe};
pub use config::{NodeConfig, V6Config};
pub use event::Event;
pub use input::DataPlaneEvent;
pub use recover::{Difference, Done, LeaseName, Lost, Purpose, RecoveryView, Side, Tally, What};
pub use request::{Answer, Request, RequestError};
pub use view::{Counters, FpcState, FpcView, ServerView, SessionView};
pub use view6::{LeaseView, ServerView6};

use std::collections::VecDeque;

use crate::capability::Capabilities;
use crate::fpc::Fpcs;
use crate::relay::Relay;
use crate::release::Releases;
use crate::seen::Seen;
use crate::session::Sessions;
use crate::time::WallClock;
use plan::Plans;
use random::Random;
use reconcile::Reconcile;
use recover::Recoveries;
use replica::Shared;
use silence::Silence;
use six::Six;

/// The whole gateway, without I/O.
///
/// After every input the shell polls the commands until there are none left; see [`Command`] for their order.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    sessions: Sessions,
    fpcs: Fpcs,
    relay: Relay,
    capabilities: Capabilities,
    releases: Releases,
    plans: Plans,
    reconcile: Reconcile,
    recoveries: Recoveries,
    /// Present where DHCPv6 is served.
    six: Option<Box<Six>>,
    /// What the data plane knows of subscribers.
    seen: Box<dyn Seen>,
    silence: Silence,
    clock: WallClock,
    random: Random,
    /// The login that the relay spoke of last was refused: its ACK, which the relay speaks of next, must not arrive.
    refused_ack: bool,
    counters: Counters,
    /// Present in a cluster.
    shared: Option<Box<Shared>>,
    commands: VecDeque<Command>,
}

#[cfg(test)]
mod tests;
