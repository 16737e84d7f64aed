//! Subscribers that fall silent, through the whole node.

use std::collections::BTreeMap;

use super::six::{Home, address, config, delegated};
use super::takeover::{Cells, tells};
use super::world::{self, World, line, mac};
use super::{SERVER, Server};
use crate::fpc::LinkEvent;
use crate::line::{HardwareAddress, PortId};
use crate::liveness::{LivenessConfig, Watch};
use crate::member::MemberId;
use crate::node::{Event, NodeConfig, Probe};
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{self, Builder, code, kind};
use crate::wire::neighbour::{Neighbour, NeighbourKind};
use crate::wire::router::link_local;

fn releasing() -> NodeConfig {
    let mut config = config();
    config.v6.as_mut().unwrap().release.causes.unavailable = true;
    config
}

fn watched() -> LivenessConfig {
    LivenessConfig { fpcs: vec![Some(Watch::default()); 2], ..LivenessConfig::default() }
}

fn watching(config: NodeConfig) -> Home {
    let mut home = Home::new(config, BTreeMap::new(), 100);
    home.node.watch(watched(), home.now);
    home
}

/// What a client says when it is asked for this.
fn answer(client: u8, probe: &Probe) -> Vec<u8> {
    let target = probe.ipv6.unwrap();
    let asked = Neighbour {
        kind: NeighbourKind::Solicitation,
        source_mac: [2, 0, 0, 0, 0, 0xfe],
        destination_mac: mac(client),
        tags: probe.line.tags,
        source: link_local([2, 0, 0, 0, 0, 0xfe]),
        destination: target,
        target,
    };
    asked.answer(mac(client)).build()
}

/// RR-1: who sends nothing for five minutes is asked three times, and released when there is no answer. Whoever the data
/// plane sees is not asked; who answers once is left alone for as long again.
#[test]
fn silence() {
    let mut home = watching(releasing());
    assert!(home.log_in(1, 0) && home.log_in(2, 1) && home.log_in_for(3, 1, &[delegated(3)]));
    home.wait(200_000);
    home.uses(delegated(2));
    home.wait(99_000);
    assert_eq!(home.asked, []);
    home.wait(2_500);
    let asked: Vec<_> = home.asked.iter().map(|(_, probe)| *probe).collect();
    let expected =
        |client: u8, port, target| Probe { line: line(port), mac: mac(client), ipv4: None, ipv6: Some(target) };
    let local = "fe80::ff:fe00:3".parse().unwrap();
    assert!(asked.contains(&expected(1, 0, address(1).address())), "{asked:?}");
    assert!(asked.contains(&expected(3, 1, local)), "without an address of its own");
    let (_, third) = *home.asked.iter().find(|(_, probe)| probe.mac == mac(3)).unwrap();
    home.node.handle_advertisement(PortId(1), &answer(3, &third), home.now);
    home.carry_out();
    let answered = home.now;
    home.wait(4_600);
    let times: Vec<Instant> = home.asked.iter().filter(|(_, probe)| probe.mac == mac(1)).map(|(at, _)| *at).collect();
    let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert_eq!(gaps, [Duration::from_secs(2); 2]);
    let hardware = HardwareAddress::ethernet(mac(1));
    let told = Event::Unavailable { hardware, line: line(0), addresses: Vec::new(), clients: 1 };
    assert_eq!(
        home.events.iter().filter(|event| matches!(event, Event::Unavailable { .. })).collect::<Vec<_>>(),
        [&told]
    );
    assert_eq!(home.serve(), 1);
    assert_eq!(home.leases(), [address(2), delegated(2), delegated(3)].into());
    let before = home.asked.iter().filter(|(_, probe)| probe.mac == mac(3)).count();
    home.wait(280_000);
    assert_eq!(home.asked.iter().filter(|(_, probe)| probe.mac == mac(3)).count(), before);
    home.wait(60_000);
    let again =
        home.asked.iter().filter(|(at, probe)| probe.mac == mac(3) && *at > answered + Duration::from_secs(299));
    assert!(again.count() > 0);
}

/// RR-8, RR-5: nobody is released for it unless the operator wants that; and nobody is asked unless he wants that.
#[test]
fn switched_off() {
    let mut home = watching(config());
    assert!(home.log_in(1, 0));
    home.wait(340_000);
    assert_eq!((home.asked.len(), home.serve(), home.leases().len()), (3, 0, 2));
    home.wait(1_000_000);
    let told = home.events.iter().filter(|event| matches!(event, Event::Unavailable { clients: 0, .. }));
    assert_eq!((told.count(), home.asked.len() > 6), (1, true), "it is asked again, and told once");
    let mut home = Home::new(releasing(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.wait(3_000_000);
    assert_eq!((home.asked.len(), home.leases().len()), (0, 2));
}

/// CL-52, RR-1, RR-8: in a cluster the keeper asks those whom nobody has seen, as soon as all have told so; and nobody as long as
/// another member tells nothing.
#[test]
fn whom_another_member_sees() {
    for tell in [true, false] {
        let members = [1, 2].map(|number| MemberId::new(number).unwrap());
        let mut home = watching(NodeConfig { cluster: Some(members[0]), ..releasing() });
        home.node.handle_keeper(true, home.now);
        home.node.handle_peer(members[1], true, home.now);
        home.node.handle_owners(Some(members.into()), home.now);
        assert_eq!(home.carry_out(), []);
        assert!(home.log_in(1, 0) && home.log_in(2, 1));
        for number in 1..=120 {
            home.wait(3_000);
            if tell {
                tells(&mut home, number, &[delegated(2)]);
            }
        }
        assert_eq!((home.serve() > 0, home.asked.len()), (tell, if tell { 3 } else { 0 }));
        let left = if tell { 2 } else { 4 };
        assert!(home.leases().len() == left && home.leases().contains(&delegated(2)), "{:?}", home.leases());
    }
}

/// RR-8: where there is no carrier nobody can answer, and what was silent because of that has its time anew.
#[test]
fn without_a_carrier() {
    let mut home = watching(releasing());
    assert!(home.log_in(1, 0) && home.log_in(2, 1));
    home.wait(10_000);
    home.node.handle_link(PortId(0), LinkEvent::Down, home.now);
    home.wait(295_000);
    home.node.handle_link(PortId(0), LinkEvent::Up, home.now);
    home.carry_out();
    home.wait(200_000);
    assert!(home.asked.iter().all(|(_, probe)| probe.mac == mac(2)) && home.asked.len() >= 3);
    home.wait(140_000);
    assert!(home.asked.iter().any(|(_, probe)| probe.mac == mac(1)));
}

/// One MAC with two client-ids, as of a boot ROM and the system that it loads: as long as it uses one of its addresses nobody
/// asks. Then it is asked for the one that it used last, and all are released.
#[test]
fn two_client_ids() {
    let (mut world, cells) = (World::new(world::config(), [Server::new(SERVER, false)]), Cells::default());
    world.node.handle_dataplane(Box::new(cells.clone()));
    world.node.watch(watched(), world.now);
    let hardware = HardwareAddress::ethernet(mac(1));
    // Whichever comes first in a table.
    for used in [10, 11] {
        for number in [10, 11] {
            let request = Builder::new(dhcp4::REQUEST).hardware(hardware).xid(number.into()).kind(kind::REQUEST);
            let request = request.option(code::CLIENT_ID, &[0, number]);
            world.send(1, 0, &request.address(code::REQUESTED_IP, world::address(number)).finish());
            world.settle();
        }
        world.assert_logged_in([10, 11]);
        world.asked.clear();
        world.wait(200);
        cells.saw(world.node.session(world::address(used)).unwrap().slot, world.now);
        world.wait(290);
        assert_eq!(world.asked, []);
        world.wait(60);
        let ipv4 = Some((world::config().relay.fpcs[0].giaddr, world::address(used)));
        assert_eq!(world.asked, [Probe { line: line(0), mac: mac(1), ipv4, ipv6: None }; 3]);
        let Some(Event::Unavailable { addresses, .. }) =
            world.events.iter().rev().find(|event| matches!(event, Event::Unavailable { .. }))
        else {
            panic!("{:?}", world.events);
        };
        assert_eq!(addresses.iter().copied().collect::<std::collections::BTreeSet<_>>(), World::addresses([10, 11]));
        world.wait(60);
        world.assert_logged_in([]);
        assert_eq!(world.server().active(), [] as [core::net::Ipv4Addr; 0]);
    }
}
