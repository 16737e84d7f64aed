//! Releases as transcripts under a virtual clock: a table, a journal, a clock and the servers are all in memory.

mod bulk;
mod hostile;
mod individual;
mod journal;
mod props;
mod server;
mod table;
mod ways;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::capability::{Capabilities, CapabilityConfig, Observation};
use crate::line::FpcId;
use crate::scope::{DeviceId, DeviceIdType, Epoch, GroupId, ScopeKind};
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::Message;
use crate::wire::relay_auth::{Algorithm, Key};

use server::BulkServer;
use table::Table;

const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 5);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 6);
const GIADDR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FPC: FpcId = FpcId(0);
const BOOT: Duration = Duration::from_secs(1_700_000_000);

fn key() -> Key {
    let secret = b"0123456789abcdef0123".to_vec().into();
    Key { id: 5, secret, algorithm: Algorithm::HmacSha1, zero_key_id: false, relay: 0 }
}

fn device() -> DeviceId {
    DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap()
}

fn address_scope() -> Option<ScopeKind> {
    Some(ScopeKind::Address(GIADDR))
}

fn group(name: &str) -> Option<ScopeKind> {
    Some(ScopeKind::Group(GroupId::new(name.as_bytes()).unwrap()))
}

fn config() -> ReleaseConfig {
    let mut config = ReleaseConfig::new(device(), Some(key()));
    config.fpcs = vec!["fpc0".into(), "fpc1".into()];
    config
}

/// A message that left.
#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    giaddr: Ipv4Addr,
    server: Ipv4Addr,
    payload: Vec<u8>,
}

impl Sent {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.payload).expect("we send what parses")
    }

    /// A bulk release or PROBE: type 7 without an address.
    fn is_bulk(&self) -> bool {
        self.message().kind() == Some(7) && self.message().ciaddr().is_unspecified()
    }

    fn is_release(&self) -> bool {
        self.message().kind() == Some(7) && !self.message().ciaddr().is_unspecified()
    }

    fn is_query(&self) -> bool {
        self.message().kind() == Some(10)
    }
}

/// The rest of the gateway.
struct World {
    releases: Releases,
    capabilities: Capabilities,
    table: Table,
    now: Instant,
    boot: Duration,
    replay: u64,
    seed: u64,
    /// Handed out before the generator's numbers.
    script: VecDeque<u64>,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A synced record since the last release began.
    synced: bool,
    sent: Vec<Sent>,
    events: Vec<Event>,
    proceeded: Vec<(Instant, Epoch, bool)>,
    known_epochs: Vec<Epoch>,
    unverified: u64,
}

impl World {
    fn new(config: ReleaseConfig) -> Self {
        Self {
            releases: Releases::new(config),
            capabilities: Capabilities::new(CapabilityConfig::default()),
            table: Table::default(),
            now: Instant::ZERO + Duration::from_secs(1000),
            boot: BOOT,
            replay: 0x65f0_0000_0000_0000,
            seed: 1,
            script: VecDeque::new(),
            store: BTreeMap::new(),
            synced: false,
            sent: Vec::new(),
            events: Vec::new(),
            proceeded: Vec::new(),
            known_epochs: Vec::new(),
            unverified: 0,
        }
    }

    /// One server, capable, 8 scopes.
    fn capable(config: ReleaseConfig) -> Self {
        let mut world = Self::new(config);
        world.hear(SERVER, Observation::Capable { max_scopes: 8, will_reply: true });
        world
    }

    fn hear(&mut self, server: Ipv4Addr, observation: Observation) {
        self.capabilities.handle_heard(server, observation, true, self.boot, self.now);
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut Releases, &mut Context<'_>, Instant) -> R) -> R {
        let (replay, seed, script) = (&mut self.replay, &mut self.seed, &mut self.script);
        let mut context = Context {
            logins: &self.table,
            capabilities: &self.capabilities,
            replay: &mut |_| {
                *replay += 1;
                *replay
            },
            random: &mut || {
                script.pop_front().unwrap_or_else(|| {
                    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    mixed ^ (mixed >> 31)
                })
            },
            unix_offset: self.boot,
        };
        let result = call(&mut self.releases, &mut context, self.now);
        self.carry_out();
        result
    }

    fn carry_out(&mut self) {
        while let Some(command) = self.releases.poll_command() {
            match command {
                Command::SendToServer { giaddr, server, payload } => {
                    assert!(self.synced, "a message left before the intent was on disk");
                    self.sent.push(Sent { at: self.now, giaddr, server, payload });
                }
                Command::Journal { key, value, sync } => {
                    self.synced |= sync;
                    self.store.insert(key, value);
                }
                Command::ForgetJournal { key } => {
                    assert!(self.store.remove(&key).is_some(), "forgets what is not there")
                }
                Command::EndCohort { cohort, cutoff } => self.table.end_cohort(cohort, cutoff),
                Command::EndSession { address, cutoff, unverified } => {
                    self.unverified += u64::from(unverified);
                    self.table.end(address, cutoff);
                }
                Command::Orphan { address } => self.table.orphan(address),
                Command::RestartMayProceed { cutoff, complete, .. } => {
                    self.proceeded.push((self.now, cutoff, complete))
                }
                Command::EpochKnown { epoch, .. } => self.known_epochs.push(epoch),
                Command::Heard { server, observation, authenticated } => {
                    self.capabilities.handle_heard(server, observation, authenticated, self.boot, self.now);
                }
                Command::Tell(event) => {
                    if let Event::Leasequery { server, answers } = event {
                        self.capabilities.handle_leasequery(server, answers, self.boot, self.now);
                    }
                    self.events.push(event);
                }
            }
        }
    }

    fn restart(&mut self, cutoff: u32) {
        let plan = RestartPlan { fpc: FPC, cutoff: Epoch(cutoff), decided_at: self.now };
        self.synced = false;
        self.call(|releases, context, now| releases.handle_restart(plan, context, now));
    }

    fn deliver(&mut self, from: Ipv4Addr, payload: &[u8]) {
        self.call(|releases, context, now| releases.handle_server(from, payload, context, now));
    }

    /// Goes to the next wake-up that lies not after `until`; false when there is none, and it is `until` then.
    fn wake(&mut self, until: Instant) -> bool {
        match self.releases.poll_timeout() {
            Some(at) if at <= until => {
                self.now = self.now.max(at);
                self.call(|releases, context, now| releases.handle_timeout(context, now));
                true
            }
            _ => {
                self.now = self.now.max(until);
                false
            }
        }
    }

    /// Lets time pass, without any server.
    fn pass(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        while self.wake(until) {}
    }

    /// Lets time pass while `server` answers what reaches it.
    fn pass_with(&mut self, seconds: f64, mut server: impl FnMut(&Sent) -> Option<Vec<u8>>) {
        let until = self.now + Duration::from_secs_f64(seconds);
        let mut seen = self.sent.len();
        loop {
            while seen < self.sent.len() {
                let sent = self.sent[seen].clone();
                seen += 1;
                if let Some(answer) = server(&sent) {
                    self.deliver(sent.server, &answer);
                }
            }
            if !self.wake(until) && seen == self.sent.len() {
                return;
            }
        }
    }

    /// kill -9, and a start `seconds` later. With `reboot` the clock since boot starts over.
    fn crash(&mut self, config: ReleaseConfig, seconds: u64, reboot: bool) {
        let pause = Duration::from_secs(seconds);
        if reboot {
            self.boot = self.boot + self.now.since(Instant::ZERO) + pause;
            self.now = Instant::ZERO;
            self.table.reboot();
        } else {
            self.now = self.now + pause;
        }
        self.releases = Releases::new(config);
        self.synced = false;
        for (key, value) in self.store.clone() {
            assert!(self.call(|releases, context, now| releases.handle_restored(&key, &value, context, now)));
        }
    }

    fn bulk_sent(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.is_bulk()).collect()
    }

    fn releases_sent(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.is_release()).collect()
    }

    fn queries_sent(&self) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.is_query()).collect()
    }

    fn progress(&self) -> Progress {
        let views = self.releases.releases();
        let servers = &views.last().expect("a release").servers;
        servers.iter().find(|(server, _)| *server == SERVER).expect("at the server").1
    }

    fn finished(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Finished { .. }))
    }

    fn fallbacks(&self) -> Vec<Fallback> {
        let reason = |event: &Event| match event {
            Event::FellBack { reason, .. } => Some(*reason),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }
}
