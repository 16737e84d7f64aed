//! A year of four servers in a minute: one has a /20, three get what their hosts need, and the hosts move.
//!
//! The servers are the real cores, joined by function calls. Hosts are numbers: every half hour some go, and as many log in
//! as the season wants, each at its own server and into the fullest subnet that takes new hosts. So the space that each
//! server has can be drawn over the time, beside the hosts that it serves.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use gateway_core::delegation::{
    CLASS, Command, Constants, Delegation, DelegationConfig, Holder, Lessees, Policy, Proof, Proven, ServerId, Usage,
};
use gateway_core::subnet::Subnet;
use gateway_core::time::{Duration, Instant};

/// How often hosts come and go.
pub const STEP: Duration = Duration::from_secs(1800);

/// A day.
pub const DAY: Duration = Duration::from_secs(86400);

/// How it stands at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the beginning.
    pub at: Duration,
    /// Hosts of each of the three servers.
    pub hosts: [u64; 3],
    /// Addresses that each of them has.
    pub space: [u64; 3],
    /// Addresses that the first server has left.
    pub free: u64,
}

/// What became of all logins.
#[derive(Clone, Copy, Default, Debug)]
pub struct Logins {
    /// How many there were.
    pub all: u64,
    /// Of these, for which the server had no address.
    pub refused: u64,
    /// Of these, while some server had a subnet that nobody used, in its pool or kept ready for its own hosts.
    pub refused_while_free: u64,
}

/// The four servers.
pub struct Year {
    now: Instant,
    began: Instant,
    servers: Vec<Server>,
    logins: Logins,
}

struct Server {
    core: Delegation,
    address: Ipv4Addr,
    pools: BTreeMap<Subnet, Pool>,
    timer: Option<Instant>,
    needing: bool,
}

#[derive(Default)]
struct Pool {
    open: bool,
    hosts: u64,
    high_water: u64,
    reported: Option<u64>,
}

impl Default for Year {
    fn default() -> Self {
        Self::new()
    }
}

impl Year {
    /// The first of January: the first server has 10.0.0.0/20, the others nothing.
    pub fn new() -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let servers = (0..4).map(|number| Server::new(number, now)).collect();
        let mut year = Self { now, began: now, servers, logins: Logins::default() };
        let space = "10.0.0.0/20".parse().expect("a subnet");
        year.act(0, |core, now| core.handle_add(space, None, now).expect("it is the first"));
        year.advance(Duration::from_secs(120));
        year.began = year.now;
        year
    }

    /// How many hosts a server should have: 65 % of the space in all, of which each has more at one season than at
    /// others, and more in the evening than at night.
    pub fn wanted(server: usize, at: Duration) -> u64 {
        let turn = std::f64::consts::TAU;
        let days = at.as_secs_f64() / 86400.0;
        let share = 1.0 / 3.0 + 0.28 * (turn * (days / 120.0 + server as f64 / 3.0)).sin();
        let daily = 1.0 + 0.15 * (turn * days).sin();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
        let hosts = (4096.0 * 0.65 * share * daily) as u64;
        hosts
    }

    /// Half an hour passes.
    pub fn step(&mut self) {
        let at = self.now.since(self.began) + STEP;
        self.step_to([0, 1, 2].map(|server| Self::wanted(server, at)));
    }

    /// Half an hour passes, after which each of the three servers should have so many hosts.
    pub fn step_to(&mut self, wanted: [u64; 3]) {
        self.advance(STEP);
        for (index, wanted) in (1..).zip(wanted) {
            self.hosts_come_and_go(index, wanted);
        }
    }

    /// Counted so far.
    pub fn logins(&self) -> Logins {
        self.logins
    }

    /// How it stands now.
    pub fn sample(&self) -> Sample {
        let at = self.now.since(self.began);
        let children = |of: &dyn Fn(&Server) -> u64| [1, 2, 3].map(|index: usize| of(&self.servers[index]));
        let space =
            |server: &Server| server.core.view(self.now).roots.iter().map(|root| u64::from(root.subnet.size())).sum();
        let free = self.servers[0].core.view(self.now).roots.iter().map(|root| root.free).sum();
        Sample { at, hosts: children(&Server::hosts), space: children(&space), free }
    }

    fn hosts_come_and_go(&mut self, index: usize, wanted: u64) {
        let server = &mut self.servers[index];
        // One in eight goes; more where there are too many.
        let surplus = server.hosts().saturating_sub(wanted);
        let mut going = (server.hosts() / 8).max(surplus);
        for pool in server.pools.values_mut() {
            let share = (pool.hosts / 8 + 1).min(pool.hosts).min(going);
            pool.hosts -= share;
            going -= share;
        }
        for pool in server.pools.values_mut() {
            let share = going.min(pool.hosts);
            pool.hosts -= share;
            going -= share;
        }
        let coming = wanted.saturating_sub(server.hosts());
        let mut left = coming;
        // The address server asks before it has nothing left, and hears at once what there is.
        for _ in 0..2 {
            left = self.servers[index].log_in(left);
            let (room, hosts) = (self.servers[index].room(), self.servers[index].hosts());
            // A server that nobody logs in at keeps nothing ready.
            let reserve = if wanted > 0 { hosts / 10 + 8 } else { 0 };
            let need = if room < reserve { reserve - room + left } else { 0 };
            if need > 0 || self.servers[index].needing {
                self.servers[index].needing = need > 0;
                let need = u32::try_from(need).unwrap_or(u32::MAX);
                self.act(index, |core, now| core.handle_need(need, now));
            }
        }
        self.logins.all += coming;
        self.logins.refused += left;
        if left > 0 && self.somebody_has_some() {
            self.logins.refused_while_free += left;
        }
        self.report(index);
    }

    fn report(&mut self, index: usize) {
        let mut told = Vec::new();
        let mut drained = Vec::new();
        for (subnet, pool) in &mut self.servers[index].pools {
            pool.high_water = pool.high_water.max(pool.hosts);
            if !pool.open && pool.hosts == 0 {
                drained.push(*subnet);
            } else if pool.open && pool.reported != Some(pool.hosts) {
                pool.reported = Some(pool.hosts);
                told.push((*subnet, Usage { in_use: pool.hosts, high_water: pool.high_water, unusable: 0 }));
            }
        }
        for subnet in drained {
            self.servers[index].pools.remove(&subnet);
            self.act(index, |core, now| core.handle_drained(&subnet, now));
        }
        for (subnet, usage) in told {
            self.act(index, |core, now| core.handle_usage(&subnet, usage, now));
        }
    }

    /// Whether any server has a subnet that nobody uses.
    fn somebody_has_some(&self) -> bool {
        if self.servers.iter().flat_map(|server| server.pools.values()).any(|pool| pool.hosts == 0) {
            return true;
        }
        let views = self.servers.iter().map(|server| server.core.view(self.now));
        views.flat_map(|view| view.roots).flat_map(|root| root.blocks).any(|block| block.holder == Holder::Pool)
    }

    fn act<T>(&mut self, index: usize, act: impl FnOnce(&mut Delegation, Instant) -> T) -> T {
        let result = act(&mut self.servers[index].core, self.now);
        let mut wire = self.servers[index].carry_out();
        // Nobody speaks more than a few words for each input.
        for _ in 0..10_000 {
            if wire.is_empty() {
                return result;
            }
            let (from, to, octets, proven) = wire.remove(0);
            if let Some(server) = self.servers.iter_mut().find(|server| server.address == to) {
                server.core.handle_message(&octets, from, proven, self.now);
                wire.extend(server.carry_out());
            }
        }
        panic!("the servers never stop talking");
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            let timers = self.servers.iter().enumerate();
            let Some((due, index)) = timers.filter_map(|(index, server)| Some((server.timer?, index))).min() else {
                break;
            };
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            self.act(index, Delegation::handle_timeout);
        }
        self.now = end;
    }
}

type Datagram = (Ipv4Addr, Ipv4Addr, Vec<u8>, Proven);

impl Server {
    fn new(number: u8, now: Instant) -> Self {
        let address = Ipv4Addr::new(192, 0, 2, number + 1);
        let config = DelegationConfig {
            me: ServerId::new(&[b's', number]).expect("two octets"),
            address,
            providers: if number == 0 { Vec::new() } else { vec![Ipv4Addr::new(192, 0, 2, 1)] },
            lessees: if number == 0 { Lessees::Anyone } else { Lessees::Nobody },
            class: Some(CLASS.to_vec()),
            reserve: None,
            authenticate: false,
            policy: Policy { own_prefixes: (25, 27), push_above_percent: 101, ..Policy::default() },
            constants: Constants::default(),
        };
        let mut server = Self {
            core: Delegation::new(config, [], u64::from(number), now),
            address,
            pools: BTreeMap::new(),
            timer: None,
            needing: false,
        };
        server.carry_out();
        server
    }

    fn hosts(&self) -> u64 {
        self.pools.values().map(|pool| pool.hosts).sum()
    }

    /// Addresses for new hosts.
    fn room(&self) -> u64 {
        let open = self.pools.iter().filter(|(_, pool)| pool.open);
        open.map(|(subnet, pool)| u64::from(subnet.capacity()) - pool.hosts).sum()
    }

    /// Hosts log in, into the fullest subnets; how many find no address.
    fn log_in(&mut self, coming: u64) -> u64 {
        let mut left = coming;
        let mut open: Vec<_> = self.pools.iter_mut().filter(|(_, pool)| pool.open).collect();
        open.sort_by_key(|(subnet, pool)| u64::from(subnet.capacity()) - pool.hosts);
        for (subnet, pool) in open {
            let share = left.min(u64::from(subnet.capacity()) - pool.hosts);
            pool.hosts += share;
            left -= share;
        }
        left
    }

    /// Does what the core wants; what it wants to say is returned.
    fn carry_out(&mut self) -> Vec<Datagram> {
        let mut wire = Vec::new();
        while let Some(command) = self.core.poll_command() {
            match command {
                Command::Assign(assignment) => self.pools.entry(assignment.subnet).or_default().open = true,
                Command::StopAssigning { subnet } => {
                    if let Some(pool) = self.pools.get_mut(&subnet) {
                        (pool.open, pool.reported) = (false, None);
                    }
                }
                // Its hosts are told that their addresses are invalid, and log in anew.
                Command::Gone { subnet } => {
                    if let Some(pool) = self.pools.get_mut(&subnet) {
                        (pool.open, pool.hosts) = (false, 0);
                    }
                }
                Command::Send { to, message, proof, .. } => {
                    let proven = if proof == Proof::Signed { Proven::Yes } else { Proven::No };
                    wire.push((self.address, to, message, proven));
                }
                Command::Persist { .. } | Command::Forget { .. } | Command::Tell(_) => {}
            }
        }
        self.timer = self.core.poll_timeout();
        wire
    }
}
