//! Servers, their disks, and what happens to them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::hosts::Hosts;
use super::wire::Datagram;
use crate::delegation::tests::lab::{at, config};
use crate::delegation::{Command, Delegation, DelegationConfig, Entry, Lessees, Policy, Usage};
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

pub(super) struct Server {
    pub(super) config: DelegationConfig,
    /// `None`: it is down.
    pub(super) core: Option<Delegation>,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) hosts: Hosts,
    /// When the core wants to be woken.
    timer: Option<Instant>,
    /// What it was told last.
    reported: BTreeMap<Subnet, Usage>,
    /// What it may give, as it was seen last.
    pub(super) usable: Vec<Subnet>,
    /// Its disk was lost at least once.
    pub(super) has_lost: bool,
    /// Messages that it has sent, and the last that it believed of each other.
    pub(super) sent: u64,
    pub(super) seen: BTreeMap<Ipv4Addr, u64>,
    /// It is cut off until then.
    pub(super) cut_until: Instant,
}

/// A subnet that an operator has entered.
pub(super) struct Entered {
    pub(super) at: usize,
    pub(super) subnet: Subnet,
    maximum: Option<Duration>,
    /// It was taken away again.
    pub(super) removed: bool,
}

pub(super) enum Event {
    Arrive(Datagram),
    Start(usize),
    Tick,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) random: Random,
    talk: bool,
    /// Of 1000.
    pub(super) loss: u64,
    pub(super) doubling: u64,
    /// Of 10,000 commands.
    dying: u64,
    /// Of 1000 deaths, those that take the disk along.
    losing: u64,
    /// Of 1000, at each tick.
    removing: u64,
    cutting: u64,
    /// All share a key, and heed nothing else.
    pub(super) keyed: bool,
    pub(super) trouble: bool,
    pub(super) servers: Vec<Server>,
    pub(super) entered: Vec<Entered>,
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
        let keyed = random.chance(400);
        let quota = random.chance(250).then(|| 1 << random.range(6, 9));
        let providers: Vec<Vec<u8>> = (0..count)
            .map(|number| match number < peers {
                true => (0..peers).filter(|other| *other != number).map(|other| other as u8 + 1).collect(),
                false => vec![random.range(0, number as u64) as u8 + 1],
            })
            .collect();
        let is_asked = |number: usize| providers.iter().any(|asked| asked.contains(&(number as u8 + 1)));
        let servers = (0..count).map(|number| {
            let policy = Policy { quota, ..policy(&mut random) };
            let mut config =
                DelegationConfig { policy, authenticate: keyed, ..config(number as u8 + 1, &providers[number]) };
            if !is_asked(number) {
                // Nobody asks it: it hands nothing on, or does not even assign what it has.
                let kind = random.range(0, 4);
                config.lessees = if kind < 2 { Lessees::Nobody } else { Lessees::Anyone };
                config.reserve = (kind == 0).then(|| at(number as u8 + 101));
            }
            Server {
                config,
                core: None,
                disk: BTreeMap::new(),
                hosts: Hosts::default(),
                timer: None,
                reported: BTreeMap::new(),
                usable: Vec::new(),
                has_lost: false,
                sent: 0,
                seen: BTreeMap::new(),
                cut_until: Instant::ZERO,
            }
        });
        let servers: Vec<Server> = servers.collect();
        let mut entered = vec![(0, "10.0.0.0/23")];
        if peers > 1 {
            entered.push((1, "10.9.0.0/24"));
        }
        let entered = entered.into_iter().map(|(at, subnet)| {
            let maximum = random.chance(300).then(|| Duration::from_secs(random.range(1800, 7200)));
            Entered { at, subnet: subnet.parse().unwrap(), maximum, removed: false }
        });
        Self {
            now: Instant::ZERO + Duration::from_secs(100),
            entered: entered.collect(),
            loss: random.range(0, 150),
            doubling: random.range(0, 150),
            dying: random.range(0, 6),
            losing: if random.chance(500) { random.range(50, 500) } else { 0 },
            removing: if random.chance(300) { random.range(5, 40) } else { 0 },
            cutting: if random.chance(300) { random.range(5, 40) } else { 0 },
            random,
            talk,
            keyed,
            trouble: true,
            servers,
            events: BTreeMap::new(),
            numbered: 0,
        }
    }

    pub(super) fn run(mut self) {
        for index in 0..self.servers.len() {
            let after = Duration::from_secs(self.random.range(0, 60));
            self.schedule(after, Event::Start(index));
        }
        self.schedule(TICK, Event::Tick);
        self.until(self.now + TROUBLE);
        self.trouble = false;
        // Devices keep a subnet as long as they live, so they are gone for good now.
        for index in 0..self.servers.len() {
            if self.servers[index].config.reserve.is_some() {
                self.end(index);
            }
        }
        self.until(self.now + PEACE);
        self.check_returned();
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
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
        match event {
            Event::Arrive(datagram) => self.arrive(datagram),
            Event::Start(index) => self.start(index),
            Event::Tick => {
                (0..self.servers.len()).for_each(|index| self.tick(index));
                (0..self.entered.len()).for_each(|entry| self.enter_or_remove(entry));
                let next = if self.trouble { TICK } else { TICK * 3 };
                self.schedule(next, Event::Tick);
            }
        }
    }

    fn start(&mut self, index: usize) {
        let (now, number) = (self.now, self.random.next());
        let server = &mut self.servers[index];
        if !self.trouble && server.config.reserve.is_some() {
            return; // it was to come back, and is gone for good
        }
        let records = server.disk.iter().map(|(key, value)| (&key[..], &value[..]));
        server.core = Some(Delegation::new(server.config.clone(), records, number, now));
        self.talk(index, "starts");
        for entry in 0..self.entered.len() {
            // Entered by the configuration at every start: the second time it is known.
            if self.entered[entry].at == index && !self.entered[entry].removed {
                self.enter(entry);
            }
        }
        self.act(index, |_| {});
        for (subnet, usage) in self.servers[index].hosts.in_force(now) {
            self.act(index, |core| core.handle_usage(&subnet, usage, now));
        }
    }

    /// An operator knows that nobody has anything of a subnet, unless its server has lost its disk.
    fn enter(&mut self, entry: usize) {
        let Entered { at, subnet, maximum, .. } = self.entered[entry];
        let (fresh, now) = (!self.servers[at].has_lost, self.now);
        self.act(at, |core| {
            let _ = core.handle_enter(Entry { subnet, maximum, fresh }, now);
        });
    }

    fn enter_or_remove(&mut self, entry: usize) {
        let Entered { at, subnet, removed, .. } = self.entered[entry];
        if !self.trouble || self.servers[at].core.is_none() || !self.random.chance(self.removing) {
            return;
        }
        self.entered[entry].removed = !removed;
        self.talk(at, &format!("{subnet} {}", if removed { "is entered" } else { "is removed" }));
        let now = self.now;
        match removed {
            true => self.enter(entry),
            false => self.act(at, |core| {
                core.handle_remove(&subnet, now);
            }),
        }
    }

    fn tick(&mut self, index: usize) {
        let (now, is_device) = (self.now, self.servers[index].config.reserve.is_some());
        if self.random.chance(25) {
            self.servers[index].hosts.target = if is_device { 0 } else { self.random.range(0, 120) as usize };
            self.servers[index].hosts.reserved_target = self.random.range(0, 40) as usize;
        }
        if self.random.chance(self.cutting) {
            self.servers[index].cut_until = now + Duration::from_secs(self.random.range(60, 3 * 3600));
        }
        if !self.trouble {
            (self.servers[index].hosts.target, self.servers[index].hosts.reserved_target) = (0, 0);
        }
        let server = &mut self.servers[index];
        if server.core.is_none() {
            server.hosts.held.values_mut().for_each(|held| held.hosts.retain(|end| *end > now));
            server.hosts.forgotten.retain(|(_, end)| *end > now);
            return;
        }
        server.hosts.stay_or_go(now);
        self.act(index, |_| {});
    }

    /// Something happens at a server that is up; it may die while it carries out what follows.
    pub(super) fn act(&mut self, index: usize, act: impl FnOnce(&mut Delegation)) {
        let Some(core) = &mut self.servers[index].core else { return };
        act(core);
        for _ in 0..100 {
            while let Some(command) = self.servers[index].core.as_mut().and_then(Delegation::poll_command) {
                self.carry_out(index, command);
                if self.trouble && self.random.next() % 10_000 < self.dying {
                    self.die(index);
                    return self.check_space(index);
                }
            }
            self.check_space(index);
            if !self.tell(index) {
                self.servers[index].timer = self.servers[index].core.as_ref().and_then(Delegation::poll_timeout);
                return;
            }
        }
        panic!("server {index} never has enough");
    }

    /// The core is told what is lacking and used, whenever that has changed, as the shell tells it; whether it was.
    fn tell(&mut self, index: usize) -> bool {
        let (now, server) = (self.now, &mut self.servers[index]);
        let Some(core) = &mut server.core else { return false };
        let (lacking, known) = (server.hosts.come(now) as u32, core.need());
        let is_news = lacking != known && (lacking <= known / 2 || lacking >= known * 2);
        if is_news {
            core.handle_need(lacking, now);
        }
        let mut told = is_news;
        for (subnet, usage) in server.hosts.usage() {
            if server.reported.insert(subnet, usage) != Some(usage) {
                core.handle_usage(&subnet, usage, now);
                told = true;
            }
        }
        for subnet in server.hosts.drained(now) {
            server.reported.remove(&subnet);
            core.handle_drained(&subnet, now);
            told = true;
        }
        told
    }

    fn carry_out(&mut self, index: usize, command: Command) {
        if self.talk {
            let text = match &command {
                Command::Send { to, message, .. } => format!("send {to} {}", crate::hex(&message[236..])),
                Command::Persist { key, .. } => format!("persist {}", crate::hex(key)),
                other => format!("{other:?}"),
            };
            self.talk(index, &text);
        }
        let now = self.now;
        let server = &mut self.servers[index];
        match command {
            Command::Persist { key, value } => drop(server.disk.insert(key, value)),
            Command::Forget { key } => drop(server.disk.remove(&key)),
            Command::Assign(assignment) => {
                let subnet = assignment.subnet;
                // As the address server does, which has leases there.
                let is_in_the_way = |held: &Subnet| *held != subnet && held.overlaps(&subnet);
                if server.hosts.held.keys().any(is_in_the_way) {
                    server.core.iter_mut().for_each(|core| core.handle_unassignable(&subnet, now));
                    return;
                }
                self.check_alone(index, &assignment);
                self.servers[index].hosts.assign(&assignment);
            }
            Command::StopAssigning { subnet } | Command::Gone { subnet } => {
                server.reported.remove(&subnet);
                server.hosts.stop(&subnet);
            }
            Command::Send { to, message, proof, .. } => self.send(index, to, message, proof),
            Command::Tell(_) => {}
        }
    }

    fn die(&mut self, index: usize) {
        self.end(index);
        let server = &mut self.servers[index];
        if self.random.chance(self.losing) {
            server.disk.clear();
            server.seen.clear();
            server.hosts.forget();
            server.has_lost = true;
            self.talk(index, "loses its disk");
        }
        let down = Duration::from_secs(self.random.range(1, 3600));
        self.talk(index, &format!("dies for {down:?}"));
        self.schedule(down, Event::Start(index));
    }

    /// Its address server is the same process; its leases are on its disk.
    fn end(&mut self, index: usize) {
        let server = &mut self.servers[index];
        (server.core, server.timer) = (None, None);
        server.reported.clear();
        server.usable.clear();
        server.hosts.held.values_mut().for_each(|held| held.open = false);
    }

    fn talk(&self, index: usize, text: &str) {
        if self.talk {
            println!("{:?} {index} {text}", self.now);
        }
    }
}

/// All servers have the same rules, and numbers of their own in them.
fn policy(random: &mut Random) -> Policy {
    Policy {
        lease: Duration::from_secs(random.range(1, 5) * 3600),
        allow_smaller: random.chance(500),
        push_above_percent: random.range(30, 110) as u8,
        own_prefixes: (26, 29),
        unused_most: 64,
        patience: random.range(1, 4) as u8,
        spare_for: Duration::from_secs(1800),
        idle_for: Duration::from_secs(600),
        initial_group: random.range(1, 15) as u32,
        wanted_lease: random.chance(300).then(|| Duration::from_secs(random.range(600, 6 * 3600))),
        ..Policy::default()
    }
}
