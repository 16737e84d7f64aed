//! All members, and what happens next.

use core::cmp::Reverse;
use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::rc::Rc;

use gateway_common::unit::Unit;

use super::clients::{CLIENTS, Client};
use super::network::{Micros, Network};
use super::node::Node;
use super::shell::{Sharing, Shell, wall_clock};
use crate::cluster::tests::bench::dhcp;
use crate::cluster::{Cluster, ClusterConfig, Disposition, HeldFrame, PeerEvent};
use crate::member::MemberId;
use crate::seeds::Random;
use crate::time::Duration;
use crate::wire::cluster::{Body, Header};

/// Threads wake late by up to this.
pub(super) const LATE: Micros = 3_000;

#[derive(Debug)]
pub(super) enum Happening {
    Datagram {
        from: usize,
        to: usize,
        boot: u64,
        header: Header,
        body: Rc<Body>,
    },
    Wakeup {
        node: usize,
        wakeup: u64,
    },
    Connect {
        a: usize,
        b: usize,
    },
    Disconnect {
        a: usize,
        b: usize,
    },
    Octets {
        from: usize,
        to: usize,
        connection: u64,
    },
    Turn {
        node: usize,
        boot: u64,
    },
    Timeout {
        node: usize,
        turn: u64,
    },
    Inputs {
        node: usize,
        boot: u64,
    },
    Approved {
        node: usize,
        boot: u64,
        member: MemberId,
    },
    Resume {
        node: usize,
    },
    /// A frame of data reaches a member; its user space, if it was held; or is served there after all.
    Data {
        node: usize,
        unit: usize,
        number: usize,
    },
    Held {
        node: usize,
        boot: u64,
        unit: usize,
        number: usize,
    },
    Injected {
        node: usize,
        unit: usize,
        number: usize,
    },
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Micros,
    pub(super) nodes: Vec<Node>,
    pub(super) network: Network,
    pub(super) random: Random,
    /// Who is connected, and by which connection.
    pub(super) connected: BTreeMap<(usize, usize), u64>,
    connections: u64,
    /// What is under way on each stream.
    pub(super) streams: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    pub(super) clients: Vec<Client>,
    /// Leases that were given.
    pub(super) leases: u64,
    pub(super) sharing: Sharing,
    /// Who owns each unit's DHCP, and who its data.
    pub(super) dhcp: Vec<BTreeSet<usize>>,
    pub(super) data: Vec<BTreeSet<usize>>,
    /// Units that seem to have too many owners.
    pub(super) contested: BTreeSet<usize>,
    /// Invariants of a quorum are checked.
    pub(super) strict: bool,
    pub(super) injected: u64,
    /// How often each frame of data was served.
    pub(super) served: Vec<u8>,
    /// Frames of data that were served after they had been held.
    pub(super) rescued: u64,
    /// Units that began without all changes of their former owners.
    pub(super) incomplete: u64,
    pub(super) config: ClusterConfig,
    queue: BinaryHeap<Reverse<(Micros, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    numbered: u64,
    talk: bool,
    /// Everything that happens to this unit is said (UNIT=n).
    pub(super) watched: Option<usize>,
}

pub(super) fn id(node: usize) -> MemberId {
    MemberId::new(node as u8 + 1).expect("few members")
}

pub(super) fn ip(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, node as u8 + 1)
}

impl World {
    pub(super) fn new(config: ClusterConfig, sharing: Sharing, seed: u64, talk: bool) -> Self {
        let mut random = Random::new(seed);
        let members = config.members.len();
        Self {
            now: 1_000_000,
            nodes: (0..members).map(|_| Node::new(&mut random)).collect(),
            network: Network::new(members),
            random,
            connected: BTreeMap::new(),
            connections: 0,
            streams: BTreeMap::new(),
            clients: vec![Client::default(); if sharing.six { 2 * CLIENTS } else { CLIENTS }],
            leases: 0,
            sharing,
            dhcp: vec![BTreeSet::new(); 1024],
            data: vec![BTreeSet::new(); 1024],
            contested: BTreeSet::new(),
            strict: config.quorum == crate::cluster::Quorum::Majority,
            injected: 0,
            served: Vec::new(),
            rescued: 0,
            incomplete: 0,
            config,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            numbered: 0,
            talk,
            watched: crate::seeds::number("UNIT").map(|unit| unit as usize),
        }
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.talk {
            println!("{:>10.3} ms  {}", self.now as f64 / 1000.0, what());
        }
    }

    pub(super) fn after(&mut self, delay: Micros, happening: Happening) {
        self.numbered += 1;
        self.queue.push(Reverse((self.now + delay, self.numbered)));
        self.happenings.insert(self.numbered, happening);
    }

    /// A process starts, with what its disk holds.
    pub(super) fn start(&mut self, node: usize) {
        let seed = self.random.next();
        let config = ClusterConfig { me: id(node), ..self.config.clone() };
        let clock = self.nodes[node].clock(self.now);
        let machine = &mut self.nodes[node];
        machine.cluster = Some(Cluster::new(config, seed, clock));
        machine.boot += 1;
        (machine.seq, machine.paused) = (0, None);
        let wall = wall_clock(clock, Duration::from_micros(self.now), machine.skew);
        let disk = core::mem::take(&mut machine.disk);
        machine.shell = Some(Shell::new(id(node), machine.boot, disk, self.sharing, wall, clock));
        machine.heard.clear();
        self.say(|| format!("member {} starts", id(node)));
        self.reconnect(node);
        self.carry_out(node);
    }

    /// A process dies, and its data plane with it.
    pub(super) fn kill(&mut self, node: usize) {
        self.say(|| format!("member {} dies", id(node)));
        let machine = &mut self.nodes[node];
        machine.cluster = None;
        machine.paused = None;
        machine.inputs.clear();
        if let Some(shell) = machine.shell.take() {
            let all = 0..self.clients.len();
            machine.stored = all.filter_map(|client| Some((client, shell.lease(client)?))).collect();
            machine.disk = shell.tables.disk;
        }
        self.silence(node);
        for other in 0..self.nodes.len() {
            if self.connected.contains_key(&pair(node, other)) {
                let notice = self.random.range(100, 50_000);
                let (a, b) = pair(node, other);
                self.after(notice, Happening::Disconnect { a, b });
            }
        }
    }

    fn silence(&mut self, node: usize) {
        for unit in 0..1024 {
            self.rule(node, unit, Disposition::Foreign, Disposition::Foreign);
        }
        self.nodes[node].fenced = true;
        self.nodes[node].answers = false;
        self.nodes[node].keeper = None;
    }

    pub(super) fn pause(&mut self, node: usize, time: Micros) {
        self.say(|| format!("member {} stands still for {} ms", id(node), time / 1000));
        self.nodes[node].paused = Some(self.now + time);
        self.after(time, Happening::Resume { node });
    }

    /// Connections that could stand again do so after a while.
    pub(super) fn reconnect(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let delay = self.random.range(1_000, 60_000);
            let (a, b) = pair(node, other);
            self.after(delay, Happening::Connect { a, b });
        }
    }

    /// Runs until then.
    pub(super) fn run_until(&mut self, end: Micros) {
        while let Some(Reverse((time, number))) = self.queue.peek().copied().filter(|Reverse((time, _))| *time <= end) {
            self.queue.pop();
            self.now = time;
            let happening = self.happenings.remove(&number).expect("each happens once");
            self.happen(happening);
        }
        self.now = end;
    }

    fn alive(&self, node: usize, boot: u64) -> bool {
        self.nodes[node].boot == boot && self.nodes[node].cluster.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        // What arrives at a machine that stands still is waiting for it when it goes on.
        let held_by = match &happening {
            Happening::Datagram { to, .. } | Happening::Octets { to, .. } => Some(*to),
            Happening::Wakeup { node, .. }
            | Happening::Turn { node, .. }
            | Happening::Timeout { node, .. }
            | Happening::Inputs { node, .. }
            | Happening::Approved { node, .. } => Some(*node),
            _ => None,
        };
        if let Some(until) = held_by.and_then(|node| self.nodes[node].paused) {
            let delay = until - self.now + self.random.range(1, 2_000);
            return self.after(delay, happening);
        }
        match happening {
            Happening::Datagram { from, to, boot, header, body } => self.deliver(from, to, boot, &header, &body),
            Happening::Wakeup { node, wakeup } if self.nodes[node].wakeup == wakeup => {
                self.with(node, |cluster, now| cluster.handle_timeout(now));
            }
            Happening::Connect { a, b } => self.connect(a, b),
            Happening::Disconnect { a, b } => {
                let stands = self.network.carries(a, b) && self.network.carries(b, a);
                let dead = self.nodes[a].cluster.is_none() || self.nodes[b].cluster.is_none();
                if (!stands || dead) && self.connected.remove(&(a, b)).is_some() {
                    self.peer(a, b, PeerEvent::Lost);
                    self.peer(b, a, PeerEvent::Lost);
                }
            }
            Happening::Octets { from, to, connection } => self.octets(from, to, connection),
            Happening::Turn { node, boot } if self.alive(node, boot) => self.turn(node),
            Happening::Timeout { node, turn } if self.nodes[node].turn == turn => self.turn(node),
            Happening::Inputs { node, boot } if self.alive(node, boot) => self.inputs(node),
            Happening::Approved { node, boot, member } if self.alive(node, boot) => {
                self.with(node, |cluster, now| cluster.handle_approval(member, true, now));
            }
            Happening::Resume { node } if self.nodes[node].paused.is_some_and(|until| until <= self.now) => {
                self.nodes[node].paused = None;
                self.say(|| format!("member {} goes on", id(node)));
                self.with(node, |cluster, now| cluster.handle_timeout(now));
            }
            Happening::Data { node, unit, number } => self.data(node, unit, number),
            Happening::Held { node, boot, unit, number } if self.alive(node, boot) => {
                self.data_held(node, unit, number)
            }
            Happening::Injected { node, unit, number } => self.injected(node, unit, number),
            _ => {}
        }
        self.check();
    }

    fn connect(&mut self, a: usize, b: usize) {
        let stands = self.network.carries(a, b) && self.network.carries(b, a);
        if !stands || !self.nodes[a].acts() || !self.nodes[b].acts() {
            if self.nodes[a].cluster.is_some() && self.nodes[b].cluster.is_some() {
                let delay = self.random.range(100_000, 300_000);
                self.after(delay, Happening::Connect { a, b });
            }
            return;
        }
        // The keys of this life.
        for (one, other) in [(a, b), (b, a)] {
            let boot = self.nodes[other].boot;
            if self.nodes[one].heard.get(&other).is_none_or(|(life, _)| *life != boot) {
                self.nodes[one].heard.insert(other, (boot, 0));
            }
        }
        self.connections += 1;
        if self.connected.insert((a, b), self.connections).is_some() {
            self.peer(a, b, PeerEvent::Lost);
            self.peer(b, a, PeerEvent::Lost);
        }
        self.peer(a, b, PeerEvent::Connected);
        self.peer(b, a, PeerEvent::Connected);
    }

    /// A member closes its connection with another.
    pub(super) fn part(&mut self, node: usize, other: usize) {
        let (a, b) = pair(node, other);
        if self.connected.remove(&(a, b)).is_some() {
            self.say(|| format!("        {} closes its stream to {}", id(node), id(other)));
            self.peer(a, b, PeerEvent::Lost);
            self.peer(b, a, PeerEvent::Lost);
            let delay = self.random.range(100_000, 300_000);
            self.after(delay, Happening::Connect { a, b });
        }
    }

    fn deliver(&mut self, from: usize, to: usize, boot: u64, header: &Header, body: &Body) {
        if self.nodes[to].cluster.is_none() {
            return;
        }
        // The key of a life, and numbers that only grow.
        match self.nodes[to].heard.get_mut(&from) {
            Some((life, last)) if *life == boot && header.seq > *last => *last = header.seq,
            _ => return,
        }
        self.with(to, |cluster, now| cluster.handle_datagram(ip(from), header, body, now));
    }

    /// A DHCP packet for a unit reaches all who listen.
    pub(super) fn packet(&mut self, unit: usize) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].acts() && self.nodes[node].rules[unit].1 == Disposition::Held {
                let unit = Unit::new(unit as u16).expect("a unit");
                let frame = HeldFrame { port: Some(1), frame: dhcp() };
                self.with(node, |cluster, now| cluster.handle_held(unit, frame, now));
            }
        }
    }
}

pub(super) fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
