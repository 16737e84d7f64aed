//! The relay: every DHCPv6 message between subscribers and servers passes here (RFC 8415 section 19).
//!
//! ```text
//!   client ──SOLICIT, REQUEST, RENEW …──▶ handle_client ──▶ ToServer to every server, in a RELAY-FORW
//!   client ◀──────ADVERTISE, REPLY─────── ToClient ◀─────── handle_server        Bound before the REPLY
//!   server ──answers to releases────────────────────▶ handle_server ──▶ ForRelease
//! ```
//!
//! What is relayed is wrapped and unwrapped, and not an octet of it changes. The Interface-Id brings back where a reply
//! has to go: line, epoch and MAC, under a check that nobody else can make ([`interface`]). One bounded cache remembers
//! what RELEASE and DECLINE were about, because the REPLY need not say so; a flood only makes it forget sooner, and
//! what is forgotten ends with its lifetime.
//!
//! It has no deadlines: no `handle_timeout`. What it says to do is polled as [`Command`]s, in order.

mod answer;
mod client;
mod command;
mod config;
mod interface;
mod recall;
mod released;
mod server;

use core::net::Ipv6Addr;
use std::collections::VecDeque;

use hashbrown::HashSet;

pub use client::{Speaker, speaker};
pub use command::{Command, Counters, Reason, ToClient, ToServer};
pub use config::{ConfigError, FpcConfig, RelayConfig, RemoteId};

use crate::line::{FpcId, Line};
use crate::relay::pending::Pending;
use crate::scope::Epoch;
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};
use interface::Stamp;

/// A RELEASE or DECLINE that is on its way.
#[derive(Clone, Debug)]
struct GivenUp {
    line: Line,
    declined: bool,
    leases: Vec<(IaKind, u32, Prefix)>,
}

/// Requests of relays below that may be under way: few relays ask, and no more than a few at a time.
const PASSING: usize = 256;

/// What the relay knows of an FPC beyond its configuration.
#[derive(Clone, Copy, Debug)]
struct Card {
    link_address: Ipv6Addr,
    trusted: bool,
    epoch: Epoch,
    frozen: bool,
}

/// The relay core.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    /// By [`FpcId`].
    cards: Vec<Card>,
    links: HashSet<Ipv6Addr>,
    stamp: Stamp,
    /// By transaction id and client.
    given_up: Pending<(u32, DuidBuf), GivenUp>,
    /// RELEASE-REQUESTs of relays below, by who asked and transaction id.
    passing: Pending<(Ipv6Addr, u32), Vec<u8>>,
    counters: Counters,
    commands: VecDeque<Command>,
    /// Options under construction; keeps its memory.
    scratch: Vec<u8>,
}

impl Relay {
    /// Each FPC starts with epoch 0 and frozen: [`Self::thaw`] it with its durable epoch before it relays. Another
    /// configuration takes another relay, which keeps none of this: what matters is in the Interface-Id and with the
    /// sessions.
    ///
    /// # Errors
    ///
    /// When it can't work with the configuration.
    pub fn new(config: RelayConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let card = |fpc: &FpcConfig| Card {
            link_address: fpc.link_address,
            trusted: fpc.trust_relays,
            epoch: Epoch::default(),
            frozen: true,
        };
        Ok(Self {
            cards: config.fpcs.iter().map(card).collect(),
            links: config.fpcs.iter().map(|fpc| fpc.link_address).collect(),
            stamp: Stamp::new(&config),
            given_up: Pending::new(config.remembered),
            passing: Pending::new(PASSING),
            counters: Counters::default(),
            commands: VecDeque::new(),
            scratch: Vec::new(),
            config,
        })
    }

    /// From now on nothing that makes or extends a lease is relayed from this FPC, nor are the answers: its restart is
    /// being decided, and the cut-off must not race with logins in flight (H-BR-9).
    pub fn freeze(&mut self, fpc: FpcId) {
        if let Some(card) = self.cards.get_mut(usize::from(fpc.0)) {
            card.frozen = true;
        }
    }

    /// Ends the freeze. `epoch` is durable and goes into every request from now on; answers to requests of an older
    /// one are dropped when they grant something.
    pub fn thaw(&mut self, fpc: FpcId, epoch: Epoch) {
        if let Some(card) = self.cards.get_mut(usize::from(fpc.0)) {
            (card.epoch, card.frozen) = (epoch, false);
        }
    }

    /// The epoch of an FPC.
    pub fn epoch(&self, fpc: FpcId) -> Option<Epoch> {
        self.cards.get(usize::from(fpc.0)).map(|card| card.epoch)
    }

    /// The configuration in force.
    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// What was dropped, and what went without something.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn count(&mut self, result: Result<(), Reason>) {
        if let Err(reason) = result {
            self.counters.add(reason);
        }
    }

    fn card(&self, line: Line) -> Option<(FpcId, Card)> {
        let fpc = self.config.port(line.port)?.fpc;
        Some((fpc, *self.cards.get(usize::from(fpc.0))?))
    }

    /// Whether messages of this source may be a server's.
    fn is_server(&self, from: Ipv6Addr) -> bool {
        self.config.servers.iter().any(|server| *server == from || server.is_multicast())
    }
}

#[cfg(test)]
mod tests;
