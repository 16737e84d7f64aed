//! The node after a restart of the controller: everything comes out of the store's records.

use core::net::Ipv4Addr;

use hashbrown::HashMap;

use super::config::NodeConfig;
use super::names::{self, Names};
use super::random::Random;
use super::reconcile::Reconcile;
use super::recover::{self, Recoveries};
use super::replica::Shared;
use super::silence::Silence;
use super::six::{RestoringSix, Six};
use super::{Command, Counters, Event, Node};
use crate::capability::{self, Capabilities};
use crate::fpc::{FPC_PREFIX, FpcConfig, Fpcs, Policy, Trigger};
use crate::line::FpcId;
use crate::relay::{ConfigError, Relay, ReplayCounters};
use crate::release::{JOURNAL_PREFIX, Releases};
use crate::scope::Epoch;
use crate::seen::Unseen;
use crate::session::{Restoring, SessionConfig, Sessions, ShareConfig};
use crate::time::{Duration, Instant, WallClock};
use crate::v6;

/// First octets of the key under which the reserved replay counters of a server are kept.
const REPLAY_PREFIX: &[u8] = b"replay/";

pub(super) fn replay_key(server: Ipv4Addr) -> Vec<u8> {
    [REPLAY_PREFIX, &server.octets()].concat()
}

impl Node {
    /// A node from its configuration and all the records in its store, in any order. `unix` is the time since the
    /// Unix epoch in nanoseconds at `now`; `seed` comes from the system's random source. The shell then compares the
    /// pinned maps with [`Node::routes`], reports the state of every port and carries out the first commands.
    ///
    /// # Errors
    ///
    /// When the relay can't work with its configuration.
    pub fn new(
        mut config: NodeConfig,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        now: Instant,
        unix: u64,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let clock = WallClock::new(now, unix);
        let session_config = SessionConfig {
            capacity: config.capacity,
            port_limits: config.ports.iter().map(|port| port.max_clients).collect(),
            lockout: config.lockout,
        };
        let mut restoring6 = RestoringSix::new(config.v6.as_ref(), &session_config, clock, now);
        let mut restoring = Restoring::new(session_config, clock, now);
        let mut capabilities = Capabilities::new(config.capability.clone());
        let (mut names, mut cards) = (None, HashMap::new());
        let (mut replay, mut journals, mut proven) = (Vec::new(), Vec::new(), Vec::new());
        let (mut unusable, mut unfinished) = (0, None);
        for (key, value) in records {
            if key == names::KEY {
                names = Names::decode(&value);
            } else if [JOURNAL_PREFIX, v6::release::JOURNAL_PREFIX].iter().any(|of| key.starts_with(of)) {
                journals.push((key, value));
            } else if key == recover::KEY {
                unfinished = Some(value);
            } else if [capability::RECORD_PREFIX, capability::LEASEQUERY_PREFIX].iter().any(|of| key.starts_with(of)) {
                // One that is too old, or learned under another configuration, is as good as none.
                if capabilities.restore(&key, &value, clock.boot()) && config.cluster.is_some() {
                    proven.push((key, value));
                }
            } else if let Some(server) = key.strip_prefix(REPLAY_PREFIX) {
                let server = <[u8; 4]>::try_from(server).map(Ipv4Addr::from);
                let through = <[u8; 8]>::try_from(&value[..]).map(u64::from_be_bytes);
                replay.extend(server.ok().zip(through.ok()));
            } else if key.first() == Some(&FPC_PREFIX) {
                cards.insert(key, value);
            } else if !restoring.add(&key, &value) && !restoring6.add(&key, &value) {
                unusable += 1;
            }
        }

        let known = names.is_some();
        let mut names = names.unwrap_or_default();
        let before = names.clone();
        let mut fpc_names: Vec<String> = config.fpcs.iter().map(|fpc| fpc.name.clone()).collect();
        let mut port_names: Vec<String> = config.ports.iter().map(|port| port.name.clone()).collect();
        let numbering = names.merge(&mut fpc_names, &mut port_names);
        let (mut six, lost6) = match (restoring6.0, &config.v6) {
            (Some(restoring), Some(v6)) => {
                let (mut sessions, lost) = restoring.finish(numbering.clone());
                sessions.limit(v6.limits);
                let hold = config.release.restart_hold;
                (Some(Box::new(Six::new(v6, sessions, fpc_names.clone(), hold)?)), lost)
            }
            _ => (None, 0),
        };
        let (mut sessions, lost) = restoring.finish(numbering);
        let lost = lost + lost6;

        // Cards that only the records know are there as long as it takes to log everybody out.
        let mut fpcs = config.fpcs.clone();
        let former = |name: &String| FpcConfig {
            name: name.clone(),
            policy: Policy::Logout,
            hold_down: Duration::ZERO,
            schedule: None,
            trigger: Trigger::AllPorts,
        };
        fpcs.extend(fpc_names[fpcs.len()..].iter().map(former));
        config.release.fpcs = fpc_names;
        let fpcs = Fpcs::new(fpcs, &config.ports, &cards, config.release.restart_hold, clock, now);
        let unix_seconds = clock.to_unix_seconds(now);
        if let Some(me) = config.cluster {
            let configured = (config.fpcs.len(), config.ports.len());
            let fpcs = config.release.fpcs.clone();
            let share = ShareConfig { me, fpcs, configured, unit_key: config.unit_key };
            sessions.share(share.clone(), now);
            if let (Some(six), Some(clock)) = (&mut six, sessions.stamp_clock()) {
                six.sessions.share(share, clock, now);
            }
            // The others were there meanwhile: whoever renewed comes back with their state.
            sessions.overdue().into_iter().for_each(|address| sessions.handle_overdue(address));
        }
        let mut relay = Relay::new(config.relay.clone(), ReplayCounters::new(unix_seconds, replay))?;
        if config.cluster.is_some() {
            relay.replay_counters().share();
        }
        let (all, ended) = ages(&sessions, six.as_deref(), now);
        let mut node = Self {
            recoveries: Recoveries::new(&config, known, unfinished, all, ended),
            reconcile: Reconcile::new(&sessions, now),
            sessions,
            fpcs,
            relay,
            capabilities,
            releases: Releases::new(config.release.clone()),
            plans: Default::default(),
            six,
            seen: Box::new(Unseen),
            silence: Silence::new(now),
            clock,
            random: Random::new(seed),
            refused_ack: false,
            counters: Counters::default(),
            shared: config.cluster.map(|me| Box::new(Shared::new(me, now))),
            commands: Default::default(),
            config,
        };
        if !known || names != before {
            // Before any record that uses the new numbers.
            node.commands.push_back(Command::Persist { key: names::KEY.into(), value: names.encode(), sync: true });
        }
        if unusable + lost > 0 {
            node.commands.push_back(Command::Tell(Event::RecordsLost { unusable, lost }));
        }
        node.hold_capabilities(proven);
        node.take_up(journals, now);
        node.begin_sharing();
        Ok(node)
    }

    /// Goes on with what the records say is unfinished.
    fn take_up(&mut self, journals: Vec<(Vec<u8>, Vec<u8>)>, now: Instant) {
        let all: Vec<FpcId> = (0..).map(FpcId).zip(self.fpcs.configs()).map(|(fpc, _)| fpc).collect();
        for fpc in &all {
            let latest6 = self.six.as_ref().and_then(|six| six.sessions.latest_epoch(*fpc));
            if let Some(latest) = self.sessions.latest_epoch(*fpc).max(latest6) {
                self.fpcs.raise(*fpc, latest);
            }
        }
        for subscriber in self.config.statics.clone() {
            let Some(port) = self.config.ports.get(usize::from(subscriber.line.port.0)) else { continue };
            if let Err(refusal) = self.sessions.add_static(&subscriber, port.fpc) {
                let (hardware, line) = (subscriber.hardware, subscriber.line);
                self.commands.push_back(Command::Tell(Event::Refused { hardware, line, refusal }));
            }
        }
        if self.shared.is_some() {
            // Whoever is keeper goes on with them.
            self.hold_journals(journals);
            self.fpcs.handle_keeper(false, now);
            self.drain(now);
            return;
        }
        self.resume(journals, now);
    }

    /// Goes on with releases that are unfinished, and with cards that are no longer configured.
    pub(super) fn resume(&mut self, journals: Vec<(Vec<u8>, Vec<u8>)>, now: Instant) {
        for (key, value) in journals {
            if key.starts_with(v6::release::JOURNAL_PREFIX) {
                self.with_releases6(|releases, context| releases.handle_restored(&key, &value, context, now));
            } else {
                self.with_releases(|releases, context| releases.handle_restored(&key, &value, context, now));
            }
        }
        let cutoffs6: Vec<_> = self.releases6().iter().map(|release| (release.fpc, release.cutoff)).collect();
        let cutoffs = self.releases.releases().into_iter().map(|release| (release.fpc, release.cutoff));
        for (fpc, cutoff) in cutoffs.chain(cutoffs6) {
            self.fpcs.raise(fpc, Epoch(cutoff.0.saturating_add(1)));
        }
        self.with_releases6(|releases, context| releases.handle_timeout(context, now));
        self.drain(now);
        let former: Vec<FpcId> = (0..).map(FpcId).zip(self.fpcs.configs()).map(|(fpc, _)| fpc).collect();
        for fpc in former.into_iter().skip(self.config.fpcs.len()) {
            let (leases6, releasing6) = self.former6(fpc);
            let left = self.sessions.fpc_count(fpc).0 + leases6 > 0;
            if left && !self.releases.is_releasing(fpc) && !releasing6 {
                self.fpcs.handle_unconfigured(fpc, now);
            }
        }
        self.drain(now);
    }
}

/// Sessions and leases that came back, and those among them whose time is over.
fn ages(sessions: &Sessions, six: Option<&Six>, now: Instant) -> (u64, u64) {
    let six = six.map_or((0, 0), |six| {
        let ended = six.sessions.iter_from(0).filter(|(_, lease, _)| lease.expires <= now).count();
        (six.sessions.count(), ended as u64)
    });
    (sessions.count() + six.0, sessions.overdue().len() as u64 + six.1)
}
