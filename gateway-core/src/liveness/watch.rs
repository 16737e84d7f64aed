//! All subscribers that are watched.

use core::net::IpAddr;
use std::collections::{BTreeSet, HashSet, VecDeque};

use hashbrown::HashMap;

use super::config::{LivenessConfig, Watch};
use crate::line::{FpcId, Line};
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
    /// One of its addresses: an IPv4 address is asked for by ARP, an IPv6 address by a neighbour solicitation.
    pub target: IpAddr,
}

type Key = (Line, [u8; 6]);

/// What is to be done, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Read when each watched subscriber was last seen, and say so by [`Liveness::handle_seen`].
    Sweep,
    /// The same for this one.
    Look(Subscriber),
    /// Ask it: an ARP request or a neighbour solicitation, by unicast to its MAC, on its line.
    Probe(Subscriber),
    /// It is gone.
    Gone(Subscriber),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// So many probes went unanswered.
    Asked(u8),
    /// The counters are read once more.
    Looking,
}

#[derive(Debug)]
struct Suspect {
    subscriber: Subscriber,
    watch: Watch,
    seen: Instant,
    state: State,
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
    suspects: HashMap<Key, Suspect>,
    /// When something is due about whom.
    due: BTreeSet<(Instant, Key)>,
    /// Cards whose links are down: whoever is behind them can't answer.
    down: HashSet<FpcId>,
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
            due: BTreeSet::new(),
            down: HashSet::new(),
            counters: Counters::default(),
            commands: VecDeque::new(),
            config,
        }
    }

    /// When a subscriber was last seen: the latest of all its routes, and not before its last login.
    pub fn handle_seen(&mut self, subscriber: Subscriber, seen: Instant, now: Instant) {
        let key = (subscriber.line, subscriber.mac);
        if let Some(suspect) = self.suspects.get(&key) {
            if seen > suspect.seen {
                self.clear(key);
            } else if suspect.state == State::Looking {
                let subscriber = suspect.subscriber;
                self.forget(key);
                self.counters.gone += 1;
                self.commands.push_back(Command::Gone(subscriber));
            }
            return;
        }
        let watch = self.config.watch(subscriber.fpc).filter(|_| !self.down.contains(&subscriber.fpc));
        let Some(watch) = watch.filter(|watch| seen + watch.silent_after <= now) else { return };
        if self.suspects.len() >= self.config.suspects {
            self.counters.postponed += 1;
            return;
        }
        self.suspects.insert(key, Suspect { subscriber, watch, seen, state: State::Asked(0), next: now });
        self.due.insert((now, key));
    }

    /// A subscriber answered a probe, or said anything else that the data plane does not count.
    pub fn handle_answer(&mut self, line: Line, mac: [u8; 6]) {
        self.clear((line, mac));
    }

    /// A subscriber is not there any more, for another reason.
    pub fn handle_ended(&mut self, line: Line, mac: [u8; 6]) {
        self.forget((line, mac));
    }

    /// The links of a line card went down, or came back. What happens to its subscribers is then its restart's business.
    pub fn handle_card(&mut self, fpc: FpcId, up: bool) {
        if up {
            self.down.remove(&fpc);
            return;
        }
        self.down.insert(fpc);
        let behind = self.suspects.iter().filter(|(_, suspect)| suspect.subscriber.fpc == fpc);
        let behind: Vec<Key> = behind.map(|(key, _)| *key).collect();
        behind.into_iter().for_each(|key| self.forget(key));
    }

    /// Time has passed. `random`: for the pace.
    pub fn handle_timeout(&mut self, mut random: impl FnMut() -> u64, now: Instant) {
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.next_sweep = Some(now + self.config.period);
            self.commands.push_back(Command::Sweep);
        }
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let Some(suspect) = self.suspects.get_mut(&key) else {
                self.due.remove(&(at, key));
                continue;
            };
            let State::Asked(asked) = suspect.state else {
                self.forget(key); // nobody looked: the next sweep will tell
                continue;
            };
            let command = if asked < suspect.watch.probes.max(1) {
                if !self.pace.take(random(), now) {
                    return;
                }
                self.counters.probes += 1;
                suspect.state = State::Asked(asked + 1);
                Command::Probe(suspect.subscriber)
            } else {
                suspect.state = State::Looking;
                Command::Look(suspect.subscriber)
            };
            suspect.next = now + suspect.watch.patience;
            let next = suspect.next;
            self.due.remove(&(at, key));
            self.due.insert((next, key));
            self.commands.push_back(command);
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
        self.suspects.len()
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
        }
    }
}
