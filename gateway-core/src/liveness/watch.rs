//! All subscribers that are watched.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeSet, HashSet, VecDeque};

use hashbrown::HashMap;

use super::config::{LivenessConfig, Watch};
use crate::line::{FpcId, Line, PortId};
use crate::release::Pace;
use crate::time::Instant;

/// A subscriber, and where to ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscriber {
    /// Its line card.
    pub fpc: FpcId,
    /// Where it is.
    pub line: Line,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its address, which is asked for by ARP.
    pub ipv4: Option<Ipv4Addr>,
    /// One of its addresses, which is asked for by a neighbour solicitation.
    pub ipv6: Option<Ipv6Addr>,
}

impl Subscriber {
    fn key(&self) -> Key {
        (self.line, self.mac)
    }
}

pub(super) type Key = (Line, [u8; 6]);

/// What is to be done, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Look when each watched subscriber was last seen, and say so by [`Liveness::handle_seen`].
    Sweep,
    /// Ask it: an ARP request, a neighbour solicitation, or both, by unicast to its MAC, on its line.
    Probe(Subscriber),
    /// It is gone.
    Gone {
        /// Who.
        subscriber: Subscriber,
        /// That was told before, and it has not ended since.
        again: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// So many probes went unanswered.
    Asked(u8),
    /// That was told. It is asked again if it has not ended after a while.
    Gone,
}

#[derive(Debug)]
pub(super) struct Suspect {
    subscriber: Subscriber,
    watch: Watch,
    seen: Instant,
    state: State,
    /// It was told that it is gone.
    told: bool,
    next: Instant,
}

/// Counts since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Probes sent.
    pub probes: u64,
    /// Suspects that turned out to be there.
    pub alive: u64,
    /// Suspects that are gone.
    pub gone: u64,
    /// Silent subscribers that were not asked because too many were asked already.
    pub postponed: u64,
}

/// Who is watched, and who is suspected.
#[derive(Debug)]
pub struct Liveness {
    config: LivenessConfig,
    pub(super) suspects: HashMap<Key, Suspect>,
    /// How many of them are gone.
    gone: usize,
    /// When something is due about whom.
    due: BTreeSet<(Instant, Key)>,
    /// Ports without a carrier: whoever is behind them can't answer.
    down: HashSet<PortId>,
    pace: Pace,
    next_sweep: Option<Instant>,
    counters: Counters,
    commands: VecDeque<Command>,
}

impl Liveness {
    /// Watches from now on.
    pub fn new(config: LivenessConfig, now: Instant) -> Self {
        Self {
            next_sweep: (!config.is_off()).then(|| now + config.period),
            pace: Pace::new(config.rate, (config.rate / 10).max(1), now),
            suspects: HashMap::new(),
            gone: 0,
            due: BTreeSet::new(),
            down: HashSet::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            config,
        }
    }

    /// Whether somebody there who was last seen then is silent.
    pub fn is_silent(&self, fpc: FpcId, port: PortId, seen: Instant, now: Instant) -> bool {
        let watch = self.config.watch(fpc).filter(|_| !self.down.contains(&port));
        watch.is_some_and(|watch| seen + watch.silent_after <= now)
    }

    /// When a subscriber was last seen: the latest of all its routes, and not before its last login.
    pub fn handle_seen(&mut self, subscriber: Subscriber, seen: Instant, now: Instant) {
        let key = subscriber.key();
        let Some(watch) = self.config.watch(subscriber.fpc) else { return };
        if self.suspects.contains_key(&key) || !self.is_silent(subscriber.fpc, subscriber.line.port, seen, now) {
            return;
        }
        if self.suspects() >= self.config.suspects {
            self.counters.postponed += 1;
            return;
        }
        self.suspects.insert(key, Suspect { subscriber, watch, seen, state: State::Asked(0), told: false, next: now });
        self.due.insert((now, key));
    }

    /// A subscriber answered a probe, or said anything else.
    pub fn handle_answer(&mut self, line: Line, mac: [u8; 6]) {
        self.clear((line, mac));
    }

    /// A port has a carrier, or none. What happens to the subscribers behind it is then a restart's business.
    pub fn handle_port(&mut self, port: PortId, up: bool) {
        if up {
            self.down.remove(&port);
            return;
        }
        self.down.insert(port);
        let behind: Vec<Key> = self.suspects.keys().filter(|(line, _)| line.port == port).copied().collect();
        behind.into_iter().for_each(|key| self.forget(key));
    }

    /// Time has passed. `seen`: when a subscriber was last seen, `None` when it is none any more. `random`: for the pace.
    pub fn handle_timeout(
        &mut self,
        seen: impl Fn(&Subscriber) -> Option<Instant>,
        mut random: impl FnMut() -> u64,
        now: Instant,
    ) {
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.next_sweep = Some(now + self.config.period);
            let over = |suspect: &&Suspect| suspect.state == State::Gone && seen(&suspect.subscriber).is_none();
            let over: Vec<Key> = self.suspects.values().filter(over).map(|suspect| suspect.subscriber.key()).collect();
            over.into_iter().for_each(|key| self.forget(key));
            self.commands.push_back(Command::Sweep);
        }
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let Some(suspect) = self.suspects.get_mut(&key) else {
                self.due.remove(&(at, key));
                continue;
            };
            match seen(&suspect.subscriber) {
                None => {
                    self.forget(key);
                    continue;
                }
                Some(seen) if seen > suspect.seen => {
                    self.clear(key);
                    continue;
                }
                Some(_) => {}
            }
            let Suspect { subscriber, watch, told: again, .. } = *suspect;
            let (state, wait) = match suspect.state {
                State::Asked(asked) if asked < watch.probes.max(1) => {
                    if !self.pace.take(random(), now) {
                        return;
                    }
                    self.counters.probes += 1;
                    self.commands.push_back(Command::Probe(subscriber));
                    let last = asked + 1 >= watch.probes.max(1);
                    (State::Asked(asked + 1), if last { watch.patience + self.config.lag } else { watch.patience })
                }
                State::Asked(_) => {
                    self.counters.gone += 1;
                    self.commands.push_back(Command::Gone { subscriber, again });
                    suspect.told = true;
                    if self.gone >= self.config.suspects {
                        self.forget(key);
                        continue;
                    }
                    self.gone += 1;
                    (State::Gone, watch.silent_after)
                }
                State::Gone => {
                    self.gone -= 1;
                    (State::Asked(0), crate::time::Duration::ZERO)
                }
            };
            (suspect.state, suspect.next) = (state, now + wait);
            let next = suspect.next;
            self.due.remove(&(at, key));
            self.due.insert((next, key));
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| (*at).max(self.pace.ready()));
        [due, self.next_sweep].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Subscribers that are being asked.
    pub fn suspects(&self) -> usize {
        self.suspects.len() - self.gone
    }

    /// Counts since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn clear(&mut self, key: Key) {
        self.counters.alive += u64::from(self.suspects.contains_key(&key));
        self.forget(key);
    }

    fn forget(&mut self, key: Key) {
        if let Some(suspect) = self.suspects.remove(&key) {
            self.due.remove(&(suspect.next, key));
            self.gone -= usize::from(suspect.state == State::Gone);
        }
    }
}
