//! All servers.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use super::leasequery::{LEASEQUERY_PREFIX, Leasequery};
use super::record;
use super::state::{Observation, Server, State};
use crate::time::{Duration, Instant};

/// How capability is judged.
#[derive(Clone, Debug)]
pub struct CapabilityConfig {
    /// How long a state stands unconfirmed; 24 h.
    pub ttl: Duration,
    /// Believe only replies whose authentication sub-option verified.
    pub authenticated_only: bool,
    /// Fingerprint of the settings under which capability was learned (encoding, code points, keys). A record made
    /// under another one is dropped: a configuration change makes every server UNKNOWN.
    pub configuration: u64,
}

impl Default for CapabilityConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(24 * 3600), authenticated_only: false, configuration: 0 }
    }
}

/// What the core wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Store a record; it need not be synced, what it says is learned again from the next login.
    Persist {
        /// Key in the store.
        key: Vec<u8>,
        /// The record.
        value: Vec<u8>,
    },
    /// A server changed its state: for the log. `Stripped` deserves an alarm.
    Changed {
        /// The server.
        server: Ipv4Addr,
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
}

/// The capability of every server, keyed by the address it is configured with.
#[derive(Debug)]
pub struct Capabilities {
    config: CapabilityConfig,
    servers: BTreeMap<Ipv4Addr, Server>,
    leasequery: BTreeMap<Ipv4Addr, Leasequery>,
    commands: VecDeque<Command>,
}

impl Capabilities {
    /// Knows nothing yet.
    pub fn new(config: CapabilityConfig) -> Self {
        Self { config, servers: BTreeMap::new(), leasequery: BTreeMap::new(), commands: VecDeque::new() }
    }

    /// Takes back one stored record; returns whether it was usable. A record that is not, or that is older than the
    /// TTL, leaves its server UNKNOWN. `unix_offset` is the Unix time of [`Instant::ZERO`].
    pub fn restore(&mut self, key: &[u8], value: &[u8], unix_offset: Duration) -> bool {
        if key.starts_with(LEASEQUERY_PREFIX) {
            let found = Leasequery::decode(key, value, self.config.configuration, unix_offset);
            return found.map(|(server, found)| self.leasequery.insert(server, found)).is_some();
        }
        match record::decode(key, value, self.config.configuration, unix_offset) {
            Some((address, server)) => {
                self.servers.insert(address, server);
                true
            }
            None => false,
        }
    }

    /// Takes in what a reply of `server` showed. A confirmation is stored at most hourly, a change at once.
    pub fn handle_heard(
        &mut self,
        server: Ipv4Addr,
        observation: Observation,
        authenticated: bool,
        unix_offset: Duration,
        now: Instant,
    ) {
        const STORE_EVERY: Duration = Duration::from_secs(3600);
        let entry = self.servers.entry(server).or_default();
        let from = entry.state(now);
        let changed = entry.hear(observation, authenticated, self.config.authenticated_only, self.config.ttl, now);
        let to = entry.state(now);
        if changed || entry.stale >= entry.stored + STORE_EVERY {
            entry.stored = entry.stale;
            let value = record::encode(entry, self.config.configuration, unix_offset);
            self.commands.push_back(Command::Persist { key: record::key(server), value });
        }
        if from != to {
            self.commands.push_back(Command::Changed { server, from, to });
        }
    }

    /// A server turned out to answer leasequery, or to be silent. Stored, so that the next controller need not try again.
    pub fn handle_leasequery(&mut self, server: Ipv4Addr, answers: bool, unix_offset: Duration, now: Instant) {
        let found = Leasequery::new(answers, now);
        let value = found.encode(self.config.configuration, unix_offset);
        self.leasequery.insert(server, found);
        self.commands.push_back(Command::Persist { key: Leasequery::key(server), value });
    }

    /// Whether a server answers leasequery; `None` when that was not found out, or not lately.
    pub fn leasequery(&self, server: Ipv4Addr, now: Instant) -> Option<Leasequery> {
        self.leasequery.get(&server).copied().filter(|found| !found.is_stale(now))
    }

    /// The state of a server; UNKNOWN when nothing was heard, or not lately.
    pub fn state(&self, server: Ipv4Addr, now: Instant) -> State {
        self.servers.get(&server).map_or(State::Unknown, |s| s.state(now))
    }

    /// Scopes that one release to this server may carry: at least 1 when it is capable, else 0.
    pub fn max_scopes(&self, server: Ipv4Addr, now: Instant) -> u16 {
        match self.state(server, now) {
            State::Capable => self.servers[&server].max_scopes(),
            _ => 0,
        }
    }

    /// Every server heard of, for the CLI.
    pub fn servers(&self) -> impl Iterator<Item = (Ipv4Addr, &Server)> {
        self.servers.iter().map(|(address, server)| (*address, server))
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }
}
