//! A thousand CPEs against the embedded server's core, with a few lines of relay and router between: all in memory, in a
//! virtual time.

use gateway_core::wire::agent::{AgentBuilder, sub};
use gateway_core::wire::dhcp4::{relay_down, relay_up};
use gateway_server::{Command, Config, Server, Subnet};

use super::super::config::Tagging;
use super::*;

const RELAY: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const ROUTER_MAC: [u8; 6] = [4; 6];

struct World {
    crowd: Crowd,
    server: Server,
    now: Instant,
    /// Frames towards the server that are lost: one of so many.
    lose: Option<u64>,
    frames: u64,
    kinds: Vec<u8>,
}

impl World {
    fn new(config: FleetConfig) -> Self {
        let mut served = Config::new(SERVER, "/nowhere");
        let pool = (Ipv4Addr::new(100, 64, 1, 0), Ipv4Addr::new(100, 64, 255, 255));
        served.subnets.push(Subnet::new(Ipv4Addr::new(100, 64, 0, 0), 16, pool, RELAY));
        let now = Instant::ZERO + Duration::from_secs(100);
        let server = Server::new(served, [], now, Duration::from_secs(1_790_000_000)).unwrap();
        Self { crowd: Crowd::new(config), server, now, lose: None, frames: 0, kinds: Vec::new() }
    }

    fn tell(&mut self, action: Action) {
        let count = self.crowd.config.count;
        self.crowd.tell(0..count, action, self.now);
    }

    /// Lets time pass in steps of what is due, and carries every frame at once.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.crowd.handle_timeout(self.now);
            while let Some(frame) = self.crowd.poll_frame() {
                self.frames += 1;
                if self.lose.is_none_or(|one_of| !self.frames.is_multiple_of(one_of)) {
                    self.carry(&frame);
                }
            }
            match self.crowd.poll_timeout().filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
        }
        self.now = end;
    }

    fn carry(&mut self, frame: &[u8]) {
        if let Some(arp) = Arp::parse(frame) {
            if !arp.is_reply && arp.target == RELAY {
                self.crowd.handle_frame(&arp.answer(ROUTER_MAC).build(), self.now);
            }
            return;
        }
        let datagram = Datagram::parse(frame).unwrap();
        if datagram.destination.port() != 67 {
            let mut back = datagram;
            (back.source_mac, back.destination_mac) = (datagram.destination_mac, datagram.source_mac);
            (back.source, back.destination) = (datagram.destination, datagram.source);
            return self.crowd.handle_frame(&back.build().unwrap(), self.now);
        }
        let message = Message::parse(datagram.payload).unwrap();
        self.kinds.push(message.kind().unwrap());
        let unix = Duration::from_secs(1_790_000_000) + self.now.since(Instant::ZERO);
        if *datagram.destination.ip() == SERVER {
            assert_eq!(datagram.destination_mac, ROUTER_MAC);
            self.server.handle_message(datagram.source, datagram.payload, self.now, unix);
        } else {
            let agent = AgentBuilder::new().sub(sub::CIRCUIT_ID, b"line").finish();
            let relayed = relay_up(&message, RELAY, 1, agent.as_deref());
            self.server.handle_message(SocketAddrV4::new(RELAY, 67), &relayed, self.now, unix);
        }
        while let Some(command) = self.server.poll_command() {
            let Command::Send { payload, .. } = command else { continue };
            let message = Message::parse(&payload).unwrap();
            let mac = message.hardware().mac().unwrap();
            let yours = if message.yiaddr().is_unspecified() { message.ciaddr() } else { message.yiaddr() };
            let reply = Datagram {
                source_mac: ROUTER_MAC,
                destination_mac: if message.broadcast() { BROADCAST_MAC } else { mac },
                tags: datagram.tags,
                source: SocketAddrV4::new(RELAY, 67),
                destination: SocketAddrV4::new(yours, 68),
                payload: &relay_down(&message),
            };
            self.crowd.handle_frame(&reply.build().unwrap(), self.now);
        }
    }
}

use core::net::SocketAddrV4;

fn config(count: u32) -> FleetConfig {
    FleetConfig { count, tagging: Tagging::Double { first: 100 }, client_id: true, ..FleetConfig::default() }
}

/// All log in, each on its line, no two with one address; the server knows as many leases.
#[test]
fn a_thousand_log_in() {
    let mut world = World::new(config(1000));
    world.tell(Action::Start);
    world.run(Duration::from_millis(500));
    let halfway = world.crowd.stats().online();
    assert!((400..=600).contains(&halfway), "a thousand per second: {halfway}");
    world.run(Duration::from_millis(600));
    let stats = world.crowd.stats();
    assert_eq!((stats.bound, stats.ready, stats.idle), (1000, 1000, 0));
    assert_eq!((stats.counters.discovers, stats.counters.requests, stats.counters.acks), (1000, 1000, 1000));
    let faults = stats.counters;
    assert_eq!((faults.option_82, faults.misdelivered, faults.conflicts, faults.broadcasts), (0, 0, 0, 0));
    assert_eq!(world.server.status().active, 1000);
}

/// Every fifth frame is lost: in the end all are logged in all the same.
#[test]
fn losses_are_made_good() {
    let mut world = World::new(FleetConfig { broadcast: true, ..config(200) });
    world.lose = Some(5);
    world.tell(Action::Start);
    world.run(Duration::from_secs(60));
    let stats = world.crowd.stats();
    assert_eq!(stats.bound, 200);
    assert!(stats.counters.retransmissions >= 40 && stats.counters.broadcasts >= 400);
}

/// They renew by themselves at half the lease, straight at the server, for as long as it takes.
#[test]
fn renewal() {
    let mut world = World::new(config(50));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    world.kinds.clear();
    world.run(Duration::from_secs(4 * 3600));
    assert_eq!(world.crowd.stats().online(), 50);
    assert!(world.kinds.iter().all(|kind| *kind == kind::REQUEST));
    assert!((7 * 50..=8 * 50).contains(&world.kinds.len()), "{} in eight half leases", world.kinds.len());
    assert_eq!(world.server.status().active, 50);

    let mut world = World::new(FleetConfig { renews: false, ..config(50) });
    world.tell(Action::Start);
    world.run(Duration::from_secs(3000));
    assert_eq!(world.kinds.len(), 100, "only the logins");
    world.tell(Action::Renew);
    world.run(Duration::from_secs(1));
    assert_eq!((world.kinds.len(), world.crowd.stats().bound), (150, 50));
}

/// Off and on again: the same addresses. Logged out: none, and the server knows.
#[test]
fn power_and_release() {
    let mut world = World::new(config(50));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    let addresses = |world: &World| world.crowd.cpes().iter().map(Cpe::address).collect::<Vec<_>>();
    let before = addresses(&world);
    world.tell(Action::PowerOff);
    world.run(Duration::from_secs(1));
    assert_eq!(world.crowd.stats().idle, 50);
    world.tell(Action::Reboot);
    world.run(Duration::from_secs(1));
    assert_eq!(addresses(&world), before);
    world.tell(Action::Inform);
    world.run(Duration::from_secs(1));
    assert_eq!(world.crowd.stats().counters.informed, 50);
    world.tell(Action::Release);
    world.run(Duration::from_secs(1));
    assert_eq!((world.crowd.stats().idle, world.server.status().active), (50, 0));
}

/// A CPE answers ARP for its own address on its own line, and for nothing else.
#[test]
fn arp() {
    let mut world = World::new(config(2));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    let (first, second) = (world.crowd.cpes()[0].clone(), world.crowd.cpes()[1].clone());
    let mut ask = |target: Ipv4Addr, tags| {
        world.crowd.handle_frame(&Arp::who_has(target, RELAY, ROUTER_MAC, tags).build(), world.now);
        world.crowd.poll_frame().map(|frame| Arp::parse(&frame).unwrap().sender_mac)
    };
    let (address, tags) = (first.address().unwrap(), first.identity().tags);
    assert_eq!(ask(address, tags), Some(first.identity().mac));
    assert_eq!(ask(address, second.identity().tags), None);
    assert_eq!(ask(Ipv4Addr::new(100, 64, 9, 9), tags), None);
}

/// Traffic comes back whole; what a router sends to the wrong CPE or line, or twice, is found.
#[test]
fn traffic_there_and_back() {
    let mut world = World::new(config(10));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    let plan = TrafficPlan { rate: 1000, duration: Duration::from_secs(1), size: 64 };
    world.crowd.start_traffic(plan, world.now);
    world.run(Duration::from_secs(2));
    let (report, over) = world.crowd.traffic(world.now, Duration::ZERO).unwrap();
    assert!(over);
    assert_eq!((report.senders, report.sent, report.lost(), report.silent), (10, 1000, 0, 0));
    assert_eq!((report.duplicates, report.misdelivered), (0, 0));

    world.crowd.start_traffic(TrafficPlan { rate: 1, ..plan }, world.now);
    world.crowd.handle_timeout(world.now);
    let frame = world.crowd.poll_frame().unwrap();
    let sent = Datagram::parse(&frame).unwrap();
    let other = world.crowd.cpes()[1].identity().clone();
    let back =
        Datagram { destination_mac: sent.source_mac, destination: sent.source, source: sent.destination, ..sent };
    for wrong in [Datagram { destination_mac: other.mac, ..back }, Datagram { tags: other.tags, ..back }] {
        world.crowd.handle_frame(&wrong.build().unwrap(), world.now);
    }
    for _ in 0..2 {
        world.crowd.handle_frame(&back.build().unwrap(), world.now);
    }
    let (report, _) = world.crowd.traffic(world.now, Duration::ZERO).unwrap();
    assert_eq!((report.sent, report.returned, report.duplicates, report.misdelivered), (1, 1, 1, 2));
}

/// A flood comes at its rate from its MACs, its answers are counted, and no CPE is disturbed.
#[test]
fn flood() {
    let mut world = World::new(config(10));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    world.crowd.start_flood(FloodPlan { macs: 100, rate: 500, duration: Duration::from_secs(1), line: 3 }, world.now);
    world.run(Duration::from_secs(2));
    assert_eq!(world.crowd.flood(), Some(FloodReport { sent: 500, answered: 500 }));
    assert_eq!((world.crowd.stats().bound, world.server.status().active), (10, 10));
}

/// No frame makes the crowd panic, cut or changed anywhere.
#[test]
fn any_frame() {
    let mut world = World::new(config(3));
    world.tell(Action::Start);
    world.run(Duration::from_secs(1));
    let cpe = world.crowd.cpes()[0].clone();
    let arp = Arp::who_has(cpe.address().unwrap(), RELAY, ROUTER_MAC, cpe.identity().tags).build();
    world.crowd.act(0, Action::Renew, world.now);
    let dhcp = world.crowd.poll_frame().unwrap();
    for frame in [arp, dhcp] {
        for at in 0..frame.len() {
            world.crowd.handle_frame(&frame[..at], world.now);
            for octet in [0, 1, 0x7f, 0xff] {
                let mut changed = frame.clone();
                changed[at] = octet;
                world.crowd.handle_frame(&changed, world.now);
            }
        }
    }
}
