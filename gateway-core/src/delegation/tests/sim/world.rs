//! Servers, their disks, their network and what happens to them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::hosts::Hosts;
use crate::delegation::tests::lab::config;
use crate::delegation::{Command, Delegation, DelegationConfig, Policy, Proof, Proven, Usage};
use crate::seeds::Random;
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(600);
/// Everything goes wrong that long.
const TROUBLE: Duration = Duration::from_secs(16 * 3600);
/// And then so long nothing does: leases end, and what a start has made of them.
const PEACE: Duration = Duration::from_secs(36 * 3600);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topology {
    Hierarchy,
    Peers,
    Mixture,
}

struct Server {
    config: DelegationConfig,
    /// `None`: it is down.
    core: Option<Delegation>,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    hosts: Hosts,
    lacking: bool,
    /// When the core wants to be woken.
    timer: Option<Instant>,
    /// What it was told last.
    reported: BTreeMap<Subnet, Usage>,
}

enum Event {
    Arrive { to: Ipv4Addr, from: Ipv4Addr, octets: Vec<u8>, proven: Proven },
    Start(usize),
    Tick,
}

pub(super) struct World {
    now: Instant,
    random: Random,
    talk: bool,
    /// Of 1000.
    loss: u64,
    doubling: u64,
    dying: u64,
    trouble: bool,
    servers: Vec<Server>,
    entered: Vec<(usize, Subnet)>,
    events: BTreeMap<(Instant, u64), Event>,
    numbered: u64,
}

impl World {
    pub(super) fn new(topology: Topology, seed: u64, talk: bool) -> Self {
        let mut random = Random::new(seed);
        let count = random.range(2, 9) as usize;
        let peers = match topology {
            Topology::Hierarchy => 1,
            Topology::Peers => count,
            Topology::Mixture => random.range(2, 4).min(count as u64) as usize,
        };
        let policy = Policy {
            lease: Duration::from_secs(random.range(1, 5) * 3600),
            allow_smaller: random.chance(500),
            push_above_percent: random.range(30, 110) as u8,
            own_prefixes: (26, 29),
            unused_most: 64,
            patience: random.range(1, 4) as u8,
            spare_for: Duration::from_secs(1800),
            idle_for: Duration::from_secs(600),
            ..Policy::default()
        };
        let servers = (0..count).map(|number| {
            let providers: Vec<u8> = if number < peers {
                (0..peers).filter(|other| *other != number).map(|other| other as u8 + 1).collect()
            } else {
                vec![random.range(0, number as u64) as u8 + 1]
            };
            let config = DelegationConfig { policy: policy.clone(), ..config(number as u8 + 1, &providers) };
            let (disk, hosts) = (BTreeMap::new(), Hosts::default());
            Server { config, core: None, disk, hosts, lacking: false, timer: None, reported: BTreeMap::new() }
        });
        let servers: Vec<Server> = servers.collect();
        let mut entered = vec![(0, "10.0.0.0/23".parse().unwrap())];
        if peers > 1 {
            entered.push((1, "10.9.0.0/24".parse().unwrap()));
        }
        let (loss, doubling, dying) = (random.range(0, 150), random.range(0, 150), random.range(0, 6));
        let now = Instant::ZERO + Duration::from_secs(100);
        let (events, trouble) = (BTreeMap::new(), true);
        Self { now, random, talk, loss, doubling, dying, trouble, servers, entered, events, numbered: 0 }
    }

    pub(super) fn run(mut self) {
        for index in 0..self.servers.len() {
            let after = Duration::from_secs(self.random.range(0, 60));
            self.schedule(after, Event::Start(index));
        }
        self.schedule(TICK, Event::Tick);
        self.until(self.now + TROUBLE);
        self.trouble = false;
        self.until(self.now + PEACE);
        self.check_returned();
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.numbered += 1;
        self.events.insert((self.now + after, self.numbered), event);
    }

    fn until(&mut self, end: Instant) {
        for _ in 0..1_000_000 {
            let timers = self.servers.iter().enumerate();
            let timer = timers.filter_map(|(index, server)| Some((server.timer?, index))).min();
            let event = self.events.keys().next().copied();
            let due = timer.map(|(due, _)| due).into_iter().chain(event.map(|(due, _)| due)).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            match event.filter(|(at, _)| *at <= due) {
                Some(key) => {
                    let Some(event) = self.events.remove(&key) else { continue };
                    self.happen(event);
                }
                None => {
                    let now = self.now;
                    timer.into_iter().for_each(|(_, index)| self.act(index, |core| core.handle_timeout(now)));
                }
            }
        }
        panic!("time stands still at {:?}", self.now);
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrive { to, from, octets, proven } => {
                let index = self.servers.iter().position(|server| server.config.address == to);
                let Some(index) = index else { return };
                self.act(index, |core| {
                    core.handle_message(&octets, from, proven, now);
                });
            }
            Event::Start(index) => self.start(index),
            Event::Tick => {
                (0..self.servers.len()).for_each(|index| self.tick(index));
                let next = if self.trouble { TICK } else { TICK * 3 };
                self.schedule(next, Event::Tick);
            }
        }
    }

    fn start(&mut self, index: usize) {
        let (now, number) = (self.now, self.random.next());
        let server = &mut self.servers[index];
        let records = server.disk.iter().map(|(key, value)| (&key[..], &value[..]));
        server.core = Some(Delegation::new(server.config.clone(), records, number, now));
        server.lacking = false;
        if self.talk {
            println!("{now:?} {index} starts");
        }
        for (at, subnet) in self.entered.clone() {
            if at == index {
                // Entered by the configuration at every start: the second time it is known.
                self.act(index, |core| {
                    let _ = core.handle_add(subnet, None, now);
                });
            }
        }
        self.act(index, |_| {});
        for (subnet, usage) in self.servers[index].hosts.in_force(now) {
            self.act(index, |core| core.handle_usage(&subnet, usage, now));
        }
    }

    fn tick(&mut self, index: usize) {
        let now = self.now;
        if self.random.chance(25) {
            self.servers[index].hosts.target = self.random.range(0, 120) as usize;
        }
        if !self.trouble {
            self.servers[index].hosts.target = 0;
        }
        if self.servers[index].core.is_none() {
            self.servers[index].hosts.held.values_mut().for_each(|held| held.hosts.retain(|end| *end > now));
            return;
        }
        let lacking = self.servers[index].hosts.tick(now);
        if lacking > 0 || self.servers[index].lacking {
            self.servers[index].lacking = lacking > 0;
            self.act(index, |core| core.handle_need(lacking as u32, now));
        }
        for (subnet, usage) in self.servers[index].hosts.usage() {
            if self.servers[index].reported.insert(subnet, usage) != Some(usage) {
                self.act(index, |core| core.handle_usage(&subnet, usage, now));
            }
        }
        if self.servers[index].core.is_some() {
            for subnet in self.servers[index].hosts.drained(now) {
                self.servers[index].reported.remove(&subnet);
                self.act(index, |core| core.handle_drained(&subnet, now));
            }
        }
    }

    /// Something happens at a server that is up; it may die while it carries out what follows.
    fn act(&mut self, index: usize, act: impl FnOnce(&mut Delegation)) {
        let Some(core) = &mut self.servers[index].core else { return };
        act(core);
        core.space.check();
        while let Some(command) = self.servers[index].core.as_mut().and_then(Delegation::poll_command) {
            if self.talk {
                let text = match &command {
                    Command::Send { to, message, .. } => format!("send {to} {}", crate::hex(&message[236..])),
                    Command::Persist { key, .. } => format!("persist {}", crate::hex(key)),
                    other => format!("{other:?}"),
                };
                println!("{:?} {index} {text}", self.now);
            }
            self.carry_out(index, command);
            if self.trouble && self.random.next() % 10_000 < self.dying {
                return self.die(index);
            }
        }
        self.servers[index].timer = self.servers[index].core.as_ref().and_then(Delegation::poll_timeout);
    }

    fn carry_out(&mut self, index: usize, command: Command) {
        let server = &mut self.servers[index];
        match command {
            Command::Persist { key, value } => drop(server.disk.insert(key, value)),
            Command::Forget { key } => drop(server.disk.remove(&key)),
            Command::Assign(assignment) => {
                self.check_alone(index, &assignment.subnet);
                self.servers[index].hosts.assign(assignment.subnet, assignment.until);
            }
            Command::StopAssigning { subnet } | Command::Gone { subnet } => server.hosts.stop(&subnet),
            Command::Send { to, message, proof, .. } => {
                let from = server.config.address;
                let proven = if proof == Proof::Signed { Proven::Yes } else { Proven::No };
                self.send(from, to, message, proven);
            }
            Command::Tell(_) => {}
        }
    }

    fn send(&mut self, from: Ipv4Addr, to: Ipv4Addr, octets: Vec<u8>, proven: Proven) {
        let copies = if self.trouble && self.random.chance(self.doubling) { 2 } else { 1 };
        for copy in 0..copies {
            if self.trouble && self.random.chance(self.loss) {
                continue;
            }
            // A second one may be a minute late, which is less than a subnet rests for.
            let late = if copy > 0 { self.random.range(1, 60_000) } else { self.random.range(1, 300) };
            self.schedule(Duration::from_millis(late), Event::Arrive { to, from, octets: octets.clone(), proven });
        }
    }

    fn die(&mut self, index: usize) {
        let server = &mut self.servers[index];
        (server.core, server.timer) = (None, None);
        server.reported.clear();
        // Its address server is the same process; its leases are on its disk.
        server.hosts.held.values_mut().for_each(|held| held.open = false);
        let down = Duration::from_secs(self.random.range(1, 3600));
        if self.talk {
            println!("{:?} {index} dies for {down:?}", self.now);
        }
        self.schedule(down, Event::Start(index));
    }

    /// No address can be used at two servers.
    fn check_alone(&self, index: usize, subnet: &Subnet) {
        for (other, server) in self.servers.iter().enumerate().filter(|(other, _)| *other != index) {
            for (held, state) in server.hosts.held.iter().filter(|(held, _)| held.overlaps(subnet)) {
                let busy = state.busy_until();
                assert!(
                    busy <= self.now,
                    "{:?}: {subnet} at {index} while {held} at {other} is in use until {busy:?}",
                    self.now
                );
            }
        }
    }

    /// All space is back where it was entered, in one piece.
    fn check_returned(&self) {
        for (index, server) in self.servers.iter().enumerate() {
            let view = server.core.as_ref().expect("it has come back").view(self.now);
            let entered: Vec<Subnet> =
                self.entered.iter().filter(|(at, _)| *at == index).map(|(_, subnet)| *subnet).collect();
            let roots: Vec<Subnet> = view.roots.iter().map(|root| root.subnet).collect();
            assert_eq!(roots, entered, "server {index} has what is not its own");
            for root in &view.roots {
                let whole = matches!(&root.blocks[..], [block] if block.holder == crate::delegation::Holder::Pool);
                assert!(whole, "server {index}: not all is back: {:?}", root.blocks);
            }
        }
    }
}
