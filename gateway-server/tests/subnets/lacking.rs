//! What clients lack, and what is asked for.

use gateway_server::Reservation;

use super::*;

/// SN-56, SN-57: many clients come before the delegation is looked at. Those that find nothing left are counted, and served a moment
/// later, although what was granted first is used up by then.
#[test]
fn a_burst_of_logins() {
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    let clients: Vec<Cpe> = (1..=100).map(|number| cpe(number).at(OTHER_RELAY)).collect();
    assert_eq!(world.login(PARENT, &clients[0]), None);
    for burst in [&clients[..30], &clients[..]] {
        let (now, unix) = (world.now, world.unix);
        let node = world.nodes.get_mut(&PARENT).unwrap();
        for client in burst {
            node.server.handle_message(SocketAddrV4::new(OTHER_RELAY, 67), &client.discover(), now, unix);
        }
        node.turn(now, unix);
        for client in burst {
            assert!(world.login(PARENT, client).is_some());
        }
    }
    // A child is told of what is lacking each time, also when it lacks as much as it has just been given.
    let mut world = World::new(&["10.16.0.0/20"], &["west"], [None, None]);
    world.run(20); // nobody tells it of anything that was its own
    for round in 0..6u32 {
        let clients: Vec<Cpe> = (1..=20).map(|number| cpe(round * 20 + number)).collect();
        for client in &clients {
            let (now, unix) = (world.now, world.unix);
            let node = world.nodes.get_mut(&CHILD).unwrap();
            node.server.handle_message(SocketAddrV4::new(RELAY, 67), &client.discover(), now, unix);
        }
        world.run(3);
        for client in &clients {
            assert!(world.login(CHILD, client).is_some(), "round {round}");
        }
    }
}

/// SN-57: when most of those who found nothing have gone, no more is asked for than the rest needs.
#[test]
fn a_burst_that_goes_away() {
    let mut world = World::new(&[], &["west"], [None, None]);
    for number in 1..=200 {
        world.login(PARENT, &cpe(number).at(OTHER_RELAY));
    }
    let need = |world: &World| world.nodes[&PARENT].subnets.view(world.now).need;
    world.run(2);
    assert!(need(&world) > 100);
    for _ in 0..3 {
        world.run(50);
        (1..=3).for_each(|number| assert_eq!(world.login(PARENT, &cpe(number).at(OTHER_RELAY)), None));
    }
    world.run(2);
    assert_eq!(need(&world), 3);
}

/// SN-57, SN-63: free addresses that only a device's hosts may have, or who has a reservation, are of no use to others: they lack some
/// all the same.
#[test]
fn what_is_set_apart_is_not_free() {
    let mut top = config(PARENT, &["10.16.0.0/28"], &["west"], None);
    top.reservations = vec![Reservation { mac: Some(cpe(200).mac), ..Reservation::new([10, 16, 0, 5].into()) }];
    let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
    let node = Node::start(top, BTreeMap::new(), now, unix);
    let mut world = World { nodes: [(PARENT, node)].into(), now, unix };
    let client = |number: u32| cpe(number).at(OTHER_RELAY);
    world.login(PARENT, &client(1));
    for number in 1..=13 {
        assert!(world.login(PARENT, &client(number)).is_some(), "{number}");
    }
    assert_eq!(world.login(PARENT, &client(14)), None, "one is left, which is another's");
    world.settle();
    let now = world.now;
    assert_eq!(world.nodes.get_mut(&PARENT).unwrap().server.lacking(now), 1);

    let node = world.nodes.get_mut(&PARENT).unwrap();
    node.server
        .assign([10, 17, 0, 0].into(), 26, now + Duration::from_secs(3600), Some([192, 0, 2, 77].into()))
        .unwrap();
    assert_eq!(node.server.lacking(now), 1, "free addresses of a device");
}
