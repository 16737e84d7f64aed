//! Subnets from and for other servers (RFC 6656): the delegation core put beside the address server.
//!
//! ```text
//!  socket ──option 220──▶ Delegation ──Persist, Forget, Send──▶ the server's own way to disk and network
//!                           │      ▲
//!      Assign, StopAssigning, Gone │ need, usage, drained
//!                           ▼      │
//!                           Server (leases)
//! ```
//! No message leaves before what it promises is on disk, as with leases: both go the same way, in the same write.

mod ask;
mod config;
mod entered;
mod guard;
mod log;
mod nonce;
mod tally;
mod view;

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Context as _;
use gateway_core::delegation::{self, Assignment, Delegation, Handled, Proof, ServerId, Usage};
use gateway_core::subnet::Subnet;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::code;
use gateway_store::Store;

pub(crate) use self::ask::Ask;
pub use self::ask::SubnetsChange;
pub use self::config::{Root, SubnetsConfig};
use self::entered::Configured;
use self::guard::Guard;
pub use self::log::SubnetEvent;
pub(crate) use self::log::log;
use self::nonce::Nonces;
pub use self::tally::Tally;
pub use self::view::{BlockRow, RootRow, SubnetsView, UsageRow};
use crate::config::Config;
use crate::config::delegated::{Loan, Tenure};
use crate::server::{Command, Server};
use crate::shell::clock;

/// How often the core is told how its subnets are used.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The delegation and what the address server was told by it.
#[derive(Debug)]
pub struct Subnets {
    core: Delegation,
    guard: Guard,
    /// Where servers share no key.
    nonces: Nonces,
    /// Where other servers listen.
    port: u16,
    /// Being assigned from, with what was last said of them.
    assigned: BTreeMap<Subnet, Option<Usage>>,
    /// Draining, or gone.
    stopped: BTreeSet<Subnet>,
    /// Gone, and nobody was told yet.
    lost: Vec<Subnet>,
    report_at: Instant,
    /// Those with leases of a former life, of which the core was not told how they are used.
    former: Vec<Subnet>,
    configured: Configured,
    commands: VecDeque<Command>,
    events: VecDeque<delegation::Event>,
    /// By kind, since the start.
    counted: BTreeMap<&'static str, u64>,
}

impl Subnets {
    /// Starts with the records of the store that [`Subnets::is_ours`] picks. `random` is another number at every start.
    pub fn new(
        config: SubnetsConfig,
        records: &[(Vec<u8>, Vec<u8>)],
        random: u64,
        now: Instant,
        unix: core::time::Duration,
    ) -> Self {
        let SubnetsConfig { delegation, roots, key, port } = config;
        let pairs = || records.iter().map(|(key, value)| (&key[..], &value[..]));
        let mut subnets = Self {
            core: Delegation::new(delegation, pairs(), random, now),
            guard: Guard::new(key, pairs(), unix),
            nonces: Nonces::restore(pairs()),
            port,
            assigned: BTreeMap::new(),
            stopped: BTreeSet::new(),
            lost: Vec::new(),
            report_at: now,
            former: Vec::new(),
            configured: Configured::default(),
            commands: VecDeque::new(),
            events: VecDeque::new(),
            counted: BTreeMap::new(),
        };
        subnets.former = subnets.core.held().collect();
        subnets.enter_configured(&roots, records, now);
        subnets
    }

    /// Whether a record is of the delegation; all of them have keys that begin with one of [`Subnets::PREFIXES`].
    pub fn is_ours(key: &[u8]) -> bool {
        Self::PREFIXES.iter().any(|prefix| key.first() == Some(prefix))
    }

    /// First octets of its keys.
    pub const PREFIXES: [u8; 3] = [delegation::RECORD_PREFIX, guard::RECORD_PREFIX, entered::RECORD_PREFIX];

    /// Subnets of the address server, as prefix and length, from its former life.
    pub fn held(&self) -> Vec<(Ipv4Addr, u8)> {
        self.core.held().map(|subnet| (subnet.base(), subnet.prefix())).collect()
    }

    /// Subnets of the configuration, as prefix and length: nothing that overlaps them is taken from others (H-SN-2).
    pub fn keep(&mut self, kept: impl Iterator<Item = (Ipv4Addr, u8)>, now: Instant) {
        let kept = kept.filter_map(|(prefix, length)| Subnet::new(prefix, length).ok());
        self.core.handle_kept(kept.collect(), now);
    }

    /// Takes a datagram that is about subnets; `false`: it is the address server's.
    pub fn handle_message(&mut self, from: SocketAddrV4, payload: &[u8], now: Instant) -> bool {
        // Nearly all datagrams are clients', and are parsed only once.
        if !payload.contains(&code::SUBNET_ALLOCATION) {
            return false;
        }
        let has_key = self.guard.has_key();
        let (proven, seen) = if has_key { self.guard.check(payload) } else { (self.nonces.prove(payload), None) };
        let handled = self.core.handle_message(payload, *from.ip(), proven, now);
        if handled == Handled::Heeded && !has_key {
            self.nonces.note(*from.ip(), payload);
        }
        let is_ours = handled != Handled::NotOurs;
        self.commands.extend(seen.filter(|_| is_ours));
        is_ours
    }

    /// Random octets for nonces, of which those on disk are kept. Without any no lessee is told one.
    pub fn seed(&mut self, octets: [u8; 32]) {
        self.commands.extend(self.nonces.seed(octets));
    }

    /// When [`Subnets::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let report = (!self.assigned.is_empty() || !self.stopped.is_empty()).then_some(self.report_at);
        self.core.poll_timeout().into_iter().chain(report).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.core.poll_timeout().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now);
        }
    }

    /// What the core wants done is done at the address server or put among the commands, and it is told how things are
    /// there. To be called after every input.
    pub fn turn(&mut self, server: &mut Server, now: Instant, unix: core::time::Duration) {
        self.guard.handle_time(unix);
        self.obey(server, now);
        self.report_former(server, now);
        for subnet in core::mem::take(&mut self.lost) {
            server.hurry(subnet.base(), subnet.prefix(), now, unix);
        }
        let is_due = self.report_at <= now;
        if is_due {
            self.report_at = now + REPORT_EVERY;
            self.report(server, now);
        }
        if is_due || server.has_refused() {
            self.tell_need(server, now);
        }
        if is_due {
            self.tell_drained(server, now);
        }
    }

    /// The next thing to do, as [`Server::poll_command`].
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<delegation::Event> {
        let event = self.events.pop_front()?;
        *self.counted.entry(log::kind(&event)).or_default() += 1;
        Some(event)
    }

    /// How much there is.
    pub fn tally(&self, now: Instant) -> Tally {
        Tally::of(&self.core.view(now), &self.counted)
    }

    /// How things are.
    pub fn view(&self, now: Instant) -> SubnetsView {
        SubnetsView::of(&self.core.view(now), now)
    }

    fn obey(&mut self, server: &mut Server, now: Instant) {
        while let Some(command) = self.core.poll_command() {
            match command {
                delegation::Command::Persist { key, value } => self.commands.push_back(Command::Persist { key, value }),
                delegation::Command::Forget { key } => self.commands.push_back(Command::Forget { key }),
                delegation::Command::Assign(assignment) => self.assign(&assignment, server, now),
                delegation::Command::StopAssigning { subnet } => self.stop(subnet, Tenure::Draining, server, now),
                delegation::Command::Gone { subnet } => self.stop(subnet, Tenure::Gone, server, now),
                delegation::Command::Send { to, peer, message, proof } => self.send(to, peer.as_ref(), message, proof),
                delegation::Command::Tell(event) => self.events.push_back(event),
            }
        }
    }

    fn assign(&mut self, assignment: &Assignment, server: &mut Server, now: Instant) {
        let &Assignment { ref subnet, until, ref reserved, recovered, longest } = assignment;
        let relay = reserved.as_ref().map(|reserved| reserved.relay);
        match server.assign(subnet.base(), subnet.prefix(), until, relay) {
            Ok(()) => {
                server.set_loan(subnet.base(), subnet.prefix(), Loan { recovered, longest });
                self.stopped.remove(subnet);
                self.assigned.entry(*subnet).or_insert(None);
            }
            Err(overlap) => {
                tracing::warn!(%subnet, %overlap, "not leased from yet");
                self.core.handle_unassignable(subnet, now);
            }
        }
    }

    /// The drain is seen at the next turn, which is at once.
    fn stop(&mut self, subnet: Subnet, tenure: Tenure, server: &mut Server, now: Instant) {
        server.stop_assigning(subnet.base(), subnet.prefix(), tenure);
        if tenure == Tenure::Gone {
            self.lost.push(subnet);
        }
        self.assigned.remove(&subnet);
        self.stopped.insert(subnet);
        self.report_at = now;
    }

    fn send(&mut self, to: Ipv4Addr, peer: Option<&ServerId>, mut message: Vec<u8>, proof: Proof) {
        if self.guard.has_key() {
            self.guard.sign(&mut message, &mut self.commands);
        } else {
            match (proof, peer) {
                (Proof::Welcome, _) => self.nonces.welcome(to, &mut message),
                (Proof::Nonce, Some(peer)) if self.nonces.is_wished(peer) => {
                    let number = self.guard.next(&mut self.commands);
                    self.nonces.tell(to, peer, &mut message, number);
                }
                (Proof::Signed, Some(peer)) => {
                    let number = self.guard.next(&mut self.commands);
                    if !self.nonces.sign(to, peer, &mut message, number) {
                        return; // nobody would heed it
                    }
                }
                _ => {}
            }
        }
        self.commands.push_back(Command::Send { to: SocketAddrV4::new(to, self.port), payload: message, waits: true });
    }

    /// After a start, also of what is not assigned from yet: leases in force there show that the subnet is the server's still.
    fn report_former(&mut self, server: &mut Server, now: Instant) {
        for subnet in core::mem::take(&mut self.former) {
            if let Some(usage) = usage(server, &subnet) {
                self.core.handle_usage(&subnet, usage, now);
            }
        }
    }

    /// SN-37: how much of each subnet is in use.
    fn report(&mut self, server: &mut Server, now: Instant) {
        let mut changed = Vec::new();
        for (subnet, said) in &mut self.assigned {
            let Some(usage) = usage(server, subnet) else { continue };
            if *said != Some(usage) {
                *said = Some(usage);
                changed.push((*subnet, usage));
            }
        }
        changed.iter().for_each(|(subnet, usage)| self.core.handle_usage(subnet, *usage, now));
        self.obey(server, now);
    }

    /// SN-56, SN-57: what is lacking, beside what the core knows to be: what was granted may be used up already. A number that
    /// only grew or fell a little is not worth asking again.
    fn tell_need(&mut self, server: &mut Server, now: Instant) {
        let (need, known) = (server.lacking(now), self.core.need());
        let is_alike = need > known / 2 && need < known.saturating_mul(2);
        if need == known || is_alike {
            return;
        }
        self.core.handle_need(need, now);
        self.obey(server, now);
    }

    /// What has no lease any more is forgotten.
    fn tell_drained(&mut self, server: &mut Server, now: Instant) {
        let is_used = |subnet: &Subnet| {
            server.occupancy(subnet.base(), subnet.prefix()).is_some_and(|occupancy| occupancy.is_used())
        };
        let drained: Vec<Subnet> = self.stopped.iter().filter(|subnet| !is_used(subnet)).copied().collect();
        for subnet in drained {
            self.stopped.remove(&subnet);
            server.remove(subnet.base(), subnet.prefix());
            self.core.handle_drained(&subnet, now);
        }
        self.obey(server, now);
    }
}

fn usage(server: &Server, subnet: &Subnet) -> Option<Usage> {
    let occupancy = server.occupancy(subnet.base(), subnet.prefix())?;
    Some(Usage {
        in_use: occupancy.in_use.into(),
        high_water: occupancy.high_water.into(),
        unusable: occupancy.unusable.into(),
    })
}

/// Starts what is configured with what is in the store, and says which subnets the address server finds its leases in.
pub(crate) fn open(config: &mut Config, store: &Store) -> anyhow::Result<Option<Subnets>> {
    let Some(wanted) = config.delegation.take() else { return Ok(None) };
    let mut records = Vec::new();
    for prefix in Subnets::PREFIXES {
        for record in store.under(&[prefix]) {
            records.push(record.context("read the subnets")?);
        }
    }
    let random = u64::from_ne_bytes(crate::shell::ping::random().context("random octets")?);
    let now = clock::now();
    let mut subnets = Subnets::new(wanted, &records, random, now, clock::unix());
    subnets.keep(config.subnets.iter().map(|subnet| (subnet.prefix, subnet.length)), now);
    subnets.seed(crate::shell::ping::random().context("random octets")?);
    if let Some(delegated) = &mut config.delegated {
        delegated.held = subnets.held();
    }
    Ok(Some(subnets))
}
