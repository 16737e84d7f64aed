//! What the node shows: the shapes behind `gateway sessions`, `fpcs`, `servers`, `releases` and `top`.

use core::net::Ipv4Addr;

use gateway_common::unit::Unit;

use super::{Node, NodeConfig};
use crate::capability;
use crate::fpc::{self, Policy};
use crate::line::{FpcId, HardwareAddress, Line};
use crate::relay;
use crate::release::{self, ReleaseView};
use crate::scope::{Epoch, ScopeKind};
use crate::session::{CohortId, EndReason, Refusal, Route, Session};
use crate::time::{Duration, Instant};

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionView {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// The client-id, when it sent one.
    pub client_id: Option<Box<[u8]>>,
    /// Where it is.
    pub line: Line,
    /// The line card.
    pub fpc: FpcId,
    /// Epoch of the card when it logged in.
    pub epoch: Epoch,
    /// The server; 0.0.0.0 for a static subscriber.
    pub server: Ipv4Addr,
    /// The scope the server stored with it.
    pub scope: Option<ScopeKind>,
    /// Time of the last exchange with the server.
    pub at: Instant,
    /// End of the lease.
    pub expires: Instant,
    /// Cell of the `SUBSCRIBERS` array, with its counters.
    pub slot: u32,
    /// Logged out, but not confirmed by its server.
    pub orphaned: bool,
    /// From the configuration.
    pub is_static: bool,
}

/// State of a line card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpcState {
    /// No port has been reported yet.
    Unknown,
    /// In service.
    Up,
    /// Link lost; a restart unless it returns in time.
    Lost {
        /// When it was lost.
        since: Instant,
    },
    /// Restart decided, no port is up.
    Down {
        /// When it was lost.
        since: Instant,
    },
    /// Restart decided ahead of time; nobody can log in until the moment or until all are logged out.
    Frozen {
        /// The restart may go on then, whatever became of the logout.
        until: Instant,
    },
}

/// One line card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpcView {
    /// Which.
    pub fpc: FpcId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: FpcState,
    /// What a restart does.
    pub policy: Policy,
    /// Its epoch.
    pub epoch: Epoch,
    /// Sessions it has.
    pub sessions: u64,
    /// Those among them that no server confirmed the logout of.
    pub orphaned: u64,
    /// Restarts since the controller started.
    pub restarts: u64,
}

/// What is known of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerView {
    /// The address it is configured with.
    pub address: Ipv4Addr,
    /// What it can do.
    pub state: capability::State,
    /// Time since that was last confirmed; `None` when nothing was heard.
    pub age: Option<Duration>,
    /// Scopes it takes in one single logout; 0 when it is not capable.
    pub max_scopes: u16,
    /// Whether it answers leasequery; `None` while that is not known.
    pub leasequery: Option<bool>,
    /// Individual RELEASEs per second it gets just now; `None` when it got none so far.
    pub release_rate: Option<u32>,
    /// Sessions it has leased.
    pub sessions: u64,
}

/// What the node counts itself, since the controller started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Subscribers that logged in.
    pub logins: u64,
    /// Leases that were extended through the relay.
    pub renewals: u64,
    /// Clients that were kept out, for whatever reason.
    pub refused: u64,
    /// Frames that hold no UDP datagram.
    pub malformed: u64,
    /// Clients of DHCPv6 that got their first lease, or moved.
    pub logins6: u64,
    /// REPLYs that extended leases of DHCPv6.
    pub renewals6: u64,
    /// Answers of DHCPv6 servers to questions that nobody here asked.
    pub unasked6: u64,
    pub(super) refusals: [u64; Refusal::NAMES.len()],
    pub(super) logouts: [u64; EndReason::ALL.len()],
    pub(super) ended6: [u64; EndReason::ALL.len()],
}

impl Counters {
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.refusals[refusal.number()] += 1;
    }

    /// Clients that were kept out, by the name of the reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::NAMES.into_iter().zip(self.refusals)
    }

    /// Sessions that ended, by reason.
    pub fn logouts(&self) -> impl Iterator<Item = (EndReason, u64)> + '_ {
        EndReason::ALL.into_iter().map(|reason| (reason, self.logouts[reason as usize]))
    }

    /// Leases of DHCPv6 that ended, by reason.
    pub fn ended6(&self) -> impl Iterator<Item = (EndReason, u64)> + '_ {
        EndReason::ALL.into_iter().map(|reason| (reason, self.ended6[reason as usize]))
    }
}

impl Node {
    /// The configuration it was made with.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Number of live sessions, static ones included.
    pub fn session_count(&self) -> u64 {
        self.sessions.count()
    }

    /// Sessions whose client's DHCP is of this work unit. Those of a login that was cut off count until they are reclaimed.
    pub fn unit_sessions(&self, unit: Unit) -> u32 {
        self.sessions.unit_count(unit)
    }

    /// Up to `max` live sessions from slot `from` on, and the slot to go on from.
    pub fn sessions(&self, from: u32, max: usize) -> (Vec<SessionView>, Option<u32>) {
        let mut sessions = self.sessions.iter_from(from);
        let page = sessions.by_ref().take(max).map(|(slot, session)| self.view(slot, session)).collect();
        (page, sessions.next().map(|(slot, _)| slot))
    }

    /// The live session of this address.
    pub fn session(&self, address: Ipv4Addr) -> Option<SessionView> {
        let slot = self.sessions.slot(address)?;
        Some(self.view(slot, self.sessions.get(address)?))
    }

    /// The live session of a client on a line.
    pub fn session_of(&self, line: Line, hardware: &HardwareAddress) -> Option<SessionView> {
        self.session(self.sessions.by_client(line, hardware)?.address)
    }

    fn view(&self, slot: u32, session: &Session) -> SessionView {
        let cohort = self.sessions.cohort(session.cohort);
        SessionView {
            address: session.address,
            hardware: session.hardware,
            client_id: session.client_id.clone(),
            line: session.line,
            fpc: self.sessions.fpc(session),
            epoch: session.epoch,
            server: cohort.map_or(Ipv4Addr::UNSPECIFIED, |cohort| cohort.server),
            scope: cohort.and_then(|cohort| cohort.scope.clone()),
            at: session.at,
            expires: session.expires,
            slot,
            orphaned: session.orphaned,
            is_static: session.is_static,
        }
    }

    /// The line cards.
    pub fn fpcs(&self) -> Vec<FpcView> {
        let cards = self.config.fpcs.iter().enumerate().map(|(place, config)| {
            let fpc = FpcId(place as u16);
            let (sessions, orphaned) = self.sessions.fpc_count(fpc);
            let state = match (self.fpcs.frozen(fpc), self.fpcs.state(fpc)) {
                (Some(until), _) => FpcState::Frozen { until },
                (None, fpc::State::Unknown) => FpcState::Unknown,
                (None, fpc::State::Up) => FpcState::Up,
                (None, fpc::State::Lost { since }) => FpcState::Lost { since },
                (None, fpc::State::Down { since }) => FpcState::Down { since },
            };
            FpcView {
                fpc,
                name: config.name.clone(),
                state,
                policy: config.policy,
                epoch: self.fpcs.epoch(fpc),
                sessions,
                orphaned,
                restarts: self.fpcs.restarts(fpc),
            }
        });
        cards.collect()
    }

    /// The servers, in the order of the configuration.
    pub fn servers(&self, now: Instant) -> Vec<ServerView> {
        let sessions = |server| {
            let cohorts = self.sessions.cohorts().filter(|(_, cohort)| cohort.server == server);
            cohorts.map(|(id, _)| self.sessions.cohort_count(id)).sum()
        };
        let servers = self.config.relay.servers.iter().map(|&address| ServerView {
            address,
            state: self.capabilities.state(address, now),
            age: self.capabilities.servers().find(|(other, _)| *other == address).and_then(|(_, server)| {
                let known = server.state(now) != capability::State::Unknown;
                known.then(|| self.config.capability.ttl.saturating_sub(server.remaining(now)))
            }),
            max_scopes: self.capabilities.max_scopes(address, now),
            leasequery: self.capabilities.leasequery(address, now).map(|found| found.answers),
            release_rate: self.releases.rates().find(|(other, _)| *other == address).map(|(_, rate)| rate),
            sessions: sessions(address),
        });
        servers.collect()
    }

    /// Releases under way or waiting to retry orphaned logins, and the last ones that ended, latest last.
    pub fn releases(&self) -> Vec<ReleaseView> {
        self.releases.releases()
    }

    /// What the node counts itself.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the relay counts.
    pub fn relay_counters(&self) -> &relay::Counters {
        self.relay.counters()
    }

    /// What the releases count.
    pub fn release_counters(&self) -> release::Counters {
        self.releases.counters()
    }

    /// Changes of other members that could not be carried out: no room, or a renewal of a session that is not here.
    pub fn replicas_unusable(&self) -> u64 {
        self.sessions.unusable()
    }

    /// All routes the data plane should have: what pinned maps are compared with at start.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.sessions.routes()
    }

    /// The route of this address, if it should have one.
    pub fn route(&self, address: Ipv4Addr) -> Option<Route> {
        self.sessions.route(address)
    }

    /// The cohorts with their FPC and the least epoch that is still valid: what `COHORTS` should hold. The first commands
    /// of a new node write them too.
    pub fn cohorts(&self) -> impl Iterator<Item = (CohortId, FpcId, Epoch)> {
        let six = self
            .six
            .iter()
            .flat_map(|six| six.sessions.cohorts().map(|(id, cohort)| (id, cohort.fpc, six.sessions.least_epoch(id))));
        self.sessions.cohorts().map(|(id, cohort)| (id, cohort.fpc, self.sessions.least_epoch(id))).chain(six)
    }
}
