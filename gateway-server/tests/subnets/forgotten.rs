//! A server that has lost its disk, and clients of before.

use gateway_core::wire::dhcp4::Builder;
use gateway_server::PingCheck;

use super::*;

/// H-SN-3: a server at the top that lost its disk gives nothing of what is configured, unless it is said to be fresh.
#[test]
fn a_lost_disk_at_the_top() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    let lose = |world: &mut World, fresh: bool| {
        let mut node = world.nodes.remove(&PARENT).unwrap();
        node.config.delegation.as_mut().unwrap().roots[0].fresh = fresh;
        world.nodes.insert(PARENT, Node::start(node.config, BTreeMap::new(), world.now, world.unix));
        world.login(CHILD, &cpe(1));
        world.run(60);
        world.login(CHILD, &cpe(1)).is_some()
    };
    assert!(!lose(&mut world, false));
    assert_eq!(world.nodes[&PARENT].subnets.view(world.now).roots[0].standing, "uncertain");
    assert!(lose(&mut world, true));
}

/// H-SN-3: clients of a child that lost its disk go on with their addresses, and none that somebody may have is offered before it
/// was asked and nobody answered.
#[test]
fn forgotten_clients() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    world.login(CHILD, &cpe(1));
    world.run(30);
    let [first, second] = [1, 2].map(|number| world.login(CHILD, &cpe(number)).unwrap());
    let node = world.nodes.remove(&CHILD).unwrap();
    assert!(node.probes.is_empty(), "nobody is asked where nothing was forgotten");
    world.nodes.insert(CHILD, Node::start(node.config, BTreeMap::new(), world.now, world.unix));
    world.run(10);
    let reply = world.send(CHILD, &cpe(2), &cpe(2).renew(second)).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().kind(), Some(kind::ACK));
    let reply = world.send(CHILD, &cpe(3), &cpe(3).renew(second)).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().kind(), Some(kind::NAK), "it is known whose that is");
    assert_eq!(world.send(CHILD, &cpe(3), &cpe(3).discover()), None, "it is asked first");
    assert_eq!(world.nodes[&CHILD].probes, [first]);
    let (now, unix) = (world.now, world.unix);
    world.nodes.get_mut(&CHILD).unwrap().server.handle_echo(first, now, unix);
    world.run(2);
    let node = world.nodes.get_mut(&CHILD).unwrap();
    let offer = node.replies.pop().unwrap();
    let offered = Message::parse(&offer).unwrap().yiaddr();
    assert!(![first, second].contains(&offered) && node.probes == [first, offered], "{offered} {:?}", node.probes);
}

/// H-SN-3: neither by a crowd, nor by selecting what was not offered or is just being asked, does anybody get an address of a
/// forgotten client unasked.
#[test]
fn forgotten_clients_and_a_crowd() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    world.login(CHILD, &cpe(1));
    world.run(30);
    let first = world.login(CHILD, &cpe(1)).unwrap();
    let mut node = world.nodes.remove(&CHILD).unwrap();
    node.config.ping_check = Some(PingCheck { most: 1, ..PingCheck::default() });
    world.nodes.insert(CHILD, Node::start(node.config, BTreeMap::new(), world.now, world.unix));
    world.run(10);
    let mut kind = |message: &[u8], number: u32| {
        let reply = world.send(CHILD, &cpe(number), message);
        reply.and_then(|reply| Message::parse(&reply).unwrap().kind())
    };
    let select = |number: u32| {
        let selecting = |builder: Builder| builder.address(code::SERVER_ID, CHILD).address(code::REQUESTED_IP, first);
        cpe(number).message(kind::REQUEST, selecting)
    };
    assert_eq!(kind(&select(2), 2), Some(kind::NAK), "nobody was offered it");
    let wanting = cpe(2).message(kind::DISCOVER, |builder| builder.address(code::REQUESTED_IP, first));
    assert_eq!(kind(&wanting, 2), None, "it is asked first");
    assert_eq!(kind(&select(2), 2), Some(kind::NAK), "it was not silent for long enough");
    assert_eq!(kind(&cpe(3).discover(), 3), None, "more than can be asked at once");
    assert_eq!(world.nodes[&CHILD].probes, [first]);
    world.run(2);
    let node = world.nodes.get_mut(&CHILD).unwrap();
    let offers: Vec<_> = node.replies.drain(..).map(|offer| Message::parse(&offer).unwrap().yiaddr()).collect();
    assert_eq!(offers, [first], "it has been silent, and the other is to ask again");
    let reply = world.send(CHILD, &cpe(2), &select(2)).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().kind(), Some(kind::ACK));
}
