//! The relay: every DHCP message between subscribers and servers passes here (BR-1, BR-32).
//!
//! ```text
//!   client ──DISCOVER, REQUEST──▶ handle_client ──▶ ToServer to every server, with our option 82
//!   client ◀──────OFFER, ACK───── ToClient ◀─────── handle_server        Bound before the ACK (BR-4)
//!   client ──renewal────────────▶ (forwarded by the data plane) ──▶ server
//!                                  handle_client_snoop, handle_server_snoop: Released, Renewed
//!   server ──answers to releases──────────────────▶ handle_server ──▶ ForRelease
//! ```
//!
//! It keeps no state of an exchange that it could not do without: option 82 brings back where a reply has to go.
//! Two bounded caches remember requests for servers that strip option 82, and the client-id for those that do not
//! echo it as RFC 6842 asks. A flood only makes it forget sooner.
//!
//! It has no deadlines: no `handle_timeout`. What it says to do is polled as [`Command`]s, in order.

mod client;
mod command;
mod config;
pub(crate) mod pending;
mod recall;
mod replay;
mod server;
mod signed;
mod snoop;
mod stamp;
mod template;

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

pub use client::given_up;
pub use command::{Command, Counters, Reason, ToClient, ToServer};
pub use config::{Authentication, ConfigError, FpcConfig, PortConfig, RelayConfig};
pub use recall::Unreadable;
pub(crate) use recall::{last_heard, places};
pub use replay::ReplayCounters;
pub(crate) use stamp::{LINE_OCTETS, line_octets, read_line};
pub(crate) use template::Subject;
pub use template::{Template, TemplateError};

use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::{Epoch, ScopeKind};
use crate::wire::relay_auth::ReplayWindow;
use pending::{Pending, Request};
use signed::SignedLately;
use stamp::Card;

/// DISCOVERs remembered for the sake of servers that strip option 82. A flood of them costs no more.
const REMEMBERED_DISCOVERS: usize = 1 << 13;

/// The relay core.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    /// By [`FpcId`].
    cards: Vec<Card>,
    giaddrs: HashSet<Ipv4Addr>,
    discovers: Pending<(u32, HardwareAddress), Request>,
    requests: Pending<(u32, HardwareAddress), Request>,
    counters: Counters,
    replay: ReplayCounters,
    signed: SignedLately,
    windows: HashMap<Ipv4Addr, ReplayWindow>,
    commands: VecDeque<Command>,
    /// Option 82 under construction; keeps its memory.
    scratch: Vec<u8>,
}

impl Relay {
    /// Decides every FPC's scope (BR-13, H-BR-10). Each starts with epoch 0 and frozen: [`Self::thaw`] it with its durable
    /// epoch before it relays. Another configuration takes another relay, which keeps none of this: what matters is in
    /// option 82 and with the sessions (H-BR-11).
    pub fn new(config: RelayConfig, replay: ReplayCounters) -> Result<Self, ConfigError> {
        let cards = cards(&config)?;
        Ok(Self {
            giaddrs: cards.iter().map(|card| card.giaddr).collect(),
            cards,
            discovers: Pending::new(REMEMBERED_DISCOVERS.min(config.remembered)),
            requests: Pending::new(config.remembered),
            counters: Counters::default(),
            replay,
            signed: SignedLately::default(),
            windows: HashMap::new(),
            commands: VecDeque::new(),
            scratch: Vec::with_capacity(255),
            config,
        })
    }

    /// From now on neither DISCOVER nor REQUEST of this FPC is relayed, nor their answers: its restart is being
    /// decided, and the cut-off must not race with logins in flight (H-BR-9).
    pub fn freeze(&mut self, fpc: FpcId) {
        if let Some(card) = self.cards.get_mut(usize::from(fpc.0)) {
            card.frozen = true;
        }
    }

    /// Ends the freeze. `epoch` is durable and goes into every request from now on; answers to requests of an older
    /// one are dropped.
    pub fn thaw(&mut self, fpc: FpcId, epoch: Epoch) {
        let index = usize::from(fpc.0);
        if let (Some(card), Some(named)) = (self.cards.get_mut(index), self.config.fpcs.get(index)) {
            *card = Card::new(&self.config, named, card.scope.clone(), epoch, false);
        }
    }

    /// The scope that logins of an FPC are tagged with.
    pub fn scope(&self, fpc: FpcId) -> Option<&ScopeKind> {
        self.cards.get(usize::from(fpc.0)).map(|card| &card.scope)
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

    /// The next replay counter for what another core signs: a server knows one sequence of us (H-BR-16). Poll the
    /// commands before the message is sent: there may be a [`Command::ReserveReplay`].
    pub fn next_replay(&mut self, server: Ipv4Addr) -> u64 {
        let (counter, reserve) = self.replay.next(server);
        if let Some(through) = reserve {
            self.commands.push_back(Command::ReserveReplay { server, through });
        }
        counter
    }

    /// The counters, for what other members of a cluster reserve.
    pub fn replay_counters(&mut self) -> &mut ReplayCounters {
        &mut self.replay
    }

    /// Servers, and the counters that are reserved for them.
    pub fn reserved_replay(&self) -> impl Iterator<Item = (Ipv4Addr, u64)> {
        self.replay.reserved()
    }

    fn count(&mut self, result: Result<(), Reason>) {
        if let Err(reason) = result {
            self.counters.add(reason);
        }
    }

    /// Whether a subscriber can have an address: that of one host on some network, and none of ours. A server whose pool
    /// has the giaddr gives it to whoever asks for it, and all that is sent to us would be that subscriber's.
    fn is_fit(&self, address: Ipv4Addr) -> bool {
        // "this host", loopback; and from 224 on groups, what is reserved, and everybody (RFC 6890)
        !matches!(address.octets()[0], 0 | 127 | 224..) && !self.giaddrs.contains(&address)
    }

    fn card(&self, line: Line) -> Option<(FpcId, &Card)> {
        let fpc = self.config.port(line.port)?.fpc;
        Some((fpc, self.cards.get(usize::from(fpc.0))?))
    }
}

/// Checks a configuration and prepares its FPCs.
fn cards(config: &RelayConfig) -> Result<Vec<Card>, ConfigError> {
    let mut cards = Vec::with_capacity(config.fpcs.len());
    for ((number, fpc), scope) in (0..).zip(&config.fpcs).zip(config.scopes()?) {
        let card = Card::new(config, fpc, scope, Epoch::default(), true);
        card.check(config, FpcId(number))?;
        cards.push(card);
    }
    Ok(cards)
}

#[cfg(test)]
mod tests;
